"""Export a pipeline as JSON, for building quantum graphs without Python.

Started as ``python -m qbb_worker.export PIPELINE -o FILE``.  The document has
the middleware's own serialised pipeline graph, not resolved against any
repository, and next to it what that serialisation leaves out, see
`qbb_worker.supplement` and `qbb_worker.storage`.

On failure the last line on standard error is a JSON object with the member
``error``, and the exit status is 2.
"""

from __future__ import annotations

__all__ = ("export_pipeline", "main")

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from .conditions import Watch
from .errors import WorkerError
from .sources import OpenedFiles, package_versions

FORMAT = "qbb-pipeline-export"
"""Value of the member ``format`` of an export (`str`)."""

FORMAT_VERSION = 1
"""Value of the member ``version`` of an export (`int`)."""

Action = tuple[str, str]
"""A change to the pipeline: ``config``, ``config-file``, ``instrument``,
``task`` or ``delete``, and its argument."""


class _Parser(argparse.ArgumentParser):
    """A parser that reports errors the way the rest of the program does."""

    def error(self, message: str) -> NoReturn:
        raise WorkerError("usage", message, hint=self.format_usage().strip())


class _AppendAction(argparse.Action):
    """Collects changes of all kinds in the order of the command line."""

    def __call__(
        self, parser: Any, namespace: Any, values: Any, option_string: str | None = None
    ) -> None:
        namespace.actions = [*namespace.actions, (self.const, values)]


def _parser() -> _Parser:
    parser = _Parser(
        prog="qbb_worker.export", description="Export a pipeline as JSON.", allow_abbrev=False
    )
    parser.set_defaults(actions=[])
    parser.add_argument(
        "pipeline",
        help="pipeline file or URI; '#label,subset' selects a part of it; empty for one that has "
        "nothing but the tasks that are added",
    )
    for flags, kind, metavar, text in (
        (("-c", "--config"), "config", "LABEL:FIELD=VALUE", "set a field of a configuration"),
        (("-C", "--config-file"), "config-file", "LABEL:FILE", "apply a configuration file"),
        (("--instrument",), "instrument", "CLASS", "use the overrides of an instrument"),
        (("-t", "--task"), "task", "CLASS[:LABEL]", "add a task"),
        (("--delete",), "delete", "LABEL", "leave out a task"),
    ):
        parser.add_argument(
            *flags, action=_AppendAction, const=kind, metavar=metavar, help=text, default=None
        )
    parser.add_argument(
        "--select-tasks",
        default="",
        metavar="EXPR",
        help="keep only tasks that match an expression",
    )
    parser.add_argument(
        "--storage-classes",
        default="{}",
        metavar="JSON",
        help="storage classes that the repository defines, by name",
    )
    parser.add_argument("-o", "--output", required=True, metavar="FILE", help="'-' is stdout")
    parser.add_argument(
        "--conditions",
        metavar="FILE",
        help="also write what must stay as it is for the export to be used again",
    )
    return parser


def export_pipeline(
    uri: str,
    actions: Sequence[Action],
    select_tasks: str = "",
    opened: OpenedFiles | None = None,
    storage_classes: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Load a pipeline and describe it.

    Parameters
    ----------
    uri : `str`
        File or URI, with an optional ``#label,subset`` suffix.
    actions : `~collections.abc.Sequence` [ `tuple` ]
        Changes to make, in order.
    select_tasks : `str`, optional
        Expression that selects tasks.
    opened : `OpenedFiles`, optional
        Where to record the files that are read.
    storage_classes : `~collections.abc.Mapping` [ `str`, `dict` ], optional
        Storage classes that the repository defines.

    Returns
    -------
    document : `dict`
        The export, ready to be written as JSON.

    Raises
    ------
    WorkerError
        Raised if anything in the pipeline is wrong.
    """
    opened = opened or OpenedFiles()
    defined = storage_classes or {}
    with opened.recording():
        from .storage import define_storage_classes

        define_storage_classes(defined)
        from .pipelines import load_pipeline_graph

        graph = load_pipeline_graph(uri, actions, select_tasks)

    from lsst.pipe.base.pipeline_graph.io import SerializedPipelineGraph

    from .storage import describe_storage_classes
    from .supplement import describe_tasks, storage_classes_of

    serialized = SerializedPipelineGraph.serialize(graph).model_dump(mode="json")
    # The graph's own idea of dimensions must come from a repository.
    serialized["dimensions"] = None
    described, formatters = describe_storage_classes(storage_classes_of(graph), defined)
    return {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "source": {
            "uri": _absolute(uri) if uri else "",
            "overrides": [f"{kind} {value}" for kind, value in actions]
            + ([f"select-tasks {select_tasks}"] if select_tasks else []),
            "files": opened.digests(),
            "packages": package_versions("lsst"),
        },
        "pipeline_graph": serialized,
        "tasks": describe_tasks(graph),
        "storage_classes": described,
        "formatters": formatters,
    }


def _absolute(uri: str) -> str:
    """Write a file name as an absolute URI, keeping the selection of labels."""
    from lsst.resources import ResourcePath

    return str(ResourcePath(uri))


def _write(text: str, output: str, stdout: int) -> None:
    """Write the document, to a file whole or not at all."""
    try:
        if output == "-":
            with os.fdopen(stdout, "w", encoding="utf-8") as stream:
                stream.write(text)
            return
        beside = f"{output}.{os.getpid()}.part"
        try:
            with open(beside, "w", encoding="utf-8") as stream:
                stream.write(text)
            os.replace(beside, output)
        except BaseException:
            if os.path.exists(beside):
                os.unlink(beside)
            raise
    except OSError as exc:
        raise WorkerError("usage", f"Cannot write {output!r}: {exc}") from exc


def _silence() -> int:
    """Keep other people's words out of both output streams.

    Returns
    -------
    stdout : `int`
        Descriptor of the original standard output; what task modules print
        while they are imported goes to standard error.
    """
    import logging
    import warnings

    sys.stdout.flush()
    stdout = os.dup(1)
    os.dup2(2, 1)
    warnings.simplefilter("ignore")
    logging.getLogger().addHandler(logging.NullHandler())
    return stdout


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line program.

    Parameters
    ----------
    argv : `~collections.abc.Sequence` [ `str` ], optional
        Arguments, without the name of the program.

    Returns
    -------
    status : `int`
        Exit status: 0, or 2 if anything was wrong.
    """
    try:
        args = _parser().parse_args(argv)
        stdout = _silence()
        opened = OpenedFiles()
        watch = Watch() if args.conditions else None
        try:
            defined = json.loads(args.storage_classes)
            document = export_pipeline(
                args.pipeline, args.actions, args.select_tasks, opened, defined
            )
        except WorkerError:
            raise
        except ImportError as exc:
            raise WorkerError(
                "import",
                f"Cannot import the middleware: {exc}",
                hint="Start qbb in an environment in which 'import lsst.pipe.base' works.",
            ) from exc
        except Exception as exc:
            raise WorkerError("pipeline", f"{type(exc).__name__}: {exc}") from exc
        if watch is not None:
            _write(json.dumps(watch.describe(opened.paths())), args.conditions, stdout)
        _write(json.dumps(document, allow_nan=False), args.output, stdout)
    except WorkerError as error:
        print(json.dumps({"error": error.to_json()}), file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
