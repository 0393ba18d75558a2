//! Executes a graph from the command line, without any submit directory:
//!
//! `run_graph GRAPH REPOSITORY FOLDER JOBS [INPUT_ROOT]`
//!
//! Outputs go to the datastore of REPOSITORY, journal and logs to FOLDER. INPUT_ROOT is the root of
//! the datastore that holds the inputs, for a `.qg` that does not tell.

use std::error::Error;
use std::io::Write;
use std::num::NonZeroUsize;
use std::sync::Arc;

use camino::Utf8PathBuf;
use qbb_datastore::{ArtifactUri, RepositoryConfig};
use qbb_executor::{
    Cancel, FunctionRegistry, Progress, ProgressEvent, RunOptions, RunRequest, run,
};
use qbb_graph::open;

/// Prints what is rare.
struct Printer;

impl Progress for Printer {
    fn event(&self, event: &ProgressEvent<'_>) {
        if let ProgressEvent::QuantumStarted { .. } = event {
            return;
        }
        if let ProgressEvent::QuantumFinished { outcome, .. } = event
            && outcome.end.is_success()
        {
            return;
        }
        let _ = writeln!(std::io::stderr(), "{event:?}");
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [graph, repository, folder, jobs, rest @ ..] = &arguments[..] else {
        return Err("usage: run_graph GRAPH REPOSITORY FOLDER JOBS [INPUT_ROOT]".into());
    };
    let mut graph = open(Utf8PathBuf::from(graph).as_path())?;
    if let Some(root) = rest.first() {
        graph.set_missing_roots(&ArtifactUri::of_folder(Utf8PathBuf::from(root).as_path())?);
    }
    let repository = RepositoryConfig::open(repository)?;
    let folder = Utf8PathBuf::from(folder);
    let request = RunRequest {
        graph: Arc::new(graph),
        repository: &repository,
        journal: folder.join("journal"),
        logs: folder.join("logs"),
        jobs: jobs.parse::<NonZeroUsize>()?,
        quanta: None,
        options: RunOptions::default(),
        functions: Arc::new(FunctionRegistry::new()),
        cancel: Cancel::new(),
        progress: &Printer,
    };
    let report = run(&request)?;
    writeln!(
        std::io::stdout(),
        "{:?}: {:?}, {} executed, {} done before, {:.2?}",
        report.outcome,
        report.counts,
        report.executed,
        report.done_before,
        report.elapsed
    )?;
    if report.is_complete() { Ok(()) } else { Err("not everything has succeeded".into()) }
}
