"""What is done to releases before their regions, timespans and pixels are joined."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Any

import astropy.units as u
from lsst.daf.butler import Butler, CollectionType, DatasetType, Timespan
from lsst.sphgeom import (
    Box,
    Circle,
    ConvexPolygon,
    HealpixPixelization,
    HtmPixelization,
    IntersectionRegion,
    LonLat,
    Region,
    UnionRegion,
    UnitVector3d,
)

DICT = "StructuredDataDict"
CAMERA = {"instrument": "QbbCam"}
SKYMAP = {"skymap": "qbb_rings"}


def put(butler: Butler, name: str, data_ids: Iterable[dict[str, Any]], run: str) -> None:
    """Register a dataset type for the data IDs and store one dataset for each."""
    data_ids = list(data_ids)
    butler.collections.register(run)
    dimensions = butler.dimensions.conform(data_ids[0])
    butler.registry.registerDatasetType(DatasetType(name, dimensions, DICT))
    for data_id in data_ids:
        butler.put({"of": str(data_id)}, name, data_id, run=run)


def add_pixel_datasets(butler: Butler) -> None:
    """Store datasets of pixels that are not the common ones, and of visits with tracts."""
    htm9, healpix5 = HtmPixelization(9), HealpixPixelization(5)
    visits = butler.query_dimension_records("visit", data_id=CAMERA)
    tracts = butler.query_dimension_records("tract", data_id=SKYMAP)
    shards: set[int] = set()
    tiles, pairs = [], []
    for number, visit in enumerate(visits):
        for begin, end in htm9.envelope(visit.region):
            shards.update(range(begin, end))
        pixels = [pixel for b, e in healpix5.envelope(visit.region) for pixel in range(b, e)]
        tiles += [
            {**CAMERA, "visit": visit.id, "healpix5": pixel} for pixel in pixels[: number + 1]
        ]
        # Whether they overlap does not matter: somebody said that they belong together.
        pairs.append({**CAMERA, "visit": visit.id, **SKYMAP, "tract": tracts[number % 2].id})
    put(butler, "star_shard", ({"htm9": pixel} for pixel in sorted(shards)[::3]), "pixels")
    put(butler, "visit_tile", tiles, "pixels")
    put(butler, "visit_tract", pairs, "pixels")


def replace(butler: Butler, element: str, number: int, **fields: Any) -> None:
    """Change fields of an element's record with the given position."""
    data_id = SKYMAP if element in ("tract", "patch") else CAMERA
    records = butler.query_dimension_records(element, data_id=data_id, order_by=())
    record = sorted(records, key=lambda r: r.dataId.required_values)[number]
    changed = type(record)(**{**record.toDict(), **fields})
    butler.registry.insertDimensionData(element, changed, replace=True)


def region_of(butler: Butler, element: str, number: int) -> Region:
    """Return a record's region."""
    data_id = SKYMAP if element in ("tract", "patch") else CAMERA
    records = butler.query_dimension_records(element, data_id=data_id)
    return sorted(records, key=lambda r: r.dataId.required_values)[number].region


def forget_regions_and_times(butler: Butler) -> None:
    """Take regions and timespans away from some records."""
    replace(butler, "visit", 0, region=None)
    replace(butler, "visit_detector_region", 4, region=None)
    replace(butler, "patch", 1, region=None)
    replace(butler, "tract", 1, region=None)
    replace(butler, "visit", 1, timespan=None)
    replace(butler, "exposure", 2, timespan=None)


def center(region: Region) -> LonLat:
    """Return the middle of a region's bounding circle."""
    return LonLat(region.getBoundingCircle().getCenter())


def use_all_encodings(butler: Butler) -> None:
    """Give records regions of every type, of about the same place."""
    visit = region_of(butler, "visit", 0)
    detector = region_of(butler, "visit_detector_region", 0)
    other = region_of(butler, "visit_detector_region", 2)
    replace(butler, "visit", 0, region=UnionRegion(detector, other))
    replace(butler, "visit", 1, region=region_of(butler, "visit", 1).getBoundingCircle())
    replace(butler, "visit", 2, region=region_of(butler, "visit", 2).getBoundingBox())
    replace(butler, "visit_detector_region", 0, region=UnionRegion(detector, other))
    replace(butler, "visit_detector_region", 1, region=IntersectionRegion(visit, other))
    place = center(region_of(butler, "visit_detector_region", 3))
    middle = UnitVector3d(place)
    replace(butler, "visit_detector_region", 3, region=Circle(middle))
    box = Box.fromDegrees(
        place.getLon().asDegrees() - 0.3, -1.0, place.getLon().asDegrees() + 0.3, 1.0
    )
    replace(butler, "visit_detector_region", 5, region=box)
    tract = region_of(butler, "tract", 0)
    replace(butler, "tract", 0, region=UnionRegion(tract, Circle(middle)))
    patch = region_of(butler, "patch", 0)
    replace(butler, "patch", 0, region=UnionRegion(patch, region_of(butler, "patch", 2)))
    corners = [
        UnitVector3d(LonLat.fromDegrees(lon, lat)) for lon, lat in ((0, -5), (120, -5), (240, -5))
    ]
    replace(butler, "patch", 3, region=ConvexPolygon(corners))


def certify_again(butler: Butler) -> None:
    """Certify biases again, in a collection of their own, for two adjacent times."""
    visits = butler.query_dimension_records("visit", data_id=CAMERA)
    first = min((visit.timespan for visit in visits), key=lambda timespan: timespan.nsec)
    middle = first.begin + 5 * u.s
    refs = butler.query_datasets("bias", collections="QbbCam/calib/2025A", find_first=False)
    collection = "two halves"
    butler.collections.register(collection, CollectionType.CALIBRATION)
    refs = list(islice(sorted(refs, key=lambda ref: ref.dataId.required_values), 2))
    butler.registry.certify(collection, refs, Timespan(None, middle))
    butler.registry.certify(collection, refs, Timespan(middle, None))
