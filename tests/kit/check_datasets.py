"""Checks of datasets: artifacts, reading, data IDs, queries."""

from __future__ import annotations

import random
from typing import Any

from lsst.daf.butler import DatasetRef

from check_findings import Contents, Findings
from release_datasets import PARTS

TABLES = {"ArrowAstropy", "ArrowTable", "ArrowNumpy", "DataFrame"}


def check_artifacts(contents: Contents, findings: Findings, *, true_sizes: bool) -> None:
    """Check that every dataset has a datastore record and an artifact of its size.

    Parameters
    ----------
    contents : `Contents`
        Datasets to check.
    findings : `Findings`
        Where to report.
    true_sizes : `bool`
        Whether a record may not leave the size open; those that the stock
        transfer writes do.
    """
    butler, refs = contents.butler, list(contents.refs.values())
    # Paths and sizes are not part of any public interface.
    datastore: Any = butler._datastore
    problems = [
        f"{ref}: the datastore does not know it"
        for ref, known in datastore.knows_these(refs).items()
        if not known
    ]
    # For datasets that share a file stored_many is right about only one, so
    # those that it denies are asked for one by one.
    denied = [ref for ref, there in butler.stored_many(refs).items() if not there]
    problems += [f"{ref}: its artifact does not exist" for ref in denied if not butler.stored(ref)]
    sizes: dict[str, int] = {}
    n_open = 0
    for ref in refs:
        for info in datastore.getStoredItemsInfo(ref):
            uri = info.file_location(datastore.locationFactory).uri
            try:
                size = sizes.setdefault(str(uri), uri.size())
            except FileNotFoundError:
                problems.append(f"{ref}: {uri} does not exist")
                continue
            if info.file_size == -1:
                n_open += 1
                if true_sizes:
                    problems.append(f"{ref}: no size recorded, {uri} has {size} bytes")
            elif info.file_size != size:
                problems.append(f"{ref}: {info.file_size} bytes recorded, {uri} has {size}")
    left_open = f", {n_open} sizes left open" if n_open else ""
    findings.add(
        "artifacts",
        problems,
        f"{len(refs)} datasets in {len(sizes)} files of {sum(sizes.values())} bytes{left_open}",
    )


def check_reading(contents: Contents, findings: Findings, sample: int, seed: int = 0) -> None:
    """Check that datasets can be read, and components of those that have any."""
    butler, refs = contents.butler, list(contents.refs.values())
    if sample and len(refs) > sample:
        refs = random.Random(seed).sample(refs, sample)
    problems = []
    n_components = 0
    for ref in refs:
        try:
            value = butler.get(ref)
            if ref.datasetType.storageClass_name in TABLES:
                n_components += 2
                columns = butler.get(ref.makeComponentRef("columns"))
                n_rows = butler.get(ref.makeComponentRef("rowcount"))
                if list(columns) != list(value.colnames) or n_rows != len(value):
                    problems.append(
                        f"{ref}: components {list(columns)}, {n_rows} are not those of the table"
                    )
            elif ref.datasetType.storageClass_name == PARTS:
                n_components += len(value)
                parts = {name: butler.get(ref.makeComponentRef(name)) for name in value}
                if len(parts) < 2 or parts != value:
                    problems.append(f"{ref}: components {parts} are not those of {value}")
        except Exception as err:  # anything a formatter raises is a finding
            problems.append(f"{ref}: {type(err).__name__}: {err}")
    findings.add("reading", problems, f"{len(refs)} datasets and {n_components} components read")


def check_data_ids(contents: Contents, findings: Findings) -> None:
    """Check that every data ID expands to the values and records it should have."""
    problems = []
    unique = {ref.dataId for ref in contents.refs.values()}
    for data_id in unique:
        try:
            expanded = contents.butler.registry.expandDataId(data_id)
        except LookupError as err:
            problems.append(f"{data_id}: {err}")
            continue
        for name in data_id.dimensions.names:
            if name not in data_id.dimensions.skypix and expanded.records[name] is None:
                problems.append(f"{data_id}: no record of {name}")
        if data_id.hasFull() and dict(data_id.mapping) != dict(expanded.mapping):
            problems.append(f"{data_id} expands to {expanded}")
    findings.add("data IDs", problems, f"{len(unique)} expanded")


def check_queries(contents: Contents, findings: Findings) -> None:
    """Check that joined queries count as many rows as there are datasets."""
    problems = []
    groups = contents.by_type_and_run()
    for (name, run), refs in groups.items():
        with contents.butler.query() as query:
            counts = {"datasets": query.datasets(name, collections=run, find_first=False).count()}
            dimensions = refs[0].datasetType.dimensions
            if dimensions and not dimensions.skypix:
                joined = query.join_dataset_search(name, run)
                counts["data IDs"] = joined.data_ids(dimensions).count()
                # With records, so that each dimension's table is joined too.
                rows = joined.data_ids(dimensions).with_dimension_records()
                counts["expanded data IDs"] = sum(row.hasRecords() for row in rows)
        problems += [
            f"{name} in {run}: {len(refs)} datasets, but the query for {what} finds {count}"
            for what, count in counts.items()
            if count != len(refs)
        ]
    findings.add("queries", problems, f"{len(groups)} pairs of dataset type and run")


def describe_mismatch(wanted: DatasetRef, got: DatasetRef) -> str | None:
    """Say how a registered dataset differs from a predicted one, if it does."""
    a = (wanted.datasetType.name, wanted.dataId.required_values, wanted.run)
    b = (got.datasetType.name, got.dataId.required_values, got.run)
    return None if a == b else f"{wanted.id}: the graph has {wanted}, the repository {got}"
