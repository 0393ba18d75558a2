//! The convex hull of points on the sphere.

use super::error::PolygonError;
use super::orientation::orientation;
use super::polygon::ConvexPolygon;
use super::vector::UnitVector3d;

impl ConvexPolygon {
    /// The smallest convex polygon that holds all points, in any order.
    ///
    /// Points that lie in order already keep their order and their first vertex, as they do in
    /// `lsst.sphgeom`.
    ///
    /// # Errors
    ///
    /// The points do not span a triangle, or no open hemisphere holds them all.
    pub fn hull(points: &[UnitVector3d]) -> Result<Self, PolygonError> {
        let too_few = || PolygonError::TooFewVertices { found: points.len() };
        let (mut hull, used) = first_triangle(points).ok_or_else(too_few)?;
        for (at, point) in points.iter().enumerate() {
            if used.contains(&at) {
                continue;
            }
            if hull.iter().any(|vertex| *vertex == -*point) {
                return Err(PolygonError::NotConvex { vertex: at });
            }
            extend(&mut hull, *point).ok_or(PolygonError::NotConvex { vertex: at })?;
        }
        Self::new(hull)
    }
}

/// Three of the points in counter-clockwise order, and which they are.
fn first_triangle(points: &[UnitVector3d]) -> Option<(Vec<UnitVector3d>, [usize; 3])> {
    let first = points.first()?;
    let second = points.iter().position(|point| point != first)?;
    let third = (second + 1..points.len())
        .find(|&at| orientation(first, &points[second], &points[at]) != 0)?;
    let mut corners = vec![*first, points[second], points[third]];
    if orientation(&corners[0], &corners[1], &corners[2]) < 0 {
        corners.swap(0, 1);
    }
    Some((corners, [0, second, third]))
}

/// Adds a point to a hull: it replaces the vertices between the edges that it is outside of.
/// `None` if it is outside of all.
fn extend(hull: &mut Vec<UnitVector3d>, point: UnitVector3d) -> Option<()> {
    let n = hull.len();
    if hull.contains(&point) {
        return Some(());
    }
    // Edge `i` goes from vertex `i` to the next one.
    let outside: Vec<bool> =
        (0..n).map(|i| orientation(&point, &hull[i], &hull[(i + 1) % n]) < 0).collect();
    let Some(begin) = (0..n).find(|&i| outside[i] && !outside[(i + n - 1) % n]) else {
        // Inside, on an edge, or so far away that everything is in sight.
        return outside.iter().all(|&outside| !outside).then_some(());
    };
    let seen = (0..n).take_while(|&i| outside[(begin + i) % n]).count();
    // The point is on the line of an edge next to those in sight: that edge's vertex is in between.
    let before = (begin + n - 1) % n;
    let after = (begin + seen) % n;
    let straight_before = orientation(&point, &hull[before], &hull[begin]) == 0;
    let straight_after = orientation(&point, &hull[after], &hull[(after + 1) % n]) == 0;
    let first = if straight_before { begin } else { (begin + 1) % n };
    let removed = seen - 1 + usize::from(straight_before) + usize::from(straight_after);
    if removed + 2 > n {
        return None;
    }
    let keep: Vec<UnitVector3d> =
        (0..n - removed).map(|i| hull[(first + removed + i) % n]).collect();
    let start = keep.iter().position(|vertex| *vertex == hull[0]).unwrap_or(0);
    *hull = keep;
    hull.push(point);
    hull.rotate_left(start);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sphere::LonLat;

    fn at(lon: f64, lat: f64) -> UnitVector3d {
        UnitVector3d::from(LonLat::from_degrees(lon, lat).expect("valid"))
    }

    #[test]
    fn points_in_order_stay_in_order() {
        let corners = [at(0.0, 0.0), at(2.0, 0.0), at(2.0, 2.0), at(0.0, 2.0)];
        assert_eq!(ConvexPolygon::hull(&corners).unwrap().vertices(), corners);
    }

    #[test]
    fn clockwise_points_are_turned_and_inner_ones_left_out() {
        let corners =
            [at(0.0, 2.0), at(2.0, 2.0), at(1.0, 1.0), at(2.0, 0.0), at(0.0, 0.0), at(0.0, 2.0)];
        let hull = ConvexPolygon::hull(&corners).unwrap();
        assert_eq!(hull.vertices().len(), 4);
        assert!(corners.iter().all(|corner| hull.contains(corner)));
    }

    #[test]
    fn points_without_area_or_hemisphere_have_no_hull() {
        assert!(ConvexPolygon::hull(&[at(0.0, 0.0), at(1.0, 0.0), at(2.0, 0.0)]).is_err());
        let around = [at(0.0, 0.0), at(120.0, 0.0), at(240.0, 0.0), at(0.0, 90.0), at(0.0, -90.0)];
        assert!(ConvexPolygon::hull(&around).is_err());
    }
}
