"""What two builders made of a case, and whether they agree."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

from agreement_cases import Case
from agreement_records import differences, summarize
from compare_graphs import compare
from graph_consistency import inconsistencies
from graph_lines import IDENTITY, GraphDescription, load_components
from kit_support import canonical

TIME = re.compile(r"/\d{8}T\d{6}Z\b")
"""The last part of the name of a run that is named after the time."""
BREAKDOWNS = ("AssertionError", "AttributeError", "KeyError", "TypeError")
"""Exceptions of the real builder that no rule of it stands behind."""
TOO_MANY_PARAMETERS = "number of parameters must be between 0 and 65535"
"""What the middleware's PostgreSQL client says where nothing is wrong but its statement."""


@dataclasses.dataclass
class Outcome:
    """What one builder made of a case."""

    graph: Path
    refused: str = ""
    """Why there is no graph."""
    kind: str = ""
    """Class of the real builder's exception; ours has none."""
    recorded: dict[str, Any] | None = None
    """Summary of the graph, where only that was written down."""


def judge(case: Case, real: Outcome, ours: Outcome, repository: str, limit: int) -> list[str]:
    """Say what is not as expected about a case; nothing if all is well."""
    if ours.refused.startswith("panicked") or "panicked at" in ours.refused:
        return [f"  ours broke down: {ours.refused}"]
    if TOO_MANY_PARAMETERS in real.refused and not ours.refused:
        return []
    if refusal := case.refusal:
        found = []
        if not real.refused:
            found.append("  the real builder does not refuse")
        elif refusal.real and real.kind not in refusal.real.split("|"):
            found.append(f"  the real builder refuses with {real.kind}: {real.refused[:300]}")
        if not ours.refused:
            found.append("  ours does not refuse")
        elif refusal.error.casefold() not in ours.refused.casefold():
            found.append(f"  ours does not say {refusal.error!r} but: {ours.refused}")
        return found
    found = compare_outcomes(case, real, ours, repository, limit)
    if case.known_difference:
        return [] if found else [f"  no longer differs: {case.known_difference}"]
    return found


def compare_outcomes(
    case: Case, real: Outcome, ours: Outcome, repository: str, limit: int
) -> list[str]:
    """Describe how two outcomes differ."""
    if real.refused and ours.refused:
        if case.expect == "agree":
            return []
        return [
            f"  both refuse; real: {real.kind}: {real.refused[:500]}",
            f"  ours: {ours.refused[:500]}",
        ]
    if real.refused and case.expect == "agree" and real.kind in BREAKDOWNS:
        # Nothing can be learned from where the real builder trips over itself.
        return []
    if real.refused:
        return [f"  only the real builder refuses: {real.kind}: {real.refused[:1000]}"]
    if ours.refused:
        return [f"  only ours refuses: {ours.refused[:1000]}"]
    masked = case.output_run is None
    our_lines, our_flaws = lines_of(ours.graph, masked)
    if real.recorded is not None:
        found = [f"  ours contradicts itself: {flaw}" for flaw in our_flaws]
        return found + differences(real.recorded, summarize(our_lines, repository))
    real_lines, real_flaws = lines_of(real.graph, masked)
    found = [f"  ours contradicts itself: {flaw}" for flaw in our_flaws if flaw not in real_flaws]
    for kind in IDENTITY:
        here = compare(kind, real_lines[kind], our_lines[kind])
        found += [f"  {kind}: {item}" for item in here[:limit]]
        if len(here) > limit:
            found.append(f"  {kind}: and {len(here) - limit} more")
    n_quanta = len(real_lines["quantum"])
    if case.quanta is not None and n_quanta != case.quanta:
        found.append(f"  the graph has {n_quanta} quanta, not {case.quanta}")
    return found


def lines_of(graph: Path, masked: bool) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Return a graph's lines by kind and by what they are about, and its contradictions."""
    components = load_components(str(graph))
    found: dict[str, dict[str, Any]] = {kind: {} for kind in IDENTITY}
    for line in GraphDescription(components).lines():
        text = canonical(line)
        line = json.loads(TIME.sub("/TIME", text) if masked else text)
        key = canonical([line[field] for field in IDENTITY[line["kind"]]])
        while key in found[line["kind"]]:
            key += " again"
        found[line["kind"]][key] = line
    return found, inconsistencies(str(graph), components)
