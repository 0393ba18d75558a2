"""A task that decides about its own quanta."""

from __future__ import annotations

from typing import Any

from lsst.pex.config import Field, ListField
from lsst.pipe.base import NoWorkFound, PipelineTask, PipelineTaskConfig, PipelineTaskConnections
from lsst.pipe.base import connectionTypes as cT

_DIMENSIONS = ("instrument", "detector")


def look_up(dataset_type: Any, registry: Any, data_id: Any, collections: Any) -> list[Any]:
    """Find the dataset of the next detector, and nothing for the last one."""
    if data_id["detector"] == 7:
        raise LookupError("asked to find nothing for 7")
    found = registry.findDataset(
        dataset_type, instrument="Cam", detector=data_id["detector"] + 1, collections=collections
    )
    return [found, found, None]


class DecideConnections(PipelineTaskConnections, dimensions=_DIMENSIONS):
    raw = cT.Input(
        doc="Image.", name="raw", storageClass="StructuredDataDict", dimensions=_DIMENSIONS
    )
    neighbour = cT.PrerequisiteInput(
        doc="Image of the next detector.",
        name="neighbour",
        storageClass="StructuredDataDict",
        dimensions=_DIMENSIONS,
        lookupFunction=look_up,
        minimum=0,
        multiple=True,
    )
    catalog = cT.Output(
        doc="Catalog.", name="decided", storageClass="StructuredDataDict", dimensions=_DIMENSIONS
    )

    def adjustQuantum(self, inputs: Any, outputs: Any, label: str, data_id: Any) -> Any:
        detector = data_id["detector"]
        if detector in self.config.no_work:
            raise NoWorkFound(f"no work on {detector}")
        if detector == self.config.fails:
            raise ValueError(f"asked to fail on {detector}")
        inputs, outputs = super().adjustQuantum(inputs, outputs, label, data_id)
        if detector in self.config.alone:
            connection = self.prerequisiteInputs and "neighbour"
            return {connection: (self.neighbour, [])}, {}
        return inputs, outputs

    def adjust_all_quanta(self, adjuster: Any) -> None:
        for data_id in list(adjuster.iter_data_ids()):
            if data_id["detector"] in self.config.removed:
                adjuster.remove_quantum(data_id)


class DecideConfig(PipelineTaskConfig, pipelineConnections=DecideConnections):
    no_work = ListField[int](doc="Detectors without work.", default=[])
    alone = ListField[int](doc="Detectors that need no neighbour.", default=[])
    removed = ListField[int](doc="Detectors without quanta.", default=[])
    fails = Field[int](doc="Detector that fails.", default=None, optional=True)


class DecideTask(PipelineTask):
    """Never executed."""

    ConfigClass = DecideConfig
    _DefaultName = "decide"
