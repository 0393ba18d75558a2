#!/usr/bin/env python3
"""Compare `qbb collections` with the `butler` commands on random sequences of operations.

Two equal repositories are changed step by step: one by the middleware alone,
the other by ours, now and then by the middleware, too.  After each step the
middleware must tell the same of both, files included; `qbb collections list`
must list what the middleware lists, and what one side refuses the other must
refuse.  At the end `qbb verify` must have nothing to say.  Exit code 1 if
something differs.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click.testing
from lsst.daf.butler import Butler, MissingCollectionError
from lsst.daf.butler.cli import cmd

from kit_support import KitError, make_parser, script_main
from repository_twins import (
    CALIBRATIONS,
    CALIBS,
    CAMERA,
    CHAINS,
    DETECTORS,
    HASH,
    RUNS,
    SOURCE_RUNS,
    TAGS,
    TYPES,
    describe,
    make_repository,
    make_source,
    put,
    timespan,
)

DATES = [None, "2020-01-01T00:00:00", "2021-01-01T00:00:00", "2022-06-01T12:00:00", "2023-01-01"]

NOTHING_TO_DO = (
    # Certified before, with exactly this range.
    "validity range conflict",
    # Certifications are taken out of a collection that never held any.
    "Calibration primary key for internal use only",
    # A dataset type is named, not matched by a pattern, and there are none.
    "EmptyQueryResultError",
)
"""Refusals of the middleware where ours does nothing, as campaigns repeat commands."""


@dataclasses.dataclass
class Step:
    """One operation, in the words of both sides."""

    name: str
    ours: list[str]
    """Arguments of `qbb`, with ``REPO`` for the repository; nothing if only the middleware can."""
    theirs: Callable[[str], None]


def placed(words: Iterable[str], root: Path) -> list[str]:
    """Return words with the repository for ``REPO``, and that beside it for ``SOURCE``."""
    places = {"REPO": str(root), "SOURCE": str(root.with_name("source"))}
    return [places.get(word, word) for word in words]


def butler_command(command: click.Command, *words: str) -> Callable[[str], None]:
    """Return what runs a `butler` subcommand; for ``REPO`` and ``SOURCE`` see `placed`."""

    def run(root: str) -> None:
        arguments = placed(words, Path(root))
        result = click.testing.CliRunner().invoke(command, arguments)
        if result.exit_code != 0:
            raise RuntimeError(f"{result.exception!r} {result.output}")

    return run


def tidied(command: Callable[[str], None], collection: str) -> Callable[[str], None]:
    """Return a command that, if it is refused, leaves no new collection behind.

    The middleware registers the collection first, and it stays.
    """

    def run(root: str) -> None:
        with Butler.from_config(root, writeable=True) as butler:
            was_there = collection in butler.collections.query("*", include_chains=True)
            try:
                command(root)
            except RuntimeError as refusal:
                empty = "EmptyQueryResultError" in str(refusal)
                if not was_there and not empty:
                    with contextlib.suppress(MissingCollectionError):
                        butler.collections.x_remove(collection)
                raise

    return run


class Steps:
    """Chooses operations at random."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.collections = [*RUNS, *TAGS, *CALIBS, *CHAINS]

    def some(self, names: list[str], most: int = 3) -> list[str]:
        """Choose some names, perhaps one of them twice."""
        return [self.random.choice(names) for _ in range(self.random.randint(1, most))]

    def dates(self) -> tuple[str | None, str | None, list[str]]:
        """Choose a range, with the options that say so."""
        one, other = sorted(self.random.sample(range(len(DATES)), 2))
        begin, end = DATES[one], DATES[other]
        if self.random.random() < 0.2:
            end = None
        options = [] if begin is None else ["--begin-date", begin]
        return begin, end, options if end is None else [*options, "--end-date", end]

    def chain(self) -> Step:
        mode = self.random.choice(["redefine", "extend", "prepend", "remove", "pop"])
        parent = self.random.choice([*CHAINS, "r/one"])
        if mode == "pop":
            positions = [str(self.random.choice([0, 1, -1, 2])) for _ in range(1)]
            words = ["--mode", mode, "REPO", parent, "--", *positions]
        else:
            children = self.some(self.collections)
            flatten = mode != "remove" and self.random.random() < 0.3
            words = ["--mode", mode, *(["--flatten"] if flatten else []), "REPO", parent]
            words += [",".join(children)]
        theirs = tidied(butler_command(cmd.collection_chain, *words), parent)
        return Step(f"chain {mode}", ["collections", "chain", *words], theirs)

    def register(self) -> Step:
        kind, names = self.random.choice(
            [("run", RUNS), ("tagged", TAGS), ("calibration", CALIBS), ("chained", CHAINS)]
        )
        name = self.random.choice(names)

        def theirs(root: str) -> None:
            from lsst.daf.butler import CollectionType

            with Butler.from_config(root, writeable=True) as butler:
                butler.collections.register(name, CollectionType.from_name(kind), "Again.")

        ours = ["collections", "register", "REPO", name, "--type", kind, "--doc", "Again."]
        return Step("register", ours, theirs)

    def associate(self) -> Step:
        tag = self.random.choice(TAGS)
        words = ["REPO", tag, "--dataset-type", self.random.choice([*TYPES, "*", "[fd]*"])]
        words += ["--collections", ",".join(self.some([*RUNS, *TAGS, *CHAINS[:2]], 2))]
        # Of datasets with one data ID the middleware takes which it likes.
        words += ["--find-first"]
        ours = ["collections", "associate", *words]
        return Step("associate", ours, tidied(butler_command(cmd.associate, *words), tag))

    def certify(self) -> Step:
        _, _, options = self.dates()
        collection = self.random.choice(CALIBS)
        words = ["REPO", self.random.choice([*RUNS, *CHAINS]), collection]
        words += [self.random.choice(CALIBRATIONS), *options]
        if self.random.random() < 0.5:
            words.append("--search-all-inputs")
        ours = ["collections", "certify", *words]
        return Step(
            "certify", ours, tidied(butler_command(cmd.certify_calibrations, *words), collection)
        )

    def decertify(self) -> Step:
        begin, end, options = self.dates()
        collection, name = self.random.choice(CALIBS), self.random.choice(CALIBRATIONS)
        detector = self.random.choice([None, None, *DETECTORS])

        def theirs(root: str) -> None:
            with Butler.from_config(root, writeable=True) as butler:
                data_ids = None
                if detector is not None:
                    data_ids = [{"instrument": CAMERA, "detector": detector}]
                butler.registry.decertify(collection, name, timespan(begin, end), dataIds=data_ids)

        ours = ["collections", "decertify", "REPO", collection, name, *options]
        if detector is not None:
            ours += ["--data-id", f"detector={detector}"]
        return Step("decertify", ours, theirs)

    def remove(self) -> Step:
        name = self.random.choice([*TAGS, *CALIBS, *CHAINS, "t/*", "nothing"])
        words = ["REPO", name, "--no-confirm"]
        if self.random.random() < 0.6:
            words.append("--remove-from-parents")
        ours = ["collections", "remove", *words]
        return Step("remove", ours, butler_command(cmd.remove_collections, *words))

    def remove_runs(self) -> Step:
        words = ["REPO", self.random.choice([*RUNS, "r/t*", "nothing"]), "--no-confirm"]
        if self.random.random() < 0.6:
            words.append("--force")
        ours = ["collections", "remove-runs", *words]
        return Step("remove-runs", ours, butler_command(cmd.remove_runs, *words))

    def prune(self) -> Step:
        how = self.random.choice(["--purge", "--unstore", "--disassociate", "both"])
        words = ["REPO", "--no-confirm"]
        if how == "--purge":
            words += [how, self.random.choice(RUNS)]
        elif how == "--unstore":
            words += [how]
        else:
            words += ["--disassociate", self.random.choice(TAGS)]
            words += ["--unstore"] if how == "both" else []
        if how == "--unstore" or self.random.random() < 0.5:
            words += self.some([*RUNS, *TAGS, *CHAINS[:2]], 2)
        words += ["--datasets", self.random.choice([*TYPES, "*", "[in]*"])]
        if self.random.random() < 0.5:
            words.append("--find-all")
        ours = ["collections", "prune", *words]
        return Step(f"prune {how}", ours, butler_command(cmd.prune_datasets, *words))

    def bring(self) -> Step:
        words = ["SOURCE", "REPO", "--dataset-type", self.random.choice([*TYPES, "*"])]
        words += ["--collections", ",".join(self.some(SOURCE_RUNS, 2))]
        words += ["--transfer", self.random.choice(["copy", "hardlink"])]
        words += ["--register-dataset-types"]
        if self.random.random() < 0.5:
            words += ["--where", f"instrument = '{CAMERA}' AND detector < 3"]
        return Step(
            "transfer-datasets",
            ["transfer-datasets", *words],
            butler_command(cmd.transfer_datasets, *words),
        )

    def put(self) -> Step:
        name, run = self.random.choice(TYPES), self.random.choice(RUNS)
        detector = self.random.choice(DETECTORS)
        return Step("put", [], lambda root: put(root, name, run, detector))

    def next(self) -> Step:
        makers = [
            (self.chain, 5),
            (self.register, 2),
            (self.associate, 3),
            (self.certify, 4),
            (self.decertify, 4),
            (self.remove, 1),
            (self.remove_runs, 1),
            (self.prune, 4),
            (self.put, 4),
            (self.bring, 3),
        ]
        (maker,) = self.random.choices(*map(list, zip(*makers, strict=True)))
        return maker()


class Twins:
    """Two repositories that began equal."""

    def __init__(self, folder: Path, qbb: str, database: str | None) -> None:
        self.qbb = qbb
        self.has_order = database is None
        """Whether rows come from the database in the order in which they were inserted."""
        self.elsewhere = folder / "elsewhere"
        self.ours, self.theirs = folder / "ours", folder / "theirs"
        make_source(folder / "source")
        if database is None:
            make_repository(self.ours, self.elsewhere)
            shutil.copytree(self.ours, self.theirs)
            return
        name = uuid.uuid4().hex[:12]
        make_repository(self.ours, self.elsewhere, database, f"ours_{name}")
        beside = folder / "beside"
        make_repository(self.theirs, beside, database, f"theirs_{name}")

    def run_ours(self, words: list[str]) -> tuple[int, str, str]:
        """Run `qbb` on our repository."""
        words = placed(words, self.ours)
        done = subprocess.run([self.qbb, *words], capture_output=True, text=True)
        if done.returncode not in (0, 1, 2, 3):
            raise KitError(f"qbb {' '.join(words)} ended with {done.returncode}: {done.stderr}")
        return done.returncode, done.stdout, done.stderr

    def apply(self, step: Step, by_theirs: bool) -> list[str]:
        """Do a step in both repositories; return what is wrong."""
        refusal = attempt(step.theirs, str(self.theirs))
        if by_theirs or not step.ours:
            other = attempt(step.theirs, str(self.ours))
            said = "" if other is None else other
            refused = other is not None
        else:
            code, out, err = self.run_ours(step.ours)
            refused, said = code != 0, out + err
        tolerated = not refused and any(text in (refusal or "") for text in NOTHING_TO_DO)
        if refused != (refusal is not None) and not tolerated:
            return [f"one side refuses: theirs says {refusal!r}, ours {said!r}"]
        return []

    def compare(self) -> list[str]:
        """Return how the repositories differ, and where our list is another."""
        ours = describe(self.ours, self.elsewhere)
        theirs = describe(self.theirs, self.elsewhere)
        problems = [
            f"{part}: {difference(ours[part], theirs[part])}"
            for part in theirs
            if ours[part] != theirs[part]
        ]
        words = ["collections", "list", "REPO", "--chains", "no-children", "--format", "json"]
        listed = json.loads(self.run_ours(words)[1])
        seen = {
            row["name"]: [row["type"], row.get("children", []), row.get("doc", "")]
            for row in listed
        }
        if seen != ours["collections"]:
            problems.append(f"list: {difference(seen, ours['collections'])}")
        return problems

    def compare_lists(self) -> list[str]:
        """Return what `qbb collections list` and `butler query-collections` print differently."""
        problems = []
        for chains in ("tree", "inverse-tree", "table", "inverse-table", "flatten", "no-children"):
            for more in (["-t"], ["r/*", "chain/?", "--collection-type", "run"]):
                words = ["REPO", "--chains", chains, *more]
                ours = printed(self.run_ours(["collections", "list", *words])[1])
                arguments = placed(words, self.ours)
                result = click.testing.CliRunner().invoke(cmd.query_collections, arguments)
                theirs = printed(result.output)
                if not self.has_order:
                    ours, theirs = sorted(ours), sorted(theirs)
                if ours != theirs:
                    problems.append(f"{' '.join(words)}: {difference(ours, theirs)}")
        return problems


def printed(text: str) -> list[str]:
    """Return the lines of a table, however wide its columns are."""
    lines = (" ".join(line.split()) for line in text.splitlines())
    return [line for line in lines if line.strip("- ")]


def attempt(operation: Callable[[str], None], root: str) -> str | None:
    """Do something; return the message if the middleware refuses."""
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            operation(root)
    except Exception as err:  # whatever the middleware raises is a refusal
        return f"{type(err).__name__}: {err}"
    return None


def difference(ours: Any, theirs: Any) -> str:
    """Show where two values differ."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        keys = [key for key in sorted({*ours, *theirs}) if ours.get(key) != theirs.get(key)]
        return "; ".join(f"{key}: {ours.get(key)} and {theirs.get(key)}" for key in keys)
    if isinstance(ours, list) and isinstance(theirs, list):
        only_ours = [value for value in ours if value not in theirs]
        only_theirs = [value for value in theirs if value not in ours]
        return f"only ours {only_ours}, only theirs {only_theirs}"
    return f"{ours} and {theirs}"


def run_sequence(args: Any, seed: int) -> list[str]:
    """Do a sequence of steps; return what was wrong in the first step that was."""
    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        twins = Twins(Path(folder), args.qbb, args.database)
        choice = Steps(seed)
        for number in range(args.steps):
            if time.monotonic() - begin > args.seconds:
                break
            step = choice.next()
            by_theirs = choice.random.random() < 0.15
            problems = twins.apply(step, by_theirs) + twins.compare()
            if args.verbose:
                print(number, step.name, *step.ours, file=sys.stderr)
            if problems:
                words = " ".join(step.ours)
                return [f"seed {seed}, step {number}, {step.name} ({words})", *problems]
        if problems := twins.compare_lists():
            return [f"seed {seed}: {problem}" for problem in problems]
        out = twins.run_ours(["verify", "REPO", "--format", "json"])[1]
        wrong = [
            finding
            for finding in json.loads(out)["findings"]
            if finding["kind"] != "orphan" or HASH not in finding["path"]
        ]
        if wrong:
            return [f"seed {seed}: qbb verify finds {wrong}"]
    return []


def main(args: Any) -> int:
    problems = []
    for seed in range(args.seed, args.seed + args.sequences):
        problems += run_sequence(args, seed)
    print("\n".join(problems) or f"{args.sequences} sequences agree")
    return 1 if problems else 0


if __name__ == "__main__":
    parser = make_parser(__doc__)
    parser.add_argument("--qbb", required=True, help="the command")
    parser.add_argument("--database", help="URL of a PostgreSQL database, instead of SQLite")
    parser.add_argument("--seed", type=int, default=0, help="of the first sequence")
    parser.add_argument("--sequences", type=int, default=1)
    parser.add_argument("--steps", type=int, default=40, help="of each sequence")
    parser.add_argument("--seconds", type=float, default=1e9, help="most for each sequence")
    parser.add_argument("--verbose", action="store_true", help="print each step")
    script_main(main, parser)
