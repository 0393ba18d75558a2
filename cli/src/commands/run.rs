//! `qbb run`.

use std::num::NonZeroUsize;
use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};
use qbb::journal::RunOutcome;
use qbb_datastore::RepositoryConfig;
use qbb_executor::scheduler::StopReason;
use qbb_executor::{
    Cancel, FailureKind, FunctionRegistry, Progress, ProgressEvent, RunReport, RunRequest,
    execution_summary,
};
use qbb_graph::{MissingCopy, QuantumGraph};
use qbb_submit_dirs::SubmitDirectory;
use serde::Serialize;

use crate::arguments::{RunArguments, RunQbbArguments};
use crate::commands::pipeline::write_whole;
use crate::commands::{run_options, scheduling};
use crate::output::{ExitCode, Failure, ProgressBars, Terminal, shell_word};

/// Executes a submit directory or a graph file.
pub fn execute(arguments: &RunArguments, terminal: Terminal) -> Result<ExitCode, Failure> {
    let place = Place::of(arguments)?;
    let mut graph = place.open_graph(arguments)?;
    if let Some(release) = &arguments.butler_config {
        set_roots(&mut graph, &RepositoryConfig::open(release)?);
    }
    let repository = RepositoryConfig::open(&place.personal)?;
    set_roots(&mut graph, &repository);
    let repository = repository.with_local_outputs(&place.outputs)?;
    let graph = Arc::new(graph);
    if arguments.selection.dry_run {
        return scheduling::forecast(&graph, &place.journal, &arguments.selection, terminal);
    }
    let mut options = run_options::of(arguments);
    scheduling::add_to(&mut options, arguments)?;
    let bars = match arguments.middleware.pdb {
        true => ProgressBars::without_bar(terminal),
        false => ProgressBars::new(terminal),
    };
    let display = Display { bars, graph: &graph };
    let quanta = run_options::quanta(&graph, &arguments.middleware)?;
    let report = qbb_executor::run(&RunRequest {
        graph: graph.clone(),
        repository: &repository,
        journal: place.journal,
        logs: place.logs,
        jobs: jobs(arguments.jobs),
        quanta: quanta.as_deref(),
        options,
        functions: Arc::new(FunctionRegistry::default()),
        cancel: Cancel::default(),
        progress: &display,
    })?;
    drop(display);
    if let Some(path) = &arguments.middleware.summary {
        let command_line = std::env::args().collect();
        let summary = execution_summary(&graph, &report, quanta.as_deref(), command_line);
        let text = serde_json::to_vec_pretty(&summary).map_err(Failure::internal)?;
        write_whole(path, &text)?;
    }
    if arguments.middleware.init_only {
        let done = InitOutputsDone { outcome: "init-outputs are written" };
        terminal.result(&done, |done| done.outcome.to_owned())?;
        return Ok(ExitCode::Success);
    }
    let outcome = Outcome::of(&report);
    terminal.result(&outcome, |outcome| describe(outcome, arguments))?;
    Ok(exit_code(&report, &arguments.middleware))
}

/// Exceptions with a code of their own decide before all else.
fn exit_code(report: &RunReport, arguments: &RunQbbArguments) -> ExitCode {
    let first = report.failures.first().map(|failure| failure.kind);
    match report.outcome {
        RunOutcome::Complete => ExitCode::Success,
        RunOutcome::Interrupted => ExitCode::Interrupted,
        _ if report.stop_reason == Some(StopReason::InvalidQuantum) => ExitCode::Invalid,
        _ if arguments.fail_fast && first == Some(FailureKind::Repeatable) => ExitCode::Repeatable,
        RunOutcome::WithFailures | RunOutcome::StoppedEarly => ExitCode::Incomplete,
    }
}

/// What is told of a run that wrote init-outputs and nothing else.
#[derive(Serialize)]
struct InitOutputsDone {
    outcome: &'static str,
}

/// Records of a `.qg` are relative to roots that the file does not name.
fn set_roots(graph: &mut QuantumGraph, repository: &RepositoryConfig) {
    graph.set_missing_roots(&repository.datastore.root);
}

/// As many as asked for; zero is one for each processor.
pub fn jobs(asked: usize) -> NonZeroUsize {
    NonZeroUsize::new(asked)
        .or_else(|| std::thread::available_parallelism().ok())
        .unwrap_or(NonZeroUsize::MIN)
}

/// Where a run finds its graph and leaves its traces.
struct Place {
    graph: Utf8PathBuf,
    personal: String,
    journal: Utf8PathBuf,
    logs: Utf8PathBuf,
    /// Where outputs go if the datastore is not local.
    outputs: Utf8PathBuf,
}

impl Place {
    fn of(arguments: &RunArguments) -> Result<Self, Failure> {
        let target = &arguments.target;
        if target.is_file() {
            return Self::of_graph(target, arguments);
        }
        let directory = SubmitDirectory::open(target)?;
        if arguments.personal.is_some() || arguments.run_dir.is_some() {
            return Err(Failure::usage(format!(
                "{target} is a submit directory, which says itself where outputs and journal go"
            ))
            .with_hint("leave out --personal and --run-dir"));
        }
        Ok(Self {
            graph: directory.graph(),
            personal: directory.submission().personal.to_string(),
            journal: directory.journal(),
            logs: directory.logs(),
            outputs: directory.outputs(),
        })
    }

    fn of_graph(graph: &Utf8Path, arguments: &RunArguments) -> Result<Self, Failure> {
        qbb_graph::check_kind(graph)?;
        let personal = arguments.personal.clone().ok_or_else(|| {
            Failure::usage(format!("{graph} does not say where its outputs go"))
                .with_hint("name the repository whose datastore takes them with --personal")
        })?;
        let folder = (arguments.run_dir.clone())
            .unwrap_or_else(|| Utf8PathBuf::from(format!("{graph}.run")));
        Ok(Self {
            graph: graph.to_owned(),
            personal,
            journal: folder.join("journal"),
            logs: folder.join("logs"),
            outputs: folder.join("outputs"),
        })
    }

    /// The graph; a `.qg` by its native copy, where there will be jobs of single quanta.
    fn open_graph(&self, arguments: &RunArguments) -> Result<QuantumGraph, Failure> {
        let middleware = &arguments.middleware;
        let has_jobs = middleware.init_only || !middleware.qgraph_node_id.is_empty();
        let missing = match has_jobs && !arguments.selection.dry_run {
            true => MissingCopy::Make,
            false => MissingCopy::Ignore,
        };
        let folder = self.journal.parent().unwrap_or(&self.journal);
        Ok(qbb_graph::open_by_copy(&self.graph, folder, missing)?)
    }
}

/// What a run came to, for people and programs.
#[derive(Serialize)]
struct Outcome {
    outcome: &'static str,
    executed: u32,
    done_before: u32,
    succeeded: u32,
    failed: u32,
    blocked: u32,
    not_attempted: u32,
    seconds: f64,
}

impl Outcome {
    fn of(report: &RunReport) -> Self {
        let counts = &report.counts;
        Self {
            outcome: match report.outcome {
                RunOutcome::Complete => "complete",
                RunOutcome::WithFailures => "with failures",
                RunOutcome::StoppedEarly => "stopped early",
                RunOutcome::Interrupted => "interrupted",
            },
            executed: report.executed,
            done_before: report.done_before,
            succeeded: counts.succeeded,
            failed: counts.failed + counts.delayed,
            blocked: counts.blocked,
            not_attempted: counts.waiting + counts.ready + counts.running,
            seconds: report.elapsed.as_secs_f64(),
        }
    }
}

fn describe(outcome: &Outcome, arguments: &RunArguments) -> String {
    let mut text = format!(
        "{}: {} quanta executed in {:.1} s",
        outcome.outcome, outcome.executed, outcome.seconds
    );
    if outcome.done_before != 0 {
        text.push_str(&format!(", {} done before", outcome.done_before));
    }
    for (count, what) in [
        (outcome.failed, "failed"),
        (outcome.blocked, "blocked by failures"),
        (outcome.not_attempted, "not attempted"),
    ] {
        if count != 0 {
            text.push_str(&format!("\n{count} {what}"));
        }
    }
    if arguments.target.is_dir() {
        let target = shell_word(arguments.target.as_str());
        text.push_str(&match (outcome.failed, outcome.not_attempted) {
            (0, 0) => format!("\nnext: qbb transfer {target}"),
            (0, _) => format!("\nnext: qbb run {target}"),
            _ => format!("\nnext: qbb report {target}"),
        });
    }
    text
}

/// Shows a run on the terminal.
struct Display<'a> {
    bars: ProgressBars,
    graph: &'a QuantumGraph,
}

impl Progress for Display<'_> {
    fn event(&self, event: &ProgressEvent<'_>) {
        let total = self.graph.quanta.len() as u64;
        match event {
            ProgressEvent::Begun { counts } => {
                self.bars.count("running", u64::from(counts.succeeded), total);
            }
            ProgressEvent::Warning { text } => self.bars.line(&format!("warning: {text}")),
            ProgressEvent::WorkersStarting { count } => {
                self.bars.message(&format!("starting {count} Python workers"));
            }
            ProgressEvent::WorkerReady { .. } => self.bars.message("running"),
            ProgressEvent::QuantumFinished { quantum, outcome, counts, .. } => {
                let ended = counts.succeeded + counts.failed + counts.blocked;
                self.bars.position(u64::from(ended));
                if !outcome.end.is_success() {
                    let what = self.graph.describe_quantum(*quantum);
                    let why = outcome.exception.as_ref();
                    let why = why.map_or_else(String::new, |exception| {
                        let first = exception.message.lines().next().unwrap_or_default();
                        format!(": {}: {first}", exception.type_name)
                    });
                    self.bars.line(&format!("failed: {what}{why}"));
                }
            }
            ProgressEvent::Repeated { repetition } => {
                let what = self.graph.describe_quantum(repetition.quantum);
                let seconds = repetition.wait.as_secs_f64();
                self.bars.line(&format!("it is repeated in {seconds:.0} s: {what}"));
            }
            ProgressEvent::Stopping { running, .. } => {
                self.bars.line(&match running {
                    0 => "stopping".to_owned(),
                    1 => "stopping; a quantum still runs".to_owned(),
                    n => format!("stopping; {n} quanta still run"),
                });
            }
            _ => {}
        }
    }
}
