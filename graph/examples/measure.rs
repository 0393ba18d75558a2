//! Measures the file formats on a synthetic graph:
//! `cargo run --release --example measure -p qbb-graph -- VISITS DETECTORS [FOLDER]` makes a graph
//! of `VISITS × (2 × DETECTORS + 1)` quanta and tells the time of each operation, file sizes and
//! the peak memory so far. `measure one FILE QUANTUM` opens one quantum of a file, ten times.

#[path = "../tests/support/synthetic.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod synthetic;

use std::error::Error;
use std::io::Write as _;
use std::time::Instant;

use camino::Utf8PathBuf;
use qbb_graph::{
    Check, QgOptions, QuantumIx, QuantumName, RecordPaths, open_native, open_quanta, read_qg,
    summary, verify, write_native, write_qg,
};

fn timed<T>(what: &str, action: impl FnOnce() -> T) -> Result<T, Box<dyn Error>> {
    let begin = Instant::now();
    let result = action();
    let elapsed = begin.elapsed();
    let status = fs_err::read_to_string("/proc/self/status").unwrap_or_default();
    let memory = |key: &str| {
        let line = status.lines().find(|line| line.starts_with(key));
        line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).unwrap_or(0)
            / 1024
    };
    let (now, peak) = (memory("VmRSS"), memory("VmHWM"));
    writeln!(std::io::stdout(), "{what:<44} {elapsed:>12.3?}   {now:>6} MiB, peak {peak} MiB")?;
    Ok(result)
}

fn one(file: &str, name: &str) -> Result<(), Box<dyn Error>> {
    let (file, name) = (Utf8PathBuf::from(file), [name.parse::<QuantumName>()?]);
    for _ in 0..10 {
        let part = timed(&format!("one quantum of {file}"), || open_quanta(&file, &name))??;
        part.graph.quantum_json(part.quanta[0], RecordPaths::AsRecorded)?;
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let given: Vec<String> = std::env::args().skip(1).collect();
    if let [command, file, name] = given.as_slice()
        && command == "one"
    {
        return one(file, name);
    }
    let mut arguments = given.into_iter();
    let mut number = || arguments.next().ok_or("usage: measure VISITS DETECTORS [FOLDER]");
    let (visits, detectors) = (number()?.parse()?, number()?.parse()?);
    let folder = match arguments.next() {
        Some(folder) => Utf8PathBuf::from(folder),
        None => Utf8PathBuf::try_from(std::env::temp_dir())?,
    };
    let (native, exchange) = (folder.join("measure.qbb"), folder.join("measure.qg"));
    let graph = timed("make", || synthetic::survey_with_regions(visits, detectors))?;
    let edges = graph.inputs.len() + graph.outputs.len();
    let (quanta, datasets) = (graph.quanta.len(), graph.datasets.len());
    writeln!(std::io::stdout(), "{quanta} quanta, {datasets} datasets, {edges} edges")?;
    timed("write native", || write_native(&graph, &native))??;
    drop(graph);
    let graph = timed("open native, structure", || open_native(&native, Check::Structure))??;
    let middle = graph.quanta.uuid(QuantumIx(quanta as u32 / 2));
    let found = timed("find a quantum", || graph.find_quantum(middle))?.ok_or("not found")?;
    timed("its JSON", || graph.quantum_json(found, RecordPaths::AbsoluteUris))??;
    timed("its dimension records", || graph.dimension_data_json(found))??;
    let some: Vec<QuantumIx> = graph.quanta.iter().step_by(quanta.div_ceil(10_000)).collect();
    timed(&format!("dimension records of {} quanta", some.len()), || {
        some.iter().try_for_each(|&quantum| graph.dimension_data_json(quantum).map(drop))
    })??;
    drop(graph);
    let graph = timed("open native, full", || open_native(&native, Check::Full))??;
    timed("flow", || graph.flow().edge_count())?;
    timed("flow sorted by petgraph", || petgraph::algo::toposort(graph.flow(), None).is_ok())?;
    timed("summary", || summary(&graph))?;
    timed("verify", || verify(&graph).is_sound())?;
    timed("write .qg", || write_qg(&graph, &exchange, &QgOptions::default()))??;
    drop(graph);
    timed("read .qg", || read_qg(&exchange))??;
    let name = [QuantumName::Id(middle)];
    for path in [&native, &exchange] {
        timed(&format!("one quantum of {path}"), || open_quanta(path, &name))??;
    }
    writeln!(std::io::stdout(), "the quantum was {middle}")?;
    for path in [native, exchange] {
        let length = fs_err::metadata(&path)?.len();
        writeln!(std::io::stdout(), "{path}: {length} bytes")?;
    }
    Ok(())
}
