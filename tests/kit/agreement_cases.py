"""The cases of a topic: what is built, and what both builders must make of it.

A topic is a JSON file in ``tests/agreement``; its README says what may be in
one.  Cases are expanded here, so that what remains is a flat list.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
import json
import os
from pathlib import Path
from typing import Any

from kit_support import DEFAULTS, KIT, PIPELINES, WHERE, KitError

TOPICS = KIT.parent / "agreement"
"""The directory of the topics, their tables, and pipelines that only they use."""
WRITTEN = KIT.parents[1] / "target/tmp/pipelines"
"""The directory of the pipelines that are part of cases."""
LIST_FIELDS = ("input", "config", "config_file", "arguments", "real_arguments", "our_arguments")
"""Fields that are lists of texts."""


@dataclasses.dataclass(kw_only=True)
class Refusal:
    """That both builders must refuse."""

    error: str
    """What our message must contain."""
    real: str = ""
    """Class of the exception of the real builder, or several separated by ``|`` where databases
    differ; any if empty."""


@dataclasses.dataclass(kw_only=True)
class Case:
    """One thing that both builders build."""

    name: str
    pipeline: str | dict[str, Any]
    """File name, with an optional ``#subset,label`` that the exporter handles too; or the
    content of such a file."""
    release: str = "plain"
    """Name of a shape or of a state."""
    select: str = ""
    """Labels that the real builder gets as ``#select`` of the pipeline, and ours as
    ``#select`` of the export."""
    config: list[str] = dataclasses.field(default_factory=list)
    """``label:field=value`` overrides."""
    config_file: list[str] = dataclasses.field(default_factory=list)
    """``label:file`` overrides."""
    select_tasks: str = ""
    """Expression that selects tasks."""
    input: list[str] = dataclasses.field(default_factory=lambda: [DEFAULTS])
    where: str | None = WHERE
    bind: dict[str, Any] = dataclasses.field(default_factory=dict)
    """Values of identifiers in ``where``."""
    constraint: str | None = None
    """``--dataset-query-constraint``."""
    output: str | None = "u/test"
    output_run: str | None = "u/test/run1"
    arguments: list[str] = dataclasses.field(default_factory=list)
    """Further arguments of both commands."""
    real_arguments: list[str] = dataclasses.field(default_factory=list)
    """Further arguments of ``pipetask qgraph`` alone."""
    our_arguments: list[str] = dataclasses.field(default_factory=list)
    """Further arguments of ``qbb graph build`` alone."""
    python: bool = False
    """Whether ours may use Python, for hooks and look-up functions."""
    expect: str | dict[str, str] = "same"
    """``same``, ``agree``, ``empty``, an ``error`` or ``differs`` with its reason."""
    quanta: int | None = None
    """Number of quanta that the graph must have, where it is the point of the case."""

    def __post_init__(self) -> None:
        for name in LIST_FIELDS:
            value = getattr(self, name)
            if isinstance(value, str):
                setattr(self, name, [value])
        if self.expect in ("same", "agree", "empty"):
            return
        if not isinstance(self.expect, dict) or not {"error", "differs"} & set(self.expect):
            raise KitError(f"{self.name}: expect must be same, agree, empty, error or differs")

    @property
    def refusal(self) -> Refusal | None:
        """What is expected if both must refuse."""
        if self.expect == "empty":
            return Refusal(error="", real="Empty")
        if isinstance(self.expect, dict) and "error" in self.expect:
            return Refusal(error=self.expect["error"], real=self.expect.get("real", ""))
        return None

    @property
    def known_difference(self) -> str | None:
        """Why the builders differ, if that is intended."""
        return self.expect.get("differs") if isinstance(self.expect, dict) else None

    @property
    def pipeline_uri(self) -> str:
        """The pipeline's absolute path, with what was selected."""
        if isinstance(self.pipeline, dict):
            return str(write_pipeline(self.pipeline))
        path, hash_sign, labels = self.pipeline.partition("#")
        for folder in (TOPICS / "pipelines", PIPELINES):
            if (folder / path).is_file():
                return f"{folder / path}{hash_sign}{labels}"
        raise KitError(f"{self.name}: there is no pipeline {path}")

    @property
    def overrides(self) -> list[tuple[str, str]]:
        """The configuration overrides, as the exporter takes them."""
        files = [f"{label}:{TOPICS / path}" for label, _, path in self._split_config_files()]
        return [("config", text) for text in self.config] + [("config-file", f) for f in files]

    def _split_config_files(self) -> list[tuple[str, str, str]]:
        return [text.partition(":") for text in self.config_file]

    def both(self) -> list[str]:
        """Return the arguments that both commands take."""
        words = ["-i", ",".join(self.input)] if self.input else []
        for flag, value in (
            ("-d", self.where),
            ("-o", self.output),
            ("--output-run", self.output_run),
            ("--dataset-query-constraint", self.constraint),
        ):
            if value is not None:
                words += [flag, value]
        return words + self._placed(self.arguments)

    def real(self, repository: str) -> list[str]:
        """Return the arguments of ``pipetask qgraph``."""
        uri = self.pipeline_uri + (f"#{self.select}" if self.select else "")
        words = ["-b", repository, "-p", uri, "--qgraph-datastore-records"]
        for kind, text in self.overrides:
            words += ["-c" if kind == "config" else "-C", text]
        if self.select_tasks:
            words += ["--select-tasks", self.select_tasks]
        return words + self.both() + self._placed(self.real_arguments)

    def ours(self, repository: str, export: str) -> list[str]:
        """Return the arguments of ``qbb graph build``."""
        pipeline = export + (f"#{self.select}" if self.select else "")
        words = ["-b", repository, "-p", pipeline, *self.both()]
        for name, value in self.bind.items():
            words += ["--bind", f"{name}={value if isinstance(value, str) else json.dumps(value)}"]
        return words + self._placed(self.our_arguments)

    @staticmethod
    def _placed(words: list[str]) -> list[str]:
        return [word.replace("{topics}", str(TOPICS)) for word in words]


def write_pipeline(content: dict[str, Any]) -> Path:
    """Write the file of a pipeline that is part of a case; JSON is YAML."""
    text = json.dumps(content, indent=1)
    WRITTEN.mkdir(parents=True, exist_ok=True)
    path = WRITTEN / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.yaml"
    if not path.exists():
        part = path.with_suffix(f".{os.getpid()}")
        part.write_text(text, encoding="utf-8")
        part.rename(path)
    return path


@dataclasses.dataclass
class Topic:
    """A file of cases."""

    name: str
    cases: list[Case]
    shapes: dict[str, list[str]]
    """Further shapes of releases: arguments of make_release.py by name."""
    states: dict[str, dict[str, Any]]
    """Releases in which something was done: ``release`` and ``steps`` by name."""


def load_topic(path: Path) -> Topic:
    """Read a topic and expand its cases.

    Raises
    ------
    KitError
        Raised if the file is not as it should be.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as err:
        raise KitError(f"{path}: {err}") from err
    unknown = content.keys() - {"about", "defaults", "cases", "shapes", "states"}
    if unknown:
        raise KitError(f"{path}: unknown members {sorted(unknown)}")
    defaults = content.get("defaults", {})
    cases = [
        make_case({**defaults, **fields}, path)
        for written in content["cases"]
        for fields in expand(written, path)
    ]
    names = [case.name for case in cases]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise KitError(f"{path}: several cases are named {sorted(twice)}")
    return Topic(path.stem, cases, content.get("shapes", {}), content.get("states", {}))


def expand(written: dict[str, Any], path: Path) -> list[dict[str, Any]]:
    """Return the cases that an entry stands for.

    An entry with ``each`` is a case for each of its variants, whose fields
    come on top; one with ``generator`` calls ``module:function``.
    """
    if "generator" in written:
        module, _, function = written["generator"].partition(":")
        generate = getattr(importlib.import_module(module), function)
        rest = {k: v for k, v in written.items() if k not in ("generator", "parameters", "name")}
        return [{**rest, **fields} for fields in generate(**written.get("parameters", {}))]
    if "each" not in written:
        return [written]
    base = {name: value for name, value in written.items() if name not in ("each", "name")}
    found = []
    for number, variant in enumerate(written["each"]):
        if not isinstance(variant, dict):
            # The commonest kind of variant is another restriction.
            variant = {"where": f"{WHERE} AND ({variant})", "name": variant}
        last = variant.get("name", str(number))
        name = f"{written['name']}: {last}" if "name" in written else last
        found += expand({**base, **variant, "name": name}, path)
    return found


def make_case(fields: dict[str, Any], path: Path) -> Case:
    """Make a case from its fields."""
    try:
        return Case(**fields)
    except TypeError as err:
        raise KitError(f"{path}: case {fields.get('name')!r}: {err}") from err
