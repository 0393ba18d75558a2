//! Registry and datastore compared, in both directions.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use camino::Utf8Path;
use qbb_datastore::{
    ArtifactPath, ArtifactStore, ArtifactUri, RepositoryConfig, checksum_of_file, for_many,
    open_store,
};
use qbb_registry::{DatastoreContents, RegistryReader};
use rustc_hash::{FxHashMap, FxHashSet};
use serde::Serialize;
use uuid::Uuid;

use crate::error::UpkeepError;
use crate::finding::{Finding, FindingKind};
use crate::listing::Listing;
use crate::second_look::{SecondLook, Suspects, confirmed};
use crate::trash::is_absolute;

/// What is compared.
#[derive(Debug, Clone, Copy, Default)]
pub struct VerifyOptions {
    /// Whether files are read and compared with checksums of records.
    pub checksums: bool,
}

/// What a comparison has found.
#[derive(Debug, Default, Serialize)]
pub struct Verification {
    /// Records that were compared.
    pub records: u64,
    /// Files that are in the datastore.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Records of files elsewhere.
    pub referenced: u64,
    /// Files whose content was read.
    pub checksums: u64,
    /// The differences, sorted.
    pub findings: Vec<Finding>,
}

impl Verification {
    /// Whether something is wrong.
    pub fn has_problems(&self) -> bool {
        self.findings.iter().any(|finding| finding.kind.is_problem())
    }
}

/// How many artifacts of a store that is asked over a network are looked at one by one.
const FEW_REQUESTS: usize = 1000;

/// Compares a repository's registry with its datastore. Nothing is changed, and nobody has to wait:
/// the registry is not read while files are looked at. What others change meanwhile is looked at
/// again before it is told. `progress` is told what is done and how much of it, by several threads.
///
/// # Errors
/// If the registry cannot be read, or the datastore not be listed.
pub fn verify(
    config: &RepositoryConfig,
    registry: &mut dyn RegistryReader,
    options: VerifyOptions,
    progress: &(dyn Fn(&str, u64, Option<u64>) + Sync),
) -> Result<Verification, UpkeepError> {
    let store = open_store(&config.datastore.root)?;
    progress("reading the registry", 0, None);
    let contents = registry.snapshot()?.datastore_contents()?;
    let list = || Listing::read(config, &*store, &|files| progress("listing files", files, None));
    let listing = list()?;
    let place = (&config.datastore.root, &*store);
    let comparison = Comparison::new(place, (&contents, &listing), options, progress);
    let findings = confirmed(comparison.findings(), &mut |suspects| {
        progress("looking again", suspects.len() as u64, None);
        let contents = registry.snapshot()?.datastore_contents()?;
        let contents = suspects.within(&contents, |path| comparison.inside(path));
        let listing = match store.requests_at_once() {
            Some(_) if suspects.len() > FEW_REQUESTS => list()?,
            _ => Listing::of(&*store, comparison.files_of(suspects, &contents))?,
        };
        let files = listing.files.len();
        let comparison = Comparison::new(place, (&contents, &listing), options, progress);
        Ok(SecondLook { findings: comparison.findings(), files })
    })?;
    Ok(Verification {
        records: contents.id.len() as u64,
        files: listing.files.len() as u64,
        bytes: listing.files.iter().map(|file| file.size).sum(),
        referenced: contents.path.iter().filter(|path| is_absolute(path.as_ref())).count() as u64,
        checksums: comparison.checksums.into_inner(),
        findings,
    })
}

struct Comparison<'a> {
    contents: &'a DatastoreContents,
    listing: &'a Listing,
    /// Whether a record refers to each file of the listing.
    used: Vec<AtomicBool>,
    root: &'a ArtifactUri,
    store: &'a dyn ArtifactStore,
    options: VerifyOptions,
    done: AtomicU64,
    checksums: AtomicU64,
    progress: &'a (dyn Fn(&str, u64, Option<u64>) + Sync),
}

/// What is known about the file of a record.
enum Look {
    Size(u64),
    Missing,
    Unreadable(String),
    Unchecked,
}

impl<'a> Comparison<'a> {
    fn new(
        (root, store): (&'a ArtifactUri, &'a dyn ArtifactStore),
        (contents, listing): (&'a DatastoreContents, &'a Listing),
        options: VerifyOptions,
        progress: &'a (dyn Fn(&str, u64, Option<u64>) + Sync),
    ) -> Self {
        Self {
            contents,
            listing,
            used: listing.files.iter().map(|_| AtomicBool::new(false)).collect(),
            root,
            store,
            options,
            done: AtomicU64::new(0),
            checksums: AtomicU64::new(0),
            progress,
        }
    }

    /// All differences, sorted.
    fn findings(&self) -> Vec<Finding> {
        let mut findings = self.records();
        findings.extend(self.orphans());
        findings.extend(self.tables());
        findings.sort_unstable();
        findings
    }

    /// Files of suspects that are in the datastore, or should be.
    fn files_of(&self, suspects: &Suspects, contents: &DatastoreContents) -> FxHashSet<String> {
        let recorded = contents.path.iter().filter_map(|path| self.inside(path));
        let recorded = recorded.map(|path| path.as_str().to_owned());
        recorded.chain(suspects.files.iter().cloned()).collect()
    }

    /// Looks at the file of each record that is not in the trash.
    fn records(&self) -> Vec<Finding> {
        let trashed: FxHashSet<&[u8; 16]> = self.contents.trashed.iter().collect();
        let archives = self.archives();
        let found = for_many(self.store, self.contents.id.len(), &|record| {
            let done = self.done.fetch_add(1, Ordering::Relaxed);
            if done.is_multiple_of(1024) {
                let total = self.contents.id.len() as u64;
                (self.progress)("comparing", done, Some(total));
            }
            let look = self.look(record, &archives);
            if trashed.contains(&self.contents.id[record]) {
                return Vec::new();
            }
            self.judge(record, look)
        });
        found.into_iter().flatten().collect()
    }

    /// Members of the archives to which records refer, with their sizes.
    fn archives(&self) -> FxHashMap<String, Result<FxHashMap<String, u64>, String>> {
        let mut names: FxHashSet<String> = FxHashSet::default();
        for path in self.contents.path.iter().filter(|path| path.contains("#zip-path=")) {
            if let Some(path) = self.inside(path).filter(|path| path.zip_member().is_some()) {
                names.insert(path.as_str().to_owned());
            }
        }
        let names: Vec<String> = names.into_iter().collect();
        let members = for_many(self.store, names.len(), &|at| {
            ArtifactPath::plain(&names[at])
                .and_then(|path| self.store.members(&path))
                .map(|members| members.into_iter().collect())
                .map_err(|error| error.to_string())
        });
        names.iter().cloned().zip(members).collect()
    }

    /// The file of a record, if it is in the datastore, whether or not it is recorded so.
    fn inside(&self, path: &str) -> Option<ArtifactPath> {
        if !is_absolute(path) {
            return ArtifactPath::of_record(path).ok();
        }
        let uri = ArtifactUri::parse(path).ok()?;
        ArtifactPath::plain(&uri.relative_to(self.root)?).ok()
    }

    fn look(
        &self,
        record: usize,
        archives: &FxHashMap<String, Result<FxHashMap<String, u64>, String>>,
    ) -> Look {
        let path = &self.contents.path[record];
        if let Some(inside) = self.inside(path) {
            if let Some(&at) = self.listing.by_path.get(inside.as_str()) {
                self.used[at as usize].store(true, Ordering::Relaxed);
                let Some(member) = inside.zip_member() else {
                    return Look::Size(self.listing.files[at as usize].size);
                };
                return match archives.get(inside.as_str()) {
                    Some(Ok(members)) => {
                        members.get(member).map_or(Look::Missing, |&size| Look::Size(size))
                    }
                    Some(Err(reason)) => Look::Unreadable(reason.clone()),
                    None => Look::Missing,
                };
            }
            return Look::Missing;
        }
        match ArtifactUri::parse(path) {
            Ok(uri) if is_absolute(path) => match uri.to_file_path() {
                Some(file) => look_at(&file),
                None => Look::Unchecked,
            },
            _ => Look::Unreadable("the path leads out of the datastore".to_owned()),
        }
    }

    fn judge(&self, record: usize, look: Look) -> Vec<Finding> {
        let recorded = self.contents.file_size[record];
        let finding = |kind, detail: Option<String>, size| Finding {
            kind,
            dataset: Some(Uuid::from_bytes(self.contents.id[record])),
            path: Some(self.contents.path[record].to_string()),
            detail,
            component: self.contents.component[record]
                .map(|at| self.contents.components[at as usize].to_string()),
            size,
        };
        let size = match look {
            Look::Missing => return vec![finding(FindingKind::MissingFile, None, None)],
            Look::Unchecked => return vec![finding(FindingKind::Unchecked, None, None)],
            Look::Unreadable(reason) => {
                return vec![finding(FindingKind::Unreadable, Some(reason), None)];
            }
            Look::Size(size) => size,
        };
        if recorded < 0 {
            return vec![finding(FindingKind::UnknownSize, None, Some(size))];
        }
        if recorded as u64 != size {
            let detail = format!("{size} bytes, recorded as {recorded}");
            return vec![finding(FindingKind::WrongSize, Some(detail), Some(size))];
        }
        match self.checksum(record) {
            None | Some(Ok(true)) => Vec::new(),
            Some(Ok(false)) => vec![finding(FindingKind::WrongChecksum, None, Some(size))],
            Some(Err(reason)) => vec![finding(FindingKind::Unreadable, Some(reason), None)],
        }
    }

    /// Whether a file has the checksum of its record, if both are to be compared.
    fn checksum(&self, record: usize) -> Option<Result<bool, String>> {
        let recorded =
            self.contents.checksum[record].as_ref().filter(|_| self.options.checksums)?;
        let path = &self.contents.path[record];
        self.checksums.fetch_add(1, Ordering::Relaxed);
        let found = match self.inside(path) {
            Some(inside) => self.store.checksum(&inside).map_err(|error| error.to_string()),
            None => {
                let file = ArtifactUri::parse(path).ok().and_then(|uri| uri.to_file_path())?;
                checksum_of_file(&file).map_err(|error| error.to_string())
            }
        };
        Some(found.map(|found| found == **recorded))
    }

    /// Files to which no record refers.
    fn orphans(&self) -> Vec<Finding> {
        let unused = self.listing.files.iter().zip(&self.used);
        unused
            .filter(|(_, used)| !used.load(Ordering::Relaxed))
            .map(|(file, _)| Finding {
                kind: FindingKind::Orphan,
                dataset: None,
                path: Some(file.path.clone()),
                detail: None,
                component: None,
                size: Some(file.size),
            })
            .collect()
    }

    /// Tables that contradict each other.
    fn tables(&self) -> Vec<Finding> {
        let contents = self.contents;
        let set = |ids: &[[u8; 16]]| ids.iter().copied().collect::<FxHashSet<[u8; 16]>>();
        let (recorded, located) = (set(&contents.id), set(&contents.located));
        let (trashed, registered) = (set(&contents.trashed), set(&contents.registered));
        let finding = |kind, id: &[u8; 16]| Finding {
            kind,
            dataset: Some(Uuid::from_bytes(*id)),
            path: None,
            detail: None,
            component: None,
            size: None,
        };
        let mut found = Vec::new();
        for id in recorded.difference(&trashed) {
            if !registered.contains(id) {
                found.push(finding(FindingKind::Unregistered, id));
            } else if !located.contains(id) {
                found.push(finding(FindingKind::NotLocated, id));
            }
        }
        found.extend(located.difference(&recorded).map(|id| finding(FindingKind::NoRecord, id)));
        found.extend(trashed.iter().map(|id| finding(FindingKind::Trash, id)));
        found
    }
}

fn look_at(file: &Utf8Path) -> Look {
    match std::fs::metadata(file) {
        Ok(metadata) if metadata.is_file() => Look::Size(metadata.len()),
        Ok(_) => Look::Missing,
        Err(error)
            if matches!(
                error.kind(),
                std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory
            ) =>
        {
            Look::Missing
        }
        Err(error) => Look::Unreadable(error.to_string()),
    }
}
