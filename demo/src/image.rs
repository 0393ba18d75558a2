//! Images and what can be done to their pixels.

use serde::{Deserialize, Serialize};

use crate::sky::Projection;

/// A rectangle of pixels with its place on the sky; a masked pixel is null (not a number).
///
/// Written as a JSON object, so that the dataset is a plain dictionary to the middleware.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Image {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Where it lies; calibration images lie nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub projection: Option<Projection>,
    /// Standard deviation of the background, electrons, once it was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noise: Option<f64>,
    /// Row after row.
    pub pixels: Vec<Option<f32>>,
}

impl Image {
    /// An image in which every pixel is computed from its column and row.
    pub fn from_fn(
        width: usize,
        height: usize,
        mut pixel: impl FnMut(usize, usize) -> Option<f32>,
    ) -> Self {
        let mut pixels = Vec::with_capacity(width * height);
        for y in 0..height {
            for x in 0..width {
                pixels.push(pixel(x, y));
            }
        }
        Self { width, height, projection: None, noise: None, pixels }
    }

    /// A pixel; `None` if it is masked or outside.
    pub fn pixel(&self, x: usize, y: usize) -> Option<f32> {
        if x < self.width && y < self.height { self.pixels[y * self.width + x] } else { None }
    }

    /// The image that a pixelwise function of this one and another makes; `None` if they differ
    /// in shape.
    pub fn zip(&self, other: &Self, f: impl Fn(f32, f32) -> f32) -> Option<Self> {
        if (self.width, self.height) != (other.width, other.height) {
            return None;
        }
        let pixels =
            self.pixels.iter().zip(&other.pixels).map(|(a, b)| Some(f((*a)?, (*b)?))).collect();
        Some(Self { pixels, ..self.clone() })
    }

    /// Median of the unmasked pixels.
    pub fn median(&self) -> Option<f32> {
        median(self.pixels.iter().flatten().copied().collect())
    }

    /// Median absolute deviation from the median, scaled to a normal distribution's deviation.
    pub fn spread(&self) -> Option<f32> {
        let center = self.median()?;
        median(self.pixels.iter().flatten().map(|p| (p - center).abs()).collect())
            .map(|deviation| deviation * 1.4826)
    }

    /// The value at a position between pixel centres, by bilinear interpolation; `None` where a
    /// neighbour is masked or outside.
    pub fn interpolate(&self, x: f64, y: f64) -> Option<f32> {
        if x < 0.0 || y < 0.0 {
            return None;
        }
        let (left, low) = (x.floor(), y.floor());
        let (u, v) = ((x - left) as f32, (y - low) as f32);
        let (i, j) = (left as usize, low as usize);
        let along = |j: usize| {
            let a = self.pixel(i, j)?;
            if u == 0.0 { Some(a) } else { Some(a + u * (self.pixel(i + 1, j)? - a)) }
        };
        let a = along(j)?;
        if v == 0.0 { Some(a) } else { Some(a + v * (along(j + 1)? - a)) }
    }

    /// Resamples onto a grid elsewhere on the sky; `None` if this image lies nowhere.
    pub fn resample(&self, onto: Projection, width: usize, height: usize) -> Option<Self> {
        let from = self.projection?;
        let mut image = Self::from_fn(width, height, |x, y| {
            let (x, y) = from.to_pixel(onto.to_sky(x as f64, y as f64))?;
            self.interpolate(x, y)
        });
        image.projection = Some(onto);
        image.noise = self.noise;
        Some(image)
    }

    /// Number of pixels that are not masked.
    pub fn coverage(&self) -> usize {
        self.pixels.iter().flatten().count()
    }
}

fn median(mut values: Vec<f32>) -> Option<f32> {
    if values.is_empty() {
        return None;
    }
    let middle = values.len() / 2;
    let (_, value, _) = values.select_nth_unstable_by(middle, f32::total_cmp);
    Some(*value)
}

/// Mean of images of one shape, each weighted by the inverse of its variance, pixel by pixel over
/// those that are not masked; `None` without images or for different shapes.
pub fn stack(images: &[Image]) -> Option<Image> {
    let first = images.first()?;
    let shape = (first.width, first.height);
    if images.iter().any(|image| (image.width, image.height) != shape) {
        return None;
    }
    let weights: Vec<f64> =
        images.iter().map(|image| image.noise.map_or(1.0, |n| 1.0 / (n * n).max(1e-6))).collect();
    let pixels = (0..first.pixels.len())
        .map(|i| {
            let (mut sum, mut total) = (0.0, 0.0);
            for (image, weight) in images.iter().zip(&weights) {
                if let Some(value) = image.pixels[i] {
                    sum += f64::from(value) * weight;
                    total += weight;
                }
            }
            (total > 0.0).then(|| (sum / total) as f32)
        })
        .collect();
    let mut stacked = Image { pixels, ..first.clone() };
    stacked.noise = stacked.spread().map(f64::from);
    Some(stacked)
}

/// A local maximum above the noise.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Detection {
    /// Column of the centroid.
    pub x: f64,
    /// Row of the centroid.
    pub y: f64,
    /// Sum of the 5 by 5 pixels around the peak, electrons.
    pub flux: f64,
}

/// Peaks that stand `threshold` deviations above the median, brightest first.
pub fn detect(image: &Image, threshold: f32) -> Vec<Detection> {
    let (Some(level), Some(spread)) = (image.median(), image.spread()) else {
        return Vec::new();
    };
    let limit = level + threshold * spread.max(f32::EPSILON);
    let mut found = Vec::new();
    for y in 0..image.height {
        for x in 0..image.width {
            let Some(peak) = image.pixel(x, y).filter(|&peak| peak > limit) else { continue };
            let around = |reach: usize| {
                let rows = y.saturating_sub(reach)..=y + reach;
                rows.flat_map(move |j| (x.saturating_sub(reach)..=x + reach).map(move |i| (i, j)))
            };
            let highest = around(1)
                .filter(|&(i, j)| (i, j) != (x, y))
                .filter_map(|(i, j)| Some((image.pixel(i, j)?, (j, i) < (y, x))))
                .all(|(value, earlier)| if earlier { value < peak } else { value <= peak });
            if !highest {
                continue;
            }
            let (mut flux, mut sum_x, mut sum_y) = (0.0, 0.0, 0.0);
            for (i, j) in around(2) {
                let value =
                    image.pixel(i, j).map_or(0.0, |value| f64::from((value - level).max(0.0)));
                flux += value;
                sum_x += value * i as f64;
                sum_y += value * j as f64;
            }
            found.push(Detection { x: sum_x / flux, y: sum_y / flux, flux });
        }
    }
    found.sort_by(|a, b| b.flux.total_cmp(&a.flux));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interpolation_is_exact_on_a_plane_and_masks_spread() {
        let mut image = Image::from_fn(4, 3, |x, y| Some((x * 2 + y * 10) as f32));
        assert_eq!(image.interpolate(1.5, 0.25), Some(5.5));
        assert_eq!(image.interpolate(3.0, 2.0), Some(26.0));
        assert_eq!(image.interpolate(3.1, 0.0), None);
        image.pixels[0] = None;
        assert_eq!(image.interpolate(0.5, 0.0), None);
    }

    #[test]
    fn stacking_weighs_by_inverse_variance() {
        let mut a = Image::from_fn(1, 1, |_, _| Some(0.0));
        let mut b = Image::from_fn(1, 1, |_, _| Some(10.0));
        (a.noise, b.noise) = (Some(1.0), Some(2.0));
        assert_eq!(stack(&[a.clone(), b]).unwrap().pixels, [Some(2.0)]);
        let masked = Image::from_fn(1, 1, |_, _| None);
        assert_eq!(stack(&[a, masked]).unwrap().pixels, [Some(0.0)]);
        assert!(stack(&[]).is_none());
    }

    #[test]
    fn a_star_is_found_where_it_is() {
        let image = Image::from_fn(21, 21, |x, y| {
            let r2 = (x as f64 - 7.3).powi(2) + (y as f64 - 12.6).powi(2);
            let ripple = ((x * 7 + y * 13) % 5) as f64 * 0.1;
            Some((100.0 * (-r2 / 2.0).exp() + ripple) as f32)
        });
        let found = detect(&image, 8.0);
        assert_eq!(found.len(), 1);
        assert!((found[0].x - 7.3).abs() < 0.1 && (found[0].y - 12.6).abs() < 0.1, "{found:?}");
    }

    #[test]
    fn masked_pixels_are_null_in_json() {
        let image = Image::from_fn(2, 1, |x, _| (x == 1).then_some(1.5));
        let text = serde_json::to_string(&image).unwrap();
        assert_eq!(text, r#"{"width":2,"height":1,"pixels":[null,1.5]}"#);
        assert_eq!(serde_json::from_str::<Image>(&text).unwrap(), image);
    }
}
