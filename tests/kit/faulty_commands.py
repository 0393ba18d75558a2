"""Our command with a fault at a chosen moment, and the state of the repository that it changes."""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from kit_support import KIT, KitError

TIMES = {"ingest_date", "ctime", "sync_time"}
"""Columns that say when something was inserted."""
NUMBERED = re.compile(r"(dataset_tags|dataset_calibs)_\d+")
"""Tables of which there is one for each set of dimensions."""
COLLECTIONS = {"collection_id", "run_id", "parent", "child"}
"""Columns with numbers of collections."""
TRASH = ("dataset_location_trash", "file_datastore_records")
"""Tables that lag behind the others until files are deleted."""


class Commands:
    """Runs `qbb` with faults.

    Parameters
    ----------
    qbb : `str`
        The command.
    folder : `pathlib.Path`
        Scratch folder.
    """

    def __init__(self, qbb: str, folder: Path) -> None:
        self.qbb = qbb
        self.folder = folder
        self.library = folder / "fault_points.so"
        source = KIT / "fault_points.c"
        subprocess.run(
            ["cc", "-shared", "-fPIC", "-O1", "-o", self.library, source, "-ldl"], check=True
        )

    def environment(self, fault: str | None) -> dict[str, str]:
        """Return the environment of a command with a fault."""
        environment = {**os.environ, "NO_COLOR": "1"}
        if fault is not None:
            environment |= {"LD_PRELOAD": str(self.library), "QBB_FAULT": fault}
            environment["QBB_FAULT_CALLS"] = str(self.folder / "calls")
        return environment

    def begin(
        self,
        words: list[str],
        fault: str | None = None,
        preparation: Callable[[], None] | None = None,
    ) -> subprocess.Popen[str]:
        """Start a command; what prepares it is done in its process."""
        return subprocess.Popen(
            [self.qbb, *words],
            env=self.environment(fault),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=preparation,
        )

    def run(
        self,
        words: list[str],
        fault: str | None = None,
        preparation: Callable[[], None] | None = None,
    ) -> tuple[int, str, str]:
        """Run a command to its end, however it ends."""
        process = self.begin(words, fault, preparation)
        try:
            out, err = process.communicate(timeout=240)
        finally:
            process.kill()
        if "panicked" in err:
            raise KitError(f"qbb {' '.join(words)} panicked: {err}")
        return process.returncode, out, err

    def succeed(self, words: list[str]) -> Any:
        """Run a command that must succeed; return what it prints as JSON."""
        code, out, err = self.run([*words, "--format", "json"])
        if code != 0:
            raise KitError(f"qbb {' '.join(words)} ended with {code}: {out}{err}")
        return json.loads(out)

    def calls(self, words: list[str]) -> str:
        """Run a command that must succeed; return a letter for each call that can fail in it.

        An ``r`` needs room, an ``s`` waits for the disk, a ``c`` is another change.
        """
        code, out, err = self.run(words, "nothing")
        if code != 0:
            raise KitError(f"qbb {' '.join(words)} ended with {code}: {out}{err}")
        return (self.folder / "calls").read_text()

    @contextlib.contextmanager
    def stopped(self, words: list[str], call: int) -> Iterator[subprocess.Popen[str]]:
        """Start a command and stop it before a call; afterwards it goes on.

        Whoever wants its end waits for it.  If it has ended before the call,
        it is not stopped.
        """
        process = self.begin(words, f"stop:{call}")
        os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGCONT)

    def findings(self, root: Path, *options: str) -> dict[str, int]:
        """Return what `qbb verify` finds, by kind."""
        code, out, err = self.run(["verify", str(root), "--format", "json", *options])
        if code not in (0, 1):
            raise KitError(f"qbb verify ended with {code}: {out}{err}")
        return json.loads(out)["counts"]


def chosen(choice: random.Random, calls: str, most: int, sorts: str = "crs") -> list[int]:
    """Choose some calls of a command, all of them if `most` is 0."""
    every = [number for number, sort in enumerate(calls, 1) if sort in sorts]
    return sorted(choice.sample(every, min(most or len(every), len(every))))


class Repository:
    """A repository that can be looked at without the middleware, and put back.

    Parameters
    ----------
    root : `pathlib.Path`
        Its folder.
    database, schema : `str`, optional
        The registry if it is not SQLite's file in the folder.
    """

    def __init__(self, root: Path, database: str | None = None, schema: str = "") -> None:
        self.root = root
        self.schema = schema
        self.sequences: dict[str, dict[str, Any]] = {}
        self.server = None
        if database is not None:
            self.server = psycopg.connect(database, autocommit=True)

    def close(self) -> None:
        """Close the connection to the server."""
        if self.server is not None:
            self.server.close()

    def tables(self) -> dict[str, list[str]]:
        """Return the rows of all tables as text, sorted.

        Names take the place of numbers, which depend on what failed before;
        so do the numbers in names of tables.
        """
        tables = self._tables_of_file() if self.server is None else self._tables_of_server()
        names = {row["collection_id"]: row["name"] for row in tables["collection"]}
        types = {row["id"]: row["name"] for row in tables["dataset_type"]}
        groups: dict[int, list[str]] = {row["id"]: [] for row in tables.pop("dimension_graph_key")}
        for row in tables.pop("dimension_graph_definition"):
            groups[row["dimension_graph_id"]].append(row["dimension_name"])
        merged: dict[str, list[str]] = {
            "dimensions": sorted(repr(sorted(group)) for group in groups.values())
        }
        for table, rows in tables.items():
            numbered = NUMBERED.fullmatch(table)
            for row in rows:
                for column in COLLECTIONS & row.keys():
                    row[column] = names.get(row[column], row[column])
                if "dataset_type_id" in row:
                    row["dataset_type_id"] = types[row["dataset_type_id"]]
                if table == "dataset_type":
                    row["dimensions_key"] = sorted(groups.get(row["dimensions_key"], []))
                    row = {key: row[key] for key in row if not key.endswith("_table")}
                if numbered or table == "dataset_type":
                    row.pop("id", None)
                text = json.dumps(row, sort_keys=True, default=repr)
                merged.setdefault(numbered[1] if numbered else table, []).append(text)
        return {table: sorted(rows) for table, rows in merged.items()}

    def _tables_of_server(self) -> dict[str, list[dict[str, Any]]]:
        tables = {}
        for table in self._names(self.schema):
            select = sql.SQL("SELECT to_jsonb(t) - %s::text[] FROM {} t")
            found = self.server.execute(
                select.format(sql.Identifier(self.schema, table)), [list(TIMES)]
            )
            tables[table] = [row[0] for row in found]
        return tables

    def _tables_of_file(self) -> dict[str, list[dict[str, Any]]]:
        tables = {}
        with contextlib.closing(sqlite3.connect(self.root / "gen3.sqlite3")) as file:
            file.row_factory = sqlite3.Row
            names = file.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            for (table,) in names.fetchall():
                found = [dict(row) for row in file.execute(f'SELECT * FROM "{table}"')]
                tables[table] = [{key: row[key] for key in row.keys() - TIMES} for row in found]
        # Whether numbers were ever used means nothing.
        tables.pop("sqlite_sequence", None)
        return tables

    def files(self) -> list[str]:
        """Return the files of the datastore, but for unfinished ones."""
        own = ("butler.yaml", "gen3.sqlite3", ".qbb-")
        inside = (path for path in self.root.rglob("*") if path.is_file())
        return sorted(
            str(path.relative_to(self.root)) for path in inside if not path.name.startswith(own)
        )

    def state(self) -> tuple[dict[str, list[str]], list[str]]:
        """Return tables and files."""
        return self.tables(), self.files()

    def save(self, name: str = "saved") -> None:
        """Remember everything under a name."""
        saved = self._saved(name)
        shutil.rmtree(saved, ignore_errors=True)
        shutil.copytree(self.root, saved, symlinks=True)
        if self.server is None:
            return
        copy = f"{self.schema}_{name}"
        self.server.execute(
            sql.SQL("DROP SCHEMA IF EXISTS {0} CASCADE; CREATE SCHEMA {0}").format(
                sql.Identifier(copy)
            )
        )
        for table in self._names(self.schema):
            self.server.execute(
                sql.SQL("CREATE TABLE {} AS TABLE {}").format(
                    sql.Identifier(copy, table), sql.Identifier(self.schema, table)
                )
            )
        self.sequences[name] = {
            sequence: self.server.execute(
                sql.SQL("SELECT last_value, is_called FROM {}").format(
                    sql.Identifier(self.schema, sequence)
                )
            ).fetchone()
            for sequence in self._names(self.schema, "sequence")
        }

    def _saved(self, name: str) -> Path:
        return self.root.with_name(f"{self.root.name}-{name}")

    def restore(self, name: str = "saved") -> None:
        """Make everything as it was when it was saved under a name."""
        shutil.rmtree(self.root)
        shutil.copytree(self._saved(name), self.root, symlinks=True)
        if self.server is None:
            return
        copy = f"{self.schema}_{name}"
        kept = self._names(copy)
        with self.server.transaction():
            self.server.execute("SET LOCAL session_replication_role = replica")
            for table in self._names(self.schema):
                place = sql.Identifier(self.schema, table)
                if table not in kept:
                    self.server.execute(sql.SQL("DROP TABLE {} CASCADE").format(place))
                    continue
                self.server.execute(sql.SQL("DELETE FROM {}").format(place))
                self.server.execute(
                    sql.SQL("INSERT INTO {} SELECT * FROM {}").format(
                        place, sql.Identifier(copy, table)
                    )
                )
            for sequence, (value, called) in self.sequences[name].items():
                place = f'"{self.schema}"."{sequence}"'
                self.server.execute("SELECT setval(%s, %s, %s)", [place, value, called])

    def _names(self, schema: str, what: str = "table") -> list[str]:
        if what == "table":
            query = "SELECT tablename FROM pg_tables WHERE schemaname = %s ORDER BY 1"
        else:
            query = "SELECT sequencename FROM pg_sequences WHERE schemaname = %s ORDER BY 1"
        return [row[0] for row in self.server.execute(query, [schema])]


def without_trash(tables: dict[str, list[str]]) -> dict[str, list[str]]:
    """Leave out the tables that lag behind until files are deleted."""
    return {name: rows for name, rows in tables.items() if name not in TRASH}


def differing(one: dict[str, list[str]], other: dict[str, list[str]]) -> str:
    """Tell how tables differ."""
    texts = []
    for name in sorted({*one, *other}):
        left, right = set(one.get(name, ())), set(other.get(name, ()))
        if left != right:
            texts.append(f"{name}: only {sorted(left - right)[:2]} and {sorted(right - left)[:2]}")
    return "; ".join(texts)
