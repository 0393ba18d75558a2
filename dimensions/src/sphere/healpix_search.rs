//! Top-down search for the HEALPix cells that meet a shape.
//!
//! A cell is judged by its center and by the radius of the circle that holds any cell of its
//! order. Cells whose center is outside the shape, but near it, are judged again at finer orders.
//! The margins are those of the library behind `lsst.sphgeom`: they decide which cells near the
//! boundary are found, and at the deepest levels, where a radius is close to the rounding of its
//! cosine, whether any are.

use std::f64::consts::{FRAC_PI_2, PI, TAU};

use super::healpix_cell::{Grid, Place, colatitude, longitude, modulo};
use super::lon_lat_box::LonLatBox;
use super::range_set::RangeSet;
use super::vector::{LonLat, UnitVector3d, Vector3d};

/// How many orders finer than those sought a cell near the boundary is judged.
pub(super) const FINER: u8 = 2;
/// Polygons with a corner this close to the great circle of the opposite edge have no clear
/// inner side.
const DEGENERATE: f64 = 1e-10;

/// What is known of a cell and a shape, from none to all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Zone {
    /// The cell is outside.
    Outside,
    /// The center is outside, but part of the cell may be inside.
    Near,
    /// The center is inside.
    Center,
    /// The cell is inside.
    Inside,
}

/// A shape that cells can be judged against.
pub(super) trait Judge {
    /// The zone of a cell of some order.
    fn zone(&self, order: u8, index: u64) -> Zone;
}

/// Appends to `found` the cells of an order that may meet the shape.
pub(super) fn search(shape: &impl Judge, order: u8, found: &mut RangeSet) {
    for face in 0..12 {
        visit(shape, order, 0, face, found);
    }
}

fn visit(shape: &impl Judge, sought: u8, order: u8, index: u64, found: &mut RangeSet) {
    let zone = shape.zone(order, index);
    if zone == Zone::Outside {
        return;
    }
    if order == sought {
        if zone >= Zone::Center || children(index).any(|i| meets(shape, sought, order + 1, i)) {
            found.insert(index, index + 1);
        }
    } else if zone == Zone::Inside {
        let bits = 2 * u32::from(sought - order);
        found.insert(index << bits, (index + 1) << bits);
    } else {
        children(index).for_each(|child| visit(shape, sought, order + 1, child, found));
    }
}

/// Whether a cell finer than those sought is near enough for its ancestor to be found.
fn meets(shape: &impl Judge, sought: u8, order: u8, index: u64) -> bool {
    match shape.zone(order, index) {
        Zone::Outside => false,
        Zone::Near if order < sought + FINER => {
            children(index).any(|child| meets(shape, sought, order + 1, child))
        }
        _ => true,
    }
}

fn children(index: u64) -> std::ops::Range<u64> {
    4 * index..4 * index + 4
}

/// Radii of cells of all orders that a search for cells of an order looks at.
fn radii(order: u8) -> impl Iterator<Item = f64> {
    (0..=order + FINER).map(|order| Grid::new(order).max_radius())
}

/// Cosine of an angle up to π, −1 beyond.
fn cosine_up_to_pi(angle: f64) -> f64 {
    if angle > PI { -1.0 } else { angle.cos() }
}

/// Cosine of a positive angle, 1 below.
fn cosine_from_zero(angle: f64) -> f64 {
    if angle < 0.0 { 1.0 } else { angle.cos() }
}

/// A circle less than the whole sphere.
pub(super) struct Disc {
    z: f64,
    phi: f64,
    cosine: f64,
    /// For each order, cosines of the radius plus and minus the radius of a cell.
    limits: Vec<(f64, f64)>,
}

impl Disc {
    pub(super) fn new(center: LonLat, radius: f64, order: u8) -> Self {
        let limits = radii(order)
            .map(|dr| (cosine_up_to_pi(radius + dr), cosine_from_zero(radius - dr)))
            .collect();
        Self {
            z: colatitude(center.lat()).cos(),
            phi: longitude(center.lon()),
            cosine: radius.cos(),
            limits,
        }
    }
}

impl Judge for Disc {
    fn zone(&self, order: u8, index: u64) -> Zone {
        let cosine = Grid::new(order).center(index).cosine_to(self.z, self.phi);
        let (outer, inner) = self.limits[usize::from(order)];
        if cosine > outer {
            if cosine < self.cosine {
                Zone::Near
            } else if cosine <= inner {
                Zone::Center
            } else {
                Zone::Inside
            }
        } else {
            Zone::Outside
        }
    }
}

/// A convex polygon as the half spheres left of its edges and a circle that holds its vertices.
pub(super) struct Sides {
    /// Centers of the circles.
    centers: Vec<Vector3d>,
    /// For each order and circle, cosines of the radius plus that of a cell, of the radius, and
    /// of the radius minus that of a cell.
    limits: Vec<[f64; 3]>,
}

impl Sides {
    /// `None` if the polygon has no clear inner side.
    pub(super) fn new(vertices: &[UnitVector3d], order: u8) -> Option<Self> {
        let mut angles: Vec<(f64, f64)> = vertices.iter().map(|v| angles_of(v.v)).collect();
        if let ([first, ..], [.., last]) = (&angles[..], &angles[..])
            && (last.0 - first.0).abs() < 1e-14
            && (last.1 - first.1).abs() < 1e-14
        {
            angles.pop();
        }
        let corners: Vec<Vector3d> = angles.into_iter().map(direction_of).collect();
        let n = corners.len();
        if n < 3 {
            return None;
        }
        let mut centers = Vec::with_capacity(n + 1);
        let mut left = 0.0;
        for i in 0..n {
            let normal = scaled_to_unit(corners[i].cross(corners[(i + 1) % n]));
            let side = normal.dot(corners[(i + 2) % n]);
            if side.abs() < DEGENERATE {
                return None;
            }
            if i == 0 {
                left = if side < 0.0 { -1.0 } else { 1.0 };
            } else if left * side < 0.0 {
                return None;
            }
            centers.push(normal * left);
        }
        let (center, cosine) = enclosing_circle(&corners);
        centers.push(center);
        let radius = |i: usize| if i == n { cosine.acos() } else { FRAC_PI_2 };
        let limits = radii(order)
            .flat_map(|dr| {
                (0..=n).map(move |i| {
                    let radius = radius(i);
                    let inner = cosine_from_zero(radius - dr);
                    [cosine_up_to_pi(radius + dr), radius.cos(), inner]
                })
            })
            .collect();
        Some(Self { centers, limits })
    }
}

impl Judge for Sides {
    fn zone(&self, order: u8, index: u64) -> Zone {
        let center = Grid::new(order).center(index).vector();
        let limits = self.limits.chunks(self.centers.len()).nth(usize::from(order));
        let mut zone = Zone::Inside;
        for (circle, limits) in self.centers.iter().zip(limits.into_iter().flatten()) {
            let cosine = center.dot(*circle);
            if cosine < limits[0] {
                return Zone::Outside;
            }
            if cosine < limits[1] {
                zone = Zone::Near;
            } else if cosine < limits[2] {
                zone = zone.min(Zone::Center);
            }
        }
        zone
    }
}

/// Colatitude and longitude, radians.
fn angles_of(v: Vector3d) -> (f64, f64) {
    let lon = v.y.atan2(v.x) % TAU;
    ((v.z / v.norm()).acos(), if lon < 0.0 { lon + TAU } else { lon })
}

fn direction_of((theta, phi): (f64, f64)) -> Vector3d {
    let sine = theta.sin();
    Vector3d::new(sine * phi.cos(), sine * phi.sin(), theta.cos())
}

fn scaled_to_unit(v: Vector3d) -> Vector3d {
    v * (1.0 / v.norm())
}

/// Center of the smallest circle that holds all points, and the cosine of its radius; found by
/// adding one point after the other (Welzl's algorithm without shuffling).
fn enclosing_circle(points: &[Vector3d]) -> (Vector3d, f64) {
    let mut circle = through_two(points, 0, 1);
    for i in 2..points.len() {
        if points[i].dot(circle.0) < circle.1 {
            circle = enclosing_with(points, i);
        }
    }
    circle
}

fn through_two(points: &[Vector3d], i: usize, j: usize) -> (Vector3d, f64) {
    let center = scaled_to_unit(points[i] + points[j]);
    (center, points[i].dot(center))
}

/// The circle that holds the points before `q` and has `q` on its boundary.
fn enclosing_with(points: &[Vector3d], q: usize) -> (Vector3d, f64) {
    let mut circle = through_two(points, 0, q);
    for i in 1..q {
        if points[i].dot(circle.0) < circle.1 {
            circle = enclosing_with_two(points, i, q);
        }
    }
    circle
}

/// The circle that holds the points before `p` and has `p` and `q` on its boundary.
fn enclosing_with_two(points: &[Vector3d], p: usize, q: usize) -> (Vector3d, f64) {
    let mut circle = through_two(points, p, q);
    for point in &points[..p] {
        if point.dot(circle.0) < circle.1 {
            let center = scaled_to_unit((points[p] - *point).cross(points[q] - *point));
            let cosine = point.dot(center);
            circle = if cosine < 0.0 { (-center, -cosine) } else { (center, cosine) };
        }
    }
    circle
}

/// A box of longitude and latitude.
pub(super) struct Bounds {
    theta: [f64; 2],
    /// Longitudes after the turn.
    phi: [f64; 2],
    /// What is added to longitudes so that the box does not pass through 0.
    turn: f64,
    radii: Vec<f64>,
}

impl Bounds {
    /// `None` if the box has no area. That includes, as in `lsst.sphgeom`, a box of all
    /// longitudes: its bounds 0 and 2π are one meridian.
    pub(super) fn new(region: &LonLatBox, order: u8) -> Option<Self> {
        let theta = [colatitude(region.lat()[1]), colatitude(region.lat()[0])];
        let [west, east] = region.lon().map(longitude);
        if theta[0] == theta[1] || west == east {
            return None;
        }
        let middle = (west + east) / 2.0;
        let turn = modulo(if west < east { PI - middle } else { -middle }, TAU);
        let phi = [west, east].map(|lon| modulo(lon + turn, TAU));
        Some(Self { theta, phi, turn, radii: radii(order).collect() })
    }
}

impl Judge for Bounds {
    fn zone(&self, order: u8, index: u64) -> Zone {
        let place: Place = Grid::new(order).center(index);
        let theta = place.theta();
        let radius = self.radii[usize::from(order)];
        let zone = within(theta, radius, self.theta);
        if zone == Zone::Outside {
            return zone;
        }
        let phi = modulo(place.phi + self.turn, TAU);
        zone.min(within(phi, radius / theta.sin(), self.phi))
    }
}

/// Zone of an interval of some half width about a center, against bounds.
fn within(center: f64, half_width: f64, [low, high]: [f64; 2]) -> Zone {
    let (low, high) = (low - f64::EPSILON, high + f64::EPSILON);
    let (begin, end) = (center - half_width, center + half_width);
    if end < low || begin > high {
        Zone::Outside
    } else if begin >= low && end <= high {
        Zone::Inside
    } else if center >= low && center <= high {
        Zone::Center
    } else {
        Zone::Near
    }
}
