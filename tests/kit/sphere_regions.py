"""Random regions of every kind on the sphere: of sky maps, on grids, touching each other."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable

from lsst.sphgeom import (
    Angle,
    AngleInterval,
    Box,
    Circle,
    ConvexPolygon,
    Ellipse,
    HtmPixelization,
    IntersectionRegion,
    LonLat,
    NormalizedAngleInterval,
    Region,
    UnionRegion,
    UnitVector3d,
    Vector3d,
)

DEG = math.pi / 180.0


def at(lon: float, lat: float) -> UnitVector3d:
    """Make a direction from degrees."""
    return UnitVector3d(LonLat.fromDegrees(lon, lat))


def unit(x: float, y: float, z: float) -> UnitVector3d:
    """Make a direction from any nonzero vector."""
    return UnitVector3d(Vector3d(x, y, z))


def between(a: UnitVector3d, b: UnitVector3d, t: float) -> UnitVector3d:
    """Make a direction on the arc from a to b, up to rounding."""
    return unit(*((1 - t) * p + t * q for p, q in zip(xyz(a), xyz(b), strict=True)))


def xyz(v: UnitVector3d) -> tuple[float, float, float]:
    """Return the components of a direction."""
    return v.x(), v.y(), v.z()


class Plane:
    """A tangent plane, as sky maps and cameras use them.

    Parameters
    ----------
    lon, lat : `float`
        Tangent point, degrees.
    angle : `float`
        Rotation of the axes, degrees.
    """

    def __init__(self, lon: float, lat: float, angle: float = 0.0):
        a, d, t = lon * DEG, lat * DEG, angle * DEG
        c = (math.cos(d) * math.cos(a), math.cos(d) * math.sin(a), math.sin(d))
        east = (-math.sin(a), math.cos(a), 0.0)
        north = (
            c[1] * east[2] - c[2] * east[1],
            c[2] * east[0] - c[0] * east[2],
            c[0] * east[1] - c[1] * east[0],
        )
        self.center = c
        self.x = [math.cos(t) * e + math.sin(t) * n for e, n in zip(east, north, strict=True)]
        self.y = [-math.sin(t) * e + math.cos(t) * n for e, n in zip(east, north, strict=True)]

    def point(self, x: float, y: float) -> UnitVector3d:
        """Make a direction from plane coordinates in degrees."""
        tx, ty = math.tan(x * DEG), math.tan(y * DEG)
        return unit(
            *(c + tx * p + ty * q for c, p, q in zip(self.center, self.x, self.y, strict=True))
        )

    def box(self, x0: float, y0: float, x1: float, y1: float) -> ConvexPolygon:
        """Make a polygon from a box of plane coordinates."""
        corners = ((x0, y0), (x1, y0), (x1, y1), (x0, y1))
        return ConvexPolygon([self.point(x, y) for x, y in corners])


class Source:
    """A source of random regions of every kind.

    Parameters
    ----------
    seed : `int`
        Seed of the generator.
    """

    def __init__(self, seed: int):
        self.rng = random.Random(seed)

    def direction(self) -> UnitVector3d:
        """Make a direction, often a special one."""
        r = self.rng
        kind = r.random()
        if kind < 0.06:
            return r.choice([at(0, 90), at(0, -90), UnitVector3d.Z(), -UnitVector3d.Z()])
        if kind < 0.12:
            return at(r.choice([0.0, 90.0, 180.0, 270.0, 360.0]), r.choice([0.0, 30.0, -45.0]))
        if kind < 0.18:
            return at(r.uniform(-1e-6, 1e-6), r.uniform(-1e-6, 1e-6))
        if kind < 0.24:
            return at(r.uniform(0, 360), r.choice([-1, 1]) * (90 - 10 ** r.uniform(-9, 0)))
        return unit(r.gauss(0, 1), r.gauss(0, 1), r.gauss(0, 1))

    def near(self, v: UnitVector3d, radius: float) -> UnitVector3d:
        """Make a direction about `radius` radians from another."""
        return unit(*(c + radius * self.rng.gauss(0, 1) for c in xyz(v)))

    def radius(self) -> float:
        """Make an angle between 1e-10 and 1.5 radians."""
        return min(1.5, 10 ** self.rng.uniform(-10, 0.3))

    def polygon(
        self, center: UnitVector3d | None = None, radius: float | None = None
    ) -> ConvexPolygon:
        """Make a convex polygon with vertices about `radius` from the center."""
        r = self.rng
        center = self.direction() if center is None else center
        radius = self.radius() if radius is None else radius
        while True:
            n = r.choice([3, 3, 4, 4, 4, 5, 6, 9])
            axis = UnitVector3d.orthogonalTo(center)
            start = center.rotatedAround(axis, Angle(radius))
            turns = [r.uniform(0, 2 * math.pi) for _ in range(n)]
            points = [start.rotatedAround(center, Angle(t)) for t in turns]
            try:
                return ConvexPolygon(points)
            except ValueError:
                continue

    def wide_polygon(self) -> ConvexPolygon:
        """Make a polygon that is nearly a hemisphere."""
        return self.polygon(radius=math.pi / 2 - 10 ** self.rng.uniform(-9, -1))

    def circle(self) -> Circle:
        """Make a circle of any size."""
        r = self.rng
        kind = r.random()
        if kind < 0.03:
            return Circle.empty()
        if kind < 0.06:
            return Circle.full()
        if kind < 0.09:
            return Circle(self.direction())
        if kind < 0.3:
            return Circle(self.direction(), Angle(r.uniform(1.0, math.pi)))
        return Circle(self.direction(), Angle(self.radius()))

    def box(self) -> Box:
        """Make a box of any size, possibly through longitude 0 or a pole."""
        r = self.rng
        kind = r.random()
        if kind < 0.03:
            return Box.empty()
        if kind < 0.06:
            return Box.full()
        lon = NormalizedAngleInterval.fromDegrees(r.uniform(0, 360), r.uniform(0, 360))
        if kind < 0.15:
            lon = NormalizedAngleInterval.full()
        elif kind < 0.4:
            a = r.choice([0.0, 90.0, 359.9, 180.0, 270.0])
            lon = NormalizedAngleInterval.fromDegrees(a, (a + r.choice([0.1, 1.0, 90.0])) % 360)
        lat = sorted([r.uniform(-90, 90), r.uniform(-90, 90)])
        if r.random() < 0.2:
            lat = r.choice([[-90, -80], [80, 90], [0, 10], [-10, 0], [0, 0]])
        return Box(lon, AngleInterval.fromDegrees(*lat))

    def ellipse(self) -> Ellipse:
        """Make an ellipse of any size."""
        r = self.rng
        kind = r.random()
        if kind < 0.05:
            return Ellipse.empty()
        if kind < 0.1:
            return Ellipse.full()
        if kind < 0.2:
            return Ellipse(self.circle())
        center = self.direction()
        if kind < 0.5:
            focus = self.near(center, 0.1)
            return Ellipse(center, focus, Angle(r.uniform(0.01, 1.0)))
        a, b = r.uniform(0.001, 1.5), r.uniform(0.001, 1.5)
        return Ellipse(center, Angle(a), Angle(b), Angle(r.uniform(0, math.pi)))

    def simple(self) -> Region:
        """Make a region that is no union and no intersection."""
        makers: list[Callable[[], Region]] = [
            self.polygon,
            self.polygon,
            self.wide_polygon,
            self.circle,
            self.circle,
            self.box,
            self.ellipse,
        ]
        return self.rng.choice(makers)()

    def compound(self, depth: int = 2) -> Region:
        """Make a union or intersection, possibly nested or without members."""
        r = self.rng
        members = [
            self.compound(depth - 1) if depth and r.random() < 0.2 else self.simple()
            for _ in range(r.choice([0, 1, 2, 2, 3]))
        ]
        return (UnionRegion if r.random() < 0.6 else IntersectionRegion)(*members)

    def sky_position(self) -> tuple[float, float]:
        """Make a tangent point, degrees, with poles and longitude 0 favoured."""
        r = self.rng
        lon = r.choice([0.0, 0.02, 359.95, 90.0, r.uniform(0, 360), r.uniform(0, 360)])
        lat = r.choice([0.0, 90.0, -89.9, 60.0, r.uniform(-89, 89), r.uniform(-89, 89)])
        return lon, lat


def sky_map(s: Source) -> list[Region]:
    """Make a tract, patches with and without border, and overlapping detectors."""
    lon, lat = s.sky_position()
    plane = Plane(lon, lat, s.rng.choice([0.0, 0.0, s.rng.uniform(0, 360)]))
    size, border = 0.2, 0.01
    grid = [(x * size - 0.3, y * size - 0.3) for x in range(3) for y in range(3)]
    inner = [plane.box(x, y, x + size, y + size) for x, y in grid]
    outer = [
        plane.box(x - border, y - border, x + size + border, y + size + border) for x, y in grid
    ]
    visit = Plane(
        lon + s.rng.uniform(-0.3, 0.3), max(-90, min(90, lat + 0.1)), s.rng.uniform(0, 360)
    )
    detectors = [
        visit.box(x * 0.235, y * 0.235, x * 0.235 + 0.22, y * 0.235 + 0.22)
        for x in (-1, 0)
        for y in (-1, 0)
    ]
    tract = plane.box(-0.3, -0.3, 0.3, 0.3)
    return [tract, *inner, *outer[:5], *detectors, UnionRegion(*detectors)]


def lon_lat_grid(s: Source) -> list[Region]:
    """Make polygons on a grid of longitude and latitude that share edges and vertices exactly."""
    lon, lat = s.sky_position()
    lat = max(-88.0, min(86.0, lat))
    step = s.rng.choice([1.0, 0.1, 1e-5, 1e-8])
    points = [[at(lon + step * x, lat + step * y) for y in range(4)] for x in range(4)]
    squares = [
        ConvexPolygon([points[x][y], points[x + 1][y], points[x + 1][y + 1], points[x][y + 1]])
        for x in range(3)
        for y in range(3)
    ]
    boxes = [
        Box.fromDegrees(lon, lat, lon + step, lat + step),
        Box.fromDegrees(lon + step, lat, lon + 2 * step, lat),
    ]
    return [
        *squares,
        *boxes,
        Circle(points[1][1], Angle(step * DEG)),
        Circle(points[1][1], Angle(step * DEG / 2)),
    ]


def touching(s: Source) -> list[Region]:
    """Make polygons whose vertices lie on each other's edges, up to rounding."""
    polygon = s.polygon(radius=s.rng.choice([1.0, 0.01, 1e-5, 1e-9]))
    vertices = polygon.getVertices()
    regions: list[Region] = [polygon]
    for a, b in itertools.pairwise(vertices):
        middle = between(a, b, s.rng.random())
        away = unit(
            *(2 * m - c for m, c in zip(xyz(middle), xyz(polygon.getCentroid()), strict=True))
        )
        beside = between(b, away, 0.7)
        for corners in (
            (middle, away, beside),
            (a, b, away),
            (b, away, beside),
            (a, between(a, b, 2.0), away),
        ):
            try:
                regions.append(ConvexPolygon(list(corners)))
            except ValueError:
                continue
        regions.append(Circle(away, Angle(math.acos(max(-1, min(1, away.dot(middle)))))))
        regions.append(Circle(a))
    return regions


def trixels(s: Source) -> list[Region]:
    """Make pixels of several levels about one direction."""
    center = s.direction()
    found: dict[int, Region] = {}
    for level in (0, 1, 3, 7, 12):
        htm = HtmPixelization(level)
        index = htm.index(center)
        family = [index]
        if level:
            family += [index ^ 1, index ^ 2, index ^ 3, htm.index(s.near(center, 2.0**-level))]
        for i in family:
            found[i] = htm.pixel(i)
    return list(found.values())


def circles_and_boxes(s: Source) -> list[Region]:
    """Make circles that touch circles, and boxes that touch boxes."""
    a = s.direction()
    b = s.near(a, s.radius())
    distance = math.atan2(a.cross(b).getNorm(), a.dot(b))
    regions: list[Region] = []
    for fraction in (0.25, 0.5, 0.75):
        for slack in (0.0, 3e-8, 7e-8, -3e-8, 1e-6):
            regions.append(Circle(a, Angle(fraction * distance + slack)))
            regions.append(Circle(b, Angle((1 - fraction) * distance)))
    regions += [Circle(a, Angle(distance + fraction)) for fraction in (0.0, 0.1, 1.0)]
    regions += [Circle(a, Angle(0.3)).complemented(), Circle(a, Angle(0.3))]
    regions += [s.box() for _ in range(8)]
    s.rng.shuffle(regions)
    # A box around the hole that a nearly full circle leaves.
    hole = [
        Circle(a, Angle(0.2)).getBoundingBox(),
        Circle(s.near(a, 0.01), Angle(0.05)).complemented(),
    ]
    return [*hole, *regions[:14]]


def assorted(s: Source) -> list[Region]:
    """Make simple regions of all kinds, most of them near one direction."""
    center = s.direction()
    near = [s.polygon(s.near(center, 0.1), s.rng.uniform(0.01, 0.5)) for _ in range(3)]
    circles = [Circle(s.near(center, 0.1), Angle(s.rng.uniform(0.001, 1.0))) for _ in range(2)]
    boxes = [
        Circle(s.near(center, 0.1), Angle(s.rng.uniform(0.001, 0.5))).getBoundingBox()
        for _ in range(2)
    ]
    return [*near, *circles, *boxes, *(s.simple() for _ in range(9))]


def compounds(s: Source) -> list[Region]:
    """Make unions and intersections next to simple regions."""
    return [*(s.compound() for _ in range(8)), *(s.simple() for _ in range(6))]


FAMILIES: dict[str, tuple[Callable[[Source], list[Region]], int, int]] = {
    # Name: maker, how often, how many pairs each time.
    "sky map": (sky_map, 6, 130),
    "grid": (lon_lat_grid, 6, 90),
    "touching": (touching, 12, 60),
    "trixels": (trixels, 6, 90),
    "circles and boxes": (circles_and_boxes, 6, 120),
    "assorted": (assorted, 14, 100),
    "compounds": (compounds, 10, 80),
}
