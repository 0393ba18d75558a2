//! Pictures of a pipeline or of some quanta, for Graphviz, for Mermaid and as SVG.

mod content;
mod dot;
mod layers;
mod mermaid;
mod placement;
mod svg;

pub use content::{DEFAULT_NODE_LIMIT, NodeKind, Picture, PictureNode};
