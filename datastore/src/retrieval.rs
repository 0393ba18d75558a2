//! Bringing artifacts out of a datastore into a folder.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use rayon::prelude::*;

use crate::store_error::StoreError;

/// How a file gets to another place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransferMode {
    /// A link if one is possible, otherwise a copy.
    Auto,
    /// A copy of its bytes.
    Copy,
    /// A hard link, or a symbolic one where a hard link is not possible.
    Link,
    /// Another name of the same file.
    Hardlink,
    /// A symbolic link to its absolute path.
    Symlink,
    /// A symbolic link to its path from the folder of the link.
    RelativeSymlink,
}

/// A file, and where it is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retrieval {
    /// The file.
    pub source: Utf8PathBuf,
    /// Its new place.
    pub target: Utf8PathBuf,
}

/// Brings files to their places, many at a time. Each appears at once: it is made under another
/// name next to its place and renamed. What is there is replaced only if `replace` is set; `done` is
/// called after each file.
///
/// # Errors
/// The first thing that goes wrong; files that are in place stay there.
pub fn retrieve(
    retrievals: &[Retrieval],
    mode: TransferMode,
    replace: bool,
    done: &(dyn Fn() + Sync),
) -> Result<(), StoreError> {
    if !replace {
        // Nothing is brought if something would be in the way.
        let existing = retrievals.par_iter().find_first(|r| r.target.symlink_metadata().is_ok());
        if let Some(Retrieval { target, .. }) = existing {
            return Err(StoreError::AlreadyExists { place: target.to_string() });
        }
    }
    retrievals.par_iter().try_for_each(|retrieval| {
        retrieve_one(retrieval, mode, replace)?;
        done();
        Ok(())
    })
}

fn retrieve_one(
    Retrieval { source, target }: &Retrieval,
    mode: TransferMode,
    replace: bool,
) -> Result<(), StoreError> {
    let folder = target.parent().unwrap_or(Utf8Path::new("."));
    std::fs::create_dir_all(folder).map_err(|e| StoreError::of_io("make folder", folder, e))?;
    // A symbolic link to nothing would be no error.
    source.metadata().map_err(|e| StoreError::of_io("read", source, e))?;
    let name = target.file_name().unwrap_or("artifact");
    let unfinished = folder.join(format!(".{name}.{}", uuid::Uuid::new_v4().simple()));
    let made = put(source, &unfinished, folder, mode).and_then(|()| match replace {
        true => std::fs::rename(&unfinished, target).map(|()| {
            // Renaming a name of the file that is there already does nothing.
            let _ = std::fs::remove_file(&unfinished);
        }),
        false => match std::fs::hard_link(&unfinished, target) {
            Ok(()) => std::fs::remove_file(&unfinished),
            // Some file systems have no links.
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => {
                std::fs::rename(&unfinished, target)
            }
            Err(e) => Err(e),
        },
    });
    made.map_err(|e| {
        // What is left under the other name is of no use.
        let _ = std::fs::remove_file(&unfinished);
        StoreError::of_io("write", target, e)
    })
}

fn put(
    source: &Utf8Path,
    target: &Utf8Path,
    folder: &Utf8Path,
    mode: TransferMode,
) -> io::Result<()> {
    let copy = || std::fs::copy(source, target).map(drop);
    let symlink = || std::os::unix::fs::symlink(std::path::absolute(source)?, target);
    match mode {
        TransferMode::Copy => copy(),
        TransferMode::Hardlink => std::fs::hard_link(source.canonicalize_utf8()?, target),
        TransferMode::Link => match std::fs::hard_link(source.canonicalize_utf8()?, target) {
            Ok(()) => Ok(()),
            Err(_) => symlink(),
        },
        TransferMode::Auto => match std::fs::hard_link(source.canonicalize_utf8()?, target) {
            Ok(()) => Ok(()),
            Err(_) => symlink().or_else(|_| copy()),
        },
        TransferMode::Symlink => symlink(),
        TransferMode::RelativeSymlink => {
            let (source, folder) = (source.canonicalize_utf8()?, folder.canonicalize_utf8()?);
            std::os::unix::fs::symlink(relative(&source, &folder), target)
        }
    }
}

/// The way from a folder to a file, both absolute.
fn relative(file: &Utf8Path, folder: &Utf8Path) -> Utf8PathBuf {
    let shared = file.components().zip(folder.components()).take_while(|(a, b)| a == b).count();
    let up = folder.components().skip(shared).map(|_| "..");
    up.chain(file.components().skip(shared).map(|component| component.as_str())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mode_brings_the_file_and_replaces_only_if_told_to() {
        let scratch = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(scratch.path()).unwrap();
        let source = root.join("store/a/x.json");
        std::fs::create_dir_all(source.parent().unwrap()).unwrap();
        std::fs::write(&source, "old").unwrap();
        use TransferMode as M;
        for mode in [M::Auto, M::Copy, M::Link, M::Hardlink, M::Symlink, M::RelativeSymlink] {
            let target = root.join(format!("out/{mode:?}/b/x.json"));
            let one = [Retrieval { source: source.clone(), target: target.clone() }];
            retrieve(&one, mode, false, &|| ()).unwrap();
            assert_eq!(std::fs::read_to_string(&target).unwrap(), "old", "{mode:?}");
            let is_link = target.symlink_metadata().unwrap().is_symlink();
            assert_eq!(is_link, matches!(mode, M::Symlink | M::RelativeSymlink), "{mode:?}");
            let error = retrieve(&one, mode, false, &|| ()).unwrap_err();
            assert!(matches!(error, StoreError::AlreadyExists { .. }), "{error}");
            retrieve(&one, mode, true, &|| ()).unwrap();
            let names = target.parent().unwrap().read_dir_utf8().unwrap().count();
            assert_eq!(names, 1, "nothing unfinished stays");
        }
        let link = root.join("out/RelativeSymlink/b/x.json").read_link_utf8().unwrap();
        assert_eq!(link, "../../../store/a/x.json");
    }

    #[test]
    fn what_is_not_there_is_named() {
        let scratch = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(scratch.path()).unwrap();
        let one = [Retrieval { source: root.join("none"), target: root.join("out") }];
        let error = retrieve(&one, TransferMode::Symlink, true, &|| ()).unwrap_err();
        assert!(error.to_string().contains("none"), "{error}");
        assert!(!root.join("out").exists());
    }
}
