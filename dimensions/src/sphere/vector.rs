//! Directions: vectors in three dimensions and longitude–latitude pairs.
//!
//! The arithmetic of normalisation is part of the contract: the vertices of HTM trixels are sums
//! of normalised vectors, and a result that differs in the last bit moves a trixel across a
//! region's edge. Every operation here is therefore written in one fixed order of IEEE-754
//! operations, none of which may be fused.

use std::f64::consts::{FRAC_PI_2, TAU};
use std::ops::{Add, Mul, Neg, Sub};

/// Radians per degree.
const RADIANS_PER_DEGREE: f64 = std::f64::consts::PI / 180.0;

/// A vector of any length.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Vector3d {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) z: f64,
}

impl Vector3d {
    pub(super) const fn new(x: f64, y: f64, z: f64) -> Self {
        Self { x, y, z }
    }

    pub(super) fn dot(self, other: Self) -> f64 {
        self.x * other.x + self.y * other.y + self.z * other.z
    }

    pub(super) fn cross(self, other: Self) -> Self {
        Self::new(
            self.y * other.z - self.z * other.y,
            self.z * other.x - self.x * other.z,
            self.x * other.y - self.y * other.x,
        )
    }

    pub(super) fn squared_norm(self) -> f64 {
        self.dot(self)
    }

    pub(super) fn norm(self) -> f64 {
        self.squared_norm().sqrt()
    }

    pub(super) fn is_zero(self) -> bool {
        self == Self::default()
    }

    /// The direction and the length; `None` for the zero vector and for infinite or NaN
    /// components.
    ///
    /// Components are divided by the largest one first, which keeps tiny vectors (cross products
    /// of neighbouring vertices) from underflowing.
    #[inline]
    pub(super) fn normalized(self) -> Option<(UnitVector3d, f64)> {
        let (ax, ay, az) = (self.x.abs(), self.y.abs(), self.z.abs());
        let largest = ax.max(ay).max(az);
        if !(largest > 0.0 && ax + ay + az < f64::INFINITY) {
            return None;
        }
        let (x, y, z) = (self.x / largest, self.y / largest, self.z / largest);
        // The largest component contributes exactly 1; which of two equal ones is called the
        // largest does not change the sum.
        let others = if ax == largest {
            y * y + z * z
        } else if ay == largest {
            x * x + z * z
        } else {
            x * x + y * y
        };
        let norm = (1.0 + others).sqrt();
        let unit = UnitVector3d { v: Self::new(x / norm, y / norm, z / norm) };
        Some((unit, norm * largest))
    }
}

impl Add for Vector3d {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self::new(self.x + other.x, self.y + other.y, self.z + other.z)
    }
}

impl Sub for Vector3d {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self::new(self.x - other.x, self.y - other.y, self.z - other.z)
    }
}

impl Mul<f64> for Vector3d {
    type Output = Self;

    fn mul(self, factor: f64) -> Self {
        Self::new(self.x * factor, self.y * factor, self.z * factor)
    }
}

impl Neg for Vector3d {
    type Output = Self;

    fn neg(self) -> Self {
        Self::new(-self.x, -self.y, -self.z)
    }
}

/// A direction: a point of the unit sphere.
///
/// Components are finite and the length is 1 within rounding; vectors decoded from a region keep
/// the bits they were stored with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UnitVector3d {
    pub(super) v: Vector3d,
}

impl UnitVector3d {
    pub(super) const X: Self = Self { v: Vector3d::new(1.0, 0.0, 0.0) };
    pub(super) const Y: Self = Self { v: Vector3d::new(0.0, 1.0, 0.0) };
    pub(super) const Z: Self = Self { v: Vector3d::new(0.0, 0.0, 1.0) };

    /// The direction of `(x, y, z)`, which need not be normalised; `None` for the zero vector
    /// and for infinite or NaN components.
    #[must_use]
    pub fn new(x: f64, y: f64, z: f64) -> Option<Self> {
        Some(Vector3d::new(x, y, z).normalized()?.0)
    }

    /// Takes components that are already normalised, bit for bit; `None` if they are not finite
    /// or the length is far from 1.
    ///
    /// The tolerance (half a percent) is not about rounding. It tells a stored direction from
    /// bytes that were never one.
    pub(super) fn from_stored(x: f64, y: f64, z: f64) -> Option<Self> {
        let v = Vector3d::new(x, y, z);
        ((v.squared_norm() - 1.0).abs() < 0.01).then_some(Self { v })
    }

    /// The x component, towards longitude 0, latitude 0.
    #[must_use]
    pub const fn x(&self) -> f64 {
        self.v.x
    }

    /// The y component, towards longitude 90°, latitude 0.
    #[must_use]
    pub const fn y(&self) -> f64 {
        self.v.y
    }

    /// The z component, towards the north pole.
    #[must_use]
    pub const fn z(&self) -> f64 {
        self.v.z
    }

    /// The direction at a longitude and latitude, radians, neither of them checked.
    pub(super) fn at(lon: f64, lat: f64) -> Self {
        let cos_lat = lat.cos();
        Self { v: Vector3d::new(lon.cos() * cos_lat, lon.sin() * cos_lat, lat.sin()) }
    }

    /// A vector normal to both directions, of length twice the sine of the angle between them.
    ///
    /// Crossing sum and difference keeps full relative accuracy for nearly equal directions,
    /// where the plain cross product loses it.
    pub(super) fn robust_cross(self, other: Self) -> Vector3d {
        (other.v + self.v).cross(other.v - self.v)
    }

    pub(super) fn dot(self, other: Self) -> f64 {
        self.v.dot(other.v)
    }

    /// Squared length of the straight line between two points of the sphere, from 0 to 4.
    pub(super) fn squared_chord(self, other: Self) -> f64 {
        (self.v - other.v).squared_norm()
    }

    /// Some direction at right angles to this one.
    pub(super) fn some_orthogonal(self) -> Self {
        let v = self.v;
        let (candidate, fallback) = if v.x.abs() > v.y.abs() {
            (Vector3d::new(-v.z, 0.0, v.x), Self::Z)
        } else {
            (Vector3d::new(0.0, v.z, -v.y), Self::X)
        };
        candidate.normalized().map_or(fallback, |(unit, _)| unit)
    }

    /// The direction at right angles to this one and `other`.
    pub(super) fn orthogonal_to(self, other: Self) -> Self {
        match self.robust_cross(other).normalized() {
            Some((unit, _)) => unit,
            None => self.some_orthogonal(),
        }
    }

    /// Angle to another direction, radians in `[0, π]`.
    pub(super) fn angle_to(self, other: Self) -> f64 {
        let sine = self.v.cross(other.v).norm();
        let cosine = self.dot(other);
        if sine == 0.0 && cosine == 0.0 { 0.0 } else { sine.atan2(cosine) }
    }
}

impl Neg for UnitVector3d {
    type Output = Self;

    fn neg(self) -> Self {
        Self { v: -self.v }
    }
}

impl From<LonLat> for UnitVector3d {
    fn from(point: LonLat) -> Self {
        Self::at(point.lon, point.lat)
    }
}

/// Longitude and latitude of a direction, radians.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LonLat {
    lon: f64,
    lat: f64,
}

impl LonLat {
    /// A point from angles in radians. The longitude is reduced to `[0, 2π]`; `None` if the
    /// latitude is outside `[-π/2, π/2]` or an angle is not finite.
    #[must_use]
    pub fn from_radians(lon: f64, lat: f64) -> Option<Self> {
        (lon.is_finite() && lat.abs() <= FRAC_PI_2)
            .then(|| Self { lon: normalized_angle(lon), lat })
    }

    /// A point from angles in degrees, under the rules of [`LonLat::from_radians`].
    #[must_use]
    pub fn from_degrees(lon: f64, lat: f64) -> Option<Self> {
        Self::from_radians(lon * RADIANS_PER_DEGREE, lat * RADIANS_PER_DEGREE)
    }

    /// Longitude, radians in `[0, 2π]`.
    #[must_use]
    pub const fn lon(&self) -> f64 {
        self.lon
    }

    /// Latitude, radians in `[-π/2, π/2]`.
    #[must_use]
    pub const fn lat(&self) -> f64 {
        self.lat
    }
}

impl From<UnitVector3d> for LonLat {
    fn from(direction: UnitVector3d) -> Self {
        let v = direction.v;
        let lon = if v.x * v.x + v.y * v.y == 0.0 {
            0.0
        } else {
            let angle = v.y.atan2(v.x);
            if angle < 0.0 { angle + TAU } else { angle }
        };
        Self { lon: normalized_angle(lon), lat: latitude_of(v) }
    }
}

/// Latitude of the direction of `v`, radians.
pub(super) fn latitude_of(v: Vector3d) -> f64 {
    if v.z == 0.0 {
        return 0.0;
    }
    let lat = v.z.atan2((v.x * v.x + v.y * v.y).sqrt());
    if lat.abs() > FRAC_PI_2 { FRAC_PI_2.copysign(lat) } else { lat }
}

/// Reduces an angle to `[0, 2π]`; angles already in that range, 2π included, keep their bits.
pub(super) fn normalized_angle(angle: f64) -> f64 {
    if angle < 0.0 {
        angle % TAU + TAU
    } else if angle > TAU {
        angle % TAU
    } else {
        angle
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_and_infinite_vectors_have_no_direction() {
        assert_eq!(UnitVector3d::new(0.0, 0.0, 0.0), None);
        assert_eq!(UnitVector3d::new(f64::NAN, 0.0, 1.0), None);
        assert_eq!(UnitVector3d::new(f64::INFINITY, 0.0, 1.0), None);
    }

    #[test]
    fn tiny_vectors_are_normalised_without_underflow() {
        let v = UnitVector3d::new(3e-200, 0.0, -4e-200).expect("not zero");
        assert_eq!((v.x(), v.y(), v.z()), (0.6, 0.0, -0.8));
    }

    #[test]
    fn longitude_wraps_and_latitude_is_limited() {
        let p = LonLat::from_degrees(-90.0, 10.0).expect("valid");
        assert!((p.lon() - 1.5 * std::f64::consts::PI).abs() < 1e-15);
        assert_eq!(LonLat::from_degrees(0.0, 90.1), None);
        assert_eq!(LonLat::from_radians(f64::NAN, 0.0), None);
    }

    #[test]
    fn lon_lat_round_trips_through_the_vector() {
        let p = LonLat::from_degrees(321.5, -45.25).expect("valid");
        let q = LonLat::from(UnitVector3d::from(p));
        assert!((p.lon() - q.lon()).abs() < 1e-15 && (p.lat() - q.lat()).abs() < 1e-15);
    }
}
