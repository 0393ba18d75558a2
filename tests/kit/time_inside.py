#!/usr/bin/env python3
"""Time one stock operation apart from the start of the process and its imports.

Either a stock command, which is run inside this process

    time_inside.py command pipetask run-qbb REPO GRAPH

or the load of a graph for execution, whole or only one quantum of it

    time_inside.py load GRAPH [QUANTUM]

or the question which datasets of a repository have their files

    time_inside.py exists REPO

Prints a JSON line with import_seconds and seconds, also as CPU time.
"""

from __future__ import annotations

import argparse
import importlib
import uuid

from kit_support import KitError, Stopwatch, make_parser, script_main


def run_command(watch: Stopwatch, name: str, arguments: list[str]) -> None:
    """Run a stock command line inside this process."""
    with watch.lap("import"):
        # The commands import these only when they need them.
        for module in ("ctrl.mpexec.cli.script", "daf.butler.script", "pipe.base.quantum_graph"):
            importlib.import_module(f"lsst.{module}")
        from lsst.ctrl.mpexec.cli.pipetask import cli as pipetask
        from lsst.daf.butler.cli.butler import cli as butler
    commands = {"butler": butler, "pipetask": pipetask}
    if name not in commands:
        raise KitError(f"{name} is not one of {', '.join(commands)}")
    with watch.lap("inside"):
        try:
            commands[name].main(args=arguments, prog_name=name, standalone_mode=False)
        except SystemExit as err:
            if err.code:
                raise KitError(f"{name} {' '.join(arguments)} ended with {err.code}") from err


def load_graph(watch: Stopwatch, graph: str, quantum: str | None) -> int:
    """Load a graph as an executor does; returns the number of quanta loaded."""
    with watch.lap("import"):
        from lsst.pipe.base.quantum_graph import PredictedQuantumGraph
    quantum_ids = None if quantum is None else [uuid.UUID(quantum)]
    with watch.lap("inside"):
        loaded = PredictedQuantumGraph.read_execution_quanta(graph, quantum_ids)
        return len(loaded.build_execution_quanta(quantum_ids))


def check_existence(watch: Stopwatch, repo: str) -> int:
    """Look for the files of all datasets; returns the number of datasets that have theirs."""
    with watch.lap("import"):
        from lsst.daf.butler import Butler
    with watch.lap("inside"), Butler.from_config(repo) as butler:
        refs = butler.query_all_datasets("*", find_first=False, limit=None)
        return sum(map(bool, butler._exists_many(refs, full_check=True).values()))


def run(args: argparse.Namespace) -> int:
    """Run the script."""
    watch = Stopwatch()
    more: dict[str, int] = {}
    if args.operation == "command":
        run_command(watch, args.words[0], args.words[1:])
    elif args.operation == "exists":
        more["n_datasets"] = check_existence(watch, args.words[0])
    else:
        if len(args.words) > 2:
            raise KitError(f"load takes a graph and a quantum, not {args.words}")
        more["n_quanta"] = load_graph(
            watch, args.words[0], args.words[1] if args.words[1:] else None
        )
    print(watch.report(**more))
    return 0


def main() -> None:
    """Parse the command line and run the script."""
    parser = make_parser(__doc__)
    parser.add_argument("operation", choices=["command", "load", "exists"])
    parser.add_argument(
        "words", nargs=argparse.REMAINDER, help="command line, graph and quantum, or repository"
    )
    script_main(run, parser)


if __name__ == "__main__":
    main()
