//! Errors of transfers.

use camino::Utf8PathBuf;
use qbb::ButlerError;
use qbb::pack::PackError;
use qbb_datastore::{PathTemplatesError, StoreError, TemplateError, UriError};
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
    /// Somebody asked for its end; see [`interrupt`](crate::interrupt).
    #[error(
        "nothing was transferred: it was interrupted, and files that it had placed are removed"
    )]
    Interrupted,
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
    /// The provenance graph of the run cannot be put in its place.
    #[error("nothing was transferred: provenance graph {path} cannot be replaced: {source}")]
    Place {
        /// Where it belongs.
        path: Utf8PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Another provenance graph of the run has come into the place of this one.
    #[error(
        "nothing was transferred: another transfer of the run has replaced its provenance graph \
         {path} meanwhile; transfer again"
    )]
    Replaced {
        /// The file, or its URI.
        path: String,
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
    /// A file cannot be brought into the datastore.
    #[error("nothing was transferred: {0}")]
    Store(#[from] StoreError),
    /// The templates of the datastore are wrong, or have nothing for a dataset type.
    #[error("nothing was transferred: {0}")]
    Templates(#[from] PathTemplatesError),
    /// A path cannot be made from a template.
    #[error("nothing was transferred: {0}")]
    Template(#[from] TemplateError),
    /// An output that the journal tells of is gone.
    #[error(
        "nothing was transferred: output {file} is not there, though the journal tells of it; run \
         again to make it"
    )]
    NoOutput {
        /// The file.
        file: Utf8PathBuf,
    },
    /// The journal tells of an output elsewhere.
    #[error("nothing was transferred: `{path}` leads out of the folder of outputs")]
    Outside {
        /// The recorded path.
        path: String,
    },
    /// A path of the journal is no place in the datastore.
    #[error("nothing was transferred: the journal has a wrong path: {0}")]
    OutputPath(#[from] UriError),
    /// A data ID lacks a record that tells the path of its file.
    #[error("nothing was transferred: a data ID has no dimension record of `{element}`")]
    NoRecord {
        /// The dimension element.
        element: String,
    },
    /// Two files would get one path.
    #[error(
        "nothing was transferred: {source_file} would get the path `{path}`, which another dataset \
         has; make `datastore.templates` tell them apart"
    )]
    SamePlace {
        /// The path.
        path: String,
        /// The file.
        source_file: String,
    },
    /// Another file is in the place of one that is to be copied.
    #[error(
        "nothing was transferred: {place} is in the place of {source_file} and is another file; \
         remove it if no dataset needs it"
    )]
    Occupied {
        /// The file that is there.
        place: String,
        /// The file that was to be placed there.
        source_file: String,
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
