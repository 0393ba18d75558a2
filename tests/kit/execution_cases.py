"""The cases of the agreement of execution: what is run, and what both executors must do.

``tests/agreement/execution.json`` holds them; the README beside it says what
may be in one.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from kit_support import KitError


@dataclasses.dataclass(kw_only=True)
class Run:
    """One turn of both executors."""

    faults: dict[str, dict[str, dict[str, Any]]] = dataclasses.field(default_factory=dict)
    """Faults of the kit's tasks, see `kit_fault_tasks`."""
    options: list[str] = dataclasses.field(default_factory=list)
    """Options of both commands."""
    real_options: list[str] = dataclasses.field(default_factory=list)
    our_options: list[str] = dataclasses.field(default_factory=list)
    init_options: list[str] = dataclasses.field(default_factory=list)
    """Options of ``pre-exec-init-qbb``, and of ours."""
    init: bool = True
    """Whether ``pre-exec-init-qbb`` runs before ``run-qbb``, and ours writes init-outputs."""
    init_only: bool = False
    """Whether there is nothing but that."""
    exit: int | list[int] = 0
    """Exit code; two if ours differs from that of the real executor."""

    @property
    def exit_codes(self) -> tuple[int, int]:
        """Exit codes of the real executor and of ours."""
        real, ours = self.exit if isinstance(self.exit, list) else (self.exit, self.exit)
        return real, ours


@dataclasses.dataclass(kw_only=True)
class Change:
    """Something that is done to the files of a run; datasets are ``type`` or ``type@data ID``."""

    remove: list[str] = dataclasses.field(default_factory=list)
    """Datasets whose files are removed."""
    write: dict[str, str] = dataclasses.field(default_factory=dict)
    """Datasets whose files get another content."""
    replace: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    """Datasets in whose files one text is replaced by another."""


@dataclasses.dataclass(kw_only=True)
class ExecutionCase:
    """One thing that both executors do."""

    name: str
    graph: str = "faults"
    """Which of the topic's graphs."""
    before: list[Run | Change]
    """What the real executor does, and what is done to its files, before both begin."""
    runs: list[Run]
    """What both do, one after the other."""
    native: bool = False
    """Whether ours executes the graph in its native format."""
    reports: bool = False
    """Whether reports on the results are compared, and transferring them."""
    known: dict[str, str]
    """Differences that are meant to be: a text that is part of their description, and why."""


@dataclasses.dataclass
class ExecutionTopic:
    """A file of cases."""

    release: str
    """Shape of the release."""
    graphs: dict[str, dict[str, Any]]
    """Arguments of graphs by name: ``pipeline``, ``where``, ``input``, ``config``."""
    cases: list[ExecutionCase]


def load_execution_topic(path: Path) -> ExecutionTopic:
    """Read and check a file of cases.

    Raises
    ------
    KitError
        Raised if the file is not as it should be.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        cases = [
            ExecutionCase(
                **{
                    **fields,
                    "before": [make_step(step) for step in fields.get("before", [])],
                    "runs": [Run(**run) for run in fields.get("runs", [{}])],
                    "known": fields.get("known", {}),
                }
            )
            for fields in content["cases"]
        ]
        topic = ExecutionTopic(content["release"], content["graphs"], cases)
    except (KeyError, TypeError, ValueError) as err:
        raise KitError(f"{path}: {type(err).__name__}: {err}") from err
    names = [case.name for case in cases]
    for name in {name for name in names if names.count(name) > 1}:
        raise KitError(f"{path}: several cases are named {name!r}")
    for case in cases:
        if case.graph not in topic.graphs:
            raise KitError(f"{path}: case {case.name!r}: there is no graph {case.graph!r}")
    return topic


def make_step(fields: dict[str, Any]) -> Run | Change:
    """Make a run, or a change of files."""
    changes = {field.name for field in dataclasses.fields(Change)}
    return Change(**fields) if changes & fields.keys() else Run(**fields)
