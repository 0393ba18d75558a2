//! The made-up camera: where it points, what it does to light, and the images that it takes.

use qbb_dimensions::{TaiNanos, Timespan};

use crate::image::Image;
use crate::sky::{BANDS, Projection, Star, normal};

/// Seed of everything random.
pub const SEED: u64 = 20_261_120;
/// Degrees in a pixel.
pub const SCALE: f64 = 0.004;
/// Columns and rows of a detector.
pub const DETECTOR_SIDE: usize = 64;
/// Number of detectors, which stand in a square.
pub const DETECTORS: usize = 4;
/// Number of visits.
pub const VISITS: usize = 24;

const FIRST_DAY: i64 = 20_261_101;

/// One pointing of the telescope.
pub struct Visit {
    /// Identifier of the visit and of its exposure.
    pub id: i64,
    /// Observing day.
    pub day: i64,
    /// Position in [`BANDS`].
    pub band: usize,
    /// When the shutter was open.
    pub timespan: Timespan,
    /// Of the middle of the camera, with the tangent point at pixel (0, 0).
    camera: Projection,
}

impl Visit {
    /// Where a detector's pixels lie.
    pub fn detector(&self, detector: usize) -> Projection {
        let side = DETECTOR_SIDE as f64;
        // Detectors stand in a square with gaps of four pixels.
        let (right, high) = place(detector);
        let x = if right { -2.5 } else { side + 1.5 };
        let y = if high { -2.5 } else { side + 1.5 };
        Projection { x0: x, y0: y, ..self.camera }
    }

    /// Name of the physical filter.
    pub fn filter(&self) -> String {
        format!("{}_demo", BANDS[self.band])
    }

    /// Name of the visit, the exposure and the group.
    pub fn name(&self) -> String {
        format!("DC_{}", self.id)
    }
}

/// Whether a detector stands right and high in the square of four.
fn place(detector: usize) -> (bool, bool) {
    (detector & 1 != 0, detector & 2 != 0)
}

/// All visits, towards the given centres in turn.
pub fn visits(centres: &[(f64, f64)]) -> Vec<Visit> {
    let mut random = fastrand::Rng::with_seed(SEED);
    let midnight = TaiNanos(1_793_491_200_000_000_000);
    (0..VISITS)
        .map(|i| {
            let day = (i / 6) as i64;
            let begin = midnight.0 + day * 86_400_000_000_000 + (i as i64 % 6) * 40_000_000_000;
            let (ra, dec) = centres[i % centres.len()];
            let camera = Projection {
                ra: ra + (random.f64() - 0.5) * 0.4,
                dec: dec + (random.f64() - 0.5) * 0.4,
                angle: random.f64() * 90.0,
                scale: SCALE,
                x0: 0.0,
                y0: 0.0,
            };
            Visit {
                id: (FIRST_DAY + day) * 1000 + i as i64 % 6 + 1,
                day: FIRST_DAY + day,
                band: (i / 2) % 3,
                timespan: Timespan::from((begin, begin + 30_000_000_000)),
                camera,
            }
        })
        .collect()
}

/// The electronic offset of a detector: a level, a ramp and a few bad columns.
pub fn bias(detector: usize) -> Image {
    Image::from_fn(DETECTOR_SIDE, DETECTOR_SIDE, |x, y| {
        let bad_column = if x % 29 == detector { 25.0 } else { 0.0 };
        Some(200.0 + 10.0 * detector as f32 + 0.1 * y as f32 + bad_column)
    })
}

/// The response of a detector: less light in the corners of the camera, and a fixed pattern.
pub fn flat(detector: usize, band: usize) -> Image {
    let (right, high) = place(detector);
    let side = DETECTOR_SIDE as f32;
    Image::from_fn(DETECTOR_SIDE, DETECTOR_SIDE, |x, y| {
        let u = if right { x as f32 } else { side - x as f32 };
        let v = if high { y as f32 } else { side - y as f32 };
        let vignetting = 1.0 - 0.25 * (u * u + v * v) / (2.0 * side * side);
        let pattern = ((x * 31 + y * 17 + band * 7) % 11) as f32 / 11.0 - 0.5;
        Some(vignetting * (1.0 + 0.03 * pattern))
    })
}

/// A raw image: stars and sky through the flat, on the bias, with noise.
pub fn raw(visit: &Visit, detector: usize, stars: &[Star]) -> Image {
    let projection = visit.detector(detector);
    let mut random = fastrand::Rng::with_seed(SEED ^ (visit.id as u64 * 16 + detector as u64));
    let side = DETECTOR_SIDE;
    let sky = 80.0 + 30.0 * visit.band as f64;
    let mut light = vec![sky; side * side];
    let sigma: f64 = 1.1 + 0.3 * random.f64();
    for star in stars {
        let Some((x, y)) = projection.to_pixel(star.position) else { continue };
        let reach = 6.0;
        let edge = side as f64 + reach;
        if x < -reach || y < -reach || x > edge || y > edge {
            continue;
        }
        let peak = star.flux[visit.band] / (std::f64::consts::TAU * sigma * sigma);
        let rows = (y - reach).max(0.0) as usize..((y + reach).max(0.0) as usize).min(side);
        for j in rows {
            for i in (x - reach).max(0.0) as usize..((x + reach).max(0.0) as usize).min(side) {
                let r2 = (i as f64 - x).powi(2) + (j as f64 - y).powi(2);
                light[j * side + i] += peak * (-r2 / (2.0 * sigma * sigma)).exp();
            }
        }
    }
    let (bias, flat) = (bias(detector), flat(detector, visit.band));
    let mut image = Image::from_fn(side, side, |x, y| {
        let i = y * side + x;
        let electrons = light[i] * f64::from(flat.pixels[i]?);
        let noisy = electrons + electrons.sqrt() * normal(&mut random) + 3.0 * normal(&mut random);
        Some((noisy.round() as f32) + bias.pixels[i]?)
    });
    image.projection = Some(projection);
    image
}
