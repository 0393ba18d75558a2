#!/usr/bin/env python3
"""Time the stock middleware's steps on a release.

Each step is timed as a whole process, which is what a user waits for, and
inside of a process that has imported everything, which is the work alone:

  build       `pipetask qgraph` with datastore records
  load        the whole graph, made ready for execution
  load_one    one quantum of the graph, made ready for execution
  run         `pipetask run-qbb` of a few quanta that do nothing
  run_all     `pipetask run-qbb` of the whole graph, once
  transfer    `butler transfer-from-graph` of the whole graph

The release is copied first, as outputs go into it.  The medians are printed
as one JSON object: by step the number of items and process_seconds,
process_cpu_seconds, process_peak_mib, inside_seconds, inside_cpu_seconds.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
from pathlib import Path

from graph_lines import load_components
from kit_support import (
    DEFAULTS,
    PIPELINES,
    WHERE,
    Finished,
    KitError,
    check_repository_root,
    make_parser,
    run_process,
    script_main,
)

STEPS = ("build", "load", "load_one", "run", "run_all", "transfer")


class Bench:
    """Runs the steps in a copy of a release.

    Parameters
    ----------
    release : `str`
        Repository to copy.
    scratch : `pathlib.Path`
        Empty directory to work in.
    args : `argparse.Namespace`
        The command line.
    """

    def __init__(self, release: str, scratch: Path, args: argparse.Namespace):
        self.repository = str(scratch / "repository")
        self.graph = str(scratch / "graph.qg")
        self.args = args
        self.results: dict[str, dict[str, float]] = {}
        shutil.copytree(release, self.repository)

    def measure(
        self, step: str, items: int, commands: list[list[str]], inside: list[list[str]]
    ) -> None:
        """Run commands as processes and inside of one, and keep the medians."""
        processes = [run_process(command) for command in commands]
        self.keep(step, items, processes, [run_process(command).last_json() for command in inside])

    def keep(self, step: str, items: int, processes: list[Finished], inside: list[dict]) -> None:
        """Keep the medians of a step."""
        row: dict[str, float] = {"items": items}
        for name in ("seconds", "cpu_seconds", "peak_mib") if processes else ():
            row[f"process_{name}"] = statistics.median(p.timings()[name] for p in processes)
        for name in ("inside_seconds", "inside_cpu_seconds") if inside else ():
            row[name] = statistics.median(run[name] for run in inside)
        self.results[step] = {name: round(value, 4) for name, value in row.items()}
        print(f"{step}: {self.results[step]}", file=sys.stderr, flush=True)

    def both(self, step: str, items: int, command: list[str]) -> None:
        """Measure a command that can be repeated."""
        repeats = self.args.repeats
        self.measure(
            step, items, [command] * repeats, [["time_inside.py", "command", *command]] * repeats
        )

    def build(self) -> None:
        """Build the graph, the first time to know the labels of its tasks."""
        args = self.args
        arguments = ["--output-run", "u/bench/run", "--output", "u/bench", "--where", args.where]
        known = run_process(
            [
                "build_graph.py",
                self.repository,
                args.pipeline,
                self.graph,
                "--input",
                *args.input,
                *arguments,
            ]
        ).last_json()
        command = [
            "pipetask",
            "qgraph",
            "-b",
            self.repository,
            "-p",
            args.pipeline,
            "-q",
            self.graph,
        ]
        command += ["-i", ",".join(args.input), "-o", "u/bench", "--output-run", "u/bench/run"]
        command += ["-d", args.where, "--qgraph-datastore-records"]
        for label in known["n_task_quanta"]:
            command += ["-c", f"{label}:read_inputs=False"]
        self.both("build", known["n_quanta"], command)
        self.components = load_components(self.graph)

    def load(self) -> None:
        """Load the whole graph and one quantum of it."""
        n_quanta = self.components.header.n_quanta
        some = next(iter(self.components.quantum_datasets))
        for step, items, words in (("load", n_quanta, []), ("load_one", 1, [str(some)])):
            command = ["time_inside.py", "load", self.graph, *words]
            processes = [run_process(command) for _ in range(self.args.repeats)]
            self.keep(step, items, processes, [process.last_json() for process in processes])

    def run_some(self) -> None:
        """Execute a few quanta of a task that needs no other; each but once."""
        n, repeats = self.args.quanta, self.args.repeats
        behind = {after for _, after in self.components.thin_graph.edges}
        free = [str(i) for i in self.components.quantum_datasets if i not in behind]
        if len(free) < 2 * n * repeats:
            raise KitError(
                f"{2 * n * repeats} quanta without predecessors are needed, "
                f"the graph has {len(free)}; use a larger release or fewer --quanta or --repeats"
            )
        run_process(["pipetask", "pre-exec-init-qbb", self.repository, self.graph])
        commands = [
            [
                *("pipetask", "run-qbb", self.repository, self.graph),
                *("--qgraph-node-id", ",".join(free[k * n : (k + 1) * n])),
            ]
            for k in range(2 * repeats)
        ]
        inside = [["time_inside.py", "command", *command] for command in commands[repeats:]]
        self.measure("run", n, commands[:repeats], inside)

    def run_all(self) -> None:
        """Execute all quanta that are left."""
        done = 2 * self.args.quanta * self.args.repeats
        command = ["pipetask", "run-qbb", self.repository, self.graph]
        self.measure("run_all", self.components.header.n_quanta - done, [command], [])

    def transfer(self) -> None:
        """Bring the outputs into the registry, each time from the same start."""
        database = Path(self.repository, "gen3.sqlite3")
        before = Path(f"{database}.before")
        shutil.copy(database, before)
        command = [
            "butler",
            "transfer-from-graph",
            "--register-dataset-types",
            "--update-output-chain",
        ]
        command += [self.graph, self.repository]
        n_outputs = len(
            {
                dataset_id
                for quantum in (
                    *self.components.quantum_datasets.values(),
                    *self.components.init_quanta.root,
                )
                for dataset_id in quantum.iter_output_dataset_ids()
            }
        )
        processes, inside = [], []
        for _ in range(self.args.repeats):
            shutil.copy(before, database)
            processes.append(run_process(command))
            shutil.copy(before, database)
            inside.append(run_process(["time_inside.py", "command", *command]).last_json())
        self.keep("transfer", n_outputs, processes, inside)


def run(args: argparse.Namespace) -> int:
    """Run the script."""
    release = check_repository_root(args.release)
    scratch = Path(args.scratch).resolve()
    scratch.mkdir(parents=True, exist_ok=True)
    if any(scratch.iterdir()):
        raise KitError(f"{scratch} is not empty")
    bench = Bench(release, scratch, args)
    last = STEPS.index(args.until)
    bench.build()
    if last >= STEPS.index("load"):
        bench.load()
    if last >= STEPS.index("run"):
        bench.run_some()
    if last >= STEPS.index("run_all"):
        bench.run_all()
    if last >= STEPS.index("transfer"):
        bench.transfer()
    header = bench.components.header
    print(
        json.dumps(
            {"n_quanta": header.n_quanta, "n_datasets": header.n_datasets, "steps": bench.results}
        )
    )
    return 0


def main() -> None:
    """Parse the command line and run the script."""
    parser = make_parser(__doc__)
    parser.add_argument("release", help="release made by make_release.py; it is not changed")
    parser.add_argument("scratch", help="empty directory to work in")
    parser.add_argument("--pipeline", default=str(PIPELINES / "data_release.yaml"))
    parser.add_argument("--input", nargs="+", default=[DEFAULTS], metavar="COLLECTION")
    parser.add_argument("--where", default=WHERE)
    parser.add_argument(
        "--repeats", type=int, default=3, help="repetitions that medians are taken of"
    )
    parser.add_argument("--quanta", type=int, default=8, help="quanta in one run of the step `run`")
    parser.add_argument("--until", choices=STEPS, default=STEPS[-1], help="last step to time")
    script_main(run, parser)


if __name__ == "__main__":
    main()
