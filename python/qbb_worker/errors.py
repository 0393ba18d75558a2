"""Errors as data: what went wrong, in which task, and what to do about it."""

from __future__ import annotations

__all__ = ("WorkerError", "import_task", "single_line", "type_name")

from typing import Any, Literal

ErrorKind = Literal["usage", "pipeline", "config", "import", "request", "conflict", "datastore"]
"""What part of the input an error blames.

``usage``
    the command line;
``pipeline``
    a pipeline file: missing, unreadable, or inconsistent;
``config``
    a configuration override;
``import``
    a Python module or class that cannot be imported;
``request``
    a request to a worker that is malformed or comes out of order;
``conflict``
    an output run that already holds something different;
``datastore``
    a datastore that cannot be opened, read or written.
"""


class WorkerError(Exception):
    """A failure that is reported to the calling program as JSON.

    Parameters
    ----------
    kind : `str`
        Which part of the input is to blame, see `ErrorKind`.
    message : `str`
        What happened, in one sentence.
    task : `str`, optional
        Label of the task concerned.
    hint : `str`, optional
        What the user can do about it.
    """

    def __init__(
        self, kind: ErrorKind, message: str, *, task: str | None = None, hint: str | None = None
    ):
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.task = task
        self.hint = hint

    def to_json(self) -> dict[str, str | None]:
        """Return the error as the value of an ``"error"`` member (`dict`)."""
        return {
            "kind": self.kind,
            "message": single_line(self.message),
            "task": self.task,
            "hint": single_line(self.hint) if self.hint is not None else None,
        }


def single_line(text: str) -> str:
    """Join the lines of a message, because some exceptions span many.

    Parameters
    ----------
    text : `str`
        Message to flatten.

    Returns
    -------
    line : `str`
        The message with every run of white space around a line break replaced
        by one space.
    """
    return " ".join(part for line in text.splitlines() if (part := line.strip()))


def type_name(exception: BaseException) -> str:
    """Return the full type name of an exception, as the middleware writes it.

    Parameters
    ----------
    exception : `BaseException`
        Exception to name.

    Returns
    -------
    name : `str`
        Name with its module, which is left out for built-in types.
    """
    from lsst.utils.introspection import get_full_type_name

    return str(get_full_type_name(exception))


def import_task(label: str, class_name: str) -> type[Any]:
    """Import a task class and say which task it was if that fails.

    Parameters
    ----------
    label : `str`
        Label of the task in its pipeline.
    class_name : `str`
        Full name of the task class.

    Returns
    -------
    task_class : `type`
        The imported class.

    Raises
    ------
    WorkerError
        Raised with kind ``import`` whatever goes wrong while importing: a
        module of a science package may raise anything.
    """
    from lsst.utils import doImportType

    try:
        return doImportType(class_name)
    except Exception as exc:
        if isinstance(exc, ImportError):
            hint = (
                "Set PYTHONPATH, or set up the package that provides the task, in the "
                "environment that qbb is started from."
            )
        else:
            hint = "The exception was raised while the module was being imported."
        raise WorkerError(
            "import",
            f"Cannot import task class {class_name!r} of task {label!r}: "
            f"{type(exc).__name__}: {exc}",
            task=label,
            hint=hint,
        ) from exc
