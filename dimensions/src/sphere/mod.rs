//! Regions on the unit sphere and the pixelizations that index them.
//!
//! Registries store the region of a visit, a patch or a tract as the bytes that
//! `lsst.sphgeom` writes, join them through the pixels of the common skypix dimension, and then
//! drop the pairs whose regions certainly do not overlap. This module does the same three
//! things ([`Region::decode`], [`SkyPixelization::envelope`], [`Region::overlaps`]) and must give
//! the answers of `lsst.sphgeom`, down to regions that share an edge or a vertex: a graph that
//! gains or loses a quantum at a patch border is a wrong graph.
//!
//! Decisions between polygons use an exact orientation predicate. Decisions that involve circles
//! and boxes carry the error margins of `lsst.sphgeom`, because those margins are visible in the
//! answers.
//!
//! The module knows nothing of dimensions, data IDs or databases.

mod circle;
mod codec;
mod compound;
mod ellipse;
mod error;
mod healpix;
mod healpix_cell;
mod healpix_search;
mod htm;
mod hull;
mod interval;
mod lon_lat_box;
mod orientation;
mod pixelization;
mod polygon;
mod polygon_hull;
mod polygon_relation;
mod range_set;
mod region;
mod relationship;
mod trixel_search;
mod vector;

pub use circle::Circle;
pub use ellipse::Ellipse;
pub use error::{PolygonError, RegionError, SkyPixelizationError};
pub use healpix::HealpixPixelization;
pub use htm::HtmPixelization;
pub use lon_lat_box::LonLatBox;
pub use pixelization::SkyPixelization;
pub use polygon::ConvexPolygon;
pub use range_set::{IndexRange, RangeSet};
pub use region::Region;
pub use relationship::Relationship;
pub use vector::{LonLat, UnitVector3d};
