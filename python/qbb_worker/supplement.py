"""What the serialised pipeline graph does not say about connections.

The serialisation has, for each connection, the dataset type, the storage
class, the dimensions and two flags.  Building quanta exactly takes more: how
many datasets a connection may and must have, and whether Python code decides.
"""

from __future__ import annotations

__all__ = ("describe_tasks", "storage_classes_of")

from typing import Any

_KINDS = {
    "init_input": "initInputs",
    "init_output": "initOutputs",
    "prerequisite_input": "prerequisiteInputs",
    "input": "inputs",
    "output": "outputs",
}
"""Name of the kind in an export, and of the set of names in the middleware."""


def describe_tasks(graph: Any) -> dict[str, Any]:
    """Describe all tasks of a pipeline graph.

    Parameters
    ----------
    graph : `lsst.pipe.base.PipelineGraph`
        Graph whose tasks are imported and configured.

    Returns
    -------
    tasks : `dict` [ `str`, `dict` ]
        Description by task label.
    """
    return {label: _describe_task(node) for label, node in graph.tasks.items()}


def _describe_task(node: Any) -> dict[str, Any]:
    connections = node.get_connections()
    return {
        "connections": {
            name: _describe_connection(kind, connections.allConnections[name])
            for kind, attribute in _KINDS.items()
            for name in sorted(getattr(connections, attribute))
        },
        "spatial_bounds": sorted(connections.getSpatialBoundsConnections()),
        "temporal_bounds": sorted(connections.getTemporalBoundsConnections()),
        "overridden_hooks": _overridden_hooks(type(connections)),
        "can_multiprocess": bool(node.task_class.canMultiprocess),
    }


def _describe_connection(kind: str, connection: Any) -> dict[str, Any]:
    """Describe one connection; a flag that its kind does not have is false.

    An input with deferred binding is no input in the pipeline graph; it is
    listed here with ``defer_binding`` true.
    """
    return {
        "kind": kind,
        "dataset_type": connection.name,
        "storage_class": connection.storageClass,
        "multiple": bool(connection.multiple),
        "minimum": int(getattr(connection, "minimum", 0 if "output" in kind else 1)),
        "defer_load": bool(getattr(connection, "deferLoad", False)),
        "defer_query_constraint": bool(getattr(connection, "deferGraphConstraint", False)),
        "defer_binding": bool(getattr(connection, "deferBinding", False)),
        "is_calibration": bool(getattr(connection, "isCalibration", False)),
        "lookup_function": getattr(connection, "lookupFunction", None) is not None,
        "dimensions": sorted(getattr(connection, "dimensions", ())),
    }


def _overridden_hooks(connections_class: type[Any]) -> list[str]:
    """Return the methods that a connections class replaces.

    All public methods of the base class count: which of them matter is for
    the reader to decide, who can refuse what it does not know.
    """
    from lsst.pipe.base import PipelineTaskConnections

    return sorted(
        name
        for name, method in vars(PipelineTaskConnections).items()
        if callable(method)
        and not name.startswith("_")
        and getattr(connections_class, name) is not method
    )


def storage_classes_of(graph: Any) -> set[str]:
    """Return the names of all storage classes that a pipeline mentions.

    Parameters
    ----------
    graph : `lsst.pipe.base.PipelineGraph`
        Graph, resolved or not.

    Returns
    -------
    names : `set` [ `str` ]
        Names, those of configs, metadata, logs and package versions included.
    """
    names = {"Config", "TaskMetadata", "ButlerLogRecords", "Packages"}
    for node in graph.tasks.values():
        connections = node.get_connections()
        names.update(connection.storageClass for connection in connections.allConnections.values())
        for edge in (*node.iter_all_inputs(), *node.iter_all_outputs()):
            names.add(edge.storage_class_name)
    return names
