//! The middleware's own formatters, as of daf_butler 30. Formatters whose extension depends on
//! packages that were never seen are left out; an exported pipeline knows them.

/// A formatter's class, its extension, and the storage classes that it writes by default.
type Row = (&'static str, &'static str, &'static [&'static str]);

const TABLE: [Row; 14] = [
    (
        "lsst.daf.butler.formatters.json.JsonFormatter",
        ".json",
        &[
            "int",
            "TaskMetadata",
            "MetricMeasurementBundle",
            "Timespan",
            "RegionTimeInfo",
            "VisitBackgroundModel",
            "VisitGeometry",
        ],
    ),
    (
        "lsst.daf.butler.formatters.yaml.YamlFormatter",
        ".yaml",
        &[
            "StructuredDataDict",
            "ExposureSummaryStats",
            "PropertyList",
            "PropertySet",
            "MetricValue",
        ],
    ),
    (
        "lsst.daf.butler.formatters.parquet.ParquetFormatter",
        ".parq",
        &["DataFrame", "ArrowAstropy", "ArrowNumpy", "ArrowNumpyDict", "ArrowTable", "ArrowSchema"],
    ),
    ("lsst.daf.butler.formatters.logs.ButlerLogRecordsFormatter", ".json", &["ButlerLogRecords"]),
    (PACKAGES, ".yaml", &["Packages"]),
    ("lsst.pipe.base.formatters.pexConfig.PexConfigFormatter", ".py", &["Config"]),
    (
        "lsst.daf.butler.formatters.astropyTable.AstropyTableFormatter",
        ".ecsv",
        &["AstropyTable", "AstropyQTable"],
    ),
    (
        "lsst.daf.butler.formatters.pickle.PickleFormatter",
        ".pickle",
        &["SkyMap", "FocalPlaneBackground", "NumpyArray"],
    ),
    ("lsst.daf.butler.formatters.matplotlib.MatplotlibFormatter", ".png", &["Plot"]),
    (
        "lsst.pipe.base.quantum_graph.formatter.ProvenanceFormatter",
        ".qg",
        &["ProvenanceQuantumGraph"],
    ),
    (
        "lsst.obs.base.formatters.fitsExposure.FitsExposureFormatter",
        ".fits",
        &["Exposure", "ExposureF", "ExposureI", "DecoratedImageU"],
    ),
    (
        "lsst.obs.base.formatters.fitsExposure.FitsImageFormatter",
        ".fits",
        &["Image", "ImageF", "ImageU"],
    ),
    ("lsst.obs.base.formatters.fitsExposure.FitsMaskFormatter", ".fits", &["Mask", "MaskX"]),
    (
        "lsst.obs.base.formatters.fitsGeneric.FitsGenericFormatter",
        ".fits",
        &[
            "TablePersistable",
            "Wcs",
            "Psf",
            "CoaddInputs",
            "VisitInfo",
            "ApCorr",
            "PhotoCalib",
            "FilterLabel",
            "TransmissionCurve",
            "Camera",
            "Detector",
            "Polygon",
            "Catalog",
            "PeakCatalog",
            "SimpleCatalog",
            "SourceCatalog",
            "ExposureCatalog",
            "Defects",
            "IsrCalib",
            "QECurve",
            "CrosstalkCalib",
            "PhotonTransferCurveDataset",
            "Linearizer",
            "BrighterFatterKernel",
            "MatchingKernel",
            "FiberSpectrum",
            "Background",
            "StampsBase",
            "Stamps",
        ],
    ),
];

/// Writes the format that its parameter `format` names.
const PACKAGES: &str = "lsst.daf.butler.formatters.packages.PackagesFormatter";

/// Storage class, formatter class and extension of each default.
pub(crate) fn known_formatters() -> impl Iterator<Item = (&'static str, &'static str, &'static str)>
{
    TABLE.iter().flat_map(|&(class, extension, storage_classes)| {
        storage_classes.iter().map(move |&storage_class| (storage_class, class, extension))
    })
}

/// Extension of the files of a formatter, given its parameter `format`; `None` if not known.
pub(crate) fn extension_of_class(class: &str, format: Option<&str>) -> Option<String> {
    match format {
        Some(format @ ("yaml" | "json" | "pickle")) if class == PACKAGES => {
            Some(format!(".{format}"))
        }
        // Other formatters do what they will with such a parameter.
        Some(_) => None,
        None => TABLE.iter().find(|row| row.0 == class).map(|row| row.1.to_owned()),
    }
}
