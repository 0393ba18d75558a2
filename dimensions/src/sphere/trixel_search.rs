//! Top-down search for the HTM trixels that meet a region.
//!
//! The search keeps trixels on the stack and appends to one range set; it allocates nothing for
//! the trixels it visits.

use super::circle::Circle;
use super::lon_lat_box::LonLatBox;
use super::polygon::ConvexPolygon;
use super::polygon_relation as polygon;
use super::range_set::RangeSet;
use super::relationship::Relationship;
use super::vector::UnitVector3d;

/// The vertices of a trixel, counter-clockwise.
pub(super) type Trixel = [UnitVector3d; 3];

/// The eight octants in index order (index 8 to 15): four southern, four northern ones.
///
/// A negated axis has negative zeros, as stored trixel polygons do.
pub(super) fn roots() -> [Trixel; 8] {
    let (x, y, z) = (UnitVector3d::X, UnitVector3d::Y, UnitVector3d::Z);
    [
        [x, -z, y],
        [y, -z, -x],
        [-x, -z, -y],
        [-y, -z, x],
        [x, z, -y],
        [-y, z, -x],
        [-x, z, y],
        [y, z, x],
    ]
}

/// Midpoint of the edge between two vertices of a trixel, which are at most 90° apart.
pub(super) fn midpoint(a: UnitVector3d, b: UnitVector3d) -> UnitVector3d {
    (a.v + b.v).normalized().map_or(a, |(unit, _)| unit)
}

/// The four children in index order: at each vertex, then the middle one.
pub(super) fn children([v0, v1, v2]: Trixel) -> [Trixel; 4] {
    let (m12, m20, m01) = (midpoint(v1, v2), midpoint(v2, v0), midpoint(v0, v1));
    [[v0, m01, m20], [v1, m12, m01], [v2, m20, m12], [m12, m20, m01]]
}

/// A region that trixels can be related to.
pub(super) trait RelateTrixel {
    /// What is certain about the trixel (A) and the region (B).
    fn relate_trixel(&self, trixel: &Trixel) -> Relationship;
}

impl RelateTrixel for ConvexPolygon {
    fn relate_trixel(&self, trixel: &Trixel) -> Relationship {
        polygon::relate_polygon(trixel, self.vertices(), self.is_checked_convex())
    }
}

impl RelateTrixel for Circle {
    fn relate_trixel(&self, trixel: &Trixel) -> Relationship {
        polygon::relate_circle(trixel, self)
    }
}

impl RelateTrixel for LonLatBox {
    fn relate_trixel(&self, trixel: &Trixel) -> Relationship {
        polygon::relate_box(trixel, self)
    }
}

/// Which trixels are sought, and how finely.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sought {
    /// Trixels that may meet the region.
    Envelope,
    /// Trixels that are certainly inside it.
    Interior,
}

/// Appends to `found` the indexes at `level` of the sought trixels.
///
/// With `max_ranges`, the search becomes coarser as often as needed to stay within that number
/// of ranges: an envelope grows by it, an interior shrinks.
pub(super) fn search(
    region: &impl RelateTrixel,
    sought: Sought,
    level: u8,
    max_ranges: Option<usize>,
    found: &mut RangeSet,
) {
    let level = i32::from(level);
    let mut search = Search {
        region,
        sought,
        level,
        limit: level,
        max_ranges: max_ranges.unwrap_or(usize::MAX),
        found,
    };
    for (index, root) in (8..).zip(roots()) {
        search.visit(&root, index, 0);
    }
}

struct Search<'a, R> {
    region: &'a R,
    sought: Sought,
    /// Level of the indexes produced.
    level: i32,
    /// Level at which the descent stops; falls when there are too many ranges, below 0 once a
    /// single range of roots is left.
    limit: i32,
    max_ranges: usize,
    found: &'a mut RangeSet,
}

impl<R: RelateTrixel> Search<'_, R> {
    fn visit(&mut self, trixel: &Trixel, index: u64, level: i32) {
        if level > self.limit {
            return;
        }
        let relation = self.region.relate_trixel(trixel);
        if relation.has(Relationship::DISJOINT) {
            return;
        }
        let is_inside = relation.has(Relationship::WITHIN);
        if is_inside || level == self.limit {
            if is_inside || self.sought == Sought::Envelope {
                self.add(index, level);
            }
            return;
        }
        for (child_index, child) in (4 * index..).zip(children(*trixel)) {
            self.visit(&child, child_index, level + 1);
        }
    }

    fn add(&mut self, index: u64, level: i32) {
        let mut bits = 2 * self.level.abs_diff(level);
        self.found.insert(index << bits, (index + 1) << bits);
        while self.found.range_count() > self.max_ranges {
            self.limit -= 1;
            bits += 2;
            match self.sought {
                Sought::Envelope => self.found.widen(bits),
                Sought::Interior => self.found.narrow(bits),
            }
        }
    }
}
