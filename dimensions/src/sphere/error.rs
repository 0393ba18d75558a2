//! What can be wrong with region bytes, polygon vertices and pixel indexes.

use thiserror::Error;

/// Why a byte string is not a region.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum RegionError {
    /// There are no bytes at all; an absent region is a null value, not an empty string.
    #[error("region has no bytes; store a null value where there is no region")]
    Empty,
    /// The first byte names no known region type.
    #[error("region begins with byte {code:#04x}, which is none of the types b, c, e, p, u, i")]
    UnknownType {
        /// The byte found.
        code: u8,
    },
    /// The length does not fit the type.
    #[error("{kind} has {found} bytes, but must have {expected}")]
    Length {
        /// Name of the region type.
        kind: &'static str,
        /// Length found, bytes, type byte included.
        found: usize,
        /// What the type allows.
        expected: &'static str,
    },
    /// The bytes of a union or intersection end inside one of its members.
    #[error("member {member} of a {kind} does not fit the bytes that hold it")]
    TruncatedMember {
        /// Name of the region type.
        kind: &'static str,
        /// Position of the member, from 0.
        member: usize,
    },
    /// Unions and intersections are nested deeper than [`RegionError::MAX_DEPTH`].
    #[error("unions and intersections are nested deeper than {} levels", RegionError::MAX_DEPTH)]
    TooDeep,
    /// A vertex, center or axis is not a vector of unit length.
    #[error("{kind} has a vector (number {position}) that is not of unit length")]
    NotUnitVector {
        /// Name of the region type.
        kind: &'static str,
        /// Position of the vector in the encoding, from 0.
        position: usize,
    },
    /// The longitude bounds of a box are out of order outside `[0, 2π]`.
    #[error("box has longitude bounds {begin} and {end} radians, which are no interval")]
    LongitudeBounds {
        /// First bound, radians.
        begin: f64,
        /// Second bound, radians.
        end: f64,
    },
}

impl RegionError {
    /// Deepest nesting of unions and intersections that is decoded.
    ///
    /// `lsst.sphgeom` flattens unions of unions, and no writer of regions nests more than two
    /// levels; the limit keeps hostile bytes from exhausting the stack.
    pub const MAX_DEPTH: usize = 16;
}

/// Why vertices do not make a convex polygon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PolygonError {
    /// A polygon needs at least three vertices.
    #[error("a polygon needs at least 3 vertices, not {found}")]
    TooFewVertices {
        /// Number of vertices given.
        found: usize,
    },
    /// The vertices do not turn left all the way round.
    #[error(
        "the vertices are not those of a convex polygon in counter-clockwise order seen from \
         outside the sphere (vertex {vertex} breaks the rule)"
    )]
    NotConvex {
        /// First vertex that is not strictly left of an edge, or lies outside one.
        vertex: usize,
    },
}

/// Why a pixelization or one of its pixels does not exist.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SkyPixelizationError {
    /// The universe names a pixelization system that is not implemented here.
    #[error(
        "skypix system '{system}' is not supported; supported are the pixelizations htm and \
         healpix of lsst.sphgeom"
    )]
    UnsupportedSystem {
        /// Name, or pixelization class, of the system in the dimension universe.
        system: String,
    },
    /// The middleware has no pixels for regions of this kind, and would fail.
    #[error("lsst.sphgeom has no {system} pixels for {region}; give a region of another kind")]
    UnsupportedRegion {
        /// Name of the system in the dimension universe.
        system: &'static str,
        /// What the region is.
        region: &'static str,
    },
    /// The level is outside the range of the system.
    #[error("{system} has no level {level}; its deepest level is {max_level}")]
    NoSuchLevel {
        /// Name of the system in the dimension universe.
        system: &'static str,
        /// Level asked for.
        level: u8,
        /// Deepest level of the system.
        max_level: u8,
    },
    /// The index is not a pixel of this level.
    #[error("{system}{level} has no pixel {index}")]
    NoSuchPixel {
        /// Name of the system in the dimension universe.
        system: &'static str,
        /// Level of the pixelization.
        level: u8,
        /// Index asked for.
        index: u64,
    },
}
