"""Workers that are forked, and tasks that do not behave."""

from __future__ import annotations

import os
import signal
import tempfile
import unittest
from pathlib import Path
from typing import Any, ClassVar

from qbb_worker.forking import reseed

from .release import OUTPUT_RUN, ForkingProcess, Graph, build_graph, make_release

GOOD, OTHER, EXITS, CRASHES, HANGS, LEAVES, PRINTS, THREADS = range(8)


@unittest.skipUnless(os.uname().sysname == "Linux", "needs /proc and prctl")
class ForkingTest(unittest.TestCase):
    """One process that imports, and its copies."""

    graph: Graph
    config: ClassVar[dict[str, Any]] = {
        "die": {EXITS: "exit", CRASHES: "segfault", HANGS: "hang"},
        "leave": [LEAVES],
        "print_megabytes": {PRINTS: 3},
        "threads": [THREADS],
    }

    @classmethod
    def setUpClass(cls) -> None:
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        make_release(folder.name, THREADS + 1)
        cls.graph = build_graph(folder.name, **cls.config)
        # One for all tests, as in a run.
        cls.root = cls.enterClassContext(tempfile.TemporaryDirectory())
        log = Path(cls.root, "workers.log")
        cls.parent = cls.enterClassContext(ForkingProcess(log))
        reply = cls.parent.start(cls.graph, cls.root)
        assert reply["ok"] and reply["threads"] == [], reply
        worker = cls.parent.fork()
        reply = worker.ask("init", init_quanta=cls.graph.init_quanta, dimension_data={})
        assert reply["ok"], reply
        worker.close()
        assert cls.parent.wait(worker.pid) == 0

    def test_workers_are_ready_at_once_and_end_with_their_input(self) -> None:
        workers = [self.parent.fork(f"w{number}") for number in range(2)]
        for number, worker in enumerate(workers):
            pong = worker.ask("ping")
            self.assertTrue(pong["started"])
            self.assertEqual((pong["worker"], pong["pid"]), (f"w{number}", worker.pid))
            # So that whatever tasks start can be killed with them.
            self.assertEqual(os.getpgid(worker.pid), worker.pid)
        self.assertEqual(workers[0].run(self.graph, "produce", OTHER)["status"], "succeeded")
        self.assertEqual(workers[1].run(self.graph, "consume", OTHER)["status"], "succeeded")
        for worker in workers:
            worker.close()
            self.assertEqual(self.parent.wait(worker.pid), 0)

    def test_a_process_that_ends_is_replaced(self) -> None:
        for detector, code in ((EXITS, 3), (CRASHES, -signal.SIGSEGV)):
            worker = self.parent.fork()
            with self.subTest(code=code), self.assertRaises(EOFError):
                worker.run(self.graph, "produce", detector)
            self.assertEqual(self.parent.wait(worker.pid), code)
            worker.close()

    def test_a_process_that_hangs_can_be_killed_with_its_group(self) -> None:
        worker = self.parent.fork()
        self.addCleanup(worker.close)
        quantum = self.graph.quantum("produce", HANGS)
        os.set_blocking(worker.replies.fileno(), False)
        with self.assertRaises((EOFError, TypeError)):
            # Nothing to be read yet.
            worker.ask(
                "quantum",
                quantum=quantum,
                init_quantum=self.graph.init_quantum("produce"),
                dimension_data=self.graph.dimension_data,
            )
        os.killpg(worker.pid, signal.SIGKILL)
        self.assertEqual(self.parent.wait(worker.pid), -signal.SIGKILL)

    def test_processes_left_behind_are_told(self) -> None:
        worker = self.parent.fork()
        self.assertEqual(worker.run(self.graph, "produce", GOOD)["left_behind"], [])
        (left,) = worker.run(self.graph, "produce", LEAVES)["left_behind"]
        self.assertEqual(os.getpgid(left), worker.pid)
        os.killpg(worker.pid, signal.SIGKILL)
        self.parent.wait(worker.pid)
        worker.close()

    def test_megabytes_printed_and_threads_started_harm_nobody(self) -> None:
        worker = self.parent.fork()
        before = self.parent.log.stat().st_size
        # A thread is the business of the quantum that has started it.
        for detector, threads in ((THREADS, ["forgotten"]), (PRINTS, [])):
            reply = worker.run(self.graph, "produce", detector)
            self.assertEqual(reply["status"], "succeeded", detector)
            self.assertEqual(reply["threads_left"], threads)
            name = f"produce_log_Cam_D{detector}_u_test_run.json"
            log = Path(self.root, OUTPUT_RUN, "produce_log", name).read_text()
            self.assertNotIn("forgotten", log)
        self.assertGreater(self.parent.log.stat().st_size - before, 3 << 20)
        worker.close()
        # A daemon thread keeps nobody waiting.
        self.assertEqual(self.parent.wait(worker.pid), 0)

    def test_the_peak_of_a_worker_that_was_killed_is_told(self) -> None:
        worker = self.parent.fork()
        os.kill(worker.pid, signal.SIGKILL)
        reply = self.parent.ask("wait", pid=worker.pid)
        self.assertEqual(os.waitstatus_to_exitcode(reply["status"]), -signal.SIGKILL)
        self.assertGreater(reply["max_resident"], 10 << 20)
        worker.close()

    def test_memory_is_told(self) -> None:
        worker = self.parent.fork()
        reply = worker.run(self.graph, "consume", GOOD)
        self.assertGreater(reply["resident"], 10 << 20)
        worker.close()
        self.parent.wait(worker.pid)

    def test_wrong_requests(self) -> None:
        for reply in (
            self.parent.ask("fork", worker="w0"),
            self.parent.ask("wait", pid=1),
            self.parent.ask("quantum"),
        ):
            self.assertEqual(reply["error"]["kind"], "request", reply)

    def test_random_numbers_are_each_workers_own(self) -> None:
        import random

        import numpy as np

        random.seed(1)
        np.random.seed(1)
        expected = random.random(), np.random.random()
        random.seed(1)
        np.random.seed(1)
        reseed()
        self.assertNotIn(random.random(), expected)
        self.assertNotIn(np.random.random(), expected)


@unittest.skipUnless(os.uname().sysname == "Linux", "needs prctl")
class ParentTest(unittest.TestCase):
    """The end of the process that forks, and when it cannot."""

    def setUp(self) -> None:
        self.root = self.enterContext(tempfile.TemporaryDirectory())
        release = self.enterContext(tempfile.TemporaryDirectory())
        make_release(release, 1)
        self.graph = build_graph(release)

    def test_workers_die_with_it(self) -> None:
        parent = self.enterContext(ForkingProcess(Path(self.root, "log")))
        self.assertTrue(parent.start(self.graph, self.root)["ok"])
        worker = parent.fork()
        self.addCleanup(worker.close)
        worker.ask("ping")
        parent.process.kill()
        parent.process.wait()
        self.assertEqual(worker.replies.read(), b"")

    def test_threads_forbid_a_fork(self) -> None:
        log = Path(self.root, "log")
        with ForkingProcess(log, QBB_TEST_THREAD="left over") as parent:
            reply = parent.start(self.graph, self.root)
            self.assertEqual(len(reply["threads"]), 1, reply)
            with self.assertRaisesRegex(AssertionError, "There are threads"):
                parent.fork()


if __name__ == "__main__":
    unittest.main()
