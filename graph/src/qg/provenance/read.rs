//! Reading provenance graphs: what they say in sum, and single texts by address.

use std::borrow::Cow;
use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use rayon::prelude::*;
use serde::Serialize;
use uuid::Uuid;

use super::super::addresses::Addresses;
use super::super::container::{Block, Container, blocks, unpack_block};
use super::super::read::{read_header_of, read_pipeline};
use super::attempt::AttemptStatus;
use super::{ADDRESSES, LOGS, METADATA, NODES, PACKAGES, QUANTA};
use crate::error::{GraphError, Result};
use crate::mapped::MappedFile;
use crate::model::GraphHeader;
use crate::python_json::{PythonJson, PythonJsonError};

/// A provenance graph file.
pub struct ProvenanceReader {
    path: Utf8PathBuf,
    file: MappedFile,
}

/// What a provenance graph says in sum.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ProvenanceSummary {
    /// RUN collection of the outputs.
    pub output_run: String,
    /// CHAINED output collection.
    pub output: Option<String>,
    /// Input collections.
    pub inputs: Vec<String>,
    /// Who built the executed graph, and when.
    pub user: String,
    /// When it was built.
    pub timestamp: String,
    /// Quanta.
    pub quanta: u64,
    /// Datasets, without that of the package versions.
    pub datasets: u64,
    /// Attempts of all quanta together.
    pub attempts: u64,
    /// Quanta of each task.
    pub tasks: Vec<ProvenanceTask>,
    /// Size of the file in bytes.
    pub bytes: u64,
}

/// What happened to a task's quanta.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct ProvenanceTask {
    /// Label.
    pub task: String,
    /// Quanta by the status of their last attempt.
    #[serde(flatten)]
    pub counts: StatusCounts,
    /// Quanta by caveats, those without any left out.
    pub caveats: Vec<CaveatCount>,
    /// Quanta by the type of the exception of their last attempt.
    pub exceptions: BTreeMap<String, u64>,
    /// Attempts of all quanta together.
    pub attempts: u64,
}

/// Quanta by status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct StatusCounts {
    /// All of them.
    pub quanta: u64,
    /// Succeeded.
    pub successful: u64,
    /// Failed, with a log.
    pub failed: u64,
    /// Not attempted because of a failure upstream.
    pub blocked: u64,
    /// Nobody knows.
    pub unknown: u64,
    /// Died without log and metadata.
    pub aborted: u64,
    /// Succeeded, but died before the log was written.
    pub aborted_success: u64,
}

/// How many quanta have the same caveats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct CaveatCount {
    /// The bits.
    pub caveats: u32,
    /// How many.
    pub quanta: u64,
}

impl StatusCounts {
    fn add(&mut self, status: AttemptStatus) {
        self.quanta += 1;
        *match status {
            AttemptStatus::Aborted => &mut self.aborted,
            AttemptStatus::Unknown => &mut self.unknown,
            AttemptStatus::AbortedSuccess => &mut self.aborted_success,
            AttemptStatus::Failed => &mut self.failed,
            AttemptStatus::Blocked => &mut self.blocked,
            AttemptStatus::Successful => &mut self.successful,
        } += 1;
    }
}

/// The last attempt at a quantum, as a block tells it.
struct LastAttempt {
    task: String,
    status: AttemptStatus,
    caveats: u32,
    exception: Option<String>,
    attempts: u64,
}

impl ProvenanceReader {
    /// Opens a file.
    ///
    /// # Errors
    /// If it cannot be read, or is no provenance graph.
    pub fn open(path: &Utf8Path) -> Result<Self> {
        let reader = Self { path: path.to_owned(), file: MappedFile::open(path)? };
        reader.header()?;
        Ok(reader)
    }

    /// Opens a file if it is a provenance graph; `None` if it is anything else.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn open_if_provenance(path: &Utf8Path) -> Result<Option<Self>> {
        match Self::open(path) {
            Ok(reader) => Ok(Some(reader)),
            Err(GraphError::Exchange { .. } | GraphError::Foreign { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn container(&self) -> Result<Container<'_>> {
        Container::open(&self.path, self.file.as_ref())
    }

    /// Where the executed graph came from, and where its outputs went.
    ///
    /// # Errors
    /// If the file is damaged.
    pub fn header(&self) -> Result<GraphHeader> {
        Ok(read_header_of(&mut self.container()?, "provenance")?.header)
    }

    /// Counts quanta by task and status.
    ///
    /// # Errors
    /// If the file is damaged.
    pub fn summary(&self) -> Result<ProvenanceSummary> {
        let mut container = self.container()?;
        let header = read_header_of(&mut container, "provenance")?;
        let nodes = container.unchecked_member(NODES)?;
        let rows = Addresses::new(&nodes, header.int_size, ADDRESSES)
            .map_err(|reason| container.fail(NODES, reason))?
            .len();
        let member = container.required_member(QUANTA)?;
        let blocks =
            blocks(&member, header.int_size).map_err(|reason| container.fail(QUANTA, reason))?;
        let ended: Vec<LastAttempt> = (blocks.par_iter())
            .map_init(
                || container.decompressor(),
                |decompressor, block| {
                    let decompressor = decompressor.as_mut().map_err(|e| e.clone())?;
                    last_attempt(&unpack_block(decompressor, block.frame)?)
                        .map_err(|reason| format!("block at offset {}: {reason}", block.offset))
                },
            )
            .collect::<Result<_, String>>()
            .map_err(|reason| container.fail(QUANTA, reason))?;
        let GraphHeader { output_run, output, inputs, user, timestamp, .. } = header.header;
        let (quanta, attempts) =
            (ended.len() as u64, ended.iter().map(|quantum| quantum.attempts).sum());
        let mut tasks = by_task(ended);
        let pipeline = read_pipeline(&mut container)?;
        tasks.sort_by_key(|task| pipeline.find_task(&task.task));
        Ok(ProvenanceSummary {
            output_run,
            output,
            inputs,
            user,
            timestamp,
            quanta,
            datasets: (rows as u64).saturating_sub(quanta),
            attempts,
            tasks,
            bytes: self.file.as_ref().len() as u64,
        })
    }

    /// Versions of packages: JSON text of an object.
    ///
    /// # Errors
    /// If the file is damaged.
    pub fn packages(&self) -> Result<Vec<u8>> {
        self.container()?.unpacked_member(PACKAGES)
    }

    /// Prepares reading single texts.
    ///
    /// # Errors
    /// If the file is damaged.
    pub fn texts(&self) -> Result<ProvenanceTexts<'_>> {
        let mut container = self.container()?;
        let int_size = read_header_of(&mut container, "provenance")?.int_size;
        let nodes = container.unchecked_member(NODES)?;
        Addresses::new(&nodes, int_size, ADDRESSES)
            .map_err(|reason| container.fail(NODES, reason))?;
        let quanta = container.unchecked_member(QUANTA)?;
        let logs = container.unchecked_member(LOGS)?;
        let metadata = container.unchecked_member(METADATA)?;
        Ok(ProvenanceTexts { container, int_size, nodes, quanta, logs, metadata })
    }
}

/// Single texts of a provenance graph, found by address.
pub struct ProvenanceTexts<'a> {
    container: Container<'a>,
    int_size: usize,
    nodes: Cow<'a, [u8]>,
    quanta: Cow<'a, [u8]>,
    logs: Cow<'a, [u8]>,
    metadata: Cow<'a, [u8]>,
}

impl ProvenanceTexts<'_> {
    /// What happened to a quantum: the JSON text of its block. `None` if there is no such quantum.
    ///
    /// # Errors
    /// If the file is damaged.
    pub fn quantum(&self, id: Uuid) -> Result<Option<Vec<u8>>> {
        self.text(id, QUANTA, &self.quanta, 1)
    }

    /// Log records of all attempts at a quantum, by its UUID or that of its log dataset: JSON text
    /// `{"attempts": […]}`. `None` if there is none.
    ///
    /// # Errors
    /// If the file is damaged.
    pub fn logs(&self, id: Uuid) -> Result<Option<Vec<u8>>> {
        self.text(id, LOGS, &self.logs, 2)
    }

    /// Task metadata of all attempts at a quantum, by its UUID or that of its metadata dataset:
    /// JSON text `{"attempts": […]}`. `None` if there is none.
    ///
    /// # Errors
    /// If the file is damaged.
    pub fn metadata(&self, id: Uuid) -> Result<Option<Vec<u8>>> {
        self.text(id, METADATA, &self.metadata, 3)
    }

    /// An error in what was found for a quantum or dataset.
    pub(super) fn fail(&self, member: &str, id: Uuid, error: &PythonJsonError) -> GraphError {
        self.container.fail(member, format!("block of {id}: {error}"))
    }

    fn text(
        &self,
        id: Uuid,
        member: &'static str,
        blocks: &[u8],
        which: usize,
    ) -> Result<Option<Vec<u8>>> {
        let found = Addresses::new(&self.nodes, self.int_size, ADDRESSES)
            .map_err(|reason| self.container.fail(NODES, reason))?
            .find_all(id)
            .and_then(|addresses| addresses.into_iter().nth(which))
            .filter(|address| address.size != 0);
        let Some(address) = found else { return Ok(None) };
        Block::at(blocks, self.int_size, address.offset, address.size)
            .and_then(|block| unpack_block(&mut self.container.decompressor()?, block.frame))
            .map(Some)
            .map_err(|reason| self.container.fail(member, reason))
    }
}

impl std::fmt::Debug for ProvenanceTexts<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ProvenanceTexts")
    }
}

impl std::fmt::Debug for ProvenanceReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("ProvenanceReader").field(&self.path).finish()
    }
}

fn last_attempt(text: &[u8]) -> Result<LastAttempt, String> {
    let quantum = PythonJson::parse(text).map_err(|error| error.to_string())?;
    let task = quantum.get("task_label").and_then(PythonJson::string).ok_or("no task label")?;
    let attempts = quantum.get("attempts").ok_or("no attempts")?;
    let Some(last) = attempts.items().last() else {
        let (status, task) = (AttemptStatus::Blocked, task.into_owned());
        return Ok(LastAttempt { task, status, caveats: 0, exception: None, attempts: 0 });
    };
    let status = last.get("status").and_then(PythonJson::integer);
    let status = status.and_then(AttemptStatus::from_number).ok_or("an unknown status")?;
    let caveats = last.get("caveats").and_then(PythonJson::integer).unwrap_or(0);
    let exception = last.get("exception").and_then(|exception| exception.get("type_name"));
    Ok(LastAttempt {
        task: task.into_owned(),
        status,
        caveats: u32::try_from(caveats).map_err(|_| "caveats out of range")?,
        exception: exception.and_then(PythonJson::string).map(Cow::into_owned),
        attempts: attempts.items().count() as u64,
    })
}

/// Tasks in the order in which their quanta come first.
fn by_task(quanta: Vec<LastAttempt>) -> Vec<ProvenanceTask> {
    let mut tasks: Vec<ProvenanceTask> = Vec::new();
    let mut caveats: Vec<BTreeMap<u32, u64>> = Vec::new();
    // The next quantum is nearly always of the same task.
    let mut at = 0;
    for quantum in quanta {
        if tasks.get(at).is_none_or(|task| task.task != quantum.task) {
            at = match tasks.iter().position(|task| task.task == quantum.task) {
                Some(at) => at,
                None => {
                    let task = quantum.task.clone();
                    tasks.push(ProvenanceTask { task, ..ProvenanceTask::default() });
                    caveats.push(BTreeMap::new());
                    tasks.len() - 1
                }
            };
        }
        let task = &mut tasks[at];
        task.counts.add(quantum.status);
        task.attempts += quantum.attempts;
        if quantum.caveats != 0 {
            *caveats[at].entry(quantum.caveats).or_default() += 1;
        }
        if let Some(exception) = quantum.exception {
            *task.exceptions.entry(exception).or_default() += 1;
        }
    }
    for (task, caveats) in tasks.iter_mut().zip(caveats) {
        let counted = caveats.into_iter();
        task.caveats = counted.map(|(caveats, quanta)| CaveatCount { caveats, quanta }).collect();
    }
    tasks
}
