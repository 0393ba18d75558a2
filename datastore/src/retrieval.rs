//! Bringing artifacts out of a datastore into a folder.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt as _;

use camino::{Utf8Path, Utf8PathBuf};
use rayon::prelude::*;

use crate::many::at_once;
use crate::outside_file::same_content;
use crate::retrieval_folder::RetrievalFolder;
use crate::store_error::StoreError;
use crate::uri::ArtifactUri;
use crate::zip_member;

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

/// An artifact to be brought.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RetrievalSource {
    /// The file or object, without fragment.
    pub uri: ArtifactUri,
    /// The member of the zip archive which that is. Members are always copied.
    pub member: Option<String>,
}

/// An artifact, and where it is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retrieval {
    /// The artifact.
    pub source: RetrievalSource,
    /// Its new place, relative to the folder.
    pub target: Utf8PathBuf,
}

/// What is in a place already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Present {
    Nothing,
    /// What is to be there.
    Same,
    Other,
}

impl RetrievalFolder {
    /// Brings artifacts to their places, many at a time; from object stores by copying, and
    /// `mode` must allow that. Each appears at once. What is in the place
    /// of one and is the same stays as it is, so whatever was interrupted can be done again;
    /// anything else is replaced only if `replace` is set. `done` is called after each artifact.
    ///
    /// # Errors
    /// The first thing that goes wrong; artifacts that are in place stay there. If something would
    /// be in the way, nothing is brought.
    pub fn bring(
        &self,
        retrievals: &[Retrieval],
        mode: TransferMode,
        replace: bool,
        done: &(dyn Fn() + Sync),
    ) -> Result<(), StoreError> {
        let is_local = |r: &&Retrieval| r.source.uri.to_file_path().is_some();
        let (mut local, mut remote): (Vec<_>, Vec<_>) = retrievals.iter().partition(is_local);
        Self::check_mode(&remote, mode)?;
        if !replace {
            (local, remote) = (self.missing(local, mode)?, self.missing(remote, mode)?);
        }
        (0..retrievals.len() - local.len() - remote.len()).for_each(|_| done());
        self.bring_local(&local, mode, replace, done)?;
        self.bring_remote(&remote, replace, done)
    }

    /// Those whose places are free; the others must be what is to be there.
    fn missing<'a>(
        &self,
        retrievals: Vec<&'a Retrieval>,
        mode: TransferMode,
    ) -> Result<Vec<&'a Retrieval>, StoreError> {
        let requests = self.requests_at_once(retrievals.iter().map(|r| &r.source.uri))?;
        let present = at_once(requests, retrievals.len(), &|at| self.present(retrievals[at], mode));
        let mut missing = Vec::new();
        for (retrieval, present) in retrievals.into_iter().zip(present) {
            match present? {
                Present::Nothing => missing.push(retrieval),
                Present::Same => {}
                Present::Other => {
                    let place = self.place(&retrieval.target).to_string();
                    return Err(StoreError::AlreadyExists { place });
                }
            }
        }
        Ok(missing)
    }

    fn bring_local(
        &self,
        wanted: &[&Retrieval],
        mode: TransferMode,
        replace: bool,
        done: &(dyn Fn() + Sync),
    ) -> Result<(), StoreError> {
        // An archive is opened once for all its members.
        let mut files = Vec::new();
        let mut archives: BTreeMap<&ArtifactUri, Vec<(&str, &Utf8Path)>> = BTreeMap::new();
        for Retrieval { source, target } in wanted {
            match &source.member {
                None => files.push((&source.uri, target.as_path())),
                Some(member) => archives.entry(&source.uri).or_default().push((member, target)),
            }
        }
        let archives: Vec<_> = archives.into_iter().collect();
        let bring_files = || {
            files.par_iter().try_for_each(|&(source, target)| {
                let source = source.to_file_path().unwrap_or_default();
                self.bring_file(&source, target, mode, replace)?;
                done();
                Ok(())
            })
        };
        let bring_members = || {
            archives.par_iter().try_for_each(|(archive, members)| {
                self.bring_members(archive, members, replace, done)
            })
        };
        let (files, members) = rayon::join(bring_files, bring_members);
        files.and(members)
    }

    fn bring_file(
        &self,
        source: &Utf8Path,
        target: &Utf8Path,
        mode: TransferMode,
        replace: bool,
    ) -> Result<(), StoreError> {
        // A symbolic link to nothing would be no error.
        let metadata = source.metadata().map_err(|e| StoreError::of_io("read", source, e))?;
        if !metadata.is_file() {
            let error = io::Error::from(io::ErrorKind::IsADirectory);
            return Err(StoreError::of_io("read", source, error));
        }
        self.publish(target, replace, |unfinished| {
            let place = self.place(target);
            let folder = place.parent().unwrap_or(&place);
            put(source, unfinished, folder, mode).map_err(|e| StoreError::of_io("write", &place, e))
        })
    }

    pub(crate) fn bring_members(
        &self,
        archive: &ArtifactUri,
        members: &[(&str, &Utf8Path)],
        replace: bool,
        done: &(dyn Fn() + Sync),
    ) -> Result<(), StoreError> {
        let mut opened = zip_member::open(self.origins.open(archive)?, archive.as_str())?;
        for &(member, target) in members {
            self.publish(target, replace, |unfinished| {
                let failed = |e| StoreError::of_io("write", &self.place(target), e);
                let mut file = File::create_new(unfinished).map_err(failed)?;
                zip_member::copy(&mut opened, archive.as_str(), member, &mut file)
            })?;
            done();
        }
        Ok(())
    }

    /// Whether what a retrieval is to bring is there already.
    fn present(
        &self,
        Retrieval { source, target }: &Retrieval,
        mode: TransferMode,
    ) -> Result<Present, StoreError> {
        let place = self.place(target);
        let found = match place.symlink_metadata() {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Present::Nothing),
            found => found.map_err(|e| StoreError::of_io("read", &place, e))?,
        };
        let same = match &source.member {
            Some(member) if found.is_file() => {
                let shown = source.uri.as_str();
                let mut archive = zip_member::open(self.origins.open(&source.uri)?, shown)?;
                let mut copy = self.scratch()?;
                zip_member::copy(&mut archive, shown, member, copy.as_file_mut())?;
                let copy = Utf8Path::from_path(copy.path()).map(|copy| same_content(copy, &place));
                copy.transpose().map(|same| same == Some(true))
            }
            Some(_) => Ok(false),
            None => match source.uri.to_file_path() {
                Some(file) => is_brought(&file, &place, &found, mode),
                None => Ok(found.is_file() && self.is_copy_of(&source.uri, &place)?),
            },
        };
        match same.map_err(|e| StoreError::of_io("compare", &place, e))? {
            true => Ok(Present::Same),
            false => Ok(Present::Other),
        }
    }
}

/// Whether a place holds what a mode would make of a file.
fn is_brought(
    source: &Utf8Path,
    place: &Utf8Path,
    found: &std::fs::Metadata,
    mode: TransferMode,
) -> io::Result<bool> {
    let of = source.metadata()?;
    let is_same_file = (of.dev(), of.ino()) == (found.dev(), found.ino());
    let copied = || Ok(found.is_file() && !is_same_file && same_content(source, place)?);
    let leads_there = || match found.is_symlink() {
        true => Ok(place.canonicalize_utf8().ok() == Some(source.canonicalize_utf8()?)),
        false => Ok(false),
    };
    match mode {
        TransferMode::Copy => copied(),
        TransferMode::Hardlink => Ok(is_same_file),
        TransferMode::Symlink | TransferMode::RelativeSymlink => leads_there(),
        TransferMode::Link => Ok(is_same_file || leads_there()?),
        TransferMode::Auto => Ok(is_same_file || leads_there()? || copied()?),
    }
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

    struct Setting {
        _scratch: tempfile::TempDir,
        root: Utf8PathBuf,
        folder: RetrievalFolder,
    }

    /// A file, an archive, and a folder for them.
    fn setting() -> Setting {
        let scratch = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(scratch.path()).unwrap().to_owned();
        fs_err::create_dir_all(root.join("store/a")).unwrap();
        fs_err::write(root.join("store/a/x.json"), "old").unwrap();
        let mut archive = zip::ZipWriter::new(File::create(root.join("store/z.zip")).unwrap());
        for name in ["1-m.json", "2 m.json"] {
            archive.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
            io::Write::write_all(&mut archive, name.as_bytes()).unwrap();
        }
        archive.finish().unwrap();
        let folder = RetrievalFolder::open(&root.join("out")).unwrap();
        Setting { _scratch: scratch, root, folder }
    }

    fn uri(root: &Utf8Path, path: &str) -> ArtifactUri {
        ArtifactUri::of_file(&root.join(path)).unwrap()
    }

    impl Setting {
        fn file(&self, target: &str) -> Retrieval {
            let source = RetrievalSource { uri: uri(&self.root, "store/a/x.json"), member: None };
            Retrieval { source, target: target.into() }
        }

        fn member(&self, member: &str, target: &str) -> Retrieval {
            let uri = uri(&self.root, "store/z.zip");
            let source = RetrievalSource { uri, member: Some(member.to_owned()) };
            Retrieval { source, target: target.into() }
        }

        fn names(&self) -> usize {
            self.root.join("out").read_dir_utf8().unwrap().count()
        }
    }

    use TransferMode as M;
    const MODES: [M; 6] = [M::Auto, M::Copy, M::Link, M::Hardlink, M::Symlink, M::RelativeSymlink];

    #[test]
    fn every_mode_brings_the_file_again_and_replaces_only_if_told_to() {
        let setting = setting();
        for mode in MODES {
            let one = [setting.file(&format!("{mode:?}/b/x.json"))];
            let target = setting.root.join("out").join(&one[0].target);
            for replace in [false, false, true] {
                setting.folder.bring(&one, mode, replace, &|| ()).unwrap();
                assert_eq!(fs_err::read_to_string(&target).unwrap(), "old", "{mode:?}");
                let is_link = target.symlink_metadata().unwrap().is_symlink();
                assert_eq!(is_link, matches!(mode, M::Symlink | M::RelativeSymlink), "{mode:?}");
            }
            fs_err::remove_file(&target).unwrap();
            fs_err::write(&target, "new").unwrap();
            let error = setting.folder.bring(&one, mode, false, &|| ()).unwrap_err();
            assert!(matches!(error, StoreError::AlreadyExists { .. }), "{error}");
            assert_eq!(fs_err::read_to_string(&target).unwrap(), "new");
            setting.folder.bring(&one, mode, true, &|| ()).unwrap();
            assert_eq!(fs_err::read_to_string(&target).unwrap(), "old");
        }
        let link = setting.root.join("out/RelativeSymlink/b/x.json").read_link_utf8().unwrap();
        assert_eq!(link, "../../../store/a/x.json");
        let Setting { root, folder, .. } = setting;
        drop(folder);
        let left = root.join("out").read_dir_utf8().unwrap().count();
        assert_eq!(left, 6, "nothing unfinished stays");
    }

    #[test]
    fn a_link_is_no_copy() {
        let setting = setting();
        let one = [setting.file("x.json")];
        setting.folder.bring(&one, M::Hardlink, false, &|| ()).unwrap();
        let error = setting.folder.bring(&one, M::Copy, false, &|| ()).unwrap_err();
        assert!(matches!(error, StoreError::AlreadyExists { .. }), "{error}");
    }

    #[test]
    fn members_are_copied_in_every_mode() {
        let setting = setting();
        for mode in MODES {
            let target = |name: &str| format!("{mode:?}/{name}");
            let two = [
                setting.member("1-m.json", &target("one")),
                setting.member("2 m.json", &target("two")),
            ];
            for replace in [false, false, true] {
                setting.folder.bring(&two, mode, replace, &|| ()).unwrap();
            }
            let place = setting.root.join("out").join(target("two"));
            assert_eq!(fs_err::read_to_string(&place).unwrap(), "2 m.json");
            fs_err::write(&place, "another").unwrap();
            let error = setting.folder.bring(&two, mode, false, &|| ()).unwrap_err();
            assert!(matches!(error, StoreError::AlreadyExists { .. }), "{error}");
        }
    }

    #[test]
    fn what_is_not_there_is_named() {
        let setting = setting();
        let mut none = setting.file("x");
        none.source.uri = uri(&setting.root, "none");
        let error = setting.folder.bring(&[none], M::Symlink, true, &|| ()).unwrap_err();
        assert!(error.to_string().contains("none"), "{error}");
        let folder = Retrieval {
            source: RetrievalSource { uri: uri(&setting.root, "store"), member: None },
            target: "y".into(),
        };
        setting.folder.bring(&[folder], M::Symlink, true, &|| ()).unwrap_err();
        let member = setting.member("3", "z");
        let error = setting.folder.bring(&[member], M::Auto, true, &|| ()).unwrap_err();
        assert!(error.to_string().contains("`3`"), "{error}");
        assert_eq!(setting.names(), 1, "the folder of what is unfinished");
    }
}
