//! Errors of transfers.

use qbb_registry::RegistryError;

/// Why nothing was transferred.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransferError {
    /// The personal registry refused; it is as it was before.
    #[error("nothing was transferred: {0}")]
    Registry(#[from] RegistryError),
    /// The personal repository has another universe of dimensions than the graph.
    #[error(
        "the personal repository has dimension universe {personal}, the graph was built with \
         {graph}"
    )]
    OtherUniverse {
        /// Namespace and version in the personal repository.
        personal: String,
        /// Namespace and version of the graph.
        graph: String,
    },
    /// An input's record has a relative path and the graph does not say relative to what.
    #[error(
        "input `{path}` is relative to a datastore whose root the graph does not know; build the \
         graph with qbb, or convert it with absolute record paths"
    )]
    UnknownRoot {
        /// The recorded path.
        path: String,
    },
}
