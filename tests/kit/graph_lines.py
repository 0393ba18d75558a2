"""Describes a quantum graph file as JSON lines that two builders must agree on.

Random identifiers are left out: a dataset is known by its type, data ID and
run, a quantum by its task and data ID.  Only datasets that existed before
the graph was built keep their UUIDs.
"""

from __future__ import annotations

import dataclasses
import hashlib
import uuid
from collections.abc import Iterator
from typing import Any

from lsst.daf.butler import Timespan
from lsst.pipe.base.pipeline_graph import Edge, PipelineGraph, ReadEdge, TaskImportMode
from lsst.pipe.base.quantum_graph import PredictedQuantumGraph, PredictedQuantumGraphComponents
from lsst.sphgeom import Region

from kit_support import KitError, canonical

Line = dict[str, Any]
IDENTITY: dict[str, tuple[str, ...]] = {
    "header": (),
    "pipeline": (),
    "pipeline_task": ("task",),
    "pipeline_edge": ("task", "role", "connection"),
    "pipeline_dataset_type": ("dataset_type",),
    "task_init": ("task",),
    "quantum": ("task", "data_id"),
    "edge": ("from", "to"),
    "datastore_record": ("datastore", "dataset", "table", "component"),
    "dimension_record": ("element", "key"),
}
"""The kinds of lines, each with the fields that say what a line is about."""


def load_components(path: str) -> PredictedQuantumGraphComponents:
    """Read all of a graph file; task classes need not be importable."""
    try:
        with PredictedQuantumGraph.open(path, import_mode=TaskImportMode.DO_NOT_IMPORT) as reader:
            reader.read_all()
            return reader.components
    except OSError:
        raise
    except Exception as err:
        raise KitError(
            f"{path} is not a graph that the middleware reads: {type(err).__name__}: {err}"
        ) from err


def plain(value: Any) -> Any:
    """Return the JSON form of a dimension record's field."""
    if isinstance(value, Region):
        return value.encode().hex()
    if isinstance(value, Timespan):
        return list(value.nsec)
    if isinstance(value, bytes):
        return value.hex()
    return value


def by_canonical(rows: list[Any]) -> list[Any]:
    """Sort JSON values of any shape."""
    return sorted(rows, key=canonical)


@dataclasses.dataclass
class GraphDescription:
    """A graph file's canonical description.

    Parameters
    ----------
    components : `lsst.pipe.base.quantum_graph.PredictedQuantumGraphComponents`
        The whole graph.
    """

    components: PredictedQuantumGraphComponents

    def __post_init__(self) -> None:
        self.pipeline: PipelineGraph = self.components.pipeline_graph
        self.quanta = self.components.quantum_datasets
        self.init_quanta = self.components.init_quanta.root
        self.produced: set[uuid.UUID] = set()
        for quantum in (*self.quanta.values(), *self.init_quanta):
            self.produced.update(quantum.iter_output_dataset_ids())

    def lines(self) -> Iterator[Line]:
        """Make all lines, in no particular order."""
        yield self._header()
        yield from self._pipeline()
        for init in self.init_quanta:
            yield {
                "kind": "task_init",
                "task": init.task_label,
                "inputs": self._datasets(init.inputs),
                "outputs": self._datasets(init.outputs),
                "recorded": self._recorded(init),
            }
        keys: dict[uuid.UUID, dict[str, Any]] = {}
        for quantum_id, quantum in self.quanta.items():
            keys[quantum_id] = key = {
                "task": quantum.task_label,
                "data_id": self._quantum_data_id(quantum),
            }
            yield {
                "kind": "quantum",
                **key,
                "inputs": self._datasets(quantum.inputs),
                "outputs": self._datasets(quantum.outputs),
                "recorded": self._recorded(quantum),
            }
        for before, after in self.components.thin_graph.edges:
            yield {"kind": "edge", "from": keys[before], "to": keys[after]}
        yield from self._datastore_records()
        yield from self._dimension_records()

    def _header(self) -> Line:
        header = self.components.header
        return {
            "kind": "header",
            "graph_type": header.graph_type,
            "inputs": list(header.inputs),
            "output": header.output,
            "output_run": header.output_run,
            "n_quanta": header.n_quanta,
            "n_datasets": header.n_datasets,
            "n_task_quanta": {label: n for label, n in header.n_task_quanta.items() if n},
        }

    def _pipeline(self) -> Iterator[Line]:
        pipeline = self.pipeline
        universe = pipeline.universe
        definition = canonical(universe.dimensionConfig.toDict())
        yield {
            "kind": "pipeline",
            "description": pipeline.description,
            "data_id": dict(pipeline.data_id.mapping),
            "universe": [universe.namespace, universe.version],
            "universe_digest": hashlib.sha256(definition.encode()).hexdigest(),
            "subsets": {
                label: {"tasks": sorted(subset), "description": subset.description}
                for label, subset in pipeline.task_subsets.items()
            },
            "steps": list(pipeline.steps),
        }
        for label, task in pipeline.tasks.items():
            yield {
                "kind": "pipeline_task",
                "task": label,
                "class": task.task_class_name,
                "dimensions": list(task.dimensions.names),
                "config": task.get_config_str().splitlines(),
            }
            prerequisites = {edge.connection_name for edge in task.prerequisite_inputs.values()}
            for edge in (*task.iter_all_inputs(), *task.iter_all_outputs()):
                role = "prerequisite" if edge.connection_name in prerequisites else "regular"
                yield self._pipeline_edge(edge, role)
            for edge in (*task.init.iter_all_inputs(), *task.init.iter_all_outputs()):
                yield self._pipeline_edge(edge, "init")
        for name, node in pipeline.dataset_types.items():
            yield {
                "kind": "pipeline_dataset_type",
                "dataset_type": name,
                "dimensions": list(node.dimensions.names),
                "storage_class": node.storage_class_name,
                "is_calibration": node.is_calibration,
                "is_prerequisite": node.is_prerequisite,
                "is_initial_query_constraint": node.is_initial_query_constraint,
            }

    @staticmethod
    def _pipeline_edge(edge: Edge, role: str) -> Line:
        reads = isinstance(edge, ReadEdge)
        return {
            "kind": "pipeline_edge",
            "task": edge.task_label,
            "role": f"{role} {'input' if reads else 'output'}",
            "connection": edge.connection_name,
            "dataset_type": edge.dataset_type_name,
            "storage_class": edge.storage_class_name,
            "raw_dimensions": sorted(edge.raw_dimensions),
            "is_calibration": edge.is_calibration,
            "defer_query_constraint": isinstance(edge, ReadEdge) and edge.defer_query_constraint,
        }

    def _quantum_data_id(self, quantum: Any) -> dict[str, Any]:
        dimensions = self.pipeline.tasks[quantum.task_label].dimensions
        return dict(zip(dimensions.data_coordinate_keys, quantum.data_coordinate, strict=True))

    def _dataset(self, model: Any) -> Line:
        node = self.pipeline.dataset_types.get(model.dataset_type_name)
        keys = node.dimensions.data_coordinate_keys if node is not None else ()
        existing = {} if model.dataset_id in self.produced else {"id": str(model.dataset_id)}
        return {
            "dataset_type": model.dataset_type_name,
            "data_id": dict(zip(keys, model.data_coordinate, strict=True)),
            "run": model.run,
            **existing,
        }

    def _datasets(self, connections: dict[str, list[Any]]) -> dict[str, list[Line]]:
        return {
            name: by_canonical([self._dataset(m) for m in models])
            for name, models in connections.items()
        }

    @staticmethod
    def _recorded(quantum: Any) -> dict[str, list[str]]:
        """Return the datasets that a quantum has records of, by datastore."""
        return {
            datastore: sorted({str(i) for i in data.dataset_ids})
            for datastore, data in quantum.datastore_records.items()
        }

    def _datastore_records(self) -> Iterator[Line]:
        seen: set[str] = set()
        for quantum in (*self.quanta.values(), *self.init_quanta):
            for datastore, data in quantum.datastore_records.items():
                for record_class, by_dataset in data.model_dump(mode="json")["records"].items():
                    for dataset, by_table in by_dataset.items():
                        for table, rows in by_table.items():
                            for row in rows:
                                line = {
                                    "kind": "datastore_record",
                                    "datastore": datastore,
                                    "dataset": str(uuid.UUID(dataset)),
                                    "table": table,
                                    "class": record_class,
                                    "component": row.get("component"),
                                    "row": row,
                                }
                                key = canonical(line)
                                if key not in seen:
                                    seen.add(key)
                                    yield line

    def _dimension_records(self) -> Iterator[Line]:
        attacher = self.components.dimension_data
        if attacher is None:
            return
        for element, deserializer in attacher.deserializers.items():
            try:
                records = list(deserializer)
            except ValueError as err:
                raise KitError(f"a dimension record of {element} is not valid: {err}") from err
            for record in records:
                yield {
                    "kind": "dimension_record",
                    "element": element,
                    "key": list(record.dataId.required_values),
                    "row": {name: plain(value) for name, value in record.toDict().items()},
                }


def describe(path: str) -> list[str]:
    """Return a graph file's description as sorted JSON texts."""
    return sorted(canonical(line) for line in GraphDescription(load_components(path)).lines())
