#!/usr/bin/env python3
"""Copy a SQLite registry into PostgreSQL, row by row.

The tables are made by the real ``Butler.makeRepo`` with the same dimension
universe, and by registering the same dataset types; the rows are those of the
SQLite file in PostgreSQL's types.  No files are copied: the new repository is
for reading its registry.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sqlite3
from pathlib import Path
from typing import Any

import psycopg
from lsst.daf.butler import Butler, DatasetType, DimensionConfig
from psycopg import sql
from psycopg.types.range import Int8Range

from kit_support import check_repository_root, make_parser, script_main
from make_release import make_repository

KEPT = {"butler_attributes", "opaque_meta"}
"""Tables whose rows the middleware has written."""
END = 4102444800000000000
"""Unbounded end of a timespan in SQLite; the unbounded beginning is 0."""


def universe_of(source: sqlite3.Connection) -> dict[str, Any]:
    """Return the dimension configuration of a registry."""
    query = "SELECT value FROM butler_attributes WHERE name = 'config:dimensions.json'"
    return json.loads(source.execute(query).fetchone()[0])


def dataset_types(source: sqlite3.Connection, butler: Butler) -> list[DatasetType]:
    """Return the dataset types of a registry, in the order of their registration."""
    rows = source.execute(
        "SELECT name, storage_class, dimensions_key, calibration_association_table"
        " FROM dataset_type ORDER BY id"
    )
    found = []
    for name, storage_class, key, calibrations in rows.fetchall():
        dimensions = source.execute(
            "SELECT dimension_name FROM dimension_graph_definition WHERE dimension_graph_id = ?",
            (key,),
        )
        group = butler.dimensions.conform([row[0] for row in dimensions])
        found.append(DatasetType(name, group, storage_class, isCalibration=bool(calibrations)))
    return found


def converted(row: sqlite3.Row, column: str, kind: str) -> Any:
    """Return the value of a PostgreSQL column from a row of SQLite."""
    if kind == "int8range":
        begin, end = row[f"{column}_begin"], row[f"{column}_end"]
        if begin is None:
            return None
        if begin >= end:
            return Int8Range(empty=True)
        return Int8Range(begin or None, None if end == END else end)
    value = row[column]
    return bool(value) if kind == "boolean" and value is not None else value


def copy_table(
    source: sqlite3.Connection, target: psycopg.Connection[Any], schema: str, table: str
) -> None:
    """Copy the rows of a table."""
    columns = target.execute(
        "SELECT column_name, data_type FROM information_schema.columns"
        " WHERE table_schema = %s AND table_name = %s ORDER BY ordinal_position",
        (schema, table),
    ).fetchall()
    # The middleware has registered dataset types, which come again.
    target.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(schema, table)))
    copy = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(schema, table),
        sql.SQL(", ").join(sql.Identifier(name) for name, _ in columns),
    )
    with target.cursor() as cursor, cursor.copy(copy) as rows:
        for row in source.execute(f'SELECT * FROM "{table}"'):
            rows.write_row([converted(row, name, kind) for name, kind in columns])


def run(args: argparse.Namespace) -> int:
    """Run the script."""
    source = check_repository_root(args.source)
    with contextlib.closing(sqlite3.connect(Path(source) / "gen3.sqlite3")) as registry:
        registry.row_factory = sqlite3.Row
        universe = DimensionConfig(universe_of(registry))
        make_repository(Path(args.root), args.database, args.schema, universe)
        with Butler.from_config(args.root, writeable=True) as butler:
            for dataset_type in dataset_types(registry, butler):
                butler.registry.registerDatasetType(dataset_type)
        tables = registry.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        with psycopg.connect(args.database) as target:
            # Rows come in any order, so references are not looked at.
            target.execute("SET session_replication_role = replica")
            for (table,) in tables.fetchall():
                if table not in KEPT:
                    copy_table(registry, target, args.schema, table)
    return 0


def main() -> None:
    """Parse the command line and run the script."""
    parser = make_parser(__doc__)
    parser.add_argument("source", help="repository with a SQLite registry")
    parser.add_argument("root", help="directory of the repository to create")
    parser.add_argument("--database", required=True, metavar="URI", help="PostgreSQL database")
    parser.add_argument("--schema", required=True, help="schema for the registry")
    script_main(run, parser)


if __name__ == "__main__":
    main()
