//! Errors of the demo.

/// Why the demo could not go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DemoError {
    /// A repository could not be made or written.
    #[error(transparent)]
    Registry(#[from] qbb_registry::RegistryError),
    /// A dimension of the demo's own universe is not as expected.
    #[error(transparent)]
    Universe(#[from] qbb_dimensions::UniverseError),
    /// A dimension record does not fit the demo's own universe.
    #[error(transparent)]
    Record(#[from] qbb_dimensions::RecordError),
    /// The demo makes a folder of its own.
    #[error("{folder} holds something else; the demo makes a folder of its own, name another one")]
    Occupied {
        /// The folder.
        folder: camino::Utf8PathBuf,
    },
    /// A repository's configuration could not be read.
    #[error(transparent)]
    Repository(#[from] qbb_datastore::RepositoryError),
    /// The demo's pipeline could not be read.
    #[error(transparent)]
    Pipeline(#[from] qbb_pipeline::PipelineReadError),
    /// The graph could not be built.
    #[error(transparent)]
    Build(#[from] qbb_builder::BuildError),
    /// The graph could not be written or read.
    #[error(transparent)]
    Graph(#[from] qbb_graph::GraphError),
    /// The submit directory could not be made or used.
    #[error(transparent)]
    Submit(#[from] qbb_submit_dirs::SubmitError),
    /// The run could not begin.
    #[error(transparent)]
    Run(#[from] qbb_executor::RunError),
    /// The journal could not be read.
    #[error(transparent)]
    Journal(#[from] qbb::journal::JournalError),
    /// The outputs could not be transferred.
    #[error(transparent)]
    Transfer(#[from] qbb_transfer::TransferError),
    /// A file could not be written.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// A value could not be written as JSON.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// The demo contradicts itself.
    #[error("the demo's definition of {0} is inconsistent; please report this")]
    Internal(String),
}

impl DemoError {
    pub(crate) fn internal(what: &str) -> Self {
        Self::Internal(what.to_owned())
    }
}
