"""A warm worker: imports once, then quantum after quantum.

Started as ``python -m qbb_worker.serve``.  Reads requests from standard input
and answers each with one line, see the package's README for both.  Ends when
standard input is closed or on the request ``stop``.
"""

from __future__ import annotations

__all__ = ("Worker", "main")

import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from typing import Any

from . import PROTOCOL_VERSION, VERSION
from .channel import Channel, die_with_parent, survive_interrupt
from .errors import WorkerError

_USAGE = "usage: python -m qbb_worker.serve  (no arguments; requests on standard input)"


class Worker:
    """State of a worker between requests."""

    def __init__(self) -> None:
        self._parts: Any | None = None
        self._store: Any | None = None
        self._runner: Any | None = None
        self._name = ""
        self._operations: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
            "ping": self._ping,
            "start": self._start,
            "init": self._init,
            "quantum": self._quantum,
            "stop": self._stop,
        }
        self.stopped = False

    def answer(self, line: bytes) -> dict[str, Any]:
        """Carry out one request.

        Parameters
        ----------
        line : `bytes`
            JSON of the request.

        Returns
        -------
        reply : `dict`
            The reply; an error is a reply, too.
        """
        try:
            try:
                request = json.loads(line)
            except ValueError as exc:
                raise WorkerError("request", f"A request must be JSON: {exc}") from exc
            if not isinstance(request, dict):
                raise WorkerError("request", "A request must be a JSON object.")
            op = request.get("op")
            operation = self._operations.get(op) if isinstance(op, str) else None
            if operation is None:
                raise WorkerError(
                    "request", f"Unknown op {op!r}; known are {', '.join(self._operations)}."
                )
            return operation(request)
        except WorkerError as error:
            return {"ok": False, "error": error.to_json()}
        except BaseException as exc:
            # A defect of this package or of the middleware below it.  The
            # worker goes on; the peer decides whether to go on with it.
            traceback.print_exc()
            defect = WorkerError(
                "request",
                f"Unexpected {type(exc).__name__}: {exc}",
                hint="The worker's standard error has the traceback.",
            )
            return {"ok": False, "error": defect.to_json()}

    def _ping(self, request: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "ok": True,
            "worker": self._name,
            "pid": os.getpid(),
            "version": VERSION,
            "protocol": PROTOCOL_VERSION,
            "started": self._parts is not None,
        }

    def _stop(self, request: Mapping[str, Any]) -> dict[str, Any]:
        self.stopped = True
        return {"ok": True}

    def _start(self, request: Mapping[str, Any]) -> dict[str, Any]:
        pipeline_graph = _member(request, "pipeline_graph", dict)
        header = _member(request, "header", dict)
        datastore = _member(request, "datastore", dict)
        root = _member(datastore, "root", str)
        config = _member(datastore, "config", dict, {})
        option_tree = _member(request, "options", dict, {})
        name = _member(request, "worker", str, "")
        if self._parts is not None:
            raise WorkerError("request", "This worker was started already.")

        begin = time.perf_counter()
        _prepare_process()
        from .execute import Options, QuantumRunner
        from .graph import GraphParts

        options = Options.from_json(option_tree)
        parts = GraphParts(pipeline_graph, header)
        seconds = time.perf_counter() - begin

        from .butler import Store

        store = Store.open(root, config, parts.universe, parts.dataset_types)
        # The same two entries that a run-qbb process writes.
        job_metadata = {"qg_read_time": seconds, "qg_size": parts.header.n_quanta}
        self._runner = QuantumRunner(parts, store, options, job_metadata)
        self._store = store
        self._parts = parts
        self._name = name
        return {
            "ok": True,
            "imports_seconds": seconds,
            "worker": name,
            "pid": os.getpid(),
            "version": VERSION,
            "protocol": PROTOCOL_VERSION,
        }

    def _init(self, request: Mapping[str, Any]) -> dict[str, Any]:
        from .init_outputs import write_init_outputs

        if self._parts is None:
            raise WorkerError("request", "Request 'init' came before 'start'.")
        return write_init_outputs(
            self._parts,
            self._store,
            _member(request, "init_quanta", list),
            _member(request, "dimension_data", dict, {}),
        )

    def _quantum(self, request: Mapping[str, Any]) -> dict[str, Any]:
        if self._runner is None:
            raise WorkerError("request", "Request 'quantum' came before 'start'.")
        reply: dict[str, Any] = self._runner.run(
            _member(request, "quantum", dict),
            _member(request, "init_quantum", dict),
            _member(request, "dimension_data", dict, {}),
            _member(request, "attempt", int, 0),
        )
        return reply


_REQUIRED = object()


def _member(tree: Mapping[str, Any], name: str, wanted: type, default: Any = _REQUIRED) -> Any:
    """Get a member of a JSON object and check its type."""
    value = tree.get(name, default)
    if value is _REQUIRED:
        raise WorkerError("request", f"Member {name!r} is missing.")
    if not isinstance(value, wanted):
        raise WorkerError(
            "request",
            f"Member {name!r} must be of type {wanted.__name__}, not {type(value).__name__}.",
        )
    return value


def _prepare_process() -> None:
    """Set up logging, threads and cache as ``pipetask`` does.

    Log levels decide what ends up in log datasets, so they are the defaults
    of the stock command.
    """
    import atexit
    import shutil

    from lsst.daf.butler.cli.cliLog import CliLog
    from lsst.daf.butler.datastore.cache_manager import DatastoreCacheManager
    from lsst.utils.threads import disable_implicit_threading

    CliLog.initLog(longlog=True, log_tty=True)
    disable_implicit_threading()
    defined, folder = DatastoreCacheManager.set_fallback_cache_directory_if_unset()
    if defined:
        atexit.register(shutil.rmtree, folder, ignore_errors=True)


def main(argv: list[str] | None = None) -> int:
    """Serve until standard input ends.

    Parameters
    ----------
    argv : `list` [ `str` ], optional
        Arguments; there must be none.

    Returns
    -------
    status : `int`
        Exit status: 0, or 2 for wrong usage.
    """
    if sys.argv[1:] if argv is None else argv:
        print(_USAGE, file=sys.stderr)
        return 2
    die_with_parent()
    survive_interrupt()
    channel = Channel.take_standard_streams()
    worker = Worker()
    for line in channel.receive():
        reply = worker.answer(line)
        try:
            channel.send(reply)
        except BrokenPipeError:
            # Nobody is left to hear it.
            break
        if worker.stopped:
            break
    return 0


if __name__ == "__main__":
    sys.exit(main())
