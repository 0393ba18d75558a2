#!/usr/bin/env python3
"""Write a canonical description of a quantum graph file (.qg).

The description is sorted JSON lines without random identifiers, so two files
describe alike if and only if their graphs mean the same.  The line kinds:

  header                 collections and counts
  pipeline, pipeline_task, pipeline_edge, pipeline_dataset_type
                         the pipeline graph; its sort index is left out
  task_init              init-inputs and init-outputs of each task
  quantum                inputs and outputs by connection
  edge                   from one quantum to another
  datastore_record       records of existing inputs, once each
  dimension_record       every attached dimension record, whole

Before that the parts of the file are compared with each other, as the
middleware would trust them; contradictions are reported and give exit code 1.
"""

from __future__ import annotations

import argparse
import sys

from graph_consistency import inconsistencies
from graph_lines import GraphDescription, load_components
from kit_support import canonical, make_parser, script_main


def run(args: argparse.Namespace) -> int:
    """Run the script."""
    components = load_components(args.graph)
    lines = sorted(canonical(line) for line in GraphDescription(components).lines())
    text = "".join(f"{line}\n" for line in lines)
    if args.output == "-":
        sys.stdout.write(text)
    else:
        with open(args.output, "w", encoding="utf-8") as stream:
            stream.write(text)
        print(f"{len(lines)} lines written to {args.output}")
    problems = inconsistencies(args.graph, components)
    for problem in problems:
        print(f"inconsistent: {problem}", file=sys.stderr)
    return 1 if problems else 0


def main() -> None:
    """Parse the command line and run the script."""
    parser = make_parser(__doc__)
    parser.add_argument("graph", help="graph file, *.qg")
    parser.add_argument("output", help="file to write, or - for standard output")
    script_main(run, parser)


if __name__ == "__main__":
    main()
