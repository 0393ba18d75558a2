//! The hierarchical triangular mesh.

use super::error::SkyPixelizationError;
use super::orientation::orientation;
use super::polygon::ConvexPolygon;
use super::range_set::RangeSet;
use super::region::Region;
use super::trixel_search::{Sought, Trixel, children, midpoint, roots, search};
use super::vector::UnitVector3d;

/// The HTM pixelization at one level.
///
/// The sphere's octants have indexes 8 to 15; every level splits a trixel with index i into the
/// four with indexes 4 i to 4 i + 3. Indexes, pixels, envelopes and interiors are those of
/// `lsst.sphgeom`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HtmPixelization {
    level: u8,
}

impl HtmPixelization {
    /// Name of the system in dimension universes.
    pub const SYSTEM: &'static str = "htm";
    /// Deepest level.
    pub const MAX_LEVEL: u8 = 24;

    /// The pixelization at a level.
    ///
    /// # Errors
    ///
    /// The level is above [`HtmPixelization::MAX_LEVEL`].
    pub fn new(level: u8) -> Result<Self, SkyPixelizationError> {
        if level > Self::MAX_LEVEL {
            return Err(SkyPixelizationError::NoSuchLevel {
                system: Self::SYSTEM,
                level,
                max_level: Self::MAX_LEVEL,
            });
        }
        Ok(Self { level })
    }

    /// The level.
    #[must_use]
    pub const fn level(&self) -> u8 {
        self.level
    }

    const fn bits(&self) -> u32 {
        2 * self.level as u32
    }

    /// All pixels.
    #[must_use]
    pub fn universe(&self) -> RangeSet {
        [(8 << self.bits(), 16 << self.bits())].into_iter().collect()
    }

    /// The pixel that holds a direction. Directions on an edge belong to the neighbour with the
    /// lower child number, and to fixed roots on the edges of octants.
    #[must_use]
    pub fn index(&self, direction: &UnitVector3d) -> u64 {
        let root = root_of(direction);
        let mut trixel: Trixel = roots()[root];
        let mut index = 8 + root as u64;
        for _ in 0..self.level {
            let [v0, v1, v2] = trixel;
            let (m01, m20) = (midpoint(v0, v1), midpoint(v2, v0));
            index *= 4;
            if orientation(direction, &m01, &m20) >= 0 {
                trixel = [v0, m01, m20];
                continue;
            }
            let m12 = midpoint(v1, v2);
            if orientation(direction, &m12, &m01) >= 0 {
                trixel = [v1, m12, m01];
                index += 1;
            } else if orientation(direction, &m20, &m12) >= 0 {
                trixel = [v2, m20, m12];
                index += 2;
            } else {
                trixel = [m12, m20, m01];
                index += 3;
            }
        }
        index
    }

    /// The outline of a pixel.
    ///
    /// # Errors
    ///
    /// There is no such pixel at this level.
    pub fn pixel(&self, index: u64) -> Result<ConvexPolygon, SkyPixelizationError> {
        let bits = self.bits();
        if !(8..16).contains(&(index >> bits)) {
            return Err(SkyPixelizationError::NoSuchPixel {
                system: Self::SYSTEM,
                level: self.level,
                index,
            });
        }
        let mut trixel = roots()[((index >> bits) & 7) as usize];
        for level in (0..self.level).rev() {
            trixel = children(trixel)[((index >> (2 * u32::from(level))) & 3) as usize];
        }
        Ok(ConvexPolygon::from_stored(trixel.into()))
    }

    /// The pixels that may meet a region: all that do, and some close to it.
    ///
    /// With `max_ranges`, the result is made coarser so that no simple region gives more ranges;
    /// unions may, by the number of members.
    #[must_use]
    pub fn envelope(&self, region: &Region, max_ranges: Option<usize>) -> RangeSet {
        let mut found = RangeSet::new();
        self.envelope_into(region, max_ranges, &mut found);
        found
    }

    /// Like [`HtmPixelization::envelope`], into a set whose former members are dropped and whose
    /// memory is used again.
    pub fn envelope_into(&self, region: &Region, max_ranges: Option<usize>, found: &mut RangeSet) {
        found.clear();
        self.find(region, Sought::Envelope, max_ranges, found);
    }

    /// The pixels that are certainly inside a region; with `max_ranges`, fewer of them in no more
    /// ranges.
    #[must_use]
    pub fn interior(&self, region: &Region, max_ranges: Option<usize>) -> RangeSet {
        let mut found = RangeSet::new();
        self.find(region, Sought::Interior, max_ranges, &mut found);
        found
    }

    fn find(
        &self,
        region: &Region,
        sought: Sought,
        max_ranges: Option<usize>,
        found: &mut RangeSet,
    ) {
        let level = self.level;
        match region {
            Region::ConvexPolygon(p) => search(p, sought, level, max_ranges, found),
            Region::Circle(c) => search(c, sought, level, max_ranges, found),
            Region::Box(b) => search(b, sought, level, max_ranges, found),
            Region::Ellipse(e) => search(&e.bounding_circle(), sought, level, max_ranges, found),
            Region::Union(members) => {
                for member in members {
                    let mut part = RangeSet::new();
                    self.find(member, sought, max_ranges, &mut part);
                    *found = found.union(&part);
                }
            }
            Region::Intersection(members) => {
                *found = self.universe();
                for member in members {
                    let mut part = RangeSet::new();
                    self.find(member, sought, max_ranges, &mut part);
                    *found = found.intersection(&part);
                }
            }
        }
    }
}

/// Position in [`roots`] of the octant of a direction.
fn root_of(direction: &UnitVector3d) -> usize {
    let (x, y, z) = (direction.x(), direction.y(), direction.z());
    // Octants run clockwise in the north and counter-clockwise in the south.
    let [first, second, third, fourth] = if z < 0.0 { [0, 1, 2, 3] } else { [7, 6, 5, 4] };
    if y > 0.0 {
        if x > 0.0 { first } else { second }
    } else if y == 0.0 {
        if x >= 0.0 { first } else { third }
    } else if x < 0.0 {
        third
    } else {
        fourth
    }
}

#[cfg(test)]
mod tests {
    use super::super::vector::LonLat;
    use super::*;
    use proptest::prelude::*;

    fn at(lon: f64, lat: f64) -> UnitVector3d {
        LonLat::from_degrees(lon, lat).expect("valid").into()
    }

    #[test]
    fn levels_end_at_24() {
        assert!(HtmPixelization::new(24).is_ok());
        assert_eq!(
            HtmPixelization::new(25),
            Err(SkyPixelizationError::NoSuchLevel { system: "htm", level: 25, max_level: 24 })
        );
    }

    #[test]
    fn a_pixel_of_another_level_is_refused() {
        let htm = HtmPixelization::new(7).expect("valid level");
        for index in [0, 8, 131_071, 262_144, u64::MAX] {
            assert!(htm.pixel(index).is_err(), "{index}");
        }
    }

    #[test]
    fn pixels_that_touch_the_edge_are_in_the_envelope() {
        let square =
            ConvexPolygon::new(vec![at(0.0, 0.0), at(1.0, 0.0), at(1.0, 1.0), at(0.0, 1.0)]);
        let htm = HtmPixelization::new(7).expect("valid level");
        let expected = [
            (131_072, 131_073),
            (131_074, 131_076),
            (188_416, 188_417),
            (196_608, 196_610),
            (196_611, 196_612),
            (253_952, 253_956),
            (253_965, 253_968),
        ];
        let region = Region::ConvexPolygon(square.expect("convex"));
        assert_eq!(htm.envelope(&region, None), expected.into_iter().collect());
    }

    proptest! {
        #[test]
        fn a_direction_is_in_its_pixel(lon in 0.0..360.0f64, lat in -90.0..90.0f64, level in 0u8..25) {
            let htm = HtmPixelization::new(level).expect("valid level");
            let direction = at(lon, lat);
            let index = htm.index(&direction);
            prop_assert!(htm.universe().contains(index));
            prop_assert!(htm.pixel(index).expect("in the universe").contains(&direction));
        }
    }
}
