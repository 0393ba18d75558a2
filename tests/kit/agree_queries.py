#!/usr/bin/env python3
"""Compare `qbb query` with what the middleware's `query-*` commands find, case by case.

    python agree_queries.py --qbb target/debug/qbb --release RELEASE \\
        tests/agreement/queries/cases.json

The functions behind the `butler` subcommands run inside this process, ours as
commands. Both must give the same rows with the same values, in the same order
where a case asks for an order, or both must refuse.
"""

from __future__ import annotations

import argparse
import json
import logging
import re
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from astropy.table import Table
from astropy.time import Time
from lsst.daf.butler import Butler, CollectionType, EmptyQueryResultError, Timespan
from lsst.daf.butler.script import (
    queryCollections,
    queryDataIds,
    queryDatasetTypes,
    queryDimensionRecords,
)
from lsst.daf.butler.script.queryDatasets import QueryDatasets

from kit_support import make_parser, script_main

Row = dict[str, str]
LISTS = ("types", "collections", "order_by", "datasets", "dimensions", "globs", "kinds")
"""Members of cases that are lists; what a command does not take must not be given."""
FRACTION = re.compile(r"(T\d\d:\d\d:\d\d)\.\d+")
LISTINGS = ("FLATTEN", "NO-CHILDREN")
UNKNOWN_TYPE = "unknown dataset type"
"""Ours refuses names that are not registered, of which the real command finds nothing."""


class Real:
    """The middleware's answers.

    Parameters
    ----------
    root : `str`
        The repository.
    """

    def __init__(self, root: str):
        self.root = root
        self.butler = Butler.from_config(root)

    def answer(self, case: Mapping[str, Any]) -> list[Row]:
        """Return the rows of a case's answer."""
        method = getattr(self, case["command"].replace("-", "_"))
        return list(method({name: [] for name in LISTS} | {"where": "", "limit": 0} | dict(case)))

    def datasets(self, case: Mapping[str, Any]) -> Iterable[Row]:
        query = QueryDatasets(
            butler=self.butler,
            glob=case["types"],
            collections=case["collections"] or ["*"],
            where=case["where"],
            find_first=case.get("find_first", False),
            show_uri=case.get("show_uri", False),
            limit=case["limit"],
            order_by=tuple(case["order_by"]),
        )
        for table in query.getTables():
            yield from rows_of(table)

    def data_ids(self, case: Mapping[str, Any]) -> Iterable[Row]:
        table, _ = queryDataIds(
            repo=self.root,
            dimensions=case["dimensions"],
            datasets=tuple(case["datasets"]),
            where=case["where"],
            collections=case["collections"],
            order_by=tuple(case["order_by"]),
            limit=case["limit"],
            offset=0,
        )
        return rows_of(table)

    def dimension_records(self, case: Mapping[str, Any]) -> Iterable[Row]:
        table = queryDimensionRecords(
            repo=self.root,
            element=case["element"],
            datasets=tuple(case["datasets"]),
            collections=tuple(case["collections"]),
            where=case["where"],
            order_by=tuple(case["order_by"]),
            limit=case["limit"],
            offset=0,
        )
        return rows_of(table)

    def collections(self, case: Mapping[str, Any]) -> Iterable[Row]:
        kinds = [CollectionType.from_name(kind) for kind in case["kinds"]]
        chains = case.get("chains", "TREE")
        shows_types = case.get("show_dataset_types", False)
        table = queryCollections(
            self.root, case["globs"], kinds or CollectionType.all(), chains, shows_types
        )
        # A tree is indented, by two spaces for each level.
        levels = [(len(name) - len(name.lstrip())) // 2 for name in map(str, table["Name"])]
        rows = [row | {"Level": str(n)} for row, n in zip(rows_of(table), levels, strict=True)]
        rows = list(filled(rows))
        return merged(rows) if shows_types else rows

    def dataset_types(self, case: Mapping[str, Any]) -> Iterable[Row]:
        verbose = case.get("verbose", False)
        rows = rows_of(queryDatasetTypes(self.root, verbose, case["types"], case["collections"]))
        for row in rows:
            if "dimensions" in row:
                row["dimensions"] = re.sub(r"[\[\]']", "", row["dimensions"])
            yield row


def rows_of(table: Table | None) -> list[Row]:
    """Return rows as texts by column; empty values are left out."""
    if table is None:
        return []
    return [{name: text for name in table.colnames if (text := normal(row[name]))} for row in table]


def filled(rows: Iterable[Row]) -> Iterable[Row]:
    """Repeat the collection in all lines of a table that are about it."""
    last: Row = {}
    for row in rows:
        if "Name" not in row:
            row |= {name: last[name] for name in ("Name", "Type", "Level")}
        last = row
        yield row


def merged(rows: Iterable[Row]) -> list[Row]:
    """Put dataset types that have lines of their own into one list."""
    found: list[Row] = []
    for row in rows:
        same = ("Name", "Type", "Children", "Parents", "Level")
        last = found[-1] if found else {}
        if row.get("Dataset Types") and all(row.get(n) == last.get(n) for n in same):
            last["Dataset Types"] += f", {row['Dataset Types']}"
        else:
            found.append(row)
    return found


def normal(value: Any) -> str:
    """Return a value as it can be compared."""
    if isinstance(value, list):
        return ", ".join(map(normal, value))
    if value is None or str(value) in ("None", "--"):
        return ""
    text = FRACTION.sub(r"\1", str(value).strip()).removeprefix("0x")
    if re.fullmatch(r"-?\d+\.\d*(e[-+]?\d+)?", text):
        return repr(float(text))
    return text


def ours(qbb: str, root: str, case: Mapping[str, Any]) -> tuple[list[Row], str]:
    """Return the rows of our answer, or why there are none."""
    command = case["command"]
    arguments = [qbb, "--format", "json", "query", command, root]
    limit = case.get("limit", 0)
    if command in ("datasets", "data-ids", "dimension-records"):
        arguments.append(f"--limit={limit}")
        if where := case.get("where"):
            arguments.append(f"--where={where}")
        if order := case.get("order_by"):
            arguments.append(f"--order-by={','.join(order)}")
    if collections := case.get("collections"):
        arguments.append(f"--collections={','.join(collections)}")
    if datasets := case.get("datasets"):
        arguments.append(f"--datasets={','.join(datasets)}")
    if kinds := case.get("kinds"):
        arguments.append(f"--collection-type={','.join(kinds)}")
    if chains := case.get("chains"):
        arguments.append(f"--chains={chains}")
    flags = ("find_first", "show_uri", "verbose", "show_dataset_types")
    arguments += [f"--{flag.replace('_', '-')}" for flag in flags if case.get(flag)]
    positional = [case["element"]] if "element" in case else []
    for name in ("types", "dimensions", "globs"):
        positional += case.get(name, [])
    answer = subprocess.run(
        [*arguments, "--", *positional], capture_output=True, text=True, check=False, timeout=120
    )
    if answer.returncode:
        return [], answer.stderr.strip() or f"exit code {answer.returncode}"
    (rows,) = json.loads(answer.stdout).values()
    found = []
    for row in rows:
        level = row.pop("Level", 0)
        if "Name" in row and command == "collections":
            row["Level"] = str(level)
        found.append({name: text for name, value in row.items() if (text := normal(value))})
    return found, ""


def changed_copy(root: str, folder: Path) -> str:
    """Copy a repository's registry and add collections that no release has.

    One has several validity ranges, of one dataset and of two, for one data
    ID; chains repeat each other.
    """
    for name in ("butler.yaml", "gen3.sqlite3"):
        shutil.copy(Path(root) / name, folder / name)
    butler = Butler.from_config(str(folder), writeable=True)
    twice, raws = "QbbCam/calib/twice", "QbbCam/raw/chain"
    butler.collections.register(twice, CollectionType.CALIBRATION)
    first, second = (
        butler.query_datasets("bias", collections=f"QbbCam/calib/{name}", find_first=False)
        for name in ("2025A", "2025B")
    )
    days = [Time(f"2025-0{month}-01", scale="tai") for month in (1, 5, 7, 9)]
    for refs, begin, end in ((first, 0, 1), (second, 1, 2), (first, 2, 3)):
        span = Timespan(days[begin], days[end])
        butler.registry.certify(twice, refs, span)
    for name, children in (
        ("nested", [twice, "QbbCam/raw/good", raws, "QbbCam/defaults"]),
        ("nested/again", ["skymaps", "nested", raws]),
    ):
        butler.collections.register(name, CollectionType.CHAINED)
        butler.collections.redefine_chain(name, children)
    return str(folder)


def judge(case: Mapping[str, Any], real: list[Row], error: str, own: list[Row], why: str) -> str:
    """Say what is wrong, or nothing."""
    if case.get("only_ours"):
        return "" if error and own else f"the real one should refuse: {error}; {why}"
    if error or why:
        if bool(error) == bool(why) or (UNKNOWN_TYPE in why and not real):
            return ""
        return f"real refused: {error or 'no'}; ours refused: {why or 'no'}"
    if len(real) != len(own):
        return f"{len(real)} rows, ours {len(own)}\n{difference(real, own)}"
    if case.get("limit") and not case.get("order_by"):
        return ""
    # What a glob matches comes as the database has it, unless it is listed by name.
    listed = case["command"] == "collections" and case.get("chains", "TREE") not in LISTINGS
    if not (case.get("order_by") or listed or case.get("ordered")):
        real, own = (sorted(rows, key=json_key) for rows in (real, own))
    if real != own:
        return f"other rows\n{difference(real, own)}"
    return ""


def json_key(row: Row) -> str:
    return json.dumps(row, sort_keys=True)


def difference(real: list[Row], own: list[Row]) -> str:
    """Show a row that only one has."""
    theirs, ours_only = ([r for r in a if r not in b] for a, b in ((real, own), (own, real)))
    return f"  only real: {theirs[:2]}\n  only ours: {ours_only[:2]}"


def compare(
    args: argparse.Namespace, cases: list[dict[str, Any]], roots: Mapping[bool, str]
) -> int:
    """Ask both sides; returns how many cases are wrong."""
    reals = {changed: Real(root) for changed, root in roots.items()}
    wrong = 0
    with ThreadPoolExecutor(max_workers=2) as pool:
        place = [case.get("changed", False) for case in cases]
        answers = [
            pool.submit(ours, args.qbb, roots[changed], case)
            for case, changed in zip(cases, place, strict=True)
        ]
        for case, changed, answer in zip(cases, place, answers, strict=True):
            rows, error = [], ""
            try:
                rows = reals[changed].answer(case)
            except EmptyQueryResultError:
                pass
            # Whatever else it raises, it refuses.
            except Exception as err:
                error = f"{type(err).__name__}: {err}"
            problem = judge(case, rows, error, *answer.result())
            if args.verbose:
                print(f"{case['name']}: {len(rows)} rows {error}")
            if problem:
                wrong += 1
                print(f"{case['name']}: {problem}")
    return wrong


def main(args: argparse.Namespace) -> int:
    """Compare all cases."""
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    with open(args.cases, encoding="utf-8") as file:
        cases = [case for case in json.load(file) if args.only in case["name"]]
    with tempfile.TemporaryDirectory() as scratch:
        roots = {False: args.release}
        if (Path(args.release) / "gen3.sqlite3").exists():
            roots[True] = changed_copy(args.release, Path(scratch))
        cases = [case for case in cases if case.get("changed", False) in roots]
        wrong = compare(args, cases, roots)
    print(f"{len(cases)} cases, {wrong} wrong")
    return int(wrong > 0)


if __name__ == "__main__":
    parser = make_parser(__doc__)
    parser.add_argument("cases", help="cases, as JSON")
    parser.add_argument("--qbb", required=True, help="our command")
    parser.add_argument("--release", required=True, help="repository that is asked")
    parser.add_argument("--only", default="", help="part of the names of the cases to compare")
    parser.add_argument("--verbose", action="store_true", help="say what was found")
    script_main(main, parser)
