"""A minimal repository, a graph on it, and a worker to run that graph."""

from __future__ import annotations

import dataclasses
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import IO, Any

PYTHON_FOLDER = Path(__file__).resolve().parent.parent
INPUT_RUN = "raw/all"
OUTPUT_RUN = "u/test/run"

PIPELINE = """
description: Two tasks.
tasks:
  produce:
    class: tests.tasks.ProduceTask
  consume:
    class: tests.tasks.ConsumeTask
"""


def environment(**variables: str) -> dict[str, str]:
    """Return an environment in which package and test tasks can be imported."""
    return {**os.environ, "PYTHONPATH": str(PYTHON_FOLDER), **variables}


def interpreter() -> str:
    """Return a program that runs modules as ``sys.executable -m`` does.

    The project's tests set ``QBB_KIT_WARM`` to where one has imported the
    middleware already; it is the one that was tested, but for its start.
    """
    if "QBB_KIT_WARM" in os.environ:
        return str(PYTHON_FOLDER.parent / "tests/kit/warm_python")
    return sys.executable


def make_release(root: str, n_detectors: int) -> None:
    """Make a repository with an instrument and one small raw per detector."""
    from lsst.daf.butler import Butler, DatasetType

    Butler.makeRepo(root)
    with Butler.from_config(root, run=INPUT_RUN) as butler:
        limits = {"visit_max": 100, "exposure_max": 100, "detector_max": 100}
        butler.registry.insertDimensionData(
            "instrument",
            {"name": "Cam", "class_name": "lsst.pipe.base.Instrument", "visit_system": 0, **limits},
        )
        for detector in range(n_detectors):
            butler.registry.insertDimensionData(
                "detector", {"instrument": "Cam", "id": detector, "full_name": f"D{detector}"}
            )
        butler.registry.registerDatasetType(
            DatasetType(
                "raw", {"instrument", "detector"}, "StructuredDataDict", universe=butler.dimensions
            )
        )
        for detector in range(n_detectors):
            butler.put({"value": detector}, "raw", instrument="Cam", detector=detector)


@dataclasses.dataclass
class Graph:
    """The members of a ``.qg`` file as JSON, its input records absolute."""

    header: dict[str, Any]
    pipeline_graph: dict[str, Any]
    init_quanta: list[Any]
    quanta: list[dict[str, Any]]
    dimension_data: dict[str, list[Any]]
    components: Any
    """The same as an object of the middleware."""

    def init_quantum(self, label: str) -> dict[str, Any]:
        (found,) = (block for block in self.init_quanta if block["task_label"] == label)
        return found

    def quantum(self, label: str, detector: int) -> dict[str, Any]:
        (found,) = (
            block
            for block in self.quanta
            if block["task_label"] == label and block["data_coordinate"] == ["Cam", detector]
        )
        return found


def build_graph(root: str, **produce_config: Any) -> Graph:
    """Build a graph on a release with the real builder."""
    from lsst.daf.butler import Butler
    from lsst.pipe.base import Pipeline
    from lsst.pipe.base.all_dimensions_quantum_graph_builder import AllDimensionsQuantumGraphBuilder
    from lsst.pipe.base.pipeline_graph.io import SerializedPipelineGraph

    pipeline = Pipeline.fromString(PIPELINE)
    for name, value in produce_config.items():
        pipeline.addConfigOverride("produce", name, value)
    with Butler.from_config(root) as butler:
        components = AllDimensionsQuantumGraphBuilder(
            pipeline.to_graph(), butler, input_collections=[INPUT_RUN], output_run=OUTPUT_RUN
        ).finish(attach_datastore_records=True)
        ((_, datastore_root),) = butler.get_datastore_roots().items()
    for quantum in components.quantum_datasets.values():
        for data in quantum.datastore_records.values():
            for by_dataset in data.records.values():
                for by_table in by_dataset.values():
                    for rows in by_table.values():
                        for row in rows:
                            row["path"] = str(datastore_root.join(row["path"]))
    return Graph(
        components.header.model_dump(mode="json"),
        SerializedPipelineGraph.serialize(components.pipeline_graph).model_dump(mode="json"),
        components.init_quanta.model_dump(mode="json"),
        [quantum.model_dump(mode="json") for quantum in components.quantum_datasets.values()],
        components.dimension_data.serialized().model_dump(mode="json"),
        components,
    )


class Peer:
    """Whoever answers requests."""

    def ask_raw(self, line: bytes) -> dict[str, Any]:
        """Send a line and return the reply."""
        raise NotImplementedError

    def ask(self, op: str, **members: Any) -> dict[str, Any]:
        """Send a request and return the reply."""
        return self.ask_raw(json.dumps({"op": op, **members}).encode())

    def start(
        self, graph: Graph, root: str, config: dict[str, Any] | None = None, **options: Any
    ) -> dict[str, Any]:
        """Start on a graph with an output root."""
        return self.ask(
            "start",
            pipeline_graph=graph.pipeline_graph,
            header=graph.header,
            datastore={"root": Path(root).as_uri() + "/", "config": config or {}},
            options=options,
            worker="w7",
        )

    def run(self, graph: Graph, label: str, detector: int, attempt: int = 0) -> dict[str, Any]:
        """Run one quantum."""
        return self.ask(
            "quantum",
            quantum=graph.quantum(label, detector),
            init_quantum=graph.init_quantum(label),
            dimension_data=graph.dimension_data,
            attempt=attempt,
        )


class WorkerProcess(Peer):
    """A worker in a process of its own; use as a context manager."""

    def __init__(self, program: str = sys.executable, **variables: str) -> None:
        self.process = subprocess.Popen(
            [program, "-m", "qbb_worker.serve"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment(**variables),
        )

    def __enter__(self) -> WorkerProcess:
        return self

    def __exit__(self, *args: Any) -> None:
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            if not stream.closed:
                stream.close()
        try:
            self.process.wait(timeout=30)
        finally:
            self.process.kill()
            self.process.wait()

    def ask_raw(self, line: bytes) -> dict[str, Any]:
        """Send a line and return the reply."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(line + b"\n")
        self.process.stdin.flush()
        reply = self.process.stdout.readline()
        assert reply.endswith(b"\n"), "The worker ended without an answer."

        def refuse(token: str) -> None:
            raise AssertionError(f"{token} is not JSON.")

        result: dict[str, Any] = json.loads(reply, parse_constant=refuse)
        return result


class ForkingProcess(Peer):
    """A process that forks workers; use as a context manager."""

    def __init__(self, log: Path, **variables: str) -> None:
        self.log = log
        self.control, theirs = socket.socketpair()
        with theirs, log.open("ab") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "qbb_worker.forking"],
                stdin=theirs,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                env=environment(**variables),
            )
        self.replies = self.control.makefile("rb")

    def __enter__(self) -> ForkingProcess:
        return self

    def __exit__(self, *args: Any) -> None:
        self.replies.close()
        self.control.close()
        try:
            self.process.wait(timeout=30)
        finally:
            self.process.kill()
            self.process.wait()

    def ask_raw(self, line: bytes) -> dict[str, Any]:
        self.control.sendall(line + b"\n")
        return self._reply()

    def fork(self, name: str = "w0") -> ForkedWorker:
        """Have a worker made."""
        their_requests, requests = os.pipe()
        replies, their_replies = os.pipe()
        with self.log.open("ab") as stderr:
            descriptors = [their_requests, their_replies, stderr.fileno()]
            request = json.dumps({"op": "fork", "worker": name}).encode() + b"\n"
            socket.send_fds(self.control, [request], descriptors)
            reply = self._reply()
        os.close(their_requests)
        os.close(their_replies)
        assert reply["ok"], reply
        return ForkedWorker(reply["pid"], os.fdopen(requests, "wb"), os.fdopen(replies, "rb"))

    def wait(self, pid: int) -> int:
        """Wait for a worker and return its exit code."""
        return os.waitstatus_to_exitcode(self.ask("wait", pid=pid)["status"])

    def _reply(self) -> dict[str, Any]:
        line = self.replies.readline()
        assert line.endswith(b"\n"), self.log.read_text()
        result: dict[str, Any] = json.loads(line)
        return result


class ForkedWorker(Peer):
    """A worker that was forked."""

    def __init__(self, pid: int, requests: IO[bytes], replies: IO[bytes]) -> None:
        self.pid = pid
        self.requests = requests
        self.replies = replies

    def ask_raw(self, line: bytes) -> dict[str, Any]:
        self.requests.write(line + b"\n")
        self.requests.flush()
        reply = self.replies.readline()
        if not reply:
            raise EOFError("The worker has ended.")
        result: dict[str, Any] = json.loads(reply)
        return result

    def close(self) -> None:
        """Let the worker end."""
        self.requests.close()
        self.replies.close()
