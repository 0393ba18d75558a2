"""A graph that is executed: names of its quanta, and places of its outputs."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from kit_support import KitError
from kit_task_base import is_listed


class ExecutedGraph:
    """A graph, and where its quanta write.

    Parameters
    ----------
    path : `Path`
        File.
    repository : `str`
        Any repository that it can be executed in.
    """

    def __init__(self, path: Path, repository: str):
        from lsst.daf.butler import QuantumBackedButler
        from lsst.pipe.base.quantum_graph import PredictedQuantumGraph

        self.path = path
        predicted = PredictedQuantumGraph.read_execution_quanta(str(path))
        quanta = predicted.build_execution_quanta()
        nodes = predicted.quantum_only_xgraph.nodes
        self.quanta = [(nodes[i]["task_label"], q.dataId, str(i)) for i, q in quanta.items()]
        refs = [ref for q in quanta.values() for refs in q.outputs.values() for ref in refs]
        for label in ["", *predicted.quanta_by_task]:
            refs += predicted.get_init_outputs(label).values()
        nodes_of_types = predicted.pipeline_graph.dataset_types.values()
        with contextlib.closing(
            QuantumBackedButler.from_predicted(
                config=repository,
                predicted_inputs=[],
                predicted_outputs=[ref.id for ref in refs],
                dimensions=predicted.pipeline_graph.universe,
                datastore_records={},
                dataset_types={node.name: node.dataset_type for node in nodes_of_types},
            )
        ) as butler:
            root = butler._datastore.root
            self.outputs = [
                (ref.datasetType.name, ref.dataId, self._place(butler, ref, root)) for ref in refs
            ]

    @staticmethod
    def _place(butler: Any, ref: Any, root: Any) -> str:
        place = butler._datastore.getURI(ref, predict=True).replace(fragment="")
        return str(place.relative_to(root))

    def find_quanta(self, text: str) -> list[str]:
        """Return the UUIDs of quanta, from ``label`` or ``label@data ID``."""
        label, _, data_id = text.partition("@")
        rows = self.quanta
        return self._found(text, [i for n, d, i in rows if n == label and matches(d, data_id)])

    def find_outputs(self, text: str) -> list[str]:
        """Return the paths of outputs, from ``type`` or ``type@data ID``."""
        name, _, data_id = text.partition("@")
        rows = self.outputs
        return self._found(text, [p for n, d, p in rows if n == name and matches(d, data_id)])

    def _found(self, text: str, found: list[str]) -> list[str]:
        if not found:
            raise KitError(f"{self.path.name} has no {text}")
        return sorted(set(found))


def matches(data_id: Any, text: str) -> bool:
    """Tell whether a text, which may be empty, means a data ID."""
    return not text or is_listed(data_id, [text])
