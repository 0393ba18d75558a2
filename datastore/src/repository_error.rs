//! Why a repository cannot be opened.

use camino::Utf8PathBuf;

use crate::config_tree::ConfigTreeError;
use crate::repository_index::RepositoryIndexError;
use crate::uri::UriError;

/// Why a repository cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum RepositoryError {
    /// There is nothing at the place, and it is no label.
    #[error("there is no repository at `{place}`: {path} does not exist{}", known_labels(.index))]
    Missing {
        /// As given.
        place: String,
        /// Where it was looked for.
        path: Utf8PathBuf,
        /// What the repository index had to offer.
        index: IndexAnswer,
    },
    /// A place that cannot be looked at, because of permissions or of the disk.
    #[error("the repository at `{place}` cannot be looked at")]
    Unseen {
        /// As given.
        place: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// A folder that is no repository.
    #[error(
        "{folder} is not a repository: it has no butler.yaml; give the folder that has one, or \
         make one there with `butler create {folder}`"
    )]
    NoConfiguration {
        /// The folder.
        folder: Utf8PathBuf,
    },
    /// A place that needs a network.
    #[error(
        "`{place}` is not a local repository: only repositories whose butler.yaml is a local file \
         can be opened"
    )]
    NotLocal {
        /// The place.
        place: String,
    },
    /// A repository behind a server.
    #[error("{file} describes a remote Butler server (`cls: {class}`), which is not supported")]
    RemoteButler {
        /// The file.
        file: Utf8PathBuf,
        /// Class of the client.
        class: String,
    },
    /// A datastore of a kind that is not understood.
    #[error(
        "{file}: datastore class `{class}` (setting `datastore.cls`) is not supported: only a \
         single FileDatastore is"
    )]
    UnsupportedDatastore {
        /// The file.
        file: Utf8PathBuf,
        /// The class.
        class: String,
    },
    /// A setting of the wrong type.
    #[error("{file}: setting `{setting}` must be {expected}")]
    Setting {
        /// The file.
        file: Utf8PathBuf,
        /// The setting, with dots.
        setting: String,
        /// What is expected.
        expected: &'static str,
    },
    /// A setting that is no usable place.
    #[error("{file}: setting `{setting}`: {source}")]
    Place {
        /// The file.
        file: Utf8PathBuf,
        /// The setting, with dots.
        setting: &'static str,
        /// What is wrong with it.
        source: UriError,
    },
    /// The place given is unusable.
    #[error(transparent)]
    Uri(#[from] UriError),
    /// A file cannot be read or parsed.
    #[error(transparent)]
    Tree(#[from] ConfigTreeError),
}

/// What the repository index had to say about a place.
#[derive(Debug)]
pub enum IndexAnswer {
    /// The place is one the index gives for a label.
    Resolved {
        /// The label.
        label: String,
    },
    /// The index does not know the label.
    Unknown {
        /// Labels it knows.
        labels: Vec<String>,
        /// The nearest of them.
        similar: Option<String>,
    },
    /// There is no index.
    Absent,
    /// The index cannot be read.
    Unusable(RepositoryIndexError),
}

/// The part of a message that tells about labels.
fn known_labels(index: &IndexAnswer) -> String {
    match index {
        IndexAnswer::Resolved { label } => {
            format!(" (the repository index gives that place for `{label}`)")
        }
        IndexAnswer::Unknown { similar: Some(similar), labels } => {
            format!(" (did you mean `{similar}`? known labels: {})", labels.join(", "))
        }
        IndexAnswer::Unknown { labels, .. } if labels.is_empty() => String::new(),
        IndexAnswer::Unknown { labels, .. } => format!(" (known labels: {})", labels.join(", ")),
        IndexAnswer::Absent => String::new(),
        IndexAnswer::Unusable(error) => format!(", and it cannot be looked up as a label: {error}"),
    }
}
