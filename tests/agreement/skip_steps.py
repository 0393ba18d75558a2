"""Steps that leave outputs in a release as if parts of a pipeline had been executed."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from agreement_releases import find_pipeline
from kit_support import DEFAULTS, WHERE
from lsst.daf.butler import Butler, CollectionType, DatasetRef, FileDataset
from lsst.daf.butler.formatters.json import JsonFormatter
from lsst.pipe.base import Pipeline
from lsst.pipe.base.all_dimensions_quantum_graph_builder import AllDimensionsQuantumGraphBuilder
from lsst.pipe.base.quantum_graph import PredictedQuantumGraph

CONTENTS: dict[str, Any] = {
    "ButlerLogRecords": [],
    "TaskMetadata": {"scalars": {}, "arrays": {}, "metadata": {}},
}
"""What files of some storage classes hold, so that they can be read; others hold a number."""

UNUSED = "kit/unused"
"""Run that graphs are built for; the outputs go to others."""


def finish(
    butler: Butler,
    pipeline: str,
    run: str,
    *,
    tasks: Sequence[str] | None = None,
    every: int = 1,
    first: int = 0,
    only: Sequence[str] = (),
    without: Sequence[str] = (),
    init: bool = True,
    where: str = WHERE,
    inputs: Sequence[str] = (DEFAULTS,),
    chain: str | None = None,
    tag: str | None = None,
) -> None:
    """Put outputs of a pipeline into a run.

    The files hold nothing of use: a builder looks at what is registered.

    Parameters
    ----------
    butler : `lsst.daf.butler.Butler`
        Butler of the release.
    pipeline : `str`
        Pipeline file.
    run : `str`
        RUN collection.
    tasks : `~collections.abc.Sequence` [ `str` ], optional
        Labels of the tasks whose quanta are done; all by default.
    every, first : `int`, optional
        Of each task's quanta in the order of their data IDs those with these
        numbers are done.
    only, without : `~collections.abc.Sequence` [ `str` ], optional
        Connections whose datasets alone are there, or are not there.
    init : `bool`, optional
        Whether init-outputs are there, too.
    where : `str`, optional
        Data query.
    inputs : `~collections.abc.Sequence` [ `str` ], optional
        Input collections.
    chain : `str`, optional
        CHAINED collection to make of the run and the inputs; if it exists, the
        run is put before its children.
    tag : `str`, optional
        TAGGED collection to put the outputs into.
    """
    graph = build(butler, pipeline, where, inputs)
    graph.pipeline_graph.register_dataset_types(butler)
    butler.collections.register(run)
    refs = list(quantum_outputs(graph, tasks, every, first, only, without))
    if init:
        all_labels = tasks if tasks is not None else graph.pipeline_graph.tasks
        labels = [label for label in all_labels if graph.quanta_by_task.get(label)]
        if tasks is None:
            labels.append("")
        for label in labels:
            refs += graph.get_init_outputs(label).values()
    refs = [DatasetRef(ref.datasetType, ref.dataId, run=run) for ref in refs]
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for number, ref in enumerate(refs):
            path = Path(folder, f"{number}.json")
            content = CONTENTS.get(ref.datasetType.storageClass_name, {"number": number})
            path.write_text(json.dumps(content), encoding="utf-8")
            files.append(FileDataset(str(path), [ref], formatter=JsonFormatter))
        butler.ingest(*files, transfer="move")
    if chain is not None:
        children: list[str] = list(inputs)
        if butler.collections.register(chain, CollectionType.CHAINED):
            children = list(butler.collections.query(children, flatten_chains=True))
        else:
            children = list(butler.collections.get_info(chain).children)
        children = [run, *(child for child in children if child != run)]
        butler.collections.redefine_chain(chain, children)
    if tag is not None:
        butler.collections.register(tag, CollectionType.TAGGED)
        butler.registry.associate(tag, refs)


def build(
    butler: Butler, pipeline: str, where: str, inputs: Sequence[str]
) -> PredictedQuantumGraph:
    """Build a graph with the real builder."""
    builder = AllDimensionsQuantumGraphBuilder(
        Pipeline.from_uri(find_pipeline(pipeline)).to_graph(),
        butler,
        where=where,
        input_collections=list(butler.collections.query(inputs, flatten_chains=True)),
        output_run=UNUSED,
    )
    return builder.finish(attach_datastore_records=False).assemble()


def quantum_outputs(
    graph: PredictedQuantumGraph,
    tasks: Sequence[str] | None,
    every: int,
    first: int,
    only: Sequence[str],
    without: Sequence[str],
) -> Iterator[DatasetRef]:
    """Iterate over outputs of chosen quanta, see `finish`."""
    quanta: dict[str, list[Any]] = {}
    for quantum in graph.build_execution_quanta().values():
        label = next(
            label
            for label, node in graph.pipeline_graph.tasks.items()
            if node.metadata_output.parent_dataset_type_name
            in (dataset_type.name for dataset_type in quantum.outputs)
        )
        quanta.setdefault(label, []).append(quantum)
    for label, found in quanta.items():
        if tasks is not None and label not in tasks:
            continue
        edges = graph.pipeline_graph.tasks[label].iter_all_outputs()
        names = {edge.parent_dataset_type_name: edge.connection_name for edge in edges}
        found.sort(key=lambda quantum: quantum.dataId)
        for quantum in found[first::every]:
            for dataset_type, refs in quantum.outputs.items():
                name = names[dataset_type.name]
                if name not in without and (not only or name in only):
                    yield from refs
