"""Overridden ``adjust_all_quanta`` and ``adjustQuantum``, called as the real builder calls them."""

from __future__ import annotations

__all__ = ("Lists", "Raised", "adjust_all_quanta", "adjust_quanta", "look_up")

from collections.abc import Mapping, Sequence
from typing import Any

from .build_session import TaskView


class Raised(Exception):
    """A hook raised an exception.

    Parameters
    ----------
    hook : `str`
        The method, or the look-up function of a connection.
    exception : `BaseException`
        What it raised.
    quantum : `int`, optional
        Position of the quantum in the request, if it is about one.
    """

    def __init__(self, hook: str, exception: BaseException, quantum: int | None = None):
        super().__init__(str(exception))
        self.hook = hook
        self.exception = exception
        self.quantum = quantum


class Lists:
    """For each quantum of a request a list of dataset numbers, by dataset type.

    Parameters
    ----------
    tree : `~collections.abc.Mapping`
        By dataset type: ``ends`` of each quantum's part of ``numbers``.
    """

    def __init__(self, tree: Mapping[str, Mapping[str, Any]]):
        self._tree = tree
        self.names = list(tree)

    def of(self, name: str, quantum: int) -> list[int]:
        """Return the list of a quantum (`list` [ `int` ]); empty for an unknown type."""
        if (lists := self._tree.get(name)) is None:
            return []
        ends = lists["ends"]
        part: list[int] = lists["numbers"][ends[quantum - 1] if quantum else 0 : ends[quantum]]
        return part


def look_up(view: TaskView, connection: str, rows: Sequence[Sequence[Any]]) -> dict[str, Any]:
    """Call the look-up function of a connection for some quanta.

    Parameters
    ----------
    view : `TaskView`
        The task.
    connection : `str`
        Name of the connection.
    rows : `~collections.abc.Sequence`
        Data IDs of the quanta.

    Returns
    -------
    found : `dict`
        ``datasets`` (``[id, run, required values]``), ``found`` (for each
        quantum positions in it) and ``records`` (of their data IDs, as far as
        no reply had them before).
    """
    session = view.session
    edge = view.node.prerequisite_inputs[connection]
    node = session.pipeline_graph.dataset_types[edge.parent_dataset_type_name]
    function = view.node.get_lookup_function(connection)
    dataset_type = edge.adapt_dataset_type(node.dataset_type)
    positions: dict[Any, int] = {}
    refs: list[Any] = []
    found: list[list[int]] = []
    for quantum, data_id in enumerate(view.quantum_data_ids(rows)):
        try:
            results = [
                node.generalize_ref(ref)
                for ref in function(
                    dataset_type, session.butler.registry, data_id, session.collections
                )
                if ref is not None
            ]
        except BaseException as exc:
            raise Raised(f"look-up function of `{connection}`", exc, quantum) from exc
        these: dict[int, None] = {}
        for ref in results:
            # Datasets of another type are nobody's inputs.
            if ref.datasetType.name != node.name:
                continue
            if (position := positions.get(ref.id)) is None:
                position = positions[ref.id] = len(refs)
                refs.append(ref)
            these[position] = None
        found.append(list(these))
    with_records = [ref.dataId for ref in refs if ref.dataId.hasRecords()]
    without = [ref.dataId for ref in refs if not ref.dataId.hasRecords()]
    expanded = with_records + session.expand(node.dataset_type.dimensions, without)
    return {
        "datasets": [[str(ref.id), ref.run, list(ref.dataId.required_values)] for ref in refs],
        "found": found,
        "records": session.untold_records(expanded),
    }


def adjust_all_quanta(
    view: TaskView, rows: Sequence[Sequence[Any]], inputs: Lists, outputs: Lists
) -> dict[str, Any]:
    """Let a task change its quanta together.

    The middleware's own skeleton and adjuster are used, on a skeleton that
    has just this task and all datasets of the types that it reads and writes.

    Parameters
    ----------
    view : `TaskView`
        The task, with its datasets.
    rows : `~collections.abc.Sequence`
        Data IDs of all its quanta.
    inputs, outputs : `Lists`
        Their datasets.

    Returns
    -------
    changes : `dict`
        ``removed`` (positions of quanta) and ``changed`` (``[position, inputs,
        outputs]``, each by dataset type).
    """
    from lsst.pipe.base.connections import QuantaAdjuster
    from lsst.pipe.base.quantum_graph_skeleton import DatasetKey, QuantumGraphSkeleton

    pipeline_graph = view.session.pipeline_graph
    skeleton = QuantumGraphSkeleton([view.label])
    keys: dict[str, dict[int, Any]] = {}
    places: dict[Any, tuple[str, int]] = {}
    prerequisites = {
        edge.parent_dataset_type_name for edge in view.node.prerequisite_inputs.values()
    }
    for name, refs in view.refs.items():
        assert name in pipeline_graph.dataset_types, "references are made from dataset types"
        of_type = keys[name] = {}
        for number, ref in refs.items():
            if name in prerequisites:
                key = skeleton.add_prerequisite_node(ref)
            else:
                key = skeleton.add_dataset_node(name, ref.dataId)
                skeleton.set_dataset_ref(ref, key)
            of_type[number] = key
            places[key] = (name, number)
    quanta = []
    for quantum, data_id in enumerate(view.quantum_data_ids(rows)):
        quantum_key = skeleton.add_quantum_node(view.label, data_id)
        quanta.append(quantum_key)
        for name in inputs.names:
            skeleton.add_input_edges(
                quantum_key, [keys[name][number] for number in inputs.of(name, quantum)]
            )
        for name in outputs.names:
            for number in outputs.of(name, quantum):
                skeleton.add_output_edge(quantum_key, keys[name][number])
    adjuster = QuantaAdjuster(view.label, pipeline_graph, skeleton, view.session.butler)
    try:
        view.node.get_connections().adjust_all_quanta(adjuster)
    except BaseException as exc:
        raise Raised("adjust_all_quanta", exc) from exc

    remaining = set(skeleton.get_quanta(view.label))
    removed = [quantum for quantum, key in enumerate(quanta) if key not in remaining]
    changed = []
    for quantum, key in enumerate(quanta):
        if key not in remaining:
            continue
        now_inputs = _by_type(inputs.names, skeleton.iter_inputs_of(key), places)
        now_outputs = _by_type(outputs.names, skeleton.iter_outputs_of(key), places)
        if any(
            sorted(lists.of(name, quantum)) != numbers
            for lists, now in ((inputs, now_inputs), (outputs, now_outputs))
            for name, numbers in now.items()
        ):
            changed.append([quantum, now_inputs, now_outputs])
    gone = {
        name: [
            number
            for number, key in of_type.items()
            if isinstance(key, DatasetKey) and key not in skeleton
        ]
        for name, of_type in keys.items()
    }
    return {"removed": removed, "changed": changed, "gone": {n: g for n, g in gone.items() if g}}


def _by_type(
    names: Sequence[str], keys: Any, places: Mapping[Any, tuple[str, int]]
) -> dict[str, list[int]]:
    """Sort nodes of a skeleton back into numbers by dataset type."""
    result: dict[str, list[int]] = {name: [] for name in names}
    for key in keys:
        name, number = places[key]
        result[name].append(number)
    for numbers in result.values():
        numbers.sort()
    return result


def adjust_quanta(
    view: TaskView, rows: Sequence[Sequence[Any]], inputs: Lists, outputs: Lists
) -> dict[str, Any]:
    """Let a task change quanta one by one.

    Parameters
    ----------
    view : `TaskView`
        The task, with its datasets.
    rows : `~collections.abc.Sequence`
        Data IDs of some of its quanta.
    inputs, outputs : `Lists`
        Their datasets.

    Returns
    -------
    changes : `dict`
        ``dropped`` (``[position, connection or null, reason]``) and ``changed``
        (``[position, inputs or null, outputs or null]``, by dataset type).
    """
    from lsst.pipe.base import NoWorkFound
    from lsst.pipe.base.connections import AdjustQuantumHelper
    from lsst.pipe.base.quantum_graph_builder import QuantumGraphBuilderError

    adapter = _Adapter(view)
    connections = view.node.get_connections()
    dropped: list[list[Any]] = []
    changed: list[list[Any]] = []
    for quantum, data_id in enumerate(view.quantum_data_ids(rows)):
        try:
            helper = AdjustQuantumHelper(
                inputs=adapter.inputs(inputs, quantum), outputs=adapter.outputs(outputs, quantum)
            )
            try:
                helper.adjust_in_place(connections, view.label, data_id)
            except NoWorkFound as err:
                # The middleware's own check gives label, name and connection.
                if len(err.args) == 3:
                    dropped.append([quantum, str(err.args[1]), "not enough datasets"])
                else:
                    dropped.append([quantum, None, str(err) or "no work found"])
                continue
            if helper.outputs_adjusted and not any(helper.outputs.values()):
                dropped.append([quantum, None, "no outputs predicted"])
                continue
            if helper.inputs_adjusted and not any(helper.inputs.values()):
                raise QuantumGraphBuilderError(
                    f"adjustQuantum of task {view.label!r} keeps outputs but no inputs"
                )
        except BaseException as exc:
            raise Raised("adjustQuantum", exc, quantum) from exc
        if helper.inputs_adjusted or helper.outputs_adjusted:
            kept_inputs = kept_outputs = None
            if helper.inputs_adjusted:
                kept_inputs = adapter.kept(inputs, quantum, helper.inputs)
            if helper.outputs_adjusted:
                kept_outputs = adapter.kept(outputs, quantum, helper.outputs)
            changed.append([quantum, kept_inputs, kept_outputs])
    return {"dropped": dropped, "changed": changed}


class _Adapter:
    """Gives datasets the storage classes and components that a task's connections ask for."""

    def __init__(self, view: TaskView):
        self._view = view
        types = view.session.pipeline_graph.dataset_types
        self._inputs = [
            (edge, edge.adapt_dataset_type(types[edge.parent_dataset_type_name].dataset_type))
            for edge in view.node.iter_all_inputs()
        ]
        self._outputs = [
            (edge, edge.adapt_dataset_type(types[edge.parent_dataset_type_name].dataset_type))
            for edge in view.node.iter_all_outputs()
        ]

    def _adapted(self, edge: Any, lists: Lists, quantum: int) -> list[Any]:
        name = edge.parent_dataset_type_name
        refs = self._view.refs.get(name, {})
        return [
            edge.adapt_dataset_ref(ref)
            for ref in sorted({refs[number] for number in lists.of(name, quantum)})
        ]

    def inputs(self, lists: Lists, quantum: int) -> Any:
        """Return inputs of a quantum by dataset type (`lsst.daf.butler.NamedKeyDict`)."""
        from lsst.daf.butler import NamedKeyDict

        adapted = NamedKeyDict()
        for edge, dataset_type in self._inputs:
            present = adapted.keys().get(dataset_type.name)
            if present is None:
                adapted[dataset_type] = self._adapted(edge, lists, quantum)
            elif present != dataset_type:
                raise NotImplementedError(
                    f"two connections of task {self._view.label!r} read {dataset_type.name!r} "
                    "with different storage classes, which a quantum cannot hold"
                )
        return adapted

    def outputs(self, lists: Lists, quantum: int) -> Any:
        """Return outputs of a quantum by dataset type (`lsst.daf.butler.NamedKeyDict`)."""
        from lsst.daf.butler import NamedKeyDict

        adapted = NamedKeyDict()
        for edge, dataset_type in self._outputs:
            adapted[dataset_type] = self._adapted(edge, lists, quantum)
        return adapted

    def kept(self, lists: Lists, quantum: int, adjusted: Any) -> dict[str, list[int]]:
        """Return those numbers of a quantum that are left, by parent dataset type."""
        from lsst.daf.butler import DatasetType

        kept: dict[str, set[Any]] = {name: set() for name in lists.names}
        for dataset_type, refs in adjusted.items():
            # A dataset stays if any of its components does.
            parent, _ = DatasetType.splitDatasetTypeName(dataset_type.name)
            kept[parent].update(ref.id for ref in refs)
        return {
            name: [n for n in lists.of(name, quantum) if self._view.refs[name][n].id in ids]
            for name, ids in kept.items()
        }
