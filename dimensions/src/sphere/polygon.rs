//! Convex polygons: the regions of visits, detectors, patches, tracts and pixels.

use std::f64::consts::FRAC_PI_2;

use super::circle::{CHORD_ERROR, Circle};
use super::error::PolygonError;
use super::interval::{LatInterval, LonInterval};
use super::lon_lat_box::LonLatBox;
use super::orientation::{orientation, orientation_z};
use super::vector::{LonLat, UnitVector3d, Vector3d, latitude_of};

/// Slack of a polygon's bounding box on each side, radians; about 0.1 milliarcseconds.
const BOX_MARGIN: f64 = 5.0e-10;

/// Largest polygon whose convexity is checked when it is decoded; the check is quadratic.
const MAX_CHECKED_VERTICES: usize = 32;

/// A polygon whose edges are great circle arcs and which lies left of all of them.
///
/// Vertices run counter-clockwise seen from outside the sphere. Decoded polygons are taken as
/// they are: the writer promises convexity. Whether the promise holds is remembered, because
/// convex polygons can be found disjoint much faster.
#[derive(Clone, Debug)]
pub struct ConvexPolygon {
    vertices: Box<[UnitVector3d]>,
    convex: bool,
}

impl ConvexPolygon {
    /// A polygon from vertices in counter-clockwise order.
    ///
    /// # Errors
    ///
    /// There are fewer than three vertices, or they do not turn strictly left at each vertex and
    /// stay left of every edge.
    pub fn new(vertices: Vec<UnitVector3d>) -> Result<Self, PolygonError> {
        if vertices.len() < 3 {
            return Err(PolygonError::TooFewVertices { found: vertices.len() });
        }
        match first_non_convex_vertex(&vertices) {
            Some(vertex) => Err(PolygonError::NotConvex { vertex }),
            None => Ok(Self { vertices: vertices.into(), convex: true }),
        }
    }

    /// Takes decoded vertices; there must be at least three.
    pub(super) fn from_stored(vertices: Box<[UnitVector3d]>) -> Self {
        let convex =
            vertices.len() <= MAX_CHECKED_VERTICES && first_non_convex_vertex(&vertices).is_none();
        Self { vertices, convex }
    }

    /// The vertices, counter-clockwise seen from outside the sphere; at least three.
    #[must_use]
    pub fn vertices(&self) -> &[UnitVector3d] {
        &self.vertices
    }

    /// Whether the vertices were checked to be those of a convex polygon.
    pub(super) const fn is_checked_convex(&self) -> bool {
        self.convex
    }

    /// Whether a direction is in the polygon, edges included.
    #[must_use]
    pub fn contains(&self, direction: &UnitVector3d) -> bool {
        contains(&self.vertices, direction)
    }

    /// A circle about the centroid that holds all vertices.
    pub(super) fn bounding_circle(&self) -> Circle {
        let Some(center) = centroid(&self.vertices) else {
            return Circle::FULL;
        };
        let chord = self.vertices.iter().map(|v| v.squared_chord(center)).fold(0.0, f64::max);
        // Twice the rounding of a squared chord, so that the circle certainly contains the
        // polygon.
        Circle::from_squared_chord(center, chord + 2.0 * CHORD_ERROR)
    }
}

/// Edges as (begin, end), starting with the one that ends at the first vertex.
pub(super) fn edges(
    vertices: &[UnitVector3d],
) -> impl Iterator<Item = (&UnitVector3d, &UnitVector3d)> {
    vertices.last().into_iter().chain(vertices).zip(vertices)
}

/// Whether a direction is left of or on every edge.
pub(super) fn contains(vertices: &[UnitVector3d], direction: &UnitVector3d) -> bool {
    edges(vertices).all(|(a, b)| orientation(direction, a, b) >= 0)
}

/// First vertex that is not strictly left of the edge before its predecessor, or is right of
/// some edge.
fn first_non_convex_vertex(vertices: &[UnitVector3d]) -> Option<usize> {
    let n = vertices.len();
    (0..n).find(|&k| {
        let v = &vertices[k];
        orientation(&vertices[(k + n - 2) % n], &vertices[(k + n - 1) % n], v) <= 0
            || !contains(vertices, v)
    })
}

/// Center of mass of the area; `None` if the polygon is too degenerate to have one.
///
/// The integral of position over the area equals half the sum over edges of the unit normal
/// times the edge's angle.
fn centroid(vertices: &[UnitVector3d]) -> Option<UnitVector3d> {
    let mut sum = Vector3d::default();
    for (a, b) in edges(vertices) {
        let (normal, norm) = a.robust_cross(*b).normalized()?;
        let (sine, cosine) = (0.5 * norm, a.dot(*b));
        let angle = if sine == 0.0 && cosine == 0.0 { 0.0 } else { sine.atan2(cosine) };
        sum = sum + normal.v * angle;
    }
    Some(sum.normalized()?.0)
}

/// A box of longitude and latitude that holds the polygon.
///
/// Longitudes are those of the vertices, unless the polygon goes round a pole. An edge can reach
/// beyond the latitudes of its ends if the northernmost or southernmost point of its great
/// circle lies between them.
pub(super) fn bounding_box(vertices: &[UnitVector3d]) -> LonLatBox {
    let mut bounds = LonLatBox::EMPTY;
    let (mut eastward, mut westward) = (false, false);
    for (a, b) in edges(vertices) {
        bounds = bounds.expanded(&LonLatBox::around(LonLat::from(*b), BOX_MARGIN, BOX_MARGIN));
        if !(eastward && westward) {
            let turn = orientation_z(a, b);
            eastward |= turn > 0;
            westward |= turn < 0;
        }
        let n = a.robust_cross(*b);
        let northernmost = Vector3d::new(-n.x * n.z, -n.y * n.z, n.x * n.x + n.y * n.y);
        if northernmost.is_zero() {
            continue;
        }
        // Sides of the meridian plane through `northernmost` on which the ends lie.
        let side_a = a.y() * n.x - a.x() * n.y;
        let side_b = b.y() * n.x - b.x() * n.y;
        if side_a > 0.0 && side_b < 0.0 {
            bounds = bounds.with_latitude(latitude_of(northernmost) + BOX_MARGIN);
        } else if side_a < 0.0 && side_b > 0.0 {
            bounds = bounds.with_latitude(latitude_of(-northernmost) - BOX_MARGIN);
        }
    }
    // Edges that never turn back in longitude enclose a pole, which has all longitudes.
    let pole = |lat: f64| LonLatBox::of(LonInterval::FULL, LatInterval::point(lat));
    if !westward {
        bounds.expanded(&pole(FRAC_PI_2))
    } else if !eastward {
        bounds.expanded(&pole(-FRAC_PI_2))
    } else {
        bounds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(lon: f64, lat: f64) -> UnitVector3d {
        LonLat::from_degrees(lon, lat).expect("valid").into()
    }

    #[test]
    fn vertices_must_turn_left_all_the_way() {
        let square = [at(0.0, 0.0), at(1.0, 0.0), at(1.0, 1.0), at(0.0, 1.0)];
        assert!(ConvexPolygon::new(square.to_vec()).is_ok());
        let mut clockwise = square.to_vec();
        clockwise.reverse();
        assert!(matches!(ConvexPolygon::new(clockwise), Err(PolygonError::NotConvex { .. })));
        let dart = vec![at(0.0, 0.0), at(2.0, 0.0), at(0.5, 0.5), at(0.0, 2.0)];
        assert!(matches!(ConvexPolygon::new(dart), Err(PolygonError::NotConvex { .. })));
        assert_eq!(
            ConvexPolygon::new(square[..2].to_vec()).map(|_| ()),
            Err(PolygonError::TooFewVertices { found: 2 })
        );
    }

    #[test]
    fn edges_belong_to_the_polygon() {
        let p = ConvexPolygon::new(vec![at(0.0, 0.0), at(1.0, 0.0), at(0.0, 1.0)]).expect("convex");
        assert!(p.contains(&at(0.5, 0.0)) && p.contains(&at(0.0, 1.0)));
        assert!(!p.contains(&at(0.5, -1e-12)));
    }

    #[test]
    fn a_polygon_round_the_pole_has_all_longitudes() {
        let p = ConvexPolygon::new(vec![at(0.0, 80.0), at(120.0, 80.0), at(240.0, 80.0)])
            .expect("convex");
        let bounds = bounding_box(p.vertices());
        assert_eq!(bounds.lon(), [0.0, std::f64::consts::TAU]);
        assert_eq!(bounds.lat()[1], FRAC_PI_2);
    }

    #[test]
    fn a_polygon_without_area_is_bounded_by_the_whole_sphere() {
        let p = ConvexPolygon::from_stored([at(0.0, 0.0); 3].into());
        assert!(p.bounding_circle().is_full());
    }
}
