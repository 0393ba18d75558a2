#!/usr/bin/env python3
"""Compare the tables of a registry with those the middleware makes.

A repository with the same dimension universe is made by the real
``Butler.makeRepo``, the same dataset types are registered in it in the same
order, and then both databases must have the same tables: columns with their
types, nullability and defaults, primary keys, uniqueness, foreign keys, checks
and indexes. The order of tables and indexes does not matter, nor do names of
constraints in SQLite; in PostgreSQL, where long ones are shortened, they do.
Sequences, attributes and the list of opaque tables are compared too.

With --dump the middleware's own tables, and the dataset types for which it has
made some of them, are written as JSON; the registry crate keeps such a file as
a fixture.

Exit code 0 if nothing differs and 1 otherwise.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import sqlite3
import tempfile
from pathlib import Path
from typing import Any, Protocol

import psycopg
from lsst.daf.butler import Butler, Config, DatasetType, DimensionConfig

from kit_support import check_repository_root, make_parser, script_main

Schema = dict[str, dict[str, Any]]


def read_schema(connection: sqlite3.Connection) -> Schema:
    """Return the definitions of all tables, without names of constraints."""
    schema = {}
    tables = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'")
    for name, sql in tables.fetchall():
        columns = [
            {"name": column, "type": kind, "not_null": bool(not_null), "default": default}
            for _, column, kind, not_null, default, _ in connection.execute(
                "SELECT * FROM pragma_table_info(?) ORDER BY cid", (name,)
            )
        ]
        primary_key = connection.execute(
            "SELECT name FROM pragma_table_info(?) WHERE pk > 0 ORDER BY pk", (name,)
        )
        keys: dict[int, dict[str, Any]] = {}
        for number, source, target, table, on_delete in connection.execute(
            'SELECT id, "from", "to", "table", on_delete FROM pragma_foreign_key_list(?) '
            "ORDER BY id, seq",
            (name,),
        ):
            key = keys.setdefault(
                number, {"columns": [], "table": table, "targets": [], "on_delete": on_delete}
            )
            key["columns"].append(source)
            key["targets"].append(target)
        indexes = []
        for index, unique, origin in connection.execute(
            'SELECT name, "unique", origin FROM pragma_index_list(?)', (name,)
        ).fetchall():
            members = connection.execute(
                "SELECT name FROM pragma_index_info(?) ORDER BY seqno", (index,)
            )
            indexes.append(
                {"columns": [row[0] for row in members], "unique": bool(unique), "origin": origin}
            )
        schema[name] = {
            "columns": columns,
            "primary_key": [row[0] for row in primary_key],
            "foreign_keys": sorted(keys.values(), key=lambda key: json.dumps(key)),
            "indexes": sorted(indexes, key=lambda index: json.dumps(index)),
            "checks": sorted(re.findall(r"CHECK \((.*)\)", sql)),
        }
    return schema


class Rows(Protocol):
    """A connection to a database of either kind."""

    def execute(self, query: str, /) -> Any:
        """Carry out a statement; what is returned can be iterated over."""


def read_facts(connection: Rows) -> dict[str, Any]:
    """Return the rows that describe the schema, which unqualified names must find."""
    attributes = dict(connection.execute("SELECT name, value FROM butler_attributes").fetchall())
    universe = attributes.pop("config:dimensions.json")
    opaque = connection.execute("SELECT table_name FROM opaque_meta ORDER BY table_name")
    types = connection.execute(
        "SELECT name, storage_class, dimensions_key, tag_association_table, "
        "calibration_association_table FROM dataset_type ORDER BY id"
    )
    return {
        "attributes": attributes,
        "universe": json.loads(universe),
        "opaque_meta": [row[0] for row in opaque],
        "dataset_types": [list(row) for row in types],
    }


def read_sqlite_facts(connection: sqlite3.Connection) -> dict[str, Any]:
    """Return the rows that describe the schema, and how the file is kept."""
    pragmas = ("page_size", "journal_mode")
    return read_facts(connection) | {
        name: connection.execute(f"PRAGMA {name}").fetchone()[0] for name in pragmas
    }


def make_reference(
    root: str,
    universe: dict[str, Any],
    dataset_types: list[DatasetType],
    database: tuple[str, str] | None = None,
) -> None:
    """Make a repository by the middleware alone."""
    config = Config()
    if database:
        config["registry", "db"], config["registry", "namespace"] = database
    config = Butler.makeRepo(root, config=config, dimensionConfig=DimensionConfig(universe))
    with Butler.from_config(config, writeable=True) as butler:
        for dataset_type in dataset_types:
            butler.registry.registerDatasetType(dataset_type)


def registered_in_order(root: str, facts: dict[str, Any]) -> list[DatasetType]:
    """Return a repository's dataset types in the order of their numbers."""
    with Butler.from_config(root, writeable=False) as butler:
        return [butler.get_dataset_type(row[0]) for row in facts["dataset_types"]]


def compare(found: Any, expected: Any, path: str = "") -> list[str]:
    """Return the places at which two JSON trees differ."""
    if isinstance(found, dict) and isinstance(expected, dict):
        problems = []
        for key in sorted(found.keys() | expected.keys()):
            where = f"{path}.{key}" if path else key
            if key not in found:
                problems.append(f"{where}: missing")
            elif key not in expected:
                problems.append(f"{where}: not made by the middleware")
            else:
                problems += compare(found[key], expected[key], where)
        return problems
    if found == expected:
        return []
    return [f"{path}: {json.dumps(found)}, but the middleware has {json.dumps(expected)}"]


def write_fixture(path: Path, dataset_types: list[DatasetType], schema: Schema) -> None:
    """Write what another implementation has to make of the dataset types."""
    types = [
        {
            "name": dataset_type.name,
            "storage_class": dataset_type.storageClass_name,
            "dimensions": list(dataset_type.dimensions.required),
            "is_calibration": dataset_type.isCalibration(),
        }
        for dataset_type in dataset_types
    ]
    text = json.dumps({"dataset_types": types, "tables": schema}, indent=1, sort_keys=True)
    # Innermost objects and lists go on one line.
    text = re.sub(r"([\[{])\n\s+([^\[\]{}]*?)\n\s+([\]}])", join_lines, text)
    text = re.sub(r"([{])\n\s+([^{}]*?)\n\s+([}])", join_lines, text)
    path.write_text(text + "\n")


def join_lines(match: re.Match[str]) -> str:
    """Return a bracketed match on one line."""
    return match[1] + " ".join(match[2].split()) + match[3]


POSTGRES_COLUMNS = """
    SELECT a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
           pg_get_expr(d.adbin, d.adrelid)
    FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""


def read_postgres_schema(connection: psycopg.Connection[Any], schema: str) -> Schema:
    """Return the definitions of all tables and sequences of a schema."""
    relations = connection.execute(
        "SELECT c.oid, c.relname, c.relkind::text FROM pg_class c "
        "WHERE c.relnamespace = %s::regnamespace AND c.relkind IN ('r', 'S')",
        (f'"{schema}"',),
    ).fetchall()
    found: Schema = {}
    for oid, name, kind in relations:
        if kind == "S":
            settings = "SELECT data_type, start_value, increment_by, cache_size, cycle"
            query = f"{settings} FROM pg_sequences WHERE schemaname = %s AND sequencename = %s"
            found[name] = {"sequence": list(connection.execute(query, (schema, name)).fetchone())}
            continue
        constraints = connection.execute(
            "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = %s",
            (oid,),
        )
        indexes = connection.execute(
            "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = %s AND tablename = %s",
            (schema, name),
        )
        found[name] = {
            "columns": [list(row) for row in connection.execute(POSTGRES_COLUMNS, (oid,))],
            "constraints": without_schema(constraints.fetchall(), schema),
            "indexes": without_schema(indexes.fetchall(), schema),
        }
    return found


def without_schema(definitions: list[tuple[str, str]], schema: str) -> dict[str, str]:
    """Return definitions by name, in which tables are not qualified."""
    place = re.compile(rf'"?{re.escape(schema)}"?\.')
    return {name: place.sub("", definition) for name, definition in definitions}


def read_postgres_facts(connection: psycopg.Connection[Any], schema: str) -> dict[str, Any]:
    """Return the rows that describe a schema."""
    connection.execute(f'SET search_path TO "{schema}"')
    return read_facts(connection)


def run_postgres(root: str, url: str, schema: str) -> int:
    """Compare registries in PostgreSQL, and print what differs."""
    other = f"{schema}_reference"
    with tempfile.TemporaryDirectory() as folder, psycopg.connect(url) as connection:
        facts = read_postgres_facts(connection, schema)
        dataset_types = registered_in_order(root, facts)
        connection.commit()
        make_reference(folder, facts["universe"], dataset_types, (url, other))
        problems = compare(facts, read_postgres_facts(connection, other))
        expected = read_postgres_schema(connection, other)
        problems += compare(read_postgres_schema(connection, schema), expected)
        connection.execute(f'DROP SCHEMA "{other}" CASCADE')
    for problem in problems:
        print(problem)
    print(f"{len(expected)} tables and sequences, {len(problems)} differences")
    return 1 if problems else 0


def open_database(root: str) -> sqlite3.Connection:
    """Open the database of a repository for reading."""
    return sqlite3.connect(f"file:{Path(root, 'gen3.sqlite3')}?mode=ro", uri=True)


def run(args: argparse.Namespace) -> int:
    """Compare, and print what differs."""
    root = check_repository_root(args.repository)
    registry = Config(str(Path(root, "butler.yaml")))["registry"]
    if registry["db"].startswith("postgresql"):
        return run_postgres(root, registry["db"], registry["namespace"])
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        ours = stack.enter_context(contextlib.closing(open_database(root)))
        facts = read_sqlite_facts(ours)
        dataset_types = registered_in_order(root, facts)
        make_reference(folder, facts["universe"], dataset_types)
        theirs = stack.enter_context(contextlib.closing(open_database(folder)))
        expected = read_schema(theirs)
        problems = compare(facts, read_sqlite_facts(theirs))
        problems += compare(read_schema(ours), expected)
    if args.dump:
        write_fixture(Path(args.dump), dataset_types, expected)
    for problem in problems:
        print(problem)
    print(f"{len(expected)} tables, {len(problems)} differences")
    return 1 if problems else 0


if __name__ == "__main__":
    parser = make_parser(__doc__)
    parser.add_argument("repository", help="repository with a registry in SQLite or PostgreSQL")
    parser.add_argument("--dump", metavar="FILE", help="write the middleware's tables as JSON")
    script_main(run, parser)
