//! Deleting intermediate datasets that nothing needs any more.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, unbounded};
use qbb::QuantumBackedButler;
use qbb::journal::{Event, JournalState, JournalWriter, Timestamp};
use qbb_dimensions::nearest_name;
use qbb_graph::{DatasetIx, DatasetRole, QuantumGraph, QuantumIx};

use super::error::RunError;

/// How long a dataset may outlive the last that needed it. Deleting takes a sync, so it is done for
/// many datasets at once.
const PERIOD: Duration = Duration::from_secs(5);

/// Marks a dataset that is never deleted.
const KEPT: u32 = u32::MAX;

/// Which intermediate datasets are deleted when all quanta that read them have succeeded.
///
/// Metadata, logs, init-outputs and overall inputs never are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum DeletedIntermediates {
    /// None.
    #[default]
    None,
    /// All that some quantum reads.
    All,
    /// Those of some dataset types, also where no quantum reads them.
    Types(Vec<String>),
}

/// How many quanta still need each dataset that may be deleted.
#[derive(Debug)]
pub(super) struct Intermediates {
    /// By dataset; empty if none is deleted.
    needed_by: Vec<u32>,
}

impl Intermediates {
    /// Counts quanta that have not succeeded. Also returns the datasets that nobody needs already.
    pub fn of(
        which: &DeletedIntermediates,
        graph: &QuantumGraph,
        state: &JournalState,
    ) -> Result<(Self, Vec<DatasetIx>), RunError> {
        let is_deleted: Vec<bool> = match which {
            DeletedIntermediates::None => {
                return Ok((Self { needed_by: Vec::new() }, Vec::new()));
            }
            DeletedIntermediates::All => vec![true; graph.pipeline.dataset_types.len()],
            DeletedIntermediates::Types(names) => named_types(graph, names)?,
        };
        let with_outputs = matches!(which, DeletedIntermediates::Types(_));
        let special = special_types(graph);
        let mut needed_by: Vec<u32> =
            (graph.dataset_roles().into_iter().zip(graph.datasets.iter()))
                .map(|(role, dataset)| {
                    let dataset_type = graph.datasets.dataset_type(dataset).index();
                    let may_go = is_deleted[dataset_type]
                        && !special[dataset_type]
                        && match role {
                            DatasetRole::Intermediate => true,
                            DatasetRole::Output => with_outputs,
                            DatasetRole::OverallInput | DatasetRole::InitOutput => false,
                        };
                    if may_go { 0 } else { KEPT }
                })
                .collect();
        for quantum in graph.quanta.iter().filter(|&q| !state.progress(q).is_success()) {
            // A dataset that several connections read counts as often, here and below.
            for (_, dataset) in graph.inputs.edges(quantum) {
                let cell = &mut needed_by[dataset.index()];
                if *cell != KEPT {
                    *cell += 1;
                }
            }
        }
        let unneeded = graph
            .datasets
            .iter()
            .filter(|&dataset| needed_by[dataset.index()] == 0 && state.is_written(dataset));
        let unneeded = unneeded.collect();
        Ok((Self { needed_by }, unneeded))
    }

    /// A quantum has succeeded. Tells which datasets nobody needs any more.
    pub fn on_succeeded(
        &mut self,
        graph: &QuantumGraph,
        quantum: QuantumIx,
        mut unneeded: impl FnMut(DatasetIx),
    ) {
        if self.needed_by.is_empty() {
            return;
        }
        for (_, dataset) in graph.inputs.edges(quantum) {
            let cell = &mut self.needed_by[dataset.index()];
            if *cell != KEPT && *cell > 0 {
                *cell -= 1;
                if *cell == 0 {
                    unneeded(dataset);
                }
            }
        }
        for (_, dataset) in graph.outputs.edges(quantum) {
            if self.needed_by[dataset.index()] == 0 {
                unneeded(dataset);
            }
        }
    }
}

fn named_types(graph: &QuantumGraph, names: &[String]) -> Result<Vec<bool>, RunError> {
    let types = &graph.pipeline.dataset_types;
    let special = special_types(graph);
    let mut chosen = vec![false; types.len()];
    for name in names {
        let known = || types.iter().map(|node| node.dataset_type.name.as_str());
        let Some(position) = known().position(|other| other == name) else {
            let likely = nearest_name(name, known());
            let likely = likely.map(|likely| format!("; is it `{likely}`?")).unwrap_or_default();
            let reason = format!("the pipeline has no dataset type `{name}`{likely}");
            return Err(RunError::Resources { reason });
        };
        if special[position] {
            let reason = format!("`{name}` is metadata or logs, which are never deleted");
            return Err(RunError::Resources { reason });
        }
        chosen[position] = true;
    }
    Ok(chosen)
}

/// Whether dataset types are metadata or logs.
fn special_types(graph: &QuantumGraph) -> Vec<bool> {
    let mut special = vec![false; graph.pipeline.dataset_types.len()];
    for task in &graph.pipeline.tasks {
        for connection in std::iter::once(&task.metadata_output).chain(&task.log_output) {
            special[connection.dataset_type.index()] = true;
        }
    }
    special
}

/// A thread that deletes datasets, see "Merging" in `docs/formats/journal.md` for the order in which
/// that is safe.
#[derive(Debug)]
pub(super) struct Remover {
    datasets: Option<Sender<DatasetIx>>,
    thread: Option<JoinHandle<Result<u64, RunError>>>,
}

impl Remover {
    /// Starts the thread. `sync_outputs` must not return before all files written so far are on disk.
    pub fn start(
        butler: Arc<QuantumBackedButler>,
        journal: Arc<JournalWriter>,
        sync_outputs: impl Fn() -> std::io::Result<()> + Send + 'static,
    ) -> Result<Self, RunError> {
        let (sender, datasets) = unbounded();
        let work = Removal { butler, journal, sync_outputs: Box::new(sync_outputs) };
        let thread = std::thread::Builder::new()
            .name("qbb-remove".to_owned())
            .spawn(move || work.serve(&datasets))
            .map_err(|source| RunError::System { what: "a thread that deletes files", source })?;
        Ok(Self { datasets: Some(sender), thread: Some(thread) })
    }

    /// Deletes a dataset before long. Everything that says that nobody needs it must have been
    /// recorded.
    pub fn remove(&self, dataset: DatasetIx) {
        if let Some(datasets) = &self.datasets {
            // If the thread has ended because of an error, `finish` tells it.
            let _ = datasets.send(dataset);
        }
    }

    /// Deletes what is left to be deleted. Returns how many datasets were.
    pub fn finish(mut self) -> Result<u64, RunError> {
        self.datasets = None;
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(removed)) => removed,
            _ => Ok(0),
        }
    }
}

impl Drop for Remover {
    fn drop(&mut self) {
        self.datasets = None;
        if let Some(thread) = self.thread.take() {
            // Another error ended the run.
            let _ = thread.join();
        }
    }
}

struct Removal {
    butler: Arc<QuantumBackedButler>,
    journal: Arc<JournalWriter>,
    sync_outputs: Box<dyn Fn() -> std::io::Result<()> + Send>,
}

impl Removal {
    fn serve(&self, datasets: &Receiver<DatasetIx>) -> Result<u64, RunError> {
        let mut removed = 0;
        let mut batch = Vec::new();
        loop {
            let Ok(first) = datasets.recv() else { return Ok(removed) };
            batch.push(first);
            let until = Instant::now() + PERIOD;
            let mut is_last = false;
            loop {
                match datasets.recv_deadline(until) {
                    Ok(dataset) => batch.push(dataset),
                    Err(RecvTimeoutError::Timeout) => break,
                    Err(RecvTimeoutError::Disconnected) => {
                        is_last = true;
                        break;
                    }
                }
            }
            removed += self.remove(&mut batch)?;
            if is_last {
                return Ok(removed);
            }
        }
    }

    fn remove(&self, batch: &mut Vec<DatasetIx>) -> Result<u64, RunError> {
        batch.sort_unstable();
        batch.dedup();
        let graph = self.butler.graph();
        let datasets: Vec<(DatasetIx, u32)> = self.butler.with_journal(|journal| {
            let written = batch.drain(..).filter(|&dataset| journal.is_written(dataset));
            let with_attempt = written.filter_map(|dataset| {
                let finished = journal.finished(graph.producer(dataset)?)?;
                Some((dataset, finished.attempt))
            });
            with_attempt.collect()
        });
        if datasets.is_empty() {
            return Ok(0);
        }
        let removed: Vec<DatasetIx> = datasets.iter().map(|(dataset, _)| *dataset).collect();
        let event = Event::DatasetsRemoved { time: Timestamp::now(), datasets };
        self.journal.record([&event])?;
        self.butler.observe(&event);
        (self.sync_outputs)().map_err(|source| RunError::Folder {
            path: self.butler.root().to_owned(),
            purpose: "the root of the output datastore",
            source,
        })?;
        self.journal.sync()?;
        for &dataset in &removed {
            self.butler.remove_output(dataset)?;
        }
        Ok(removed.len() as u64)
    }
}
