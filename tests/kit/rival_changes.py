#!/usr/bin/env python3
"""Have two `qbb` commands change one repository at the same time.

The first is stopped before some of the calls by which it changes files or
talks to the server, chosen at random; the second is begun then, and after a
moment the first goes on.  Both must succeed, and the repository must be as if
one had come after the other.  Exit code 1 if something is otherwise.
"""

from __future__ import annotations

import random
import tempfile
import time
from pathlib import Path
from typing import Any

from faulty_commands import Commands, Repository, chosen, differing
from kit_support import make_parser, script_main

HEAD_START = 0.25
"""Seconds for which the second command has the repository for itself."""


KINDS = (
    "missing-file",
    "wrong-size",
    "orphan",
    "unregistered",
    "no-record",
    "not-located",
    "trash",
)


class Rivals:
    """Two commands at a time, over a submit directory with what others have left."""

    def __init__(self, args: Any, folder: Path) -> None:
        self.commands = Commands(args.qbb, folder)
        self.repository = Repository(Path(args.personal), args.database, args.schema)
        self.root = str(self.repository.root)
        self.choice = random.Random(args.seed)
        self.most = args.rounds
        self.transfer = ["transfer", args.submit, "--inputs", "copy"]
        self.other = ["transfer", args.other, "--inputs", "copy"]
        self.copies = ["reference", self.root, "--how", "copy", "--dataset-type", "raw"]
        self.copies += ["--where", "instrument = 'QbbCam' AND detector IN (0..1)"]
        self.problems: list[str] = []
        self.rounds = 0

    def remove(self, *runs: str) -> list[str]:
        """Return the words that remove RUNs with their files."""
        return ["collections", "remove-runs", self.root, *runs, "--yes", "--force"]

    def prune(self, run: str) -> list[str]:
        """Return the words that remove the datasets of a RUN."""
        return ["collections", "prune", self.root, "--purge", run, "--find-all", "--yes"]

    def play(
        self,
        where: str,
        first: list[str],
        second: list[str],
        call: int,
        verified: frozenset[str],
    ) -> None:
        """Do two things at the same time."""
        self.rounds += 1
        with self.commands.stopped(first, call) as process:
            rival = self.commands.begin(second)
            deadline = time.monotonic() + HEAD_START
            while rival.poll() is None and time.monotonic() < deadline:
                time.sleep(0.01)
        out, err = process.communicate(timeout=240)
        if process.returncode != 0:
            self.problems.append(f"{where}: the first ended with {process.returncode}: {out}{err}")
        out, err = rival.communicate(timeout=240)
        found = {kind for kind in KINDS if kind in out} if second[0] == "verify" else set()
        if rival.returncode != (1 if found else 0) or not found <= verified:
            self.problems.append(f"{where}: the second ended with {rival.returncode}: {out}{err}")

    def meet(
        self,
        name: str,
        begin: str,
        first: list[str],
        second: list[str],
        verified: frozenset[str] = frozenset(),
    ) -> None:
        """Have two commands meet at some of the calls of the first.

        Parameters
        ----------
        name : `str`
            For messages.
        begin : `str`
            Name of the saved state with which each round begins.
        first, second : `list` [`str`]
            The commands.
        verified : `frozenset` [`str`]
            What the second one may find if it is ``verify``.
        """
        self.repository.restore(begin)
        calls = self.commands.calls(first)
        self.commands.run(second)
        root = self.repository.root
        expected = [(self.repository.state(), self.commands.findings(root))]
        self.repository.restore(begin)
        self.commands.run(second)
        self.commands.run(first)
        expected.append((self.repository.state(), self.commands.findings(root)))
        for call in chosen(self.choice, calls, self.most):
            self.repository.restore(begin)
            where = f"{name}, stopped before call {call} of {len(calls)}"
            self.play(where, first, second, call, verified)
            self.judge(where, expected)

    def judge(self, name: str, expected: list[Any]) -> None:
        """Compare with what comes out if one comes after the other, in both orders."""
        tables, files = state = self.repository.state()
        found = self.commands.findings(self.repository.root)
        if (state, found) in expected:
            return
        for (those, paths), findings in expected:
            differ = f"{differing(tables, those)}, files {sorted({*files} ^ {*paths})}"
            self.problems.append(f"{name}: {differ}, verify finds {found}, not {findings}")

    def tell(self) -> int:
        """Put everything back and say what was found; return the exit code."""
        self.repository.restore("nothing")
        self.repository.close()
        print("\n".join(self.problems) or f"{self.rounds} rounds end as one after the other")
        return 1 if self.problems else 0


def main(args: Any) -> int:
    with tempfile.TemporaryDirectory() as name:
        rivals = Rivals(args, Path(name))
        repository, commands = rivals.repository, rivals.commands
        repository.save("nothing")
        verify = ["verify", rivals.root]
        orphans = frozenset({"orphan"})
        if args.provenance:
            moved = [*rivals.transfer, "--provenance"]
            rivals.meet("provenance twice", "nothing", moved, moved)
            rivals.meet("files and provenance", "nothing", rivals.transfer, moved)
            return rivals.tell()
        rivals.meet("the same run twice", "nothing", rivals.transfer, rivals.transfer)
        rivals.meet("two runs", "nothing", rivals.transfer, rivals.other)
        rivals.meet("inputs and references", "nothing", rivals.transfer, rivals.copies)
        rivals.meet("references and inputs", "nothing", rivals.copies, rivals.transfer)
        rivals.meet("transfer and verify", "nothing", rivals.transfer, verify, orphans)
        repository.restore("nothing")
        commands.succeed(rivals.transfer)
        repository.save("one")
        remove = rivals.remove(args.run)
        rivals.meet("transfer and removal of another run", "one", rivals.other, remove)
        rivals.meet("removal and transfer of another run", "one", remove, rivals.other)
        repository.restore("one")
        commands.succeed(rivals.other)
        repository.save("both")
        # What it has not deleted yet when it is stopped is in the trash, and nothing else is wrong.
        trash = frozenset({"trash"})
        rivals.meet("removal and verify", "both", remove, [*verify, "--checksums"], trash)
        more = rivals.remove(args.run, args.other_run)
        rivals.meet("removals that overlap", "both", remove, more)
        rivals.meet("purges that overlap", "both", rivals.prune(args.run), rivals.prune(args.run))
        rivals.meet("a purge and a removal", "both", rivals.prune(args.other_run), more)
        return rivals.tell()


if __name__ == "__main__":
    parser = make_parser(__doc__)
    parser.add_argument("submit", help="submit directory of a run that is done")
    parser.add_argument("other", help="another one of the same repository")
    parser.add_argument("personal", help="their repository, into which nothing was transferred")
    parser.add_argument("--run", required=True, help="the first RUN")
    parser.add_argument("--other-run", required=True, help="the second RUN")
    parser.add_argument(
        "--provenance",
        action="store_true",
        help="only transfers into the provenance graph of a run",
    )
    parser.add_argument("--qbb", required=True, help="the command")
    parser.add_argument("--database", help="URL of the PostgreSQL database, if it is in one")
    parser.add_argument("--schema", default="", help="its schema")
    parser.add_argument("--seed", type=int, default=0, help="of the choice of calls")
    parser.add_argument("--rounds", type=int, default=1, help="of each pair; 0 for each call")
    script_main(main, parser)
