"""Checks that the parts of one graph file agree with each other.

The middleware stores some facts of a graph more than once and trusts them:
counts in the header, a graph without datasets beside the quanta, an index of
where each quantum is, implied dimension values beside dimension records.
"""

from __future__ import annotations

import uuid
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

from lsst.daf.butler import DataCoordinate, DimensionGroup
from lsst.pipe.base.pipeline_graph import TaskImportMode
from lsst.pipe.base.quantum_graph import PredictedQuantumGraph, PredictedQuantumGraphComponents


def _counts(components: PredictedQuantumGraphComponents) -> Iterator[str]:
    header, quanta = components.header, components.quantum_datasets
    if header.n_quanta != len(quanta):
        yield f"header says {header.n_quanta} quanta, the file has {len(quanta)}"
    found = Counter(quantum.task_label for quantum in quanta.values())
    said = {label: n for label, n in header.n_task_quanta.items() if n}
    if said != dict(found):
        yield f"header says quanta {said}, the file has {dict(found)}"
    datasets = {
        dataset_id
        for quantum in (*quanta.values(), *components.init_quanta.root)
        for dataset_id in quantum.iter_dataset_ids()
    }
    if header.n_datasets != len(datasets):
        yield f"header says {header.n_datasets} datasets, the file has {len(datasets)}"


def _thin_graph(components: PredictedQuantumGraphComponents) -> Iterator[str]:
    quanta = components.quantum_datasets
    thin = {
        quantum.quantum_id: (label, list(quantum.data_coordinate))
        for label, models in components.thin_graph.quanta.items()
        for quantum in models
    }
    full = {i: (quantum.task_label, list(quantum.data_coordinate)) for i, quantum in quanta.items()}
    for quantum_id in thin.keys() | full.keys():
        if thin.get(quantum_id) != full.get(quantum_id):
            said, true = thin.get(quantum_id), full.get(quantum_id)
            yield f"quantum {quantum_id}: thin graph {said}, datasets {true}"
    producer = {i: q for q, quantum in quanta.items() for i in quantum.iter_output_dataset_ids()}
    derived = {
        (producer[i], q)
        for q, quantum in quanta.items()
        for i in quantum.iter_input_dataset_ids()
        if i in producer
    }
    edges = Counter((before, after) for before, after in components.thin_graph.edges)
    for edge in derived - edges.keys():
        yield f"edge {edge} follows from datasets but is not in the thin graph"
    for edge in edges.keys() - derived:
        yield f"edge {edge} of the thin graph has no dataset"
    yield from (f"edge {edge} is there {n} times" for edge, n in edges.items() if n > 1)


def _identities(components: PredictedQuantumGraphComponents) -> Iterator[str]:
    key_of: dict[uuid.UUID, tuple[Any, ...]] = {}
    id_of: dict[tuple[Any, ...], uuid.UUID] = {}
    for quantum in (*components.quantum_datasets.values(), *components.init_quanta.root):
        for connections in (quantum.inputs, quantum.outputs):
            for models in connections.values():
                for model in models:
                    key = (model.dataset_type_name, tuple(model.data_coordinate), model.run)
                    if key_of.setdefault(model.dataset_id, key) != key:
                        other = key_of[model.dataset_id]
                        yield f"dataset {model.dataset_id} is both {other} and {key}"
                    if id_of.setdefault(key, model.dataset_id) != model.dataset_id:
                        yield f"dataset {key} has ids {id_of[key]} and {model.dataset_id}"


def _data_ids(components: PredictedQuantumGraphComponents) -> Iterator[str]:
    pipeline = components.pipeline_graph
    values: dict[DimensionGroup, set[tuple[Any, ...]]] = defaultdict(set)
    for quantum in components.quantum_datasets.values():
        values[pipeline.tasks[quantum.task_label].dimensions].add(tuple(quantum.data_coordinate))
        for connections in (quantum.inputs, quantum.outputs):
            for models in connections.values():
                for model in models:
                    node = pipeline.dataset_types[model.dataset_type_name]
                    values[node.dimensions].add(tuple(model.data_coordinate))
    attacher = components.dimension_data
    if attacher is None:
        yield "there are no dimension records"
        return
    for dimensions, rows in values.items():
        data_ids = [DataCoordinate.from_full_values(dimensions, row) for row in sorted(rows)]
        try:
            expanded = attacher.attach(dimensions, data_ids)
        except LookupError as err:
            yield f"{dimensions}: {err}"
            continue
        for data_id in expanded:
            for element in dimensions.elements:
                record = data_id.records[element]
                for implied in (
                    dimensions.universe[element].implied.names if record is not None else ()
                ):
                    if getattr(record, implied) != data_id[implied]:
                        yield f"{data_id}: {element} has {implied} {getattr(record, implied)!r}"


def _addresses(path: str, components: PredictedQuantumGraphComponents) -> Iterator[str]:
    with PredictedQuantumGraph.open(path, import_mode=TaskImportMode.DO_NOT_IMPORT) as reader:
        for quantum_id, quantum in components.quantum_datasets.items():
            try:
                reader.read_quantum_datasets([quantum_id])
            except LookupError:
                yield f"quantum {quantum_id} is not in the address table"
                continue
            if reader.components.quantum_datasets.get(quantum_id) != quantum:
                yield f"quantum {quantum_id} differs when read by its address"


def inconsistencies(path: str, components: PredictedQuantumGraphComponents) -> list[str]:
    """Return what is wrong with a graph file, one sentence for each finding."""
    return [
        *_counts(components),
        *_thin_graph(components),
        *_identities(components),
        *_data_ids(components),
        *_addresses(path, components),
    ]
