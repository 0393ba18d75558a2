"""Tasks with look-up functions, which find prerequisite inputs while a graph is built.

Each stands for a way in which real tasks use them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from lsst.daf.butler import DataCoordinate, DatasetRef, DatasetType, Registry
from lsst.pipe.base import PipelineTaskConnections
from lsst.pipe.base.connectionTypes import Input, Output, PrerequisiteInput

from kit_task_base import define_task
from kit_tasks import DICT, EXPOSURE_DETECTOR, TRACT

DETECTOR = ("instrument", "detector")
EXPOSURE = ("instrument", "exposure")


def look_up_sky_map(
    dataset_type: DatasetType,
    registry: Registry,
    data_id: DataCoordinate,
    collections: Sequence[str],
) -> list[DatasetRef]:
    """Find all sky maps, which the quantum's dimensions say nothing of."""
    return list(registry.queryDatasets(dataset_type, collections=collections, findFirst=True))


def look_up_nearest_extra(
    dataset_type: DatasetType,
    registry: Registry,
    data_id: DataCoordinate,
    collections: Sequence[str],
) -> Iterator[DatasetRef | None]:
    """Find the dataset of the nearest later exposure that has one; expanded records are at hand."""
    assert data_id.hasRecords()
    begin = data_id.records["exposure"].timespan.end
    best: tuple[Any, DatasetRef] | None = None
    detector = data_id.subset(("instrument", "detector"))
    for ref in registry.queryDatasets(
        dataset_type, collections=collections, findFirst=True, dataId=detector
    ).expanded():
        time = ref.dataId.records["exposure"].timespan.begin
        if time >= begin and (best is None or time < best[0]):
            best = (time, ref)
    # Functions may give nothing in several ways.
    yield best[1] if best is not None else None


def look_up_static_bias(
    dataset_type: DatasetType,
    registry: Registry,
    data_id: DataCoordinate,
    collections: Sequence[str],
) -> list[DatasetRef]:
    """Find the bias of the middle of the exposure, as instrument packages do."""
    timespan = data_id.timespan
    ref = registry.findDataset(dataset_type, data_id, collections=collections, timespan=timespan)
    return [] if ref is None else [ref]


def look_up_elsewhere(
    dataset_type: DatasetType,
    registry: Registry,
    data_id: DataCoordinate,
    collections: Sequence[str],
) -> list[DatasetRef]:
    """Find released tables in collections that are no inputs; the parents of components will do."""
    parent, _ = dataset_type.nameAndComponent()
    return sorted(
        registry.queryDatasets(parent, collections="releases/QR1", findFirst=True, dataId=data_id)
    )


def look_up_badly(
    dataset_type: DatasetType,
    registry: Registry,
    data_id: DataCoordinate,
    collections: Sequence[str],
) -> list[DatasetRef]:
    """Raise an exception for one exposure."""
    raise LookupError(f"no {dataset_type.name} for {dict(data_id.required)}")


class SkyMapLookupConnections(PipelineTaskConnections, dimensions=EXPOSURE):
    """Needs the sky map, although it has no place on the sky."""

    raws = Input(
        doc="Raws.", name="raw", storageClass=DICT, dimensions=EXPOSURE_DETECTOR, multiple=True
    )
    sky_map = PrerequisiteInput(
        doc="Sky maps.",
        name="skyMap",
        storageClass=DICT,
        dimensions=("skymap",),
        multiple=True,
        lookupFunction=look_up_sky_map,
    )
    result = Output(doc="Result.", name="sky_map_result", storageClass=DICT, dimensions=EXPOSURE)


class NearestLookupConnections(PipelineTaskConnections, dimensions=EXPOSURE_DETECTOR):
    """Compares each exposure with a later one."""

    raw = Input(doc="Raw.", name="raw", storageClass=DICT, dimensions=EXPOSURE_DETECTOR)
    later = PrerequisiteInput(
        doc="An extra of a later exposure.",
        name="sparse_extra",
        storageClass=DICT,
        dimensions=EXPOSURE_DETECTOR,
        minimum=0,
        lookupFunction=look_up_nearest_extra,
    )
    bias = PrerequisiteInput(
        doc="Bias.",
        name="bias",
        storageClass=DICT,
        dimensions=DETECTOR,
        isCalibration=True,
        minimum=0,
        lookupFunction=look_up_static_bias,
    )
    dark = PrerequisiteInput(
        doc="Dark, found as ever.",
        name="dark",
        storageClass=DICT,
        dimensions=DETECTOR,
        isCalibration=True,
    )
    result = Output(
        doc="Result.", name="nearest_result", storageClass=DICT, dimensions=EXPOSURE_DETECTOR
    )


class AfterLookupConnections(PipelineTaskConnections, dimensions=EXPOSURE):
    """Comes after a task with look-up functions, and has none."""

    before = Input(
        doc="Results.",
        name="nearest_result",
        storageClass=DICT,
        dimensions=EXPOSURE_DETECTOR,
        multiple=True,
    )
    result = Output(
        doc="Result.", name="after_lookup_result", storageClass=DICT, dimensions=EXPOSURE
    )


class ElsewhereLookupConnections(PipelineTaskConnections, dimensions=TRACT):
    """Reads a component of datasets that are in none of the input collections."""

    sky_map = Input(doc="Sky map.", name="skyMap", storageClass=DICT, dimensions=("skymap",))
    columns = PrerequisiteInput(
        doc="Column names.",
        name="release_object.columns",
        storageClass="ArrowColumnList",
        dimensions=TRACT,
        multiple=True,
        minimum=0,
        lookupFunction=look_up_elsewhere,
    )
    result = Output(doc="Result.", name="elsewhere_result", storageClass=DICT, dimensions=TRACT)


class BadLookupConnections(PipelineTaskConnections, dimensions=EXPOSURE):
    """Has a look-up function that raises."""

    raws = Input(
        doc="Raws.", name="raw", storageClass=DICT, dimensions=EXPOSURE_DETECTOR, multiple=True
    )
    bias = PrerequisiteInput(
        doc="Bias.",
        name="bias",
        storageClass=DICT,
        dimensions=DETECTOR,
        isCalibration=True,
        multiple=True,
        lookupFunction=look_up_badly,
    )
    result = Output(doc="Result.", name="bad_result", storageClass=DICT, dimensions=EXPOSURE)


SkyMapLookupConfig, SkyMapLookupTask = define_task(SkyMapLookupConnections)
NearestLookupConfig, NearestLookupTask = define_task(NearestLookupConnections)
AfterLookupConfig, AfterLookupTask = define_task(AfterLookupConnections)
ElsewhereLookupConfig, ElsewhereLookupTask = define_task(ElsewhereLookupConnections)
BadLookupConfig, BadLookupTask = define_task(BadLookupConnections)
