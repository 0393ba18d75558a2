//! Files from elsewhere that come into the personal repository with their datasets.

use std::collections::BTreeSet;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};
use qbb::journal::Syncer;
use qbb_datastore::{
    ArtifactPath, ArtifactStore as _, ArtifactUri, DatastoreConfig, IfExists, LocalStore,
    PlacedFile, Placing, PutOptions, StoreError,
};
use qbb_dimensions::{DatasetType, RecordTable, Symbols, Universe};
use rayon::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};

use crate::contents::{DatasetColumns, File, FileColumns};
use crate::error::TransferError;
use crate::expanded::expanded;
use crate::file_identity::FileIdentity;
use crate::file_names::{FileNames, NamingRules, archive_path};

/// Brings files of datasets into a datastore, at the paths of its own templates, with the ending
/// that they have, as the middleware does when it ingests; archives go to `zips/`.
///
/// Call [`Placement::place`] for each batch, then [`Placement::sync`], insert what `place` gave, and
/// when that is committed [`Placement::keep`]. Dropped before, it removes what it has placed; if it
/// cannot because it was killed, files stay that the next attempt finds to be what it wants.
#[derive(Debug)]
pub struct Placement {
    store: LocalStore,
    naming: NamingRules,
    placing: Placing,
    checksum: bool,
    /// Where files went, by the hash of where they were; several datasets may share one.
    sources: FxHashMap<u128, u32>,
    /// Hashes of the paths that are taken.
    paths: FxHashSet<u128>,
    hashers: [RandomState; 2],
    targets: Vec<Target>,
    /// Whether the registry has them.
    kept: bool,
}

/// A file in its new place.
#[derive(Debug)]
struct Target {
    /// As it is recorded.
    path: Box<str>,
    /// `None` if there was nothing to place.
    placed: Option<PlacedFile>,
    /// The file that this attempt has made, if it was not there before.
    created: Option<FileIdentity>,
}

/// Where a file of a batch is recorded.
#[derive(Clone, Copy)]
enum Place {
    /// As it is given.
    Given,
    /// In the root of the datastore already.
    Inside,
    /// In one of the targets; perhaps as a member of it.
    Target(u32),
}

/// Datasets with files in the datastore.
#[derive(Debug, Clone, Default)]
pub struct PlacedDatasets {
    /// Those that have all their files.
    pub datasets: DatasetColumns,
    /// UUIDs of those of which a file does not exist; they are not among the others.
    pub missing: Vec<[u8; 16]>,
}

impl Placement {
    /// Nothing placed yet.
    ///
    /// # Errors
    /// If the datastore's root is no local folder, or its templates are wrong.
    pub fn new(
        datastore: &DatastoreConfig,
        universe: &Arc<Universe>,
        placing: Placing,
    ) -> Result<Self, TransferError> {
        let root = datastore
            .local_root()
            .ok_or_else(|| TransferError::NotLocal { place: datastore.root.to_string() })?;
        Ok(Self {
            store: LocalStore::new(&root)?,
            naming: NamingRules::new(datastore, universe)?,
            placing,
            checksum: datastore.checksum,
            sources: FxHashMap::default(),
            paths: FxHashSet::default(),
            hashers: [RandomState::new(), RandomState::new()],
            targets: Vec::new(),
            kept: false,
        })
    }

    /// Places the files of a batch that are elsewhere, in parallel, and gives the datasets as they
    /// are to be inserted. `records` are those of [`Definitions`](crate::Definitions); `progress` is
    /// called after each file with its size.
    ///
    /// # Errors
    /// If a file is not local, cannot be copied or linked, or its place is taken by another one.
    pub fn place(
        &mut self,
        datasets: &DatasetColumns,
        dataset_type: &DatasetType,
        records: &[RecordTable],
        symbols: &Symbols,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<PlacedDatasets, TransferError> {
        let group = &dataset_type.dimensions;
        let data_ids = expanded(group, &datasets.keys, datasets.len(), records)?;
        let first = self.targets.len();
        let mut names =
            FileNames::new(&self.naming, datasets, dataset_type, &data_ids, records, symbols);
        let mut places = Vec::with_capacity(datasets.files.len());
        let mut planned: Vec<(String, Utf8PathBuf)> = Vec::new();
        let mut new_sources: FxHashMap<u128, u32> = FxHashMap::default();
        let mut new_paths: FxHashSet<u128> = FxHashSet::default();
        for (dataset, file) in datasets.files.iter() {
            let Ok(uri) = ArtifactUri::parse(file.path) else {
                places.push(Place::Given);
                continue;
            };
            let source = uri
                .to_file_path()
                .ok_or_else(|| TransferError::NotLocal { place: uri.to_string() })?;
            if uri.relative_to(self.store.root()).is_some() {
                places.push(Place::Inside);
                continue;
            }
            let key = self.hash(source.as_str());
            if let Some(&target) = self.sources.get(&key).or_else(|| new_sources.get(&key)) {
                places.push(Place::Target(target));
                continue;
            }
            let path = match uri.zip_member() {
                Some(_) => archive_path(&source),
                None => {
                    let component = file.component.map(|name| (name, file.storage_class));
                    names.path(dataset, component, &source)?
                }
            };
            let taken = self.hash(&path);
            if self.paths.contains(&taken) || !new_paths.insert(taken) {
                return Err(TransferError::SamePlace { path, source_file: source });
            }
            let target = (first + planned.len()) as u32;
            new_sources.insert(key, target);
            places.push(Place::Target(target));
            planned.push((path, source));
        }
        drop(names);
        self.sources.extend(new_sources);
        self.paths.extend(new_paths);
        self.bring(planned, progress)?;
        Ok(self.moved(datasets, &places))
    }

    /// Waits until everything that was placed is on disk.
    ///
    /// # Errors
    /// If the system does not say so.
    pub fn sync(&self) -> Result<(), TransferError> {
        if !self.targets.iter().any(|target| target.placed.is_some()) {
            return Ok(());
        }
        let root = self.store.root_path();
        (Syncer::sync_file_system(root).and_then(|sync| sync()))
            .map_err(|source| TransferError::Sync { path: root.to_owned(), source })
    }

    /// Number of files and of bytes that were placed.
    pub fn placed(&self) -> (u64, u64) {
        let sizes = self.targets.iter().filter_map(|target| Some(target.placed.as_ref()?.size));
        sizes.fold((0, 0), |(files, bytes), size| (files + 1, bytes + size))
    }

    /// The registry knows the files now.
    pub fn keep(mut self) {
        self.kept = true;
    }

    /// Both halves would have to collide for two texts to be taken for one.
    fn hash(&self, text: &str) -> u128 {
        let [a, b] = &self.hashers;
        (u128::from(a.hash_one(text)) << 64) | u128::from(b.hash_one(text))
    }

    fn bring(
        &mut self,
        planned: Vec<(String, Utf8PathBuf)>,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<(), TransferError> {
        let results: Vec<(Target, Result<(), TransferError>)> = (planned.into_par_iter())
            .map(|(path, source)| {
                let mut target =
                    Target { path: path.into_boxed_str(), placed: None, created: None };
                let result = self.bring_one(&mut target, &source);
                progress(target.placed.as_ref().map_or(0, |placed| placed.size));
                (target, result)
            })
            .collect();
        let mut first_error = Ok(());
        for (target, result) in results {
            // All of them are remembered, so that they can be removed.
            self.targets.push(target);
            if first_error.is_ok() {
                first_error = result;
            }
        }
        first_error
    }

    fn bring_one(&self, target: &mut Target, source: &Utf8Path) -> Result<(), TransferError> {
        let path = ArtifactPath::of_record(&target.path)?;
        let put = |if_exists| {
            let options = PutOptions { durable: false, if_exists };
            self.store.place(&path, source, self.placing, self.checksum, options)
        };
        let placed = match put(IfExists::Fail) {
            Ok(placed) => {
                target.created = FileIdentity::of(&self.store.file(&path));
                placed
            }
            Err(StoreError::AlreadyExists { .. }) => {
                // What an attempt that was killed has left is the same; anything else may belong to
                // another dataset.
                if !self.store.holds_copy(&path, source)? {
                    let file = self.store.file(&path);
                    return Err(TransferError::Occupied { file, source_file: source.to_owned() });
                }
                put(IfExists::Replace)?
            }
            Err(StoreError::NotFound { .. }) if !source.exists() => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        target.placed = Some(placed);
        Ok(())
    }

    /// The datasets of a batch with the places of their files.
    fn moved(&self, datasets: &DatasetColumns, places: &[Place]) -> PlacedDatasets {
        let mut lost = vec![false; datasets.len()];
        for ((dataset, _), place) in datasets.files.iter().zip(places) {
            if let Place::Target(target) = place {
                lost[dataset as usize] |= self.targets[*target as usize].placed.is_none();
            }
        }
        let mut moved = PlacedDatasets::default();
        let required = datasets.keys.len();
        moved.datasets = DatasetColumns::new(&datasets.dataset_type, &datasets.run, required);
        let mut positions = vec![0; datasets.len()];
        for (row, &id) in datasets.id.iter().enumerate() {
            match lost[row] {
                true => moved.missing.push(id),
                false => {
                    let cells = datasets.keys.iter().map(|column| column[row]);
                    positions[row] = moved.datasets.push(id, cells);
                }
            }
        }
        for ((dataset, file), place) in datasets.files.iter().zip(places) {
            if !lost[dataset as usize] {
                let files = &mut moved.datasets.files;
                self.push_moved(files, positions[dataset as usize], file, *place);
            }
        }
        moved
    }

    fn push_moved(&self, files: &mut FileColumns, dataset: u32, file: File<'_>, place: Place) {
        let uri = ArtifactUri::parse(file.path);
        let fragment = uri.as_ref().ok().and_then(ArtifactUri::fragment);
        let with_member = |path: &str| match fragment {
            Some(fragment) => format!("{path}#{fragment}"),
            None => path.to_owned(),
        };
        let inside = || uri.as_ref().ok().and_then(|uri| uri.relative_to(self.store.root()));
        match place {
            Place::Given => files.push(dataset, file),
            Place::Inside => {
                let path = inside().map(|path| with_member(&path));
                files.push(dataset, File { path: path.as_deref().unwrap_or(file.path), ..file });
            }
            Place::Target(target) => {
                let target = &self.targets[target as usize];
                let path = with_member(&target.path);
                let mut moved = File { path: &path, ..file };
                // What is said of a member is not true of its archive.
                if let (Some(placed), None) = (&target.placed, fragment) {
                    moved.file_size = i64::try_from(placed.size).unwrap_or(file.file_size);
                    moved.checksum = placed.checksum.as_deref();
                }
                files.push(dataset, moved);
            }
        }
    }

    /// Removes what was created, and the folders that are empty then.
    fn remove(&self) {
        let mut folders: BTreeSet<Utf8PathBuf> = BTreeSet::new();
        for target in self.targets.iter().filter(|target| target.created.is_some()) {
            let Ok(path) = ArtifactPath::of_record(&target.path) else { continue };
            // Somebody else who wants the same file has put another in its place, and may have
            // registered it.
            if FileIdentity::of(&self.store.file(&path)) != target.created {
                continue;
            }
            // What cannot be removed is what a later attempt wants.
            let _ = self.store.delete(&path);
            folders.extend(self.store.file(&path).parent().map(Utf8Path::to_owned));
        }
        for folder in &folders {
            let inside = folder.ancestors().take_while(|folder| *folder != self.store.root_path());
            // Up to the first one that holds something.
            let _ = inside.map(std::fs::remove_dir).take_while(Result::is_ok).count();
        }
    }
}

impl Drop for Placement {
    fn drop(&mut self) {
        if !self.kept {
            self.remove();
        }
    }
}
