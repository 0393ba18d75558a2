"""The dimension records of a synthetic release.

What real repositories have and tidy ones lack is there on purpose: null
metadata, names with characters that paths cannot have, an identifier that no
double can hold, exposures that belong to no visit, visits of two exposures.
"""

from __future__ import annotations

import dataclasses
import hashlib
import random
from functools import partial
from typing import Any

import astropy.time
import astropy.units as u
from lsst.daf.butler import Butler, Timespan
from lsst.sphgeom import ConvexPolygon

from kit_support import CAMERA, SKYMAP
from release_sky import chip_regions, choose_pointing, columns_and_rows, make_tracts

FIRST_NOON = astropy.time.Time("2025-06-20T12:00:00", scale="tai")
"""When the first observing day begins."""
HUGE_ID = 2**62 + 20250621
"""Identifier of one exposure and its visit; as a double it would change."""
EXPOSURE_SECONDS = 30.0


@dataclasses.dataclass(frozen=True)
class Survey:
    """How large a release is to be."""

    visits: int = 10
    detectors: int = 9
    tracts: int = 2
    patches: int = 9
    """Patches in each tract."""
    bands: tuple[str, ...] = ("g", "r", "i")
    seed: int = 1
    snaps: int = 2
    """Exposures in every fourth visit; the others have one."""

    @property
    def nights(self) -> int:
        """Number of observing days; three visits a night at least."""
        return max(1, min(8, self.visits // 3))

    def filter_name(self, band: str) -> str:
        """Return the name of a band's filter; that of the second is awkward."""
        number = self.bands.index(band)
        return f"{band} {600 + number}/5#2" if number == 1 else f"{band}_{600 + number}"


@dataclasses.dataclass(frozen=True)
class Exposure:
    """What the datasets need to know of an exposure."""

    number: int
    night: int
    visit: int | None
    """None for calibration exposures."""
    timespan: Timespan


OLD_NAMES = {"group_name": "group"}
"""Fields of old universes by the names that they have in the newest one."""


def fitted(butler: Butler, element: str, row: dict[str, Any]) -> dict[str, Any]:
    """Take the fields that the element has in the butler's universe."""
    names = butler.dimensions[element].RecordClass.fields.names
    by_old_name = {old: row[new] for old, new in OLD_NAMES.items() if new in row}
    return {name: value for name, value in (row | by_old_name).items() if name in names}


def insert_records(butler: Butler, element: str, *rows: dict[str, Any]) -> None:
    """Insert records in so far as the butler's universe knows them."""
    if element in butler.dimensions.elements.names:
        fitting = [fitted(butler, element, row) for row in rows]
        butler.registry.insertDimensionData(element, *fitting)


def detector_name(number: int) -> str:
    """Return a detector's full name; one in four is awkward but legal."""
    plain = f"R{number // 9:02d}_S{number % 9 // 3}{number % 3}"
    return {1: f"{plain} (spare)/b", 5: f"{plain}.v2#é"}.get(number % 9, plain)


def insert_camera(butler: Butler, survey: Survey) -> None:
    """Insert the instrument and its fixed parts."""
    insert = partial(insert_records, butler)
    insert(
        "instrument",
        {
            "name": CAMERA,
            "visit_max": 2**63 - 1,
            "visit_system": 1,
            "exposure_max": 2**63 - 1,
            "detector_max": 1000,
            "class_name": "lsst.pipe.base.Instrument",
        },
    )
    filters = [
        {"instrument": CAMERA, "name": survey.filter_name(band), "band": band}
        for band in survey.bands
    ]
    insert("physical_filter", *filters, {"instrument": CAMERA, "name": "none", "band": "white"})
    insert(
        "detector",
        *(
            {
                "instrument": CAMERA,
                "id": number,
                "full_name": detector_name(number),
                "name_in_raft": f"S{number % 9 // 3}{number % 3}",
                "raft": None if number % 9 == 4 else f"R{number // 9:02d}",
                "purpose": "SCIENCE",
            }
            for number in range(survey.detectors)
        ),
    )
    insert(
        "visit_system",
        {"instrument": CAMERA, "id": 0, "name": "one-to-one"},
        {"instrument": CAMERA, "id": 1, "name": "by-group"},
    )


def insert_sky_map(butler: Butler, survey: Survey) -> None:
    """Insert the sky map, tracts and patches."""
    columns, rows = columns_and_rows(survey.patches)
    tracts = make_tracts(survey.tracts, survey.patches)
    insert = partial(insert_records, butler)
    insert(
        "skymap",
        {
            "name": SKYMAP,
            "hash": hashlib.sha1(f"{survey.tracts} x {survey.patches}".encode()).digest(),
            "tract_max": tracts[-1].number + 1,
            "patch_nx_max": columns,
            "patch_ny_max": rows,
        },
    )
    insert("tract", *({"skymap": SKYMAP, "id": t.number, "region": t.region} for t in tracts))
    insert(
        "patch",
        *(
            {
                "skymap": SKYMAP,
                "tract": tract.number,
                "id": patch.number,
                "cell_x": patch.column,
                "cell_y": patch.row,
                "region": patch.region,
            }
            for tract in tracts
            for patch in tract.patches()
        ),
    )


class Logbook:
    """Collects the records of a survey's observations.

    Parameters
    ----------
    survey : `Survey`
        Size of the survey.
    """

    ORDER = (
        "day_obs",
        "group",
        "exposure",
        "visit",
        "visit_detector_region",
        "visit_definition",
        "visit_system_membership",
    )

    def __init__(self, survey: Survey):
        self.survey = survey
        self.tracts = make_tracts(survey.tracts, survey.patches)
        self.rng = random.Random(survey.seed)
        self.rows: dict[str, list[dict[str, Any]]] = {element: [] for element in self.ORDER}
        self.exposures: list[Exposure] = []
        self.sequence = [0] * survey.nights

    def night_start(self, night: int) -> astropy.time.Time:
        """Return when an observing day begins."""
        return FIRST_NOON + night * 86400 * u.s

    def day_obs(self, night: int) -> int:
        """Return an observing day's identifier, such as 20250620."""
        return int(self.night_start(night).strftime("%Y%m%d"))

    def add(self, element: str, **values: Any) -> dict[str, Any]:
        """Add a record of the instrument."""
        row = {"instrument": CAMERA, **values}
        self.rows[element].append(row)
        return row

    def add_exposure(
        self, night: int, kind: str, physical_filter: str, **values: Any
    ) -> dict[str, Any]:
        """Add an exposure that follows the last one of its night."""
        self.sequence[night] += 1
        sequence, day_obs = self.sequence[night], self.day_obs(night)
        begin = self.night_start(night) + (36000 + 45 * sequence) * u.s
        group = begin.isot
        self.add("group", name=group)
        science = kind == "science"
        return self.add(
            "exposure",
            **{
                "id": day_obs * 100_000 + sequence,
                "obs_id": f"QC_{day_obs}_{sequence:05d}",
                "physical_filter": physical_filter,
                "group": group,
                "day_obs": day_obs,
                "exposure_time": EXPOSURE_SECONDS,
                "dark_time": None if science else EXPOSURE_SECONDS,
                "observation_type": kind,
                "observation_reason": "survey" if science else kind,
                "seq_num": sequence,
                "seq_start": sequence,
                "seq_end": None,
                "target_name": None,
                "science_program": "QBB-7",
                "tracking_ra": None,
                "tracking_dec": None,
                "sky_angle": None,
                "azimuth": None,
                "zenith_angle": 31.25 if science else None,
                "has_simulated": False,
                "can_see_sky": science or None,
                "timespan": Timespan(begin, begin + EXPOSURE_SECONDS * u.s),
                **values,
            },
        )

    def add_calibrations(self, night: int) -> None:
        """Add a night's exposures that belong to no visit."""
        for kind, physical_filter in (
            ("bias", "none"),
            ("flat", self.survey.filter_name(self.survey.bands[0])),
        ):
            row = self.add_exposure(night, kind, physical_filter)
            self.exposures.append(Exposure(row["id"], night, None, row["timespan"]))

    def add_visit(self, number: int) -> None:
        """Add a visit with its exposures and regions."""
        survey = self.survey
        night = number * survey.nights // survey.visits
        physical_filter = survey.filter_name(survey.bands[number % len(survey.bands)])
        pointing = choose_pointing(self.rng, self.tracts, number)
        identifier = {"id": HUGE_ID} if number == survey.visits - 1 else {}
        n_snaps = survey.snaps if number % 4 == 0 and not identifier else 1
        snaps = [
            self.add_exposure(
                night,
                "science",
                physical_filter,
                tracking_ra=pointing.ra,
                tracking_dec=pointing.dec,
                sky_angle=pointing.roll,
                **identifier,
            )
            for _ in range(n_snaps)
        ]
        visit, timespan = (
            snaps[0]["id"],
            Timespan(snaps[0]["timespan"].begin, snaps[-1]["timespan"].end),
        )
        for snap in snaps:
            self.exposures.append(Exposure(snap["id"], night, visit, snap["timespan"]))
            # Which belonged to one system each, once.
            self.add("visit_definition", exposure=snap["id"], visit=visit, visit_system=1)
        regions = chip_regions(pointing, survey.detectors)
        for detector, region in enumerate(regions):
            self.add("visit_detector_region", visit=visit, detector=detector, region=region)
        self.add(
            "visit",
            id=visit,
            name=snaps[0]["obs_id"],
            physical_filter=physical_filter,
            visit_system=1,
            day_obs=self.day_obs(night),
            seq_num=snaps[0]["seq_num"],
            exposure_time=EXPOSURE_SECONDS * n_snaps,
            target_name="corner" if number == 1 else None,
            observation_reason=None,
            science_program="QBB-7",
            azimuth=None,
            zenith_angle=31.25,
            timespan=timespan,
            region=ConvexPolygon([corner for region in regions for corner in region.getVertices()]),
        )
        for system in (0, 1) if n_snaps == 1 else (1,):
            self.add("visit_system_membership", visit=visit, visit_system=system)


def insert_observations(butler: Butler, survey: Survey) -> list[Exposure]:
    """Insert all that has to do with exposures; returns the exposures in time order."""
    book = Logbook(survey)
    for night in range(survey.nights):
        start = book.night_start(night)
        # Real repositories have days whose extent nobody wrote down.
        timespan = Timespan(start, start + 86400 * u.s) if night else None
        book.add("day_obs", id=book.day_obs(night), timespan=timespan)
        book.add_calibrations(night)
    for number in range(survey.visits):
        book.add_visit(number)
    for element, rows in book.rows.items():
        for start in range(0, len(rows), 20_000):
            insert_records(butler, element, *rows[start : start + 20_000])
    return sorted(book.exposures, key=lambda exposure: exposure.timespan.nsec)
