//! `qbb graph`.

mod diff;
mod picture;
mod provenance;
mod quanta;
mod show;

use camino::Utf8Path;
use qbb_builder::Explanation;
use qbb_graph::{QgOptions, QuantumGraph, RecordPaths, Verification};
use serde::Serialize;

use crate::arguments::{BuildArguments, GraphCommand, RecordPathsArgument};
use crate::commands::build::{Built, build};
use crate::commands::opened::open_graph;
use crate::output::{
    ExitCode, Failure, Terminal, check_destination, remove_unfinished_at_signals, table,
};

/// Does what a graph command says.
pub fn execute(command: GraphCommand, terminal: Terminal) -> Result<ExitCode, Failure> {
    match command {
        GraphCommand::Build(arguments) => {
            remove_unfinished_at_signals()?;
            build_file(&arguments.build, &arguments.save_qgraph, terminal)
        }
        GraphCommand::Show { graph, quantum } => show::execute(&graph, quantum.as_ref(), terminal),
        GraphCommand::Quanta(arguments) => quanta::execute(&arguments, terminal),
        GraphCommand::Summary { graph } => show::summary(&graph, terminal),
        GraphCommand::Diff(arguments) => diff::execute(&arguments, terminal),
        GraphCommand::Convert { graph, output, record_paths, output_run } => {
            remove_unfinished_at_signals()?;
            let format = FileFormat::of(&output)?;
            check_destination(&output)?;
            let mut converted = open_graph(&graph)?;
            if let Some(run) = output_run {
                converted = converted.into_output_run(&run)?;
            }
            write(&converted, &output, format, record_paths)?;
            terminal.note(&format!("{graph} written as {output}"));
            Ok(ExitCode::Success)
        }
        GraphCommand::Dot(arguments) => {
            terminal.print(&picture::draw(&arguments)?.to_dot())?;
            Ok(ExitCode::Success)
        }
        GraphCommand::Mermaid(arguments) => {
            terminal.print(&picture::draw(&arguments)?.to_mermaid())?;
            Ok(ExitCode::Success)
        }
        GraphCommand::Svg(arguments) => {
            terminal.print(&picture::draw(&arguments)?.to_svg())?;
            Ok(ExitCode::Success)
        }
        GraphCommand::Verify { graph } => verify(&graph, terminal),
    }
}

/// The formats of graph files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FileFormat {
    Native,
    Qg,
}

impl FileFormat {
    fn of(path: &Utf8Path) -> Result<Self, Failure> {
        match path.extension() {
            Some("qbb") => Ok(Self::Native),
            Some("qg") => Ok(Self::Qg),
            _ => Err(Failure::usage(format!("{path}: the ending must say the format"))
                .with_hint("use `.qg` for the middleware's format or `.qbb` for the native one")),
        }
    }
}

fn write(
    graph: &QuantumGraph,
    path: &Utf8Path,
    format: FileFormat,
    record_paths: RecordPathsArgument,
) -> Result<(), Failure> {
    match format {
        FileFormat::Native => Ok(qbb_graph::write_native(graph, path)?),
        FileFormat::Qg => {
            let record_paths = match record_paths {
                RecordPathsArgument::Recorded => RecordPaths::AsRecorded,
                RecordPathsArgument::Absolute => RecordPaths::AbsoluteUris,
            };
            Ok(qbb_graph::write_qg(graph, path, &QgOptions { record_paths })?)
        }
    }
}

#[derive(Serialize)]
struct BuiltGraph<'a> {
    graph: &'a Utf8Path,
    quanta: usize,
    datasets: usize,
    output_run: &'a str,
    tasks: Vec<BuiltTask<'a>>,
    statements: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    explanation: Option<&'a Explanation>,
}

#[derive(Serialize)]
struct BuiltTask<'a> {
    task: &'a str,
    quanta: usize,
    pruned: usize,
}

fn build_file(
    arguments: &BuildArguments,
    path: &Utf8Path,
    terminal: Terminal,
) -> Result<ExitCode, Failure> {
    let format = FileFormat::of(path)?;
    check_destination(path)?;
    let Built { build, .. } = build(arguments, terminal)?;
    write(&build.graph, path, format, RecordPathsArgument::Recorded)?;
    let built = BuiltGraph {
        graph: path,
        quanta: build.graph.quanta.len(),
        datasets: build.graph.datasets.len(),
        output_run: &build.graph.header.output_run,
        tasks: (build.tasks.iter())
            .map(|task| BuiltTask {
                task: &task.label,
                quanta: task.kept,
                pruned: task.initial.saturating_sub(task.kept),
            })
            .collect(),
        statements: build.statements,
        explanation: build.explanation.as_ref(),
    };
    terminal.result(&built, |built| {
        let rows = built.tasks.iter();
        let mut text = table(
            ["task", "quanta", "pruned"],
            1,
            rows.map(|t| [t.task.to_owned(), t.quanta.to_string(), t.pruned.to_string()]),
        );
        text.push_str(&format!("\n{} quanta written to {}", built.quanta, built.graph));
        text
    })?;
    // The process ends, which gives all memory back at once.
    std::mem::forget(build);
    Ok(ExitCode::Success)
}

fn verify(path: &Utf8Path, terminal: Terminal) -> Result<ExitCode, Failure> {
    let verification = qbb_graph::verify(&open_graph(path)?);
    let sound = verification.is_sound();
    terminal.result(&verification, describe_verification)?;
    Ok(if sound { ExitCode::Success } else { ExitCode::Incomplete })
}

fn describe_verification(verification: &Verification) -> String {
    let mut text = String::new();
    for result in &verification.rules {
        match &result.flaw {
            None => text.push_str(&format!("ok      {}\n", result.rule)),
            Some(flaw) => text.push_str(&format!("broken  {}\n        {flaw}\n", result.rule)),
        }
    }
    if let Some(example) = &verification.example {
        text.push_str(&format!(
            "warning {} overall inputs have no datastore record, such as {example}\n",
            verification.inputs_without_records
        ));
    }
    text
}
