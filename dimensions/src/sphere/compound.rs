//! Unions and intersections of regions.

use super::circle::Circle;
use super::lon_lat_box::LonLatBox;
use super::region::Region;
use super::relationship::Relationship;

pub(super) fn union_relation(members: &[Region], other: &Region) -> Relationship {
    if members.is_empty() {
        return Relationship::DISJOINT;
    }
    // Disjoint and within must hold for all members, contains for one.
    let mut all = Relationship::DISJOINT | Relationship::WITHIN;
    let mut any = Relationship::NONE;
    for member in members {
        let relation = member.relate(other);
        all = all & relation;
        any = any | (relation & Relationship::CONTAINS);
    }
    all | any
}

pub(super) fn intersection_relation(members: &[Region], other: &Region) -> Relationship {
    // Contains must hold for all members, disjoint and within for one.
    let mut all = Relationship::CONTAINS;
    let mut any = Relationship::NONE;
    for member in members {
        let relation = member.relate(other);
        all = all & relation;
        any = any | (relation & !Relationship::CONTAINS);
    }
    all | any
}

pub(super) fn union_overlap(members: &[Region], other: &Region) -> Option<bool> {
    let mut overlap = Some(false);
    for member in members {
        match member.overlaps(other) {
            Some(true) => return Some(true),
            Some(false) => {}
            None => overlap = None,
        }
    }
    overlap
}

/// Only "disjoint" can be certain: members may overlap a region in different places.
pub(super) fn intersection_overlap(members: &[Region], other: &Region) -> Option<bool> {
    if members.is_empty() {
        return Some(!counts_as_empty(other));
    }
    let disjoint = members.iter().any(|member| member.overlaps(other) == Some(false));
    if disjoint { Some(false) } else { None }
}

/// What `lsst.sphgeom` 30 takes for a region without points when it is compared with an
/// intersection of nothing, the only place where emptiness decides an overlap. It counts every
/// polygon as empty there.
fn counts_as_empty(region: &Region) -> bool {
    match region {
        Region::Box(b) => b.is_empty(),
        Region::Circle(c) => c.is_empty(),
        Region::Ellipse(e) => e.is_empty(),
        Region::ConvexPolygon(_) => true,
        Region::Union(members) => members.iter().all(counts_as_empty),
        Region::Intersection(members) if members.is_empty() => false,
        Region::Intersection(members) => {
            members.iter().all(counts_as_empty)
                || members
                    .iter()
                    .enumerate()
                    .any(|(i, a)| members[i + 1..].iter().any(|b| a.overlaps(b) == Some(false)))
        }
    }
}

pub(super) fn union_circle(members: &[Region]) -> Circle {
    members
        .iter()
        .map(Region::bounding_circle)
        .reduce(|bounds, circle| bounds.expanded(&circle))
        .unwrap_or(Circle::EMPTY)
}

pub(super) fn intersection_circle(members: &[Region]) -> Circle {
    members
        .iter()
        .map(Region::bounding_circle)
        .reduce(|bounds, circle| bounds.clipped(&circle))
        .unwrap_or(Circle::FULL)
}

pub(super) fn union_box(members: &[Region]) -> LonLatBox {
    members
        .iter()
        .map(Region::bounding_box)
        .reduce(|bounds, other| bounds.expanded(&other))
        .unwrap_or(LonLatBox::EMPTY)
}

pub(super) fn intersection_box(members: &[Region]) -> LonLatBox {
    members
        .iter()
        .map(Region::bounding_box)
        .reduce(|bounds, other| bounds.clipped(&other))
        .unwrap_or(LonLatBox::FULL)
}
