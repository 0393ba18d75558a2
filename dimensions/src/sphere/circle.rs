//! Circles on the sphere.

use std::f64::consts::PI;

use super::lon_lat_box::{LonLatBox, half_width_of_circle};
use super::relationship::Relationship;
use super::vector::{LonLat, UnitVector3d, Vector3d, normalized_angle};

/// Bound on the error of a squared chord between unit vectors: eight roundings of numbers up
/// to 4.
pub(super) const CHORD_ERROR: f64 = 2.5e-15;
/// Bound on the error of an arc sine whose argument is off by one unit in the last place,
/// radians; worst near π/2.
pub(super) const ANGLE_ERROR: f64 = 1.5e-8;

/// All points within an angle of a center.
///
/// The squared chord length from center to boundary decides whether a point is inside; the
/// opening angle decides relations between circles. Both are stored, so both are kept.
#[derive(Clone, Copy, Debug)]
pub struct Circle {
    center: UnitVector3d,
    squared_chord: f64,
    angle: f64,
}

impl Circle {
    /// The circle without points.
    pub const EMPTY: Self = Self { center: UnitVector3d::Z, squared_chord: -1.0, angle: -1.0 };
    /// The whole sphere.
    pub const FULL: Self = Self { center: UnitVector3d::Z, squared_chord: 4.0, angle: PI };

    /// A circle with an opening angle in radians: empty if negative, full from π on.
    #[must_use]
    pub fn from_angle(center: UnitVector3d, angle: f64) -> Self {
        Self { center, squared_chord: squared_chord_of(angle), angle }
    }

    pub(super) fn from_squared_chord(center: UnitVector3d, squared_chord: f64) -> Self {
        let angle = if squared_chord < 0.0 {
            -1.0
        } else if squared_chord >= 4.0 {
            PI
        } else {
            2.0 * (0.5 * squared_chord.sqrt()).asin()
        };
        Self { center, squared_chord, angle }
    }

    pub(super) const fn from_stored(center: UnitVector3d, squared_chord: f64, angle: f64) -> Self {
        Self { center, squared_chord, angle }
    }

    /// The center.
    #[must_use]
    pub const fn center(&self) -> UnitVector3d {
        self.center
    }

    /// Angle between center and boundary, radians.
    #[must_use]
    pub const fn angle(&self) -> f64 {
        self.angle
    }

    /// Squared length of the straight line between center and boundary: at most 4, negative if
    /// the circle is empty.
    #[must_use]
    pub const fn squared_chord(&self) -> f64 {
        self.squared_chord
    }

    /// Whether the circle has no points.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.squared_chord < 0.0 || self.squared_chord.is_nan()
    }

    pub(super) fn is_full(&self) -> bool {
        self.squared_chord >= 4.0
    }

    /// Whether a direction is in the circle, boundary included.
    #[must_use]
    pub fn contains(&self, direction: &UnitVector3d) -> bool {
        self.is_full() || direction.squared_chord(self.center) <= self.squared_chord
    }

    fn same_as(&self, other: &Self) -> bool {
        self.center == other.center
            && self.squared_chord == other.squared_chord
            && self.angle == other.angle
    }

    pub(super) fn overlaps_circle(&self, other: &Self) -> bool {
        if self.is_empty() || other.is_empty() {
            return false;
        }
        if self.is_full() || other.is_full() {
            return true;
        }
        let distance = self.center.angle_to(other.center);
        distance <= self.angle + other.angle + 4.0 * ANGLE_ERROR
    }

    /// Whether `other` at angular distance `distance` is so far inside that rounding cannot
    /// matter.
    fn clearly_holds(&self, other: &Self, distance: f64) -> bool {
        distance + other.angle + 4.0 * ANGLE_ERROR <= self.angle
    }

    pub(super) fn relate_circle(&self, other: &Self) -> Relationship {
        if let Some(relation) = Relationship::of_empty(self.is_empty(), other.is_empty()) {
            return relation;
        }
        match (self.is_full(), other.is_full()) {
            (true, true) => return Relationship::CONTAINS | Relationship::WITHIN,
            (true, false) => return Relationship::CONTAINS,
            (false, true) => return Relationship::WITHIN,
            (false, false) => {}
        }
        if self.same_as(other) {
            return Relationship::CONTAINS | Relationship::WITHIN;
        }
        let distance = self.center.angle_to(other.center);
        if distance > self.angle + other.angle + 4.0 * ANGLE_ERROR {
            Relationship::DISJOINT
        } else if self.clearly_holds(other, distance) {
            Relationship::CONTAINS
        } else if other.clearly_holds(self, distance) {
            Relationship::WITHIN
        } else {
            Relationship::NONE
        }
    }

    /// `Some(true)` if all points are inside, `Some(false)` if all are outside, `None` if they
    /// are on both sides or one is too close to the boundary to tell.
    pub(super) fn encloses_all_or_none(&self, points: &[UnitVector3d]) -> Option<bool> {
        let mut side = None;
        for point in points {
            let chord = point.squared_chord(self.center);
            if (chord - self.squared_chord).abs() < CHORD_ERROR {
                return None;
            }
            let inside = chord < self.squared_chord;
            if *side.get_or_insert(inside) != inside {
                return None;
            }
        }
        side
    }

    /// Whether an arc from `a` to `b`, whose ends are both inside (or both outside) the circle,
    /// has an inner point on the other side or too close to the boundary to tell. `normal`
    /// points along a × b.
    pub(super) fn boundary_crosses_arc(
        &self,
        ends_inside: bool,
        a: UnitVector3d,
        b: UnitVector3d,
        normal: Vector3d,
    ) -> bool {
        let center = self.center.v;
        let across = center.cross(normal);
        let (to_a, to_b) = (across.dot(a.v), across.dot(b.v));
        if ends_inside {
            // The point of the great circle furthest from the center, if it is on the arc.
            let furthest = if to_a < 0.0 && to_b > 0.0 {
                let half = (0.5 * center.dot(normal).abs().atan2(-across.norm())).sin();
                4.0 * half * half
            } else {
                0.0
            };
            furthest > self.squared_chord - CHORD_ERROR
        } else {
            // The nearest point of the great circle, if it is on the arc.
            let nearest = if to_a > 0.0 && to_b < 0.0 {
                let (sine, cosine) = (center.dot(normal).abs(), across.norm());
                let distance = if cosine == 0.0 { 0.5 * PI } else { (sine / cosine).atan() };
                let half = (0.5 * distance).sin();
                4.0 * half * half
            } else {
                4.0
            };
            nearest < self.squared_chord + CHORD_ERROR
        }
    }

    pub(super) fn bounding_box(&self) -> LonLatBox {
        let center = LonLat::from(self.center);
        let height = self.angle + 2.0 * ANGLE_ERROR;
        let width = normalized_angle(half_width_of_circle(height, center.lat()) + ANGLE_ERROR);
        LonLatBox::around(center, width, height)
    }

    /// A circle that holds both: the smallest one, widened by rounding.
    pub(super) fn expanded(&self, other: &Self) -> Self {
        if self.is_empty() || other.is_full() {
            return *other;
        }
        if other.is_empty() || self.is_full() {
            return *self;
        }
        let distance = self.center.angle_to(other.center);
        if self.clearly_holds(other, distance) {
            return *self;
        }
        if other.clearly_holds(self, distance) {
            return *other;
        }
        let angle = 0.5 * (distance + self.angle + other.angle);
        if angle + 2.0 * ANGLE_ERROR >= PI {
            return Self::FULL;
        }
        // Move the center towards the other one until both far ends are equally distant.
        let axis = self.center.orthogonal_to(other.center);
        let turn = angle - self.angle;
        let moved = self.center.v * turn.cos() + axis.v.cross(self.center.v) * turn.sin();
        match moved.normalized() {
            Some((center, _)) => Self::from_angle(center, angle + ANGLE_ERROR),
            None => Self::FULL,
        }
    }

    /// A circle that holds what is in both: the smaller of the two, or an empty one.
    pub(super) fn clipped(&self, other: &Self) -> Self {
        if self.is_empty() || other.is_full() {
            return *self;
        }
        if self.is_full() || other.is_empty() {
            return *other;
        }
        if !self.overlaps_circle(other) {
            Self::EMPTY
        } else if other.angle < self.angle {
            *other
        } else {
            *self
        }
    }
}

/// Squared chord that belongs to an opening angle in radians.
pub(super) fn squared_chord_of(angle: f64) -> f64 {
    if angle < 0.0 {
        -1.0
    } else if angle >= PI {
        4.0
    } else {
        let half = (0.5 * angle).sin();
        4.0 * half * half
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_circle_holds_its_center_and_boundary_only_up_to_its_angle() {
        let circle = Circle::from_angle(UnitVector3d::X, 0.25);
        let at = |lon: f64| UnitVector3d::from(LonLat::from_radians(lon, 0.0).expect("valid"));
        assert!(circle.contains(&UnitVector3d::X));
        assert!(circle.contains(&at(0.2499999)) && !circle.contains(&at(0.2500001)));
        assert!(!Circle::EMPTY.contains(&UnitVector3d::Z));
        assert!(Circle::FULL.contains(&-UnitVector3d::Z));
    }

    #[test]
    fn the_joint_circle_holds_both() {
        let a = Circle::from_angle(UnitVector3d::X, 0.1);
        let b = Circle::from_angle(UnitVector3d::Y, 0.3);
        let both = a.expanded(&b);
        assert!((both.angle() - (PI / 2.0 + 0.4) / 2.0).abs() < 1e-7);
        assert!(both.relate_circle(&b).bits() & 1 == 0);
        assert!(both.contains(&UnitVector3d::X) && both.contains(&UnitVector3d::Y));
    }
}
