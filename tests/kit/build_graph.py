#!/usr/bin/env python3
"""Build a quantum graph with the real builder.

Datastore records of the inputs are attached, as a quantum-backed butler needs
them.  The last line printed is a JSON object with the time of each phase and
with counts.  Exit code 2 means that the builder refused, with its reason on
standard error.
"""

from __future__ import annotations

import argparse

from kit_support import (
    DEFAULTS,
    WHERE,
    KitError,
    Stopwatch,
    check_repository_root,
    make_parser,
    script_main,
)


def run(args: argparse.Namespace) -> int:
    """Run the script."""
    repository = check_repository_root(args.repository)
    if not args.graph.endswith(".qg"):
        raise KitError(f"the middleware writes .qg files only, not {args.graph}")
    watch = Stopwatch()
    with watch.lap("import"):
        from lsst.daf.butler import Butler, ButlerUserError
        from lsst.pipe.base import Pipeline
        from lsst.pipe.base.all_dimensions_quantum_graph_builder import (
            AllDimensionsQuantumGraphBuilder,
            DatasetQueryConstraintVariant,
        )
        from lsst.pipe.base.quantum_graph_builder import QuantumGraphBuilderError
    with watch.lap("open"):
        butler = Butler.from_config(repository)
    with butler:
        try:
            with watch.lap("pipeline"):
                pipeline = Pipeline.from_uri(args.pipeline)
                if args.no_op:
                    for label in pipeline.task_labels:
                        pipeline.addConfigOverride(label, "read_inputs", False)
                pipeline_graph = pipeline.to_graph()
            with watch.lap("build"):
                builder = AllDimensionsQuantumGraphBuilder(
                    pipeline_graph,
                    butler,
                    where=args.where,
                    input_collections=list(
                        butler.collections.query(args.input, flatten_chains=True)
                    ),
                    output_run=args.output_run,
                    skip_existing_in=args.skip_existing_in,
                    clobber=args.clobber,
                    dataset_query_constraint=DatasetQueryConstraintVariant.fromExpression(
                        args.constraint
                    ),
                )
                components = builder.finish(
                    output=args.output,
                    metadata={"butler_argument": repository, "data_query": args.where},
                    attach_datastore_records=True,
                )
        except (QuantumGraphBuilderError, ButlerUserError) as err:
            raise KitError(f"{type(err).__name__}: {err}") from err
        with watch.lap("write"):
            components.write(args.graph)
    header = components.header
    print(
        watch.report(
            n_quanta=header.n_quanta,
            n_datasets=header.n_datasets,
            n_task_quanta={label: n for label, n in sorted(header.n_task_quanta.items()) if n},
        )
    )
    return 0


def main() -> None:
    """Parse the command line and run the script."""
    parser = make_parser(__doc__)
    parser.add_argument("repository", help="repository to read")
    parser.add_argument("pipeline", help="pipeline YAML file; may end in #subset or #label,label")
    parser.add_argument("graph", help="file to write, *.qg")
    parser.add_argument(
        "--input",
        nargs="+",
        default=[DEFAULTS],
        metavar="COLLECTION",
        help="input collections, in order",
    )
    parser.add_argument("--output", default=None, help="CHAINED collection of the outputs")
    parser.add_argument("--output-run", default="u/kit/run", help="RUN collection of the outputs")
    parser.add_argument("--where", default=WHERE, help="data query")
    parser.add_argument(
        "--skip-existing-in",
        nargs="+",
        default=[],
        metavar="COLLECTION",
        help="leave out quanta that are done there",
    )
    parser.add_argument(
        "--clobber", action="store_true", help="outputs in the way will be removed before execution"
    )
    parser.add_argument(
        "--constraint",
        default="all",
        help="dataset query constraint: all, off or dataset type names",
    )
    parser.add_argument(
        "--no-op", action="store_true", help="configure the kit's tasks not to read their inputs"
    )
    script_main(run, parser)


if __name__ == "__main__":
    main()
