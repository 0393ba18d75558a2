"""Print regions of the sky with the answers of lsst.sphgeom, one JSON object per line.

Each line is a group of regions that belong together: all pairs are related,
all regions are bounded, some are searched for pixels. Whoever reads the lines
(``tests/whole/sky.rs``) gives its own answers to the same questions.

Example
-------
::

    python tests/kit/stream_sky_cases.py --seed 3 --pairs 100000 | head -1
"""

from __future__ import annotations

import argparse
import json
import math
import struct
import sys
from collections.abc import Callable

import hpgeom.hpgeom
import numpy as np
from lsst.sphgeom import (
    Angle,
    AngleInterval,
    Box,
    Circle,
    ConvexPolygon,
    Ellipse,
    HealpixPixelization,
    HtmPixelization,
    IntersectionRegion,
    NormalizedAngleInterval,
    Region,
    UnionRegion,
    UnitVector3d,
)

from make_sphere_fixtures import without_ellipses
from sphere_regions import (
    FAMILIES,
    Source,
    at,
    between,
    lon_lat_grid,
    sky_map,
    touching,
    trixels,
    xyz,
)

MAS = math.pi / 180 / 3600 / 1000
"""One milliarcsecond in radians."""

MAX_FINE_PIXELS = 3e5
"""Pixels that one HEALPix search may list; it lists them one by one."""


def vector_to_angle(vectors: np.ndarray, lonlat: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Do what the function of hpgeom does with the functions of the C library.

    Those of numpy differ in the last bit on some processors, and the answers
    of HEALPix to thin polygons depend on that bit.
    """
    assert not lonlat
    norms = np.sqrt(np.sum(np.square(vectors), axis=1))
    theta = [math.acos(v[2] / norm) for v, norm in zip(vectors, norms, strict=True)]
    phi = [math.atan2(v[1], v[0]) % (2 * math.pi) for v in vectors]
    return np.array(theta), np.array(phi)


def stored_polygon(vertices: list[UnitVector3d]) -> ConvexPolygon:
    """Make a polygon of vertices as they are, convex or not."""
    return ConvexPolygon.decode(b"p" + b"".join(struct.pack("<3d", *xyz(v)) for v in vertices))


def tiny(s: Source) -> list[Region]:
    """Make regions of milliarcseconds beside each other."""
    center = s.direction()
    size = MAS * 10 ** s.rng.uniform(-2, 3)
    polygons = [s.polygon(s.near(center, size), size) for _ in range(6)]
    circles = [Circle(s.near(center, size), Angle(size * s.rng.random())) for _ in range(3)]
    first = polygons[0].getVertices()
    shared = [Circle(first[0], Angle(size)), Circle(first[1])]
    boxes = [circle.getBoundingBox() for circle in circles[:2]]
    return [
        *polygons,
        *circles,
        *shared,
        *boxes,
        UnionRegion(*polygons[:2]),
        s.polygon(center, 0.1),
    ]


def hemispheric(s: Source) -> list[Region]:
    """Make regions of nearly half the sphere, and some on the other side."""
    center = s.direction()
    r = s.rng
    wide = [
        s.polygon(c, math.pi / 2 - 10 ** r.uniform(-12, -1))
        for c in (center, -center, s.near(center, 0.5))
    ]
    opposite = [stored_polygon([-v for v in reversed(wide[0].getVertices())])]
    half = [
        Circle(c, Angle(math.pi / 2 + d))
        for c in (center, -center)
        for d in (0.0, 1e-9, -1e-9, 0.3)
    ]
    lat = AngleInterval.fromDegrees(r.choice([-90, -10, 0]), r.choice([0, 10, 90]))
    boxes = [
        Box(NormalizedAngleInterval.full(), AngleInterval.fromDegrees(0, 90)),
        Box(NormalizedAngleInterval.fromDegrees(r.uniform(0, 360), r.uniform(0, 360)), lat),
    ]
    small = [
        s.polygon(s.near(center, 1.0), 0.01),
        s.polygon(-center, 0.3),
        Circle(-center, Angle(1e-6)),
    ]
    return [*wide, *opposite, *half, *boxes, *small, UnionRegion(wide[0], wide[1])]


def degenerate(s: Source) -> list[Region]:
    """Make regions without area, without points, or of everything."""
    a, b = s.direction(), s.direction()
    near = s.near(a, s.radius())
    middle = between(a, near, 0.5)
    beyond = between(a, near, 1.7)
    triangle = s.polygon(a, s.radius())
    vertices = triangle.getVertices()
    lon, lat = s.rng.choice([0.0, 180.0, 359.9]), s.rng.choice([-90.0, 0.0, 90.0])
    return [
        stored_polygon([a, middle, near]),
        stored_polygon([a, near, beyond]),
        stored_polygon([*vertices, vertices[-1]]),
        stored_polygon([vertices[0], between(vertices[0], vertices[1], 0.5), *vertices[1:]]),
        stored_polygon(list(reversed(vertices))),
        triangle,
        Circle(a),
        Circle(near),
        Circle.empty(),
        Circle.full(),
        Box.empty(),
        Box.full(),
        Box.fromDegrees(lon, lat, lon, lat),
        Box(NormalizedAngleInterval.full(), AngleInterval.fromDegrees(lat, lat)),
        Box(NormalizedAngleInterval.fromDegrees(lon, lon), AngleInterval.fromDegrees(-90, 90)),
        Ellipse.empty(),
        Ellipse.full(),
        Ellipse(a, b, Angle(0.5 * math.acos(max(-1, min(1, a.dot(b))))) + Angle(1e-12)),
        UnionRegion(),
        IntersectionRegion(),
        UnionRegion(Circle.empty(), Circle(a)),
        IntersectionRegion(Circle.full(), triangle),
    ]


def healpixels(s: Source) -> list[Region]:
    """Make HEALPix pixels next to each other, and HTM trixels among them."""
    center = s.direction()
    level = s.rng.choice([0, 1, 3, 6, 9, 13, 17])
    healpix = HealpixPixelization(level)
    indices = {healpix.index(center)}
    while len(indices) < 5:
        indices.add(healpix.index(s.near(center, 2.0**-level)))
        if s.rng.random() < 0.1:
            break
    pixels = [healpix.pixel(i) for i in sorted(indices)]
    fine = HealpixPixelization(level + 1)
    children = [fine.pixel(4 * min(indices) + i) for i in range(4)]
    htm = HtmPixelization(min(24, level + 1))
    return [
        *pixels,
        *children,
        htm.pixel(htm.index(center)),
        htm.pixel(htm.index(s.near(center, 2.0**-level))),
    ]


def at_pole(s: Source) -> list[Region]:
    """Make regions at, around and next to a pole, and across longitude 0."""
    r = s.rng
    sign = r.choice([-1, 1])
    pole = at(0, 90 * sign)
    size = 10 ** r.uniform(-6, 1)
    lats = [sign * (90 - size * k) for k in (0.5, 1, 2)]
    turns = sorted(r.uniform(0, 360) for _ in range(4))
    wedge = [pole, at(turns[0], lats[0]), at((turns[0] + 40) % 360, lats[0])]
    polygons = [ConvexPolygon(wedge), ConvexPolygon([at(t, lats[1]) for t in (0, 120, 240)])]
    across = [at(360 - size, -size), at(size, -size), at(size, size), at(360 - size, size)]
    boxes = [
        Box(
            NormalizedAngleInterval.fromDegrees(
                r.choice([359.0, 350.0, 0.0, 90.0]), r.choice([1.0, 100.0, 180.0])
            ),
            AngleInterval.fromDegrees(*sorted([lats[k], sign * 90.0])),
        )
        for k in range(3)
    ]
    origin = s.near(at(0, 0), size * math.pi / 180)
    return [
        *polygons,
        s.polygon(pole, size * math.pi / 180),
        ConvexPolygon(across),
        s.polygon(origin, size * math.pi / 180),
        *boxes,
        Box.fromDegrees(360 - size, -size, size, size),
        Circle(pole, Angle(size * math.pi / 180)),
        Circle(origin, Angle(size * math.pi / 180)),
        Circle(at(turns[1], lats[2]), Angle(size * math.pi / 180)),
        UnionRegion(*polygons),
    ]


def nested(s: Source) -> list[Region]:
    """Make unions of intersections of unions among regions that touch."""
    members = s.rng.choice([touching, lon_lat_grid, sky_map, trixels])(s)
    regions = list(s.rng.sample(members, min(6, len(members))))
    for kind in (UnionRegion, IntersectionRegion, UnionRegion, IntersectionRegion):
        regions.append(kind(*s.rng.sample(regions, 2)))
        regions.append(kind(*s.rng.sample(regions, 3)))
    return regions


MAKERS: list[Callable[[Source], list[Region]]] = [
    *(maker for maker, _, _ in FAMILIES.values()),
    tiny,
    hemispheric,
    degenerate,
    healpixels,
    at_pole,
    nested,
]


def hexed(v: UnitVector3d) -> str:
    """Encode a direction."""
    return struct.pack("<3d", *xyz(v)).hex()


def answer(function: Callable, *arguments: object) -> object:
    """Call a function; `None` if it refuses."""
    try:
        return function(*arguments)
    except (ValueError, RuntimeError, NotImplementedError, TypeError):
        return None


def relation(a: Region, b: Region) -> str:
    """Make one character of overlap and relationship."""
    overlap = {True: 1, False: 0, None: 2}[a.overlaps(b)]
    return chr(ord("0") + 8 * overlap + int(a.relate(b)))


def bounds(region: Region) -> list[str | None]:
    """Encode the bounding circle and box."""
    found = (answer(region.getBoundingCircle), answer(region.getBoundingBox))
    return [None if bound is None else bound.encode().hex() for bound in found]


def ranges(found: object) -> list[list[int]] | None:
    """Make ranges printable."""
    return None if found is None else [list(r) for r in found.ranges()]


def largest_radius(region: Region) -> float:
    """Return the radius of a region, or of its largest member: each is searched alone."""
    if isinstance(region, UnionRegion | IntersectionRegion):
        return max(map(largest_radius, Region.getRegions(region)), default=math.pi)
    return region.getBoundingCircle().getOpeningAngle().asRadians()


def searches(s: Source, maker: Callable, regions: list[Region], count: int) -> list[list]:
    """Search for the pixels of some regions."""
    rows: list[list] = []
    for number in s.rng.sample(range(len(regions)), min(count, len(regions))):
        region = regions[number]
        size = answer(largest_radius, region)
        if size is None:
            continue
        if maker is degenerate:
            # What is no polygon may be large in spite of a small bounding circle.
            size = max(size, 1.0)
        deepest = 24 if size <= 0 else max(3, min(24, int(math.log2(20 / size))))
        level = s.rng.choice([7, s.rng.randint(1, deepest)])
        level = min(level, deepest)
        most = s.rng.choice([0, 0, 1, 3, 8])
        htm = HtmPixelization(level)
        safe = without_ellipses(region)
        rows.append(
            [
                number,
                "htm",
                level,
                most,
                ranges(htm.envelope(safe, most)),
                ranges(htm.interior(safe, most)),
            ]
        )
        area = 2 * math.pi * (1 - math.cos(max(size, 1e-9)))
        deepest = int(math.log2(MAX_FINE_PIXELS / (area + 1e-18) * 4 * math.pi / 12) / 2) - 4
        level = s.rng.randint(0, max(0, min(17, deepest)))
        healpix = HealpixPixelization(level)
        rows.append(
            [
                number,
                "healpix",
                level,
                0,
                ranges(answer(healpix.envelope, region)),
                ranges(answer(healpix.interior, region)),
            ]
        )
    return rows


def pixels(s: Source, count: int) -> list[list]:
    """Find the pixels of directions."""
    rows = []
    for _ in range(count):
        for system, kind, deepest in (
            ("htm", HtmPixelization, 24),
            ("healpix", HealpixPixelization, 17),
        ):
            level = s.rng.randint(0, deepest)
            pixelization = kind(level)
            point = s.direction()
            index = int(pixelization.index(point))
            region = pixelization.pixel(index)
            rows.append([system, level, hexed(point), index, region.encode().hex()])
            corner = s.rng.choice(region.getVertices())
            index = int(pixelization.index(corner))
            rows.append(
                [system, level, hexed(corner), index, pixelization.pixel(index).encode().hex()]
            )
    return rows


def group(s: Source, maker: Callable[[Source], list[Region]]) -> dict:
    """Make a group of regions with all answers."""
    regions = maker(s)
    relations = []
    for a in regions:
        for b in regions:
            relations.append(answer(relation, a, b) or " ")
    points = []
    for region in s.rng.sample(regions, min(3, len(regions))):
        point = (answer(region.getBoundingCircle) or s.circle()).getCenter()
        if isinstance(region, ConvexPolygon):
            vertices = region.getVertices()
            point = s.rng.choice(
                [point, vertices[0], between(vertices[0], vertices[1], s.rng.random())]
            )
        points.append([hexed(point), "".join("01"[r.contains(point)] for r in regions)])
    return {
        "family": maker.__name__,
        "regions": [r.encode().hex() for r in regions],
        "relations": "".join(relations),
        "bounds": [bounds(r) for r in regions],
        "points": points,
        "searches": searches(s, maker, regions, 3),
        "pixels": pixels(s, 1),
    }


def main() -> None:
    """Print groups until there are enough pairs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pairs", type=int, default=20000)
    args = parser.parse_args()
    hpgeom.hpgeom.vector_to_angle = vector_to_angle
    source = Source(args.seed)
    pairs = number = 0
    while pairs < args.pairs:
        made = group(source, MAKERS[number % len(MAKERS)])
        number += 1
        pairs += len(made["relations"])
        sys.stdout.write(json.dumps(made, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
