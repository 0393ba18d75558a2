//! A run under the name that it was executed with, whatever name its outputs get.

use camino::{Utf8Path, Utf8PathBuf};
use qbb::GraphIdentity;
use qbb::provenance::ProvenanceDataset;
use qbb_datastore::DatastoreConfig;
use qbb_graph::QuantumGraph;

use crate::output::Failure;

/// What the journal and the files of a run go by.
pub struct Executed {
    /// By which the journal knows the graph.
    pub identity: GraphIdentity,
    /// RUN that files were written for.
    run: String,
    /// Where its provenance graph is if it has one, relative to the root of the datastore.
    provenance: String,
}

impl Executed {
    /// Of a graph as it is in the submit directory.
    pub fn of(graph: &QuantumGraph, datastore: &DatastoreConfig) -> Result<Self, Failure> {
        let dataset = ProvenanceDataset::of(graph, datastore).map_err(Failure::from_error)?;
        Ok(Self {
            identity: GraphIdentity::of(graph),
            run: graph.header.output_run.clone(),
            provenance: dataset.path,
        })
    }

    /// Whether the outputs of a graph go into a RUN of another name.
    pub fn is_renamed(&self, graph: &QuantumGraph) -> bool {
        graph.header.output_run != self.run
    }

    /// The provenance graph of the run, if metadata, logs and configurations are in it and have no
    /// files any more.
    pub fn provenance(&self, root: &Utf8Path) -> Option<Utf8PathBuf> {
        Some(root.join(&self.provenance)).filter(|file| file.is_file())
    }

    /// What to say if files are gone that are to get another name.
    pub fn gone(&self, file: &Utf8Path, to: &str) -> Failure {
        Failure::input(format!(
            "nothing was transferred into {to}: metadata, logs and configurations of {} are in its \
             provenance graph {file}, and have no files any more",
            self.run
        ))
        .with_hint("a run gets a further name before `--provenance` is given for the first one")
    }
}
