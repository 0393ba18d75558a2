#!/usr/bin/env python3
"""Create the virtual environment that holds the pinned middleware.

The environment is made once and then recognised by a stamp that holds the
digest of requirements.txt, so calling this at the start of every test run
costs nothing.  Processes that come at the same time wait for the first one.
The last line on standard output is the path of the environment's Python.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

KIT = Path(__file__).resolve().parent
REQUIREMENTS = KIT / "requirements.txt"
DEFAULT_ENVIRONMENT = KIT.parents[1] / "target" / "middleware"
MODULES = "lsst.ctrl.mpexec, lsst.daf.butler, lsst.pipe.base"
STAMP = "requirements.sha256"
OLDEST, NEWEST = (3, 11), (3, 13)
"""Python versions for which the pinned packages have been published."""
WAIT_SECONDS = 1800.0
"""How long to wait for another process that is installing."""


class SetupError(Exception):
    """A failure whose message is all that the user needs."""


def environment_python(environment: Path) -> Path:
    """Return the interpreter's path inside an environment."""
    return environment / "bin" / "python"


def wanted_stamp(requirements: Path) -> str:
    """Return the text of the stamp of an up-to-date environment."""
    return hashlib.sha256(requirements.read_bytes()).hexdigest()


def is_ready(environment: Path, requirements: Path) -> bool:
    """Tell whether the environment holds exactly the pinned requirements."""
    stamp = environment / STAMP
    return (
        stamp.is_file()
        and stamp.read_text().strip() == wanted_stamp(requirements)
        and environment_python(environment).exists()
    )


def find_base_python(choice: str | None) -> str:
    """Find an interpreter of a supported version.

    Parameters
    ----------
    choice : `str` or `None`
        Interpreter that the user named; nothing else is tried then.
    """
    minors = range(NEWEST[1], OLDEST[1] - 1, -1)
    candidates = [choice] if choice else [sys.executable, *(f"python3.{minor}" for minor in minors)]
    for candidate in candidates:
        path = shutil.which(candidate)
        if path is None:
            continue
        # A launcher on PATH may exist and still have no interpreter behind it.
        probe = subprocess.run(
            [path, "-c", "import sys, venv; print(*sys.version_info[:2])"],
            capture_output=True,
            text=True,
            check=False,
        )
        if probe.returncode:
            continue
        version = tuple(int(part) for part in probe.stdout.split())
        if OLDEST <= version <= NEWEST:
            return path
    tried = ", ".join(candidates)
    raise SetupError(
        f"no Python {OLDEST[0]}.{OLDEST[1]} to {NEWEST[0]}.{NEWEST[1]} with the venv module found "
        f"(tried {tried}); install one or name it with --python"
    )


def lock_owner_is_gone(lock: Path) -> bool:
    """Tell whether a lock was left behind by a process of this host that died."""
    try:
        host, pid = (lock / "owner").read_text().split()
    except (OSError, ValueError):
        # The owner may be between mkdir and write; give it time to finish.
        try:
            return time.time() - lock.stat().st_mtime > 60.0
        except OSError:
            return False
    if host != socket.gethostname():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def break_lock(lock: Path) -> None:
    """Remove a dead process's lock; of several that try, one succeeds."""
    aside = lock.with_name(f"{lock.name}.stale.{os.getpid()}")
    with contextlib.suppress(FileNotFoundError):
        lock.rename(aside)
    shutil.rmtree(aside, ignore_errors=True)


@contextlib.contextmanager
def locked(environment: Path) -> Iterator[None]:
    """Hold the environment's lock, a directory beside it."""
    lock = environment.with_name(environment.name + ".lock")
    deadline = time.monotonic() + WAIT_SECONDS
    told = False
    while True:
        try:
            lock.mkdir()
            break
        except FileExistsError:
            if lock_owner_is_gone(lock):
                break_lock(lock)
                continue
        if time.monotonic() > deadline:
            raise SetupError(f"{lock} is held by another process; remove it if there is none")
        if not told:
            print(
                f"waiting for another process to finish {environment}", file=sys.stderr, flush=True
            )
            told = True
        time.sleep(0.5)
    try:
        (lock / "owner").write_text(f"{socket.gethostname()} {os.getpid()}\n")
        yield
    finally:
        shutil.rmtree(lock, ignore_errors=True)


def run(command: list[str]) -> None:
    """Run a command and raise with the end of its output if it fails."""
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode:
        tail = "\n".join(done.stdout.splitlines()[-20:])
        raise SetupError(f"`{' '.join(command)}` exited with {done.returncode}:\n{tail}")


def install(environment: Path, base_python: str, requirements: Path, modules: str) -> None:
    """Make the environment from nothing; the stamp is written last."""
    shutil.rmtree(environment, ignore_errors=True)
    print(f"installing pinned packages into {environment}", file=sys.stderr, flush=True)
    run([base_python, "-m", "venv", str(environment)])
    python = str(environment_python(environment))
    run(
        [
            python,
            "-m",
            "pip",
            "install",
            "--disable-pip-version-check",
            "-q",
            "-r",
            str(requirements),
        ]
    )
    run([python, "-c", f"import {modules}"])
    fresh = environment / f"{STAMP}.new"
    fresh.write_text(wanted_stamp(requirements) + "\n")
    fresh.replace(environment / STAMP)


def main(argv: list[str] | None = None) -> int:
    """Run the script."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "environment",
        nargs="?",
        type=Path,
        default=DEFAULT_ENVIRONMENT,
        help="directory of the environment (default: target/middleware of the workspace)",
    )
    parser.add_argument(
        "--requirements",
        type=Path,
        default=REQUIREMENTS,
        help="file of pinned packages (default: the middleware's)",
    )
    parser.add_argument(
        "--import",
        dest="modules",
        default=MODULES,
        help="modules that it must be possible to import then, separated by commas",
    )
    parser.add_argument("--python", default=None, help="interpreter to make the environment with")
    parser.add_argument(
        "--check",
        action="store_true",
        help="only say whether the environment is ready; exit 1 if not",
    )
    args = parser.parse_args(argv)
    # Absolute, but with symbolic links kept: the interpreter's own path is one.
    environment = Path(os.path.abspath(args.environment))
    try:
        if not is_ready(environment, args.requirements):
            if args.check:
                raise SetupError(
                    f"{environment} is not ready; run {Path(__file__).name} without --check"
                )
            environment.parent.mkdir(parents=True, exist_ok=True)
            base_python = find_base_python(args.python)
            with locked(environment):
                if not is_ready(environment, args.requirements):
                    install(environment, base_python, args.requirements, args.modules)
    except (SetupError, OSError) as err:
        print(f"{Path(__file__).name}: {err}", file=sys.stderr)
        return 1
    print(environment_python(environment))
    return 0


if __name__ == "__main__":
    sys.exit(main())
