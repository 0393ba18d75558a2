"""Behaviour of a worker process over its pipe."""

from __future__ import annotations

import contextlib
import json
import os
import pstats
import pty
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import uuid
from pathlib import Path
from typing import Any, ClassVar

from .release import (
    OUTPUT_RUN,
    Graph,
    WorkerProcess,
    build_graph,
    environment,
    interpreter,
    make_release,
)

GOOD, FAILS, NO_WORK, PARTIAL, EXITS, INTERRUPTED, REPEATABLE = range(7)


class ServeTestCase(unittest.TestCase):
    """Base of tests that share a release and a graph on it."""

    program = sys.executable
    """What starts workers."""
    graph: Graph
    config: ClassVar[dict[str, Any]] = {
        "fail": [FAILS],
        "no_work": [NO_WORK],
        "partial": [PARTIAL],
        "exit": [EXITS],
        "interrupt": [INTERRUPTED],
        "repeatable": [REPEATABLE],
        "noisy": True,
    }

    @classmethod
    def setUpClass(cls) -> None:
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        make_release(folder.name, REPEATABLE + 1)
        cls.graph = build_graph(folder.name, **cls.config)

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = folder.name

    def start(self, *, init: bool = True, **options: Any) -> WorkerProcess:
        """Start a worker on the graph and write the init-outputs."""
        worker = WorkerProcess(self.program)
        self.addCleanup(worker.__exit__)
        reply = worker.start(self.graph, self.root, **options)
        self.assertTrue(reply["ok"], reply)
        if init:
            reply = worker.ask("init", init_quanta=self.graph.init_quanta, dimension_data={})
            self.assertTrue(reply["ok"], reply)
        return worker

    def paths(self, outputs: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
        """Return the record of each dataset by dataset type, checking it."""
        result = {}
        for dataset in outputs:
            uuid.UUID(dataset["dataset_id"])
            (row,) = dataset["rows"]
            file = Path(self.root, row["path"])
            self.assertEqual(row["file_size"], file.stat().st_size)
            self.assertEqual(
                set(row),
                {"path", "formatter", "storage_class", "component", "checksum", "file_size"},
            )
            result[file.relative_to(Path(self.root, OUTPUT_RUN)).parts[0]] = row
        return result

    def read(self, row: dict[str, Any]) -> Any:
        return json.loads(Path(self.root, row["path"]).read_text())


class ExecutionTest(ServeTestCase):
    """Outcomes of quanta."""

    program = interpreter()

    def test_success(self) -> None:
        worker = self.start()
        first = worker.run(self.graph, "produce", GOOD)
        self.assertEqual(first["status"], "succeeded", first)
        self.assertEqual(
            (first["caveats"], first["exception"], first["exit_code"]), (0, None, None)
        )
        self.assertEqual(first["quantum_id"], self.graph.quantum("produce", GOOD)["quantum_id"])
        (raw,) = self.graph.quantum("produce", GOOD)["inputs"]["raw"]
        self.assertEqual(first["actual_inputs"], [raw["dataset_id"]])
        rows = self.paths(first["actual_outputs"])
        self.assertEqual(set(rows), {"catalog", "extra", "produce_metadata", "produce_log"})
        self.assertGreater(first["resource_usage"]["memory"], 0)
        second = worker.run(self.graph, "consume", GOOD)
        self.assertEqual(second["status"], "succeeded", second)
        # Init-inputs are read, too.
        ids = {d["dataset_id"] for d in self.graph.quantum("consume", GOOD)["inputs"]["extra"]}
        self.assertLess(ids, set(second["actual_inputs"]))
        self.assertEqual(ids, set(second["available_inputs"]) & ids)

    def test_metadata_and_logs_come_with_replies_to_be_packed(self) -> None:
        types = ["produce_metadata", "produce_log"]
        worker = self.start(packed=types)
        for detector, n_packed in ((GOOD, 2), (FAILS, 1)):
            reply = worker.run(self.graph, "produce", detector)
            texts = [json.loads(entry["text"]) for entry in reply["packed"]]
            self.assertEqual(len(texts), n_packed, reply)
            self.assertIn("previous_attempts", texts[-1], "the log comes last")
            if detector == GOOD:
                self.assertIn("quantum", texts[0]["metadata"])
                rows = self.paths(reply["actual_outputs"])
                self.assertEqual(set(rows), {"catalog", "extra"})
        left = [path for path in Path(self.root).rglob("*.json") if set(path.parts) & set(types)]
        self.assertEqual(left, [])

    def test_requests_say_how_much_memory_there_is(self) -> None:
        worker = self.start(memory_per_quantum=1 << 30)
        told = []
        for detector, more in ((GOOD, {"memory": 3 << 30}), (NO_WORK, {})):
            reply = worker.ask(
                "quantum",
                quantum=self.graph.quantum("produce", detector),
                init_quantum=self.graph.init_quantum("produce"),
                dimension_data=self.graph.dimension_data,
                **more,
            )
            rows = self.paths(reply["actual_outputs"])
            told.append(self.read(rows["produce_metadata"])["metadata"]["produce"]["scalars"])
        self.assertEqual([float(scalars["max_mem"]) for scalars in told], [3 << 30, 1 << 30])

    def test_levels_of_logs_are_those_asked_for(self) -> None:
        detail, usual = "Detector 0 in detail.", "Processing detector 0."

        def shown(*levels: list[str | None]) -> tuple[bool, bool, bool]:
            with tempfile.TemporaryDirectory() as self.root:
                worker = self.start(packed=["produce_log"], log_levels=list(levels))
                (packed,) = worker.run(self.graph, "produce", GOOD)["packed"]
            records = json.loads(packed["text"])["records"]
            messages = {record["message"] for record in records}
            middleware = {r["levelname"] for r in records if r["name"].startswith("lsst.")}
            return detail in messages, usual in messages, "DEBUG" in middleware

        # Tasks of modules outside of the middleware log under that of their package.
        self.assertEqual(shown(), (False, False, False))
        self.assertEqual(shown(["tests.produce", "INFO"]), (False, True, False))
        self.assertEqual(shown([None, "DEBUG"], ["tests.produce", "DEBUG"]), (True, True, True))
        self.assertEqual(shown([".", "DEBUG"], ["lsst", "WARNING"]), (True, True, False))

    def test_logs_do_not_list_earlier_quanta(self) -> None:
        worker = self.start()
        worker.run(self.graph, "produce", GOOD)
        rows = self.paths(worker.run(self.graph, "consume", GOOD)["actual_outputs"])
        self.assertEqual(self.read(rows["consume_log"])["previous_process_quanta"], [])

    def test_failures_of_all_kinds_leave_the_worker_alive(self) -> None:
        worker = self.start()
        for detector, name, code in (
            (FAILS, "ValueError", 1),
            (EXITS, "SystemExit", 3),
            (INTERRUPTED, "KeyboardInterrupt", 1),
            (PARTIAL, "ValueError", 1),
            (REPEATABLE, "lsst.pipe.base.RepeatableQuantumError", 20),
        ):
            with self.subTest(exception=name, detector=detector):
                reply = worker.run(self.graph, "produce", detector)
                self.assertEqual(reply["status"], "failed", reply)
                self.assertEqual(reply["exception"]["type_name"], name)
                self.assertEqual(reply["exit_code"], code)
                self.assertIsNone(reply["caveats"])
                self.assertIsNotNone(reply["resource_usage"])
                rows = self.paths(reply["actual_outputs"])
                self.assertNotIn("produce_metadata", rows)
                self.assertIn("produce_log", rows)
        self.assertEqual(worker.run(self.graph, "produce", GOOD)["status"], "succeeded")

    def test_no_work(self) -> None:
        reply = self.start().run(self.graph, "produce", NO_WORK)
        self.assertEqual((reply["status"], reply["caveats"]), ("succeeded", 7))

    def test_partial_outputs_accepted_and_downstream_has_no_work(self) -> None:
        worker = self.start(raise_on_partial_outputs=False)
        reply = worker.run(self.graph, "produce", PARTIAL)
        self.assertEqual((reply["status"], reply["caveats"]), ("succeeded", 65))
        self.assertNotIn("extra", self.paths(reply["actual_outputs"]))
        reply = worker.run(self.graph, "consume", PARTIAL)
        self.assertEqual((reply["status"], reply["caveats"]), ("succeeded", 15), reply)
        self.assertEqual(
            set(self.paths(reply["actual_outputs"])), {"consume_metadata", "consume_log"}
        )

    def test_existing_success_is_skipped_and_reported_in_full(self) -> None:
        first = self.start().run(self.graph, "produce", NO_WORK)
        again = self.start().run(self.graph, "produce", NO_WORK)
        self.assertEqual((again["status"], again["caveats"]), ("skipped_existing", 7))
        self.assertEqual(again["actual_outputs"], first["actual_outputs"])
        self.assertEqual(again["resource_usage"], first["resource_usage"])

    def test_retry_attaches_the_earlier_attempt(self) -> None:
        worker = self.start(assume_no_existing_outputs=True, clobber=False)
        worker.run(self.graph, "produce", FAILS, attempt=0)
        reply = worker.run(self.graph, "produce", FAILS, attempt=1)
        log = self.read(self.paths(reply["actual_outputs"])["produce_log"])
        (previous,) = log["previous_attempts"]
        self.assertEqual(previous["exception"]["type_name"], "ValueError")

    def test_without_clobber_existing_outputs_are_a_failure(self) -> None:
        self.start().run(self.graph, "produce", FAILS)
        reply = self.start(clobber=False).run(self.graph, "produce", FAILS)
        self.assertEqual(reply["status"], "failed")
        self.assertEqual(reply["exception"]["type_name"], "RuntimeError")
        self.assertEqual(reply["actual_outputs"], [])

    def test_partial_leftovers_are_removed_before_a_retry(self) -> None:
        worker = self.start()
        reply = worker.run(self.graph, "produce", PARTIAL)
        catalog = Path(self.root, self.paths(reply["actual_outputs"])["catalog"]["path"])
        catalog.write_text("left over")
        worker.run(self.graph, "produce", PARTIAL, attempt=1)
        self.assertNotEqual(catalog.read_text(), "left over")

    def test_outputs_follow_the_templates_of_the_repository(self) -> None:
        template = "{run:/}/{datasetType}/number_{instrument}_{detector:04d}"
        config = {
            "datastore": {
                "cls": "lsst.daf.butler.datastores.fileDatastore.FileDatastore",
                "root": "<butlerRoot>/elsewhere",
                "templates": {"catalog": template},
            },
            "registry": {"db": "sqlite:////nowhere/gen3.sqlite3"},
        }
        with WorkerProcess() as worker:
            self.assertTrue(worker.start(self.graph, self.root, config)["ok"])
            worker.ask("init", init_quanta=self.graph.init_quanta, dimension_data={})
            reply = worker.run(self.graph, "produce", GOOD)
        self.assertEqual(reply["status"], "succeeded", reply)
        rows = self.paths(reply["actual_outputs"])
        self.assertEqual(rows["catalog"]["path"], f"{OUTPUT_RUN}/catalog/number_Cam_0000.yaml")

    def test_inputs_may_come_from_datastores_of_any_name(self) -> None:
        quantum = json.loads(json.dumps(self.graph.quantum("produce", GOOD)))
        ((_, records),) = quantum["datastore_records"].items()
        quantum["datastore_records"] = {"FileDatastore@s3://release/": records}
        reply = self.start().ask(
            "quantum",
            quantum=quantum,
            init_quantum=self.graph.init_quantum("produce"),
            dimension_data=self.graph.dimension_data,
        )
        self.assertEqual(reply["status"], "succeeded", reply)

    def test_missing_input_file_is_a_failure(self) -> None:
        quantum = json.loads(
            json.dumps(self.graph.quantum("produce", GOOD)).replace("raw_Cam_D0", "raw_Cam_gone")
        )
        reply = self.start().ask(
            "quantum",
            quantum=quantum,
            init_quantum=self.graph.init_quantum("produce"),
            dimension_data=self.graph.dimension_data,
        )
        self.assertEqual(reply["status"], "failed", reply)
        self.assertEqual(reply["exception"]["type_name"], "FileNotFoundError")
        self.assertEqual(reply["actual_inputs"], [])


class DiagnosisTest(ServeTestCase):
    """Profiles and the debugger."""

    def test_profile_is_written_at_the_end(self) -> None:
        path = Path(self.root, "profile")
        worker = self.start(profile=str(path))
        worker.run(self.graph, "produce", GOOD)
        self.assertTrue(worker.ask("stop")["ok"])
        self.assertEqual(worker.process.wait(timeout=60), 0)
        # Only the first worker has the name for itself.
        stats = pstats.Stats(str(path) + ".w7")
        self.assertIn("runQuantum", {name for _, _, name in stats.stats})

    def test_debugger_has_the_terminal(self) -> None:
        # A session of its own, whose terminal is a pseudo-terminal.
        pid, terminal = pty.fork()
        if pid == 0:
            os.environ["PYTHONPATH"] = environment()["PYTHONPATH"]
            os.execv(sys.executable, [sys.executable, "-c", _DEBUGGED])
        with os.fdopen(terminal, "r+b", buffering=0) as stream:
            stream.write(b"p 'the detector is', detector\nc\n")
            shown = b""
            with contextlib.suppress(OSError):
                while chunk := stream.read(1000):
                    shown += chunk
        self.assertEqual(os.waitpid(pid, 0)[1], 0, shown)
        self.assertIn(b"ValueError: on 7", shown)
        self.assertIn(b"('the detector is', 7)", shown)

    def test_tasks_that_must_run_alone_are_refused(self) -> None:
        with WorkerProcess() as worker:
            reply = worker.start(self.graph, self.root, side_by_side=["produce", "consume"])
            self.assertEqual(reply["error"]["task"], "consume", reply)
            self.assertIn("multiprocessing", reply["error"]["message"])
            self.assertTrue(worker.start(self.graph, self.root, side_by_side=["produce"])["ok"])


_DEBUGGED = """
import os
from qbb_worker.diagnosis import debug_failure
os.setpgid(0, 0) if os.getpid() != os.getsid(0) else None

def fail(detector):
    raise ValueError(f"on {detector}")

try:
    fail(7)
except ValueError as exc:
    debug_failure(exc, "a task")
"""


class InitTest(ServeTestCase):
    """Configs, package versions and init-outputs."""

    def init(self, worker: WorkerProcess, graph: Graph | None = None) -> dict[str, Any]:
        blocks = (graph or self.graph).init_quanta
        return worker.ask("init", init_quanta=blocks, dimension_data={})

    def test_second_time_keeps_all(self) -> None:
        worker = self.start(init=False)
        first = self.init(worker)
        expected = {"packages", "produce_config", "consume_config", "schema"}
        self.assertEqual(set(self.paths(first["written"])), expected)
        self.assertEqual(first["kept"], [])
        second = self.init(worker)
        self.assertEqual((second["written"], second["kept"]), ([], first["written"]))

    def test_other_config_in_the_run_is_a_conflict(self) -> None:
        worker = self.start(init=False)
        self.init(worker)
        (config,) = Path(self.root, OUTPUT_RUN, "produce_config").glob("*.py")
        config.write_text(config.read_text().replace("factor=2.0", "factor=3.0"))
        reply = self.init(worker)
        self.assertFalse(reply["ok"])
        self.assertEqual(reply["error"]["kind"], "conflict")
        self.assertIn("produce_config", reply["error"]["message"])


class ProtocolTest(ServeTestCase):
    """Requests that are wrong, and how a worker ends."""

    def assertError(self, reply: dict[str, Any], kind: str, *fragments: str) -> None:
        self.assertFalse(reply["ok"], reply)
        self.assertEqual(reply["error"]["kind"], kind, reply)
        for fragment in fragments:
            self.assertIn(fragment, reply["error"]["message"])

    def test_wrong_requests(self) -> None:
        with WorkerProcess() as worker:
            self.assertError(worker.ask_raw(b"{nonsense"), "request", "JSON")
            self.assertError(worker.ask_raw(b"[1]"), "request", "object")
            self.assertError(worker.ask("dance"), "request", "dance")
            self.assertError(worker.ask("quantum"), "request", "before 'start'")
            self.assertError(worker.ask("start"), "request", "pipeline_graph")
            reply = worker.start(self.graph, self.root, skip_existing=1)
            self.assertError(reply, "request", "skip_existing")
            self.assertFalse(worker.ask("ping")["started"])
            self.assertTrue(worker.start(self.graph, self.root)["ok"])
            self.assertEqual(worker.ask("ping")["worker"], "w7")
            self.assertError(worker.start(self.graph, self.root), "request", "already")
            self.assertError(worker.ask("quantum", quantum={}), "request", "init_quantum")
            reply = worker.ask("quantum", quantum={"task_label": "no"}, init_quantum={})
            self.assertError(reply, "request", "'no'")
            quantum = self.graph.quantum("produce", GOOD)
            init = self.graph.init_quantum("produce")
            reply = worker.ask("quantum", quantum=quantum, init_quantum=init, dimension_data={})
            self.assertError(reply, "request", "dimension record")
            init = self.graph.init_quantum("consume")
            reply = worker.ask("quantum", quantum=quantum, init_quantum=init, dimension_data={})
            self.assertError(reply, "request", "consume")

    def test_task_that_cannot_be_imported(self) -> None:
        broken = json.loads(json.dumps(self.graph.pipeline_graph))
        broken["tasks"]["consume"]["task_class"] = "nowhere.NoTask"
        with WorkerProcess() as worker:
            reply = worker.ask(
                "start",
                pipeline_graph=broken,
                header=self.graph.header,
                datastore={"root": Path(self.root).as_uri(), "config": {}},
            )
            self.assertError(reply, "import", "nowhere.NoTask")
            self.assertEqual(reply["error"]["task"], "consume")
            self.assertIn("PYTHONPATH", reply["error"]["hint"])

    def test_unusable_root(self) -> None:
        Path(self.root, "file").write_text("")
        with WorkerProcess() as worker:
            self.assertError(worker.start(self.graph, self.root + "/file/x"), "datastore", "file/x")

    def test_stop_and_end_of_input(self) -> None:
        with WorkerProcess() as worker:
            self.assertTrue(worker.ask("stop")["ok"])
            self.assertEqual(worker.process.wait(timeout=30), 0)
        with WorkerProcess() as worker:
            assert worker.process.stdin is not None
            worker.process.stdin.close()
            self.assertEqual(worker.process.wait(timeout=30), 0)

    def test_interrupt_is_left_to_the_parent(self) -> None:
        worker = self.start()
        worker.process.send_signal(signal.SIGINT)
        time.sleep(0.1)
        self.assertEqual(worker.run(self.graph, "produce", GOOD)["status"], "succeeded")

    @unittest.skipUnless(os.uname().sysname == "Linux", "needs prctl")
    def test_ends_when_the_parent_dies(self) -> None:
        # The pipe stays open, because this process holds it too.
        start = "import subprocess, sys, time; "
        start += "subprocess.Popen([sys.executable, '-m', 'qbb_worker.serve']); time.sleep(60)"
        parent = subprocess.Popen(
            [sys.executable, "-c", start],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment(),
            bufsize=0,
        )
        assert parent.stdin is not None and parent.stdout is not None
        self.addCleanup(parent.stdout.close)
        self.addCleanup(parent.stdin.close)
        self.addCleanup(parent.kill)
        parent.stdin.write(b'{"op": "ping"}\n')
        pid = json.loads(parent.stdout.readline())["pid"]
        self.assertNotEqual(pid, parent.pid)
        parent.kill()
        parent.wait()
        # The worker's end of standard output closes when it ends.
        self.assertEqual(parent.stdout.read(), b"")


if __name__ == "__main__":
    unittest.main()
