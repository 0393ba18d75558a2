#!/usr/bin/env python3
"""Kill `qbb` while it changes collections, and look at what it leaves.

Each command is killed before some of the calls by which it changes files or
talks to the server, chosen at random.  Afterwards the registry must be as
before or as after, `qbb verify` may find only what is still to be deleted,
the same command again must leave what it leaves when nobody kills it, and a
third time must change nothing.  Exit code 1 if something is otherwise.
"""

from __future__ import annotations

import random
import tempfile
import uuid
from pathlib import Path
from typing import Any

from faulty_commands import Commands, Repository, chosen, differing, without_trash
from kit_support import make_parser, script_main
from repository_twins import HASH, make_repository

FLATS = ["--begin-date", "2020-01-01T00:00:00", "--end-date", "2022-01-01T00:00:00"]
MIDDLE = ["--begin-date", "2021-01-01T00:00:00", "--end-date", "2021-06-01T00:00:00"]
SETUP = [
    ["associate", "REPO", "t/one", "-d", "*", "--collections", "r/one"],
    ["certify", "REPO", "r/one", "c/one", "flat", *FLATS],
]
CHANGES = {
    "remove-runs": ["remove-runs", "REPO", "r/one", "r/two", HASH, "--yes", "--force"],
    "remove": ["remove", "REPO", "chain/*", "t/one", "c/one", "--yes", "--remove-from-parents"],
    "purge": ["prune", "REPO", "--purge", "r/one", "--find-all", "--yes"],
    "unstore": ["prune", "REPO", "r/one", "r/two", "--unstore", "--find-all", "--yes"],
    "disassociate": ["prune", "REPO", "--disassociate", "t/one", "--yes"],
    "associate": ["associate", "REPO", "t/new", "-d", "*", "--collections", "r/one"],
    "certify": ["certify", "REPO", "r/one", "c/new", "flat", *FLATS],
    "decertify": ["decertify", "REPO", "c/one", "flat", *MIDDLE],
    "chain": ["chain", "REPO", "chain/new", "r/two", "r/one", "t/one"],
}


class Killing:
    """Kills commands and judges what they leave."""

    def __init__(self, commands: Commands, repository: Repository) -> None:
        self.commands = commands
        self.repository = repository
        self.before = repository.state()
        self.problems: list[str] = []

    def words(self, change: str) -> list[str]:
        """Return the arguments of a change."""
        root = str(self.repository.root)
        return ["collections", *(root if word == "REPO" else word for word in CHANGES[change])]

    def reference(self, change: str) -> tuple[str, Any]:
        """Return the calls that a change makes, and what it leaves."""
        self.repository.restore()
        calls = self.commands.calls(self.words(change))
        return calls, self.repository.state()

    def kill(self, change: str, call: int, after: Any) -> None:
        """Kill a change before a call."""
        repository, words = self.repository, self.words(change)
        repository.restore()
        code, out, err = self.commands.run(words, f"kill:{call}")
        told = []
        if code != -9:
            told.append(f"it was to be killed and ended with {code}: {out}{err}")
        tables = without_trash(repository.tables())
        if tables != without_trash(self.before[0]) and tables != without_trash(after[0]):
            told.append(f"in between: {differing(tables, without_trash(after[0]))}")
        found = set(self.commands.findings(repository.root))
        allowed = {"trash"} if tables == without_trash(after[0]) else set()
        if not found <= allowed:
            told.append(f"verify finds {sorted(found)}")
        for turn in ("again", "a third time"):
            code, out, err = self.commands.run(words)
            if code != 0:
                told.append(f"{turn} it ended with {code}: {out}{err}")
            tables, files = repository.state()
            if tables != after[0]:
                told.append(f"{turn}: {differing(tables, after[0])}")
            if files != after[1]:
                told.append(f"{turn}: files {sorted({*files} ^ {*after[1]})}")
        if found := self.commands.findings(repository.root):
            told.append(f"in the end verify finds {found}")
        self.problems += [f"{change} killed before call {call}: {text}" for text in told]


def main(args: Any) -> int:
    choice = random.Random(args.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        root, schema = folder / "repository", f"killed_{uuid.uuid4().hex[:12]}"
        make_repository(root, folder / "elsewhere", args.database, schema)
        commands = Commands(args.qbb, folder)
        repository = Repository(root, args.database, schema)
        for words in SETUP:
            commands.succeed(["collections", *(str(root) if w == "REPO" else w for w in words)])
        repository.save()
        killing = Killing(commands, repository)
        kills = 0
        for change in CHANGES:
            calls, after = killing.reference(change)
            for call in chosen(choice, calls, args.kills):
                killing.kill(change, call, after)
                kills += 1
        repository.close()
    print("\n".join(killing.problems) or f"{kills} kills leave nothing in between")
    return 1 if killing.problems else 0


if __name__ == "__main__":
    parser = make_parser(__doc__)
    parser.add_argument("--qbb", required=True, help="the command")
    parser.add_argument("--database", help="URL of a PostgreSQL database, instead of SQLite")
    parser.add_argument("--seed", type=int, default=0, help="of the choice of calls")
    parser.add_argument("--kills", type=int, default=2, help="of each command; 0 for each call")
    script_main(main, parser)
