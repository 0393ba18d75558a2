"""Where a synthetic release looks at the sky: tracts, patches, cameras.

The survey lies across the equator and across right ascension zero, because
pixel boundaries and the wrap of angles are there.
"""

from __future__ import annotations

import dataclasses
import math
import random
from collections.abc import Iterator

from lsst.sphgeom import Angle, ConvexPolygon, LonLat, UnitVector3d, Vector3d

PATCH_SIDE = 0.2
"""Side of a patch without its border, degrees."""
BORDER = 0.012
"""How far patches of overlapping tracts reach into their neighbours, degrees."""
CHIP_SIDE = 0.21
"""Side of a detector, degrees."""
CHIP_PITCH = 0.225
"""Distance between the centers of neighbouring detectors, degrees."""
FIRST_TRACT, TRACT_STEP = 9812, 7
X_AXIS, Y_AXIS, Z_AXIS = UnitVector3d.X(), UnitVector3d.Y(), UnitVector3d.Z()


@dataclasses.dataclass(frozen=True)
class Pointing:
    """A direction on the sky and a rotation about it, all in degrees."""

    ra: float
    dec: float
    roll: float = 0.0

    def place(self, x: float, y: float) -> UnitVector3d:
        """Project a point of the tangent plane, in degrees, onto the sphere.

        x grows to the east and y to the north where the roll is zero.
        """
        flat = UnitVector3d(Vector3d(1.0, math.tan(math.radians(x)), math.tan(math.radians(y))))
        rolled = flat.rotatedAround(X_AXIS, Angle.fromDegrees(self.roll))
        raised = rolled.rotatedAround(Y_AXIS, Angle.fromDegrees(-self.dec))
        return raised.rotatedAround(Z_AXIS, Angle.fromDegrees(self.ra))

    def rectangle(self, left: float, bottom: float, right: float, top: float) -> ConvexPolygon:
        """Return the region of a rectangle of the tangent plane."""
        corners = ((left, bottom), (right, bottom), (right, top), (left, top))
        return ConvexPolygon([self.place(x, y) for x, y in corners])

    def moved_to(self, x: float, y: float, roll: float) -> Pointing:
        """Return a pointing at a point of this one's tangent plane."""
        center = LonLat(self.place(x, y))
        return Pointing(center.getLon().asDegrees() % 360.0, center.getLat().asDegrees(), roll)


def columns_and_rows(count: int) -> tuple[int, int]:
    """Return the shape of the squarest grid that holds so many cells."""
    columns = math.isqrt(count - 1) + 1
    return columns, -(-count // columns)


@dataclasses.dataclass(frozen=True)
class Patch:
    """One patch of a tract."""

    number: int
    column: int
    row: int
    region: ConvexPolygon


@dataclasses.dataclass(frozen=True)
class Tract:
    """One tract; in every second one patches only touch, in the others they overlap."""

    number: int
    pointing: Pointing
    columns: int
    rows: int
    n_patches: int
    border: float

    @property
    def half_width(self) -> float:
        """Half of the extent in x without the border, degrees."""
        return self.columns * PATCH_SIDE / 2

    @property
    def half_height(self) -> float:
        """Half of the extent in y without the border, degrees."""
        return self.rows * PATCH_SIDE / 2

    @property
    def region(self) -> ConvexPolygon:
        """The region of all patches."""
        x, y = self.half_width + self.border, self.half_height + self.border
        return self.pointing.rectangle(-x, -y, x, y)

    def patches(self) -> Iterator[Patch]:
        """Make the patches, row by row.

        Neighbours compute their common edge from the same numbers, so
        without a border they share it exactly.
        """
        for number in range(self.n_patches):
            row, column = divmod(number, self.columns)
            left, right = (k * PATCH_SIDE - self.half_width for k in (column, column + 1))
            bottom, top = (k * PATCH_SIDE - self.half_height for k in (row, row + 1))
            region = self.pointing.rectangle(
                left - self.border, bottom - self.border, right + self.border, top + self.border
            )
            yield Patch(number, column, row, region)


def make_tracts(n_tracts: int, n_patches: int) -> list[Tract]:
    """Lay out tracts around RA 0, Dec 0, each overlapping its neighbours a little."""
    across, _ = columns_and_rows(n_tracts)
    columns, rows = columns_and_rows(n_patches)
    tracts = []
    for k in range(n_tracts):
        down, along = divmod(k, across)
        pointing = Pointing(
            (359.85 + along * columns * PATCH_SIDE * 0.96) % 360.0,
            0.07 + down * rows * PATCH_SIDE * 0.96,
        )
        border = BORDER if k % 2 == 0 else 0.0
        tracts.append(
            Tract(FIRST_TRACT + TRACT_STEP * k, pointing, columns, rows, n_patches, border)
        )
    return tracts


def choose_pointing(rng: random.Random, tracts: list[Tract], number: int) -> Pointing:
    """Choose where a visit looks.

    The visit with number 1 is centered on a corner that patches share, with
    its rows along theirs; number 3 looks away from all tracts; the others
    look somewhere in a tract, at any angle.
    """
    tract = rng.choice(tracts)
    x = rng.uniform(-tract.half_width, tract.half_width)
    y = rng.uniform(-tract.half_height, tract.half_height)
    roll = rng.uniform(0.0, 360.0)
    if number == 1:
        return tracts[0].pointing.moved_to(
            PATCH_SIDE - tracts[0].half_width, PATCH_SIDE - tracts[0].half_height, 0.0
        )
    if number == 3:
        return Pointing(180.0 + x, -30.0 + y, roll)
    return tract.pointing.moved_to(x, y, roll)


def chip_regions(pointing: Pointing, n_chips: int) -> list[ConvexPolygon]:
    """Return the regions of a camera's detectors."""
    columns, rows = columns_and_rows(n_chips)
    half = CHIP_SIDE / 2
    regions = []
    for chip in range(n_chips):
        row, column = divmod(chip, columns)
        x = (column - (columns - 1) / 2) * CHIP_PITCH
        y = (row - (rows - 1) / 2) * CHIP_PITCH
        regions.append(pointing.rectangle(x - half, y - half, x + half, y + half))
    return regions
