//! What one quantum sees of the butler.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use camino::{Utf8Path, Utf8PathBuf};
use qbb_datastore::{ArtifactStore, ArtifactUri, PutOptions};
use qbb_dimensions::DataValue;
use qbb_graph::{DatasetIx, InitQuantum, QuantumGraph, QuantumIx};

use super::access::{Access, AccessSummary};
use super::error::ButlerError;
use super::shared::{Place, QuantumBackedButler};
use crate::journal::{DatasetOutput, FileRecord};

/// The butler of one quantum: it reads only that quantum's predicted inputs, writes only its
/// predicted outputs, and remembers both.
#[derive(Debug)]
pub struct QuantumButler<'b> {
    shared: &'b QuantumBackedButler,
    pub(super) subject: Subject<'b>,
    access: Mutex<Access>,
}

/// What reads and writes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Subject<'b> {
    Quantum(QuantumIx),
    Init(&'b InitQuantum),
}

impl<'b> QuantumButler<'b> {
    pub(super) fn of_quantum(shared: &'b QuantumBackedButler, quantum: QuantumIx) -> Self {
        Self { shared, subject: Subject::Quantum(quantum), access: Mutex::default() }
    }

    pub(super) fn of_init(shared: &'b QuantumBackedButler, init: &'b InitQuantum) -> Self {
        Self { shared, subject: Subject::Init(init), access: Mutex::default() }
    }

    /// The butler of the process.
    pub fn shared(&self) -> &'b QuantumBackedButler {
        self.shared
    }

    pub(super) fn graph(&self) -> &'b QuantumGraph {
        self.shared.graph()
    }

    /// Text for people.
    pub fn describe(&self) -> String {
        match self.subject {
            Subject::Quantum(quantum) => self.shared.describe_quantum(quantum),
            Subject::Init(init) => match init.task() {
                Some(task) => {
                    format!("the construction of {}", self.graph().pipeline.task(task).label)
                }
                None => "the preparation of the run".to_owned(),
            },
        }
    }

    /// The value of a dimension of the quantum's data ID, implied ones included.
    pub fn data_id_value(&self, dimension: &str) -> Option<DataValue> {
        let Subject::Quantum(quantum) = self.subject else { return None };
        let graph = self.graph();
        let data_ids = graph.task_data_ids(graph.quanta.task(quantum));
        let element = graph.universe().find(dimension)?;
        let position = data_ids.group().key_position(element.ix)?;
        let cell = data_ids.columns()[position][graph.quanta.data_id[quantum.index()] as usize];
        Some(graph.universe().value(element.ix, cell, &graph.symbols))
    }

    /// The content of an input.
    ///
    /// # Errors
    /// If it is none of the quantum's inputs, does not exist, or cannot be read.
    pub fn get(&self, input: DatasetIx) -> Result<Vec<u8>, ButlerError> {
        let begin = Instant::now();
        self.check_input(input)?;
        if let Place::Packed(place) = self.shared.place(input)? {
            let bytes = self.shared.read_packed(input, place)?;
            self.note_read(input, begin);
            return Ok(bytes);
        }
        let path = self.existing_path(input)?;
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                self.access().seen(input, false);
                return Err(self.missing(input, path.as_str()));
            }
            Err(source) => {
                let dataset = self.shared.describe_dataset(input);
                return Err(ButlerError::Read { dataset, path, source });
            }
        };
        self.note_read(input, begin);
        Ok(bytes)
    }

    fn note_read(&self, input: DatasetIx, begin: Instant) {
        let mut access = self.access();
        access.read(input);
        access.metrics.n_get += 1;
        access.metrics.time_in_get += begin.elapsed().as_secs_f64();
    }

    /// The local file of an input, for others to read. It counts as read.
    ///
    /// # Errors
    /// If it is none of the quantum's inputs, is not a local file, or is known not to exist.
    pub fn get_path(&self, input: DatasetIx) -> Result<Utf8PathBuf, ButlerError> {
        let path = self.existing_path(input)?;
        self.access().handed_over(input);
        Ok(path)
    }

    /// Whether an input exists. Overall inputs do if they had a record when the graph was built;
    /// of intermediates the journal knows, and only if it does not, the file system is asked.
    ///
    /// # Errors
    /// If it is none of the quantum's inputs, or its place cannot be predicted.
    pub fn exists(&self, input: DatasetIx) -> Result<bool, ButlerError> {
        self.check_input(input)?;
        let exists = match self.shared.place(input) {
            Ok(Place::Known(_) | Place::Packed(_)) | Err(ButlerError::Disassembled { .. }) => true,
            Ok(Place::NotWritten) => false,
            Ok(Place::Predicted(path)) => path.exists(),
            Err(error) => return Err(error),
        };
        self.access().seen(input, exists);
        Ok(exists)
    }

    /// Absolute URI of an input or output, whether it exists or not.
    ///
    /// # Errors
    /// If it is neither, or its place cannot be predicted.
    pub fn uri(&self, dataset: DatasetIx) -> Result<ArtifactUri, ButlerError> {
        if self.is_output(dataset) {
            return Ok(ArtifactUri::of_file(&self.shared.predicted_file(dataset)?)?);
        }
        self.check_input(dataset)?;
        match self.shared.place(dataset)? {
            Place::Known(uri) => Ok(uri),
            Place::Predicted(path) => Ok(ArtifactUri::of_file(&path)?),
            Place::Packed(_) | Place::NotWritten => {
                Ok(ArtifactUri::of_file(&self.shared.predicted_file(dataset)?)?)
            }
        }
    }

    /// Says that an input that was read was of no use, so that it does not count as read.
    ///
    /// # Errors
    /// If it is none of the quantum's inputs.
    pub fn mark_unused(&self, input: DatasetIx) -> Result<(), ButlerError> {
        self.check_input(input)?;
        self.access().unused(input);
        Ok(())
    }

    /// Writes an output, replacing what is there. It appears whole or not at all.
    ///
    /// # Errors
    /// If it is none of the quantum's outputs, or cannot be written.
    pub fn put(&self, output: DatasetIx, bytes: &[u8]) -> Result<(), ButlerError> {
        self.write(output, |butler| {
            butler.write_output(output, |store, path| {
                (store.put(path, bytes, PutOptions::default()))
                    .map(|()| bytes.len() as u64)
                    .map_err(|source| butler.store_error(output, source))
            })
        })
    }

    /// Makes a finished file the content of an output: it is moved, or copied and removed if it
    /// is on another file system.
    ///
    /// # Errors
    /// If it is none of the quantum's outputs, or cannot be moved.
    pub fn put_file(&self, output: DatasetIx, file: &Utf8Path) -> Result<(), ButlerError> {
        self.write(output, |butler| {
            butler.write_output(output, |store, path| {
                let failed = |source| butler.store_error(output, source);
                let staged = store.stage(path).map_err(failed)?;
                move_file(file, staged.file()).map_err(|source| ButlerError::Read {
                    dataset: butler.describe_dataset(output),
                    path: file.to_owned(),
                    source,
                })?;
                staged.commit(PutOptions::default()).map_err(failed)
            })
        })
    }

    fn write(
        &self,
        output: DatasetIx,
        write: impl FnOnce(&QuantumBackedButler) -> Result<FileRecord, ButlerError>,
    ) -> Result<(), ButlerError> {
        if !self.is_output(output) {
            return Err(ButlerError::NotAnOutput {
                quantum: self.describe(),
                dataset: self.shared.describe_dataset(output),
            });
        }
        let begin = Instant::now();
        let record = write(self.shared)?;
        let mut access = self.access();
        access.written(output, record);
        access.metrics.n_put += 1;
        access.metrics.time_in_put += begin.elapsed().as_secs_f64();
        Ok(())
    }

    /// The record of an output that somebody left at its predicted place.
    ///
    /// # Errors
    /// If it is none of the quantum's outputs, or its place cannot be predicted or looked at.
    pub fn output_on_disk(&self, output: DatasetIx) -> Result<Option<DatasetOutput>, ButlerError> {
        self.check_output(output)?;
        let record = self.shared.output_on_disk(output)?;
        Ok(record.map(|record| DatasetOutput { dataset: output, records: vec![record] }))
    }

    /// Content of an output of an earlier attempt, such as its log: packed, or as somebody left it at
    /// its predicted place.
    ///
    /// # Errors
    /// If it is none of the quantum's outputs, or cannot be read.
    pub fn get_earlier_output(&self, output: DatasetIx) -> Result<Option<Vec<u8>>, ButlerError> {
        self.check_output(output)?;
        if let Some(bytes) = self.shared.get_packed(output)? {
            return Ok(Some(bytes));
        }
        let path = self.shared.predicted_file(output)?;
        match std::fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => {
                let dataset = self.shared.describe_dataset(output);
                Err(ButlerError::Read { dataset, path, source })
            }
        }
    }

    /// Removes what an earlier attempt left of an output.
    ///
    /// # Errors
    /// If it is none of the quantum's outputs, or cannot be removed.
    pub fn remove_earlier_output(&self, output: DatasetIx) -> Result<(), ButlerError> {
        self.check_output(output)?;
        self.shared.remove_output(output)
    }

    /// Whether an output was written through this butler.
    pub fn is_written(&self, output: DatasetIx) -> bool {
        self.access().is_written(output)
    }

    /// What was read and written so far.
    pub fn summary(&self) -> AccessSummary {
        self.access().summary()
    }

    fn existing_path(&self, input: DatasetIx) -> Result<Utf8PathBuf, ButlerError> {
        self.check_input(input)?;
        match self.shared.place(input)? {
            Place::Known(uri) => match uri.to_file_path() {
                Some(path) if uri.fragment().is_none() => Ok(path),
                _ => Err(ButlerError::NotLocal {
                    dataset: self.shared.describe_dataset(input),
                    place: uri.as_str().to_owned(),
                }),
            },
            Place::Predicted(path) => Ok(path),
            Place::Packed(place) => Err(ButlerError::NotLocal {
                dataset: self.shared.describe_dataset(input),
                place: format!("pack {}", place.pack),
            }),
            Place::NotWritten => {
                self.access().seen(input, false);
                let path = self.shared.predicted_file(input)?;
                Err(self.missing(input, path.as_str()))
            }
        }
    }

    fn missing(&self, input: DatasetIx, place: &str) -> ButlerError {
        let dataset = self.shared.describe_dataset(input);
        ButlerError::Missing { dataset, place: place.to_owned() }
    }

    fn access(&self) -> MutexGuard<'_, Access> {
        // Every change is a single insertion, so a panic elsewhere leaves it usable.
        self.access.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Moves a file, or copies and removes it if the target is on another file system.
fn move_file(from: &Utf8Path, to: &Utf8Path) -> std::io::Result<()> {
    match std::fs::rename(from, to) {
        Err(error) if error.kind() == std::io::ErrorKind::CrossesDevices => {
            std::fs::copy(from, to).and_then(|_| std::fs::remove_file(from))
        }
        moved => moved,
    }
}
