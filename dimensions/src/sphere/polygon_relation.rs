//! Relations of a convex polygon, given by its vertices, to other simple regions.
//!
//! Vertices are taken as slices so that HTM trixels can be tested on the stack.

use super::circle::Circle;
use super::lon_lat_box::LonLatBox;
use super::orientation::orientation;
use super::polygon::{bounding_box, contains, edges};
use super::relationship::Relationship;
use super::vector::UnitVector3d;

/// Relation of polygon `a` to polygon `b`, decided exactly; touching is not disjoint.
///
/// `convex` states that both are known to be convex, which allows to stop at the first edge
/// that has the other polygon entirely on its outer side.
pub(super) fn relate_polygon(a: &[UnitVector3d], b: &[UnitVector3d], convex: bool) -> Relationship {
    let a_in_b = Enclosed::of(a, b);
    if convex && a_in_b == Enclosed::Separated {
        return Relationship::DISJOINT;
    }
    let b_in_a = Enclosed::of(b, a);
    if convex && b_in_a == Enclosed::Separated {
        return Relationship::DISJOINT;
    }
    if a_in_b == Enclosed::All || b_in_a == Enclosed::All {
        let within =
            if a_in_b == Enclosed::All { Relationship::WITHIN } else { Relationship::NONE };
        let holds =
            if b_in_a == Enclosed::All { Relationship::CONTAINS } else { Relationship::NONE };
        return within | holds;
    }
    if a_in_b == Enclosed::Some || b_in_a == Enclosed::Some || any_edges_cross(a, b) {
        return Relationship::NONE;
    }
    Relationship::DISJOINT
}

/// How many vertices of one polygon are in another.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Enclosed {
    All,
    Some,
    None,
    /// None, and one edge has all of them strictly on its outer side.
    Separated,
}

impl Enclosed {
    fn of(points: &[UnitVector3d], polygon: &[UnitVector3d]) -> Self {
        if points.len() > 64 {
            return Self::of_many(points, polygon);
        }
        let all = u64::MAX >> (64 - points.len().max(1));
        let mut inside = all;
        for (a, b) in edges(polygon) {
            let mut outside = 0u64;
            for (i, point) in points.iter().enumerate() {
                outside |= u64::from(orientation(point, a, b) < 0) << i;
            }
            if outside == all {
                return Self::Separated;
            }
            inside &= !outside;
        }
        match inside {
            0 => Self::None,
            _ if inside == all => Self::All,
            _ => Self::Some,
        }
    }

    fn of_many(points: &[UnitVector3d], polygon: &[UnitVector3d]) -> Self {
        match points.iter().filter(|p| contains(polygon, p)).count() {
            0 => Self::None,
            n if n == points.len() => Self::All,
            _ => Self::Some,
        }
    }
}

/// Whether an edge of `p` properly crosses an edge of `q`: the ends of each lie strictly on
/// different sides of the other, and on the same side of the sphere.
fn any_edges_cross(p: &[UnitVector3d], q: &[UnitVector3d]) -> bool {
    edges(p).any(|(a, b)| {
        edges(q).any(|(c, d)| {
            let side = orientation(a, c, d);
            side != 0
                && orientation(b, d, c) == side
                && orientation(c, b, a) == side
                && orientation(d, a, b) == side
        })
    })
}

/// Relation of a polygon to a circle. Boundaries closer to each other than the rounding of a
/// squared chord count as crossing.
pub(super) fn relate_circle(polygon: &[UnitVector3d], circle: &Circle) -> Relationship {
    if circle.is_empty() {
        return Relationship::CONTAINS | Relationship::DISJOINT;
    }
    if circle.is_full() {
        return Relationship::WITHIN;
    }
    let Some(inside) = circle.encloses_all_or_none(polygon) else {
        return Relationship::NONE;
    };
    let crosses = |(a, b): (&UnitVector3d, &UnitVector3d)| {
        circle.boundary_crosses_arc(inside, *a, *b, a.robust_cross(*b))
    };
    if edges(polygon).any(crosses) {
        return Relationship::NONE;
    }
    // The boundaries do not meet. A circle larger than a hemisphere can hold the boundary of a
    // polygon and still leave a hole in it; then the polygon contains the point opposite the
    // center.
    let center = circle.center();
    if inside {
        if contains(polygon, &-center) { Relationship::NONE } else { Relationship::WITHIN }
    } else if contains(polygon, &center) {
        Relationship::CONTAINS
    } else {
        Relationship::DISJOINT
    }
}

/// Relation of a polygon to a box, decided on the polygon's bounding box. That box certainly
/// tells when they are disjoint and when the polygon is within, and nothing else.
pub(super) fn relate_box(polygon: &[UnitVector3d], other: &LonLatBox) -> Relationship {
    bounding_box(polygon).relate_box(other) & (Relationship::DISJOINT | Relationship::WITHIN)
}
