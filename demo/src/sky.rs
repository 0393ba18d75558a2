//! The made-up sky: tangent planes, a camera's layout and a catalogue of stars.

use qbb_dimensions::sphere::{ConvexPolygon, Region, UnitVector3d};
use serde::{Deserialize, Serialize};

/// A gnomonic projection with square pixels: where a pixel grid lies on the sky.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Projection {
    /// Right ascension of the tangent point, degrees.
    pub ra: f64,
    /// Declination of the tangent point, degrees.
    pub dec: f64,
    /// Rotation of the grid against north, degrees.
    pub angle: f64,
    /// Degrees in a pixel at the tangent point.
    pub scale: f64,
    /// Column of the tangent point.
    pub x0: f64,
    /// Row of the tangent point.
    pub y0: f64,
}

impl Projection {
    /// Unit vectors of the tangent point, of increasing column and of increasing row.
    fn axes(self) -> [[f64; 3]; 3] {
        let (sin_ra, cos_ra) = self.ra.to_radians().sin_cos();
        let (sin_dec, cos_dec) = self.dec.to_radians().sin_cos();
        let (sin, cos) = self.angle.to_radians().sin_cos();
        let center = [cos_dec * cos_ra, cos_dec * sin_ra, sin_dec];
        let east = [-sin_ra, cos_ra, 0.0];
        let north = [-sin_dec * cos_ra, -sin_dec * sin_ra, cos_dec];
        let x = std::array::from_fn(|i| cos * east[i] + sin * north[i]);
        let y = std::array::from_fn(|i| cos * north[i] - sin * east[i]);
        [center, x, y]
    }

    /// The point of the sphere under a pixel position.
    pub fn to_sky(self, x: f64, y: f64) -> [f64; 3] {
        let [center, east, north] = self.axes();
        let (u, v) =
            (((x - self.x0) * self.scale).to_radians(), ((y - self.y0) * self.scale).to_radians());
        let vector: [f64; 3] = std::array::from_fn(|i| center[i] + u * east[i] + v * north[i]);
        let norm = vector.iter().map(|c| c * c).sum::<f64>().sqrt();
        vector.map(|c| c / norm)
    }

    /// The pixel position of a point of the sphere, or `None` on the far side.
    pub fn to_pixel(self, point: [f64; 3]) -> Option<(f64, f64)> {
        let [center, east, north] = self.axes();
        let along = dot(point, center);
        if along <= 0.0 {
            return None;
        }
        let scale = self.scale.to_radians();
        let x = dot(point, east) / along / scale + self.x0;
        let y = dot(point, north) / along / scale + self.y0;
        Some((x, y))
    }

    /// The region of the sky under a grid of pixels; `None` if the grid is too large to be convex.
    pub fn region(self, width: usize, height: usize) -> Option<Region> {
        let (w, h) = (width as f64 - 0.5, height as f64 - 0.5);
        let corners: Option<Vec<UnitVector3d>> = [(-0.5, -0.5), (w, -0.5), (w, h), (-0.5, h)]
            .into_iter()
            .map(|(x, y)| {
                let [x, y, z] = self.to_sky(x, y);
                UnitVector3d::new(x, y, z)
            })
            .collect();
        ConvexPolygon::new(corners?).ok().map(Region::ConvexPolygon)
    }
}

fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

/// A star of the catalogue.
#[derive(Debug, Clone, Copy)]
pub struct Star {
    /// Where it is.
    pub position: [f64; 3],
    /// Electrons in an exposure, by band in the order of [`BANDS`].
    pub flux: [f64; 3],
}

/// The bands of the demo, from blue to red.
pub const BANDS: [&str; 3] = ["g", "r", "i"];

/// Stars around a point of the sky: many faint ones, few bright ones, of all colours.
pub fn catalogue(ra: f64, dec: f64, half_side: f64, count: usize, seed: u64) -> Vec<Star> {
    let mut random = fastrand::Rng::with_seed(seed);
    let plane = Projection { ra, dec, angle: 0.0, scale: 1.0, x0: 0.0, y0: 0.0 };
    (0..count)
        .map(|_| {
            let x = (random.f64() * 2.0 - 1.0) * half_side;
            let y = (random.f64() * 2.0 - 1.0) * half_side;
            let brightness = 400.0 * (1.0 - random.f64()).powf(-0.8).min(400.0);
            let colour = random.f64() * 1.6 - 0.8;
            let flux = [-1.0, 0.0, 1.0].map(|slope: f64| brightness * (slope * colour).exp());
            Star { position: plane.to_sky(x, y), flux }
        })
        .collect()
}

/// A normally distributed number of mean 0 and deviation 1.
pub fn normal(random: &mut fastrand::Rng) -> f64 {
    let radius = (-2.0 * (1.0 - random.f64()).ln()).sqrt();
    radius * (std::f64::consts::TAU * random.f64()).cos()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_and_sky_are_inverse() {
        let plane =
            Projection { ra: 55.0, dec: -2.0, angle: 33.0, scale: 0.004, x0: 31.5, y0: 20.0 };
        for (x, y) in [(0.0, 0.0), (63.0, 5.0), (31.5, 20.0), (-200.0, 300.0)] {
            let (x1, y1) = plane.to_pixel(plane.to_sky(x, y)).unwrap();
            assert!((x - x1).abs() < 1e-9 && (y - y1).abs() < 1e-9);
        }
        assert!(plane.to_pixel(plane.to_sky(31.5, 20.0).map(|c| -c)).is_none());
    }

    #[test]
    fn the_catalogue_is_a_function_of_its_seed() {
        let a = catalogue(55.0, -2.0, 1.0, 20, 7);
        let b = catalogue(55.0, -2.0, 1.0, 20, 7);
        assert!(a.iter().zip(&b).all(|(a, b)| a.position == b.position && a.flux == b.flux));
    }
}
