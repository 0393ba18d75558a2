"""Releases for the agreement tests, made once and kept."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import hashlib
import importlib
import io
import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from agreement_cases import TOPICS, Topic
from kit_support import KIT, PIPELINES, KitError, run_process

SHAPES: dict[str, list[str]] = {
    "plain": [],
    "other": ["--seed", "7", "--visits", "16", "--detectors", "12", "--tracts", "3"],
    "small": ["--seed", "3", "--visits", "4", "--detectors", "3", "--patches", "4"],
    "snaps": ["--seed", "11", "--visits", "5", "--detectors", "4", "--snaps", "4"],
    "many_tracts": ["--seed", "5", "--visits", "6", "--detectors", "4", "--tracts", "6"],
    "one_band": ["--seed", "9", "--visits", "6", "--detectors", "5", "--bands", "r"],
}
"""Arguments of make_release.py for each shape that all topics know."""


class Releases:
    """Makes releases when they are first asked for.

    Parameters
    ----------
    folder : `Path`
        Where they are kept from run to run.
    topic : `Topic`
        Topic, which may define further shapes, and states.
    database : `str` or `None`
        Connection URI of a PostgreSQL database for the registries, which are
        in SQLite otherwise.
    """

    def __init__(self, folder: Path, topic: Topic, database: str | None = None):
        self.folder = folder
        self.shapes = SHAPES | topic.shapes
        self.states = topic.states
        self.database = database
        self.known: dict[str, Path] = {}

    def path(self, name: str) -> Path:
        """Return the root of a release, made if need be."""
        if name not in self.known:
            self.known[name] = self._find(name)
        return self.known[name]

    def _find(self, name: str) -> Path:
        recipe = self._recipe(name)
        sources = [*KIT.glob("release_*.py"), KIT / "make_release.py", KIT / "requirements.txt"]
        if name in self.states:
            sources += [*KIT.glob("kit_*.py"), *PIPELINES.glob("*.yaml")]
            sources += [*TOPICS.glob("*.py"), *TOPICS.glob("pipelines/*.yaml")]
        digest = hashlib.sha256(json.dumps(recipe).encode())
        for source in sorted(sources):
            digest.update(source.read_bytes())
        kind = "postgresql" if self.database else "sqlite"
        stem = f"{kind}-{name}"
        root = self.folder / f"{stem}-{digest.hexdigest()[:12]}"
        self.folder.mkdir(parents=True, exist_ok=True)
        with locked(self.folder / f"{stem}.lock"):
            stamp = root.with_suffix(".made")
            if not stamp.exists():
                self._make(name, root)
                stamp.touch()
        return root

    def _recipe(self, name: str) -> list[Any]:
        if state := self.states.get(name):
            return [*self._recipe(state["release"]), *state["steps"]]
        if name not in self.shapes:
            known = ", ".join([*self.shapes, *self.states])
            raise KitError(f"there is no shape or state {name}; there are {known}")
        return [self.shapes[name], self.database]

    def _make(self, name: str, root: Path) -> None:
        shutil.rmtree(root, ignore_errors=True)
        if state := self.states.get(name):
            if self.database:
                # A database cannot be copied like a folder.
                self._make(state["release"], root)
            else:
                shutil.copytree(self.path(state["release"]), root)
            for step in state["steps"]:
                take_step(step, root)
            return
        arguments = [str(root), *self.shapes[name]]
        if self.database:
            arguments += ["--database", self.database, "--schema", schema_name(root)]
        run_process(["make_release.py", *arguments])


def schema_name(root: Path) -> str:
    """Return the name of a PostgreSQL schema for a release."""
    return "agreement_" + "".join(c if c.isalnum() else "_" for c in root.name)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep other processes out."""
    with open(path, "w", encoding="utf-8") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def take_step(step: dict[str, Any], root: Path) -> None:
    """Do one thing to a release.

    A step has ``pipetask`` (arguments of a ``pipetask`` command without the
    repository; ``pipeline.yaml`` is found as in cases), ``butler`` (arguments
    of a ``butler`` command, in which ``{repository}`` is replaced) or ``call``
    (``module:function``, called with a writeable butler and ``arguments``).
    Where some quanta are meant to fail, ``fails`` is true.
    """
    failure: BaseException | None = None
    if "pipetask" in step:
        command, *words = step["pipetask"]
        failure = pipetask(command, ["-b", str(root), *map(find_pipeline, words)])
    elif "butler" in step:
        words = [word.replace("{repository}", str(root)) for word in step["butler"]]
        run_process(["butler", *words], check=not step.get("fails"))
        return
    elif "call" in step:
        from lsst.daf.butler import Butler

        module, _, function = step["call"].partition(":")
        with Butler.from_config(str(root), writeable=True) as butler:
            getattr(importlib.import_module(module), function)(butler, **step.get("arguments", {}))
        return
    else:
        raise KitError(f"a step has pipetask, butler or call, not {sorted(step)}")
    if (failure is not None) != bool(step.get("fails")):
        raise KitError(f"{step} ended with {failure!r}")


def find_pipeline(word: str) -> str:
    """Complete the path of a pipeline of the kit or of the topics."""
    path = word.partition("#")[0]
    for folder in (TOPICS / "pipelines", PIPELINES):
        if path.endswith(".yaml") and (folder / path).is_file():
            return f"{folder}/{word}"
    return word.replace("{topics}", str(TOPICS))


def pipetask(command: str, words: Sequence[str]) -> BaseException | None:
    """Run a ``pipetask`` command within this process.

    Returns
    -------
    failure : `BaseException` or `None`
        What the command ended with.
    """
    from lsst.ctrl.mpexec.cli.cmd import commands
    from lsst.daf.butler.cli.utils import ClickExitFailedNicely

    def raise_it(self: Any) -> None:
        raise self.exc_value

    silence = io.StringIO()
    nicely = ClickExitFailedNicely.exit_click
    # The command would print the exception and return an exit code.
    ClickExitFailedNicely.exit_click = raise_it
    try:
        with contextlib.redirect_stdout(silence), contextlib.redirect_stderr(silence):
            code = getattr(commands, command).main(list(words), standalone_mode=False)
    except (Exception, SystemExit) as err:
        return err
    finally:
        ClickExitFailedNicely.exit_click = nicely
    return SystemExit(code) if code else None


@contextlib.contextmanager
def binding(bind: dict[str, Any]) -> Iterator[None]:
    """Give the real builder values of identifiers, which its command cannot."""
    from lsst.ctrl.mpexec.cli.script import qgraph as script

    module: Any = sys.modules[script.__module__]
    builder = module.AllDimensionsQuantumGraphBuilder
    if bind:
        module.AllDimensionsQuantumGraphBuilder = functools.partial(builder, bind=bind)
    try:
        yield
    finally:
        module.AllDimensionsQuantumGraphBuilder = builder
