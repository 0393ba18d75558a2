"""From the JSON blocks of a ``.qg`` graph to executable quanta.

A worker is given the parts of a graph that concern all quanta once, and then
for each quantum its own block, the init block of its task, and the dimension
records of its data IDs.
"""

from __future__ import annotations

__all__ = ("BuiltQuantum", "GraphParts")

import dataclasses
import uuid
from collections.abc import Mapping
from typing import Any

from .errors import WorkerError, import_task


@dataclasses.dataclass(frozen=True, slots=True)
class BuiltQuantum:
    """A quantum as the executor wants it."""

    quantum_id: uuid.UUID
    task_node: Any
    """Node of the task (`lsst.pipe.base.pipeline_graph.TaskNode`)."""
    quantum: Any
    """The quantum itself (`lsst.daf.butler.Quantum`), without records."""

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

    def with_records(self, records: dict[str, Any]) -> Any:
        """Return the quantum with datastore records of its inputs.

        Parameters
        ----------
        records : `dict` [ `str`, `DatastoreRecordData` ]
            Records by datastore name.

        Returns
        -------
        quantum : `lsst.daf.butler.Quantum`
            Quantum that shares everything else with this one.
        """
        from lsst.daf.butler import Quantum

        return Quantum(
            taskName=self.quantum.taskName,
            taskClass=self.quantum.taskClass,
            dataId=self.quantum.dataId,
            initInputs=self.quantum.initInputs,
            inputs=self.quantum.inputs,
            outputs=self.quantum.outputs,
            datastore_records=records,
        )


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
        # Records are converted separately, see Store.adopt_records.
        try:
            graph = self.assemble(
                init_quanta=[{**init_quantum, "datastore_records": {}}],
                quanta=[{**quantum, "datastore_records": {}}],
                dimension_data=dimension_data,
            )
            ((quantum_id, built),) = graph.build_execution_quanta().items()
        except Exception as exc:
            raise WorkerError(
                "request",
                f"Cannot make quantum {quantum.get('quantum_id')} of task {label!r}: "
                f"{type(exc).__name__}: {exc}",
                task=label,
            ) from exc
        return BuiltQuantum(quantum_id, task_node, built)
