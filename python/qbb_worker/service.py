"""Programs that answer requests: the loop that all of them share."""

from __future__ import annotations

__all__ = ("Service", "answer_all", "member", "serve")

import json
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from typing import Any

from . import PROTOCOL_VERSION, VERSION
from .channel import Channel, die_with_parent, survive_interrupt
from .errors import WorkerError


class Service:
    """Answers requests by the name of their operation.

    Subclasses add their operations to ``operations``: functions of a request
    that return the reply.
    """

    def __init__(self) -> None:
        self.name = ""
        self.stopped = False
        self.operations: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
            "ping": self._ping,
            "stop": self._stop,
        }

    @property
    def started(self) -> bool:
        """Whether the request ``start`` was carried out (`bool`)."""
        raise NotImplementedError

    def close(self) -> None:
        """Do what is to be done when no more requests come."""

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
            operation = self.operations.get(op) if isinstance(op, str) else None
            if operation is None:
                raise WorkerError(
                    "request", f"Unknown op {op!r}; known are {', '.join(self.operations)}."
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
            "worker": self.name,
            "pid": os.getpid(),
            "version": VERSION,
            "protocol": PROTOCOL_VERSION,
            "started": self.started,
        }

    def _stop(self, request: Mapping[str, Any]) -> dict[str, Any]:
        self.stopped = True
        return {"ok": True}


_REQUIRED = object()


def member(tree: Mapping[str, Any], name: str, wanted: type, default: Any = _REQUIRED) -> Any:
    """Get a member of a JSON object and check its type.

    Parameters
    ----------
    tree : `~collections.abc.Mapping`
        The object.
    name : `str`
        Name of the member.
    wanted : `type`
        What its value must be an instance of.
    default : optional
        What to return if it is missing.

    Returns
    -------
    value
        The value.

    Raises
    ------
    WorkerError
        Raised with kind ``request`` if it is missing or of another type.
    """
    value = tree.get(name, default)
    if value is _REQUIRED:
        raise WorkerError("request", f"Member {name!r} is missing.")
    if not isinstance(value, wanted):
        raise WorkerError(
            "request",
            f"Member {name!r} must be of type {wanted.__name__}, not {type(value).__name__}.",
        )
    return value


def serve(make: Callable[[], Service], arguments: list[str], usage: str) -> int:
    """Answer requests until standard input ends.

    Parameters
    ----------
    make : `~collections.abc.Callable`
        Makes the service.
    arguments : `list` [ `str` ]
        Arguments of the command line; there must be none.
    usage : `str`
        What to say if there are some.

    Returns
    -------
    status : `int`
        Exit status: 0, or 2 for wrong usage.
    """
    if arguments:
        print(usage, file=sys.stderr)
        return 2
    die_with_parent()
    survive_interrupt()
    answer_all(make(), Channel.take_standard_streams())
    return 0


def answer_all(service: Service, channel: Channel) -> None:
    """Answer requests until there are no more, or the service is stopped.

    Parameters
    ----------
    service : `Service`
        What answers.
    channel : `~qbb_worker.channel.Channel`
        Where requests come from.
    """
    for line in channel.receive():
        reply = service.answer(line)
        try:
            channel.send(reply)
        except BrokenPipeError:
            # Nobody is left to hear it.
            break
        if service.stopped:
            break
    service.close()
