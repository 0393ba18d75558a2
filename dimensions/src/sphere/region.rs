//! The region of a dimension record, of whichever shape.

use super::circle::Circle;
use super::compound;
use super::ellipse::Ellipse;
use super::lon_lat_box::LonLatBox;
use super::polygon::{ConvexPolygon, bounding_box};
use super::polygon_relation as polygon;
use super::relationship::Relationship;
use super::vector::UnitVector3d;

/// A set of points on the unit sphere.
///
/// Regions have no equality: two polygons may list the same vertices from different starting
/// points. Compare encodings to find out whether two regions were stored alike.
#[derive(Clone, Debug)]
pub enum Region {
    /// A box of longitude and latitude.
    Box(LonLatBox),
    /// A circle.
    Circle(Circle),
    /// An ellipse.
    Ellipse(Ellipse),
    /// A convex polygon.
    ConvexPolygon(ConvexPolygon),
    /// All points of any member; without members, no points. No member is itself a union.
    Union(Vec<Region>),
    /// The points that all members share; without members, the whole sphere. No member is itself
    /// an intersection.
    Intersection(Vec<Region>),
}

impl Region {
    /// The union of regions; members that are unions are replaced by their members.
    #[must_use]
    pub fn union(members: Vec<Self>) -> Self {
        let mut flat = Vec::with_capacity(members.len());
        for member in members {
            match member {
                Self::Union(inner) => flat.extend(inner),
                other => flat.push(other),
            }
        }
        Self::Union(flat)
    }

    /// The intersection of regions; members that are intersections are replaced by their
    /// members.
    #[must_use]
    pub fn intersection(members: Vec<Self>) -> Self {
        let mut flat = Vec::with_capacity(members.len());
        for member in members {
            match member {
                Self::Intersection(inner) => flat.extend(inner),
                other => flat.push(other),
            }
        }
        Self::Intersection(flat)
    }

    /// Whether a direction is in the region, boundary included.
    #[must_use]
    pub fn contains(&self, direction: &UnitVector3d) -> bool {
        match self {
            Self::Box(b) => b.contains(direction),
            Self::Circle(c) => c.contains(direction),
            Self::Ellipse(e) => e.contains(direction),
            Self::ConvexPolygon(p) => p.contains(direction),
            Self::Union(members) => members.iter().any(|m| m.contains(direction)),
            Self::Intersection(members) => members.iter().all(|m| m.contains(direction)),
        }
    }

    /// What is certain about this region (A) and another (B).
    #[must_use]
    pub fn relate(&self, other: &Self) -> Relationship {
        use Relationship as R;
        match (self, other) {
            (Self::Union(members), _) => compound::union_relation(members, other),
            (Self::Intersection(members), _) => compound::intersection_relation(members, other),
            (_, Self::Union(_) | Self::Intersection(_)) => other.relate(self).inverted(),
            (Self::ConvexPolygon(a), Self::ConvexPolygon(b)) => relate_polygons(a, b),
            (Self::ConvexPolygon(a), Self::Circle(b)) => polygon::relate_circle(a.vertices(), b),
            (Self::ConvexPolygon(a), Self::Box(b)) => polygon::relate_box(a.vertices(), b),
            (Self::ConvexPolygon(a), Self::Ellipse(b)) => {
                polygon::relate_circle(a.vertices(), &b.bounding_circle())
                    & (R::CONTAINS | R::DISJOINT)
            }
            (Self::Box(a), Self::Box(b)) => a.relate_box(b),
            (Self::Box(a), Self::Circle(b)) => a.relate_circle(b),
            (Self::Box(a), Self::Ellipse(b)) => {
                a.relate_circle(&b.bounding_circle()) & (R::CONTAINS | R::DISJOINT)
            }
            (Self::Circle(a), Self::Circle(b)) => a.relate_circle(b),
            (Self::Circle(a), Self::Ellipse(b)) => {
                a.relate_circle(&b.bounding_circle()) & (R::CONTAINS | R::DISJOINT)
            }
            (Self::Ellipse(a), Self::Ellipse(b)) => {
                a.bounding_circle().relate_circle(&b.bounding_circle()) & R::DISJOINT
            }
            (Self::Box(_), Self::ConvexPolygon(_))
            | (Self::Circle(_), Self::ConvexPolygon(_) | Self::Box(_))
            | (Self::Ellipse(_), Self::ConvexPolygon(_) | Self::Box(_) | Self::Circle(_)) => {
                other.relate(self).inverted()
            }
        }
    }

    /// Whether two regions have a point in common; `None` if that is not decided.
    ///
    /// Polygons, circles and boxes among themselves are decided, and so are circles with polygons
    /// and boxes; touching counts as overlapping. A polygon and a box, or anything and an
    /// ellipse, may be undecided. An intersection never certainly overlaps. Callers that drop
    /// pairs may drop only `Some(false)`.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> Option<bool> {
        match (self, other) {
            (Self::Union(members), _) => compound::union_overlap(members, other),
            (Self::Intersection(members), _) => compound::intersection_overlap(members, other),
            (_, Self::Union(_) | Self::Intersection(_)) => other.overlaps(self),
            (Self::Circle(a), Self::Circle(b)) => Some(a.overlaps_circle(b)),
            (Self::Box(a), Self::Box(b)) => Some(a.overlaps_box(b)),
            (Self::Ellipse(_), _)
            | (_, Self::Ellipse(_))
            | (Self::ConvexPolygon(_), Self::Box(_))
            | (Self::Box(_), Self::ConvexPolygon(_)) => self.relate(other).overlap(),
            (Self::ConvexPolygon(_), Self::ConvexPolygon(_) | Self::Circle(_))
            | (Self::Circle(_), Self::ConvexPolygon(_) | Self::Box(_))
            | (Self::Box(_), Self::Circle(_)) => {
                Some(!self.relate(other).has(Relationship::DISJOINT))
            }
        }
    }

    /// A circle that holds the region; not the smallest for unions and intersections.
    #[must_use]
    pub fn bounding_circle(&self) -> Circle {
        match self {
            Self::Box(b) => b.bounding_circle(),
            Self::Circle(c) => *c,
            Self::Ellipse(e) => e.bounding_circle(),
            Self::ConvexPolygon(p) => p.bounding_circle(),
            Self::Union(members) => compound::union_circle(members),
            Self::Intersection(members) => compound::intersection_circle(members),
        }
    }

    /// A box of longitude and latitude that holds the region.
    #[must_use]
    pub fn bounding_box(&self) -> LonLatBox {
        match self {
            Self::Box(b) => *b,
            Self::Circle(c) => c.bounding_box(),
            Self::Ellipse(e) => e.bounding_circle().bounding_box(),
            Self::ConvexPolygon(p) => bounding_box(p.vertices()),
            Self::Union(members) => compound::union_box(members),
            Self::Intersection(members) => compound::intersection_box(members),
        }
    }
}

fn relate_polygons(a: &ConvexPolygon, b: &ConvexPolygon) -> Relationship {
    let convex = a.is_checked_convex() && b.is_checked_convex();
    polygon::relate_polygon(a.vertices(), b.vertices(), convex)
}
