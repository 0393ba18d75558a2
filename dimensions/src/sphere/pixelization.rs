//! The pixelization behind a skypix dimension.

use super::error::SkyPixelizationError;
use super::htm::HtmPixelization;
use super::polygon::ConvexPolygon;
use super::range_set::{IndexRange, RangeSet};
use super::region::Region;
use super::vector::UnitVector3d;

/// A hierarchical pixelization of the sky at one level, as a dimension universe names it.
///
/// All systems split a pixel i into the four pixels 4 i to 4 i + 3 of the next level, so that
/// indexes of one system convert between levels by shifting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SkyPixelization {
    /// The hierarchical triangular mesh, system `htm`.
    Htm(HtmPixelization),
}

impl SkyPixelization {
    /// The pixelization of a skypix system at a level: `("htm", 7)` for dimension `htm7`.
    ///
    /// # Errors
    ///
    /// The system is not supported, or has no such level.
    pub fn new(system: &str, level: u8) -> Result<Self, SkyPixelizationError> {
        match system {
            HtmPixelization::SYSTEM => Ok(Self::Htm(HtmPixelization::new(level)?)),
            _ => Err(SkyPixelizationError::UnsupportedSystem { system: system.to_owned() }),
        }
    }

    /// Name of the system in the dimension universe.
    #[must_use]
    pub const fn system(&self) -> &'static str {
        match self {
            Self::Htm(_) => HtmPixelization::SYSTEM,
        }
    }

    /// The level.
    #[must_use]
    pub const fn level(&self) -> u8 {
        match self {
            Self::Htm(htm) => htm.level(),
        }
    }

    /// All pixels.
    #[must_use]
    pub fn universe(&self) -> RangeSet {
        match self {
            Self::Htm(htm) => htm.universe(),
        }
    }

    /// The pixel that holds a direction.
    #[must_use]
    pub fn index(&self, direction: &UnitVector3d) -> u64 {
        match self {
            Self::Htm(htm) => htm.index(direction),
        }
    }

    /// The outline of a pixel: the region of a skypix dimension record.
    ///
    /// # Errors
    ///
    /// There is no such pixel.
    pub fn pixel(&self, index: u64) -> Result<ConvexPolygon, SkyPixelizationError> {
        match self {
            Self::Htm(htm) => htm.pixel(index),
        }
    }

    /// The pixels that may meet a region; see [`HtmPixelization::envelope`].
    #[must_use]
    pub fn envelope(&self, region: &Region, max_ranges: Option<usize>) -> RangeSet {
        match self {
            Self::Htm(htm) => htm.envelope(region, max_ranges),
        }
    }

    /// Like [`SkyPixelization::envelope`], into a set whose memory is used again.
    pub fn envelope_into(&self, region: &Region, max_ranges: Option<usize>, found: &mut RangeSet) {
        match self {
            Self::Htm(htm) => htm.envelope_into(region, max_ranges, found),
        }
    }

    /// The pixels that are certainly inside a region; see [`HtmPixelization::interior`].
    #[must_use]
    pub fn interior(&self, region: &Region, max_ranges: Option<usize>) -> RangeSet {
        match self {
            Self::Htm(htm) => htm.interior(region, max_ranges),
        }
    }

    /// The pixel of a coarser (or the same) level that holds pixel `index` of this level; `None`
    /// if `level` is finer.
    #[must_use]
    pub fn ancestor(&self, index: u64, level: u8) -> Option<u64> {
        let levels = self.level().checked_sub(level)?;
        Some(index >> (2 * u32::from(levels)))
    }

    /// The pixels of a finer (or the same) level inside pixel `index` of this level; `None` if
    /// `level` is coarser or the indexes would not fit.
    #[must_use]
    pub fn descendants(&self, index: u64, level: u8) -> Option<IndexRange> {
        let bits = 2 * u32::from(level.checked_sub(self.level())?);
        let scale = 1u64.checked_shl(bits)?;
        let begin = index.checked_mul(scale)?;
        Some(IndexRange { begin, end: begin.checked_add(scale)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systems_are_named_as_in_the_universe() {
        let htm7 = SkyPixelization::new("htm", 7).expect("supported");
        assert_eq!((htm7.system(), htm7.level()), ("htm", 7));
        let error = SkyPixelization::new("healpix", 3).expect_err("not supported");
        assert_eq!(
            error.to_string(),
            "skypix system 'healpix' is not supported; supported systems: htm"
        );
    }

    #[test]
    fn levels_convert_by_shifting() {
        let htm7 = SkyPixelization::new("htm", 7).expect("supported");
        let range = htm7.descendants(253_954, 9).expect("finer");
        assert_eq!(range, IndexRange { begin: 4_063_264, end: 4_063_280 });
        let htm9 = SkyPixelization::new("htm", 9).expect("supported");
        assert!((range.begin..range.end).all(|i| htm9.ancestor(i, 7) == Some(253_954)));
        assert_eq!(htm7.ancestor(253_954, 8), None);
        assert_eq!(htm7.descendants(253_954, 6), None);
        assert_eq!(htm7.descendants(u64::MAX, 60), None);
    }
}
