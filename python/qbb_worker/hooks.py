"""Answers of tasks' own methods while a graph is built.

Started as ``python -m qbb_worker.hooks`` by a program that builds a graph and
comes upon a look-up function, or an ``adjustQuantum`` or ``adjust_all_quanta``
that a task overrides.  Requests are about many quanta each, see the package's
README.
"""

from __future__ import annotations

__all__ = ("HookService", "main")

import importlib
import os
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from typing import Any

from . import PROTOCOL_VERSION, VERSION
from .errors import WorkerError, type_name
from .service import Service, member, serve

_USAGE = "usage: python -m qbb_worker.hooks  (no arguments; requests on standard input)"


class HookService(Service):
    """State of the process between requests."""

    def __init__(self) -> None:
        super().__init__()
        self._butlers: dict[str, Any] = {}
        self._session: Any | None = None
        self.operations |= {
            "prepare": self._prepare,
            "start": self._start,
            "records": self._records,
            "lookup": self._lookup,
            "adjust_all": self._adjust_all,
            "adjust": self._adjust,
        }

    @property
    def started(self) -> bool:
        """Whether the request ``start`` was carried out (`bool`)."""
        return self._session is not None

    def _prepare(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Do early what takes long: imports, and opening the repository."""
        begin = time.perf_counter()
        repository = member(request, "repository", str)
        # What goes wrong here goes wrong again in `start`, with the task's name.
        for path in member(request, "task_classes", list, []):
            try:
                importlib.import_module(str(path).rpartition(".")[0])
            except Exception:
                traceback.print_exc()
        _prepare_process()
        self._butler(repository)
        return {"ok": True, "seconds": time.perf_counter() - begin, "pid": os.getpid()}

    def _butler(self, repository: str) -> Any:
        from .build_session import open_butler

        if repository not in self._butlers:
            self._butlers[repository] = open_butler(repository)
        return self._butlers[repository]

    def _start(self, request: Mapping[str, Any]) -> dict[str, Any]:
        pipeline_graph = member(request, "pipeline_graph", dict)
        repository = member(request, "repository", str)
        collections = member(request, "collections", list)
        output_run = member(request, "output_run", str)
        if self._session is not None:
            raise WorkerError("request", "This process was started already.")
        if pipeline_graph.get("dimensions") is None:
            raise WorkerError(
                "request",
                "The pipeline graph is not resolved: its dimension universe is missing.",
            )
        begin = time.perf_counter()
        _prepare_process()
        from .build_session import BuildSession

        butler = self._butler(repository)
        self._session = BuildSession(pipeline_graph, butler, collections, output_run)
        return {
            "ok": True,
            "seconds": time.perf_counter() - begin,
            "pid": os.getpid(),
            "version": VERSION,
            "protocol": PROTOCOL_VERSION,
        }

    def _records(self, request: Mapping[str, Any]) -> dict[str, Any]:
        self._open_session().add_records(member(request, "records", dict))
        return {"ok": True}

    def _lookup(self, request: Mapping[str, Any]) -> dict[str, Any]:
        from .adjustment import look_up

        view = self._open_session().view(member(request, "task", str))
        connection = member(request, "connection", str)
        quanta = member(request, "quanta", list)
        return _reply(lambda: look_up(view, connection, quanta))

    def _adjust_all(self, request: Mapping[str, Any]) -> dict[str, Any]:
        from .adjustment import adjust_all_quanta

        return self._adjusted(request, adjust_all_quanta)

    def _adjust(self, request: Mapping[str, Any]) -> dict[str, Any]:
        from .adjustment import adjust_quanta

        return self._adjusted(request, adjust_quanta)

    def _adjusted(
        self, request: Mapping[str, Any], function: Callable[..., dict[str, Any]]
    ) -> dict[str, Any]:
        from .adjustment import Lists

        view = self._open_session().view(member(request, "task", str))
        view.add_datasets(member(request, "datasets", dict))
        quanta = member(request, "quanta", list)
        inputs = Lists(member(request, "inputs", dict))
        outputs = Lists(member(request, "outputs", dict))
        return _reply(lambda: function(view, quanta, inputs, outputs))

    def _open_session(self) -> Any:
        if self._session is None:
            raise WorkerError("request", "The request came before 'start'.")
        return self._session


def _reply(function: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Make a reply of a hook's result; an exception that it raised is a result, too."""
    from .adjustment import Raised

    try:
        return {"ok": True, "raised": None, **function()}
    except Raised as raised:
        traceback.print_exception(raised.exception)
        return {
            "ok": True,
            "raised": {
                "hook": raised.hook,
                "type_name": type_name(raised.exception),
                "message": str(raised.exception),
                "quantum": raised.quantum,
            },
        }


def _prepare_process() -> None:
    """Set up logging as ``pipetask`` does; what hooks log goes to standard error."""
    from lsst.daf.butler.cli.cliLog import CliLog
    from lsst.utils.threads import disable_implicit_threading

    CliLog.initLog(longlog=False, log_tty=True)
    disable_implicit_threading()


def main(argv: list[str] | None = None) -> int:
    """Answer until standard input ends.

    Parameters
    ----------
    argv : `list` [ `str` ], optional
        Arguments; there must be none.

    Returns
    -------
    status : `int`
        Exit status: 0, or 2 for wrong usage.
    """
    return serve(HookService, sys.argv[1:] if argv is None else argv, _USAGE)


if __name__ == "__main__":
    sys.exit(main())
