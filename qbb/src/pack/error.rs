//! What can be wrong with a pack.

use camino::Utf8PathBuf;

/// Why a pack cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// The operating system says no.
    #[error("cannot {action} pack {path}: {source}")]
    Io {
        /// What was attempted.
        action: &'static str,
        /// The file.
        path: Utf8PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// An earlier write failed, so nothing more is packed.
    #[error("pack {path} is closed because an earlier write to it failed; run again to go on")]
    Poisoned {
        /// The file.
        path: Utf8PathBuf,
    },
    /// The file is something else.
    #[error("{path} is not a pack: it does not begin with the magic bytes of one")]
    NotAPack {
        /// The file.
        path: Utf8PathBuf,
    },
    /// The file was written by an incompatible version.
    #[error("pack {path} has format version {found}, but this program reads version {known}")]
    Version {
        /// The file.
        path: Utf8PathBuf,
        /// Its major version.
        found: u16,
        /// Ours.
        known: u16,
    },
    /// A header or block is not as it was written.
    #[error(
        "pack {path} is damaged at offset {offset}: {reason}; run the quanta whose metadata or logs \
         are in there again"
    )]
    Damaged {
        /// The file.
        path: Utf8PathBuf,
        /// Where.
        offset: u64,
        /// What is wrong.
        reason: String,
    },
    /// An entry is longer than an entry may be.
    #[error("an entry of {length} bytes is too long for pack {path}")]
    TooLong {
        /// The file.
        path: Utf8PathBuf,
        /// Length of the entry in bytes.
        length: usize,
    },
    /// Zstandard says no.
    #[error("cannot compress for pack {path}: {source}")]
    Compress {
        /// The file.
        path: Utf8PathBuf,
        /// Why not.
        source: std::io::Error,
    },
}

impl PackError {
    pub(super) fn io(
        action: &'static str,
        path: impl Into<Utf8PathBuf>,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }

    pub(super) fn damaged(
        path: impl Into<Utf8PathBuf>,
        offset: u64,
        reason: impl Into<String>,
    ) -> Self {
        Self::Damaged { path: path.into(), offset, reason: reason.into() }
    }
}
