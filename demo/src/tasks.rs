//! The tasks of the demo's pipeline: each reads images, works on their pixels and writes the result.

use qbb_dimensions::DataValue;
use qbb_executor::{FunctionRegistry, LogLevel, QuantumContext, TaskError};
use qbb_graph::DatasetIx;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::image::{Detection, Image, detect, stack};
use crate::sky::{BANDS, Projection};

/// Deviations above the background at which a peak is a star.
const THRESHOLD: f32 = 8.0;

/// All functions that the pipeline names.
pub fn functions() -> FunctionRegistry {
    let mut functions = FunctionRegistry::new();
    functions.register("isr", isr);
    functions.register("calibrate", calibrate);
    functions.register("warp", warp);
    functions.register("coadd", coadd);
    functions.register("detect", detect_stars);
    functions.register("mosaic", mosaic);
    functions
}

/// The division of the sky, as the `sky_map` dataset has it.
#[derive(Debug, Deserialize)]
struct SkyMap {
    patch_side: usize,
    patches_per_side: usize,
    /// Projection of each tract's first patch.
    tracts: Vec<Projection>,
}

impl SkyMap {
    fn patch(&self, tract: usize, patch: usize) -> Option<Projection> {
        let first = self.tracts.get(tract)?;
        let column = patch % self.patches_per_side * self.patch_side;
        let row = patch / self.patches_per_side * self.patch_side;
        Some(Projection { x0: first.x0 - column as f64, y0: first.y0 - row as f64, ..*first })
    }
}

/// Stars of a patch, as the `stars` dataset has them.
#[derive(Debug, Serialize, Deserialize)]
struct Stars {
    threshold: f32,
    stars: Vec<Detection>,
}

/// A tract in all bands, as the `mosaic` dataset has it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Mosaic {
    /// Number of stars found in the tract.
    pub stars: usize,
    /// Images in the order of [`BANDS`].
    pub bands: Vec<Image>,
}

/// Removes the electronic offset and divides by the response.
fn isr(context: &mut QuantumContext<'_>) -> Result<(), TaskError> {
    let raw: Image = read(context, context.input("raw")?)?;
    let bias: Image = read(context, context.input("bias")?)?;
    let flat: Image = read(context, context.input("flat")?)?;
    let image = raw
        .zip(&bias, |raw, bias| raw - bias)
        .and_then(|image| image.zip(&flat, |image, flat| image / flat))
        .ok_or_else(|| TaskError::failed("raw, bias and flat differ in shape"))?;
    write(context, context.output("detrended")?, &image)
}

/// Averages the exposures of a visit, removes the sky and measures the noise.
fn calibrate(context: &mut QuantumContext<'_>) -> Result<(), TaskError> {
    let exposures = read_all(context, "exposures")?;
    let mut image =
        stack(&exposures).ok_or_else(|| TaskError::failed("exposures differ in shape"))?;
    let sky = image.median().ok_or_else(|| TaskError::NoWork("all pixels are masked".into()))?;
    for pixel in image.pixels.iter_mut().flatten() {
        *pixel -= sky;
    }
    image.noise = image.spread().map(f64::from);
    context.set_metadata("sky_level", f64::from(sky));
    context.log(LogLevel::Info, format!("sky level {sky:.1} electrons"));
    write(context, context.output("calibrated")?, &image)
}

/// Resamples the detectors of a visit onto a patch.
fn warp(context: &mut QuantumContext<'_>) -> Result<(), TaskError> {
    let sky_map: SkyMap = read(context, context.input("sky_map")?)?;
    let (tract, patch) = (number(context, "tract")?, number(context, "patch")?);
    let onto = sky_map
        .patch(tract, patch)
        .ok_or_else(|| TaskError::failed(format!("the sky map has no tract {tract}")))?;
    let side = sky_map.patch_side;
    let warped: Vec<Image> = (read_all(context, "images")?.iter())
        .filter_map(|image| image.resample(onto, side, side))
        .collect();
    let image = stack(&warped).ok_or_else(|| TaskError::failed("images lie nowhere"))?;
    let coverage = image.coverage();
    if coverage == 0 {
        return Err(TaskError::NoWork("the detectors only touch the patch".into()));
    }
    context.set_metadata("coverage", coverage as f64 / (side * side) as f64);
    write(context, context.output("warp")?, &image)
}

/// Averages the visits of a patch in one band.
fn coadd(context: &mut QuantumContext<'_>) -> Result<(), TaskError> {
    let warps = read_all(context, "warps")?;
    let image = stack(&warps).ok_or_else(|| TaskError::failed("warps differ in shape"))?;
    context.set_metadata("visits", warps.len());
    write(context, context.output("coadd")?, &image)
}

/// Looks for stars in the average of all bands.
fn detect_stars(context: &mut QuantumContext<'_>) -> Result<(), TaskError> {
    let coadds = read_all(context, "coadds")?;
    let image = stack(&coadds).ok_or_else(|| TaskError::failed("coadds differ in shape"))?;
    let stars = detect(&image, THRESHOLD);
    context.log(LogLevel::Info, format!("{} stars", stars.len()));
    write(context, context.output("stars")?, &Stars { threshold: THRESHOLD, stars })
}

/// Puts the patches of a tract together.
fn mosaic(context: &mut QuantumContext<'_>) -> Result<(), TaskError> {
    let sky_map: SkyMap = read(context, context.input("sky_map")?)?;
    let (side, patches) = (sky_map.patch_side, sky_map.patches_per_side);
    let whole = side * patches;
    let mut bands: Vec<Image> =
        BANDS.iter().map(|_| Image::from_fn(whole, whole, |_, _| None)).collect();
    for dataset in context.inputs("coadds")? {
        let (Some(DataValue::Text(band)), Some(DataValue::Int(patch))) =
            (context.dataset_value(dataset, "band"), context.dataset_value(dataset, "patch"))
        else {
            return Err(TaskError::failed("a coadd has no band or patch"));
        };
        let Some(band) = BANDS.iter().position(|name| *name == band) else { continue };
        let coadd: Image = read(context, dataset)?;
        let patch = patch as usize;
        let (left, low) = (patch % patches * side, patch / patches * side);
        for y in 0..coadd.height.min(side) {
            for x in 0..coadd.width.min(side) {
                bands[band].pixels[(low + y) * whole + left + x] = coadd.pixel(x, y);
            }
        }
    }
    let mut stars = 0;
    for dataset in context.inputs("stars")? {
        stars += read::<Stars>(context, dataset)?.stars.len();
    }
    write(context, context.output("mosaic")?, &Mosaic { stars, bands })
}

fn read<T: DeserializeOwned>(
    context: &QuantumContext<'_>,
    dataset: DatasetIx,
) -> Result<T, TaskError> {
    let bytes = context.get(dataset)?;
    serde_json::from_slice(&bytes).map_err(TaskError::failed)
}

fn read_all(context: &QuantumContext<'_>, connection: &str) -> Result<Vec<Image>, TaskError> {
    context.inputs(connection)?.into_iter().map(|dataset| read(context, dataset)).collect()
}

fn write<T: Serialize>(
    context: &QuantumContext<'_>,
    dataset: DatasetIx,
    value: &T,
) -> Result<(), TaskError> {
    let bytes = serde_json::to_vec(value).map_err(TaskError::failed)?;
    Ok(context.put(dataset, &bytes)?)
}

fn number(context: &QuantumContext<'_>, dimension: &str) -> Result<usize, TaskError> {
    match context.data_id_value(dimension) {
        Some(DataValue::Int(value)) => usize::try_from(value).map_err(TaskError::failed),
        _ => Err(TaskError::failed(format!("the quantum has no {dimension}"))),
    }
}
