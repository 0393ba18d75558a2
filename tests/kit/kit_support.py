"""What all scripts of the kit share: names, errors, processes, JSON."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

KIT = Path(__file__).resolve().parent
"""The kit's directory; task classes are imported from here."""
ROOT = KIT.parents[1]
PIPELINES = KIT / "pipelines"
CAMERA = "QbbCam"
SKYMAP = "qbb_rings"
DEFAULTS = f"{CAMERA}/defaults"
"""CHAINED collection that leads to all that raw processing needs."""
RELEASE = "releases/QR1"
"""CHAINED collection of the released products, then the defaults."""
WARM = "QBB_KIT_WARM"
"""Variable with the socket of `warm_scripts.py`, where that runs."""
WHERE = f"instrument='{CAMERA}' AND skymap='{SKYMAP}'"


class KitError(Exception):
    """A failure whose message tells the user all that matters."""


def script_main(body: Callable[[argparse.Namespace], int], parser: argparse.ArgumentParser) -> None:
    """Parse the command line, run a script's body and exit with its code.

    Expected failures (`KitError`, files that are not there) become one line
    on standard error and exit code 2; anything else keeps its traceback.
    """
    args = parser.parse_args()
    try:
        code = body(args)
        sys.stdout.flush()
    except (KitError, OSError) as err:
        print(f"{parser.prog}: {err}", file=sys.stderr)
        code = 2
    sys.exit(code)


def make_parser(doc: str | None) -> argparse.ArgumentParser:
    """Make a parser whose help begins with the module's own documentation."""
    return argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )


def add_case_options(parser: argparse.ArgumentParser) -> None:
    """Add what scripts that compare with our command have in common: which cases, and on what."""
    parser.add_argument("--qbb", default=str(ROOT / "target/debug/qbb"), help="our command")
    parser.add_argument(
        "--case",
        action="append",
        default=[],
        metavar="TEXT",
        help="only cases with this in their name; may be repeated",
    )
    parser.add_argument("--list", action="store_true", help="only print the names of the cases")
    parser.add_argument(
        "--releases",
        default=str(ROOT / "target/tmp/releases"),
        help="folder in which releases are kept from run to run",
    )


def check_repository_root(root: str) -> str:
    """Return a repository's absolute path, or raise if there is none."""
    if not Path(root, "butler.yaml").is_file():
        raise KitError(f"{root} is not a repository: it has no butler.yaml")
    return str(Path(root).resolve())


def canonical(value: Any) -> str:
    """Return the one JSON text that stands for a value."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


@dataclasses.dataclass(frozen=True)
class Finished:
    """A process that has ended."""

    command: list[str]
    returncode: int
    """Exit code, or minus the number of the signal that ended it."""
    output: str
    """Standard output and standard error, interleaved."""
    seconds: float
    """Wall-clock time."""
    cpu_seconds: float
    """User and system time of the process and the children it waited for."""
    peak_mib: float
    """Largest resident memory of the process, MiB."""

    def last_json(self) -> dict[str, Any]:
        """Return the JSON object on the last line of the output."""
        lines = self.output.strip().splitlines()
        try:
            return json.loads(lines[-1])
        except (IndexError, ValueError) as err:
            raise KitError(
                f"`{' '.join(self.command)}` printed no JSON line: {self.output[-2000:]}"
            ) from err

    def timings(self) -> dict[str, float]:
        """Return what was measured, rounded for printing."""
        return {
            "seconds": round(self.seconds, 4),
            "cpu_seconds": round(self.cpu_seconds, 4),
            "peak_mib": round(self.peak_mib, 1),
        }


def middleware_command(name: str) -> str:
    """Return the path of a console script such as ``pipetask``.

    The one beside the running interpreter is preferred, so that a script
    called with an environment's Python needs no activated environment.
    """
    beside = Path(sys.executable).with_name(name)
    if beside.exists():
        return str(beside)
    found = shutil.which(name)
    if found is None:
        raise KitError(
            f"{name} is neither beside {sys.executable} nor on PATH; run setup_environment.py"
        )
    return found


def interpreter() -> str:
    """Return what runs modules: this Python, or `warm_python`, which is quicker, where it can."""
    return str(KIT / "warm_python") if WARM in os.environ else sys.executable


def task_environment(extra: Sequence[str] = ()) -> dict[str, str]:
    """Return an environment in which the kit's task classes can be imported.

    Parameters
    ----------
    extra : sequence of `str`, optional
        Further directories to import modules from.
    """
    environment = dict(os.environ)
    path = [str(KIT), *extra, environment.get("PYTHONPATH", "")]
    environment["PYTHONPATH"] = os.pathsep.join(part for part in path if part)
    return environment


def run_process(command: Sequence[str], *, check: bool = True) -> Finished:
    """Run a command to its end and measure it.

    Parameters
    ----------
    command : sequence of `str`
        A bare ``pipetask`` or ``butler``, or a ``*.py`` script of the kit, is
        completed with its path.
    check : `bool`, optional
        Raise `KitError` if it does not exit with zero.
    """
    words = [str(word) for word in command]
    if words[0].endswith(".py"):
        words[:1] = [sys.executable, str(KIT / words[0])]
    elif os.sep not in words[0]:
        words[0] = middleware_command(words[0])
    start = time.perf_counter()
    warm = os.environ.get(WARM) if Path(words[0]).parent == Path(sys.executable).parent else None
    status, cpu_seconds, peak_mib, output = run_warm(warm, words) if warm else run_cold(words)
    returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - start
    if check and returncode:
        tail = "\n".join(output.splitlines()[-25:])
        raise KitError(f"`{' '.join(words)}` ended with {returncode}:\n{tail}")
    return Finished(words, returncode, output, seconds, cpu_seconds, peak_mib)


def run_cold(words: Sequence[str]) -> tuple[int, float, float, str]:
    """Run a program; returns its status, CPU time, peak memory and output."""
    with tempfile.TemporaryFile() as stream:
        process = subprocess.Popen(
            words, stdout=stream, stderr=subprocess.STDOUT, env=task_environment()
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        stream.seek(0)
        output = stream.read().decode(errors="replace")
    return status, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024.0, output


def run_warm(place: str, words: Sequence[str]) -> tuple[int, float, float, str]:
    """Do the same with a Python program, in a process forked by `warm_scripts.py`."""
    arguments = list(words[1:] if words[0] == sys.executable else words)
    with tempfile.NamedTemporaryFile() as stream, socket.socket(socket.AF_UNIX) as connection:
        request = {
            "script": arguments[0],
            "arguments": arguments[1:],
            "environment": task_environment(),
            "directory": os.getcwd(),
            "output": stream.name,
            "errors": stream.name,
        }
        connection.connect(place)
        connection.sendall(json.dumps(request).encode() + b"\n")
        reply = json.loads(connection.makefile().readline())
        output = stream.read().decode(errors="replace")
    return reply["status"], reply["seconds"], reply["peak_mib"], output


class Stopwatch:
    """Names and keeps the wall-clock and CPU time of the phases of a script."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}

    @contextlib.contextmanager
    def lap(self, name: str) -> Iterator[None]:
        """Time a ``with`` block as ``<name>_seconds`` and ``<name>_cpu_seconds``."""
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        self.laps[f"{name}_seconds"] = round(time.perf_counter() - wall, 4)
        self.laps[f"{name}_cpu_seconds"] = round(time.process_time() - cpu, 4)

    def report(self, **more: Any) -> str:
        """Return the laps, this process's peak memory and more as a JSON line."""
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0
        return json.dumps({**self.laps, "peak_mib": round(peak, 1), **more})
