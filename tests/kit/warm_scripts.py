#!/usr/bin/env python3
"""Run scripts in processes forked from this one, which has imported the middleware.

Importing takes longer than most of what tests ask the middleware. Requests
come over connections to a socket, one JSON line each: the ``script`` to run, or
``code`` as after ``-c``, or a ``module`` as after ``-m``, its ``arguments``,
the ``environment``, the working ``directory``, and files for ``output`` and
``errors``, unless the three standard streams come with the line. When the
script has ended, a JSON line goes back with the ``status`` that a parent would
be given, and the process's ``seconds`` of CPU time and ``peak_mib`` of memory.
Each script has a process of its own that starts as a fresh interpreter with
these modules imported would; what it does to itself nobody else sees.

The path of the socket is printed when all is ready. The server ends with its
standard input.
"""

from __future__ import annotations

import argparse
import atexit
import gc
import importlib
import json
import os
import random
import runpy
import select
import shutil
import signal
import socket
import sys
import tempfile
import threading
import traceback
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kit_support import make_parser, script_main

MODULES = (
    "lsst.ctrl.mpexec.cli.cmd.commands",
    "lsst.ctrl.mpexec.cli.pipetask",
    "lsst.daf.butler.cli.butler",
    "lsst.daf.butler.registry.databases.postgresql",
    "lsst.daf.butler.registry.databases.sqlite",
    "lsst.pipe.base.all_dimensions_quantum_graph_builder",
    "lsst.pipe.base.quantum_graph",
    "lsst.pipe.base.quantum_graph.aggregator",
    "astropy.table",
    "numpy.random",
    "pyarrow.parquet",
)
"""What most scripts import, directly or not; no module of the kit."""
OLD_OBJECTS = 20_000
"""Objects that are made before the youngest are collected; most scripts end soon after."""


def be_script(request: dict[str, Any]) -> int:
    """Run a script in this process; returns its exit code."""
    path = request.get("script")
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["directory"])
    sys.argv = [path or "-c", *request["arguments"]]
    # As an interpreter does at its start: the script's folder, then what the variable says.
    own, known = str(Path(__file__).resolve().parent), sys.path
    further = [part for part in os.environ.get("PYTHONPATH", "").split(os.pathsep) if part]
    folder = str(Path(path).resolve().parent) if path else os.getcwd()
    sys.path = [folder, *further, *(p for p in known if p != own)]
    # Nobody else may draw the same numbers.
    random.seed()
    sys.modules["numpy.random"].seed()  # type: ignore[attr-defined]
    try:
        if path:
            runpy.run_path(path, run_name="__main__")
        elif "module" in request:
            runpy.run_module(request["module"], run_name="__main__", alter_sys=True)
        else:
            main = sys.modules["__main__"] = types.ModuleType("__main__")
            exec(request["code"], main.__dict__)
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        print(end.code, file=sys.stderr)
        return 1
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def run_script(request: dict[str, Any], streams: Sequence[int]) -> dict[str, Any]:
    """Run a script in a process of its own; returns how that ended."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            for descriptor, stream in enumerate(streams or open_files(request)):
                os.dup2(stream, descriptor)
                os.close(stream)
            code = be_script(request)
            atexit._run_exitfuncs()
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code)
    _, status, usage = os.wait4(pid, 0)
    seconds, peak = usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024
    return {"status": status, "seconds": seconds, "peak_mib": peak}


def open_files(request: dict[str, Any]) -> list[int]:
    """Open the files that become standard streams."""
    streams = [os.open(os.devnull, os.O_RDONLY)]
    for name in ("output", "errors"):
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        streams.append(os.open(request[name], flags, 0o644))
    return streams


def answer(connection: socket.socket) -> None:
    """Do what a connection asks for."""
    with connection:
        line, streams, _, _ = socket.recv_fds(connection, 1 << 16, 3)
        while not line.endswith(b"\n"):
            more = connection.recv(1 << 16)
            if not more:
                return
            line += more
        reply = run_script(json.loads(line), streams)
        connection.sendall(json.dumps(reply).encode() + b"\n")


def serve(listener: socket.socket) -> None:
    """Answer each connection in a process of its own, until standard input ends."""
    # Nobody waits for those processes.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        ready, _, _ = select.select([listener, 0], [], [])
        if 0 in ready:
            return
        connection, _ = listener.accept()
        if os.fork() == 0:
            code = 1
            try:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                listener.close()
                answer(connection)
                code = 0
            except BrokenPipeError:
                pass
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(code)
        connection.close()


def run(_args: argparse.Namespace) -> int:
    """Run the script."""
    for module in MODULES:
        importlib.import_module(module)
    if threads := [t.name for t in threading.enumerate() if t is not threading.main_thread()]:
        raise RuntimeError(f"what was imported has started threads: {threads}")
    # Scripts import the kit's modules themselves.
    sys.modules.pop("kit_support")
    # What is there now is there for good, and collecting it would only un-share its pages.
    gc.collect()
    gc.freeze()
    gc.set_threshold(OLD_OBJECTS, 20, 20)
    # Not a `TemporaryDirectory`, which forked processes would remove at their end.
    folder = tempfile.mkdtemp(prefix="warm-")
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            place = str(Path(folder, "socket"))
            listener.bind(place)
            listener.listen(64)
            print(place, flush=True)
            serve(listener)
    finally:
        shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    script_main(run, make_parser(__doc__))
