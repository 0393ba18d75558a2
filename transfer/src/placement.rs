//! Files from elsewhere that come into the personal repository with their datasets.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;

use camino::Utf8PathBuf;
use qbb_datastore::{ArtifactUri, DatastoreConfig, Placing};
use qbb_dimensions::{DatasetType, RecordTable, Symbols, Universe};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::arrivals::{Arrivals, shown};
use crate::contents::{DatasetColumns, File, FileColumns};
use crate::error::TransferError;
use crate::expanded::expanded;
use crate::file_names::{FileNames, NamingRules, archive_path};

/// Brings files of datasets into a datastore, at the paths of its own templates, with the ending
/// that they have, as the middleware does when it ingests; archives go to `zips/`.
///
/// Call [`Placement::place`] for each batch, then [`Placement::sync`], insert what `place` gave, and
/// when that is committed [`Placement::keep`]. Dropped before, it removes what it has placed; if it
/// cannot because it was killed, files stay that the next attempt finds to be what it wants.
#[derive(Debug)]
pub struct Placement {
    arrivals: Arrivals,
    naming: NamingRules,
    /// Whether files of the datastore itself get further names in it.
    renaming: bool,
    /// Where files went, by the hash of where they were; several datasets may share one.
    sources: FxHashMap<u128, u32>,
    /// Hashes of the paths that are taken.
    paths: FxHashSet<u128>,
    hashers: [RandomState; 2],
}

/// Where a file of a batch is recorded.
#[derive(Clone, Copy)]
enum Place {
    /// As it is given.
    Given,
    /// In the root of the datastore already.
    Inside,
    /// In one of the files that have arrived; perhaps as a member of it.
    Arrived(u32),
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
    /// If the datastore cannot be opened, or its templates are wrong.
    pub fn new(
        datastore: &DatastoreConfig,
        universe: &Arc<Universe>,
        placing: Placing,
    ) -> Result<Self, TransferError> {
        Ok(Self {
            arrivals: Arrivals::new(datastore, placing)?,
            naming: NamingRules::new(datastore, universe)?,
            renaming: false,
            sources: FxHashMap::default(),
            paths: FxHashSet::default(),
            hashers: [RandomState::new(), RandomState::new()],
        })
    }

    /// Files that are in the datastore already get further names in it, too; what cannot be linked
    /// is copied.
    #[must_use]
    pub(crate) fn renaming(mut self) -> Self {
        self.renaming = true;
        self.arrivals.copy_what_has_no_links();
        self
    }

    /// Places the files of a batch that are elsewhere, in parallel, and gives the datasets as they
    /// are to be inserted. `records` are those of [`Definitions`](crate::Definitions); `progress` is
    /// called after each file with its size.
    ///
    /// # Errors
    /// If a file cannot be read, copied or linked, or its place is taken by another one.
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
        let first = self.arrivals.len();
        let mut names =
            FileNames::new(&self.naming, datasets, dataset_type, &data_ids, records, symbols);
        let mut places = Vec::with_capacity(datasets.files.len());
        let mut planned: Vec<(String, ArtifactUri)> = Vec::new();
        let mut new_sources: FxHashMap<u128, u32> = FxHashMap::default();
        let mut new_paths: FxHashSet<u128> = FxHashSet::default();
        for (dataset, file) in datasets.files.iter() {
            let Ok(uri) = ArtifactUri::parse(file.path) else {
                places.push(Place::Given);
                continue;
            };
            if !self.renaming && uri.relative_to(self.arrivals.root()).is_some() {
                places.push(Place::Inside);
                continue;
            }
            let source = uri.without_fragment();
            let source_path = Utf8PathBuf::from(source.unquoted_path());
            let key = self.hash(source.as_str());
            if let Some(&target) = self.sources.get(&key).or_else(|| new_sources.get(&key)) {
                places.push(Place::Arrived(target));
                continue;
            }
            let path = match uri.zip_member() {
                Some(_) => archive_path(&source_path),
                None => {
                    let component = file.component.map(|name| (name, file.storage_class));
                    names.path(dataset, component, &source_path)?
                }
            };
            let taken = self.hash(&path);
            if self.paths.contains(&taken) || !new_paths.insert(taken) {
                return Err(TransferError::SamePlace { path, source_file: shown(&source) });
            }
            let target = (first + planned.len()) as u32;
            new_sources.insert(key, target);
            places.push(Place::Arrived(target));
            planned.push((path, source));
        }
        drop(names);
        self.sources.extend(new_sources);
        self.paths.extend(new_paths);
        self.arrivals.bring(planned, progress)?;
        Ok(self.moved(datasets, &places))
    }

    /// Waits until everything that was placed is on disk.
    ///
    /// # Errors
    /// If the system does not say so.
    pub fn sync(&self) -> Result<(), TransferError> {
        self.arrivals.sync()
    }

    /// Number of files and of bytes that were placed.
    pub fn placed(&self) -> (u64, u64) {
        self.arrivals.figures()
    }

    /// The registry knows the files now.
    pub fn keep(self) {
        self.arrivals.keep();
    }

    /// Both halves would have to collide for two texts to be taken for one.
    fn hash(&self, text: &str) -> u128 {
        let [a, b] = &self.hashers;
        (u128::from(a.hash_one(text)) << 64) | u128::from(b.hash_one(text))
    }

    /// The datasets of a batch with the places of their files.
    fn moved(&self, datasets: &DatasetColumns, places: &[Place]) -> PlacedDatasets {
        let mut lost = vec![false; datasets.len()];
        for ((dataset, _), place) in datasets.files.iter().zip(places) {
            if let Place::Arrived(at) = place {
                lost[dataset as usize] |= self.arrivals.get(*at).placed.is_none();
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
        let inside = || uri.as_ref().ok().and_then(|uri| uri.relative_to(self.arrivals.root()));
        match place {
            Place::Given => files.push(dataset, file),
            Place::Inside => {
                let path = inside().map(|path| with_member(&path));
                files.push(dataset, File { path: path.as_deref().unwrap_or(file.path), ..file });
            }
            Place::Arrived(at) => {
                let arrival = self.arrivals.get(at);
                let path = with_member(&arrival.path);
                let mut moved = File { path: &path, ..file };
                // What is said of a member is not true of its archive.
                if let (Some(placed), None) = (&arrival.placed, fragment) {
                    moved.file_size = i64::try_from(placed.size).unwrap_or(file.file_size);
                    moved.checksum = placed.checksum.as_deref();
                }
                files.push(dataset, moved);
            }
        }
    }
}
