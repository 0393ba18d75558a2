"""What two executors have left behind, and how it differs.

Outputs must have the same bytes.  Metadata and logs must have the same
structure and content apart from times, counters of the system and numbers of
processes, of which the type must be the same.  The paths of the two
repositories stand for each other.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from kit_support import canonical

MEASURED = re.compile(
    r"(Utc|CpuTime|UserTime|SystemTime|MaxResidentSetSize|MinorPageFaults|MajorPageFaults"
    r"|BlockInputs|BlockOutputs|VoluntaryContextSwitches|InvoluntaryContextSwitches"
    r"|^time_in_\w+|^qg_read_time)$"
)
"""Keys of metadata whose values are measured."""
FREE = {"asctime", "process", "processName"}
"""Members of log records that say when and in which process."""
DURATION = re.compile(r"\b\d+\.\d+ seconds")
ONCE = "Unable to import type"
"""Beginning of messages that a process logs once, whatever quantum that falls upon."""
OF_TASKS = {"python", "daf_butler", "pipe_base", "pex_config", "resources", "utils", "numpy"}
"""Packages that take part in every quantum.  Others may be those of the executor, or of the kit."""
PREVIOUS = "previous_process_quanta"
"""Member of logs that lists what else ran in the process; we leave it empty."""


def compare_trees(real: Path, ours: Path, run: str) -> list[str]:
    """Describe how the files of a run differ in two repositories."""
    theirs, own = (set(files_of(root / run)) for root in (real, ours))
    found = [f"only the real executor left {path}" for path in sorted(theirs - own)]
    found += [f"only ours left {path}" for path in sorted(own - theirs)]
    for path in sorted(theirs & own):
        a, b = (content(root / run / path, root) for root in (real, ours))
        if isinstance(a, Packages) and isinstance(b, Packages):
            found += [f"{path}: {item}" for item in compare_packages(a.versions, b.versions)]
        else:
            found += [f"{path}: {item}" for item in differences(a, b)]
    return found


def files_of(folder: Path) -> Iterator[str]:
    """Iterate over the files below a folder."""
    if folder.is_dir():
        for path in folder.rglob("*"):
            if path.is_file():
                yield str(path.relative_to(folder))


def content(path: Path, root: Path) -> Any:
    """Return what of a file must be the same in both repositories."""
    data = path.read_bytes()
    folder = next((part for part in path.parts[::-1] if part.endswith(("_metadata", "_log"))), "")
    if path.suffix == ".json" and folder:
        try:
            tree = json.loads(data.decode(errors="surrogateescape").replace(str(root), "ROOT"))
        except ValueError:
            return data
        return log(tree) if folder.endswith("_log") else metadata(tree)
    if path.suffix == ".yaml" and path.name.startswith("packages"):
        return Packages(yaml.load(data, Loader=PackagesLoader))
    return data


@dataclasses.dataclass(frozen=True)
class Packages:
    """Versions of packages by name."""

    versions: dict[str, str]


def compare_packages(a: dict[str, str], b: dict[str, str]) -> Iterator[str]:
    """Iterate over contradictions of two lists of what was imported in a process."""
    for name in sorted({*a, *b}):
        if name in a and name in b and a[name] != b[name]:
            yield f"{name}: {a[name]} is {b[name]} in ours"
        elif name in OF_TASKS and not (name in a and name in b):
            yield f"{name}: only {'the real executor' if name in a else 'ours'} has it"


class PackagesLoader(yaml.SafeLoader):
    """Reads the middleware's mapping of packages as a mapping."""


PackagesLoader.add_multi_constructor(
    "", lambda loader, suffix, node: loader.construct_mapping(node, deep=True)
)


def metadata(tree: Any) -> Any:
    """Return metadata with types in place of what was measured."""
    if not isinstance(tree, dict):
        return tree
    found = {}
    for key, value in tree.items():
        if key == "outputs" and isinstance(value, list):
            # The middleware makes it of a set.
            found[key] = sorted(value)
        else:
            found[key] = kinds(value) if MEASURED.search(key) else metadata(value)
    return found


def kinds(value: Any) -> Any:
    """Return the type of a value, of each item if it is a list."""
    return [kinds(item) for item in value] if isinstance(value, list) else type(value).__name__


def log(tree: dict[str, Any]) -> dict[str, Any]:
    """Return a log without what differs from process to process."""
    found = dict(tree)
    for name in ("records", "logs"):
        if name in found:
            shown = (item for item in found[name] if not item["message"].startswith(ONCE))
            found[name] = [record(item) for item in shown]
    if "metadata" in found:
        found["metadata"] = metadata(found["metadata"])
    if "previous_attempts" in found:
        found["previous_attempts"] = [log(item) for item in found["previous_attempts"]]
    if PREVIOUS in found:
        found[PREVIOUS] = type(found[PREVIOUS]).__name__
    return found


def record(item: dict[str, Any]) -> dict[str, Any]:
    """Return a log record without time and process."""
    found = {key: kinds(value) if key in FREE else value for key, value in item.items()}
    for name in ("message", "exc_info"):
        if isinstance(found.get(name), str):
            found[name] = DURATION.sub("TIME seconds", found[name])
    if found["message"].startswith("Removing "):
        # A list of datasets that was made of a set.
        parts = found["message"].split("DatasetRef(")
        found["message"] = sorted(part.rstrip(" ,)]") for part in parts)
    return found


def differences(a: Any, b: Any, path: str = "") -> Iterator[str]:
    """Iterate over descriptions of where two trees differ."""
    place = path or "content"
    if isinstance(a, dict) and isinstance(b, dict):
        for key in [*a, *(key for key in b if key not in a)]:
            inside = f"{path}/{key}"
            if key not in b:
                yield f"{inside}: only the real executor has {shorten(a[key])}"
            elif key not in a:
                yield f"{inside}: only ours has {shorten(b[key])}"
            else:
                yield from differences(a[key], b[key], inside)
    elif isinstance(a, list) and isinstance(b, list) and len(a) != len(b):
        yield f"{place}: {len(a)} items are {len(b)} in ours"
        for item in a:
            if item not in b:
                yield f"{place}: only the real executor has {shorten(item)}"
        for item in b:
            if item not in a:
                yield f"{place}: only ours has {shorten(item)}"
    elif isinstance(a, list) and isinstance(b, list):
        for number, (one, other) in enumerate(zip(a, b, strict=True)):
            yield from differences(one, other, f"{path}/{number}")
    elif a != b and not (a != a and b != b):
        yield f"{place}: {shorten(a)} is {shorten(b)} in ours"


def shorten(value: Any, limit: int = 400) -> str:
    """Return a value as text that is not too long."""
    text = repr(value)
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text)} characters)"


def compare_summaries(real: Path, ours: Path, roots: Sequence[Path]) -> list[str]:
    """Describe how the summaries of two runs differ, in repositories at these roots.

    Ours may tell more: UUIDs and exit codes of all quanta, and exceptions for
    those that were killed.
    """
    if real.exists() != ours.exists():
        return [f"summary: only {'the real executor' if real.exists() else 'ours'} wrote one"]
    if not real.exists():
        return []
    a, b = (
        json.loads(path.read_text().replace(str(root), "ROOT"))
        for path, root in zip((real, ours), roots, strict=True)
    )
    for tree in (a, b):
        tree.pop("cmdLine")
        if "exceptionInfo" in tree:
            tree["exceptionInfo"]["message"] = kinds(tree["exceptionInfo"]["message"])
        tree["quantaReports"] = {
            f"{report['taskLabel']} {canonical(report['dataId'])}": report
            for report in tree["quantaReports"]
        }
    found = []
    for name, own in b["quantaReports"].items():
        if "quantumId" not in own:
            found.append(f"summary: {name}: ours has no quantumId")
        theirs = a["quantaReports"].get(name, {})
        for extra in ("quantumId", "exitCode", "exceptionInfo"):
            if theirs and extra not in theirs:
                own.pop(extra, None)
        if theirs.get("exitCode", 0) < 0 and own.get("exitCode", 0) < 0:
            # Which signal ends a quantum is not part of what it means.
            own["exitCode"] = theirs["exitCode"]
    return found + [f"summary: {item}" for item in differences(a, b)]
