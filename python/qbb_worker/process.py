"""What the operating system knows about this process."""

from __future__ import annotations

__all__ = (
    "Bystanders",
    "child_processes",
    "forget_peak_memory",
    "keep_to_one_thread",
    "resident_memory",
    "thread_names",
)

import os
import threading
from contextlib import suppress
from pathlib import Path

_ONE_THREAD = (
    "OPENBLAS_NUM_THREADS",
    "GOTO_NUM_THREADS",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "BLIS_NUM_THREADS",
)
"""Variables that libraries take a number of threads from (`tuple` [ `str` ])."""

_QUIET_ALLOCATOR = ("JE_ARROW_MALLOC_CONF", "background_thread:false")
"""Variable and value that keep pyarrow's allocator from starting a thread."""

_PAGE_SIZE = os.sysconf("SC_PAGE_SIZE")


def keep_to_one_thread() -> None:
    """Keep libraries from starting threads when they are imported.

    The middleware's `disable_implicit_threading` sets the same number later;
    by then, idle threads have been started, and a process with threads must
    not be forked.
    """
    for name in _ONE_THREAD:
        os.environ[name] = "1"
    os.environ.setdefault(*_QUIET_ALLOCATOR)


def thread_names() -> list[str]:
    """Return the names of all threads but the calling one.

    Returns
    -------
    names : `list` [ `str` ]
        Threads that libraries started without Python's knowledge included,
        where the system tells (Linux).
    """
    tasks = Path("/proc/self/task")
    if not tasks.is_dir():
        return sorted(
            thread.name
            for thread in threading.enumerate()
            if thread is not threading.current_thread()
        )
    own = str(threading.get_native_id())
    return sorted(
        (task / "comm").read_text().strip() for task in tasks.iterdir() if task.name != own
    )


class Bystanders:
    """Threads that are there before a task runs and are not its own."""

    def __init__(self) -> None:
        self._before = _python_threads()

    def newcomers(self) -> list[str]:
        """Return the names of threads that have been started since and still run.

        Returns
        -------
        names : `list` [ `str` ]
            Sorted.  Threads that libraries keep without Python's knowledge,
            like those that read tables, are not what a task forgot.
        """
        return sorted(thread.name for thread in _python_threads() - self._before)


def _python_threads() -> set[threading.Thread]:
    return set(threading.enumerate())


def forget_peak_memory() -> None:
    """Make the present memory of this process its peak.

    Otherwise each quantum would seem to need what the greediest one before it
    has needed.
    """
    with suppress(OSError), open("/proc/self/clear_refs", "wb", buffering=0) as stream:
        stream.write(b"5")


def child_processes() -> list[int]:
    """Return the numbers of running children of this process.

    Returns
    -------
    children : `list` [ `int` ]
        Children that were started by any thread and have not ended.  Empty
        where the system does not tell.
    """
    found: list[int] = []
    try:
        with os.scandir("/proc/self/task") as tasks:
            for task in tasks:
                with open(f"{task.path}/children", "rb") as stream:
                    found += map(int, stream.read().split())
    except OSError:
        return []
    return sorted(child for child in found if _is_running(child))


def _is_running(child: int) -> bool:
    """Tell whether a child is more than a status to be asked for."""
    try:
        stat = Path(f"/proc/{child}/stat").read_bytes()
    except OSError:
        return False
    return stat.rpartition(b")")[2].split()[0] not in (b"Z", b"X")


def resident_memory() -> int | None:
    """Return how much memory this process holds.

    Returns
    -------
    size : `int` or `None`
        Size in bytes, or `None` where the system does not tell.
    """
    try:
        with open("/proc/self/statm", "rb") as stream:
            return int(stream.read().split()[1]) * _PAGE_SIZE
    except OSError:
        return None
