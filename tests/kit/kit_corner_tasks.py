"""Tasks whose connections are awkward; each stands for one rule of graph building."""

from __future__ import annotations

from lsst.pipe.base import PipelineTaskConnections
from lsst.pipe.base.connectionTypes import InitInput, InitOutput, Input, Output, PrerequisiteInput

from kit_task_base import define_task
from kit_tasks import DICT, EXPOSURE_DETECTOR, TABLE, TRACT, VISIT

DETECTOR = ("instrument", "detector")


class OptionalInputConnections(PipelineTaskConnections, dimensions=EXPOSURE_DETECTOR):
    """Has an input that only some data IDs have and that must prune nothing."""

    raw = Input(doc="Raw image.", name="raw", storageClass=DICT, dimensions=EXPOSURE_DETECTOR)
    extra = Input(
        doc="There for some exposures.",
        name="sparse_extra",
        storageClass=DICT,
        dimensions=EXPOSURE_DETECTOR,
        minimum=0,
        deferGraphConstraint=True,
    )
    result = Output(
        doc="Result.", name="optional_result", storageClass=DICT, dimensions=EXPOSURE_DETECTOR
    )


class MinimumConnections(PipelineTaskConnections, dimensions=VISIT):
    """Needs more than one dataset; visits with fewer are pruned."""

    extras = Input(
        doc="At least five of these.",
        name="sparse_extra",
        storageClass=DICT,
        dimensions=EXPOSURE_DETECTOR,
        multiple=True,
        minimum=5,
    )
    raws = Input(
        doc="Any number of these.",
        name="raw",
        storageClass=DICT,
        dimensions=EXPOSURE_DETECTOR,
        multiple=True,
        deferLoad=True,
    )
    result = Output(doc="Result.", name="minimum_result", storageClass=DICT, dimensions=VISIT)


class AfterMinimumConnections(PipelineTaskConnections, dimensions=VISIT):
    """Comes after a task some of whose quanta were pruned."""

    before = Input(
        doc="Missing where the producer was pruned.",
        name="minimum_result",
        storageClass=DICT,
        dimensions=VISIT,
    )
    result = Output(doc="Result.", name="after_minimum_result", storageClass=DICT, dimensions=VISIT)


class ComponentReadConnections(PipelineTaskConnections, dimensions=TRACT):
    """Reads two components of one released dataset, and not the dataset."""

    columns = Input(
        doc="Column names.",
        name="release_object.columns",
        storageClass="ArrowColumnList",
        dimensions=TRACT,
    )
    row_count = Input(
        doc="Number of rows.", name="release_object.rowcount", storageClass="int", dimensions=TRACT
    )
    result = Output(doc="Result.", name="component_result", storageClass=DICT, dimensions=TRACT)


class PartsReadConnections(PipelineTaskConnections, dimensions=VISIT):
    """Reads both parts of a released dataset that is stored in parts."""

    counts = Input(doc="One part.", name="visit_parts.counts", storageClass=DICT, dimensions=VISIT)
    summary = Input(
        doc="The other.", name="visit_parts.summary", storageClass=DICT, dimensions=VISIT
    )
    result = Output(doc="Result.", name="parts_result", storageClass=DICT, dimensions=VISIT)


class MetadataReadConnections(PipelineTaskConnections, dimensions=TRACT):
    """Reads another task's metadata."""

    metadata = Input(
        doc="Metadata of the component reader.",
        name="componentRead_metadata",
        storageClass="TaskMetadata",
        dimensions=TRACT,
    )
    table = Input(
        doc="Released table.", name="release_object", storageClass=TABLE, dimensions=TRACT
    )
    result = Output(doc="Result.", name="metadata_result", storageClass=DICT, dimensions=TRACT)


class EmptyDimensionsConnections(PipelineTaskConnections, dimensions=()):
    """Has one quantum with an empty data ID over datasets that have dimensions."""

    sky_maps = Input(
        doc="All sky maps.", name="skyMap", storageClass=DICT, dimensions=("skymap",), multiple=True
    )
    result = Output(doc="Result.", name="empty_result", storageClass=DICT, dimensions=())


class RequiredPrerequisiteConnections(PipelineTaskConnections, dimensions=EXPOSURE_DETECTOR):
    """Requires what some detectors lack, so its graph cannot be built."""

    raw = Input(doc="Raw image.", name="raw", storageClass=DICT, dimensions=EXPOSURE_DETECTOR)
    crosstalk = PrerequisiteInput(
        doc="Crosstalk matrix.",
        name="crosstalk",
        storageClass=DICT,
        dimensions=DETECTOR,
        isCalibration=True,
    )
    result = Output(
        doc="Result.", name="prerequisite_result", storageClass=DICT, dimensions=EXPOSURE_DETECTOR
    )


class InitFirstConnections(PipelineTaskConnections, dimensions=DETECTOR):
    """Has no inputs at all but a schema to hand on."""

    schema = InitOutput(doc="Schema.", name="init_first_schema", storageClass=DICT)
    result = Output(doc="Result.", name="init_first_result", storageClass=DICT, dimensions=DETECTOR)


class InitSecondConnections(PipelineTaskConnections, dimensions=DETECTOR):
    """Makes its own schema from the first one's."""

    schema_in = InitInput(doc="First schema.", name="init_first_schema", storageClass=DICT)
    schema_out = InitOutput(doc="Second schema.", name="init_second_schema", storageClass=DICT)
    before = Input(
        doc="First result.", name="init_first_result", storageClass=DICT, dimensions=DETECTOR
    )
    result = Output(
        doc="Result.", name="init_second_result", storageClass=DICT, dimensions=DETECTOR
    )


OptionalInputConfig, OptionalInputTask = define_task(OptionalInputConnections)
MinimumConfig, MinimumTask = define_task(MinimumConnections)
AfterMinimumConfig, AfterMinimumTask = define_task(AfterMinimumConnections)
ComponentReadConfig, ComponentReadTask = define_task(ComponentReadConnections)
PartsReadConfig, PartsReadTask = define_task(PartsReadConnections)
MetadataReadConfig, MetadataReadTask = define_task(MetadataReadConnections)
EmptyDimensionsConfig, EmptyDimensionsTask = define_task(EmptyDimensionsConnections)
RequiredPrerequisiteConfig, RequiredPrerequisiteTask = define_task(RequiredPrerequisiteConnections)
InitFirstConfig, InitFirstTask = define_task(InitFirstConnections)
InitSecondConfig, InitSecondTask = define_task(InitSecondConnections)


class AloneTask(EmptyDimensionsTask):
    """Refuses to run beside other quanta."""

    canMultiprocess = False
