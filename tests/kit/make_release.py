#!/usr/bin/env python3
"""Create a repository that holds a small synthetic data release.

The repository is made by the real Butler and has what real ones have: regions
that touch, overlap and wrap; raw data in several runs with data IDs in common;
one night ingested in place; tagged, chained and calibration collections;
reference catalogs in two versions; released products in two overlapping runs.
Equal arguments give equal repositories but for dataset UUIDs and ingest times.

Example:

    python make_release.py /scratch/release --visits 12 --bands g r i z
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

import astropy.units as u
from lsst.daf.butler import Butler, CollectionType, Config, DatasetRef, DimensionConfig, Timespan

from kit_support import CAMERA, DEFAULTS, RELEASE, SKYMAP, KitError, make_parser, script_main
from kit_universes import NAMES, repository_config, universe_config
from release_datasets import PARTS, TABLE, Archive, define_parts
from release_records import (
    FIRST_NOON,
    Exposure,
    Survey,
    insert_camera,
    insert_observations,
    insert_sky_map,
)

DICT = "StructuredDataDict"
EXPOSURE_DETECTOR = ("instrument", "exposure", "detector")
RAW_ALL = f"{CAMERA}/raw/all"
RAW_RETAKEN = f"{CAMERA}/raw/retaken 2nd+3rd~v1.1"
RAW_IN_PLACE = f"{CAMERA}/raw/last_night@site"
RAW_GOOD = f"{CAMERA}/raw/good"
CALIBRATIONS = f"{CAMERA}/calib"
REFCATS = "refcats"


def store_raws(archive: Archive, exposures: list[Exposure]) -> None:
    """Store raw images in three runs, extras for some, and tag the good ones."""
    raw = archive.define("raw", EXPOSURE_DETECTOR, DICT)
    extra = archive.define("sparse_extra", EXPOSURE_DETECTOR, DICT)
    where = f"instrument='{CAMERA}'"
    by_exposure: dict[int, list] = {}
    for data_id in archive.data_ids(["exposure", "detector"], where):
        by_exposure.setdefault(int(data_id["exposure"]), []).append(data_id)
    science = [e for e in exposures if e.visit is not None]
    # One detector of one visit was never read out.
    if len(science) > 2 and len(by_exposure[science[2].number]) > 1:
        del by_exposure[science[2].number][1]
    last_night = max(e.night for e in exposures)
    early = [e for e in exposures if e.night < last_night or last_night == 0]
    late = [e for e in exposures if e not in early]
    refs = archive.store(raw, (d for e in early for d in by_exposure[e.number]), RAW_ALL)
    retaken = [e for e in science if e in early][:2] + [e for e in early if e.visit is None][:1]
    archive.store(raw, (d for e in retaken for d in by_exposure[e.number]), RAW_RETAKEN)
    if late:
        refs += archive.store(
            raw, (d for e in late for d in by_exposure[e.number]), RAW_IN_PLACE, in_place=True
        )
    # All, two or none of an exposure's detectors have an extra.
    extras = [
        d for k, e in enumerate(exposures) for d in by_exposure[e.number][: (None, 2, 0)[k % 3]]
    ]
    archive.store(extra, extras, RAW_ALL)
    bad = science[len(science) // 2].number
    archive.butler.collections.register(RAW_GOOD, CollectionType.TAGGED)
    archive.butler.registry.associate(RAW_GOOD, [r for r in refs if r.dataId["exposure"] != bad])
    chain = [RAW_RETAKEN, RAW_ALL, *([RAW_IN_PLACE] if late else [])]
    archive.chain(f"{CAMERA}/raw/chain", *chain)


def certify(archive: Archive, collection: str, refs: list[DatasetRef], timespan: Timespan) -> None:
    """Declare datasets valid in a CALIBRATION collection."""
    archive.butler.collections.register(collection, CollectionType.CALIBRATION)
    archive.butler.registry.certify(collection, refs, timespan)


def store_calibrations(archive: Archive, survey: Survey, exposures: list[Exposure]) -> None:
    """Store calibrations: two epochs, what is always valid, and one narrow override."""
    detector = ("instrument", "detector")
    camera = archive.define("camera", ["instrument"], DICT, calibration=True)
    bias = archive.define("bias", detector, DICT, calibration=True)
    dark = archive.define("dark", detector, DICT, calibration=True)
    crosstalk = archive.define("crosstalk", detector, DICT, calibration=True)
    flat = archive.define("flat", [*detector, "physical_filter"], DICT, calibration=True)
    where = f"instrument='{CAMERA}'"
    detectors = archive.data_ids(detector, where)
    filters = archive.data_ids(
        [*detector, "physical_filter"], f"{where} AND physical_filter != 'none'"
    )
    boundary = FIRST_NOON + (survey.nights // 2) * 86400 * u.s
    chain = []
    for label, timespan in (
        ("2025A", Timespan(None, boundary)),
        ("2025B", Timespan(boundary, None)),
    ):
        collection, run = f"{CALIBRATIONS}/{label}", f"{CALIBRATIONS}/{label}/gen (1)"
        for dataset_type, data_ids in ((bias, detectors), (dark, detectors), (flat, filters)):
            certify(archive, collection, archive.store(dataset_type, data_ids, run), timespan)
        chain.append(collection)
    curated, always = f"{CALIBRATIONS}/curated", Timespan(None, None)
    certify(
        archive,
        f"{CALIBRATIONS}/unbounded",
        archive.store(camera, archive.data_ids(["instrument"], where), curated)
        + archive.store(crosstalk, detectors[::2], curated),
        always,
    )
    # Valid exactly from one exposure's end to the end of the next but one, so
    # half-open ranges decide which exposures it applies to.
    science = [e for e in exposures if e.visit is not None]
    first, last = science[0], science[min(2, len(science) - 1)]
    if last is not first:
        override = f"{CALIBRATIONS}/override"
        refs = archive.store(bias, detectors[:2], f"{override}/run")
        certify(archive, override, refs, Timespan(first.timespan.end, last.timespan.end))
        chain.insert(0, override)
    archive.chain(CALIBRATIONS, *chain, f"{CALIBRATIONS}/unbounded")


def store_references(archive: Archive) -> None:
    """Store a reference catalog, its partial second version, and the sky map."""
    dimensions = archive.butler.dimensions
    shard = dimensions.skypix_dimensions.get("htm7", dimensions.commonSkyPix)
    if dimensions.commonSkyPix.system is not shard.system:
        shard = dimensions.commonSkyPix
    refcat = archive.define("star_refcat", [shard.name], TABLE)
    pixels: set[int] = set()
    for element in ("tract", "visit"):
        for record in archive.butler.query_dimension_records(element, limit=None):
            for begin, end in shard.pixelization.envelope(record.region):
                pixels.update(range(begin, end))
    shards = [archive.butler.registry.expandDataId({shard.name: pixel}) for pixel in sorted(pixels)]
    archive.store(refcat, shards, f"{REFCATS}/v1")
    archive.store(refcat, shards[1::2], f"{REFCATS}/étoiles v2")
    archive.chain(REFCATS, f"{REFCATS}/étoiles v2", f"{REFCATS}/v1")
    sky_map = archive.define("skyMap", ["skymap"], DICT)
    archive.store(sky_map, archive.data_ids(["skymap"], f"skymap='{SKYMAP}'"), "skymaps")


def store_products(archive: Archive) -> None:
    """Store released products: images in two overlapping runs, tables and what has parts in one."""
    visit_image = archive.define("visit_image", ["instrument", "visit", "detector"], DICT)
    release_object = archive.define("release_object", ["skymap", "tract"], TABLE)
    images = archive.data_ids(["visit", "detector"], f"instrument='{CAMERA}'")
    middle, overlap = len(images) // 2, max(1, len(images) // 8)
    first, second = f"{RELEASE}/run/1", f"{RELEASE}/run/2=redone"
    archive.store(visit_image, images[: middle + overlap], first)
    archive.store(visit_image, images[middle:], second)
    archive.store(release_object, archive.data_ids(["tract"], f"skymap='{SKYMAP}'"), first)
    visit_parts = archive.define("visit_parts", ["instrument", "visit"], PARTS)
    archive.store_parts(
        visit_parts, archive.data_ids(["visit"], f"instrument='{CAMERA}'")[:3], first
    )
    archive.chain(RELEASE, second, first, DEFAULTS)


def make_repository(
    root: Path,
    database: str | None,
    schema: str | None,
    universe: DimensionConfig | None = None,
    config: Config | None = None,
) -> None:
    """Make an empty repository, with its registry in SQLite or in another database."""
    config = Config() if config is None else config
    define_parts(config)
    if database:
        config["registry", "db"] = database
        if schema:
            config["registry", "namespace"] = schema
    Butler.makeRepo(str(root), config=config, dimensionConfig=universe)


def make_release(
    root: Path,
    survey: Survey,
    database: str | None = None,
    schema: str | None = None,
    universe: str | None = None,
) -> dict[str, int]:
    """Make a repository; returns what is in it, by count."""
    dimensions = universe_config(universe) if universe else None
    make_repository(root, database, schema, dimensions, repository_config(universe))
    with Butler.from_config(str(root), writeable=True) as butler:
        insert_camera(butler, survey)
        insert_sky_map(butler, survey)
        exposures = insert_observations(butler, survey)
        archive = Archive(butler, root / "site archive")
        store_raws(archive, exposures)
        store_calibrations(archive, survey, exposures)
        store_references(archive)
        common = (CALIBRATIONS, REFCATS, "skymaps")
        archive.chain(DEFAULTS, f"{CAMERA}/raw/chain", *common)
        archive.chain(f"{DEFAULTS}-good", RAW_GOOD, *common)
        store_products(archive)
        shutil.rmtree(archive.incoming)
    return {"datasets": archive.n_datasets, "exposures": len(exposures), "visits": survey.visits}


def run(args: argparse.Namespace) -> int:
    """Run the script."""
    root = Path(args.root).resolve()
    if root.exists() and any(root.iterdir()):
        raise KitError(f"{root} exists and is not empty")
    sizes = {
        name: getattr(args, name) for name in ("visits", "detectors", "tracts", "patches", "snaps")
    }
    for name, size in sizes.items():
        if size < 1:
            raise KitError(f"--{name} must be at least 1, not {size}")
    if len(set(args.bands)) != len(args.bands):
        raise KitError(f"--bands names a band twice: {' '.join(args.bands)}")
    survey = Survey(**sizes, bands=tuple(args.bands), seed=args.seed)
    made = make_release(root, survey, args.database, args.schema, args.universe)
    print(json.dumps({"root": str(root), **made}))
    return 0


def main() -> None:
    """Parse the command line and run the script."""
    default = Survey()
    parser = make_parser(__doc__)
    parser.add_argument("root", help="directory of the repository to create")
    parser.add_argument("--visits", type=int, default=default.visits)
    parser.add_argument("--detectors", type=int, default=default.detectors)
    parser.add_argument("--tracts", type=int, default=default.tracts)
    parser.add_argument(
        "--patches", type=int, default=default.patches, help="patches in each tract"
    )
    parser.add_argument("--bands", nargs="+", default=list(default.bands))
    parser.add_argument("--seed", type=int, default=default.seed)
    parser.add_argument(
        "--snaps", type=int, default=default.snaps, help="exposures in every fourth visit"
    )
    parser.add_argument(
        "--database", default=None, metavar="URI", help="registry database, instead of SQLite"
    )
    parser.add_argument("--schema", default=None, help="schema of the database for the registry")
    parser.add_argument(
        "--universe", choices=NAMES, help="universe of dimensions, if not the newest one"
    )
    script_main(run, parser)


if __name__ == "__main__":
    main()
