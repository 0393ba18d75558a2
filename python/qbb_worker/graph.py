"""From the JSON blocks of a ``.qg`` graph to executable quanta.

A worker is given the parts of a graph that concern all quanta once, and then
for each quantum its own block, the init block of its task, and the dimension
records of its data IDs.
"""

from __future__ import annotations

__all__ = ("BuiltQuantum", "GraphParts")

import dataclasses
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from .data_ids import DataIds
from .errors import WorkerError, import_task


@dataclasses.dataclass(frozen=True, slots=True)
class BuiltQuantum:
    """A quantum as the executor wants it."""

    quantum_id: uuid.UUID
    task_node: Any
    """Node of the task (`lsst.pipe.base.pipeline_graph.TaskNode`)."""
    quantum: Any
    """The quantum itself (`lsst.daf.butler.Quantum`)."""

    @property
    def inputs(self) -> list[uuid.UUID]:
        """IDs of all inputs, init-inputs included."""
        regular = [ref.id for refs in self.quantum.inputs.values() for ref in refs]
        return regular + [ref.id for ref in self.quantum.initInputs.values()]

    @property
    def output_refs(self) -> list[Any]:
        """All predicted outputs, metadata and log included."""
        return [ref for refs in self.quantum.outputs.values() for ref in refs]

    @property
    def metadata_ref(self) -> Any:
        """Predicted metadata dataset."""
        (ref,) = self.quantum.outputs[self.task_node.metadata_output.dataset_type_name]
        return ref

    @property
    def log_ref(self) -> Any | None:
        """Predicted log dataset, or `None` if the task does not save logs."""
        if self.task_node.log_output is None:
            return None
        (ref,) = self.quantum.outputs[self.task_node.log_output.dataset_type_name]
        return ref


class GraphParts:
    """What all quanta of a graph have in common.

    Parameters
    ----------
    pipeline_graph : `~collections.abc.Mapping`
        Resolved pipeline graph, the JSON of a ``.qg`` file's
        ``pipeline_graph`` member.
    header : `~collections.abc.Mapping`
        JSON of the ``.qg`` file's header.

    Raises
    ------
    WorkerError
        Raised with kind ``import`` if a task class cannot be imported and
        with kind ``request`` if the JSON does not describe a resolved graph.
    """

    def __init__(self, pipeline_graph: Mapping[str, Any], header: Mapping[str, Any]):
        from lsst.daf.butler import DimensionGroup
        from lsst.pipe.base.pipeline_graph import TaskImportMode
        from lsst.pipe.base.pipeline_graph.io import SerializedPipelineGraph
        from lsst.pipe.base.quantum_graph import HeaderModel

        if pipeline_graph.get("dimensions") is None:
            raise WorkerError(
                "request",
                "The pipeline graph is not resolved: its dimension universe is missing.",
            )
        for label, task in pipeline_graph["tasks"].items():
            import_task(label, task["task_class"])
        try:
            model = SerializedPipelineGraph.model_validate(pipeline_graph)
            self.pipeline_graph = model.deserialize(TaskImportMode.ASSUME_CONSISTENT_EDGES)
            self.header = HeaderModel.model_validate({"graph_type": "predicted", **header})
        except Exception as exc:
            raise WorkerError(
                "request", f"Cannot load the pipeline graph: {type(exc).__name__}: {exc}"
            ) from exc
        self.universe = self.pipeline_graph.universe
        self.dataset_types = {
            node.name: node.dataset_type for node in self.pipeline_graph.dataset_types.values()
        }
        # The same for all quanta, and not cheap to find.
        self._dimensions = DimensionGroup.union(
            *self.pipeline_graph.group_by_dimensions(prerequisites=True).keys(),
            universe=self.universe,
        )
        self._data_ids = DataIds(self._dimensions)
        self._adapted: dict[tuple[str, str], tuple[Any, Any]] = {}
        self._init_inputs: dict[str, tuple[Any, dict[Any, Any]]] = {}

    def check_multiprocessing(self, labels: Sequence[str]) -> None:
        """Refuse tasks that say that they cannot run beside others.

        Parameters
        ----------
        labels : `~collections.abc.Sequence` [ `str` ]
            Tasks whose quanta are to run several at a time.

        Raises
        ------
        WorkerError
            Raised with kind ``request`` for the first task that refuses.
        """
        for label in labels:
            node = self.pipeline_graph.tasks.get(label)
            if node is not None and not node.task_class.canMultiprocess:
                raise WorkerError(
                    "request",
                    f"Task {label!r} does not support multiprocessing.",
                    task=label,
                    hint="Run one quantum at a time (-j 1), or its quanta in a run of their own.",
                )

    def assemble(
        self,
        *,
        init_quanta: list[Any],
        quanta: list[Any],
        dimension_data: Mapping[str, list[Any]],
    ) -> Any:
        """Make a quantum graph of some quanta only.

        Parameters
        ----------
        init_quanta : `list`
            JSON of init quanta.
        quanta : `list`
            JSON of quanta.
        dimension_data : `~collections.abc.Mapping`
            Dimension records by element, as in a ``.qg`` file.

        Returns
        -------
        graph : `lsst.pipe.base.quantum_graph.PredictedQuantumGraph`
            The graph.
        """
        from lsst.daf.butler import DimensionDataAttacher, DimensionRecordSetDeserializer
        from lsst.pipe.base.quantum_graph import (
            PredictedInitQuantaModel,
            PredictedQuantumDatasetsModel,
            PredictedQuantumGraphComponents,
        )

        models = [PredictedQuantumDatasetsModel.model_validate(q) for q in quanta]
        return PredictedQuantumGraphComponents(
            header=self.header,
            pipeline_graph=self.pipeline_graph,
            init_quanta=PredictedInitQuantaModel.model_validate(init_quanta),
            quantum_datasets={q.quantum_id: q for q in models},
            dimension_data=DimensionDataAttacher(
                deserializers=[
                    DimensionRecordSetDeserializer.from_raw(self.universe[element], rows)
                    for element, rows in dimension_data.items()
                ],
                dimensions=self._dimensions,
            ),
        ).assemble()

    def build_quantum(
        self,
        quantum: Mapping[str, Any],
        init_quantum: Mapping[str, Any],
        dimension_data: Mapping[str, list[Any]],
        records: Mapping[str, Any] | None = None,
    ) -> BuiltQuantum:
        """Make one executable quantum.

        Parameters
        ----------
        quantum : `~collections.abc.Mapping`
            JSON of the quantum.
        init_quantum : `~collections.abc.Mapping`
            JSON of the init quantum of its task.
        dimension_data : `~collections.abc.Mapping`
            Records for all data IDs in the quantum.
        records : `~collections.abc.Mapping`, optional
            Datastore records for the executor (`DatastoreRecordData`), by
            datastore name.

        Returns
        -------
        built : `BuiltQuantum`
            The quantum.

        Raises
        ------
        WorkerError
            Raised with kind ``request`` if the blocks do not fit the pipeline
            graph, each other, or the dimension records.
        """
        from lsst.daf.butler import Quantum

        label = quantum.get("task_label")
        if not isinstance(label, str) or label not in self.pipeline_graph.tasks:
            raise WorkerError("request", f"No task {label!r} in the pipeline graph.")
        task_node = self.pipeline_graph.tasks[label]
        if init_quantum.get("task_label") != label:
            raise WorkerError(
                "request",
                f"The init quantum is that of {init_quantum.get('task_label')!r}, not {label!r}.",
                task=label,
            )
        try:
            quantum_id = uuid.UUID(quantum["quantum_id"])
            data_ids = self._data_ids
            data_ids.learn(dimension_data)
            data_id = data_ids.expand(task_node.dimensions, quantum["data_coordinate"])
            built = Quantum(
                taskName=task_node.task_class_name,
                taskClass=task_node.task_class,
                dataId=data_id,
                initInputs=self._init_refs(task_node, init_quantum),
                inputs=self._refs(task_node, quantum["inputs"]),
                outputs=self._refs(task_node, quantum["outputs"]),
                datastore_records=records,
            )
        except Exception as exc:
            raise WorkerError(
                "request",
                f"Cannot make quantum {quantum.get('quantum_id')} of task {label!r}: "
                f"{type(exc).__name__}: {exc}",
                task=label,
            ) from exc
        return BuiltQuantum(quantum_id, task_node, built)

    def _refs(
        self, task_node: Any, connections: Mapping[str, list[Mapping[str, Any]]]
    ) -> dict[Any, list[Any]]:
        """Make references as the task declares them, by dataset type."""
        from lsst.daf.butler import DatasetRef

        expand = self._data_ids.expand
        refs: dict[Any, list[Any]] = {}
        for connection, datasets in connections.items():
            adapted, dimensions = self._adapt(task_node, connection)
            refs[adapted] = [
                DatasetRef(
                    adapted,
                    expand(dimensions, dataset["data_coordinate"]),
                    dataset["run"],
                    id=uuid.UUID(dataset["dataset_id"]),
                    conform=False,
                )
                for dataset in datasets
            ]
        return refs

    def _adapt(self, task_node: Any, connection: str) -> tuple[Any, Any]:
        """Return the dataset type that a connection sees, and its dimensions."""
        key = (task_node.label, connection)
        if (known := self._adapted.get(key)) is None:
            edge = task_node.get_edge(connection)
            node = self.pipeline_graph.dataset_types[edge.parent_dataset_type_name]
            known = (edge.adapt_dataset_type(node.dataset_type), node.dimensions)
            self._adapted[key] = known
        return known

    def _init_refs(self, task_node: Any, init_quantum: Mapping[str, Any]) -> dict[Any, Any]:
        """Make references to init-inputs, which all quanta of a task share."""
        from lsst.daf.butler import DataCoordinate, DatasetRef

        blocks = init_quantum.get("inputs", {})
        known = self._init_inputs.get(task_node.label)
        if known is not None and known[0] == blocks:
            return known[1]
        refs = {}
        for connection, datasets in blocks.items():
            (dataset,) = datasets
            edge = task_node.init.inputs[connection]
            registered = self.pipeline_graph.dataset_types[dataset["dataset_type_name"]]
            ref = DatasetRef(
                registered.dataset_type,
                DataCoordinate.make_empty(self.universe),
                dataset["run"],
                id=uuid.UUID(dataset["dataset_id"]),
                conform=False,
            )
            adapted = edge.adapt_dataset_ref(ref)
            refs[adapted.datasetType] = adapted
        self._init_inputs[task_node.label] = (blocks, refs)
        return refs
