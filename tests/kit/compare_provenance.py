#!/usr/bin/env python3
"""Say how two provenance quantum graphs differ.

Both are read by the middleware.  Compared are headers, the bipartite graph
with the attributes of its nodes and edges, all attempts at each quantum, task
metadata and logs by quantum and by dataset, package versions, and the tables
that reports are made of.  Exit code 1 if the graphs differ.

With --statuses-only nothing is compared that differs between two executions
of the same graph by its nature: times, memory, logs and metadata.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Iterator
from typing import Any

from lsst.pipe.base.quantum_graph import ProvenanceQuantumGraph, ProvenanceQuantumGraphReader

from kit_support import make_parser, script_main

LONGEST = 2000
"""Characters of a difference to print."""


@dataclasses.dataclass
class Told:
    """All that a file says."""

    graph: ProvenanceQuantumGraph
    metadata: dict[Any, list[Any]]
    logs: dict[Any, list[Any]]
    packages: dict[str, str]


def read(path: str) -> Told:
    """Read a file completely."""
    with ProvenanceQuantumGraphReader.open(path) as reader:
        reader.read_full_graph()
        graph = reader.graph
        nodes = graph.bipartite_xgraph.nodes
        quanta = [q for by_data_id in graph.quanta_by_task.values() for q in by_data_id.values()]
        special = [nodes[q]["metadata_id"] for q in quanta]
        metadata = reader.fetch_metadata(quanta + special)
        special = [nodes[q]["log_id"] for q in quanta]
        logs = reader.fetch_logs(quanta + special)
        return Told(
            graph,
            {
                key: [None if a is None else a.model_dump() for a in v]
                for key, v in metadata.items()
            },
            {
                key: [None if a is None else [r.model_dump() for r in a] for a in v]
                for key, v in logs.items()
            },
            dict(reader.fetch_packages()),
        )


def same(a: Any, b: Any) -> bool:
    """Tell whether values are equal; not-a-number is equal to itself."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b or (a != a and b != b)


def attempt(told: Any, *, statuses_only: bool) -> dict[str, Any]:
    """Return an attempt's values for comparison."""
    tree = told.model_dump()
    usage = tree.pop("resource_usage")
    if statuses_only:
        del tree["previous_process_quanta"]
        if tree["exception"] is not None:
            tree["exception"]["metadata"] = {}
        return tree
    if usage is not None:
        start = usage.pop("start").timestamp()
        tree["usage"] = {"start": round(start, 6), **{k: round(v, 5) for k, v in usage.items()}}
    else:
        tree["usage"] = None
    return tree


def describe_node(info: dict[str, Any], *, statuses_only: bool) -> dict[str, Any]:
    """Return the attributes of a node for comparison."""
    result: dict[str, Any] = {}
    for key, value in info.items():
        if key == "pipeline_node":
            result[key] = value.name if hasattr(value, "name") else value.label
        elif key == "attempts":
            result[key] = [attempt(a, statuses_only=statuses_only) for a in value]
        elif key in ("exception", "resource_usage"):
            # Those of the last attempt, which is compared.
            continue
        else:
            result[key] = value
    return result


def differences(a: Told, b: Told, *, statuses_only: bool) -> Iterator[str]:
    """Yield what differs."""
    ours, theirs = a.graph.bipartite_xgraph, b.graph.bipartite_xgraph
    for key in type(a.graph.header).model_fields:
        if key in ("provenance_dataset_id", "int_size"):
            # A new name each time, and how numbers are written.
            continue
        x, y = getattr(a.graph.header, key), getattr(b.graph.header, key)
        if x != y:
            yield f"header {key}: {x} / {y}"
    if a.graph.init_quanta != b.graph.init_quanta:
        yield f"init quanta: {a.graph.init_quanta} / {b.graph.init_quanta}"
    for node in sorted(ours.nodes.keys() | theirs.nodes.keys()):
        if node not in ours or node not in theirs:
            yield f"node {node}: only in {'A' if node in ours else 'B'}"
            continue
        x = describe_node(ours.nodes[node], statuses_only=statuses_only)
        y = describe_node(theirs.nodes[node], statuses_only=statuses_only)
        for key in sorted(x.keys() | y.keys()):
            if not same(x.get(key), y.get(key)):
                what = x.get("task_label", x.get("dataset_type_name"))
                yield f"{what} {node} {key}:\n    {x.get(key)}\n    {y.get(key)}"

    def edges(graph: Any) -> set[Any]:
        return {
            (u, v, d["is_read"], tuple(sorted(e.connection_name for e in d["pipeline_edges"])))
            for u, v, d in graph.edges(data=True)
        }

    for edge in sorted(edges(ours) ^ edges(theirs)):
        yield f"edge {edge}: only in {'A' if edge in edges(ours) else 'B'}"
    if set(a.graph.quantum_only_xgraph.edges) != set(b.graph.quantum_only_xgraph.edges):
        yield "edges between quanta"
    if a.graph.quanta_by_task != b.graph.quanta_by_task:
        yield "quanta by task"
    # Of datasets with the same data ID in different runs, one is kept: any.
    x, y = a.graph.datasets_by_type, b.graph.datasets_by_type
    if {name: set(ids) for name, ids in x.items()} != {name: set(ids) for name, ids in y.items()}:
        yield "datasets by type"
    if not statuses_only:
        for name in ("metadata", "logs"):
            x, y = getattr(a, name), getattr(b, name)
            for key in sorted(x.keys() | y.keys()):
                if not same(x.get(key), y.get(key)):
                    yield f"{name} of {key}:\n    {x.get(key)}\n    {y.get(key)}"
        for name in sorted(a.packages.keys() & b.packages.keys()):
            if a.packages[name] != b.packages[name]:
                yield f"package {name}: {a.packages[name]} / {b.packages[name]}"
    if not a.packages:
        yield "no packages"
    for name in ("make_quantum_table", "make_exception_table"):
        tables = []
        for told in (a, b):
            rows = getattr(told.graph, name)()
            tables.append("\n".join(rows.pformat(-1, -1)) if len(rows) else "")
        if tables[0] != tables[1]:
            yield f"{name}:\n{tables[0]}\n{tables[1]}"


def run(args: argparse.Namespace) -> int:
    """Run the script."""
    a, b = read(args.a), read(args.b)
    problems = list(differences(a, b, statuses_only=args.statuses_only))
    for problem in problems[: args.limit]:
        print(problem if len(problem) < LONGEST else f"{problem[:LONGEST]}…")
    if len(problems) > args.limit:
        print(f"and {len(problems) - args.limit} more")
    quanta = sum(map(len, a.graph.quanta_by_task.values()))
    print(f"{'different' if problems else 'same'}: {quanta} quanta")
    return 1 if problems else 0


def main() -> None:
    """Parse the command line and run the script."""
    parser = make_parser(__doc__)
    parser.add_argument("a", help="a provenance graph, *.qg")
    parser.add_argument("b", help="another one")
    parser.add_argument("--statuses-only", action="store_true", help="compare two executions")
    parser.add_argument("--limit", type=int, default=20, help="differences to print")
    script_main(run, parser)


if __name__ == "__main__":
    main()
