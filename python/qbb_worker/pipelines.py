"""Load a pipeline and say what is wrong with it, and in which task."""

from __future__ import annotations

__all__ = ("load_pipeline_graph",)

from collections.abc import Sequence
from typing import Any

from .errors import ErrorKind, WorkerError


def load_pipeline_graph(uri: str, actions: Sequence[tuple[str, str]], select_tasks: str) -> Any:
    """Load a pipeline, change it and make its graph.

    Parameters
    ----------
    uri : `str`
        File or URI, with an optional ``#label,subset`` suffix; empty for a
        pipeline without tasks.
    actions : `~collections.abc.Sequence` [ `tuple` ]
        Changes to make, in order, see `qbb_worker.export.Action`.
    select_tasks : `str`
        Expression that selects tasks; empty for all.

    Returns
    -------
    graph : `lsst.pipe.base.PipelineGraph`
        Sorted graph that is not resolved.

    Raises
    ------
    WorkerError
        Raised if anything in the pipeline is wrong.
    """
    from lsst.pipe.base import Pipeline

    try:
        pipeline = Pipeline.from_uri(uri) if uri else Pipeline("anonymous")
    except FileNotFoundError as exc:
        raise WorkerError(
            "pipeline",
            f"Pipeline file not found: {exc}",
            hint="Check the path, and environment variables in it and in its 'imports'.",
        ) from exc
    except ImportError as exc:
        raise WorkerError("import", f"Cannot read pipeline {uri!r}: {exc}") from exc
    except Exception as exc:
        raise WorkerError(
            "pipeline", f"Cannot read pipeline {uri!r}: {type(exc).__name__}: {exc}"
        ) from exc
    for kind, value in actions:
        _apply(pipeline, kind, value)
    try:
        graph = pipeline.to_graph()
    except Exception as exc:
        raise _diagnose(pipeline, exc) from exc
    if select_tasks:
        try:
            graph = graph.select(select_tasks)
        except Exception as exc:
            raise WorkerError(
                "usage", f"Cannot apply --select-tasks {select_tasks!r}: {exc}"
            ) from exc
    if not graph.tasks:
        raise WorkerError("pipeline", f"Pipeline {uri!r} has no tasks.")
    return graph


def _apply(pipeline: Any, kind: str, value: str) -> None:
    """Apply one change of the command line to a pipeline."""
    if kind == "instrument":
        pipeline.addInstrument(value)
        return
    if kind == "task":
        class_name, _, label = value.partition(":")
        try:
            pipeline.addTask(class_name, label)
        except Exception as exc:
            error, hint = _classify(exc)
            raise WorkerError(
                error, f"Cannot add task {value!r}: {type(exc).__name__}: {exc}", hint=hint
            ) from exc
        return
    label, colon, rest = value.partition(":")
    if kind == "delete":
        _check_label(pipeline, label, f"Cannot delete task {label!r}")
        pipeline.removeTask(label)
        return
    field, equals, text = rest.partition("=")
    if not (colon and label and field) or (kind == "config" and not equals):
        form = "LABEL:FIELD=VALUE" if kind == "config" else "LABEL:FILE"
        raise WorkerError("usage", f"Override {value!r} does not have the form {form}.")
    _check_label(pipeline, label, f"Override {value!r} is for task {label!r}")
    if kind == "config":
        pipeline.addConfigOverride(label, field, text)
    else:
        pipeline.addConfigFile(label, rest)


def _check_label(pipeline: Any, label: str, context: str) -> None:
    """Refuse labels that the pipeline does not have."""
    if label not in pipeline.task_labels:
        raise WorkerError(
            "config",
            f"{context}, which is not in the pipeline.",
            task=label,
            hint=f"Tasks of this pipeline: {', '.join(sorted(pipeline.task_labels))}.",
        )


def _diagnose(pipeline: Any, failure: Exception) -> WorkerError:
    """Find out which task made a pipeline fail.

    The exception does not tell, so each task is tried by itself.  If all are
    well alone, then they do not fit together.
    """
    from lsst.pipe.base.pipeline import LabelSpecifier
    from lsst.pipe.base.pipelineIR import ContractError
    from lsst.utils import doImportType

    if (instrument := pipeline.getInstrument()) is not None:
        try:
            doImportType(instrument)
        except Exception as exc:
            return WorkerError(
                "import",
                f"Cannot import instrument class {instrument!r}: {exc}",
                hint="Set up the package that provides the instrument.",
            )
    if isinstance(failure, ContractError):
        return WorkerError("config", str(failure), hint="A contract of the pipeline is violated.")
    for label in sorted(pipeline.task_labels):
        try:
            pipeline.subsetFromLabels(LabelSpecifier(labels={label})).to_graph()
        except Exception as exc:
            kind, hint = _classify(exc)
            return WorkerError(
                kind, f"Task {label!r}: {type(exc).__name__}: {exc}", task=label, hint=hint
            )
    return WorkerError(
        "pipeline",
        f"The tasks of the pipeline do not fit together: {type(failure).__name__}: {failure}",
    )


def _classify(exc: Exception) -> tuple[ErrorKind, str | None]:
    """Tell failures to import from failures to configure."""
    if isinstance(exc, FileNotFoundError):
        return "config", "A configuration file of this task does not exist."
    if isinstance(exc, ImportError):
        return (
            "import",
            "Set PYTHONPATH, or set up the package that provides the task, in the environment "
            "that qbb is started from.",
        )
    if _came_from_import(exc):
        return "import", "The exception was raised while a module was being imported."
    return "config", "Check the overrides of this task, in the pipeline and on the command line."


def _came_from_import(exc: Exception) -> bool:
    """Tell whether an exception was raised while a module was executed."""
    traceback = exc.__traceback__
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        traceback = traceback.tb_next
    return False
