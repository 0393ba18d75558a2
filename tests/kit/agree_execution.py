#!/usr/bin/env python3
"""Compare `qbb run` with `pipetask pre-exec-init-qbb` and `run-qbb`.

Each case of the file of cases is run by both, each on a repository of its own,
with one graph.  Then all files of the run, exit codes, summaries, what
`pipetask report` says, and what `butler aggregate-graph` and
`transfer-from-graph` put into the registry must be the same, but for
differences that the case names.  The real executor runs within this process,
ours meanwhile.  Exit code 1 if a case is wrong.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import io
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from agreement_cases import Topic
from agreement_releases import Releases, pipetask
from execution_cases import Change, ExecutionCase, ExecutionTopic, Run, load_execution_topic
from execution_graph import ExecutedGraph
from execution_outputs import compare_summaries, compare_trees
from execution_reports import compare_reports
from kit_support import (
    DEFAULTS,
    KIT,
    PIPELINES,
    ROOT,
    KitError,
    add_case_options,
    interpreter,
    make_parser,
    script_main,
    task_environment,
)

CASES = ROOT / "tests/agreement/execution/cases.json"
RUN = "u/test/run1"
"""RUN collection of all graphs."""
FAULTS = "KIT_FAULTS"
SECONDS = 300
"""A run of ours that takes longer hangs."""


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How one run of one executor ended."""

    exit_code: int
    text: str


class ExecutionAgreement:
    """The comparison of all cases.

    Parameters
    ----------
    qbb : `str`
        Our command.
    topic : `ExecutionTopic`
        The cases and their graphs.
    release : `Path`
        Repository to run in; it is left as it is.
    scratch : `Path`
        Folder for everything else.
    """

    def __init__(self, qbb: str, topic: ExecutionTopic, release: Path, scratch: Path):
        self.qbb = qbb
        self.topic = topic
        self.release = release
        self.scratch = scratch
        self.graphs: dict[str, ExecutedGraph] = {}

    def run(self, cases: Sequence[ExecutionCase], verbose: bool) -> list[str]:
        """Run and compare; returns descriptions of what is wrong."""
        wrong = []
        with ThreadPoolExecutor(max_workers=1) as pool:
            for number, case in enumerate(cases):
                start = time.perf_counter()
                found = self.judge(case, self.scratch / f"{number:02d}", pool)
                seconds = time.perf_counter() - start
                if verbose:
                    print(f"{case.name}: {seconds:.1f} s, {len(found)} wrong", flush=True)
                if found:
                    text = "\n".join([f"--- {case.name}", *(f"  {item}" for item in found)])
                    print(text, flush=True)
                    wrong.append(text)
        return wrong

    def judge(self, case: ExecutionCase, folder: Path, pool: ThreadPoolExecutor) -> list[str]:
        """Run one case with both executors, and say what is wrong."""
        folder.mkdir(parents=True)
        graph = self.graph(case.graph)
        real, ours = folder / "real", folder / "ours"
        clone(self.release, real)
        for number, step in enumerate(case.before):
            if isinstance(step, Change):
                apply_change(step, graph, real)
            else:
                self.run_real(step, graph, real, folder / f"before-{number}")
        clone(real, ours)
        file = self.native(graph) if case.native else graph.path
        running: Future[list[Outcome]] = pool.submit(
            self.run_ours, case.runs, graph, file, ours, folder
        )
        theirs = [
            self.run_real(run, graph, real, folder / f"real-{number}")
            for number, run in enumerate(case.runs)
        ]
        found = []
        for number, (run, a, b) in enumerate(zip(case.runs, theirs, running.result(), strict=True)):
            if (a.exit_code, b.exit_code) != run.exit_codes:
                found.append(
                    f"run {number}: exit codes {a.exit_code} and {b.exit_code}, not "
                    f"{run.exit_codes}; ours says: {b.text[-2000:]}"
                )
            if "panicked at" in b.text or "Traceback" in b.text:
                found.append(f"run {number}: ours broke down: {b.text[-2000:]}")
            if not run.init_only:
                paths = (folder / f"real-{number}.json", folder / f"ours-{number}.json")
                found += compare_summaries(*paths, (real, ours))
        found += compare_trees(real, ours, RUN)
        if case.reports:
            found += compare_reports(real, ours, graph.path, folder)
        return without_known(case, found)

    def graph(self, name: str) -> ExecutedGraph:
        """Return a graph of the topic, built if need be."""
        if name not in self.graphs:
            description = self.topic.graphs[name]
            path = self.scratch / f"{name}.qg"
            words = ["-b", str(self.release), "-p", str(PIPELINES / description["pipeline"])]
            words += ["-i", description.get("input", DEFAULTS), "-d", description["where"]]
            words += ["-o", "u/test", "--output-run", RUN, "--qgraph-datastore-records"]
            for text in description.get("config", []):
                words += ["-c", text]
            if failure := pipetask("qgraph", [*words, "-q", str(path)]):
                raise KitError(f"the graph {name} cannot be built: {failure}")
            self.graphs[name] = ExecutedGraph(path, str(self.release))
        return self.graphs[name]

    def native(self, graph: ExecutedGraph) -> Path:
        """Return a graph's file in our native format."""
        path = graph.path.with_suffix(".qbb")
        if not path.exists():
            command = [self.qbb, "graph", "convert", "--quiet", str(graph.path), str(path)]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return path

    def run_real(self, run: Run, graph: ExecutedGraph, root: Path, trace: Path) -> Outcome:
        """Run the real executor."""
        words = [str(root), str(graph.path)]
        if run.init:
            options = placed(run.init_options, graph)
            outcome = real_command("pre-exec-init-qbb", [*options, *words])
            if outcome.exit_code or run.init_only:
                return outcome
        options = placed([*run.options, *run.real_options], graph)
        summary = trace.with_suffix(".json")
        with faults(run.faults, trace.with_suffix(".faults")):
            return real_command("run-qbb", [*options, "--summary", str(summary), *words])

    def run_ours(
        self, runs: Sequence[Run], graph: ExecutedGraph, file: Path, root: Path, folder: Path
    ) -> list[Outcome]:
        """Run our executor as often as the real one, on a file of the graph."""
        outcomes = []
        for number, run in enumerate(runs):
            trace = folder / f"ours-{number}"
            told = trace.with_suffix(".faults")
            told.write_text(json.dumps(run.faults))
            environment = {**task_environment(), FAULTS: str(told), "NO_COLOR": "1"}
            environment["QBB_PYTHON"] = interpreter()
            command = [self.qbb, "run", str(file), "--personal", str(root)]
            command += ["--run-dir", str(folder / "run"), "--quiet"]
            command += placed([*run.init_options, *run.options, *run.our_options], graph)
            command += ["--summary", str(trace.with_suffix(".json"))]
            if not run.init:
                command.append("--no-init")
            if run.init_only:
                command.append("--init-only")
            trace.with_suffix(".command").write_text(shlex.join(command))
            finished = subprocess.run(
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=SECONDS,
                check=False,
            )
            text = finished.stdout.decode(errors="replace")
            outcomes.append(Outcome(finished.returncode, text))
        return outcomes


def clone(source: Path, root: Path) -> None:
    """Make a repository with the content of another one.

    What no run changes is shared, to make it fast.
    """
    root.mkdir()
    for entry in source.iterdir():
        if entry.is_symlink() or (entry.is_dir() and entry.name != "u"):
            (root / entry.name).symlink_to(entry.resolve())
        elif entry.is_dir():
            shutil.copytree(entry, root / entry.name)
        else:
            shutil.copy2(entry, root / entry.name)


def apply_change(change: Change, graph: ExecutedGraph, root: Path) -> None:
    """Change the files of a run."""
    for text in change.remove:
        for path in graph.find_outputs(text):
            (root / path).unlink(missing_ok=True)
    for text, content in change.write.items():
        for path in graph.find_outputs(text):
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(content)
    for text, (old, new) in change.replace.items():
        for path in graph.find_outputs(text):
            before = (root / path).read_text()
            if old not in before:
                raise KitError(f"{path} does not contain {old!r}")
            (root / path).write_text(before.replace(old, new))


def placed(options: Sequence[str], graph: ExecutedGraph) -> list[str]:
    """Return options with UUIDs of quanta in place of ``{label@data ID}``, and places of files."""
    found = []
    for option in options:
        if option.startswith("{") and option.endswith("}"):
            option = ",".join(graph.find_quanta(option[1:-1]))
        found.append(option.replace("TOPIC", str(CASES.parent)))
    return found


@contextlib.contextmanager
def faults(content: dict[str, Any], path: Path) -> Iterator[None]:
    """Tell tasks within this process, and processes it starts, how to fail."""
    path.write_text(json.dumps(content))
    os.environ[FAULTS] = str(path)
    try:
        yield
    finally:
        del os.environ[FAULTS]


def real_command(command: str, words: Sequence[str]) -> Outcome:
    """Run a ``pipetask`` command within this process as the command line does."""
    from lsst.ctrl.mpexec.cli.pipetask import cli

    silence = io.StringIO()
    try:
        with contextlib.redirect_stdout(silence), contextlib.redirect_stderr(silence):
            code = cli.main(["--no-log-tty", command, *words], standalone_mode=False)
    except SystemExit as exit_:
        code = exit_.code
    except Exception as err:
        return Outcome(1, f"{type(err).__name__}: {err}")
    return Outcome(code if isinstance(code, int) else 0, silence.getvalue())


def without_known(case: ExecutionCase, found: Sequence[str]) -> list[str]:
    """Return the differences that a case does not name, and names of none."""
    wrong = [item for item in found if not any(text in item for text in case.known)]
    wrong += [
        f"no longer differs: {text!r} ({why})"
        for text, why in case.known.items()
        if not any(text in item for item in found)
    ]
    return wrong


def run(args: argparse.Namespace) -> int:
    """Run the script."""
    topic = load_execution_topic(Path(args.cases))
    cases = [c for c in topic.cases if all(part in c.name for part in args.case)]
    if not cases:
        raise KitError(f"no case has {args.case} in its name")
    if args.list:
        print("\n".join(case.name for case in cases))
        return 0
    sys.path.insert(0, str(KIT))
    scratch = Path(args.scratch or tempfile.mkdtemp(prefix="execution-")).resolve()
    scratch.mkdir(parents=True, exist_ok=True)
    releases = Releases(Path(args.releases).resolve(), Topic("execution", [], {}, {}))
    try:
        agreement = ExecutionAgreement(args.qbb, topic, releases.path(topic.release), scratch)
        wrong = agreement.run(cases, args.verbose)
    finally:
        if args.scratch is None:
            shutil.rmtree(scratch, ignore_errors=True)
    known = sum(len(case.known) for case in cases)
    print(f"execution: {len(cases)} cases, {known} known differences, {len(wrong)} wrong")
    return 1 if wrong else 0


def main() -> None:
    """Parse the command line and run the script."""
    # The order of sets shows in files, so it must be the same in all processes.
    os.environ["PYTHONHASHSEED"] = "0"
    if sys.flags.hash_randomization:
        os.execv(sys.executable, [sys.executable, *sys.argv])
    parser = make_parser(__doc__)
    parser.add_argument("--cases", default=str(CASES), help="file of cases")
    add_case_options(parser)
    parser.add_argument("--verbose", action="store_true", help="tell of each case")
    parser.add_argument("--scratch", help="folder to keep repositories in")
    script_main(run, parser)


if __name__ == "__main__":
    main()
