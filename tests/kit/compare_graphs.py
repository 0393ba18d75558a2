#!/usr/bin/env python3
"""Say how two quantum graphs differ; exit 1 if they do.

Either argument may be a graph file (.qg) or a description that dump_graph.py
wrote (.jsonl).  For each kind of line the things that only one graph has are
listed, and for those that both have the fields that differ.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import Any

from graph_lines import IDENTITY, describe
from kit_support import KitError, canonical, make_parser, script_main

Lines = dict[str, dict[str, Any]]
LONGEST = 400
"""Characters of a value that are printed."""


def load(path: str) -> dict[str, Lines]:
    """Return a graph's lines by kind and by what they are about."""
    texts = (
        Path(path).read_text(encoding="utf-8").splitlines()
        if path.endswith(".jsonl")
        else describe(path)
    )
    result: dict[str, Lines] = {kind: {} for kind in IDENTITY}
    for number, text in enumerate(texts, start=1):
        try:
            line = json.loads(text)
            kind = line["kind"]
            key = canonical([line[field] for field in IDENTITY[kind]])
        except (ValueError, KeyError, TypeError) as err:
            raise KitError(f"{path}:{number} is no line of a graph description: {err!r}") from err
        # A graph that contradicts itself describes one thing in several ways.
        while key in result[kind]:
            key += " again"
        result[kind][key] = line
    return result


def shorten(value: Any) -> str:
    """Return a value's JSON text, cut if it is long."""
    text = canonical(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}... ({len(text)} characters)"


def differences(a: Any, b: Any, where: str) -> list[str]:
    """Describe how two JSON values differ, by the deepest paths that do."""
    if a == b:
        return []
    if isinstance(a, dict) and isinstance(b, dict):
        found = []
        for name in sorted(a.keys() | b.keys()):
            path = f"{where}.{name}"
            if name not in b:
                found.append(f"{path} only in A: {shorten(a[name])}")
            elif name not in a:
                found.append(f"{path} only in B: {shorten(b[name])}")
            else:
                found += differences(a[name], b[name], path)
        return found
    if isinstance(a, list) and isinstance(b, list):
        count_a, count_b = (Counter(canonical(item) for item in items) for items in (a, b))
        found = [f"{where} only in A: {item[:LONGEST]}" for item in (count_a - count_b).elements()]
        found += [f"{where} only in B: {item[:LONGEST]}" for item in (count_b - count_a).elements()]
        return found or [f"{where}: same items in another order"]
    return [f"{where}: {shorten(a)} in A, {shorten(b)} in B"]


def compare(kind: str, a: Lines, b: Lines) -> list[str]:
    """Describe how the lines of one kind differ."""
    found = [f"only in A: {key}" for key in sorted(a.keys() - b.keys())]
    found += [f"only in B: {key}" for key in sorted(b.keys() - a.keys())]
    for key in sorted(a.keys() & b.keys()):
        details = differences(a[key], b[key], kind)
        found += [f"{key}: {detail}" for detail in details]
    return found


def run(args: argparse.Namespace) -> int:
    """Run the script."""
    a, b = load(args.a), load(args.b)
    kinds = [kind for kind in IDENTITY if kind not in args.skip]
    total = 0
    for kind in kinds:
        found = compare(kind, a[kind], b[kind])
        total += len(found)
        if found:
            print(f"{kind}: {len(found)} differences")
            print("".join(f"  {item}\n" for item in found[: args.limit]), end="")
            if len(found) > args.limit:
                print(f"  and {len(found) - args.limit} more")
    sizes = ", ".join(f"{len(a[k])}/{len(b[k])} {k}" for k in kinds if a[k] or b[k])
    print(f"{'different' if total else 'same'}: {sizes}")
    return 1 if total else 0


def main() -> None:
    """Parse the command line and run the script."""
    parser = make_parser(__doc__)
    parser.add_argument("a", help="first graph (.qg) or description (.jsonl)")
    parser.add_argument("b", help="second graph or description")
    parser.add_argument(
        "--limit", type=int, default=20, help="differences to print for each kind of line"
    )
    parser.add_argument(
        "--skip",
        nargs="+",
        default=[],
        choices=list(IDENTITY),
        metavar="KIND",
        help="kinds to leave out",
    )
    script_main(run, parser)


if __name__ == "__main__":
    main()
