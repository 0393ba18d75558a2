#!/usr/bin/env python3
"""Compare `qbb graph build` with `pipetask qgraph`, case by case.

    python agreement.py --qbb target/debug/qbb tests/agreement/pipelines.json

Both commands get the same arguments; `pipetask` runs inside this process, so
that what it imports is imported once.  Ours builds from exports that this
process makes first, one for each distinct pipeline.  Every quantum, dataset,
edge and record must be the same, or both must refuse.

With ``--record`` what `pipetask` answers is written to a file, and ours is not
asked.  With ``--recorded`` ours is compared with such a file.
"""

from __future__ import annotations

import argparse
import itertools
import json
import logging
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from agreement_cases import TOPICS, Case, Topic, load_topic
from agreement_records import Records, summarize
from agreement_releases import Releases, binding, pipetask
from agreement_verdicts import Outcome, judge, lines_of
from kit_support import (
    KIT,
    ROOT,
    KitError,
    add_case_options,
    canonical,
    interpreter,
    make_parser,
    script_main,
)

sys.path[:0] = [str(TOPICS), str(ROOT / "python")]

from qbb_worker.errors import WorkerError  # noqa: E402 (needs the path)
from qbb_worker.export import export_pipeline  # noqa: E402

SECONDS = 300
"""A build of ours that takes longer hangs."""


class Agreement:
    """The comparison of one topic's cases.

    Parameters
    ----------
    qbb : `str`
        Our command.
    releases : `Releases`
        Where releases come from.
    scratch : `Path`
        Folder for exports and graphs.
    verbose : `bool`, optional
        Print what each builder said to each case.
    records : `Records`, optional
        Answers of a real builder, which then is not asked.
    """

    def __init__(
        self,
        qbb: str,
        releases: Releases,
        scratch: Path,
        verbose: bool = False,
        records: Records | None = None,
    ):
        self.records = records
        self.qbb = qbb
        self.releases = releases
        self.scratch = scratch
        self.exports: dict[str, str] = {}
        self.commands: dict[str, list[str]] = {}
        self.tally: Counter[str] = Counter()
        """Cases by what the real builder made of them."""
        self.verbose = verbose

    def run(self, cases: list[Case], limit: int) -> list[str]:
        """Build and compare; returns a description of each case that is not right."""
        watch = [time.perf_counter()]
        wrong = []
        places = {case.name: str(self.releases.path(case.release)) for case in cases}
        with ThreadPoolExecutor(max_workers=2) as pool:
            watch.append(time.perf_counter())
            ours: dict[str, Future[Outcome]] = {}
            for number, case in enumerate(cases):
                graph = self.scratch / f"{number}-ours.qg"
                try:
                    export = self.export(case)
                except WorkerError as err:
                    ours[case.name] = Future()
                    ours[case.name].set_result(Outcome(graph, refused=str(err)))
                    continue
                ours[case.name] = pool.submit(
                    self.build_ours, case, places[case.name], export, graph
                )
            watch.append(time.perf_counter())
            for number, case in enumerate(cases):
                graph = self.scratch / f"{number}-real.qg"
                start = time.perf_counter()
                theirs = self.build_real(case, places[case.name], graph)
                seconds = time.perf_counter() - start
                own = ours[case.name].result()
                self.tally[theirs.kind or "built"] += 1
                found = judge(case, theirs, own, places[case.name], limit)
                self.tell(f"{case.name}: {theirs.kind} {theirs.refused}; ours: {own.refused}")
                total = time.perf_counter() - start
                self.tell(f"  {seconds:.2f} s to build, {total - seconds:.2f} s to compare")
                if found:
                    wrong.append(self.describe(case, places[case.name], found))
        watch.append(time.perf_counter())
        laps = [f"{b - a:.1f} s" for a, b in itertools.pairwise(watch)]
        print("releases {}, exports {}, builds and comparisons {}".format(*laps))
        return wrong

    def record(self, cases: list[Case], records: Records) -> None:
        """Write down what the real builder makes of the cases."""
        for number, case in enumerate(cases):
            repository = str(self.releases.path(case.release))
            real = self.build_real(case, repository, self.scratch / f"{number}-real.qg")
            self.tell(f"{case.name}: {real.kind} {real.refused}")
            graph = None
            if not real.refused:
                lines, _ = lines_of(real.graph, masked=case.output_run is None)
                graph = summarize(lines, repository)
            records.add(case, real.kind, graph)
        records.write()

    def tell(self, text: str) -> None:
        """Print something for a developer."""
        if self.verbose:
            print(text, flush=True)

    def export(self, case: Case) -> str:
        """Return the export of a case's pipeline."""
        key = canonical([case.pipeline_uri, case.overrides, case.select_tasks])
        if key not in self.exports:
            document = export_pipeline(case.pipeline_uri, case.overrides, case.select_tasks)
            path = self.scratch / f"pipeline-{len(self.exports)}.json"
            path.write_text(json.dumps(document, allow_nan=False), encoding="utf-8")
            self.exports[key] = str(path)
        return self.exports[key]

    def build_ours(self, case: Case, repository: str, export: str, graph: Path) -> Outcome:
        """Build a case with our command."""
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("DAF_BUTLER_REPOSITORY")
        }
        environment |= {
            "NO_COLOR": "1",
            "PYTHONPATH": os.pathsep.join([str(KIT), str(TOPICS)]),
            # An export is enough where no Python code decides about quanta.
            "QBB_PYTHON": interpreter() if case.python else "/nowhere/python",
        }
        words = [self.qbb, "graph", "build", *case.ours(repository, export), "-q", str(graph)]
        self.commands[case.name] = words
        try:
            finished = subprocess.run(
                words,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                env=environment,
                check=False,
                timeout=SECONDS,
            )
        except subprocess.TimeoutExpired:
            return Outcome(graph, refused=f"panicked: no end after {SECONDS} s")
        if finished.returncode not in (0, 2, 3, 4):
            return Outcome(graph, refused=f"panicked: {finished.returncode}: {finished.stderr}")
        refused = finished.stderr.strip() or "without a word" if finished.returncode else ""
        return Outcome(graph, refused=refused)

    def build_real(self, case: Case, repository: str, graph: Path) -> Outcome:
        """Build a case with the real builder, or look up what it built."""
        if self.records is not None:
            answer = self.records.answer(case)
            kind = answer.get("refused", "")
            return Outcome(graph, refused=kind, kind=kind, recorded=answer.get("graph"))
        with binding(case.bind):
            failure = pipetask("qgraph", [*case.real(repository), "-q", str(graph)])
        if failure is None:
            return Outcome(graph)
        kind, text = type(failure).__name__, str(failure)
        if text.startswith("QuantumGraph was empty"):
            kind = "Empty"
        return Outcome(graph, refused=text or kind, kind=kind)

    def describe(self, case: Case, repository: str, found: list[str]) -> str:
        """Describe what is wrong with a case, and how to see it again."""
        real = ["pipetask", "qgraph", *case.real(repository), "-q", "real.qg"]
        lines = [f"--- {case.name}", *found]
        lines.append(f"  ours: {shlex.join(self.commands[case.name])}")
        lines.append(f"  real: PYTHONPATH={KIT}:{TOPICS} {shlex.join(real)}")
        if case.bind:
            lines.append(f"        with bind={case.bind}")
        return "\n".join(lines)


def run(args: argparse.Namespace) -> int:
    """Run the script."""
    path = Path(args.topic)
    if not path.is_file():
        path = TOPICS / f"{args.topic}.json"
    topic = load_topic(path)
    cases = [c for c in topic.cases if all(part in c.name for part in args.case)]
    cases = [c for c in cases if not args.on or c.release in args.on][:: args.every]
    if not cases:
        raise KitError(f"no case of {topic.name} has {args.case} in its name")
    if args.list:
        print("\n".join(case.name for case in cases))
        return 0
    kept = Path(args.scratch) if args.scratch else None
    scratch = kept or Path(tempfile.mkdtemp(prefix="agreement-"))
    scratch.mkdir(parents=True, exist_ok=True)
    releases = Releases(Path(args.releases).resolve(), topic, args.database)
    try:
        records = Records.read(Path(args.recorded)) if args.recorded else None
        agreement = Agreement(args.qbb, releases, scratch, args.verbose, records)
        if args.record:
            agreement.record(cases, Records.new(Path(args.record)))
            return 0
        wrong = agreement.run(cases, args.limit)
    finally:
        if kept is None:
            shutil.rmtree(scratch, ignore_errors=True)
    for text in wrong:
        print(text)
    print(", ".join(f"{count} {kind}" for kind, count in agreement.tally.most_common()))
    print(verdict(topic, cases, len(wrong)))
    return 1 if wrong else 0


def verdict(topic: Topic, cases: list[Case], n_wrong: int) -> str:
    """Return the last line of the report."""
    refused = sum(1 for case in cases if case.refusal)
    known = [case for case in cases if case.known_difference]
    text = "".join(f"known difference: {c.name}: {c.known_difference}\n" for c in known)
    text += f"{topic.name}: {len(cases)} cases, {refused} of them refusals, {n_wrong} wrong"
    return text


def main() -> None:
    """Parse the command line and run the script."""
    # The middleware reports what it refuses at length; what matters comes as an exception.
    logging.disable(logging.CRITICAL)
    parser = make_parser(__doc__)
    parser.add_argument("topic", help="file of cases, or the name of one in tests/agreement")
    add_case_options(parser)
    parser.add_argument(
        "--on",
        action="append",
        default=[],
        metavar="RELEASE",
        help="only cases on this shape or state; may be repeated",
    )
    parser.add_argument(
        "--every", type=int, default=1, metavar="N", help="only one of so many cases"
    )
    parser.add_argument("--verbose", action="store_true", help="print what the builders say")
    parser.add_argument(
        "--limit", type=int, default=5, help="differences to print for each kind of line"
    )
    parser.add_argument("--scratch", help="folder to keep exports and graphs in")
    parser.add_argument(
        "--database",
        default=os.environ.get("QBB_AGREEMENT_DATABASE"),
        metavar="URI",
        help="PostgreSQL database for the registries, instead of SQLite",
    )
    answers = parser.add_mutually_exclusive_group()
    answers.add_argument(
        "--record", metavar="FILE", help="write down what the real builder of this Python answers"
    )
    answers.add_argument(
        "--recorded", metavar="FILE", help="compare with what was written down by --record"
    )
    script_main(run, parser)


if __name__ == "__main__":
    main()
