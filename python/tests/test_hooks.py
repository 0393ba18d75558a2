"""Behaviour of the service that calls tasks' methods while a graph is built."""

from __future__ import annotations

import contextlib
import io
import json
import signal
import subprocess
import sys
import tempfile
import unittest
from typing import Any

from qbb_worker.hooks import HookService

from .release import INPUT_RUN, OUTPUT_RUN, environment, make_release

PIPELINE = """
description: A task with hooks.
tasks:
  decide:
    class: tests.hook_tasks.DecideTask
    config: {no_work: [1], alone: [2], removed: [0, 3]}
"""
DETECTORS = 5


class HooksTestCase(unittest.TestCase):
    """Base of tests that share a release and a pipeline."""

    root: str
    pipeline: dict[str, Any]
    raws: list[str]
    neighbours: list[str]

    @classmethod
    def setUpClass(cls) -> None:
        from lsst.daf.butler import Butler, DatasetType
        from lsst.pipe.base import Pipeline
        from lsst.pipe.base.pipeline_graph.io import SerializedPipelineGraph

        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.root = folder.name
        make_release(cls.root, DETECTORS)
        with Butler.from_config(cls.root, run=INPUT_RUN) as butler:
            dimensions = {"instrument", "detector"}
            neighbour = DatasetType(
                "neighbour", dimensions, "StructuredDataDict", universe=butler.dimensions
            )
            butler.registry.registerDatasetType(neighbour)
            for detector in range(DETECTORS):
                butler.put({}, "neighbour", instrument="Cam", detector=detector)

            def ids(name: str) -> list[str]:
                refs = butler.query_datasets(name, collections=INPUT_RUN)
                return [str(r.id) for r in sorted(refs, key=lambda r: r.dataId["detector"])]

            cls.raws, cls.neighbours = ids("raw"), ids("neighbour")
            graph = Pipeline.fromString(PIPELINE).to_graph(butler.registry)
            serialized = SerializedPipelineGraph.serialize(graph)
            cls.pipeline = serialized.model_dump(mode="json")

    def setUp(self) -> None:
        self.service = HookService()
        stderr = contextlib.redirect_stderr(io.StringIO())
        self.stderr = stderr.__enter__()
        self.addCleanup(stderr.__exit__, None, None, None)

    def ask(self, op: str, **members: Any) -> dict[str, Any]:
        """Return the reply to a request, as the peer gets it."""
        reply = self.service.answer(json.dumps({"op": op, **members}).encode())
        return json.loads(json.dumps(reply))

    def start(self, **config: Any) -> dict[str, Any]:
        """Start with the pipeline."""
        members = {
            "pipeline_graph": self.pipeline,
            "repository": self.root,
            "collections": [INPUT_RUN],
            "output_run": OUTPUT_RUN,
        }
        return self.ask("start", **{**members, **config})

    def about_all(self, detectors: list[int]) -> dict[str, Any]:
        """Return members of a request about quanta of some detectors."""
        numbers = list(range(DETECTORS))
        data_ids = [["Cam", detector] for detector in numbers]

        def datasets(ids: list[str | None]) -> dict[str, Any]:
            runs = [INPUT_RUN if i else None for i in ids]
            return {"numbers": numbers, "data_ids": data_ids, "ids": ids, "runs": runs}

        lists = {"ends": list(range(1, len(detectors) + 1)), "numbers": detectors}
        return {
            "task": "decide",
            "quanta": [["Cam", detector] for detector in detectors],
            "datasets": {
                "raw": datasets(list(self.raws)),
                "neighbour": datasets(list(self.neighbours)),
                "decided": datasets([None] * DETECTORS),
            },
            "inputs": {"raw": lists, "neighbour": lists},
            "outputs": {"decided": lists},
        }


class ProtocolTest(HooksTestCase):
    """Requests at the wrong time, and wrong ones."""

    def wrong(self, reply: dict[str, Any], kind: str, message: str) -> None:
        self.assertFalse(reply["ok"])
        self.assertEqual(reply["error"]["kind"], kind)
        self.assertRegex(reply["error"]["message"], message)

    def test_before_start(self) -> None:
        """What needs the pipeline is refused before it is there."""
        requests = {
            "records": {"records": {}},
            "lookup": {"task": "decide", "connection": "neighbour", "quanta": []},
            "adjust": self.about_all([0]),
            "adjust_all": self.about_all([0]),
        }
        for op, members in requests.items():
            with self.subTest(op=op):
                self.wrong(self.ask(op, **members), "request", "before 'start'")

    def test_start(self) -> None:
        """It is started once, with a resolved pipeline, on a repository that is there."""
        self.wrong(self.start(pipeline_graph={"tasks": {}}), "request", "not resolved")
        self.wrong(self.start(repository=f"{self.root}/none"), "datastore", "Cannot open")
        self.wrong(self.start(collections="raw/all"), "request", "collections")
        self.assertFalse(self.service.started)
        self.assertTrue(self.start()["ok"])
        self.assertTrue(self.service.started)
        self.wrong(self.start(), "request", "started already")

    def test_a_class_that_is_not_there(self) -> None:
        """Preparing forgives what starting tells."""
        prepared = self.ask("prepare", repository=self.root, task_classes=["nowhere.Task"])
        self.assertTrue(prepared["ok"])
        self.assertIn("nowhere", self.stderr.getvalue())
        pipeline = json.loads(json.dumps(self.pipeline))
        pipeline["tasks"]["decide"]["task_class"] = "nowhere.Task"
        self.wrong(self.start(pipeline_graph=pipeline), "import", "nowhere")

    def test_unknown_task(self) -> None:
        """A task that the pipeline lacks is named."""
        self.start()
        reply = self.ask("lookup", task="none", connection="neighbour", quanta=[])
        self.wrong(reply, "request", "'none'")


class AnswersTest(HooksTestCase):
    """Replies to what is right."""

    def setUp(self) -> None:
        super().setUp()
        self.assertTrue(self.start()["ok"])

    def look_up(self, *detectors: int) -> dict[str, Any]:
        quanta = [["Cam", detector] for detector in detectors]
        reply = self.ask("lookup", task="decide", connection="neighbour", quanta=quanta)
        self.assertTrue(reply["ok"], reply)
        return reply

    def test_look_up(self) -> None:
        """Each dataset is told once, its records once for all replies."""
        reply = self.look_up(0, 1, 4)
        self.assertEqual(reply["found"], [[0], [1], []])
        self.assertEqual(
            reply["datasets"],
            [[self.neighbours[d], INPUT_RUN, ["Cam", d]] for d in (1, 2)],
        )
        self.assertEqual([row[1] for row in reply["records"]["detector"]], [1, 2])
        again = self.look_up(1, 2)
        self.assertEqual([row[1] for row in again["records"]["detector"]], [3])
        self.assertNotIn("instrument", again["records"])

    def test_look_up_raises(self) -> None:
        """The exception is told with the quantum; the service goes on."""
        self.insert_detector(7)
        reply = self.look_up(0, 7)
        self.assertEqual(
            reply["raised"],
            {
                "hook": "look-up function of `neighbour`",
                "type_name": "LookupError",
                "message": "asked to find nothing for 7",
                "quantum": 1,
            },
        )
        self.assertEqual(self.look_up(3)["found"], [[0]])

    def insert_detector(self, detector: int) -> None:
        from lsst.daf.butler import Butler

        with Butler.from_config(self.root, writeable=True) as butler:
            record = {"instrument": "Cam", "id": detector, "full_name": f"D{detector}"}
            butler.registry.insertDimensionData("detector", record)

    def test_adjust(self) -> None:
        """Quanta without work are named with the reason; others only if they change."""
        reply = self.ask("adjust", **self.about_all([0, 1, 2, 4]))
        self.assertEqual(reply["raised"], None)
        self.assertEqual(reply["dropped"], [[1, None, "no work on 1"]])
        ((quantum, inputs, outputs),) = reply["changed"]
        self.assertEqual((quantum, outputs), (2, None))
        self.assertEqual(inputs, {"raw": [2], "neighbour": []})

    def test_adjust_raises(self) -> None:
        """The exception is told with the quantum."""
        pipeline = json.loads(json.dumps(self.pipeline))
        pipeline["tasks"]["decide"]["config_str"] += "\nconfig.fails = 3\n"
        self.service = HookService()
        self.assertTrue(self.start(pipeline_graph=pipeline)["ok"])
        raised = self.ask("adjust", **self.about_all([2, 3, 4]))["raised"]
        self.assertEqual(raised["hook"], "adjustQuantum")
        self.assertEqual(raised["type_name"], "ValueError")
        self.assertEqual((raised["message"], raised["quantum"]), ("asked to fail on 3", 1))

    def test_adjust_all(self) -> None:
        """Quanta that a task removes are told with the outputs that go with them."""
        reply = self.ask("adjust_all", **self.about_all(list(range(DETECTORS))))
        self.assertEqual(reply["raised"], None)
        self.assertEqual(reply["removed"], [0, 3])
        self.assertEqual(reply["changed"], [])
        self.assertEqual(reply["gone"], {"decided": [0, 3]})

    def test_numbers_are_told_once(self) -> None:
        """Later requests about a task call datasets by number."""
        first = self.about_all([2])
        self.assertTrue(self.ask("adjust", **first)["ok"])
        reply = self.ask("adjust", **{**self.about_all([2, 4]), "datasets": {}})
        self.assertEqual([change[0] for change in reply["changed"]], [0])


class ProcessTest(HooksTestCase):
    """The service as a process."""

    def test_an_interrupt_is_left_to_the_parent(self) -> None:
        """At Ctrl-C everyone in the terminal gets the signal; the service goes on until told."""
        process = subprocess.Popen(
            [sys.executable, "-m", "qbb_worker.hooks"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment(),
        )
        self.addCleanup(process.kill)
        assert process.stdin is not None and process.stdout is not None

        def ask(op: str) -> dict[str, Any]:
            process.stdin.write(json.dumps({"op": op}).encode() + b"\n")
            process.stdin.flush()
            return json.loads(process.stdout.readline())

        self.assertFalse(ask("ping")["started"])
        process.send_signal(signal.SIGINT)
        self.assertFalse(ask("ping")["started"])
        process.stdin.close()
        process.stdout.close()
        self.assertEqual(process.wait(timeout=60), 0)


if __name__ == "__main__":
    unittest.main()
