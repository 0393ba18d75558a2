"""Answers of a real builder that were written down, for options that the pinned one lacks."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import json
from pathlib import Path
from typing import Any

from agreement_cases import Case
from kit_support import KitError, canonical

Lines = dict[str, dict[str, Any]]
KINDS = ("header", "task_init", "quantum", "edge", "datastore_record", "dimension_record")
"""Kinds of lines that are compared; configurations differ from release to release of the tasks'
base classes."""
MAKERS = ("lsst-pipe-base", "lsst-ctrl-mpexec", "lsst-daf-butler")
"""Distributions whose versions say who answered."""
DIGITS = 16
"""Hexadecimal digits of a digest: enough to notice every difference that is not made on purpose."""


def digest(values: Any) -> str:
    """Return a digest of a JSON value."""
    return hashlib.sha256(canonical(values).encode()).hexdigest()[:DIGITS]


def question(case: Case) -> str:
    """Return a digest of what was asked."""
    fields = dataclasses.asdict(case)
    return digest({name: value for name, value in fields.items() if name != "expect"})


def summarize(lines: Lines, repository: str) -> dict[str, Any]:
    """Reduce a graph to numbers and digests that do not depend on where and when its release was
    made.

    Datasets that existed have random UUIDs in every release; here they are known by their type,
    data ID and run.

    Parameters
    ----------
    lines : `dict`
        Lines by kind and by what they are about.
    repository : `str`
        Root of the release.
    """
    names: dict[str, str] = {}
    for kind in ("task_init", "quantum"):
        for line in lines[kind].values():
            for connections in (line["inputs"], line["outputs"]):
                for dataset in (d for datasets in connections.values() for d in datasets):
                    if existing := dataset.get("id"):
                        named = {name: value for name, value in dataset.items() if name != "id"}
                        names[existing] = f"existing {digest(named)}"

    def is_name(value: Any) -> bool:
        return isinstance(value, str) and value in names

    def settled(value: Any) -> Any:
        if isinstance(value, dict):
            return {settled(key): settled(item) for key, item in value.items()}
        if isinstance(value, list):
            items = [settled(item) for item in value]
            # Some lists were sorted by UUID.
            return sorted(items, key=canonical) if items and is_name(value[0]) else items
        if isinstance(value, str):
            return names.get(value, value).replace(repository, "{repository}")
        return value

    kinds: dict[str, Any] = {}
    for kind in KINDS:
        groups: dict[str, list[str]] = {}
        for line in lines[kind].values():
            group = line["task"] if kind == "quantum" else "all"
            groups.setdefault(group, []).append(canonical(settled(line)))
        kinds[kind] = {
            # The files that states of releases pretend to have differ in size from time to time.
            group: [len(found), "" if kind == "datastore_record" else digest(sorted(found))]
            for group, found in sorted(groups.items())
        }
    return kinds


@dataclasses.dataclass
class Records:
    """A file of answers.

    Parameters
    ----------
    path : `Path`
        The file.
    makers : `dict`
        Versions of the distributions that answered.
    answers : `dict`
        The answer to each case by name: ``question``, and either ``refused``, the class of the
        exception, or ``graph``.
    """

    path: Path
    makers: dict[str, str]
    answers: dict[str, dict[str, Any]]

    @classmethod
    def new(cls, path: Path) -> Records:
        """Return no answers yet, of the middleware that is imported here."""
        return cls(path, {name: importlib.metadata.version(name) for name in MAKERS}, {})

    @classmethod
    def read(cls, path: Path) -> Records:
        """Read a file."""
        content = json.loads(path.read_text(encoding="utf-8"))
        return cls(path, content["made by"], content["answers"])

    def add(self, case: Case, kind: str, graph: dict[str, Any] | None) -> None:
        """Write down an answer."""
        answer = {"refused": kind} if graph is None else {"graph": graph}
        self.answers[case.name] = {"question": question(case), **answer}

    def write(self) -> None:
        """Write the file, with a line for each case."""
        answers = [
            f"  {json.dumps(name)}: {json.dumps(answer)}" for name, answer in self.answers.items()
        ]
        text = (
            '{"made by": '
            + json.dumps(self.makers)
            + ',\n "answers": {\n'
            + ",\n".join(answers)
            + "\n }}\n"
        )
        self.path.write_text(text, encoding="utf-8")

    def answer(self, case: Case) -> dict[str, Any]:
        """Return the answer to a case.

        Raises
        ------
        KitError
            Raised if there is none, or if something else was asked.
        """
        answer = self.answers.get(case.name)
        if answer is None or answer["question"] != question(case):
            raise KitError(
                f"{self.path} has no answer to {case.name!r} as it is now; record it again"
            )
        return answer


def differences(recorded: dict[str, Any], ours: dict[str, Any]) -> list[str]:
    """Describe how two summaries differ."""
    found = []
    for kind in KINDS:
        real_groups, our_groups = recorded[kind], ours[kind]
        for group in sorted({*real_groups, *our_groups}):
            real, our = (groups.get(group, [0, ""]) for groups in (real_groups, our_groups))
            if real[0] != our[0]:
                found.append(f"  {kind}, {group}: {real[0]} were recorded, ours has {our[0]}")
            elif real != our:
                found.append(f"  {kind}, {group}: {real[0]} as recorded, but not the same ones")
    return found
