"""What is put into releases of other universes, and under odd names and numbers."""

from __future__ import annotations

from collections.abc import Iterable

import astropy.time
from lsst.daf.butler import Butler, CollectionType, DatasetType, Timespan
from lsst.sphgeom import Box, Circle, ConvexPolygon, LonLat, UnionRegion, UnitVector3d

DICT = "StructuredDataDict"
CAMERA = {"instrument": "QbbCam"}
PLAN = {"plan": "Ünsichtbar (2)"}
FIBERS = (-3, 0, 7, 2**62 + 1, -(2**63))


def put(
    butler: Butler, name: str, dimensions: Iterable[str], data_ids: Iterable[dict], run: str
) -> None:
    """Register a dataset type and store a dataset for each data ID."""
    butler.collections.register(run)
    group = butler.dimensions.conform(dimensions)
    butler.registry.registerDatasetType(DatasetType(name, group, DICT))
    for data_id in data_ids:
        butler.put({"of": str(data_id)}, name, data_id, run=run)


def square(lon: float, lat: float, size: float) -> ConvexPolygon:
    """Make a square in degrees."""
    corners = ((lon, lat), (lon + size, lat), (lon + size, lat + size), (lon, lat + size))
    return ConvexPolygon([UnitVector3d(LonLat.fromDegrees(*corner)) for corner in corners])


def add_fibers(butler: Butler) -> None:
    """Fill the elements that only the universe of the spectrograph has."""
    insert = butler.registry.insertDimensionData
    insert(
        "fiber_bundle",
        {**CAMERA, "label": "A/1", "temperature": None},
        {**CAMERA, "label": "b é", "temperature": -3.5},
    )
    insert(
        "fiber",
        *(
            {
                **CAMERA,
                "id": number,
                "engraved_name": f"F{number}",
                "fiber_bundle": "b é" if k % 2 else "A/1",
                "fiber_color": ("red", "green")[k % 2],
                "broken": None if k == 2 else k == 1,
                "length": None if k == 1 else 1.5 * k,
                "serial_number": None if k == 3 else number,
            }
            for k, number in enumerate(FIBERS)
        ),
    )
    exposures = sorted(
        butler.query_dimension_records("exposure", data_id=CAMERA), key=lambda e: e.id
    )
    positions = [
        {**CAMERA, "exposure": exposure.id, "fiber": fiber, "offset": None if fiber else 0.25}
        for k, exposure in enumerate(exposures)
        for fiber in FIBERS[: 2 + k % 4]
    ]
    insert("fiber_position", *positions)
    insert("plan", {"name": PLAN["plan"]})
    visits = sorted(butler.query_dimension_records("visit", data_id=CAMERA), key=lambda v: v.id)
    center = visits[0].region.getCentroid()
    lon, lat = (LonLat(center).getLon().asDegrees(), LonLat(center).getLat().asDegrees())
    regions = [
        visits[0].region,
        Circle(center, visits[0].region.getBoundingCircle().getOpeningAngle()),
        UnionRegion(square(lon, lat, 0.3), square((lon + 180) % 360, -lat, 0.5)),
        Box.fromDegrees(max(lon - 0.2, 0), lat - 0.1, lon + 0.2, lat + 0.1),
        None,
        square((lon + 90) % 360, 0.0, 1.0),
    ]
    numbers = (0, -1, 2**63 - 1, 5, 6, 7)
    insert(
        "field",
        *({**PLAN, "id": n, "region": r} for n, r in zip(numbers, regions, strict=True)),
    )
    begin, end = visits[0].timespan.begin, visits[-1].timespan.end
    middle = visits[1].timespan.end
    insert(
        "campaign",
        {**CAMERA, "name": "first half", "timespan": Timespan(None, middle)},
        {**CAMERA, "name": "second/half", "timespan": Timespan(middle, end)},
        {**CAMERA, "name": "unknown", "timespan": None},
        {
            **CAMERA,
            "name": "before",
            "timespan": Timespan(begin - astropy.time.TimeDelta(9, format="jd"), begin),
        },
    )
    spectra = [{k: v for k, v in row.items() if k != "offset"} for row in positions]
    put(butler, "spectrum", ["exposure", "fiber"], spectra, "spectra")
    put(butler, "campaign_plan", ["campaign"], [{**CAMERA, "campaign": "second/half"}], "spectra")
    put(butler, "field_list", ["field"], [{**PLAN, "field": n} for n in numbers], "spectra")


def add_odd_names(butler: Butler) -> None:
    """Store datasets of odd but legal dataset types in odd but legal collections."""
    insert = butler.registry.insertDimensionData
    numbers = (-1, -(2**63), 2**63 - 1, 2**53 + 1)
    insert(
        "detector",
        *(
            {**CAMERA, "id": number, "full_name": f"d'{number}\" %_; --", "purpose": None}
            for number in numbers
        ),
    )
    insert("physical_filter", {**CAMERA, "name": 'u\'~2 "quoted" (é)', "band": "u'"})
    data_ids = [{**CAMERA, "detector": number} for number in (*numbers, 0, 1)]
    runs = ("odd/run with blanks & (x)", "Δ/run;1", "run:with:colons", "UPPER/lower", "upper/LOWER")
    for k, run in enumerate(runs):
        put(butler, "_under_score_", ["detector"], data_ids[k:], run)
        put(butler, "X", ["detector"], data_ids[: k + 2], run)
        put(butler, "select", ["instrument"], [CAMERA] if k < 2 else [], run)
    butler.collections.register("tagged-#1", CollectionType.TAGGED)
    refs = butler.query_datasets("X", runs[1], explain=False)
    butler.registry.associate("tagged-#1", refs)
    butler.collections.register("odd+chain@site", CollectionType.CHAINED)
    butler.collections.redefine_chain("odd+chain@site", ["tagged-#1", *reversed(runs)])
    filters = [{**CAMERA, "physical_filter": 'u\'~2 "quoted" (é)'}]
    put(butler, "filter_note", ["physical_filter"], filters, runs[0])
