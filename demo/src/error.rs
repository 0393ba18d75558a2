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
