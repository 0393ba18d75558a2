//! Zip archives of artifacts with an index, as the middleware makes and ingests them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Read as _, Write as _};

use camino::Utf8Path;
use tempfile::TempPath;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use crate::artifact::ArtifactReader;
use crate::many::at_once;
use crate::outside_file::same_content;
use crate::retrieval::RetrievalSource;
use crate::retrieval_folder::RetrievalFolder;
use crate::store_error::StoreError;
use crate::stores::Origins;
use crate::uri::ArtifactUri;
use crate::zip_member;

/// Name of the index in a folder or archive of artifacts.
pub const INDEX_NAME: &str = "_butler_zip_index.json";

/// Files up to this size are read many at a time.
const SMALL: u64 = 4 << 20;
/// Files that are read ahead.
const AHEAD: usize = 32;

impl RetrievalFolder {
    /// Writes an archive with an index, compressed, and artifacts under other names, as they are.
    /// The same artifacts give the same bytes. An archive that is there stays if it is the same, and
    /// is replaced otherwise if `replace` is set. `done` is called after each artifact.
    ///
    /// # Errors
    /// If there is another archive already, an artifact cannot be read, or the system refuses.
    pub fn write_archive(
        &self,
        name: &Utf8Path,
        index: &[u8],
        members: &[(&RetrievalSource, &str)],
        replace: bool,
        done: &(dyn Fn() + Sync),
    ) -> Result<(), StoreError> {
        let place = self.place(name);
        let there = place.symlink_metadata().is_ok();
        let made = self.scratch()?;
        self.write_members(made.as_file(), &place, index, members, done)?;
        let made = Utf8Path::from_path(made.path()).unwrap_or(&place).to_owned();
        if there && !replace {
            return match same_content(&made, &place) {
                Ok(true) => Ok(()),
                _ => Err(StoreError::AlreadyExists { place: place.to_string() }),
            };
        }
        self.publish(name, replace, |unfinished| {
            std::fs::rename(&made, unfinished).map_err(|e| StoreError::of_io("write", &place, e))
        })
    }

    fn write_members(
        &self,
        file: &File,
        place: &Utf8Path,
        index: &[u8],
        members: &[(&RetrievalSource, &str)],
        done: &(dyn Fn() + Sync),
    ) -> Result<(), StoreError> {
        let failed = |e: io::Error| StoreError::of_io("write", place, e);
        let refused = |e: zip::result::ZipError| StoreError::of_io("write", place, e.into());
        let mut writer = ZipWriter::new(BufWriter::with_capacity(1 << 20, file));
        let options = SimpleFileOptions::default().unix_permissions(0o644);
        let deflated = options.compression_method(CompressionMethod::Deflated);
        writer
            .start_file(INDEX_NAME, deflated.large_file(is_large(index.len() as u64)))
            .map_err(refused)?;
        writer.write_all(index).map_err(failed)?;
        let stored = options.compression_method(CompressionMethod::Stored);
        // Archives that members come from are opened once.
        let mut archives: BTreeMap<&ArtifactUri, ZipArchive<Box<dyn ArtifactReader>>> =
            BTreeMap::new();
        let requests = self.requests_at_once(members.iter().map(|(source, _)| &source.uri))?;
        for members in members.chunks(AHEAD) {
            let read = at_once(requests, members.len(), &|at| self.content(members[at].0));
            let read: Vec<Content> = read.into_iter().collect::<Result<_, _>>()?;
            for (&(source, name), content) in members.iter().zip(read) {
                let size = match &content {
                    Content::Small(bytes) => bytes.len() as u64,
                    Content::Large(_, size) | Content::Fetched(_, size) => *size,
                    // The directory of an archive is not to be trusted with its sizes.
                    Content::Member(_) => u64::MAX,
                };
                writer.start_file(name, stored.large_file(is_large(size))).map_err(refused)?;
                match content {
                    Content::Small(bytes) => writer.write_all(&bytes).map_err(failed)?,
                    Content::Large(mut file, _) => {
                        io::copy(&mut file, &mut writer).map_err(failed)?;
                    }
                    Content::Fetched(copy, _) => {
                        let mut file = File::open(&copy).map_err(failed)?;
                        io::copy(&mut file, &mut writer).map_err(failed)?;
                    }
                    Content::Member(member) => {
                        let shown = source.uri.as_str();
                        let archive = match archives.entry(&source.uri) {
                            std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
                            std::collections::btree_map::Entry::Vacant(entry) => entry
                                .insert(zip_member::open(self.origins.open(&source.uri)?, shown)?),
                        };
                        zip_member::copy(archive, shown, member, &mut writer)?;
                    }
                }
                done();
            }
        }
        writer.finish().map_err(refused)?.flush().map_err(failed)
    }

    /// Reads what is small and local, and has objects become files.
    fn content<'a>(&self, source: &'a RetrievalSource) -> Result<Content<'a>, StoreError> {
        if let Some(member) = &source.member {
            return Ok(Content::Member(member));
        }
        let Some(local) = source.uri.to_file_path() else {
            let copy = self.unfinished_file();
            let copy = copy.map_err(|e| StoreError::of_io("write", &self.place("".into()), e))?;
            let (store, path) = self.origins.find(&source.uri)?;
            let fetched = store.fetch(&path, &copy);
            let copy = TempPath::try_from_path(copy)
                .map_err(|e| StoreError::of_io("write", &self.place("".into()), e))?;
            return Ok(Content::Fetched(copy, fetched?));
        };
        let failed = |e| StoreError::of_io("read", &local, e);
        let mut file = File::open(&local).map_err(failed)?;
        let size = file.metadata().map_err(failed)?.len();
        if size > SMALL {
            return Ok(Content::Large(file, size));
        }
        let mut bytes = Vec::with_capacity(size as usize);
        file.read_to_end(&mut bytes).map_err(failed)?;
        Ok(Content::Small(bytes))
    }
}

/// Names of the artifacts that an archive holds, without the index.
///
/// # Errors
/// If it cannot be read.
pub fn archived_artifacts(
    origins: &Origins,
    archive: &ArtifactUri,
) -> Result<Vec<String>, StoreError> {
    let members = zip_member::members(origins.open(archive)?, archive.as_str())?;
    Ok(members.into_iter().map(|(name, _)| name).filter(|name| name != INDEX_NAME).collect())
}

/// Whether a member needs sizes of 64 bits.
fn is_large(size: u64) -> bool {
    size >= u64::from(u32::MAX)
}

/// What is to be written.
enum Content<'a> {
    Small(Vec<u8>),
    Large(File, u64),
    Fetched(TempPath, u64),
    Member(&'a str),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archives_have_an_index_and_members_and_stay_if_they_are_the_same() {
        let scratch = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(scratch.path()).unwrap();
        let large = vec![7; SMALL as usize + 1];
        fs_err::write(root.join("small"), "one").unwrap();
        fs_err::write(root.join("large"), &large).unwrap();
        let source = |name: &str, member: Option<&str>| RetrievalSource {
            uri: ArtifactUri::of_file(&root.join(name)).unwrap(),
            member: member.map(str::to_owned),
        };
        let folder = RetrievalFolder::open(&root.join("out")).unwrap();
        let (small, big) = (source("small", None), source("large", None));
        let first = [(&small, "1-small"), (&big, "2-large")];
        for _ in 0..2 {
            folder.write_archive("a.zip".into(), b"{}", &first, false, &|| ()).unwrap();
        }
        // Members of one archive in another.
        let inner = source("out/a.zip", Some("2-large"));
        let second = [(&inner, "3"), (&small, "4")];
        folder.write_archive("b.zip".into(), b"[]", &second, false, &|| ()).unwrap();
        let artifacts = |archive: &str| {
            archived_artifacts(&Origins::default(), &source(archive, None).uri).unwrap()
        };
        assert_eq!(artifacts("out/b.zip"), ["3", "4"]);
        let read = |archive: &str, member: &str| {
            zip_member::read(File::open(root.join(archive)).unwrap(), archive, member).unwrap()
        };
        assert_eq!(read("out/b.zip", INDEX_NAME), b"[]");
        assert_eq!(read("out/b.zip", "3"), large);
        assert_eq!(read("out/b.zip", "4"), b"one");
        let write = |replace| folder.write_archive("a.zip".into(), b"{}", &second, replace, &|| ());
        let error = write(false).unwrap_err();
        assert!(matches!(error, StoreError::AlreadyExists { .. }), "{error}");
        assert_eq!(read("out/a.zip", "1-small"), b"one");
        write(true).unwrap();
        assert_eq!(read("out/a.zip", "3"), large);
        let none = source("none", None);
        folder.write_archive("c.zip".into(), b"{}", &[(&none, "5")], true, &|| ()).unwrap_err();
        assert!(!root.join("out/c.zip").exists());
    }
}
