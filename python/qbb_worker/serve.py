"""A warm worker: imports once, then quantum after quantum.

Started as ``python -m qbb_worker.serve``.  Reads requests from standard input
and answers each with one line, see the package's README for both.  Ends when
standard input is closed or on the request ``stop``.
"""

from __future__ import annotations

__all__ = ("Worker", "main")

import os
import sys
import time
from collections.abc import Mapping
from typing import Any

from . import PROTOCOL_VERSION, VERSION
from .errors import WorkerError
from .process import (
    child_processes,
    forget_peak_memory,
    keep_to_one_thread,
    resident_memory,
)
from .service import Service, member, serve

_USAGE = "usage: python -m qbb_worker.serve  (no arguments; requests on standard input)"


class Worker(Service):
    """State of a worker between requests."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: Any | None = None
        self._store: Any | None = None
        self._runner: Any | None = None
        self.operations |= {"start": self._start, "init": self._init, "quantum": self._quantum}

    @property
    def started(self) -> bool:
        """Whether the request ``start`` was carried out (`bool`)."""
        return self._parts is not None

    def _start(self, request: Mapping[str, Any]) -> dict[str, Any]:
        pipeline_graph = member(request, "pipeline_graph", dict)
        header = member(request, "header", dict)
        datastore = member(request, "datastore", dict)
        root = member(datastore, "root", str)
        config = member(datastore, "config", dict, {})
        search_paths = member(datastore, "search_paths", list, [])
        option_tree = member(request, "options", dict, {})
        name = member(request, "worker", str, "")
        if self._parts is not None:
            raise WorkerError("request", "This worker was started already.")

        begin = time.perf_counter()
        # Libraries look at the environment when they are imported.
        if option_tree.get("implicit_threading") is not True:
            keep_to_one_thread()
        from .execute import Options, QuantumRunner
        from .graph import GraphParts

        options = Options.from_json(option_tree)
        _prepare_process(options.log_levels, implicit_threading=options.implicit_threading)
        parts = GraphParts(pipeline_graph, header)
        parts.check_multiprocessing(options.side_by_side)
        seconds = time.perf_counter() - begin

        from .butler import Store

        store = Store.open(root, config, parts.universe, parts.dataset_types, search_paths)
        # The same two entries that a run-qbb process writes.
        job_metadata = {"qg_read_time": seconds, "qg_size": parts.header.n_quanta}
        store.import_formatters()
        self._runner = QuantumRunner(parts, store, options, job_metadata)
        self._store = store
        self._parts = parts
        self.name = name
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
            member(request, "init_quanta", list),
            member(request, "dimension_data", dict, {}),
        )

    def _quantum(self, request: Mapping[str, Any]) -> dict[str, Any]:
        if self._runner is None:
            raise WorkerError("request", "Request 'quantum' came before 'start'.")
        memory = None if request.get("memory") is None else member(request, "memory", int)
        forget_peak_memory()
        reply: dict[str, Any] = self._runner.run(
            member(request, "quantum", dict),
            member(request, "init_quantum", dict),
            member(request, "dimension_data", dict, {}),
            member(request, "attempt", int, 0),
            memory,
        )
        left_behind = child_processes()
        if left_behind:
            print(f"Processes left behind: {left_behind}", file=sys.stderr)
        return reply | {"resident": resident_memory(), "left_behind": left_behind}

    def close(self) -> None:
        # Inherited.
        if self._runner is not None:
            self._runner.finish(self.name)


def _prepare_process(log_levels: list[Any], *, implicit_threading: bool) -> None:
    """Set up logging, threads and cache as ``pipetask`` does.

    Log levels decide what ends up in log datasets, so they are the defaults
    of the stock command, unless others are asked for.
    """
    import atexit
    import shutil

    from lsst.daf.butler.cli.cliLog import CliLog
    from lsst.daf.butler.datastore.cache_manager import DatastoreCacheManager
    from lsst.utils.threads import disable_implicit_threading

    CliLog.initLog(longlog=True, log_tty=True)
    CliLog.setLogLevels([(component, level) for component, level in log_levels])
    if not implicit_threading:
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
    return serve(Worker, sys.argv[1:] if argv is None else argv, _USAGE)


if __name__ == "__main__":
    sys.exit(main())
