//! Cells of the HEALPix grid: their numbers, places and neighbours.
//!
//! The sphere is cut into twelve diamonds ("faces"): four around the north pole (0 to 3), four on
//! the equator (4 to 7), four around the south pole (8 to 11). A face holds 4^order cells, named
//! by two coordinates that run along its edges from the southern corner: x north-east, y
//! north-west. A nested index is the face followed by the interleaved bits of y and x.
//!
//! Formulas are those of Górski et al. 2005 (ApJ 622, 759). Where a formula can be evaluated in
//! several orders, it follows the library behind `lsst.sphgeom`, because rounding decides which
//! cells near a boundary are found at deep levels.

use std::f64::consts::{FRAC_PI_2, FRAC_PI_4, PI, TAU};

use super::vector::{LonLat, UnitVector3d, Vector3d};

/// Height of the parallels between the polar and the equatorial part of the grid.
const TRANSITION: f64 = 2.0 / 3.0;
/// Heights above which a cosine of the colatitude has lost too many digits.
const NEAR_POLE: f64 = 0.99;

/// Ring of the southern corner of each face, in sides of a face from the north pole.
const CORNER_RING: [i64; 12] = [2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4];
/// Longitude of the middle of each face, in units of π/4.
const CORNER_LON: [i64; 12] = [1, 3, 5, 7, 0, 2, 4, 6, 1, 3, 5, 7];

/// A direction as its height above the equator and its longitude; near the poles also the
/// distance from the axis, which the height alone gives badly.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) z: f64,
    pub(super) phi: f64,
    axis_distance: Option<f64>,
}

impl Place {
    /// At `ring` rings from a pole, where `scale` turns squares of rings into heights.
    fn near_pole(north: bool, from_pole: f64, phi: f64) -> Self {
        let height = 1.0 - from_pole;
        let axis_distance = (height > NEAR_POLE).then(|| (from_pole * (2.0 - from_pole)).sqrt());
        let z = if north { height } else { from_pole - 1.0 };
        Self { z, phi, axis_distance }
    }

    /// Colatitude, radians.
    pub(super) fn theta(self) -> f64 {
        match self.axis_distance {
            Some(distance) => distance.atan2(self.z),
            None => self.z.acos(),
        }
    }

    pub(super) fn vector(self) -> Vector3d {
        let distance =
            self.axis_distance.unwrap_or_else(|| ((1.0 - self.z) * (1.0 + self.z)).sqrt());
        Vector3d::new(distance * self.phi.cos(), distance * self.phi.sin(), self.z)
    }

    /// Cosine of the angle to a height and longitude.
    pub(super) fn cosine_to(self, z: f64, phi: f64) -> f64 {
        z * self.z + (phi - self.phi).cos() * ((1.0 - z * z) * (1.0 - self.z * self.z)).sqrt()
    }
}

/// The grid of one order: 2^order cells along each side of a face.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Grid {
    order: u8,
}

/// A cell by face and coordinates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    face: usize,
    x: i64,
    y: i64,
}

impl Cell {
    /// Coordinates on the face.
    pub(super) const fn position(self) -> (i64, i64) {
        (self.x, self.y)
    }

    /// Another cell of the same face.
    pub(super) const fn at(self, x: i64, y: i64) -> Self {
        Self { face: self.face, x, y }
    }
}

impl Grid {
    /// Deepest order whose indexes and coordinates are exact everywhere.
    pub(super) const MAX_ORDER: u8 = 29;

    pub(super) const fn new(order: u8) -> Self {
        Self { order }
    }

    /// Cells along a side of a face.
    pub(super) const fn side(self) -> i64 {
        1 << self.order
    }

    /// Number of cells.
    pub(super) const fn cell_count(self) -> u64 {
        12 << (2 * self.order)
    }

    pub(super) const fn cell(self, index: u64) -> Cell {
        let bits = 2 * self.order as u32;
        let within = index & ((1 << bits) - 1);
        Cell {
            face: (index >> bits) as usize,
            x: every_second_bit(within),
            y: every_second_bit(within >> 1),
        }
    }

    pub(super) const fn index(self, cell: Cell) -> u64 {
        ((cell.face as u64) << (2 * self.order)) + spread(cell.x) + (spread(cell.y) << 1)
    }

    /// The center of a cell.
    pub(super) fn center(self, index: u64) -> Place {
        let Cell { face, x, y } = self.cell(index);
        let side = self.side();
        let square = 4.0 / self.cell_count() as f64;
        let step = (side << 1) as f64 * square;
        let ring = (CORNER_RING[face] << self.order) - x - y - 1;
        let cells = if ring < side {
            ring
        } else if ring > 3 * side {
            4 * side - ring
        } else {
            side
        };
        let mut along = CORNER_LON[face] * cells + x - y;
        if along < 0 {
            along += 8 * cells;
        }
        let phi = if cells == side {
            0.75 * FRAC_PI_2 * along as f64 * step
        } else {
            (FRAC_PI_4 * along as f64) / cells as f64
        };
        if ring < side || ring > 3 * side {
            Place::near_pole(ring < side, (cells * cells) as f64 * square, phi)
        } else {
            Place { z: (2 * side - ring) as f64 * step, phi, axis_distance: None }
        }
    }

    /// The cell of a direction.
    pub(super) fn find(self, direction: &UnitVector3d) -> u64 {
        let v = direction.v;
        let scale = 1.0 / v.norm();
        let phi = if v.x == 0.0 && v.y == 0.0 { 0.0 } else { v.y.atan2(v.x) };
        let z = v.z * scale;
        let axis_distance = (z.abs() > NEAR_POLE).then(|| (v.x * v.x + v.y * v.y).sqrt() * scale);
        self.find_place(Place { z, phi, axis_distance })
    }

    /// The cell of a longitude and latitude.
    pub(super) fn find_lon_lat(self, point: LonLat) -> u64 {
        let theta = colatitude(point.lat());
        let axis_distance = (0.01..=3.131_59).contains(&theta).then(|| theta.sin());
        self.find_place(Place { z: theta.cos(), phi: longitude(point.lon()), axis_distance })
    }

    fn find_place(self, place: Place) -> u64 {
        let Place { z, phi, axis_distance } = place;
        let side = self.side();
        let height = z.abs();
        let quarters = modulo(phi * std::f64::consts::FRAC_2_PI, 4.0);
        let cell = if height <= TRANSITION {
            let along = side as f64 * (0.5 + quarters);
            let across = side as f64 * (z * 0.75);
            // Numbers of the ascending and descending lines that bound the cell in the south.
            let (rising, falling) = ((along - across) as i64, (along + across) as i64);
            let (rising_face, falling_face) = (rising >> self.order, falling >> self.order);
            let face = match rising_face.cmp(&falling_face) {
                std::cmp::Ordering::Equal => rising_face | 4,
                std::cmp::Ordering::Less => rising_face,
                std::cmp::Ordering::Greater => falling_face + 8,
            };
            Cell {
                face: face as usize,
                x: falling & (side - 1),
                y: side - (rising & (side - 1)) - 1,
            }
        } else {
            let quarter = (quarters as i64).min(3);
            let part = quarters - quarter as f64;
            let rings = match axis_distance {
                Some(distance) if height >= NEAR_POLE => {
                    side as f64 * distance / ((1.0 + height) / 3.0).sqrt()
                }
                _ => side as f64 * (3.0 * (1.0 - height)).sqrt(),
            };
            let rising = ((part * rings) as i64).min(side - 1);
            let falling = (((1.0 - part) * rings) as i64).min(side - 1);
            if z >= 0.0 {
                Cell { face: quarter as usize, x: side - falling - 1, y: side - rising - 1 }
            } else {
                Cell { face: quarter as usize + 8, x: rising, y: falling }
            }
        };
        self.index(cell)
    }

    /// Longitudes and colatitudes of `step` points on each side of a cell, beginning with the
    /// northern corner.
    pub(super) fn outline(self, index: u64, step: u32) -> Vec<Place> {
        let Cell { face, x, y } = self.cell(index);
        let side = self.side() as f64;
        let half = 0.5 / side;
        let (x, y) = ((x as f64 + 0.5) / side, (y as f64 + 0.5) / side);
        let gap = 1.0 / (f64::from(step) * side);
        // Where each side begins, and where it leads.
        let sides = [
            ((1.0, 1.0), (-1.0, 0.0)),
            ((-1.0, 1.0), (0.0, -1.0)),
            ((-1.0, -1.0), (1.0, 0.0)),
            ((1.0, -1.0), (0.0, 1.0)),
        ];
        let mut places = Vec::with_capacity(4 * step as usize);
        for (begin, way) in sides {
            for i in 0..step {
                let along = f64::from(i) * gap;
                let x = x + begin.0 * half + way.0 * along;
                places.push(face_place(face, x, y + begin.1 * half + way.1 * along));
            }
        }
        places
    }

    /// The neighbour in a direction given by steps of −1, 0 or 1 along both coordinates; `None`
    /// where only three faces meet and there is none.
    pub(super) fn neighbour(self, index: u64, steps: (i64, i64)) -> Option<u64> {
        let Cell { face, x, y } = self.cell(index);
        let side = self.side();
        let (mut x, mut y) = (x + steps.0, y + steps.1);
        // Which of the surrounding faces: 0 to 8, row by row from the south, 4 is this one.
        let mut around = 4;
        if x < 0 {
            x += side;
            around -= 1;
        } else if x >= side {
            x -= side;
            around += 1;
        }
        if y < 0 {
            y += side;
            around -= 3;
        } else if y >= side {
            y -= side;
            around += 3;
        }
        let (face, turn) = neighbour_face(face, around)?;
        let (x, y) = match turn {
            Turn::None => (x, y),
            Turn::Mirror => (side - 1 - x, side - 1 - y),
            Turn::SwapMirrorX => (y, side - 1 - x),
            Turn::SwapMirrorY => (side - 1 - y, x),
        };
        Some(self.index(Cell { face, x, y }))
    }

    /// Largest distance of a point of a cell from the cell's center, radians.
    pub(super) fn max_radius(self) -> f64 {
        let side = self.side() as f64;
        let on_parallel = |z: f64, phi: f64| {
            let distance = ((1.0 - z) * (1.0 + z)).sqrt();
            Vector3d::new(distance * phi.cos(), distance * phi.sin(), z)
        };
        let a = on_parallel(TRANSITION, PI / (4.0 * side));
        let part = 1.0 - 1.0 / side;
        let b = on_parallel(1.0 - part * part / 3.0, 0.0);
        a.cross(b).norm().atan2(a.dot(b))
    }
}

/// Place of a point of a face, with coordinates from 0 to 1.
fn face_place(face: usize, x: f64, y: f64) -> Place {
    let ring = CORNER_RING[face] as f64 - x - y;
    let from_pole = if ring < 1.0 {
        ring
    } else if ring > 3.0 {
        4.0 - ring
    } else {
        1.0
    };
    let mut along = CORNER_LON[face] as f64 * from_pole + x - y;
    if along < 0.0 {
        along += 8.0;
    }
    if along >= 8.0 {
        along -= 8.0;
    }
    let phi = if from_pole < 1e-15 { 0.0 } else { (FRAC_PI_4 * along) / from_pole };
    if !(1.0..=3.0).contains(&ring) {
        Place::near_pole(ring < 1.0, from_pole * from_pole / 3.0, phi)
    } else {
        Place { z: (2.0 - ring) * 2.0 / 3.0, phi, axis_distance: None }
    }
}

/// How the coordinates of a neighbouring face are turned against those of a face.
enum Turn {
    None,
    Mirror,
    SwapMirrorX,
    SwapMirrorY,
}

/// The face beside a face and how it is turned. Numbers of `around` go row by row: south,
/// south-east, east, south-west, the face itself, north-east, west, north-west, north.
fn neighbour_face(face: usize, around: usize) -> Option<(usize, Turn)> {
    let row = face / 4;
    let column = face % 4;
    let (east, west) = ((column + 1) % 4, (column + 3) % 4);
    Some(match (row, around) {
        (_, 4) => (face, Turn::None),
        // A polar face meets its neighbours in the same cap across turned edges.
        (0, 5) => (east, Turn::SwapMirrorX),
        (0, 7) => (west, Turn::SwapMirrorY),
        (0, 8) => ((column + 2) % 4, Turn::Mirror),
        (0, 0) => (8 + column, Turn::None),
        (0, 1) => (4 + east, Turn::None),
        (0, 3) => (4 + column, Turn::None),
        (1, 1) => (8 + column, Turn::None),
        (1, 2) => (4 + east, Turn::None),
        (1, 3) => (8 + west, Turn::None),
        (1, 5) => (column, Turn::None),
        (1, 6) => (4 + west, Turn::None),
        (1, 7) => (west, Turn::None),
        (2, 0) => (8 + (column + 2) % 4, Turn::Mirror),
        (2, 1) => (8 + east, Turn::SwapMirrorY),
        (2, 3) => (8 + west, Turn::SwapMirrorX),
        (2, 5) => (4 + east, Turn::None),
        (2, 7) => (4 + column, Turn::None),
        (2, 8) => (column, Turn::None),
        _ => return None,
    })
}

/// Colatitude of a latitude, radians.
pub(super) fn colatitude(lat: f64) -> f64 {
    -lat + FRAC_PI_2
}

/// A longitude reduced to [0, 2π).
pub(super) fn longitude(lon: f64) -> f64 {
    modulo(lon, TAU)
}

/// Remainder in [0, `divisor`).
pub(super) fn modulo(value: f64, divisor: f64) -> f64 {
    if value >= 0.0 {
        return if value < divisor { value } else { value % divisor };
    }
    let remainder = value % divisor + divisor;
    if remainder == divisor { 0.0 } else { remainder }
}

/// Moves bit i of a coordinate to bit 2 i.
const fn spread(coordinate: i64) -> u64 {
    let mut bits = coordinate as u64 & 0xffff_ffff;
    bits = (bits | (bits << 16)) & 0x0000_ffff_0000_ffff;
    bits = (bits | (bits << 8)) & 0x00ff_00ff_00ff_00ff;
    bits = (bits | (bits << 4)) & 0x0f0f_0f0f_0f0f_0f0f;
    bits = (bits | (bits << 2)) & 0x3333_3333_3333_3333;
    (bits | (bits << 1)) & 0x5555_5555_5555_5555
}

/// Moves bit 2 i to bit i and drops the odd bits: the inverse of [`spread`].
const fn every_second_bit(index: u64) -> i64 {
    let mut bits = index & 0x5555_5555_5555_5555;
    bits = (bits | (bits >> 1)) & 0x3333_3333_3333_3333;
    bits = (bits | (bits >> 2)) & 0x0f0f_0f0f_0f0f_0f0f;
    bits = (bits | (bits >> 4)) & 0x00ff_00ff_00ff_00ff;
    bits = (bits | (bits >> 8)) & 0x0000_ffff_0000_ffff;
    ((bits | (bits >> 16)) & 0xffff_ffff) as i64
}
