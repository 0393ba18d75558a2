//! `qbb graph dot`, `qbb graph mermaid` and `qbb graph svg`.

use qbb_graph::Picture;

use crate::arguments::{PictureArguments, PictureLevel};
use crate::commands::opened::open_graph;
use crate::output::Failure;

/// The picture that the arguments ask for.
pub fn draw(arguments: &PictureArguments) -> Result<Picture, Failure> {
    let graph = open_graph(&arguments.graph)?;
    let limit = arguments.limit;
    Ok(match (&arguments.quantum, arguments.level) {
        (Some(name), _) => {
            Picture::around(&graph, graph.find_named(name)?, arguments.depth, limit)?
        }
        (None, PictureLevel::Tasks) => Picture::of_pipeline(&graph),
        (None, PictureLevel::Quanta) => Picture::of_quanta(&graph, limit)?,
    })
}
