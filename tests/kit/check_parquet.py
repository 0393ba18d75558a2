#!/usr/bin/env python3
"""Check that a Parquet file of `qbb query` holds the rows of its JSON.

    python check_parquet.py rows.json rows.parquet

`pyarrow`, which the middleware reads Parquet with, must find the same rows in
the same order, and columns of proper types.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from kit_support import make_parser, script_main

TYPES = {
    "id": (pa.string(), pa.int64()),
    "type": (pa.string(),),
    "exposure": (pa.int64(),),
    "exposure_time": (pa.float64(),),
    "region": (pa.binary(),),
    "timespan_begin": (pa.timestamp("ns"),),
    "timespan_end": (pa.timestamp("ns"),),
    "dimensions": (pa.list_(pa.string()),),
}
"""Types that columns of these names may have."""


def comparable(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row of the file as JSON has it, without nulls."""
    row = {name: value for name, value in row.items() if value is not None}
    begin, end = (row.pop(f"timespan_{name}", None) for name in ("begin", "end"))
    if begin or end:
        row["timespan (TAI)"] = (begin, end)
    if "region" in row:
        # The first byte of an encoded region tells its kind.
        row["region"] = "(elided)" if row["region"][:1] in b"bcep" else row["region"]
    return row


def main(args: argparse.Namespace) -> int:
    """Compare the two files."""
    with open(args.json, encoding="utf-8") as file:
        (expected,) = json.load(file).values()
    table = pq.read_table(args.parquet)
    wrong = 0
    for field in table.schema:
        if field.name in TYPES and field.type not in TYPES[field.name]:
            print(f"{field.name} is {field.type}")
            wrong += 1
    found = [comparable(row) for row in table.to_pylist()]
    if len(expected) != len(found):
        print(f"{len(found)} rows, not {len(expected)}")
        wrong += 1
    for ours, row in zip(expected, found, strict=False):
        ours = {name: value for name, value in ours.items() if value is not None}
        if (text := ours.get("timespan (TAI)")) and isinstance(row.get("timespan (TAI)"), tuple):
            begin, end = row["timespan (TAI)"]
            shown = f"[{begin.isoformat()}, {end.isoformat()})" if begin and end else text
            row["timespan (TAI)"] = shown
        if ours != row:
            print(f"{row}\n  is not {ours}")
            wrong += 1
    return int(wrong > 0)


if __name__ == "__main__":
    parser = make_parser(__doc__)
    parser.add_argument("json", help="what `qbb --format json query …` printed")
    parser.add_argument("parquet", help="what `qbb --format parquet query …` wrote")
    script_main(main, parser)
