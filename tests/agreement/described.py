"""A task whose dimensions and connections are written in the pipeline.

Cases can so have the pipeline that they need, without a class for each task:
the config field ``text`` is a JSON object with ``dimensions`` and ``connections``,
where each connection has ``kind`` (a class of connectionTypes) and that class's
arguments.  `written` makes such tasks from dictionaries.
"""

from __future__ import annotations

import json
from typing import Any

from kit_support import CAMERA
from kit_task_base import DigestConfig, DigestTask
from lsst.pex.config import Field
from lsst.pipe.base import Instrument, PipelineTaskConnections, connectionTypes


class DescribedConnections(PipelineTaskConnections, dimensions=()):
    """Connections that the config describes."""

    def __init__(self, *, config: Any):
        super().__init__(config=config)
        described = json.loads(config.text)
        self.dimensions.update(described.get("dimensions", ()))
        for name, fields in described["connections"].items():
            fields = dict(fields)
            connection = getattr(connectionTypes, fields.pop("kind"))
            if "dimensions" in fields:
                fields["dimensions"] = frozenset(fields["dimensions"])
            setattr(self, name, connection(doc=name, **fields))


class DescribedConfig(DigestConfig, pipelineConnections=DescribedConnections):
    """Configuration of `DescribedTask`."""

    text = Field[str](doc="JSON object with dimensions and connections.", default="")


class DescribedTask(DigestTask):
    """A task as its config describes it."""

    ConfigClass = DescribedConfig
    _DefaultName = "described"


class BoundedConnections(DescribedConnections, dimensions=()):
    """Connections, some of which enlarge the bounds of the quanta."""

    def getSpatialBoundsConnections(self) -> list[str]:
        """Return the connections named in the config."""
        return json.loads(self.config.text).get("spatial_bounds", [])

    def getTemporalBoundsConnections(self) -> list[str]:
        """Return the connections named in the config."""
        return json.loads(self.config.text).get("temporal_bounds", [])


class BoundedConfig(DescribedConfig, pipelineConnections=BoundedConnections):
    """Configuration of `BoundedTask`."""


class BoundedTask(DescribedTask):
    """A task whose prerequisites are looked up within bounds of its own."""

    ConfigClass = BoundedConfig
    _DefaultName = "bounded"


def written(description: str, tasks: dict[str, dict[str, Any]], **more: Any) -> dict[str, Any]:
    """Return a pipeline of described tasks.

    Parameters
    ----------
    description : `str`
        What the pipeline is.
    tasks : `dict`
        Descriptions by label.
    **more
        Further members of the pipeline, such as ``subsets``.
    """
    return {
        "description": description,
        "tasks": {
            label: {
                "class": "described."
                + (
                    "BoundedTask"
                    if {"spatial_bounds", "temporal_bounds"} & task.keys()
                    else "DescribedTask"
                ),
                "config": {"python": f"config.text = {json.dumps(task)!r}"},
            }
            for label, task in tasks.items()
        },
        **more,
    }


class KitCamera(Instrument):
    """The instrument of the kit's releases, for pipelines that name it."""

    @classmethod
    def getName(cls) -> str:
        """Return the name in the registry."""
        return CAMERA

    def register(self, registry: Any, update: bool = False) -> None:
        """Do nothing; releases have their camera."""

    def getRawFormatter(self, dataId: Any) -> Any:
        """Refuse, since nothing reads raw images through it."""
        raise NotImplementedError(dataId)
