//! HEALPix, nested indexes.

use super::error::SkyPixelizationError;
use super::healpix_cell::{Grid, Place};
use super::healpix_search::{Bounds, Disc, FINER, Sides, search};
use super::polygon::ConvexPolygon;
use super::polygon_hull::convex_hull;
use super::range_set::{IndexRange, RangeSet};
use super::region::Region;
use super::vector::{LonLat, UnitVector3d, Vector3d};

/// How many levels finer an envelope is computed before it is widened by one pixel there.
const ENVELOPE_FINER: u8 = 4;
/// Points on each side of the polygon that stands for a pixel, whose sides are no great circles.
const POINTS_PER_SIDE: u32 = 4;

/// The HEALPix pixelization with 2^level pixels along each side of the twelve base pixels.
///
/// Indexes, pixels, envelopes and interiors are those of `lsst.sphgeom.HealpixPixelization`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HealpixPixelization {
    level: u8,
}

impl HealpixPixelization {
    /// Name of the system in dimension universes.
    pub const SYSTEM: &'static str = "healpix";
    /// Deepest level of universes that name none.
    pub const DEFAULT_MAX_LEVEL: u8 = 17;
    /// Deepest level that `lsst.sphgeom` can compute envelopes for.
    pub const MAX_LEVEL: u8 = Grid::MAX_ORDER - ENVELOPE_FINER - FINER;

    /// The pixelization at a level.
    ///
    /// # Errors
    ///
    /// The level is above [`HealpixPixelization::MAX_LEVEL`].
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

    const fn grid(self) -> Grid {
        Grid::new(self.level)
    }

    /// All pixels.
    #[must_use]
    pub fn universe(&self) -> RangeSet {
        [(0, self.grid().cell_count())].into_iter().collect()
    }

    /// The pixel that holds a direction.
    #[must_use]
    pub fn index(&self, direction: &UnitVector3d) -> u64 {
        self.grid().find(direction)
    }

    /// The polygon that stands for a pixel: the convex hull of sixteen points of its outline.
    ///
    /// # Errors
    ///
    /// There is no such pixel at this level.
    pub fn pixel(&self, index: u64) -> Result<ConvexPolygon, SkyPixelizationError> {
        let missing =
            SkyPixelizationError::NoSuchPixel { system: Self::SYSTEM, level: self.level, index };
        if index >= self.grid().cell_count() {
            return Err(missing);
        }
        let outline = self.grid().outline(index, POINTS_PER_SIDE).into_iter().map(through_degrees);
        convex_hull(outline.flatten()).ok_or(missing)
    }

    /// The pixels that may meet a region.
    ///
    /// `lsst.sphgeom` knows no envelopes of unions and intersections here; see
    /// [`super::SkyPixelization::refusal`]. This gives what the members' envelopes have together
    /// or in common.
    #[must_use]
    pub fn envelope(&self, region: &Region) -> RangeSet {
        self.of_members(region, &|region| {
            let mut fine = RangeSet::new();
            find(region, self.level + ENVELOPE_FINER, &mut fine);
            self.widened(&fine)
        })
    }

    /// The pixels whose four corners are inside a region. It takes time in proportion to the
    /// number of pixels that meet the region.
    #[must_use]
    pub fn interior(&self, region: &Region) -> RangeSet {
        self.of_members(region, &|region| {
            let mut met = RangeSet::new();
            find(region, self.level, &mut met);
            let has_corners = |index: &u64| {
                self.grid().outline(*index, 1).into_iter().all(|corner| {
                    let lat = -(corner.theta() - std::f64::consts::FRAC_PI_2);
                    LonLat::from_radians(corner.phi, lat)
                        .is_some_and(|point| region.contains(&UnitVector3d::from(point)))
                })
            };
            met.indexes().filter(has_corners).map(|index| (index, index + 1)).collect()
        })
    }

    fn of_members(&self, region: &Region, simple: &dyn Fn(&Region) -> RangeSet) -> RangeSet {
        match region {
            Region::Union(members) => members
                .iter()
                .fold(RangeSet::new(), |all, member| all.union(&self.of_members(member, simple))),
            Region::Intersection(members) => members.iter().fold(self.universe(), |all, member| {
                all.intersection(&self.of_members(member, simple))
            }),
            _ => simple(region),
        }
    }

    /// The pixels that hold, or are next to, a pixel of the level of envelope searches.
    ///
    /// A block of fine pixels is next to the same pixels as the fine pixels along its rim, so
    /// that large regions cost no more than their rims.
    fn widened(&self, fine: &RangeSet) -> RangeSet {
        let mut pixels = Vec::new();
        for range in fine.as_slice() {
            let mut begin = range.begin;
            while begin < range.end {
                // The largest aligned block that begins here and ends inside the range.
                let mut bits = 0;
                while bits < 2 * u32::from(self.level + ENVELOPE_FINER)
                    && begin.trailing_zeros() >= bits + 2
                    && begin + (4 << bits) <= range.end
                {
                    bits += 2;
                }
                self.add_surroundings(begin, bits, &mut pixels);
                begin += 1 << bits;
            }
        }
        pixels.sort_unstable_by_key(|range: &IndexRange| range.begin);
        pixels.into_iter().map(|range| (range.begin, range.end)).collect()
    }

    /// Adds the pixels that hold, or are next to, a block of 2^`bits` fine pixels.
    fn add_surroundings(&self, begin: u64, bits: u32, pixels: &mut Vec<IndexRange>) {
        let fine_bits = 2 * u32::from(ENVELOPE_FINER);
        let grid = self.grid();
        let pixel = begin >> fine_bits;
        let mut add = |index: u64| pixels.push(IndexRange { begin: index, end: index + 1 });
        if bits < fine_bits {
            // Inside one pixel: next to others only along the pixel's own rim.
            let inner = Grid::new(ENVELOPE_FINER);
            let (x, y) = inner.cell(begin & ((1 << fine_bits) - 1)).position();
            let last = inner.side() - (1 << (bits / 2));
            add(pixel);
            for step_x in -1..=1 {
                for step_y in -1..=1 {
                    let touches = |step: i64, at: i64| match step {
                        -1 => at == 0,
                        1 => at == last,
                        _ => true,
                    };
                    if (step_x, step_y) != (0, 0) && touches(step_x, x) && touches(step_y, y) {
                        grid.neighbour(pixel, (step_x, step_y)).into_iter().for_each(&mut add);
                    }
                }
            }
            return;
        }
        let size = 1u64 << (bits - fine_bits);
        pixels.push(IndexRange { begin: pixel, end: pixel + size });
        let last = (1i64 << ((bits - fine_bits) / 2)) - 1;
        let (left, bottom) = grid.cell(pixel).position();
        let mut beside = |x: i64, y: i64, steps: (i64, i64)| {
            let from = grid.index(grid.cell(pixel).at(left + x, bottom + y));
            let found = grid.neighbour(from, steps);
            pixels.extend(found.map(|index| IndexRange { begin: index, end: index + 1 }));
        };
        for along in 0..=last {
            beside(0, along, (-1, 0));
            beside(last, along, (1, 0));
            beside(along, 0, (0, -1));
            beside(along, last, (0, 1));
        }
        beside(0, 0, (-1, -1));
        beside(last, 0, (1, -1));
        beside(0, last, (-1, 1));
        beside(last, last, (1, 1));
    }
}

/// Appends the pixels of an order that may meet a simple region.
fn find(region: &Region, order: u8, found: &mut RangeSet) {
    match region {
        Region::ConvexPolygon(polygon) => match Sides::new(polygon.vertices(), order) {
            Some(sides) => search(&sides, order, found),
            None => find(&Region::Circle(polygon.bounding_circle()), order, found),
        },
        Region::Box(bounds) => {
            if !bounds.is_empty()
                && let Some(bounds) = Bounds::new(bounds, order)
            {
                search(&bounds, order, found);
            }
        }
        Region::Circle(_) | Region::Ellipse(_) => {
            let circle = region.bounding_circle();
            let (center, radius) = (LonLat::from(circle.center()), circle.angle());
            if radius >= std::f64::consts::PI {
                found.insert(0, Grid::new(order).cell_count());
            } else if radius > 0.0 {
                search(&Disc::new(center, radius, order), order, found);
            } else if radius == 0.0 {
                let index = Grid::new(order).find_lon_lat(center);
                found.insert(index, index + 1);
            }
        }
        Region::Union(_) | Region::Intersection(_) => {}
    }
}

/// A point of an outline as a direction; the detour through degrees rounds it as `lsst.sphgeom`
/// does.
fn through_degrees(place: Place) -> Option<UnitVector3d> {
    const DEGREES: f64 = 180.0 / std::f64::consts::PI;
    const RADIANS: f64 = std::f64::consts::PI / 180.0;
    let lon = place.phi * DEGREES % 360.0 * RADIANS;
    let lat = -(place.theta() - std::f64::consts::FRAC_PI_2) * DEGREES * RADIANS;
    let theta = std::f64::consts::FRAC_PI_2 - lat;
    let sine = theta.sin();
    Some(Vector3d::new(sine * lon.cos(), sine * lon.sin(), theta.cos()).normalized()?.0)
}
