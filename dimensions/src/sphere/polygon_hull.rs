//! The convex hull of points on the sphere.

use super::orientation::orientation;
use super::polygon::ConvexPolygon;
use super::vector::UnitVector3d;

/// The smallest convex polygon that holds all points; `None` if fewer than three of them are
/// distinct and not on one great circle, or if they do not fit into half the sphere.
///
/// Points are taken one after the other. A new point outside the polygon so far replaces the
/// vertices between the two edges it can be seen across.
pub(super) fn convex_hull(points: impl Iterator<Item = UnitVector3d>) -> Option<ConvexPolygon> {
    let mut waiting: Vec<UnitVector3d> = Vec::new();
    let mut hull: Vec<UnitVector3d> = Vec::new();
    for point in points {
        if hull.is_empty() {
            start(&mut hull, &mut waiting, point);
        } else {
            add(&mut hull, point)?;
        }
    }
    // Points that lay on one great circle before the first triangle was found.
    for point in waiting {
        if !hull.is_empty() {
            add(&mut hull, point)?;
        }
    }
    (hull.len() >= 3).then(|| ConvexPolygon::from_stored(hull.into()))
}

/// Makes a triangle of the first point that is off the great circle of two earlier ones.
fn start(hull: &mut Vec<UnitVector3d>, waiting: &mut Vec<UnitVector3d>, point: UnitVector3d) {
    if let Some(second) = waiting.iter().position(|other| *other != waiting[0]) {
        let (a, b) = (waiting[0], waiting[second]);
        match orientation(&a, &b, &point) {
            1 => hull.extend([a, b, point]),
            -1 => hull.extend([b, a, point]),
            _ => {}
        }
        if !hull.is_empty() {
            return;
        }
    }
    waiting.push(point);
}

fn add(hull: &mut Vec<UnitVector3d>, point: UnitVector3d) -> Option<()> {
    let n = hull.len();
    // Edge i ends at vertex i.
    let is_left = |i: usize| orientation(&point, &hull[(i + n - 1) % n], &hull[i]) > 0;
    if (0..n).all(is_left) {
        return Some(());
    }
    // The last vertex before which the point is left of the edge, where edges turn away from it.
    let first = (0..n).find(|&i| is_left(i) && !is_left((i + 1) % n))?;
    let next = (1..=n).map(|step| (first + step) % n).find(|&i| is_left((i + 1) % n))?;
    let mut kept = vec![hull[first], point];
    let mut i = next;
    while i != first {
        kept.push(hull[i]);
        i = (i + 1) % n;
    }
    *hull = kept;
    Some(())
}
