//! A run under the name that it was executed with, whatever name its outputs get.

use qbb::GraphIdentity;
use qbb::provenance::ProvenanceDataset;
use qbb_datastore::{ArtifactPath, DatastoreConfig, StoreError, open_store};
use qbb_graph::QuantumGraph;

use crate::commands::provenance::Former;
use crate::output::Failure;

/// What the journal and the files of a run go by.
pub struct Executed {
    /// By which the journal knows the graph.
    pub identity: GraphIdentity,
    /// RUN that files were written for.
    run: String,
    datastore: DatastoreConfig,
    /// Its provenance graph in the datastore, if it has one.
    provenance: ProvenanceDataset,
    /// UUIDs of its quanta, which those of the renamed graph stand for one by one.
    quanta: Vec<[u8; 16]>,
}

impl Executed {
    /// Of a graph as it is in the submit directory. UUIDs of quanta are kept if its outputs are
    /// perhaps renamed.
    pub fn of(
        graph: &QuantumGraph,
        datastore: &DatastoreConfig,
        is_renamed: bool,
    ) -> Result<Self, Failure> {
        Ok(Self {
            identity: GraphIdentity::of(graph),
            run: graph.header.output_run.clone(),
            datastore: datastore.clone(),
            provenance: ProvenanceDataset::of(graph, datastore).map_err(Failure::from_error)?,
            quanta: if is_renamed { graph.quanta.id.to_vec() } else { Vec::new() },
        })
    }

    /// Whether the outputs of a graph go into a RUN of another name.
    pub fn is_renamed(&self, graph: &QuantumGraph) -> bool {
        graph.header.output_run != self.run
    }

    /// Whether the run has a provenance graph in the datastore, so that metadata, logs and
    /// configurations have no files any more.
    pub fn has_provenance(&self) -> Result<bool, Failure> {
        let store = open_store(&self.datastore.root).map_err(Failure::from_error)?;
        let path = ArtifactPath::of_record(&self.provenance.path).map_err(Failure::from_error)?;
        match store.size(&path) {
            Ok(_) => Ok(true),
            Err(StoreError::NotFound { .. }) => Ok(false),
            Err(error) => Err(Failure::from_error(error)),
        }
    }

    /// That provenance graph.
    pub fn provenance(&self) -> Result<Option<Former>, Failure> {
        Former::find(&self.datastore, &self.provenance)
    }

    /// The UUIDs by which it knows the quanta.
    pub fn quanta(&self) -> &[[u8; 16]] {
        &self.quanta
    }

    /// What to say if files are gone that are to get another name.
    pub fn gone(&self, to: &str) -> Failure {
        Failure::input(format!(
            "nothing was transferred into {to}: metadata, logs and configurations of {} are in its \
             provenance graph {}, and have no files any more",
            self.run, self.provenance.path
        ))
        .with_hint(
            "give --provenance, too: the run of that name gets a provenance graph with all of it",
        )
    }
}
