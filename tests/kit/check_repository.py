#!/usr/bin/env python3
"""Open a repository with the real Butler and check that it is whole.

  chains           children exist, nothing is there twice, no cycles
  summaries        what is in a run is named in its summary
  find-first       searching a chain finds what walking its children finds
  artifacts        each dataset has a record, a file and the recorded size
  reading          datasets and components of tables can be read
  data IDs         expand to full values and records
  queries          joins of datasets and dimensions count as they should
  overlap rows     equal the pixel envelopes that sphgeom computes
  spatial queries  equal the overlaps of the regions themselves
  database         integrity, foreign keys, datasets that no tag makes visible
  outputs          with --graph: predicted outputs are registered as predicted
  output chain     with --graph: it begins with the output run
  inputs           with --graph and --inputs: inputs are registered under their
                   UUIDs and the graph's input collections find them

Exit code 0 if all checks pass and 1 if any fails.
"""

from __future__ import annotations

import argparse
import sqlite3
import uuid

from lsst.daf.butler import Butler, CollectionType, DatasetRef
from lsst.pipe.base.quantum_graph import PredictedQuantumGraphComponents

from check_collections import check_chains, check_find_first, check_summaries
from check_datasets import (
    check_artifacts,
    check_data_ids,
    check_queries,
    check_reading,
    describe_mismatch,
)
from check_findings import Contents, Findings
from check_sky import check_overlap_rows, check_spatial_queries
from graph_lines import load_components
from kit_registry import open_registry
from kit_support import KitError, check_repository_root, make_parser, script_main


class Prediction:
    """What a graph says about datasets.

    Parameters
    ----------
    components : `lsst.pipe.base.quantum_graph.PredictedQuantumGraphComponents`
        The whole graph.
    """

    def __init__(self, components: PredictedQuantumGraphComponents):
        self.header = components.header
        self.outputs: dict[uuid.UUID, DatasetRef] = {}
        self.inputs: dict[uuid.UUID, DatasetRef] = {}
        quanta = (*components.quantum_datasets.values(), *components.init_quanta.root)
        for attribute, refs in (("outputs", self.outputs), ("inputs", self.inputs)):
            for quantum in quanta:
                for models in getattr(quantum, attribute).values():
                    for model in models:
                        if model.dataset_id not in refs and model.dataset_id not in self.outputs:
                            refs[model.dataset_id] = components.make_dataset_ref(model)


def check_outputs(
    contents: Contents, prediction: Prediction, findings: Findings, *, expect_all: bool
) -> None:
    """Compare a run with the outputs that a graph predicted for it."""
    problems = []
    n_there = 0
    for dataset_id, ref in prediction.outputs.items():
        found = contents.refs.get(dataset_id)
        if found is None:
            if expect_all:
                problems.append(f"{ref}: not registered")
            continue
        n_there += 1
        mismatch = describe_mismatch(ref, found)
        if mismatch:
            problems.append(mismatch)
    problems += [
        f"{ref}: not predicted by the graph"
        for dataset_id, ref in contents.refs.items()
        if ref.run == prediction.header.output_run
        and dataset_id not in prediction.outputs
        # The middleware's own addition when it ingests provenance.
        and ref.datasetType.name != "run_provenance"
    ]
    findings.add("outputs", problems, f"{n_there} of {len(prediction.outputs)} are registered")


def check_output_chain(butler: Butler, prediction: Prediction, findings: Findings) -> None:
    """Check that the output chain leads to the run first, and then to the inputs."""
    chain, run = prediction.header.output, prediction.header.output_run
    if chain is None:
        return
    problems = []
    infos = {info.name: info for info in butler.collections.query_info("*")}
    if chain not in infos:
        problems.append(f"{chain} does not exist")
    elif infos[chain].type is not CollectionType.CHAINED or infos[chain].children[:1] != (run,):
        problems.append(
            f"{chain} is {infos[chain].type.name} {infos[chain].children}, not a chain to {run}"
        )
    findings.add("output chain", problems, f"{chain} begins with {run}")


def check_inputs(butler: Butler, prediction: Prediction, findings: Findings, sample: int) -> None:
    """Check that a graph's inputs are registered, readable and found as they were."""
    problems = []
    found_refs: list[DatasetRef] = []
    for dataset_id, ref in prediction.inputs.items():
        found = butler.get_dataset(dataset_id)
        if found is None:
            problems.append(f"{ref}: not registered")
            continue
        found_refs.append(found)
        mismatch = describe_mismatch(ref, found)
        if mismatch:
            problems.append(mismatch)
    missing = [name for name in prediction.header.inputs if not butler.collections.query_info(name)]
    problems += [f"input collection {name} does not exist" for name in missing]
    if not missing:
        for ref in found_refs:
            if not ref.datasetType.isCalibration():
                first = butler.find_dataset(
                    ref.datasetType, ref.dataId, collections=list(prediction.header.inputs)
                )
                if first is None or first.id != ref.id:
                    problems.append(f"{ref}: the input collections find {first}")
    findings.add(
        "inputs", problems, f"{len(found_refs)} of {len(prediction.inputs)} are registered"
    )
    here = Contents(butler, [])
    here.refs = {ref.id: ref for ref in found_refs}
    reading = Findings()
    check_reading(here, reading, sample)
    findings.add("reading inputs", reading.checks[0]["problems"], reading.checks[0]["detail"])


def check_database(butler: Butler, root: str, findings: Findings) -> None:
    """Check a SQLite registry's own integrity and that no dataset of any registry is invisible."""
    problems = []
    with open_registry(root) as connection:
        if isinstance(connection, sqlite3.Connection):
            (verdict,) = connection.execute("PRAGMA integrity_check").fetchone()
            if verdict != "ok":
                problems.append(f"integrity: {verdict}")
            problems += [
                f"foreign key: {row}" for row in connection.execute("PRAGMA foreign_key_check")
            ]
        (n_rows,) = connection.execute("SELECT COUNT(*) FROM dataset").fetchone()
        sides = ("dataset_location", "file_datastore_records")
        for one, other in (sides, sides[::-1]):
            (n_alone,) = connection.execute(
                f"SELECT COUNT(*) FROM {one} "
                f"WHERE dataset_id NOT IN (SELECT dataset_id FROM {other})"
            ).fetchone()
            if n_alone:
                problems.append(f"{n_alone} datasets are in {one} but not in {other}")
    runs = butler.collections.query("*", CollectionType.RUN)
    visible = len(Contents(butler, list(runs)).refs)
    if visible != n_rows:
        problems.append(f"{n_rows} datasets are registered but only {visible} are in runs")
    findings.add("database", problems, f"{n_rows} datasets")


def run(args: argparse.Namespace) -> int:
    """Run the script."""
    root = check_repository_root(args.repository)
    if (args.inputs or args.expect_all) and not args.graph:
        raise KitError("--inputs and --expect-all need --graph")
    findings = Findings()
    prediction = Prediction(load_components(args.graph)) if args.graph else None
    with Butler.from_config(root) as butler:
        check_chains(butler, findings)
        runs = args.run or ([prediction.header.output_run] if prediction else None)
        known = butler.collections.query("*", CollectionType.RUN)
        unknown = sorted(set(runs or ()) - set(known))
        if unknown:
            findings.add(
                "runs", [f"{name} is no RUN collection" for name in unknown], "runs to check"
            )
        contents = Contents(butler, [name for name in runs or known if name in known])
        check_summaries(contents, findings)
        check_find_first(butler, findings, args.lookups)
        check_artifacts(contents, findings, true_sizes=args.true_sizes)
        check_reading(contents, findings, args.sample)
        check_data_ids(contents, findings)
        check_queries(contents, findings)
        check_spatial_queries(butler, findings)
        check_overlap_rows(butler, root, findings)
        check_database(butler, root, findings)
        if prediction:
            check_outputs(contents, prediction, findings, expect_all=args.expect_all)
            check_output_chain(butler, prediction, findings)
            if args.inputs:
                check_inputs(butler, prediction, findings, args.sample)
    print(findings.json() if args.json else findings.text())
    return 0 if findings.passed else 1


def main() -> None:
    """Parse the command line and run the script."""
    parser = make_parser(__doc__)
    parser.add_argument("repository", help="repository to check")
    parser.add_argument("--graph", default=None, help="graph (.qg) whose outputs should be here")
    parser.add_argument(
        "--expect-all", action="store_true", help="each predicted output must be here"
    )
    parser.add_argument("--inputs", action="store_true", help="the graph's inputs must be here too")
    parser.add_argument(
        "--run", nargs="+", default=None, help="runs to check (default: the graph's, else all)"
    )
    parser.add_argument(
        "--true-sizes", action="store_true", help="no record may leave the size open"
    )
    parser.add_argument("--sample", type=int, default=0, help="datasets to read at most (0: all)")
    parser.add_argument(
        "--lookups", type=int, default=25, help="single look-ups for each chain (0: all)"
    )
    parser.add_argument("--json", action="store_true", help="print findings as one JSON object")
    script_main(run, parser)


if __name__ == "__main__":
    main()
