//! Loading a graph for execution: opened, checked, and every quantum looked up with all that its
//! task needs to know, against what the stock executor does before it runs anything.
//!
//! Inside of a process that runs already, and as whole processes.

#[allow(dead_code, unused_imports, reason = "each benchmark uses its part")]
mod support;

use std::hint::black_box;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use qbb_graph::{Check, QuantumGraph, QuantumIx, QuantumName, open_quanta, open_with};
use support::{
    DEFAULTS, Report, Result, Samples, Setting, Unit, WHERE, alternate, measure, pipeline, utf8,
};
use uuid::Uuid;

/// How long an operation inside of this process is repeated for one sample.
const SAMPLE: Duration = Duration::from_millis(200);

fn main() -> Result<()> {
    support::main(run)
}

fn run(setting: &Setting, report: &mut Report) -> Result<()> {
    let (native, stock) = (setting.scratch("ours.qbb"), setting.scratch("theirs.qg"));
    let mut ours = setting.qbb();
    ours.args(["graph", "build"]);
    let mut pipetask = setting.middleware("pipetask");
    pipetask.args(["qgraph", "--qgraph-datastore-records"]);
    for (command, file) in [(&mut ours, &native), (&mut pipetask, &stock)] {
        command.arg("-b").arg(&setting.release).arg("-p").arg(pipeline("data_release"));
        command.args(["-i", DEFAULTS, "-d", WHERE, "--output-run", "u/bench/run", "-q"]).arg(file);
        measure(command)?;
    }

    let (native_quantum, stock_quantum) =
        (some_quantum(setting, &native)?, some_quantum(setting, &stock)?);
    let [show_native, show_stock, whole, one] = alternate(
        setting.rounds,
        [
            &mut || measure(&mut show(setting, &native)),
            &mut || measure(&mut show(setting, &stock)),
            &mut || measure(&mut load_by_middleware(setting, &stock)),
            &mut || {
                let mut command = load_by_middleware(setting, &stock);
                measure(command.arg(stock_quantum.to_string()))
            },
        ],
    )?;
    let n_quanta = whole.numbers("n_quanta")?.median();
    report.note(&format!(
        "{n_quanta} quanta; the `.qbb` has {} bytes, the middleware's `.qg` {}",
        fs_err::metadata(&native)?.len(),
        fs_err::metadata(&stock)?.len(),
    ));
    let (their_whole, their_one) =
        (whole.numbers("inside_seconds")?, one.numbers("inside_seconds")?);
    let seconds = Unit::Seconds;
    for (name, file, quantum) in
        [("`.qbb`", &native, native_quantum), ("`.qg`", &stock, stock_quantum)]
    {
        let samples = sample(setting, || whole_graph(file))?;
        report.compare(&format!("{name}, all quanta, inside"), seconds, &samples, &their_whole);
        let samples = sample(setting, || one_quantum(file, quantum))?;
        report.compare(&format!("{name}, one quantum, inside"), seconds, &samples, &their_one);
    }
    for (name, ours) in [("`.qbb`", &show_native), ("`.qg`", &show_stock)] {
        report.compare(&format!("{name}, process: wall"), seconds, &ours.wall(), &whole.wall());
        report.compare(&format!("{name}, process: CPU"), seconds, &ours.cpu(), &whole.cpu());
        let (ours, theirs) = (ours.peak(), whole.peak());
        report.compare(&format!("{name}, process: peak memory"), Unit::Mebibytes, &ours, &theirs);
    }
    Ok(())
}

/// `qbb graph show`, which opens a graph, checks all of it and counts everything in it.
fn show(setting: &Setting, graph: &Path) -> Command {
    of_graph(setting, "show", graph)
}

fn of_graph(setting: &Setting, what: &str, graph: &Path) -> Command {
    let mut command = setting.qbb();
    command.args(["graph", what]).arg(graph);
    command
}

fn load_by_middleware(setting: &Setting, graph: &Path) -> Command {
    let mut command = setting.kit_script("time_inside.py");
    command.arg("load").arg(graph);
    command
}

/// UUID of a quantum from the middle of a task. Another process finds it, lest the memory of this
/// one grows, below which it cannot measure.
fn some_quantum(setting: &Setting, graph: &Path) -> Result<Uuid> {
    let mut list = of_graph(setting, "quanta", graph);
    let listed = measure(list.args(["--task", "makeWarp"]))?.json()?;
    let quanta = listed["quanta"].as_array().ok_or("the graph has no such task")?;
    let quantum = quanta[quanta.len() / 2]["quantum"].as_str().ok_or("a quantum without UUID")?;
    Ok(quantum.parse()?)
}

/// Opens and checks a graph, computes the order of its quanta and prepares each.
fn whole_graph(file: &Path) -> Result<usize> {
    let graph = open_with(utf8(file)?, Check::Full)?;
    let prepared: usize = graph.quanta.iter().map(|quantum| prepare(&graph, quantum)).sum();
    Ok(prepared + graph.flow().len())
}

/// Opens one quantum of a graph and prepares it; nothing else is read.
fn one_quantum(file: &Path, id: Uuid) -> Result<usize> {
    let part = open_quanta(utf8(file)?, &[QuantumName::Id(id)])?;
    Ok(prepare(&part.graph, part.quanta[0]))
}

/// Finds what a quantum's task is given: the records that expand its data IDs and those of its
/// datasets, and the datastore records of its inputs.
fn prepare(graph: &QuantumGraph, quantum: QuantumIx) -> usize {
    let records = graph.dimension_data(graph.quantum_data_ids(quantum));
    let rows: usize = records.tables.iter().map(|(_, rows)| rows.len()).sum();
    let inputs =
        graph.inputs.edges(quantum).map(|(_, input)| graph.records.of_dataset(input).len());
    rows + inputs.sum::<usize>()
}

/// Times an operation, as often as processes are measured; each sample is a mean.
fn sample(setting: &Setting, operation: impl Fn() -> Result<usize>) -> Result<Samples> {
    let one = || {
        let (start, mut times) = (Instant::now(), 0);
        while start.elapsed() < SAMPLE {
            black_box(operation()?);
            times += 1;
        }
        Ok(start.elapsed().as_secs_f64() / f64::from(times))
    };
    (0..setting.rounds).map(|_| one()).collect()
}
