//! The byte form of regions that `lsst.sphgeom` reads and writes.
//!
//! A type byte is followed by little-endian doubles; unions and intersections hold their members
//! one after the other, each behind its length as a little-endian 64-bit integer. Decoding keeps
//! the bits of every double and the order of every member, so that encoding gives back the bytes
//! that `lsst.sphgeom` wrote. Two forms it accepts but never writes come back in the form it would
//! write: boxes whose bounds are out of range, and unions directly inside unions.

use super::circle::Circle;
use super::ellipse::Ellipse;
use super::error::RegionError;
use super::lon_lat_box::LonLatBox;
use super::polygon::ConvexPolygon;
use super::region::Region;
use super::vector::{UnitVector3d, Vector3d};

const BOX: u8 = b'b';
const CIRCLE: u8 = b'c';
const ELLIPSE: u8 = b'e';
const POLYGON: u8 = b'p';
const UNION: u8 = b'u';
const INTERSECTION: u8 = b'i';

impl Region {
    /// Reads the bytes of one region.
    ///
    /// # Errors
    ///
    /// The bytes are not a region: see [`RegionError`]. Nothing is allocated beyond a small
    /// multiple of the input's length, and nesting is limited.
    pub fn decode(bytes: &[u8]) -> Result<Self, RegionError> {
        decode_at_depth(bytes, 0)
    }

    /// The bytes of this region.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.encoded_len());
        self.write(&mut bytes);
        bytes
    }

    fn encoded_len(&self) -> usize {
        match self {
            Self::Box(_) => 33,
            Self::Circle(_) => 41,
            Self::Ellipse(_) => 113,
            Self::ConvexPolygon(p) => 1 + 24 * p.vertices().len(),
            Self::Union(members) | Self::Intersection(members) => {
                1 + members.iter().map(|m| 8 + m.encoded_len()).sum::<usize>()
            }
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Box(b) => {
                out.push(BOX);
                write_doubles(out, &b.lon());
                write_doubles(out, &b.lat());
            }
            Self::Circle(c) => {
                out.push(CIRCLE);
                write_vector(out, c.center().v);
                write_doubles(out, &[c.squared_chord(), c.angle()]);
            }
            Self::Ellipse(e) => {
                out.push(ELLIPSE);
                e.rows.iter().for_each(|row| write_vector(out, *row));
                write_doubles(out, &[e.alpha_offset, e.beta_offset, e.gamma]);
                write_doubles(out, &e.cotangents);
            }
            Self::ConvexPolygon(p) => {
                out.push(POLYGON);
                p.vertices().iter().for_each(|vertex| write_vector(out, vertex.v));
            }
            Self::Union(members) => write_members(out, UNION, members),
            Self::Intersection(members) => write_members(out, INTERSECTION, members),
        }
    }
}

fn write_doubles(out: &mut Vec<u8>, values: &[f64]) {
    for value in values {
        out.extend_from_slice(&value.to_le_bytes());
    }
}

fn write_vector(out: &mut Vec<u8>, v: Vector3d) {
    write_doubles(out, &[v.x, v.y, v.z]);
}

fn write_members(out: &mut Vec<u8>, code: u8, members: &[Region]) {
    out.push(code);
    for member in members {
        out.extend_from_slice(&(member.encoded_len() as u64).to_le_bytes());
        member.write(out);
    }
}

fn decode_at_depth(bytes: &[u8], depth: usize) -> Result<Region, RegionError> {
    let (&code, body) = bytes.split_first().ok_or(RegionError::Empty)?;
    match code {
        BOX => decode_box(body),
        CIRCLE => decode_circle(body),
        ELLIPSE => decode_ellipse(body),
        POLYGON => decode_polygon(body),
        UNION => Ok(Region::union(decode_members(body, "union", depth)?)),
        INTERSECTION => Ok(Region::intersection(decode_members(body, "intersection", depth)?)),
        _ => Err(RegionError::UnknownType { code }),
    }
}

/// Reads exactly `N` doubles.
fn doubles<const N: usize>(
    body: &[u8],
    kind: &'static str,
    expected: &'static str,
) -> Result<[f64; N], RegionError> {
    let (chunks, rest) = body.as_chunks::<8>();
    match <&[[u8; 8]; N]>::try_from(chunks) {
        Ok(chunks) if rest.is_empty() => Ok(chunks.map(f64::from_le_bytes)),
        _ => Err(RegionError::Length { kind, found: body.len() + 1, expected }),
    }
}

fn direction(
    components: [f64; 3],
    kind: &'static str,
    position: usize,
) -> Result<UnitVector3d, RegionError> {
    let [x, y, z] = components;
    UnitVector3d::from_stored(x, y, z).ok_or(RegionError::NotUnitVector { kind, position })
}

fn decode_box(body: &[u8]) -> Result<Region, RegionError> {
    let [begin, end, south, north] = doubles(body, "box", "33")?;
    LonLatBox::from_radians([begin, end], [south, north])
        .map(Region::Box)
        .ok_or(RegionError::LongitudeBounds { begin, end })
}

fn decode_circle(body: &[u8]) -> Result<Region, RegionError> {
    let [x, y, z, chord, angle] = doubles(body, "circle", "41")?;
    let center = direction([x, y, z], "circle", 0)?;
    Ok(Region::Circle(Circle::from_stored(center, chord, angle)))
}

fn decode_ellipse(body: &[u8]) -> Result<Region, RegionError> {
    let d: [f64; 14] = doubles(body, "ellipse", "113")?;
    let row = |i: usize| direction([d[3 * i], d[3 * i + 1], d[3 * i + 2]], "ellipse", i);
    Ok(Region::Ellipse(Ellipse {
        rows: [row(0)?.v, row(1)?.v, row(2)?.v],
        alpha_offset: d[9],
        beta_offset: d[10],
        gamma: d[11],
        cotangents: [d[12], d[13]],
    }))
}

fn decode_polygon(body: &[u8]) -> Result<Region, RegionError> {
    let (chunks, rest) = body.as_chunks::<24>();
    if chunks.len() < 3 || !rest.is_empty() {
        return Err(RegionError::Length {
            kind: "polygon",
            found: body.len() + 1,
            expected: "1 + 24 n with n of at least 3",
        });
    }
    let vertices = chunks.iter().enumerate().map(|(position, chunk)| {
        let components: [f64; 3] = doubles(chunk, "polygon", "24 for each vertex")?;
        direction(components, "polygon", position)
    });
    Ok(Region::ConvexPolygon(ConvexPolygon::from_stored(vertices.collect::<Result<_, _>>()?)))
}

fn decode_members(
    mut body: &[u8],
    kind: &'static str,
    depth: usize,
) -> Result<Vec<Region>, RegionError> {
    if depth == RegionError::MAX_DEPTH {
        return Err(RegionError::TooDeep);
    }
    let mut members = Vec::new();
    while !body.is_empty() {
        let member = members.len();
        let truncated = || RegionError::TruncatedMember { kind, member };
        let (prefix, rest) = body.split_first_chunk::<8>().ok_or_else(truncated)?;
        let length = usize::try_from(u64::from_le_bytes(*prefix)).map_err(|_| truncated())?;
        let (bytes, rest) = rest.split_at_checked(length).ok_or_else(truncated)?;
        members.push(decode_at_depth(bytes, depth + 1)?);
        body = rest;
    }
    Ok(members)
}

#[cfg(test)]
mod tests {
    use super::super::vector::LonLat;
    use super::*;
    use proptest::prelude::*;

    fn nested(depth: usize) -> Vec<u8> {
        let mut bytes = vec![BOX];
        write_doubles(&mut bytes, &[0.0, 1.0, 0.0, 1.0]);
        for level in 0..depth {
            let mut outer = vec![if level % 2 == 0 { UNION } else { INTERSECTION }];
            outer.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
            outer.extend_from_slice(&bytes);
            bytes = outer;
        }
        bytes
    }

    #[test]
    fn nesting_is_limited() {
        assert!(Region::decode(&nested(RegionError::MAX_DEPTH)).is_ok());
        assert_eq!(
            Region::decode(&nested(RegionError::MAX_DEPTH + 1)).map(|_| ()),
            Err(RegionError::TooDeep)
        );
    }

    #[test]
    fn a_member_length_beyond_the_bytes_is_refused() {
        for length in [34, u64::MAX, u64::MAX - 7, 1 << 40] {
            let mut bytes = nested(1);
            bytes[1..9].copy_from_slice(&length.to_le_bytes());
            assert_eq!(
                Region::decode(&bytes).map(|_| ()),
                Err(RegionError::TruncatedMember { kind: "union", member: 0 })
            );
        }
    }

    #[test]
    fn vectors_that_are_no_directions_are_refused() {
        for bad in [0.0, f64::NAN, f64::INFINITY, 1e300] {
            let mut bytes = vec![POLYGON];
            write_doubles(&mut bytes, &[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, bad, bad, bad]);
            assert_eq!(
                Region::decode(&bytes).map(|_| ()),
                Err(RegionError::NotUnitVector { kind: "polygon", position: 2 })
            );
        }
    }

    #[test]
    fn a_union_of_unions_is_written_flat() {
        let c = Region::Circle(Circle::FULL);
        let nested = Region::union(vec![Region::union(vec![c.clone(), c.clone()]), c.clone()]);
        let flat = Region::union(vec![c.clone(), c.clone(), c]);
        assert_eq!(nested.encode(), flat.encode());
    }

    fn any_direction() -> impl Strategy<Value = UnitVector3d> {
        (0.0..360.0f64, -90.0..=90.0f64)
            .prop_map(|(lon, lat)| LonLat::from_degrees(lon, lat).expect("valid").into())
    }

    fn simple_region() -> impl Strategy<Value = Region> {
        prop_oneof![
            (any_direction(), -1.0..4.0f64)
                .prop_map(|(c, angle)| Region::Circle(Circle::from_angle(c, angle))),
            (prop::array::uniform2(0.0..6.2f64), prop::array::uniform2(-1.57..1.57f64))
                .prop_filter_map("longitudes", |(lon, lat)| {
                    LonLatBox::from_radians(lon, lat).map(Region::Box)
                }),
            prop::collection::vec(any_direction(), 3..9)
                .prop_map(|v| Region::ConvexPolygon(ConvexPolygon::from_stored(v.into()))),
            prop::array::uniform3(any_direction()).prop_map(|rows| {
                Region::Ellipse(Ellipse {
                    rows: rows.map(|r| r.v),
                    alpha_offset: -1.0,
                    beta_offset: -1.1,
                    gamma: 0.25,
                    cotangents: [1.5, 1.9],
                })
            }),
        ]
    }

    fn any_region() -> impl Strategy<Value = Region> {
        simple_region().prop_recursive(3, 12, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Region::union),
                prop::collection::vec(inner, 0..4).prop_map(Region::intersection),
            ]
        })
    }

    proptest! {
        #[test]
        fn encoded_regions_decode_to_the_same_bytes(region in any_region()) {
            let bytes = region.encode();
            prop_assert_eq!(bytes.len(), region.encoded_len());
            prop_assert_eq!(Region::decode(&bytes).expect("own encoding").encode(), bytes);
        }

        /// Any truncation or damage gives a region or an error, never a panic.
        #[test]
        fn damaged_bytes_do_not_panic(
            region in any_region(),
            cut in any::<prop::sample::Index>(),
            at in any::<prop::sample::Index>(),
            value in any::<u8>(),
        ) {
            let mut bytes = region.encode();
            let i = at.index(bytes.len());
            bytes[i] = value;
            bytes.truncate(1 + cut.index(bytes.len()));
            if let Ok(damaged) = Region::decode(&bytes) {
                let _ = (damaged.bounding_circle(), damaged.bounding_box());
                let _ = damaged.overlaps(&region);
            }
        }
    }
}
