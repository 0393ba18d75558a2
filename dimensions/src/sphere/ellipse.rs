//! Ellipses on the sphere.

use std::f64::consts::FRAC_PI_2;

use super::circle::{ANGLE_ERROR, Circle};
use super::vector::{UnitVector3d, Vector3d};

/// All points whose angles to two foci add up to at most a given sum.
///
/// Relations to other regions are decided on the bounding circle, as in `lsst.sphgeom`; only
/// [`Ellipse::contains`] is exact. The fields are those of the encoding.
#[derive(Clone, Copy, Debug)]
pub struct Ellipse {
    /// Rows of the rotation that takes the center to +z and the major axis to +x.
    pub(super) rows: [Vector3d; 3],
    /// Semi-major axis angle minus π/2, radians.
    pub(super) alpha_offset: f64,
    /// Semi-minor axis angle minus π/2, radians.
    pub(super) beta_offset: f64,
    /// Half the angle between the foci, radians.
    pub(super) gamma: f64,
    /// Absolute cotangents of the two semi-axis angles.
    pub(super) cotangents: [f64; 2],
}

impl Ellipse {
    /// The center.
    #[must_use]
    pub fn center(&self) -> UnitVector3d {
        UnitVector3d { v: self.rows[2] }
    }

    /// The semi-axis angles, major first, radians.
    #[must_use]
    pub fn semi_axes(&self) -> [f64; 2] {
        [FRAC_PI_2 + self.alpha_offset, FRAC_PI_2 + self.beta_offset]
    }

    /// Whether the ellipse has no points: the sum is less than the foci are apart.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        FRAC_PI_2 + self.alpha_offset < self.gamma
    }

    /// Whether a direction is in the ellipse, boundary included.
    #[must_use]
    pub fn contains(&self, direction: &UnitVector3d) -> bool {
        let center = self.center();
        let cosine = direction.dot(center);
        // Near the center and its antipode only the difference to it is rotated, which keeps
        // small and nearly full ellipses accurate.
        let (offset, base) = if cosine > 0.5 {
            (direction.v - center.v, 1.0)
        } else if cosine < -0.5 {
            (direction.v + center.v, -1.0)
        } else {
            (direction.v, 0.0)
        };
        let x = self.rows[0].dot(offset) * self.cotangents[0];
        let y = self.rows[1].dot(offset) * self.cotangents[1];
        let z = self.rows[2].dot(offset) + base;
        let excess = (x * x + y * y) - z * z;
        if self.alpha_offset > 0.0 { z >= 0.0 || excess >= 0.0 } else { z >= 0.0 && excess <= 0.0 }
    }

    pub(super) fn bounding_circle(&self) -> Circle {
        let [alpha, beta] = self.semi_axes();
        let angle = if alpha < beta { beta } else { alpha };
        Circle::from_angle(self.center(), angle + 2.0 * ANGLE_ERROR)
    }
}
