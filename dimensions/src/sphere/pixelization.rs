//! The pixelization behind a skypix dimension.

use super::error::SkyPixelizationError;
use super::healpix::HealpixPixelization;
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
    /// HEALPix with nested indexes, system `healpix`.
    Healpix(HealpixPixelization),
}

impl SkyPixelization {
    /// The pixelization of a skypix system at a level: `("htm", 7)` for dimension `htm7`.
    ///
    /// The names are those of the usual universes; another universe may give a pixelization
    /// another name, see [`SkyPixelization::of_class`].
    ///
    /// # Errors
    ///
    /// The system is not supported, or has no such level.
    pub fn new(system: &str, level: u8) -> Result<Self, SkyPixelizationError> {
        match system {
            HtmPixelization::SYSTEM => Ok(Self::Htm(HtmPixelization::new(level)?)),
            HealpixPixelization::SYSTEM => Ok(Self::Healpix(HealpixPixelization::new(level)?)),
            _ => Err(SkyPixelizationError::UnsupportedSystem { system: system.to_owned() }),
        }
    }

    /// The pixelization of a Python class, such as `lsst.sphgeom.HtmPixelization`, at a level.
    ///
    /// # Errors
    ///
    /// The class is not supported, or has no such level.
    pub fn of_class(class: &str, level: u8) -> Result<Self, SkyPixelizationError> {
        match Self::system_of_class(class) {
            Some(system) => Self::new(system, level),
            None => Err(SkyPixelizationError::UnsupportedSystem { system: class.to_owned() }),
        }
    }

    /// Deepest level of a universe that names none for a Python class.
    #[must_use]
    pub fn default_max_level(class: &str) -> Option<u8> {
        match Self::system_of_class(class)? {
            HtmPixelization::SYSTEM => Some(HtmPixelization::MAX_LEVEL),
            _ => Some(HealpixPixelization::DEFAULT_MAX_LEVEL),
        }
    }

    fn system_of_class(class: &str) -> Option<&'static str> {
        match class.strip_prefix("lsst.sphgeom.")?.rsplit('.').next()? {
            "HtmPixelization" => Some(HtmPixelization::SYSTEM),
            "HealpixPixelization" => Some(HealpixPixelization::SYSTEM),
            _ => None,
        }
    }

    /// Name of the system in the dimension universe.
    #[must_use]
    pub const fn system(&self) -> &'static str {
        match self {
            Self::Htm(_) => HtmPixelization::SYSTEM,
            Self::Healpix(_) => HealpixPixelization::SYSTEM,
        }
    }

    /// The level.
    #[must_use]
    pub const fn level(&self) -> u8 {
        match self {
            Self::Htm(htm) => htm.level(),
            Self::Healpix(healpix) => healpix.level(),
        }
    }

    /// All pixels.
    #[must_use]
    pub fn universe(&self) -> RangeSet {
        match self {
            Self::Htm(htm) => htm.universe(),
            Self::Healpix(healpix) => healpix.universe(),
        }
    }

    /// The pixel that holds a direction.
    #[must_use]
    pub fn index(&self, direction: &UnitVector3d) -> u64 {
        match self {
            Self::Htm(htm) => htm.index(direction),
            Self::Healpix(healpix) => healpix.index(direction),
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
            Self::Healpix(healpix) => healpix.pixel(index),
        }
    }

    /// Why the middleware would fail to find the pixels of a region, if it would; then the graph
    /// or the record that needs them cannot be made. The searches of this type give a sensible
    /// answer all the same.
    #[must_use]
    pub fn refusal(&self, region: &Region) -> Option<SkyPixelizationError> {
        let Self::Healpix(_) = self else { return None };
        let region = match region {
            Region::Union(_) => "unions of regions",
            Region::Intersection(_) => "intersections of regions",
            Region::Box(b) if b.is_empty() => "empty boxes",
            Region::Circle(c) if c.is_empty() => "empty circles",
            Region::Ellipse(e) if e.is_empty() => "empty ellipses",
            _ => return None,
        };
        Some(SkyPixelizationError::UnsupportedRegion { system: self.system(), region })
    }

    /// The pixels that may meet a region: all that do, and some close to it.
    ///
    /// With `max_ranges`, an HTM envelope is made coarser so that no simple region gives more
    /// ranges; HEALPix has no such limit. See [`HtmPixelization::envelope`] and
    /// [`HealpixPixelization::envelope`].
    #[must_use]
    pub fn envelope(&self, region: &Region, max_ranges: Option<usize>) -> RangeSet {
        match self {
            Self::Htm(htm) => htm.envelope(region, max_ranges),
            Self::Healpix(healpix) => healpix.envelope(region),
        }
    }

    /// Like [`SkyPixelization::envelope`], into a set whose memory is used again.
    pub fn envelope_into(&self, region: &Region, max_ranges: Option<usize>, found: &mut RangeSet) {
        match self {
            Self::Htm(htm) => htm.envelope_into(region, max_ranges, found),
            Self::Healpix(healpix) => *found = healpix.envelope(region),
        }
    }

    /// The pixels that are certainly inside a region; see [`HtmPixelization::interior`] and
    /// [`HealpixPixelization::interior`].
    #[must_use]
    pub fn interior(&self, region: &Region, max_ranges: Option<usize>) -> RangeSet {
        match self {
            Self::Htm(htm) => htm.interior(region, max_ranges),
            Self::Healpix(healpix) => healpix.interior(region),
        }
    }

    /// The pixels of `other` that belong to a pixel of this one, as graph builders pass from one
    /// skypix dimension to another: all descendants at a finer level of the same system, the
    /// ancestor at a coarser one, and between systems the envelope of the pixel's region.
    ///
    /// # Errors
    ///
    /// There is no such pixel.
    pub fn pixels_in(&self, index: u64, other: &Self) -> Result<RangeSet, SkyPixelizationError> {
        if std::mem::discriminant(self) != std::mem::discriminant(other) {
            let region = Region::ConvexPolygon(self.pixel(index)?);
            return Ok(other.envelope(&region, None));
        }
        if !self.universe().contains(index) {
            let (system, level) = (self.system(), self.level());
            return Err(SkyPixelizationError::NoSuchPixel { system, level, index });
        }
        let range = match self.ancestor(index, other.level()) {
            Some(ancestor) => Some((ancestor, ancestor + 1)),
            None => self.descendants(index, other.level()).map(|range| (range.begin, range.end)),
        };
        Ok(range.into_iter().collect())
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
        let healpix3 = SkyPixelization::of_class("lsst.sphgeom.HealpixPixelization", 3);
        assert_eq!(healpix3, SkyPixelization::new("healpix", 3));
        let error = SkyPixelization::of_class("some.Other", 3).expect_err("not supported");
        assert_eq!(
            error.to_string(),
            "skypix system 'some.Other' is not supported; supported are the pixelizations htm \
             and healpix of lsst.sphgeom"
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
