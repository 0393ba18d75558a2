"""Random pipelines over the kit's releases.

Everything is drawn from the seed alone, so a case that is found wrong stays a
case.  Pipelines are not always sensible: those that the real builder refuses
must be refused.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from kit_support import DEFAULTS, RELEASE, WHERE

DICT, TABLE = "StructuredDataDict", "ArrowAstropy"
EXPOSURE = ("instrument", "exposure", "detector")
VISIT_DETECTOR = ("instrument", "visit", "detector")
TASK_DIMENSIONS = [
    (),
    ("band",),
    ("instrument",),
    ("instrument", "detector"),
    ("instrument", "physical_filter"),
    ("instrument", "day_obs"),
    ("instrument", "group"),
    ("instrument", "exposure"),
    EXPOSURE,
    ("instrument", "visit"),
    VISIT_DETECTOR,
    ("instrument", "visit", "exposure"),
    ("skymap",),
    ("skymap", "tract"),
    ("skymap", "tract", "patch"),
    ("skymap", "tract", "band"),
    ("skymap", "tract", "patch", "band"),
    ("instrument", "visit", "skymap", "tract"),
    ("instrument", "visit", "skymap", "tract", "patch"),
    ("instrument", "visit", "detector", "skymap", "tract"),
    ("instrument", "physical_filter", "skymap", "tract"),
    ("instrument", "visit_system"),
    ("htm7",),
    ("htm5", "band"),
    ("instrument", "visit", "htm7"),
    ("instrument", "visit", "healpix3"),
    ("skymap", "tract", "htm6"),
]
WEIGHTS = [
    1,
    1,
    2,
    3,
    1,
    1,
    1,
    3,
    4,
    4,
    5,
    1,
    1,
    2,
    4,
    2,
    3,
    2,
    3,
    2,
    1,
    1,
    0.4,
    0.3,
    0.4,
    0.2,
    0.3,
]
OVERALL: list[tuple[str, tuple[str, ...], str]] = [
    ("raw", EXPOSURE, DICT),
    ("raw", EXPOSURE, DICT),
    ("sparse_extra", EXPOSURE, DICT),
    ("visit_image", VISIT_DETECTOR, DICT),
    ("visit_image", VISIT_DETECTOR, DICT),
    ("release_object", ("skymap", "tract"), TABLE),
    ("release_object.columns", ("skymap", "tract"), "ArrowColumnList"),
    ("release_object.rowcount", ("skymap", "tract"), "int"),
    ("skyMap", ("skymap",), DICT),
    ("never_made", ("instrument", "detector"), DICT),
]
PREREQUISITES: list[tuple[str, tuple[str, ...], str, bool]] = [
    ("camera", ("instrument",), DICT, True),
    ("bias", ("instrument", "detector"), DICT, True),
    ("dark", ("instrument", "detector"), DICT, True),
    ("crosstalk", ("instrument", "detector"), DICT, True),
    ("flat", ("instrument", "detector", "physical_filter"), DICT, True),
    ("star_refcat", ("skypix",), TABLE, False),
    ("star_refcat", ("htm7",), TABLE, False),
    ("skyMap", ("skymap",), DICT, False),
    ("release_object", ("skymap", "tract"), TABLE, False),
    ("sparse_extra", EXPOSURE, DICT, False),
]
RESTRICTIONS = [
    "detector IN (0, 2)",
    "detector < 2",
    "band = 'r'",
    "band IN ('g', 'i')",
    "tract = 9812",
    "patch IN (0..2)",
    "visit.exposure_time > 20",
    "exposure.observation_type = 'science'",
    "NOT (detector = 1 AND band = 'r')",
    "tract = 9819 OR detector = 0",
    "visit.seq_num % 2 = 0",
    "visit_system = 0",
    "exposure.can_see_sky",
]
INPUTS = [
    [DEFAULTS],
    [RELEASE],
    [RELEASE],
    ["QbbCam/defaults-good", RELEASE],
    ["QbbCam/raw/all", "QbbCam/calib", "refcats", "skymaps", RELEASE],
    ["QbbCam/raw/good", f"{RELEASE}/run/1"],
    ["QbbCam/calib", DEFAULTS],
    [f"{RELEASE}/run/1", f"{RELEASE}/run/2=redone", DEFAULTS],
]
CONVERTED = {TABLE: [TABLE, TABLE, "ArrowTable", "ArrowNumpy"], DICT: [DICT]}
"""Storage classes that a consumer may ask for."""


def cases(first: int, count: int, releases: list[str] | None = None) -> Iterator[dict[str, Any]]:
    """Make a case for each seed from ``first``."""
    for seed in range(first, first + count):
        random_case = RandomCase(random.Random(seed))
        yield {
            "name": f"seed {seed}",
            "release": random_case.draw.choice(releases or ["small"]),
            "expect": "agree",
            **random_case.fields(),
        }


IMPLIED = {
    "physical_filter": ("band",),
    "visit": ("day_obs", "physical_filter", "band"),
    "exposure": ("day_obs", "group", "physical_filter", "band"),
}
"""Dimensions that others determine."""


def conformed(dimensions: tuple[str, ...]) -> set[str]:
    """Return dimensions with those that they imply."""
    return set(dimensions).union(*(IMPLIED.get(name, ()) for name in dimensions))


class RandomCase:
    """Draws one case.

    Parameters
    ----------
    draw : `random.Random`
        Where all decisions come from.
    """

    def __init__(self, draw: random.Random):
        self.draw = draw
        self.produced: list[tuple[str, tuple[str, ...], str]] = []
        self.init_outputs: list[str] = []
        self.overall: list[str] = []
        self.prerequisites: set[str] = set()

    def fields(self) -> dict[str, Any]:
        """Return the fields of the case."""
        from described import written

        draw = self.draw
        labels = [f"t{number}" for number in range(draw.choice([1, 1, 2, 2, 3, 4, 5]))]
        tasks = {label: self.task(label) for label in labels}
        result: dict[str, Any] = {"pipeline": written("Random.", tasks)}
        result["input"] = draw.choice(INPUTS)
        where = [WHERE]
        where += draw.sample(RESTRICTIONS, draw.choice([0, 0, 1, 1, 2]))
        result["where"] = " AND ".join(f"({part})" for part in where)
        result["constraint"] = draw.choice(["all", "all", "all", "off", self.names()])
        if len(labels) > 1 and draw.random() < 0.2:
            result["select"] = ",".join(draw.sample(labels, draw.randint(1, len(labels) - 1)))
        return result

    def names(self) -> str:
        """Draw names of dataset types that are to constrain the query."""
        names = sorted({name.partition(".")[0] for name in self.overall}) or ["raw"]
        return ",".join(self.draw.sample(names, self.draw.randint(1, len(names))))

    def task(self, label: str) -> dict[str, Any]:
        """Draw a task."""
        draw = self.draw
        dimensions = draw.choices(TASK_DIMENSIONS, WEIGHTS)[0]
        found: dict[str, Any] = {}
        upstream = draw.sample(self.produced, min(len(self.produced), draw.choice([0, 1, 1, 2])))
        for name, own, storage_class in upstream:
            found[f"in_{name}"] = self.input(name, own, storage_class, dimensions)
            if storage_class == TABLE and draw.random() < 0.3:
                del found[f"in_{name}"]
                found[f"columns_{name}"] = self.input(
                    f"{name}.columns", own, "ArrowColumnList", dimensions
                )
        if not upstream or draw.random() < 0.4:
            n_overall = draw.choice([0, 1, 1, 1, 2])
            for name, own, storage_class in {
                entry[0]: entry for entry in draw.sample(OVERALL, n_overall)
            }.values():
                if name == "never_made" and draw.random() < 0.8:
                    continue
                if name.partition(".")[0] in self.prerequisites and draw.random() < 0.95:
                    continue
                self.overall.append(name)
                key = name.replace(".", "_")
                found[f"over_{key}"] = self.input(name, own, storage_class, dimensions)
        for name, own, storage_class, calibration in draw.sample(
            PREREQUISITES, draw.choice([0, 0, 1, 1, 2])
        ):
            spatial = {"visit", "tract"} & set(dimensions)
            if name == "star_refcat" and not spatial and draw.random() < 0.97:
                # Each quantum would have all shards, which takes the real builder minutes.
                continue
            if name in {n.partition(".")[0] for n in self.overall} and draw.random() < 0.95:
                continue
            self.prerequisites.add(name)
            found[f"pre_{name}"] = self.prerequisite(
                name, own, storage_class, calibration, set(own) <= conformed(dimensions)
            )
        for number in range(draw.choice([1, 1, 1, 2])):
            name, storage_class = f"{label}_out{number}", draw.choice([DICT, DICT, TABLE])
            own = self.output_dimensions(dimensions)
            found[f"out{number}"] = {
                "kind": "Output",
                "name": name,
                "storageClass": storage_class,
                "dimensions": own,
                "multiple": own != dimensions,
            }
            self.produced.append((name, own, storage_class))
        if draw.random() < 0.2:
            self.produced.append((f"{label}_metadata", dimensions, "TaskMetadata"))
        self.init(label, found)
        task: dict[str, Any] = {"dimensions": dimensions, "connections": found}
        names = [name for name in found if name.startswith(("in_", "over_", "out"))]
        if draw.random() < 0.12 and names:
            task["spatial_bounds"] = draw.sample(names, 1)
            task["temporal_bounds"] = draw.sample(names, draw.choice([0, 1]))
        return task

    def input(
        self, name: str, own: tuple[str, ...], storage_class: str, dimensions: tuple[str, ...]
    ) -> dict[str, Any]:
        """Draw the rest of a regular input."""
        draw = self.draw
        single = set(own) <= conformed(dimensions)
        if draw.random() < 0.05:
            single = not single
        optional = draw.random() < 0.2
        result: dict[str, Any] = {
            "kind": "Input",
            "name": name,
            "storageClass": draw.choice(CONVERTED.get(storage_class, [storage_class])),
            "dimensions": own,
            "multiple": not single,
            "minimum": 0 if optional else draw.choice([1, 1, 1, 1, 2] if not single else [1]),
        }
        if draw.random() < 0.25:
            result["deferLoad"] = True
        if draw.random() < (0.6 if optional else 0.08):
            result["deferGraphConstraint"] = True
        return result

    def prerequisite(
        self,
        name: str,
        own: tuple[str, ...],
        storage_class: str,
        calibration: bool,
        single: bool,
    ) -> dict[str, Any]:
        """Draw the rest of a prerequisite."""
        draw = self.draw
        if draw.random() < 0.05:
            single = not single
        return {
            "kind": "PrerequisiteInput",
            "name": name,
            "storageClass": storage_class,
            "dimensions": own,
            "isCalibration": calibration,
            "multiple": not single,
            "minimum": draw.choice([0, 0, 0, 1]),
        }

    def output_dimensions(self, dimensions: tuple[str, ...]) -> tuple[str, ...]:
        """Draw the dimensions of an output: usually the task's, sometimes more."""
        if self.draw.random() < 0.85:
            return dimensions
        larger = [own for own in TASK_DIMENSIONS if set(own) > set(dimensions)]
        larger = [
            own for own in larger if not any(name.startswith(("htm", "heal")) for name in own)
        ]
        return self.draw.choice(larger or [dimensions])

    def init(self, label: str, found: dict[str, Any]) -> None:
        """Draw init-inputs and init-outputs."""
        draw = self.draw
        if self.init_outputs and draw.random() < 0.4:
            name = draw.choice(self.init_outputs)
            found["init_in"] = {"kind": "InitInput", "name": name, "storageClass": DICT}
        if draw.random() < 0.25:
            name = f"{label}_schema"
            found["init_out"] = {"kind": "InitOutput", "name": name, "storageClass": DICT}
            self.init_outputs.append(name)
