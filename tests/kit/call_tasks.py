#!/usr/bin/env python3
"""Call the tasks of a graph straight in a loop: what executing them costs at the least.

    call_tasks.py GRAPH FOLDER

Each task is constructed once.  A quantum is a call of its `runQuantum` with a
context that writes what is put into FOLDER as the formatters would, and then
the task's metadata and log messages: as many files as an executor leaves.
There is no butler, no check of anything, no resource usage and no provenance.

Inputs are not read, so the tasks must be configured not to.  Prints a JSON
line with import_seconds, inside_seconds, n_quanta and n_files.
"""

from __future__ import annotations

import argparse
import importlib
import json
import logging
import os
from typing import Any

from kit_support import Stopwatch, make_parser, script_main


class Context:
    """Takes what tasks put."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.quantum: Any = None
        self.n_files = 0

    def get(self, ref: Any) -> Any:
        """Refuse to read."""
        raise NotImplementedError("Configure the tasks with read_inputs=False.")

    def put(self, value: Any, ref: Any) -> None:
        """Write a dataset."""
        import pyarrow.parquet as pq
        import yaml
        from lsst.daf.butler.formatters.parquet import astropy_to_arrow

        path = os.path.join(self.folder, f"{ref.datasetType.name}-{ref.id}")
        if isinstance(value, dict):
            self.write(path, yaml.safe_dump(value, sort_keys=False).encode())
        else:
            pq.write_table(astropy_to_arrow(value), path)
            self.n_files += 1

    def write(self, path: str, content: bytes) -> None:
        """Write a file."""
        with open(path, "wb") as stream:
            stream.write(content)
        self.n_files += 1


class Messages(logging.Handler):
    """Keeps what is logged as JSON needs it."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.records: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        # Inherited.
        self.records.append(
            {"name": record.name, "asctime": record.created, "message": record.getMessage()}
        )


def call_all(quanta: dict[Any, tuple[Any, Any]], context: Context) -> None:
    """Run all quanta."""
    tasks: dict[str, Any] = {}
    messages = Messages()
    logging.getLogger().addHandler(messages)
    logging.getLogger().setLevel(logging.INFO)
    for quantum_id, (node, quantum) in quanta.items():
        if node.label not in tasks:
            init_inputs: dict[str, Any] = {name: {} for name in node.init.inputs}
            tasks[node.label] = node.task_class(
                config=node.config, initInputs=init_inputs, name=node.label
            )
        task = tasks[node.label]
        context.quantum = quantum
        task.runQuantum(context, *node.get_connections().buildDatasetRefs(quantum))
        name = os.path.join(context.folder, f"{node.label}-{quantum_id}")
        metadata = task.getFullMetadata().model_dump_json()
        context.write(f"{name}-metadata", metadata.encode())
        context.write(f"{name}-log", json.dumps(messages.records).encode())
        messages.records.clear()


def run(args: argparse.Namespace) -> int:
    """Run the script."""
    watch = Stopwatch()
    with watch.lap("import"):
        from lsst.pipe.base.quantum_graph import PredictedQuantumGraph

        importlib.import_module("lsst.daf.butler.formatters.parquet")
        graph = PredictedQuantumGraph.read_execution_quanta(args.graph)
        built = graph.build_execution_quanta()
        labels = {
            quantum_id: info["task_label"]
            for quantum_id, info in graph.quantum_only_xgraph.nodes.items()
        }
        quanta = {
            quantum_id: (graph.pipeline_graph.tasks[labels[quantum_id]], built[quantum_id])
            for quantum_id in graph
        }
    os.makedirs(args.folder)
    context = Context(args.folder)
    with watch.lap("inside"):
        call_all(quanta, context)
    print(watch.report(n_quanta=len(quanta), n_files=context.n_files))
    return 0


def main() -> None:
    """Parse the command line and run the script."""
    parser = make_parser(__doc__)
    parser.add_argument("graph", help="graph whose tasks are no-ops (.qg)")
    parser.add_argument("folder", help="folder to write to; must not exist")
    script_main(run, parser)


if __name__ == "__main__":
    main()
