//! Requests to the hook service.

use std::collections::BTreeMap;

use qbb_builder::{DataIdBatch, DatasetBatch, NumberLists};
use serde::ser::SerializeSeq;
use serde::{Serialize, Serializer};
use serde_json::Value;
use uuid::Uuid;

/// What is asked.
#[derive(Debug, Serialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub(crate) enum Request<'a> {
    Prepare {
        repository: &'a str,
        task_classes: &'a [String],
    },
    Start {
        pipeline_graph: &'a Value,
        repository: &'a str,
        collections: &'a [String],
        output_run: &'a str,
    },
    Records {
        records: BTreeMap<&'a str, Vec<Vec<Value>>>,
    },
    Lookup {
        task: &'a str,
        connection: &'a str,
        quanta: DataIds<'a>,
    },
    AdjustAll(Quanta<'a>),
    Adjust(Quanta<'a>),
}

/// Some quanta with their datasets.
#[derive(Debug, Serialize)]
pub(crate) struct Quanta<'a> {
    pub task: &'a str,
    pub quanta: DataIds<'a>,
    pub datasets: BTreeMap<&'a str, Datasets<'a>>,
    pub inputs: BTreeMap<&'a str, Lists<'a>>,
    pub outputs: BTreeMap<&'a str, Lists<'a>>,
}

/// Datasets of a type, one or several batches of them.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Datasets<'a> {
    numbers: Vec<u32>,
    data_ids: Vec<Row<'a>>,
    ids: Vec<Option<Uuid>>,
    runs: Vec<Option<&'a str>>,
}

impl<'a> Datasets<'a> {
    pub fn add(&mut self, batch: &'a DatasetBatch<'_>) {
        self.numbers.extend_from_slice(&batch.number);
        self.data_ids.extend((0..batch.data_ids.len()).map(|row| Row(&batch.data_ids, row)));
        for existing in &batch.existing {
            self.ids.push(existing.map(|(id, _)| id));
            self.runs.push(existing.map(|(_, run)| run));
        }
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct Lists<'a> {
    ends: &'a [u32],
    numbers: &'a [u32],
}

impl<'a> From<&'a NumberLists<'_>> for Lists<'a> {
    fn from(lists: &'a NumberLists<'_>) -> Self {
        Self { ends: &lists.ends, numbers: &lists.numbers }
    }
}

/// Data IDs as arrays of values.
#[derive(Debug)]
pub(crate) struct DataIds<'a>(pub &'a DataIdBatch<'a>);

impl Serialize for DataIds<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq((0..self.0.len()).map(|row| Row(self.0, row)))
    }
}

/// One data ID as an array of values.
#[derive(Debug)]
struct Row<'a>(&'a DataIdBatch<'a>, usize);

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut row = serializer.serialize_seq(None)?;
        for value in self.0.values(self.1) {
            row.serialize_element(&value)?;
        }
        row.end()
    }
}
