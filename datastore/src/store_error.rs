//! What can go wrong with artifacts.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};

/// Why an artifact cannot be written, read or deleted.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Whoever owns the store does not want anything to be written any more.
    #[error("{place} is not written: {reason}")]
    Withheld {
        /// Path.
        place: String,
        /// Why not.
        reason: String,
    },
    /// There is no such artifact.
    #[error("there is no artifact at {place}")]
    NotFound {
        /// Path or URI.
        place: String,
    },
    /// There is one already.
    #[error("there is an artifact at {place} already, and it must not be replaced")]
    AlreadyExists {
        /// Path or URI.
        place: String,
    },
    /// A path that no artifact may have.
    #[error("`{path}` cannot be the path of an artifact: {reason}")]
    InvalidPath {
        /// The path.
        path: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// The disk, or the user's share of it, is full.
    #[error("no space is left to {action} {path}: free some, or use another datastore root")]
    NoSpace {
        /// What was tried.
        action: &'static str,
        /// The file or folder.
        path: Utf8PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The file system cannot be written.
    #[error(
        "cannot {action} {path}: the file system is mounted read-only; use a datastore root that \
         can be written"
    )]
    ReadOnly {
        /// What was tried.
        action: &'static str,
        /// The file or folder.
        path: Utf8PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The user may not do it.
    #[error("cannot {action} {path}: permission denied; check who owns the datastore root")]
    PermissionDenied {
        /// What was tried.
        action: &'static str,
        /// The file or folder.
        path: Utf8PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A name is too long for the file system.
    #[error("cannot {action} {path}: the name is too long; shorten the run or the path template")]
    NameTooLong {
        /// What was tried.
        action: &'static str,
        /// The file or folder.
        path: Utf8PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A folder is where a file should be, or the other way round.
    #[error("cannot {action} {path}: a file is in the place of a folder, or a folder of a file")]
    Occupied {
        /// What was tried.
        action: &'static str,
        /// The file or folder.
        path: Utf8PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// Something else.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or folder.
        path: Utf8PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// An archive is broken or lacks the member.
    #[error("cannot read `{member}` in the zip archive {archive}: {reason}")]
    Zip {
        /// The archive.
        archive: String,
        /// The member.
        member: String,
        /// What is wrong.
        reason: String,
    },
    /// A link where there are none.
    #[error("{place} is in an object store, where nothing can be linked: copy it")]
    NoLinks {
        /// The artifact.
        place: String,
    },
    /// A place of a kind that cannot be opened.
    #[error(
        "the datastore root {root} cannot be opened: only local folders and s3:// (where qbb was \
         built with it) can"
    )]
    UnknownKind {
        /// The root.
        root: String,
    },
    /// A setting of an object store is wrong.
    #[error("the datastore root {root} cannot be opened: {setting}: {reason}")]
    Setting {
        /// The root.
        root: String,
        /// The setting.
        setting: String,
        /// What is wrong with it, without its value.
        reason: &'static str,
    },
    /// Nobody to ask an object store as.
    #[error(
        "there are no credentials for the datastore root {root}: set AWS_ACCESS_KEY_ID and \
         AWS_SECRET_ACCESS_KEY, or give its profile a section in ~/.aws/credentials (another file: \
         AWS_SHARED_CREDENTIALS_FILE)"
    )]
    NoCredentials {
        /// The root.
        root: String,
    },
    /// There is no such bucket.
    #[error(
        "there is no bucket `{bucket}`, which the datastore root {root} is in: make it, or check \
         the name and S3_ENDPOINT_URL"
    )]
    NoBucket {
        /// The root.
        root: String,
        /// The bucket.
        bucket: String,
    },
    /// An object store does not let us.
    #[error(
        "the object store refuses to {action} {place} ({code}): check that the credentials \
         (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_PROFILE) are those of an account that may \
         read and write the bucket"
    )]
    Refused {
        /// What was tried.
        action: &'static str,
        /// The artifact.
        place: String,
        /// The store's code.
        code: String,
    },
    /// An object store does not answer.
    #[error(
        "cannot {action} {place}: the object store does not answer ({reason}); check the network \
         and S3_ENDPOINT_URL"
    )]
    OutOfReach {
        /// What was tried.
        action: &'static str,
        /// The artifact.
        place: String,
        /// What happened last.
        reason: String,
    },
    /// An object store fails by itself, and goes on to.
    #[error(
        "cannot {action} {place}: the object store answers with an error of its own ({status}), \
         although it was asked several times; try again later"
    )]
    Failing {
        /// What was tried.
        action: &'static str,
        /// The artifact.
        place: String,
        /// The status of its answer.
        status: String,
    },
    /// An artifact is another one by now.
    #[error("{place} has changed while it was read; try again")]
    Changed {
        /// The artifact, or a file.
        place: String,
    },
    /// An object store sent less than it had announced.
    #[error("the object store has sent only a part of {place}; try again")]
    Truncated {
        /// The artifact.
        place: String,
    },
    /// An object store failed.
    #[error("cannot {action} {place}: {source}")]
    Object {
        /// What was tried.
        action: &'static str,
        /// The artifact.
        place: String,
        /// The store's error.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl StoreError {
    /// Of reading an artifact at `place`: the store's own error if that is behind the system's.
    pub(crate) fn of_read(place: String, error: io::Error) -> Self {
        match error.downcast::<Self>() {
            Ok(own) => own,
            Err(error) => Self::of_io("read", Utf8Path::new(&place), error),
        }
    }

    /// Sorts an error of the system by what a person can do about it.
    pub fn of_io(action: &'static str, path: &Utf8Path, source: io::Error) -> Self {
        use io::ErrorKind as Kind;
        let path = path.to_owned();
        match source.kind() {
            Kind::NotFound => Self::NotFound { place: path.into_string() },
            Kind::AlreadyExists => Self::AlreadyExists { place: path.into_string() },
            Kind::StorageFull | Kind::QuotaExceeded => Self::NoSpace { action, path, source },
            Kind::ReadOnlyFilesystem => Self::ReadOnly { action, path, source },
            Kind::PermissionDenied => Self::PermissionDenied { action, path, source },
            Kind::InvalidFilename => Self::NameTooLong { action, path, source },
            Kind::IsADirectory | Kind::NotADirectory => Self::Occupied { action, path, source },
            _ => Self::Io { action, path, source },
        }
    }
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;

    #[test]
    fn errors_say_what_to_do() {
        let errnos = [
            Errno::NOSPC,
            Errno::DQUOT,
            Errno::ROFS,
            Errno::ACCESS,
            Errno::NAMETOOLONG,
            Errno::NOTDIR,
            Errno::IO,
            Errno::NOENT,
        ];
        let messages = errnos.map(|errno| {
            let path = Utf8Path::new("/data/run/x.json");
            StoreError::of_io("write", path, io::Error::from(errno)).to_string()
        });
        insta::assert_snapshot!(messages.join("\n"));
    }
}
