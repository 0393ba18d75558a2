"""A task whose configuration says its dimensions and connections, so that data make pipelines."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from lsst.pex.config import ListField
from lsst.pipe.base import PipelineTaskConnections
from lsst.pipe.base.connectionTypes import Input, Output, PrerequisiteInput

from kit_task_base import DigestConfig, DigestTask

KINDS = {"input": Input, "prerequisite": PrerequisiteInput, "output": Output}

WORD = re.compile(r"(?P<flag>multiple|optional|deferred|calibration)|(?P<name>\w+)=(?P<value>\w+)")


def make_connection(text: str) -> tuple[str, Any]:
    """Return the name and the connection that a line stands for.

    A line is ``KIND DATASET_TYPE DIMENSIONS WORDS``, for instance
    ``input raw instrument,exposure,detector multiple``. No dimensions are
    written ``-``. Words are ``multiple``, ``optional`` (minimum 0),
    ``deferred`` (no constraint on the query), ``calibration``, and
    ``storage=CLASS``, ``minimum=N``, ``as=CONNECTION``.
    """
    kind, dataset_type, dimensions, *words = text.split()
    arguments: dict[str, Any] = {"storageClass": "StructuredDataDict"}
    name = dataset_type
    for word in words:
        match = WORD.fullmatch(word)
        if match is None:
            raise ValueError(f"{text!r}: {word!r} is not known")
        if match["flag"] == "multiple":
            arguments["multiple"] = True
        elif match["flag"] == "optional":
            arguments["minimum"] = 0
        elif match["flag"] == "deferred":
            arguments["deferGraphConstraint"] = True
        elif match["flag"] == "calibration":
            arguments["isCalibration"] = True
        elif match["name"] == "storage":
            arguments["storageClass"] = match["value"]
        elif match["name"] == "minimum":
            arguments["minimum"] = int(match["value"])
        else:
            name = match["value"]
    names = () if dimensions == "-" else tuple(dimensions.split(","))
    return name, KINDS[kind](doc=text, name=dataset_type, dimensions=names, **arguments)


class ShapeConnections(PipelineTaskConnections, dimensions=()):
    """What the configuration says."""

    def __init__(self, *, config: Any = None):
        super().__init__(config=config)
        self.bounds = ((), ())
        if config is not None:
            self.dimensions.update(config.dimensions)
            for line in config.lines:
                name, connection = make_connection(line)
                setattr(self, name, connection)
            self.bounds = (tuple(config.spatialBounds), tuple(config.temporalBounds))

    def getSpatialBoundsConnections(self) -> Sequence[str]:
        """Return the connections that enlarge a quantum's region."""
        return self.bounds[0]

    def getTemporalBoundsConnections(self) -> Sequence[str]:
        """Return the connections that enlarge a quantum's timespan."""
        return self.bounds[1]


class ShapeConfig(DigestConfig, pipelineConnections=ShapeConnections):
    """Configuration of ShapeTask."""

    dimensions = ListField[str](doc="Dimensions of the task.", default=[])
    lines = ListField[str](doc="Connections; see make_connection.", default=[])
    spatialBounds = ListField[str](doc="Connections that enlarge regions.", default=[])
    temporalBounds = ListField[str](doc="Connections that enlarge timespans.", default=[])


class ShapeTask(DigestTask):
    """Has the dimensions and connections that its configuration says."""

    ConfigClass = ShapeConfig
    _DefaultName = "shape"
