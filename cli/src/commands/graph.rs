//! `qbb graph`.

use camino::Utf8Path;
use qbb_graph::{
    DEFAULT_NODE_LIMIT, Level, QgOptions, QuantumGraph, RecordPaths, Summary, Verification,
};
use serde::Serialize;

use crate::arguments::{BuildArguments, DotLevel, GraphCommand, RecordPathsArgument};
use crate::commands::build::{Built, build};
use crate::commands::opened::open_graph;
use crate::commands::report::bytes;
use crate::output::{ExitCode, Failure, Terminal, table};

/// Does what a graph command says.
pub fn execute(command: GraphCommand, terminal: Terminal) -> Result<ExitCode, Failure> {
    match command {
        GraphCommand::Build(arguments) => {
            build_file(&arguments.build, &arguments.save_qgraph, terminal)
        }
        GraphCommand::Show { graph, task } => show(&graph, task.as_deref(), terminal),
        GraphCommand::Convert { graph, output, record_paths } => {
            let format = FileFormat::of(&output)?;
            write(&open_graph(&graph)?, &output, format, record_paths)?;
            terminal.note(&format!("{graph} written as {output}"));
            Ok(ExitCode::Success)
        }
        GraphCommand::Dot { graph, level } => {
            let level = match level {
                DotLevel::Tasks => Level::Tasks,
                DotLevel::Quanta => Level::Quanta,
            };
            terminal.print(&qbb_graph::dot(&open_graph(&graph)?, level, DEFAULT_NODE_LIMIT)?)?;
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
    Ok(ExitCode::Success)
}

#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    summary: Summary,
    #[serde(skip_serializing_if = "Option::is_none")]
    task_quanta: Option<Vec<ShownQuantum>>,
}

#[derive(Serialize)]
struct ShownQuantum {
    quantum: uuid::Uuid,
    data_id: String,
    inputs: usize,
    outputs: usize,
}

fn show(path: &Utf8Path, task: Option<&str>, terminal: Terminal) -> Result<ExitCode, Failure> {
    let graph = open_graph(path)?;
    let task_quanta = task.map(|label| quanta_of(&graph, label)).transpose()?;
    let shown = Shown { summary: qbb_graph::summary(&graph), task_quanta };
    terminal.result(&shown, describe)?;
    Ok(ExitCode::Success)
}

fn quanta_of(graph: &QuantumGraph, label: &str) -> Result<Vec<ShownQuantum>, Failure> {
    let task = graph.pipeline.find_task(label).ok_or_else(|| {
        let labels: Vec<&str> = graph.pipeline.tasks.iter().map(|t| t.label.as_str()).collect();
        Failure::input(format!("the graph has no task `{label}`"))
            .with_hint(format!("its tasks are {}", labels.join(", ")))
    })?;
    let data_ids = graph.task_data_ids(task);
    Ok((graph.quanta.iter())
        .filter(|&quantum| graph.quanta.task(quantum) == task)
        .map(|quantum| ShownQuantum {
            quantum: graph.quanta.uuid(quantum),
            data_id: data_ids.describe(graph.quanta.data_id[quantum.index()], &graph.symbols),
            inputs: graph.inputs.range(quantum).len(),
            outputs: graph.outputs.range(quantum).len(),
        })
        .collect())
}

fn describe(shown: &Shown) -> String {
    let summary = &shown.summary;
    let mut text = format!("run     {}\n", summary.output_run);
    if let Some(output) = &summary.output {
        text.push_str(&format!("output  {output}\n"));
    }
    text.push_str(&format!("inputs  {}\n", summary.inputs.join(", ")));
    text.push_str(&format!("built   {} by {}\n\n", summary.timestamp, summary.user));
    let rows = summary.tasks.iter().map(|task| {
        [
            task.label.clone(),
            task.dimensions.join(" "),
            task.quanta.to_string(),
            task.inputs.to_string(),
            task.outputs.to_string(),
        ]
    });
    text.push_str(&table(["task", "dimensions", "quanta", "inputs", "outputs"], 2, rows));
    text.push_str(&format!(
        "\n{} quanta with {} dependencies\n{} datasets: {} overall inputs ({}), {} intermediates, \
         {} outputs, {} init-outputs\n",
        summary.quanta,
        summary.dependencies,
        summary.datasets,
        summary.overall_inputs,
        bytes(summary.input_bytes),
        summary.intermediates,
        summary.outputs,
        summary.init_outputs,
    ));
    for quantum in shown.task_quanta.iter().flatten() {
        text.push_str(&format!(
            "{}  {}  {} inputs, {} outputs\n",
            quantum.quantum, quantum.data_id, quantum.inputs, quantum.outputs
        ));
    }
    text
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
