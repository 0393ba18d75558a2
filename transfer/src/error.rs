//! Errors of transfers.

use camino::Utf8PathBuf;
use qbb::ButlerError;
use qbb::pack::PackError;
use qbb_datastore::StoreError;
use qbb_registry::RegistryError;
use uuid::Uuid;

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
    /// A pack cannot be read.
    #[error("nothing was transferred: {0}")]
    Pack(#[from] PackError),
    /// A packed dataset cannot become a file.
    #[error("nothing was transferred: {0}")]
    Butler(#[from] ButlerError),
    /// A block of a pack is shorter than the journal says.
    #[error("nothing was transferred: {dataset} is not where the journal says in pack {pack}")]
    NotInPack {
        /// The dataset, described.
        dataset: String,
        /// Writer of the pack.
        pack: Uuid,
    },
    /// Files that were unpacked are not known to be on disk.
    #[error("nothing was transferred: files in {path} cannot be synced: {source}")]
    Sync {
        /// The output datastore.
        path: Utf8PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// Files that are in the provenance graph now could not be removed.
    #[error(
        "everything was transferred, but files that are in the provenance graph now could not be \
         removed, which the next transfer tries again: {source}"
    )]
    Originals {
        /// What the system said.
        source: StoreError,
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
