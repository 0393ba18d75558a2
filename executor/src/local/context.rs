//! What a Rust function sees of its quantum.

use camino::{Utf8Path, Utf8PathBuf};
use qbb::{ButlerError, QuantumButler};
use qbb_dimensions::DataValue;
use qbb_graph::DatasetIx;
use serde_json::{Map, Value};

use crate::products::{LogDataset, LogLevel, LogRecord};

/// A running quantum: its data ID, its datasets, its log and its metadata.
#[derive(Debug)]
pub struct QuantumContext<'a> {
    pub(super) butler: &'a QuantumButler<'a>,
    pub(super) label: &'a str,
    pub(super) attempt: u32,
    pub(super) log: LogDataset,
    pub(super) metadata: Map<String, Value>,
}

impl QuantumContext<'_> {
    /// Label of the task.
    pub fn label(&self) -> &str {
        self.label
    }

    /// How many attempts came before in the same run.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Label and data ID, for messages.
    pub fn describe(&self) -> String {
        self.butler.describe()
    }

    /// The value of a dimension of the data ID, implied ones included.
    pub fn data_id_value(&self, dimension: &str) -> Option<DataValue> {
        self.butler.data_id_value(dimension)
    }

    /// Existing datasets of an input connection, in the order of their data IDs.
    ///
    /// # Errors
    /// If the task has no such connection.
    pub fn inputs(&self, connection: &str) -> Result<Vec<DatasetIx>, ButlerError> {
        let mut datasets = self.butler.inputs(connection)?;
        let mut failure = None;
        datasets.retain(|&dataset| match self.butler.exists(dataset) {
            Ok(exists) => exists,
            Err(error) => {
                failure.get_or_insert(error);
                false
            }
        });
        match failure {
            Some(error) => Err(error),
            None => Ok(datasets),
        }
    }

    /// Predicted datasets of an output connection, in the order of their data IDs.
    ///
    /// # Errors
    /// If the task has no such connection.
    pub fn outputs(&self, connection: &str) -> Result<Vec<DatasetIx>, ButlerError> {
        self.butler.outputs(connection)
    }

    /// The only dataset of an input connection.
    ///
    /// # Errors
    /// If the task has no such connection, or there is not exactly one dataset.
    pub fn input(&self, connection: &str) -> Result<DatasetIx, ButlerError> {
        self.only(connection, &self.inputs(connection)?)
    }

    /// The only dataset of an output connection.
    ///
    /// # Errors
    /// If the task has no such connection, or there is not exactly one dataset.
    pub fn output(&self, connection: &str) -> Result<DatasetIx, ButlerError> {
        self.only(connection, &self.outputs(connection)?)
    }

    fn only(&self, connection: &str, datasets: &[DatasetIx]) -> Result<DatasetIx, ButlerError> {
        match *datasets {
            [dataset] => Ok(dataset),
            _ => Err(ButlerError::NotOne {
                quantum: self.describe(),
                connection: connection.to_owned(),
                count: datasets.len(),
            }),
        }
    }

    /// The content of an input.
    ///
    /// # Errors
    /// If it is none of the quantum's inputs, does not exist, or cannot be read.
    pub fn get(&self, input: DatasetIx) -> Result<Vec<u8>, ButlerError> {
        self.butler.get(input)
    }

    /// The local file of an input.
    ///
    /// # Errors
    /// If it is none of the quantum's inputs, is not a local file, or is known not to exist.
    pub fn get_path(&self, input: DatasetIx) -> Result<Utf8PathBuf, ButlerError> {
        self.butler.get_path(input)
    }

    /// Writes an output.
    ///
    /// # Errors
    /// If it is none of the quantum's outputs, or cannot be written.
    pub fn put(&self, output: DatasetIx, bytes: &[u8]) -> Result<(), ButlerError> {
        self.butler.put(output, bytes)
    }

    /// Makes a finished file the content of an output.
    ///
    /// # Errors
    /// If it is none of the quantum's outputs, or cannot be moved.
    pub fn put_file(&self, output: DatasetIx, file: &Utf8Path) -> Result<(), ButlerError> {
        self.butler.put_file(output, file)
    }

    /// Value of one dimension for each dataset's data ID; `None` if the dataset has no such
    /// dimension.
    pub fn dataset_value(&self, dataset: DatasetIx, dimension: &str) -> Option<DataValue> {
        let graph = self.butler.shared().graph();
        let data_ids = graph.dataset_type_data_ids(graph.datasets.dataset_type(dataset));
        let element = graph.universe().find(dimension)?;
        let position = data_ids.group().key_position(element.ix)?;
        let cell = data_ids.columns()[position][graph.datasets.data_id[dataset.index()] as usize];
        Some(graph.universe().value(element.ix, cell, &graph.symbols))
    }

    pub(crate) fn butler(&self) -> &QuantumButler<'_> {
        self.butler
    }

    pub(crate) fn extend_log(&mut self, records: &mut Vec<LogRecord>) {
        self.log.records.append(records);
    }

    /// Adds a message to the log dataset.
    pub fn log(&mut self, level: LogLevel, message: impl Into<String>) {
        self.log.log(level, self.label, message);
    }

    /// Sets a value in the task's part of the metadata dataset: a number, truth value or text.
    pub fn set_metadata(&mut self, name: impl Into<String>, value: impl Into<Value>) {
        self.metadata.insert(name.into(), value.into());
    }
}
