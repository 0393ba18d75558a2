//! Where artifacts are to be that are brought out of a datastore.

use std::collections::HashMap;

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use qbb_datastore::{
    ArtifactUri, INDEX_NAME, Origins, Retrieval, RetrievalSource, archived_artifacts,
};
use qbb_query::{IndexedArtifact, archive_folder, archive_name};
use qbb_registry::DatastoreRecordRows;
use uuid::Uuid;

use crate::output::Failure;

/// How artifacts are arranged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// In the folders that they have in the datastore; what is elsewhere keeps its absolute path.
    Folders,
    /// All in one folder.
    Together,
    /// In an archive, with the beginning of a dataset's UUID before each name.
    Archive,
}

/// Artifacts, and where they are to be.
#[derive(Debug, Default)]
pub struct ArtifactPlaces {
    /// What is to be brought, by place.
    pub retrievals: Vec<Retrieval>,
    /// The same for the index.
    pub indexed: Vec<IndexedArtifact>,
    /// Bytes, as far as they are recorded.
    pub bytes: i64,
}

impl ArtifactPlaces {
    /// Finds a place for each artifact; one that several datasets share has one.
    ///
    /// # Errors
    /// If an archive cannot be read, or two artifacts would be in one place.
    pub fn new(
        root: &ArtifactUri,
        records: &DatastoreRecordRows,
        layout: Layout,
    ) -> Result<Self, Failure> {
        let mut rows: Vec<usize> = (0..records.id.len()).collect();
        rows.sort_unstable_by_key(|&row| (&records.path[row], records.id[row]));
        let mut all = Self::default();
        let mut known: HashMap<RetrievalSource, usize> = HashMap::new();
        let mut taken: HashMap<String, usize> = HashMap::new();
        let mut archives = Archives::default();
        for row in rows {
            let path = &records.path[row];
            let uri = root.join(path).map_err(Failure::from_error)?;
            let file = Utf8PathBuf::from(uri.unquoted_path());
            let member = uri.zip_member().filter(|_| file.extension() == Some("zip"));
            let source = RetrievalSource { uri: uri.without_fragment(), member };
            if let Some(&at) = known.get(&source) {
                all.indexed[at].records.push(row);
                continue;
            }
            let own = Placed { root, file: &file, path, source: &source, id: records.id[row] };
            let mut place = own.place(layout, &mut archives)?;
            let at = all.indexed.len();
            if layout == Layout::Archive && taken.contains_key(&place) {
                // Beginnings of UUIDs that were made in one minute are equal.
                place = format!("{}-{}", Uuid::from_bytes(own.id), own.name());
            }
            let is_inside = |part: Utf8Component<'_>| matches!(part, Utf8Component::Normal(_));
            if place.is_empty() || !Utf8Path::new(&place).components().all(is_inside) {
                return Err(Failure::input(format!("{uri} cannot be brought to `{place}`")));
            }
            let other = taken.insert(place.clone(), at).map(|other| &all.retrievals[other].source);
            if let Some(other) = other {
                let names = format!("{} and {}", name(other), name(&source));
                return Err(Failure::input(format!("{names} would both become {place}"))
                    .with_hint("leave out --no-preserve-path, or choose fewer datasets"));
            }
            if place == INDEX_NAME {
                return Err(Failure::input(format!("{uri} has the name of the index")));
            }
            all.bytes = all.bytes.saturating_add(records.file_size[row].max(0));
            known.insert(source.clone(), at);
            all.retrievals.push(Retrieval { source, target: place.clone().into() });
            all.indexed.push(IndexedArtifact { path: place, records: vec![row] });
        }
        Ok(all)
    }
}

/// Folders of members of archives, each of which is looked at once.
#[derive(Default)]
struct Archives {
    origins: Origins,
    folders: HashMap<ArtifactUri, String>,
}

/// An artifact to be placed.
struct Placed<'a> {
    root: &'a ArtifactUri,
    /// Its path, wherever it is.
    file: &'a Utf8Path,
    /// As it is recorded.
    path: &'a str,
    source: &'a RetrievalSource,
    /// Of its first dataset.
    id: [u8; 16],
}

impl Placed<'_> {
    fn name(&self) -> &str {
        match &self.source.member {
            Some(member) => member,
            None => self.file.file_name().unwrap_or(self.path),
        }
    }

    fn place(&self, layout: Layout, archives: &mut Archives) -> Result<String, Failure> {
        let Self { source, .. } = self;
        Ok(match (layout, &source.member) {
            (Layout::Folders, Some(member)) => {
                // As in a datastore that the archive is ingested into.
                let Archives { origins, folders } = archives;
                let folder = match folders.get(&source.uri) {
                    Some(folder) => folder,
                    None => {
                        let names = archived_artifacts(origins, &source.uri)
                            .map_err(Failure::from_error)?;
                        let name = archive_name(names.iter().map(String::as_str));
                        folders.entry(source.uri.clone()).or_insert(archive_folder(&name))
                    }
                };
                format!("{folder}/{member}")
            }
            (Layout::Folders, None) => {
                // Recorded by absolute URI, even if that is inside of the datastore.
                let is_relative = ArtifactUri::parse(self.path).is_err();
                let inside = is_relative.then(|| source.uri.relative_to(self.root)).flatten();
                inside.unwrap_or_else(|| self.file.as_str().trim_start_matches('/').to_owned())
            }
            (Layout::Together, _) | (Layout::Archive, Some(_)) => self.name().to_owned(),
            (Layout::Archive, None) => {
                let id = Uuid::from_bytes(self.id).to_string();
                format!("{}-{}", &id[..8], self.name())
            }
        })
    }
}

fn name(source: &RetrievalSource) -> String {
    let file = (source.uri.to_file_path())
        .map_or_else(|| source.uri.to_string(), |file| file.into_string());
    match &source.member {
        Some(member) => format!("{member} of {file}"),
        None => file,
    }
}

#[cfg(test)]
mod tests {
    use qbb_dimensions::Symbols;

    use super::*;

    /// Records of whole datasets with these paths.
    fn records(paths: &[(&str, u8)]) -> DatastoreRecordRows {
        let mut symbols = Symbols::new();
        let mut rows = DatastoreRecordRows::default();
        for &(path, last) in paths {
            let mut id = [0xab; 16];
            id[15] = last;
            rows.id.push(id);
            rows.path.push(path.into());
            rows.component.push(None);
            rows.checksum.push(None);
            rows.file_size.push(10);
            for column in [&mut rows.datastore, &mut rows.formatter, &mut rows.storage_class] {
                column.push(symbols.intern("x"));
            }
        }
        rows
    }

    fn places(layout: Layout, paths: &[(&str, u8)]) -> Result<Vec<String>, String> {
        let root = ArtifactUri::of_folder("/store/me".into()).unwrap();
        let all = ArtifactPlaces::new(&root, &records(paths), layout);
        let all = all.map_err(|failure| failure.to_string())?;
        assert_eq!(all.bytes, 10 * all.retrievals.len() as i64);
        Ok(all.retrievals.iter().map(|retrieval| retrieval.target.to_string()).collect())
    }

    #[test]
    fn files_elsewhere_keep_their_paths_and_shared_ones_have_one_place() {
        let paths = [("r/a%231.json", 1), ("/else where/b.json", 2), ("r/a%231.json", 3)];
        assert_eq!(places(Layout::Folders, &paths).unwrap(), ["else where/b.json", "r/a#1.json"]);
        // Recorded by absolute URI, even if inside.
        let inside = [("file:///store/me/r/c%20d.json", 1)];
        assert_eq!(places(Layout::Folders, &inside).unwrap(), ["store/me/r/c d.json"]);
        assert_eq!(places(Layout::Together, &paths).unwrap(), ["b.json", "a#1.json"]);
        let object = [("s3://bucket/of/c%20d.json", 1)];
        assert_eq!(places(Layout::Folders, &object).unwrap(), ["of/c d.json"]);
    }

    #[test]
    fn equal_names_are_refused_in_a_folder_and_told_apart_in_an_archive() {
        let paths = [("r/a.json", 1), ("s/a.json", 2)];
        let refused = places(Layout::Together, &paths).unwrap_err();
        assert!(refused.contains("would both become a.json"), "{refused}");
        let names = places(Layout::Archive, &paths).unwrap();
        assert_eq!(names, ["abababab-a.json", "abababab-abab-abab-abab-ababababab02-a.json"]);
    }

    #[test]
    fn what_leads_out_or_is_the_index_is_refused() {
        places(Layout::Together, &[("/store/_butler_zip_index.json", 1)]).unwrap_err();
        places(Layout::Folders, &[("../a.json", 1)]).unwrap_err();
    }
}
