"""A worker against the stock way to execute the same graph."""

from __future__ import annotations

import contextlib
import json
import logging
import tempfile
import unittest
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .release import OUTPUT_RUN, Graph, WorkerProcess, build_graph, make_release

GOOD, FAILS, NO_WORK, PARTIAL = range(4)


def run_with_middleware(graph: Graph, root: str) -> None:
    """Execute a graph in this process, as ``pipetask run-qbb`` would.

    Quanta with failures upstream are not blocked but run, so that they find
    their inputs missing.
    """
    from lsst.daf.butler import Butler, QuantumBackedButler
    from lsst.daf.butler.logging import ButlerMDC
    from lsst.pipe.base.single_quantum_executor import SingleQuantumExecutor

    logging.getLogger("lsst").setLevel(logging.INFO)
    ButlerMDC.add_mdc_log_record_factory()
    Butler.makeRepo(root)
    built = graph.components.assemble()
    with built.make_init_qbb(root) as butler:
        built.init_output_run(butler)
    pipeline_graph = built.pipeline_graph
    executor = SingleQuantumExecutor(
        limited_butler_factory=lambda quantum: QuantumBackedButler.initialize(
            config=root,
            quantum=quantum,
            dimensions=pipeline_graph.universe,
            dataset_types={n.name: n.dataset_type for n in pipeline_graph.dataset_types.values()},
        ),
        skip_existing=True,
        clobber_outputs=True,
        raise_on_partial_outputs=False,
        job_metadata={"qg_read_time": 0.1, "qg_size": 8},
    )
    for label in ("produce", "consume"):
        for quantum_id, quantum in built.build_execution_quanta(task_label=label).items():
            with contextlib.suppress(ValueError):
                executor.execute(pipeline_graph.tasks[label], quantum, quantum_id)


def shape(value: Any) -> Any:
    """Replace scalars by the names of their types."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shape(item) for item in value]
    return type(value).__name__


class ReferenceTest(unittest.TestCase):
    """Every file of the output run, one way and the other."""

    @classmethod
    def setUpClass(cls) -> None:
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        release, reference, own = (f"{folder.name}/{name}" for name in ("release", "ref", "own"))
        make_release(release, PARTIAL + 1)
        graph = build_graph(release, fail=[FAILS], no_work=[NO_WORK], partial=[PARTIAL])
        run_with_middleware(graph, reference)
        with WorkerProcess() as worker:
            worker.start(graph, own, raise_on_partial_outputs=False)
            worker.ask("init", init_quanta=graph.init_quanta, dimension_data={})
            for label in ("produce", "consume"):
                for detector in range(PARTIAL + 1):
                    reply = worker.run(graph, label, detector)
                    assert reply["ok"], reply
        cls.reference = Path(reference, OUTPUT_RUN)
        cls.own = Path(own, OUTPUT_RUN)

    def files(self, folder: Path, kind: Callable[[str], bool]) -> dict[str, Path]:
        return {
            str(path.relative_to(folder)): path
            for path in folder.rglob("*")
            if path.is_file() and kind(path.relative_to(folder).parts[0])
        }

    def pairs(self, kind: Callable[[str], bool]) -> list[tuple[str, Path, Path]]:
        reference = self.files(self.reference, kind)
        own = self.files(self.own, kind)
        self.assertEqual(set(own), set(reference))
        self.assertTrue(own)
        return [(name, own[name], reference[name]) for name in sorted(own)]

    def test_data_and_configs_are_identical(self) -> None:
        def is_data(name: str) -> bool:
            return not name.endswith(("_metadata", "_log")) and name != "packages"

        for name, own, reference in self.pairs(is_data):
            with self.subTest(name):
                self.assertEqual(own.read_text(), reference.read_text())

    def test_metadata_has_the_same_keys_and_caveats(self) -> None:
        for name, own, reference in self.pairs(lambda name: name.endswith("_metadata")):
            with self.subTest(name):
                mine, theirs = json.loads(own.read_text()), json.loads(reference.read_text())
                self.assertEqual(shape(mine), shape(theirs))
                scalars = [m["metadata"]["quantum"]["scalars"]["caveats"] for m in (mine, theirs)]
                self.assertEqual(scalars[0], scalars[1])

    def test_logs_say_the_same(self) -> None:
        def text(log: dict[str, Any]) -> list[tuple[Any, ...]]:
            return [
                (r["name"], r["levelname"], r["message"].partition(" took ")[0], r["MDC"])
                for r in log["records"]
            ]

        failures = 0
        for name, own, reference in self.pairs(lambda name: name.endswith("_log")):
            with self.subTest(name):
                mine, theirs = json.loads(own.read_text()), json.loads(reference.read_text())
                self.assertEqual(text(mine), text(theirs))
                self.assertEqual(mine["exception"], theirs["exception"])
                self.assertEqual(shape(mine["metadata"]), shape(theirs["metadata"]))
                failures += mine["exception"] is not None
        self.assertEqual(failures, 1)


if __name__ == "__main__":
    unittest.main()
