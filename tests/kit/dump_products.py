#!/usr/bin/env python3
"""Write down the metadata, logs and configurations of a run as the real Butler reads them.

Whether they are in files of their own or in a provenance graph makes no
difference to the output, so outputs of before and after can be compared.
Each dataset must be stored.  With --in-provenance each must also be in the
run's provenance graph, and no other file may hold any of them.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from lsst.daf.butler import Butler

from kit_support import KitError, check_repository_root, make_parser, script_main

KINDS = ("TaskMetadata", "ButlerLogRecords", "Config")


def content(value: Any, kind: str) -> Any:
    """Return an object as JSON."""
    match kind:
        case "TaskMetadata":
            return value.model_dump(mode="json")
        case "ButlerLogRecords":
            return [record.model_dump(mode="json") for record in value]
        case _:
            return repr(sorted(value.toDict().items()))


def check_provenance(butler: Butler, root: str, run: str, files: set[str]) -> None:
    """Check that a run's products are where its provenance graph is."""
    (ref,) = butler.query_datasets("run_provenance", collections=run)
    uri = butler.getURI(ref)
    expected = f"{run}/run_provenance/run_provenance_{run.replace('/', '_')}.qg"
    if not uri.unquoted_path.endswith(f"/{expected}"):
        raise KitError(f"the provenance graph is at {uri}")
    if files != {str(uri)}:
        raise KitError(f"products are also in {sorted(files - {str(uri)})[:3]}")
    graph = butler.get(ref)
    if graph.header.output_run != run:
        raise KitError(f"the provenance graph is of run {graph.header.output_run}")
    left = [
        str(path)
        for path in Path(root, run).rglob("*")
        if path.is_dir() and not any(path.iterdir())
    ]
    if left:
        raise KitError(f"empty directories: {left[:3]}")


def run(args: argparse.Namespace) -> int:
    """Run the script."""
    root = check_repository_root(args.repository)
    products: dict[str, Any] = {}
    files: set[str] = set()
    with Butler.from_config(root) as butler:
        refs = butler.query_all_datasets(args.run, find_first=False, limit=None)
        for ref in refs:
            kind = ref.datasetType.storageClass_name
            if kind not in KINDS:
                continue
            if not butler.stored(ref):
                raise KitError(f"{ref} is not stored")
            key = f"{ref.datasetType.name} {ref.dataId} {ref.id}"
            products[key] = content(butler.get(ref), kind)
            files.add(str(butler.getURI(ref)))
        if args.in_provenance:
            check_provenance(butler, root, args.run, files)
    Path(args.output).write_text(json.dumps(products, sort_keys=True, indent=0))
    print(f"{len(products)} products in {len(files)} files")
    return 0


def main() -> None:
    """Parse the command line and run the script."""
    parser = make_parser(__doc__)
    parser.add_argument("repository", help="repository with the run")
    parser.add_argument("run", help="RUN collection")
    parser.add_argument("output", help="file to write, *.json")
    parser.add_argument("--in-provenance", action="store_true", help="they must be in one graph")
    script_main(run, parser)


if __name__ == "__main__":
    main()
