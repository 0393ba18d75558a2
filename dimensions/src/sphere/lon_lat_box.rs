//! Boxes of longitude and latitude.

use std::f64::consts::{FRAC_PI_2, PI};

use super::circle::{ANGLE_ERROR, CHORD_ERROR, Circle, squared_chord_of};
use super::interval::{LatInterval, LonInterval};
use super::relationship::Relationship;
use super::vector::{LonLat, UnitVector3d, Vector3d};

/// A region bounded by two meridians and two parallels (`Box` in `lsst.sphgeom`).
///
/// The longitude range runs eastwards from its first bound and may pass through longitude 0.
/// Either both ranges are empty or neither is.
#[derive(Clone, Copy, Debug)]
pub struct LonLatBox {
    lon: LonInterval,
    lat: LatInterval,
}

impl LonLatBox {
    /// The box without points.
    pub const EMPTY: Self = Self { lon: LonInterval::EMPTY, lat: LatInterval::EMPTY };
    /// The whole sphere.
    pub const FULL: Self = Self { lon: LonInterval::FULL, lat: LatInterval::FULL };

    /// A box from bounds in radians. Longitudes are reduced to `[0, 2π]`, latitudes clipped to
    /// `[-π/2, π/2]`; NaN bounds, or a first latitude above the second, make an empty box.
    /// `None` if the longitudes are out of order and not both in `[0, 2π]`.
    #[must_use]
    pub fn from_radians(lon: [f64; 2], lat: [f64; 2]) -> Option<Self> {
        let lon = LonInterval::new(lon[0], lon[1])?;
        Some(Self::of(lon, LatInterval { a: lat[0], b: lat[1] }))
    }

    /// Joins two intervals, clipping latitudes and keeping "empty" consistent.
    pub(super) fn of(lon: LonInterval, lat: LatInterval) -> Self {
        let lat = lat.clipped(LatInterval::FULL);
        if lat.is_empty() {
            Self { lon: LonInterval::EMPTY, lat }
        } else if lon.is_empty() {
            Self::EMPTY
        } else {
            Self { lon, lat }
        }
    }

    /// The box that reaches `width` and `height` radians to each side of a point.
    #[must_use]
    pub fn around(center: LonLat, width: f64, height: f64) -> Self {
        let lon = LonInterval { a: center.lon(), b: center.lon() };
        Self::of(lon.dilated(width), LatInterval::point(center.lat()).dilated(height))
    }

    /// The box from one corner eastwards and northwards to another; empty if the second is south
    /// of the first.
    #[must_use]
    pub fn between(low: LonLat, high: LonLat) -> Self {
        let lon = LonInterval { a: low.lon(), b: high.lon() };
        Self::of(lon, LatInterval { a: low.lat(), b: high.lat() })
    }

    /// Bounds of longitude, radians: from the first eastwards to the second.
    #[must_use]
    pub const fn lon(&self) -> [f64; 2] {
        [self.lon.a, self.lon.b]
    }

    /// Bounds of latitude, radians.
    #[must_use]
    pub const fn lat(&self) -> [f64; 2] {
        [self.lat.a, self.lat.b]
    }

    /// Whether the box has no points.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lat.is_empty()
    }

    fn is_full(&self) -> bool {
        self.lon.is_full() && self.lat.is_full()
    }

    pub(super) fn contains_lon_lat(&self, point: LonLat) -> bool {
        self.lat.contains(point.lat()) && self.lon.contains(point.lon())
    }

    /// Whether a direction is in the box, edges included.
    #[must_use]
    pub fn contains(&self, direction: &UnitVector3d) -> bool {
        self.contains_lon_lat(LonLat::from(*direction))
    }

    pub(super) fn overlaps_box(&self, other: &Self) -> bool {
        self.lat.intersects(other.lat) && self.lon.intersects(other.lon)
    }

    pub(super) fn relate_box(&self, other: &Self) -> Relationship {
        let lon = self.lon.relate(other.lon);
        let lat = self.lat.relate(other.lat);
        // Disjoint in one coordinate is disjoint; the rest must hold in both.
        (lon & lat & !Relationship::DISJOINT) | ((lon | lat) & Relationship::DISJOINT)
    }

    /// Relation to a circle. Boundaries closer to each other than the rounding of a squared
    /// chord count as crossing.
    pub(super) fn relate_circle(&self, circle: &Circle) -> Relationship {
        if let Some(relation) = Relationship::of_empty(self.is_empty(), circle.is_empty()) {
            return relation;
        }
        match (self.is_full(), circle.is_full()) {
            (true, true) => return Relationship::CONTAINS | Relationship::WITHIN,
            (true, false) => return Relationship::CONTAINS,
            (false, true) => return Relationship::WITHIN,
            (false, false) => {}
        }
        let corners = self.corners();
        let Some(inside) = circle.encloses_all_or_none(&corners) else {
            return Relationship::NONE;
        };
        let center = circle.center();
        // From the far side of the sphere, "furthest from the center" becomes "nearest".
        let pole = LonLat::from(if inside { -center } else { center });
        let meridians =
            [self.lon.a, self.lon.b].map(|lon| Vector3d::new(-lon.sin(), lon.cos(), 0.0));
        for (side, normal) in meridians.into_iter().enumerate() {
            let (north, south) = (corners[2 * side + 1], corners[2 * side]);
            if circle.boundary_crosses_arc(inside, north, south, normal) {
                return Relationship::NONE;
            }
        }
        if self.lon.contains(pole.lon()) {
            let angle = (pole.lat() - self.lat.a).abs().min((pole.lat() - self.lat.b).abs());
            let crosses = if inside {
                squared_chord_of(PI - angle) > circle.squared_chord() - CHORD_ERROR
            } else {
                squared_chord_of(angle) < circle.squared_chord() + CHORD_ERROR
            };
            if crosses {
                return Relationship::NONE;
            }
        }
        // The boundaries do not meet. The side of the circle that the box boundary avoids is
        // either wholly in the box or wholly outside it.
        match (inside, self.contains_lon_lat(pole)) {
            (true, true) => Relationship::NONE,
            (true, false) => Relationship::WITHIN,
            (false, true) => Relationship::CONTAINS,
            (false, false) => Relationship::DISJOINT,
        }
    }

    fn corners(&self) -> [UnitVector3d; 4] {
        let (lon, lat) = (self.lon, self.lat);
        [(lon.a, lat.a), (lon.a, lat.b), (lon.b, lat.a), (lon.b, lat.b)]
            .map(|(lon, lat)| UnitVector3d::at(lon, lat))
    }

    /// A circle that holds the box.
    pub(super) fn bounding_circle(&self) -> Circle {
        if self.is_empty() {
            return Circle::EMPTY;
        }
        if self.is_full() {
            return Circle::FULL;
        }
        let width = self.lon.size();
        if width > PI {
            return self.wide_bounding_circle(width);
        }
        let center = self.bounding_center(width);
        let chord =
            self.corners().iter().map(|corner| center.squared_chord(*corner)).fold(0.0, f64::max);
        // Twice the rounding of a squared chord, so that the circle certainly contains the box.
        Circle::from_squared_chord(center, chord + 2.0 * CHORD_ERROR)
    }

    /// Center of the smallest circle that holds all corners of a box at most π wide.
    ///
    /// It is on the middle meridian. At `middle` it is equally far from all corners; at `south`
    /// and `north` it is nearest to the southern or northern pair. The best latitude is the
    /// first of these if it lies between the others, else the end that serves the farther pair.
    fn bounding_center(&self, width: f64) -> UnitVector3d {
        let cosine = (0.5 * width).cos();
        let lon = self.lon.center();
        let south = (self.lat.a.tan() / cosine).atan();
        let north = (self.lat.b.tan() / cosine).atan();
        let middle = (cosine * self.lat.center().tan()).atan();
        if south <= middle && middle <= north {
            return UnitVector3d::at(lon, middle);
        }
        let (from_south, from_north) = (UnitVector3d::at(lon, south), UnitVector3d::at(lon, north));
        let corners = self.corners();
        if from_south.dot(corners[0]) > from_north.dot(corners[1]) {
            from_north
        } else {
            from_south
        }
    }

    /// A box more than π wide is held by a circle about a pole or about its own center.
    fn wide_bounding_circle(&self, width: f64) -> Circle {
        let (mut center, mut angle) = if self.lat.a.abs() <= self.lat.b.abs() {
            (UnitVector3d::Z, FRAC_PI_2 - self.lat.a)
        } else {
            (-UnitVector3d::Z, self.lat.b + FRAC_PI_2)
        };
        if !self.lon.is_full() && 0.5 * width < angle {
            angle = 0.5 * width;
            center = UnitVector3d::at(self.lon.center(), 0.0);
        }
        Circle::from_angle(center, angle + 4.0 * ANGLE_ERROR)
    }

    pub(super) fn expanded(&self, other: &Self) -> Self {
        Self { lon: self.lon.expanded(other.lon), lat: self.lat.expanded(other.lat) }
    }

    pub(super) fn with_latitude(&self, lat: f64) -> Self {
        Self::of(self.lon, self.lat.with(lat))
    }

    pub(super) fn clipped(&self, other: &Self) -> Self {
        Self::of(self.lon.clipped(other.lon), self.lat.clipped(other.lat))
    }
}

/// Half the width in longitude of a circle of opening angle `angle` about latitude `lat`,
/// radians.
///
/// The meridian that touches the circle has a normal at π/2 + `angle` from its center, which
/// gives sin(half width) = sin(angle) / cos(lat); a circle that reaches a pole has all
/// longitudes.
pub(super) fn half_width_of_circle(angle: f64, lat: f64) -> f64 {
    if angle <= 0.0 {
        return 0.0;
    }
    if lat.abs() + angle >= FRAC_PI_2 {
        return PI;
    }
    let sine = (angle.sin() / lat.cos()).abs();
    if sine >= 1.0 { FRAC_PI_2 } else { sine.asin() }
}
