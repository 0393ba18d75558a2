"""Tasks of a data release, and of a user who starts from its products.

Each class holds the connections of one task and thereby one way in which a
quantum can be joined to its inputs; the work is `kit_task_base.DigestTask`.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from lsst.pex.config import Field
from lsst.pipe.base import PipelineTaskConnections
from lsst.pipe.base.connectionTypes import InitInput, InitOutput, Input, Output, PrerequisiteInput

from kit_task_base import define_task

DICT = "StructuredDataDict"
TABLE = "ArrowAstropy"
EXPOSURE_DETECTOR = ("instrument", "exposure", "detector")
VISIT_DETECTOR = ("instrument", "visit", "detector")
VISIT = ("instrument", "visit")
VISIT_PATCH = ("instrument", "visit", "skymap", "tract", "patch")
VISIT_DETECTOR_TRACT = ("instrument", "visit", "detector", "skymap", "tract")
PATCH_BAND = ("skymap", "tract", "patch", "band")
PATCH = ("skymap", "tract", "patch")
TRACT = ("skymap", "tract")

raw_images = partial(Input, name="raw", storageClass=DICT, dimensions=EXPOSURE_DETECTOR)
"""The images that everything begins with."""
cameras = partial(
    PrerequisiteInput,
    name="camera",
    storageClass=DICT,
    dimensions=("instrument",),
    isCalibration=True,
)
"""The camera, a calibration that all detectors share."""
detector_calibration = partial(
    PrerequisiteInput, storageClass=DICT, dimensions=("instrument", "detector"), isCalibration=True
)
"""A calibration that each detector has one of at any time."""
visit_images = partial(
    Input,
    name="preliminary_visit_image",
    storageClass=DICT,
    dimensions=VISIT_DETECTOR,
)
"""The calibrated images, which four tasks read, each in its own way."""


class IsrConnections(PipelineTaskConnections, dimensions=EXPOSURE_DETECTOR):
    """Detrends a raw image with calibrations that are valid at its time."""

    raw = raw_images(doc="Raw image.")
    camera = cameras(doc="Camera; a calibration without a detector.")
    bias = detector_calibration(doc="Bias frame.", name="bias")
    dark = detector_calibration(doc="Dark frame, loaded when needed.", name="dark", deferLoad=True)
    flat = PrerequisiteInput(
        doc="Flat field of the exposure's filter.",
        name="flat",
        storageClass=DICT,
        dimensions=("instrument", "detector", "physical_filter"),
        isCalibration=True,
    )
    crosstalk = detector_calibration(
        doc="Crosstalk matrix, which some detectors lack.", name="crosstalk", minimum=0
    )
    image = Output(
        doc="Detrended image.",
        name="post_isr_image",
        storageClass=DICT,
        dimensions=EXPOSURE_DETECTOR,
    )

    def __init__(self, *, config: Any = None):
        super().__init__(config=config)
        if not config.correct_crosstalk:
            del self.crosstalk


class CalibrateConnections(PipelineTaskConnections, dimensions=VISIT_DETECTOR):
    """Joins a visit's snaps and calibrates them with reference stars."""

    snaps = Input(
        doc="Detrended images of the visit's exposures.",
        name="post_isr_image",
        storageClass=DICT,
        dimensions=EXPOSURE_DETECTOR,
        multiple=True,
    )
    references = PrerequisiteInput(
        doc="Reference catalog shards that the detector touches.",
        name="star_refcat",
        storageClass=TABLE,
        dimensions=("skypix",),
        multiple=True,
        deferLoad=True,
    )
    schema = InitOutput(
        doc="Schema of the stars.", name="single_visit_star_schema", storageClass=DICT
    )
    image = Output(
        doc="Calibrated image.",
        name="preliminary_visit_image",
        storageClass=DICT,
        dimensions=VISIT_DETECTOR,
    )
    background = Output(
        doc="Background of the image.",
        name="preliminary_visit_image_background",
        storageClass=DICT,
        dimensions=VISIT_DETECTOR,
    )
    stars = Output(
        doc="Stars of the image.",
        name="single_visit_star",
        storageClass=TABLE,
        dimensions=VISIT_DETECTOR,
    )


class SummarizeVisitConnections(PipelineTaskConnections, dimensions=VISIT):
    """Gathers a visit's detectors and reads a component of a dataset."""

    images = visit_images(doc="All images of the visit.", multiple=True, deferLoad=True)
    columns = Input(
        doc="Column names of the visit's stars, a component read.",
        name="single_visit_star.columns",
        storageClass="ArrowColumnList",
        dimensions=VISIT_DETECTOR,
        multiple=True,
        deferLoad=True,
    )
    summary = Output(doc="Summary.", name="visit_summary", storageClass=DICT, dimensions=VISIT)


class TabulateVisitsConnections(PipelineTaskConnections, dimensions=("instrument",)):
    """Gathers all visits in one quantum."""

    summaries = Input(
        doc="All visit summaries.",
        name="visit_summary",
        storageClass=DICT,
        dimensions=VISIT,
        multiple=True,
        deferLoad=True,
    )
    table = Output(
        doc="Table of visits.", name="visit_table", storageClass=TABLE, dimensions=("instrument",)
    )


class MakeWarpConnections(PipelineTaskConnections, dimensions=VISIT_PATCH):
    """Joins visits and patches by their regions on the sky."""

    images = visit_images(doc="Images that overlap the patch.", multiple=True, deferLoad=True)
    summary = Input(doc="Visit summary.", name="visit_summary", storageClass=DICT, dimensions=VISIT)
    sky_map = Input(doc="Sky map.", name="skyMap", storageClass=DICT, dimensions=("skymap",))
    warp = Output(doc="Warp.", name="direct_warp", storageClass=DICT, dimensions=VISIT_PATCH)


class AssembleCoaddConnections(
    PipelineTaskConnections, dimensions=PATCH_BAND, defaultTemplates={"coaddName": "deep"}
):
    """Groups warps by band; its dataset type names have a template."""

    warps = Input(
        doc="Warps of the patch in the band.",
        name="direct_warp",
        storageClass=DICT,
        dimensions=VISIT_PATCH,
        multiple=True,
        deferLoad=True,
    )
    sky_map = Input(doc="Sky map.", name="skyMap", storageClass=DICT, dimensions=("skymap",))
    coadd = Output(doc="Coadd.", name="{coaddName}_coadd", storageClass=DICT, dimensions=PATCH_BAND)
    counts = Output(
        doc="Number of warps.",
        name="{coaddName}_coadd_n_image",
        storageClass=DICT,
        dimensions=PATCH_BAND,
    )


class DetectConnections(PipelineTaskConnections, dimensions=PATCH_BAND):
    """Detects on a coadd and defines a schema when it is constructed."""

    schema = InitOutput(
        doc="Detection schema.", name="deep_coadd_detection_schema", storageClass=DICT
    )
    coadd = Input(doc="Coadd.", name="deep_coadd", storageClass=DICT, dimensions=PATCH_BAND)
    detections = Output(
        doc="Detections.", name="deep_coadd_detection", storageClass=TABLE, dimensions=PATCH_BAND
    )


class MergeConnections(PipelineTaskConnections, dimensions=PATCH):
    """Merges the bands of a patch, with the detections' schema at hand."""

    schema = InitInput(
        doc="Detection schema.", name="deep_coadd_detection_schema", storageClass=DICT
    )
    detections = Input(
        doc="Detections of all bands.",
        name="deep_coadd_detection",
        storageClass=TABLE,
        dimensions=PATCH_BAND,
        multiple=True,
    )
    objects = Output(
        doc="Merged objects.", name="object_patch", storageClass=TABLE, dimensions=PATCH
    )


class MeasureConnections(PipelineTaskConnections, dimensions=PATCH_BAND):
    """Measures merged objects in each band again."""

    coadd = Input(doc="Coadd.", name="deep_coadd", storageClass=DICT, dimensions=PATCH_BAND)
    objects = Input(
        doc="Merged objects.", name="object_patch", storageClass=TABLE, dimensions=PATCH
    )
    references = PrerequisiteInput(
        doc="Reference catalog shards that the patch touches, if any.",
        name="star_refcat",
        storageClass=TABLE,
        dimensions=("skypix",),
        multiple=True,
        deferLoad=True,
        minimum=0,
    )
    measurements = Output(
        doc="Measurements.", name="object_measurement", storageClass=TABLE, dimensions=PATCH_BAND
    )


class ForcedPhotometryConnections(PipelineTaskConnections, dimensions=VISIT_DETECTOR_TRACT):
    """Joins detectors and tracts; one input is optional and comes late."""

    image = visit_images(doc="Image to measure on.")
    objects = Input(
        doc="Objects of the patches that overlap the detector.",
        name="object_patch",
        storageClass=TABLE,
        dimensions=PATCH,
        multiple=True,
        deferLoad=True,
    )
    summary = Input(
        doc="Visit summary; the graph must not depend on it.",
        name="visit_summary",
        storageClass=DICT,
        dimensions=VISIT,
        minimum=0,
        deferLoad=True,
        deferGraphConstraint=True,
    )
    sources = Output(
        doc="Forced sources.",
        name="forced_source_detector",
        storageClass=TABLE,
        dimensions=VISIT_DETECTOR_TRACT,
    )


class ConsolidateObjectsConnections(PipelineTaskConnections, dimensions=TRACT):
    """Gathers a tract and reads its tables in another storage class."""

    measurements = Input(
        doc="Measurements of all patches and bands.",
        name="object_measurement",
        storageClass="ArrowNumpyDict",
        dimensions=PATCH_BAND,
        multiple=True,
        deferLoad=True,
    )
    table = Output(doc="Object table.", name="object_table", storageClass=TABLE, dimensions=TRACT)


class ConsolidateSourcesConnections(
    PipelineTaskConnections, dimensions=("instrument", "skymap", "tract")
):
    """Gathers forced sources of a tract over all visits."""

    sources = Input(
        doc="Forced sources of all detectors.",
        name="forced_source_detector",
        storageClass=TABLE,
        dimensions=VISIT_DETECTOR_TRACT,
        multiple=True,
        deferLoad=True,
    )
    table = Output(
        doc="Forced source table.",
        name="forced_source_table",
        storageClass=TABLE,
        dimensions=("instrument", "skymap", "tract"),
    )


class UserMeasureConnections(PipelineTaskConnections, dimensions=VISIT_DETECTOR):
    """Starts from released images, which exist in two runs in part."""

    image = Input(
        doc="Released image.", name="visit_image", storageClass=DICT, dimensions=VISIT_DETECTOR
    )
    objects = Input(
        doc="Released object tables of the tracts that the detector touches.",
        name="release_object",
        storageClass=TABLE,
        dimensions=TRACT,
        multiple=True,
        deferLoad=True,
        minimum=0,
    )
    catalog = Output(
        doc="The user's catalog.",
        name="user_catalog",
        storageClass=TABLE,
        dimensions=VISIT_DETECTOR,
    )


class UserGatherConnections(PipelineTaskConnections, dimensions=()):
    """Gathers everything in one quantum that has no dimensions."""

    catalogs = Input(
        doc="All catalogs of the user.",
        name="user_catalog",
        storageClass=TABLE,
        dimensions=VISIT_DETECTOR,
        multiple=True,
        deferLoad=True,
    )
    table = Output(doc="One table.", name="user_table", storageClass=TABLE, dimensions=())


IsrConfig, IsrTask = define_task(
    IsrConnections,
    correct_crosstalk=Field[bool](doc="Use the crosstalk matrix.", default=True),
)
CalibrateConfig, CalibrateTask = define_task(CalibrateConnections)
SummarizeVisitConfig, SummarizeVisitTask = define_task(SummarizeVisitConnections)
TabulateVisitsConfig, TabulateVisitsTask = define_task(TabulateVisitsConnections)
MakeWarpConfig, MakeWarpTask = define_task(MakeWarpConnections)
AssembleCoaddConfig, AssembleCoaddTask = define_task(AssembleCoaddConnections)
DetectConfig, DetectTask = define_task(DetectConnections)
MergeConfig, MergeTask = define_task(MergeConnections)
MeasureConfig, MeasureTask = define_task(MeasureConnections)
ForcedPhotometryConfig, ForcedPhotometryTask = define_task(ForcedPhotometryConnections)
ConsolidateObjectsConfig, ConsolidateObjectsTask = define_task(ConsolidateObjectsConnections)
ConsolidateSourcesConfig, ConsolidateSourcesTask = define_task(ConsolidateSourcesConnections)
UserMeasureConfig, UserMeasureTask = define_task(UserMeasureConnections)
UserGatherConfig, UserGatherTask = define_task(UserGatherConnections)
