"""A process that imports once and forks workers.

Started as ``python -m qbb_worker.forking`` with a socket as standard input,
over which requests come, some with descriptors, and replies go.  Runs no task
itself.  Ends when the socket is closed.
"""

from __future__ import annotations

__all__ = ("Parent", "main", "reseed")

import array
import ctypes
import gc
import os
import random
import signal
import socket
import sys
import traceback
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from .channel import Channel, die_with_parent, encode, survive_interrupt
from .errors import WorkerError
from .process import thread_names
from .serve import Worker
from .service import answer_all, member

_USAGE = "usage: python -m qbb_worker.forking  (no arguments; standard input is a socket)"

_DESCRIPTORS = 3
"""How many descriptors come with a request to fork (`int`)."""

_PR_SET_PDEATHSIG = 1
"""Number of a ``prctl`` option (``linux/prctl.h``)."""

_RESIDENT_UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes in which the system tells resident memory (`int`)."""


class Parent(Worker):
    """A worker that leaves work to its children.

    Parameters
    ----------
    control : `socket.socket`
        Where requests come from; children close it.
    """

    def __init__(self, control: socket.socket):
        super().__init__()
        self._control = control
        # What came with the request that is being answered.
        self.descriptors: list[int] = []
        del self.operations["quantum"], self.operations["init"]
        self.operations |= {"fork": self._fork, "wait": self._wait}

    def _start(self, request: Mapping[str, Any]) -> dict[str, Any]:
        reply = super()._start(request)
        # What is there now is there for good: collecting it would only
        # un-share its pages.
        gc.collect()
        gc.freeze()
        return reply | {"threads": thread_names()}

    def _fork(self, request: Mapping[str, Any]) -> dict[str, Any]:
        name = member(request, "worker", str)
        if not self.started:
            raise WorkerError("request", "Request 'fork' came before 'start'.")
        if len(self.descriptors) != _DESCRIPTORS:
            raise WorkerError("request", f"A fork needs {_DESCRIPTORS} descriptors.")
        if threads := thread_names():
            raise WorkerError("request", f"There are threads: {', '.join(threads)}.")
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        executor = os.getpid()
        pid = os.fork()
        if pid == 0:
            self._be_worker(name, executor)
        # Both sides do it, so that it is done whoever is first.
        with suppress(OSError):
            os.setpgid(pid, pid)
        return {"ok": True, "pid": pid}

    def _be_worker(self, name: str, parent: int) -> None:
        """Be a worker until the end; does not return."""
        status = 1
        try:
            with suppress(OSError):
                os.setpgid(0, 0)
            # Not ours: the main thread of a process without others forked us.
            signal.signal(signal.SIGHUP, signal.SIG_DFL)
            _be_killed_with(parent)
            for target, descriptor in enumerate(self.descriptors):
                os.dup2(descriptor, target)
                os.close(descriptor)
            self._control.close()
            reseed()
            self.name = name
            del self.operations["fork"], self.operations["wait"]
            self.operations |= {"quantum": self._quantum, "init": self._init}
            answer_all(self, Channel.take_standard_streams())
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            with suppress(BaseException):
                for stream in (sys.stdout, sys.stderr):
                    stream.flush()
            # What is to be done at exit is the parent's.
            os._exit(status)

    def _wait(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Wait for a worker that is known to end."""
        pid = member(request, "pid", int)
        try:
            _, status, usage = os.wait4(pid, 0)
        except ChildProcessError as exc:
            raise WorkerError("request", f"Process {pid} is not a worker of this one.") from exc
        return {"ok": True, "status": status, "max_resident": usage.ru_maxrss * _RESIDENT_UNIT}

    def serve(self) -> None:
        """Answer requests until the socket is closed."""
        unread = b""
        while True:
            data, descriptors = _receive(self._control)
            self.descriptors += descriptors
            if not data:
                return
            unread += data
            while (end := unread.find(b"\n")) >= 0:
                line, unread = unread[:end], unread[end + 1 :]
                reply = self.answer(line)
                for descriptor in self.descriptors:
                    os.close(descriptor)
                self.descriptors.clear()
                try:
                    self._control.sendall(encode(reply))
                except BrokenPipeError:
                    return


def _receive(control: socket.socket) -> tuple[bytes, list[int]]:
    """Receive bytes and descriptors, which children do not inherit."""
    descriptors = array.array("i")
    space = socket.CMSG_LEN(_DESCRIPTORS * descriptors.itemsize)
    flags = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
    data, messages, _, _ = control.recvmsg(1 << 16, space, flags)
    for level, kind, content in messages:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            whole = len(content) - len(content) % descriptors.itemsize
            descriptors.frombytes(content[:whole])
    return data, list(descriptors)


def _be_killed_with(parent: int) -> None:
    """Ask the kernel to kill this process when its parent ends (Linux)."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    # It may have ended before the request took effect.
    if os.getppid() != parent:
        os._exit(1)


def reseed() -> None:
    """Make random numbers of this process its own, as after a start."""
    random.seed()
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        numpy_random.seed()


def main(argv: list[str] | None = None) -> int:
    """Serve until the socket is closed.

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
    control = socket.socket(fileno=os.dup(0))
    # Whatever tasks' modules print goes to the log, and they read nothing.
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    Parent(control).serve()
    return 0


if __name__ == "__main__":
    sys.exit(main())
