"""Findings of a check, and what all checks of a repository work on."""

from __future__ import annotations

import dataclasses
import json
import uuid
from collections import defaultdict

from lsst.daf.butler import Butler, DatasetRef

SHOWN = 10
"""Problems of one check that are printed in full."""


@dataclasses.dataclass
class Findings:
    """What the checks have found, in the order they were made."""

    checks: list[dict] = dataclasses.field(default_factory=list)

    def add(self, name: str, problems: list[str], detail: str) -> None:
        """Add the outcome of one check."""
        self.checks.append(
            {"check": name, "ok": not problems, "detail": detail, "problems": problems}
        )

    @property
    def passed(self) -> bool:
        """Whether no check has found a problem."""
        return all(check["ok"] for check in self.checks)

    def text(self) -> str:
        """Return the findings for people."""
        lines = []
        for check in self.checks:
            lines.append(f"{'ok  ' if check['ok'] else 'FAIL'} {check['check']}: {check['detail']}")
            lines += [f"     {problem}" for problem in check["problems"][:SHOWN]]
            if len(check["problems"]) > SHOWN:
                lines.append(f"     and {len(check['problems']) - SHOWN} more")
        lines.append("passed" if self.passed else "failed")
        return "\n".join(lines)

    def json(self) -> str:
        """Return the findings for programs."""
        return json.dumps({"passed": self.passed, "checks": self.checks})


class Contents:
    """The datasets of some runs, read once and shared by the checks.

    Parameters
    ----------
    butler : `lsst.daf.butler.Butler`
        The repository.
    runs : `list` [ `str` ]
        RUN collections to look at.
    """

    def __init__(self, butler: Butler, runs: list[str]):
        self.butler = butler
        self.runs = runs
        self.refs: dict[uuid.UUID, DatasetRef] = {}
        for run in runs:
            for ref in butler.query_all_datasets(run, find_first=False, limit=None):
                self.refs[ref.id] = ref

    def by_type_and_run(self) -> dict[tuple[str, str], list[DatasetRef]]:
        """Return the datasets grouped by dataset type name and run."""
        groups: dict[tuple[str, str], list[DatasetRef]] = defaultdict(list)
        for ref in self.refs.values():
            groups[ref.datasetType.name, ref.run].append(ref)
        return dict(sorted(groups.items()))
