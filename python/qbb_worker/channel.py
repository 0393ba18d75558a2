"""The pipe between a worker and the process that started it.

Requests are lines of JSON on standard input; each is answered with exactly
one line of JSON.  Tasks, and libraries below them, are free to print: the
original standard output is duplicated to a private descriptor for replies,
and descriptor 1 is pointed at standard error.
"""

from __future__ import annotations

__all__ = ("Channel", "die_with_parent", "encode", "survive_interrupt")

import ctypes
import json
import os
import signal
import sys
from collections.abc import Iterator
from typing import IO, Any

_PR_SET_PDEATHSIG = 1
"""Number of the ``prctl`` option that asks for a signal when the parent dies
(``linux/prctl.h``).
"""


class Channel:
    """Lines of JSON in both directions.

    Parameters
    ----------
    requests : `typing.IO` [ `bytes` ]
        Stream to read requests from.
    replies : `typing.IO` [ `bytes` ]
        Stream to write replies to.
    """

    def __init__(self, requests: IO[bytes], replies: IO[bytes]):
        self._requests = requests
        self._replies = replies

    @classmethod
    def take_standard_streams(cls) -> Channel:
        """Claim standard input and output for the protocol.

        After this, whatever is printed goes to standard error, also from
        child processes, and standard input is empty: a task that reads it
        must not swallow requests.

        Returns
        -------
        channel : `Channel`
            The channel over the original streams.
        """
        sys.stdout.flush()
        requests = os.fdopen(os.dup(0), "rb")
        replies = os.fdopen(os.dup(1), "wb")
        # Descriptors from os.dup are not inherited by child processes, so a
        # child left behind by a task cannot keep the pipe open.
        os.dup2(2, 1)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        return cls(requests, replies)

    def receive(self) -> Iterator[bytes]:
        """Iterate over requests until the other side closes the pipe.

        Yields
        ------
        line : `bytes`
            One request, not empty, not yet parsed.
        """
        for line in self._requests:
            if line.strip():
                yield line

    def send(self, reply: dict[str, Any]) -> None:
        """Write one reply and flush it.

        Parameters
        ----------
        reply : `dict`
            Reply.  Must be JSON as it is, apart from UUIDs, which are written
            as strings; NaN and infinities are written as null, because the
            reader is strict.
        """
        self._replies.write(encode(reply))
        self._replies.flush()


def encode(reply: dict[str, Any]) -> bytes:
    """Write a reply as a line.

    Parameters
    ----------
    reply : `dict`
        Reply, as for `Channel.send`.

    Returns
    -------
    line : `bytes`
        Strict JSON and the end of the line.
    """
    try:
        text = json.dumps(reply, default=str, allow_nan=False, separators=(",", ":"))
    except ValueError:
        text = json.dumps(_finite(reply), default=str, separators=(",", ":"))
    return text.encode() + b"\n"


def _finite(value: Any) -> Any:
    """Replace floats that JSON cannot express by `None`, recursively."""
    if isinstance(value, float):
        return value if value - value == 0.0 else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value


def die_with_parent() -> None:
    """Ask the kernel for a sign when the parent dies, and exit upon it.

    Best effort, Linux only.  Elsewhere a worker notices by the end of its
    standard input, that is, after its current quantum.

    The kernel sends the signal when the parent's *thread* that started this
    process ends, which does not mean that the parent is gone.  Hence a
    handler that looks, and not a deadly signal.  SIGHUP, because it says just
    this: whoever was at the other end has hung up.
    """
    if not sys.platform.startswith("linux"):
        return
    parent = os.getppid()

    def exit_if_orphaned(signum: int, frame: object) -> None:
        if os.getppid() != parent:
            os._exit(1)

    signal.signal(signal.SIGHUP, exit_if_orphaned)
    try:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGHUP, 0, 0, 0)
    except (OSError, AttributeError):
        return
    # The parent may have died before the request took effect.
    exit_if_orphaned(signal.SIGHUP, None)


def survive_interrupt() -> None:
    """Leave the reaction to Ctrl-C to the parent.

    A terminal sends the signal to all processes of the group.  If workers
    reacted, quanta would be recorded as failed that were only interrupted.
    A handler is installed instead of ignoring the signal, because programs
    started by tasks inherit the latter and not the former.
    """
    signal.signal(signal.SIGINT, lambda signum, frame: None)
