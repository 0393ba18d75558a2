//! The dimension universe of a repository, read from its configuration.

mod build;
mod catalog;
mod config;
mod element;

pub use catalog::{Universe, UniverseError};
pub use element::{
    DimensionElement, ElementIx, ElementKind, FieldSpec, FieldType, KeyType, SkyPixLevel, Storage,
    TopologicalFamily,
};
