//! Graphs and submit directories named on the command line.

use camino::{Utf8Path, Utf8PathBuf};
use qbb::GraphIdentity;
use qbb::journal::{JournalState, read_state};
use qbb_datastore::RepositoryConfig;
use qbb_graph::QuantumGraph;
use qbb_submit_dirs::SubmitDirectory;

use crate::output::Failure;

/// A submit directory with its graph and what its journal adds up to.
pub struct OpenedRun {
    /// The directory.
    pub directory: SubmitDirectory,
    /// The graph.
    pub graph: QuantumGraph,
    /// What happened so far.
    pub journal: JournalState,
}

impl OpenedRun {
    /// Opens and checks everything.
    pub fn open(root: &Utf8Path) -> Result<Self, Failure> {
        let directory = SubmitDirectory::open(root)?;
        let graph = qbb_graph::open(&directory.graph())?;
        let journal = read_state(&directory.journal(), &graph, GraphIdentity::of(&graph))?;
        Ok(Self { directory, graph, journal })
    }
}

/// The personal repository of a submit directory, as its runs see it: with a local root for outputs.
pub fn outputs_of(directory: &SubmitDirectory) -> Result<RepositoryConfig, Failure> {
    let config = RepositoryConfig::open(directory.submission().personal.as_str())?;
    Ok(config.with_local_outputs(&directory.outputs())?)
}

/// The graph in a file, or in a submit directory.
pub fn open_graph(place: &Utf8Path) -> Result<QuantumGraph, Failure> {
    Ok(qbb_graph::open(&graph_file(place)?)?)
}

/// The file itself, or that of a submit directory.
pub fn graph_file(place: &Utf8Path) -> Result<Utf8PathBuf, Failure> {
    if place.is_dir() {
        return Ok(SubmitDirectory::open(place)?.graph());
    }
    Ok(place.to_owned())
}
