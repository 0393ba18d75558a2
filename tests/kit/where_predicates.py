#!/usr/bin/env python3
"""Generate expressions of the where language and convert them with the middleware.

Prints one JSON object a line: the expression, the dimensions and dataset types
of the query, and the predicate; null if the middleware refuses the expression.
Half of the expressions follow the grammar with operands that go together more
often than not; the others are such expressions with a few tokens changed.
"""

from __future__ import annotations

import argparse
import json
import logging
import random
import warnings

from kit_support import make_parser, script_main

QUERIES = [
    (["visit", "detector"], ["raw"]),
    (["visit", "patch"], []),
    (["exposure", "detector"], ["raw", "bias"]),
    (["tract", "band"], ["coadd"]),
    (["htm7", "visit"], []),
    ([], []),
]
# fmt: off
OPERANDS = {
    "int": [
        "visit", "detector", "tract", "patch", "visit.id", "exposure.day_obs", "visit.seq_num",
        "seq_num", "day_obs", "htm7", "healpix9", "skymap.tract_max", "1", "42", "-7", "007",
        "9223372036854775807", "detector.id", "patch.cell_x", "htm9.id", "exposure",
    ],
    "float": [
        "visit.exposure_time", "exposure_time", "1.5", ".5", "2e3", "1.", "-0.25", "zenith_angle",
        "exposure.tracking_ra", "visit.azimuth", "1e-3",
    ],
    "text": [
        "instrument", "'Cam'", "band", "physical_filter", "detector.full_name", "full_name",
        "'D 1'", "visit.name", "visit.instrument", "raw.run", "raw.collection", "''", "run",
        "exposure.observation_type", "skymap", "target_name", "'r'", "detector.raft",
        "instrument.name", "name", "visit_detector_region.instrument",
    ],
    "time": [
        "T'2025-01-01'", "T'mjd/60676.5/tai'", "visit.timespan.begin", "exposure.timespan.end",
        "T'2025-01-01T20:00:10/tai'", "T'60676.25'", "t'2025:007'", "timespan.begin",
        "bias.timespan.end", "T'1969-01-01'", "T'unix/1735732800.25'", "T'+02025-01-01'",
    ],
    "timespan": [
        "visit.timespan", "exposure.timespan", "day_obs.timespan", "timespan", "bias.timespan",
        "(T'2025-01-01', T'2025-01-02')", "(T'2025-01-01', NULL)", "(null, T'2025-01-02/tai')",
        "(NULL, NULL)", "(T'2025-01-02', T'2025-01-02')", "(T'2025-01-03', T'2025-01-02')",
        "(NULL, T'1960-01-01')", "raw.timespan",
    ],
    "region": [
        "visit.region", "patch.region", "tract.region", "visit_detector_region.region", "region",
        "htm7.region", "POINT(10.2, 0.2)", "CIRCLE(10, -0.5, 1.5)", "BOX(10, 0, 2, 1.)",
        "POLYGON(0, 0, 1, 0, 1, 1, 0, 1)", "POLYGON(0, 1, 1, 1, 1, 0, 0, 0)",
        "REGION('CIRCLE 12 34 0.5')", "REGION('RANGE 10 12 -1 1')", "point(370, -90)",
        "REGION('POLYGON 1 1 3 1 3 2 1 2')", "CIRCLE(-1, +2, - -.5)", "healpix9.region",
        "BOX(359, 89.5, 2, 3)", "POINT((1), -(2))", "CIRCLE(1, 2, -1)", "BOX(10, 0, -2, 1)",
        "REGION('RANGE 350 10 -5 5')", "REGION('RANGE 0 360 -2 2')",
        "REGION('RANGE -Inf +Inf -Inf 5')",
    ],
    "uuid": [
        "raw.dataset_id", "dataset_id", "UUID('01a1f818-924c-7bd1-b8c2-d3d17226232c')",
        "uuid('{01A1F818924c7bd1b8c2d3d17226232c}')",
    ],
    "date": ["raw.ingest_date", "ingest_date", "coadd.ingest_date"],
    "hash": ["skymap.hash"],
    "bool": ["exposure.can_see_sky", "exposure.has_simulated", "can_see_sky"],
    "null": ["NULL", "null", "Null"],
    "wrong": [
        "vist", "visit.nme", "raw.size", "calexp.run", ":x", "1..3", "POINT(1)", "BOX(1,2,3)",
        "visit.visit", "visit.id.begin", "CIRCLE((1), 2, 3)", "f(1)", "UUID('x')", "POINT(1, 91)",
        "T'2025-01-32'", "POLYGON(0,0,1,0,2,0)", "REGION('BLOB 1')", "1.5.2", "INSTRUMENT",
        "GLOB(visit, 'x')", "T'x'", "99999999999999999999.5", "visit.region.begin", "POINT(,1,2)",
        "9999999999999999999999",
    ],
}
# fmt: on
COMPARISONS = ["=", "!=", "<", "<=", ">", ">=", "OVERLAPS"]
FITTING = {
    "int": COMPARISONS[:6],
    "float": COMPARISONS[:6],
    "text": COMPARISONS[:6],
    "time": COMPARISONS[:6],
    "date": COMPARISONS[:2],
    "hash": COMPARISONS[:2],
    "uuid": COMPARISONS[:2],
    "timespan": ["OVERLAPS"],
    "region": ["OVERLAPS", "OVERLAPS", "=", "!="],
}
# fmt: off
TOKENS = [
    "AND", "OR", "NOT", "IN", "OVERLAPS", "(", ")", ",", "=", "!=", "<", "==", "+", "-", "*", "/",
    "%", "'", "1", "..", "1..5", "-2 .. 4:2", "visit", "T'", "NULL", "GLOB(", ".", ":", "&", "\n",
    "\t", "\r", "ö", "3:2", "''", "IN (1)", "--1", "1e", "_x", "and", "Not",
]
# fmt: on


class Generator:
    """Random expressions."""

    def __init__(self, seed: int):
        self.random = random.Random(seed)

    def pick(self, kind: str) -> str:
        """Return an operand of some kind, or now and then of another."""
        if self.random.random() < 0.02:
            kind = self.random.choice(list(OPERANDS))
        return self.random.choice(OPERANDS[kind])

    def value(self, kind: str, depth: int) -> str:
        """Return an operand or arithmetic."""
        choose = self.random
        if kind in ("int", "float") and depth > 0 and choose.random() < 0.25:
            operator = choose.choice("+-*/%" if kind == "int" else "+-*/")
            text = f"{self.value(kind, depth - 1)} {operator} {self.value(kind, depth - 1)}"
            return f"({text})" if choose.random() < 0.3 else text
        if kind in ("int", "float") and choose.random() < 0.1:
            return choose.choice(["-", "+", "- "]) + self.pick(kind)
        text = self.pick(kind)
        return f"({text})" if choose.random() < 0.03 else text

    def item(self, kind: str) -> str:
        """Return a member of an IN list."""
        choose = self.random
        roll = choose.random()
        if kind == "int":
            first, last = choose.randint(-9, 30), choose.randint(-9, 60)
            if roll < 0.4:
                return str(first)
            if roll < 0.8:
                stride = choose.choice(["", "", ":2", ": 3", ":10"])
                return f"{first}{choose.choice(['..', ' .. '])}{last}{stride}"
        if roll < 0.85:
            literals = [x for x in OPERANDS.get(kind, []) if x[0] in "'T01-." or x[:4] == "UUID"]
            if literals:
                return choose.choice(literals)
        return self.pick(kind) if roll < 0.93 else self.pick("null")

    def comparison(self) -> str:
        """Return a condition that is no combination."""
        choose = self.random
        roll = choose.random()
        kind = choose.choice(list(FITTING))
        if roll < 0.55:
            other = kind
            if kind in ("int", "float") and choose.random() < 0.3:
                other = choose.choice(["int", "float"])
            operator = choose.choice(FITTING[kind])
            if kind == "timespan" and choose.random() < 0.3:
                other = choose.choice(["time", "date"])
            if kind == "date":
                other = choose.choice(["time", "time", "date"])
                operator = choose.choice(COMPARISONS[:6])
            if choose.random() < 0.03:
                operator = choose.choice(COMPARISONS)
            left, right = self.value(kind, 2), self.value(other, 2)
            return f"{left}{choose.choice([' ', ''])} {operator} {right}"
        if roll < 0.8:
            items = ", ".join(self.item(kind) for _ in range(choose.randint(1, 4)))
            negation = choose.choice(["", "NOT ", ""])
            return f"{self.value(kind, 1)} {negation}{choose.choice(['IN', 'in'])} ({items})"
        if roll < 0.88:
            kind = choose.choice(list(OPERANDS)[:-2])
            pair = [self.value(kind, 0), self.pick("null")]
            choose.shuffle(pair)
            return f"{pair[0]} {choose.choice(['=', '!='])} {pair[1]}"
        if roll < 0.94:
            return f"GLOB({self.pick('text')}, '{choose.choice(['*', 'v?*', 'a[b', 'x'])}')"
        return self.pick("bool")

    def condition(self, depth: int) -> str:
        """Return any condition."""
        choose = self.random
        roll = choose.random()
        if depth == 0 or roll < 0.4:
            return self.comparison()
        if roll < 0.55:
            return f"{choose.choice(['NOT', 'not'])} {self.condition(depth - 1)}"
        if roll < 0.7:
            return f"({self.condition(depth - 1)})"
        operator = choose.choice([" AND ", " and ", " OR ", "\nAND "])
        return operator.join(self.condition(depth - 1) for _ in range(choose.randint(2, 3)))

    def mutated(self, text: str) -> str:
        """Return an expression with a few words changed."""
        choose = self.random
        for _ in range(choose.randint(1, 2)):
            words = text.split(" ")
            at = choose.randrange(len(words))
            roll = choose.random()
            if roll < 0.3:
                words[at] = choose.choice(TOKENS)
            elif roll < 0.5:
                del words[at]
            elif roll < 0.8:
                words.insert(at, choose.choice(TOKENS))
            else:
                letter = choose.randrange(len(words[at]) + 1)
                words[at] = words[at][:letter] + choose.choice(TOKENS) + words[at][letter:]
            text = " ".join(words)
        return text


def run(args: argparse.Namespace) -> int:
    """Run the script."""
    from lsst.daf.butler import DimensionUniverse
    from lsst.daf.butler.queries._expression_strings import (
        convert_expression_string_to_predicate,
    )
    from lsst.daf.butler.queries._identifiers import IdentifierContext

    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    universe = DimensionUniverse()
    generator = Generator(args.seed)
    seen = set()
    while len(seen) < args.number:
        dimensions, datasets = generator.random.choice(QUERIES)
        text = generator.condition(generator.random.randint(0, 3))
        if generator.random.random() < args.mutated:
            text = generator.mutated(text)
        if text in seen:
            continue
        seen.add(text)
        context = IdentifierContext(universe.conform(dimensions), set(datasets), {})
        case = {"where": text, "dimensions": dimensions, "datasets": datasets, "predicate": None}
        try:
            predicate = convert_expression_string_to_predicate(
                text, context=context, universe=universe
            )
        except Exception:
            # Refusals come as any exception, assertions among them.
            predicate = None
        # Fields of datasets that a query does not join are refused one step later.
        columns = predicate and dataset_fields(predicate, universe)
        if predicate is not None and columns <= set(datasets):
            case["predicate"] = predicate.model_dump(mode="json")
        print(json.dumps(case, ensure_ascii=False))
    return 0


def dataset_fields(predicate: object, universe: object) -> set[str]:
    """Return the names of the dataset types that a predicate needs."""
    from lsst.daf.butler.queries.tree import ColumnSet

    columns = ColumnSet(universe.empty)
    predicate.gather_required_columns(columns)
    return set(columns.dataset_fields)


def main() -> None:
    """Read arguments and run."""
    parser = make_parser(__doc__)
    parser.add_argument("--seed", type=int, default=1, help="seed of the generator")
    parser.add_argument("--number", type=int, default=1000, help="number of expressions")
    parser.add_argument("--mutated", type=float, default=0.4, help="share of changed expressions")
    script_main(run, parser)


if __name__ == "__main__":
    main()
