#!/usr/bin/env python3
"""Execute a quantum graph with the stock commands.

The repository must be the one whose datastore the graph's input records are
relative to, as the stock commands read inputs from and write outputs to one
root.  The steps are `pipetask pre-exec-init-qbb`, `pipetask run-qbb` and, by
--transfer, one of:

  graph        `butler transfer-from-graph`
  provenance   `butler aggregate-graph`, then `butler ingest-graph`
  none         leave the outputs as files that no registry knows

Prints a JSON object with the exit code and timings of each step.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from kit_support import check_repository_root, make_parser, run_process, script_main


class Steps:
    """Runs commands in turn and keeps what they took."""

    def __init__(self) -> None:
        self.results: dict[str, dict[str, float]] = {}

    def run(self, *command: str, check: bool = True) -> int:
        """Run one command; its results are kept under its subcommand's name."""
        finished = run_process(command, check=check)
        name = next(word for word in command[1:] if not word.startswith("-"))
        self.results[name] = {"returncode": finished.returncode, **finished.timings()}
        return finished.returncode


def transfer(steps: Steps, how: str, graph: str, repository: str) -> None:
    """Bring the outputs into the registry."""
    common = ("--register-dataset-types", "--update-output-chain", graph, repository)
    if how == "graph":
        steps.run("butler", "transfer-from-graph", *common)
    elif how == "provenance":
        with tempfile.TemporaryDirectory() as scratch:
            provenance = str(Path(scratch, "provenance.qg"))
            steps.run("butler", "aggregate-graph", "--complete", "-o", provenance, *common)
            steps.run("butler", "ingest-graph", repository, provenance)


def run(args: argparse.Namespace) -> int:
    """Run the script."""
    repository = check_repository_root(args.repository)
    Path(args.graph).stat()
    steps = Steps()
    if not args.no_init:
        steps.run("pipetask", "pre-exec-init-qbb", repository, args.graph)
    command = ["pipetask", "run-qbb", "-j", str(args.processes)]
    if args.summary:
        command += ["--summary", args.summary]
    steps.run(*command, repository, args.graph, check=not args.allow_failures)
    transfer(steps, args.transfer, args.graph, repository)
    print(json.dumps(steps.results))
    return 0


def main() -> None:
    """Parse the command line and run the script."""
    parser = make_parser(__doc__)
    parser.add_argument("repository", help="repository to execute in")
    parser.add_argument("graph", help="graph file, *.qg")
    parser.add_argument("-j", "--processes", type=int, default=1, help="processes of run-qbb")
    parser.add_argument("--transfer", choices=["graph", "provenance", "none"], default="graph")
    parser.add_argument("--allow-failures", action="store_true", help="go on when quanta fail")
    parser.add_argument("--no-init", action="store_true", help="the init-outputs are there already")
    parser.add_argument(
        "--summary", default=None, metavar="FILE", help="keep run-qbb's own JSON report"
    )
    script_main(run, parser)


if __name__ == "__main__":
    main()
