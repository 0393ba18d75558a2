"""Write the fixtures that hold `qbb_dimensions::sphere` to the answers of lsst.sphgeom.

Three files are written: ``sphere_codec.json`` (bytes, bounds and points),
``sphere_pairs.json`` (relations of pairs) and ``sphere_htm.json`` (pixels,
envelopes and interiors). Doubles travel as hexadecimal bytes, so nothing is
lost in decimal text. The committed files are those of the default arguments.

Example
-------
::

    python tests/kit/make_sphere_fixtures.py dimensions/tests/data
    python tests/kit/make_sphere_fixtures.py --seed 2 --scale 40 /tmp/more
    QBB_SPHERE_FIXTURES=/tmp/more cargo test -p qbb-dimensions --test sphere -- --ignored
"""

from __future__ import annotations

import argparse
import json
import math
import struct
from pathlib import Path

from lsst.sphgeom import (
    Angle,
    Circle,
    ConvexPolygon,
    Ellipse,
    HtmPixelization,
    IntersectionRegion,
    Region,
    UnionRegion,
    UnitVector3d,
)

from sphere_regions import (
    FAMILIES,
    Source,
    between,
    lon_lat_grid,
    sky_map,
    trixels,
    xyz,
)

FNV_OFFSET = 0xCBF29CE484222325
FNV_PRIME = 0x100000001B3


def pairs(s: Source, scale: int) -> list[dict]:
    """Relate pairs of regions of every family."""
    groups = []
    for name, (maker, times, count) in FAMILIES.items():
        for _ in range(times * scale):
            regions = maker(s)
            every = [(i, j) for i in range(len(regions)) for j in range(len(regions))]
            rows = []
            for i, j in sorted(s.rng.sample(every, min(count, len(every)))):
                a, b = regions[i], regions[j]
                overlap = {True: 1, False: 0, None: -1}[a.overlaps(b)]
                rows.append([i, j, overlap, int(a.relate(b))])
            groups.append(
                {"family": name, "regions": [r.encode().hex() for r in regions], "pairs": rows}
            )
    return groups


def codec(s: Source, scale: int) -> dict:
    """Encode regions, bound them and test points against them."""
    regions = []
    for i in range(130 * scale):
        region = s.compound() if i % 6 == 5 else s.simple()
        if i % 13 == 0:
            region = s.rng.choice(sky_map(s))
        points = [s.direction() for _ in range(2)]
        if isinstance(region, ConvexPolygon):
            v = region.getVertices()
            points += [v[0], between(v[0], v[1], 0.5), region.getCentroid()]
        circle = region.getBoundingCircle()
        points += [
            circle.getCenter(),
            s.near(circle.getCenter(), max(circle.getOpeningAngle().asRadians(), 0.0)),
        ]
        regions.append(
            {
                "bytes": region.encode().hex(),
                "circle": circle.encode().hex(),
                "box": region.getBoundingBox().encode().hex(),
                "points": [
                    [struct.pack("<3d", *xyz(p)).hex(), int(region.contains(p))] for p in points
                ],
            }
        )
    return {"regions": regions, "rewritten": rewritten(), "refused": refused()}


def rewritten() -> list[list[str]]:
    """Encode what is read from bytes that no writer writes."""
    circle = Circle(UnitVector3d.X(), Angle(0.1)).encode()
    member = struct.pack("<Q", len(circle)) + circle
    inner = b"u" + member + member
    raw = [
        b"b" + struct.pack("<4d", 7.0, 8.0, -2.0, 2.0),
        b"b" + struct.pack("<4d", -1.0, 1.0, -0.5, 0.5),
        b"b" + struct.pack("<4d", -4.0, 4.0, 0.5, 0.5),
        b"b" + struct.pack("<4d", 1.0, 2.0, 0.5, -0.5),
        b"b" + struct.pack("<4d", math.nan, 2.0, -0.5, 0.5),
        b"u" + struct.pack("<Q", len(inner)) + inner + member,
        b"u",
        b"i",
    ]
    return [[b.hex(), Region.decode(b).encode().hex()] for b in raw]


def refused() -> list[str]:
    """Make bytes that are no region."""
    circle = Circle(UnitVector3d.X(), Angle(0.1)).encode()
    triangle = ConvexPolygon([UnitVector3d.X(), UnitVector3d.Y(), UnitVector3d.Z()]).encode()
    raw = [
        b"",
        b"x",
        circle[:-1],
        circle + b"\0",
        b"b" + circle[1:],
        b"e" + triangle[1:],
        triangle[:49],
        triangle[:-8],
        b"b" + struct.pack("<4d", 8.0, 7.0, 0.0, 1.0),
        b"u" + struct.pack("<Q", 42) + circle,
        b"u" + struct.pack("<Q", 40) + circle,
        b"i\x01",
        b"i" + struct.pack("<Q", 0),
    ]
    for b in raw:
        try:
            Region.decode(b)
        except (RuntimeError, ValueError):
            continue
        raise AssertionError(f"{b.hex()} was not refused")
    return [b.hex() for b in raw]


def summary(ranges: list[tuple[int, int]]) -> list:
    """Return short lists of ranges as they are and long ones as [count, checksum]."""
    if len(ranges) <= 4:
        return [list(r) for r in ranges]
    value = FNV_OFFSET
    for number in (n for r in ranges for n in r):
        for byte in struct.pack("<Q", number):
            value = ((value ^ byte) * FNV_PRIME) % 2**64
    return [len(ranges), f"{value:016x}"]


def without_ellipses(region: Region) -> Region:
    """Replace ellipses by their bounding circles.

    That is what a search for pixels is meant to do with an ellipse, but
    lsst.sphgeom 30 reads the circle after its lifetime has ended and may crash.
    """
    if isinstance(region, Ellipse):
        return region.getBoundingCircle()
    if isinstance(region, UnionRegion | IntersectionRegion):
        return type(region)(*(without_ellipses(member) for member in Region.getRegions(region)))
    return region


def htm(s: Source, scale: int) -> dict:
    """Find pixels, envelopes and interiors."""
    regions: list[Region] = []
    for _ in range(2 * scale):
        regions += s.rng.sample(sky_map(s), 8) + s.rng.sample(lon_lat_grid(s), 5)
        regions += [*s.rng.sample(trixels(s), 5), s.wide_polygon()]
    regions += [s.polygon(radius=s.rng.uniform(0.001, 0.2)) for _ in range(12 * scale)]
    regions += [s.polygon(radius=1e-8) for _ in range(2 * scale)]
    regions += [s.simple() for _ in range(40 * scale)]
    regions += [s.compound() for _ in range(14 * scale)]
    searches = []
    for number, region in enumerate(regions):
        size = region.getBoundingCircle().getOpeningAngle().asRadians()
        levels = [(3, 0), (7, 0)]
        if size < 0.1:
            levels += [(10, 0), (10, s.rng.choice([1, 2, 4, 16]))]
        if size < 1e-5:
            levels += [(s.rng.choice([15, 20, 24]), 4)]
        levels += [(6, s.rng.choice([1, 2, 3, 5, 8, 30]))]
        for level, most in levels:
            pixelization = HtmPixelization(level)
            envelope = pixelization.envelope(without_ellipses(region), most).ranges()
            interior = pixelization.interior(without_ellipses(region), most).ranges()
            searches.append([number, level, most, summary(envelope), summary(interior)])
    points, pixels = [], []
    for _ in range(120 * scale):
        level = s.rng.randrange(25)
        pixelization = HtmPixelization(level)
        point = s.direction()
        if s.rng.random() < 0.4:
            corner = pixelization.pixel(pixelization.index(point)).getVertices()
            point = s.rng.choice([corner[0], between(corner[1], corner[2], 0.5)])
        index = pixelization.index(point)
        points.append([struct.pack("<3d", *xyz(point)).hex(), level, index])
        if len(pixels) < 40 * scale:
            pixels.append([level, index, pixelization.pixel(index).encode().hex()])
    return {
        "regions": [r.encode().hex() for r in regions],
        "searches": searches,
        "points": points,
        "pixels": pixels,
    }


def main() -> None:
    """Write the files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--scale", type=int, default=1, help="multiplies the number of cases")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    for name, maker in (("codec", codec), ("pairs", pairs), ("htm", htm)):
        content = maker(Source(args.seed), args.scale)
        path = args.folder / f"sphere_{name}.json"
        path.write_text(json.dumps(content, separators=(",", ":")) + "\n")
        print(f"{path}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
