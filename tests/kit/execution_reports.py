"""What the middleware's own commands say of the results of two executors.

`pipetask report` in both versions, `butler transfer-from-graph` and
`butler aggregate-graph --complete` run on each repository, and must report
the same and put the same into the registry.
"""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from execution_outputs import differences

DATABASE = "gen3.sqlite3"


def compare_reports(real: Path, ours: Path, graph: Path, scratch: Path) -> list[str]:
    """Describe how reports on two repositories differ, and what they transfer."""
    found = []
    theirs, own = (findings(root, graph, scratch) for root in (real, ours))
    for name in theirs:
        found += [f"{name}{item}" for item in differences(theirs[name], own[name])]
    return found


def findings(root: Path, graph: Path, scratch: Path) -> dict[str, Any]:
    """Return what the commands make of a repository, whose registry is left as it was."""
    found: dict[str, Any] = {}
    untouched = root / f"{DATABASE}.untouched"
    shutil.copyfile(root / DATABASE, untouched)
    try:
        provenance = scratch / "provenance.qg"
        provenance.unlink(missing_ok=True)
        found["aggregate-graph"] = butler(
            "aggregate_graph", "--complete", "-o", str(provenance), str(graph), str(root)
        )
        found["tables after aggregate-graph"] = tables(root)
        found["provenance"] = provenance_of(provenance) if provenance.exists() else None
        shutil.copyfile(untouched, root / DATABASE)
        found["transfer-from-graph"] = butler(
            "transfer_from_graph",
            "--register-dataset-types",
            "--update-output-chain",
            str(graph),
            str(root),
        )
        found["tables after transfer-from-graph"] = tables(root)
        for version in ("1", "2"):
            path = scratch / f"report-{version}.yaml"
            path.unlink(missing_ok=True)
            found[f"report, version {version}"] = report(version, root, graph, path)
    finally:
        shutil.move(untouched, root / DATABASE)
    return found


def butler(command: str, *words: str) -> str:
    """Run a ``butler`` command within this process; returns why it failed, or nothing."""
    from lsst.pipe.base.cli.cmd import commands

    return called(getattr(commands, command), words)


def called(command: Any, words: Sequence[str]) -> str:
    """Call a command; returns why it failed, or nothing."""
    silence = io.StringIO()
    try:
        with contextlib.redirect_stdout(silence), contextlib.redirect_stderr(silence):
            code = command.main(list(words), standalone_mode=False)
    except (Exception, SystemExit) as err:
        return f"{type(err).__name__}: {err}"
    return f"exit code {code}" if code else ""


def report(version: str, root: Path, graph: Path, path: Path) -> Any:
    """Return what ``pipetask report`` writes."""
    from lsst.ctrl.mpexec.cli.cmd import commands

    words = [str(root), str(graph), "--full-output-filename", str(path)]
    failure = called(commands.report, words + (["--force-v2"] if version == "2" else []))
    if failure:
        return failure
    text = path.read_text(encoding="utf-8", errors="surrogateescape").replace(str(root), "ROOT")
    return yaml.safe_load(text) if version == "1" else json.loads(text)


def tables(root: Path) -> dict[str, list[str]]:
    """Return the rows of all tables as texts, without times of ingest."""
    found = {}
    with contextlib.closing(sqlite3.connect(root / DATABASE)) as connection:
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (name,) in sorted(names):
            cursor = connection.execute(f'SELECT * FROM "{name}"')
            columns = [column[0] for column in cursor.description]
            kept = [i for i, column in enumerate(columns) if column != "ingest_date"]
            found[f" {name}"] = sorted(str([row[i] for i in kept]) for row in cursor)
    return found


def provenance_of(path: Path) -> dict[str, Any]:
    """Return what a provenance graph tells of each quantum and dataset."""
    from lsst.pipe.base.quantum_graph import ProvenanceQuantumGraphReader

    with ProvenanceQuantumGraphReader.open(path) as reader:
        reader.read_full_graph()
        nodes = dict(reader.graph.bipartite_xgraph.nodes(data=True))
    found: dict[str, Any] = {}
    for node_id, node in nodes.items():
        name = f" {node_id}"
        if "produced" in node:
            found[name] = node["produced"]
        elif "status" in node:
            name += f" {node['task_label']} {node['data_id']}"
            found[name] = {
                **attempt_of(node["status"], node["caveats"], node["exception"]),
                "resource_usage": node["resource_usage"] is not None,
                "attempts": [
                    {"attempt": a.attempt, **attempt_of(a.status, a.caveats, a.exception)}
                    for a in node["attempts"]
                ],
            }
    return found


def attempt_of(status: Any, caveats: Any, exception: Any) -> dict[str, Any]:
    """Return how an attempt ended, as texts."""
    return {
        "status": status.name,
        "caveats": None if caveats is None else caveats.value,
        "exception": None if exception is None else exception.model_dump(),
    }
