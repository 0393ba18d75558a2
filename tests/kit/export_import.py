#!/usr/bin/env python3
"""Bring all datasets of collections into a repository as the middleware can: export and import.

    export_import.py RELEASE REPOSITORY COLLECTION [COLLECTION ...]

Files stay where they are (``transfer="direct"``), and the collections come with all that is in
them. Prints a JSON line with import_seconds, which is Python importing the middleware, and
inside_seconds, also as CPU time, and with the number of datasets.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from kit_support import Stopwatch, make_parser, script_main


def run(args: argparse.Namespace) -> int:
    """Run the script."""
    watch = Stopwatch()
    with watch.lap("import"):
        from lsst.daf.butler import Butler
    with (
        watch.lap("inside"),
        tempfile.TemporaryDirectory() as scratch,
        Butler.from_config(args.release) as release,
        Butler.from_config(args.repository, writeable=True) as repository,
    ):
        file = str(Path(scratch) / "export.yaml")
        refs = [
            ref
            for dataset_type in release.registry.queryDatasetTypes()
            for ref in release.query_datasets(
                dataset_type,
                args.collections,
                find_first=False,
                with_dimension_records=True,
                limit=None,
                explain=False,
            )
        ]
        collections = release.collections.query_info(
            args.collections, flatten_chains=True, include_chains=True
        )
        with release.export(filename=file, transfer=None) as export:
            export.saveDatasets(refs)
            for info in collections:
                export.saveCollection(info.name)
        (root,) = release.get_datastore_roots().values()
        repository.import_(directory=root, filename=file, transfer="direct")
    print(watch.report(n_datasets=len(set(refs))))
    return 0


def main() -> None:
    """Parse the command line and run."""
    parser = make_parser(__doc__)
    parser.add_argument("release", help="Repository that datasets come from.")
    parser.add_argument("repository", help="Repository that they are to be in.")
    parser.add_argument("collections", nargs="+", help="Collections whose datasets they are.")
    script_main(run, parser)


if __name__ == "__main__":
    main()
