//! Metadata, logs and configurations that are kept in the provenance graph of their run.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, ErrorKind};

use camino::{Utf8DirEntry, Utf8Path, Utf8PathBuf};
use qbb::journal::JournalState;
use qbb::provenance::ProvenanceDataset;
use qbb_datastore::{
    ArtifactIdentity, ArtifactPath, ArtifactStore, ArtifactUri, IfExists, LocalStore, PutOptions,
    StagedArtifact, open_store,
};
use qbb_graph::{DatasetIx, DatasetRole, QuantumGraph};
use qbb_registry::{RegistryWriter, StoredFile};

use crate::arrivals::shown;
use crate::contents::DatasetColumns;
use crate::error::TransferError;
use crate::insertion::Insertion;

/// Storage class in the records of all that a provenance graph holds, whatever it is: what is read
/// is decided by the dataset type. So does the middleware.
const STORAGE_CLASS: &str = "TaskMetadata";

/// The provenance graph of a run in its place in the datastore, and the datasets that are in it.
#[derive(Debug, Clone)]
pub struct PackedProducts {
    pub(crate) dataset: ProvenanceDataset,
    file_size: i64,
    holds: Vec<bool>,
    in_place: Option<InPlace>,
}

/// A file in its place, which another one may take.
#[derive(Debug, Clone)]
struct InPlace {
    root: ArtifactUri,
    identity: Option<ArtifactIdentity>,
}

impl PackedProducts {
    /// All metadata, logs and configurations of a graph, in a file of that size.
    pub fn new(graph: &QuantumGraph, dataset: ProvenanceDataset, file_size: u64) -> Self {
        let mut types = vec![false; graph.pipeline.dataset_types.len()];
        for task in &graph.pipeline.tasks {
            let connections = [&task.metadata_output].into_iter();
            for connection in connections.chain(&task.log_output).chain(&task.config_output) {
                types[connection.dataset_type.index()] = true;
            }
        }
        // Metadata of other runs may be among the inputs.
        let holds = (graph.dataset_roles().into_iter().zip(graph.datasets.iter()))
            .map(|(role, dataset)| {
                role != DatasetRole::OverallInput
                    && types[graph.datasets.dataset_type(dataset).index()]
            })
            .collect();
        let file_size = i64::try_from(file_size).unwrap_or(-1);
        Self { dataset, file_size, holds, in_place: None }
    }

    /// Moves the file, which was written to `staged`, to its place in the datastore.
    ///
    /// What is there already may be what the registry tells of, with its size. So this is made
    /// unknown before another file comes there, and whoever reads meanwhile finds what was recorded:
    /// a later provenance graph holds all that an earlier one does. A file with the same content
    /// stays as it is.
    ///
    /// # Errors
    /// If the system or the registry refuses. What was there before is there still.
    pub fn put_in_place(
        &mut self,
        staged: StagedArtifact<'_>,
        store: &LocalStore,
        personal: &mut dyn RegistryWriter,
    ) -> Result<(), TransferError> {
        let path = ArtifactPath::plain(&self.dataset.path)?;
        let place = store.file(&path);
        let failed = |source| TransferError::Place { path: place.clone(), source };
        if !same_content(staged.file(), &place).map_err(failed)? {
            let mut transaction = personal.begin()?;
            transaction.forget_file_size(&self.dataset.path)?;
            transaction.commit()?;
            staged.commit(PutOptions { durable: true, if_exists: IfExists::Replace })?;
        }
        self.has_come(store, store.identity(&path));
        Ok(())
    }

    /// Remembers what is in the place now.
    pub(crate) fn has_come(
        &mut self,
        store: &dyn ArtifactStore,
        identity: Option<ArtifactIdentity>,
    ) {
        self.in_place = Some(InPlace { root: store.root().clone(), identity });
    }

    /// Makes sure that no other file has taken the place since.
    pub(crate) fn check_in_place(&self) -> Result<(), TransferError> {
        let Some(InPlace { root, identity }) = &self.in_place else { return Ok(()) };
        let path = ArtifactPath::plain(&self.dataset.path)?;
        if open_store(root)?.identity(&path) == *identity {
            return Ok(());
        }
        let place = root.join(&self.dataset.path)?;
        Err(TransferError::Replaced { path: shown(&place) })
    }

    /// Prepares a place of its own for a provenance graph that is written. What killed transfers
    /// have left of others is removed; nobody else may be writing one for the same place.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn stage<'a>(
        dataset: &ProvenanceDataset,
        store: &'a LocalStore,
    ) -> Result<StagedArtifact<'a>, TransferError> {
        let path = ArtifactPath::plain(&dataset.path)?;
        remove_leftovers(&store.file(&path))?;
        Ok(store.stage(&path)?)
    }

    /// Whether a dataset is one of those.
    pub fn holds(&self, dataset: DatasetIx) -> bool {
        self.holds[dataset.index()]
    }

    /// The record of each of them.
    pub(crate) fn record(&self) -> StoredFile {
        self.record_as(STORAGE_CLASS)
    }

    fn record_as(&self, storage_class: &str) -> StoredFile {
        StoredFile {
            path: self.dataset.path.clone(),
            formatter: self.dataset.formatter.to_owned(),
            storage_class: storage_class.to_owned(),
            component: None,
            checksum: None,
            file_size: self.file_size,
        }
    }

    /// Inserts the provenance graph itself. Returns how many dataset types were new.
    pub(crate) fn register(
        &self,
        graph: &QuantumGraph,
        insertion: &mut Insertion<'_>,
    ) -> Result<u64, TransferError> {
        let dataset_type = &self.dataset.dataset_type;
        let types =
            insertion.transaction().register_dataset_types(std::slice::from_ref(dataset_type))?;
        let mut columns = DatasetColumns::new(&dataset_type.name, &graph.header.output_run, 0);
        let position = columns.push(self.dataset.id, []);
        let record = self.record_as(&dataset_type.storage_class);
        columns.files.push(position, (&record).into());
        insertion.forget_files(&[self.dataset.id])?;
        insertion.datasets(&columns, &graph.symbols)?;
        Ok(types)
    }

    /// Removes the files in which the datasets were before, and the folders that are empty then.
    /// To be called when the transfer is committed; those that are gone already are passed over.
    /// Returns how many files were removed.
    ///
    /// # Errors
    /// If the system refuses. The transfer is complete nevertheless, and another call goes on.
    pub fn remove_originals(
        &self,
        graph: &QuantumGraph,
        journal: &JournalState,
        root: &Utf8Path,
    ) -> Result<u64, TransferError> {
        let failed = |source| TransferError::Originals { source };
        let store = LocalStore::new(root).map_err(failed)?;
        let mut folders: BTreeSet<Utf8PathBuf> = BTreeSet::new();
        let mut removed = 0;
        let mut any_packed = false;
        for dataset in graph.datasets.iter().filter(|&dataset| self.holds(dataset)) {
            any_packed |= journal.packed(dataset).is_some();
            for record in journal.records(dataset) {
                let path = ArtifactPath::of_record(record.path).map_err(failed)?;
                // What is a part of something else is not ours to remove.
                if path.zip_member().is_some() || path.as_str() == self.dataset.path {
                    continue;
                }
                removed += u64::from(store.delete(&path).map_err(failed)?);
                folders.extend(store.file(&path).parent().map(Utf8Path::to_owned));
            }
        }
        for folder in &folders {
            let mut folder = folder.as_path();
            while folder != store.root_path() {
                match std::fs::remove_dir(folder) {
                    // Gone is as good as removed: an earlier call may have been cut off.
                    Err(error) if error.kind() != ErrorKind::NotFound => break,
                    _ => {}
                }
                let Some(parent) = folder.parent() else { break };
                folder = parent;
            }
        }
        if any_packed {
            // Workers make folders for logs before these are packed.
            remove_empty_folders(&root.join(&graph.header.output_run));
        }
        Ok(removed)
    }
}

/// Removes folders in which killed transfers were writing a file.
fn remove_leftovers(place: &Utf8Path) -> Result<(), TransferError> {
    let (Some(folder), Some(name)) = (place.parent(), place.file_name()) else { return Ok(()) };
    // Others may put unfinished files into the folder, too.
    let is_ours = |entry: std::io::Result<Utf8DirEntry>| {
        entry.is_ok_and(|entry| entry.file_name() == name || entry.file_name().ends_with(".part"))
    };
    for entry in folder.read_dir_utf8().into_iter().flatten().flatten() {
        if LocalStore::is_unfinished(entry.file_name())
            && entry.path().read_dir_utf8().is_ok_and(|mut content| content.all(is_ours))
        {
            let failed = |source| TransferError::Place { path: place.to_owned(), source };
            fs_err::remove_dir_all(entry.path()).map_err(failed)?;
        }
    }
    Ok(())
}

/// Removes a folder with all folders in it as far as they are empty; links are left alone, and so is
/// what the system does not let go.
fn remove_empty_folders(folder: &Utf8Path) {
    for entry in folder.read_dir_utf8().into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_empty_folders(entry.path());
        }
    }
    // Fails if there is something in it.
    let _ = std::fs::remove_dir(folder);
}

/// Whether the second file exists and is equal to the first.
fn same_content(a: &Utf8Path, b: &Utf8Path) -> std::io::Result<bool> {
    let other = match fs_err::File::open(b) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        other => other?,
    };
    let one = fs_err::File::open(a)?;
    if one.metadata()?.len() != other.metadata()?.len() {
        return Ok(false);
    }
    let (mut one, mut other) = (BufReader::new(one), BufReader::new(other));
    loop {
        let (x, y) = (one.fill_buf()?, other.fill_buf()?);
        let length = x.len().min(y.len());
        if x[..length] != y[..length] {
            return Ok(false);
        }
        if length == 0 {
            return Ok(x.len() == y.len());
        }
        one.consume(length);
        other.consume(length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_removed_if_nothing_is_in_them() {
        let folder = tempfile::tempdir().unwrap();
        let run = Utf8Path::from_path(folder.path()).unwrap().join("run");
        for name in ["empty/within", "full/empty"] {
            fs_err::create_dir_all(run.join(name)).unwrap();
        }
        fs_err::write(run.join("full/file"), "").unwrap();
        remove_empty_folders(&run);
        assert!(!run.join("empty").exists() && !run.join("full/empty").exists());
        assert!(run.join("full/file").exists());
        fs_err::remove_file(run.join("full/file")).unwrap();
        remove_empty_folders(&run);
        assert!(!run.exists());
        remove_empty_folders(&run);
    }

    #[test]
    fn files_are_the_same_if_all_their_bytes_are() {
        let folder = tempfile::tempdir().unwrap();
        let folder = Utf8Path::from_path(folder.path()).unwrap();
        let file = |name: &str, bytes: &[u8]| {
            fs_err::write(folder.join(name), bytes).unwrap();
            folder.join(name)
        };
        let long = vec![7; 100_000];
        let (a, b) = (file("a", &long), file("b", &long));
        assert!(same_content(&a, &b).unwrap());
        let mut other = long.clone();
        other[99_999] = 8;
        assert!(!same_content(&a, &file("c", &other)).unwrap());
        assert!(!same_content(&a, &file("d", &long[1..])).unwrap());
        assert!(!same_content(&a, &folder.join("nothing")).unwrap());
        assert!(same_content(&file("e", b""), &file("f", b"")).unwrap());
    }
}
