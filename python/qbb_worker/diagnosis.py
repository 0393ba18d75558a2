"""Profiles of quanta, and a debugger for those that fail."""

from __future__ import annotations

__all__ = ("Profile", "debug_failure")

import contextlib
import os
import signal
import sys
import traceback
from collections.abc import Iterator
from typing import TextIO


class Profile:
    """Statistics of where the time of quanta goes.

    Parameters
    ----------
    path : `str` or `None`
        File that they go to; `None` for no profile.
    """

    def __init__(self, path: str | None):
        self._path = path
        self._profile = None
        if path:
            from cProfile import Profile as Profiler

            self._profile = Profiler()

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Profile what is done inside."""
        if self._profile is None:
            yield
            return
        self._profile.enable()
        try:
            yield
        finally:
            self._profile.disable()

    def write(self, worker: str) -> None:
        """Write the file, for the module `pstats`.

        Parameters
        ----------
        worker : `str`
            Name of the worker.  Those but the first one append it to the name
            of the file.
        """
        if self._profile is None or self._path is None:
            return
        suffix = "" if worker in ("", "w0") else f".{worker}"
        try:
            self._profile.dump_stats(self._path + suffix)
        except OSError as exc:
            print(f"Cannot write the profile {self._path}{suffix}: {exc}", file=sys.stderr)


def debug_failure(failure: BaseException, what: str) -> None:
    """Let the user look at where an exception was raised.

    Nothing happens if there is no terminal, as in the middleware.

    Parameters
    ----------
    failure : `BaseException`
        What was raised.
    what : `str`
        What failed, for the user.
    """
    import pdb

    try:
        # Standard input and output belong to the protocol.
        stream = open("/dev/tty", "r+b", buffering=0)  # noqa: SIM115
    except OSError:
        return
    import io

    with stream, io.TextIOWrapper(stream, write_through=True) as terminal, _foreground(terminal):
        traceback.print_exception(failure, file=terminal)
        print(f"{what} failed; this is the debugger.", file=terminal)
        debugger = pdb.Pdb(stdin=terminal, stdout=terminal, nosigint=True)
        debugger.use_rawinput = False
        debugger.reset()
        with contextlib.suppress(SystemExit):
            debugger.interaction(None, failure.__traceback__)


@contextlib.contextmanager
def _foreground(terminal: TextIO) -> Iterator[None]:
    """Become the terminal's foreground process group for a while.

    Workers have groups of their own, and a terminal is for one at a time.
    """
    descriptor = terminal.fileno()
    # Whoever is in the background is stopped when changing this, by default.
    handler = signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    try:
        before = os.tcgetpgrp(descriptor)
        os.tcsetpgrp(descriptor, os.getpgrp())
        try:
            yield
        finally:
            os.tcsetpgrp(descriptor, before)
    finally:
        signal.signal(signal.SIGTTOU, handler)
