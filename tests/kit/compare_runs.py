#!/usr/bin/env python3
"""Say whether two runs hold the same datasets with the same content.

The outputs of the kit's tasks depend only on their inputs, so two executions
of one graph, or of two graphs that mean the same, must agree.  Left out is
what differs from run to run by its nature: the content of metadata, logs and
package versions, and the provenance graph, which only some commands write.
Exit code 1 if the runs differ.
"""

from __future__ import annotations

import argparse

from lsst.daf.butler import Butler, DatasetRef

from kit_support import KitError, check_repository_root, make_parser, script_main
from kit_task_base import digest_of

VARIABLE = {"TaskMetadata", "ButlerLogRecords", "Packages"}
"""Storage classes whose content is different in every run."""


def digests(repository: str, run: str) -> dict[str, str]:
    """Return a digest of each dataset of a run by dataset type and data ID."""
    with Butler.from_config(check_repository_root(repository)) as butler:
        if not butler.collections.query_info(run):
            raise KitError(f"{repository} has no collection {run}")

        def content(ref: DatasetRef) -> str:
            if ref.datasetType.storageClass_name in VARIABLE:
                return "present"
            if ref.datasetType.storageClass_name == "Config":
                return digest_of(butler.get(ref).toDict())
            return digest_of(butler.get(ref))

        refs = butler.query_all_datasets(run, find_first=False, limit=None)
        return {
            f"{ref.datasetType.name} {ref.dataId}": content(ref)
            for ref in refs
            if ref.datasetType.name != "run_provenance"
        }


def run(args: argparse.Namespace) -> int:
    """Run the script."""
    a, b = digests(args.repository_a, args.run_a), digests(args.repository_b, args.run_b)
    problems = [f"only in A: {key}" for key in sorted(a.keys() - b.keys())]
    problems += [f"only in B: {key}" for key in sorted(b.keys() - a.keys())]
    problems += [f"other content: {key}" for key in sorted(a.keys() & b.keys()) if a[key] != b[key]]
    for problem in problems[: args.limit]:
        print(problem)
    if len(problems) > args.limit:
        print(f"and {len(problems) - args.limit} more")
    print(f"{'different' if problems else 'same'}: {len(a)}/{len(b)} datasets")
    return 1 if problems else 0


def main() -> None:
    """Parse the command line and run the script."""
    parser = make_parser(__doc__)
    parser.add_argument("repository_a", help="first repository")
    parser.add_argument("run_a", help="its RUN collection")
    parser.add_argument("repository_b", help="second repository")
    parser.add_argument("run_b", help="its RUN collection")
    parser.add_argument("--limit", type=int, default=20, help="differences to print")
    script_main(run, parser)


if __name__ == "__main__":
    main()
