//! Builds a graph from a SQLite release and a pipeline export, and writes it as `.qg`.
//!
//! `build_graph REPOSITORY EXPORT GRAPH [--input NAME]... [--where TEXT] [--output NAME]
//! [--output-run NAME] [--constraint TEXT]`; prints one JSON line with counts and seconds.

use std::error::Error;
use std::io::Write;
use std::time::Instant;

use camino::Utf8Path;
use qbb_builder::{BuildRequest, DatasetConstraint, build};
use qbb_pipeline::PipelineDefinition;
use qbb_registry::{DatastoreTable, SqliteRegistry};

fn main() -> Result<(), Box<dyn Error>> {
    let mut positional = Vec::new();
    let mut request = BuildRequest { user: "example".to_owned(), ..Default::default() };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            "--input" => request.inputs.push(value()?),
            "--where" => request.data_query = value()?,
            "--output" => request.output = Some(value()?),
            "--output-run" => request.output_run = Some(value()?),
            "--constraint" => request.constraint = DatasetConstraint::parse(&value()?),
            _ => positional.push(argument),
        }
    }
    let [repository, export, graph] = positional.as_slice() else {
        return Err("usage: build_graph REPOSITORY EXPORT GRAPH [options]".into());
    };
    request.pipeline = PipelineDefinition::from_export(&std::fs::read_to_string(export)?)?;
    let root = format!("file://{repository}/");
    request.datastore_roots.insert("FileDatastore@<butlerRoot>".to_owned(), root);
    let begin = Instant::now();
    let database = Utf8Path::new(repository).join("gen3.sqlite3");
    let mut reader = SqliteRegistry::open_read(&database, DatastoreTable::default())?;
    let opened = begin.elapsed();
    let built = build(&request, &mut reader, &mut |_| {})?;
    let finished = begin.elapsed();
    qbb_graph::write_qg(&built.graph, Utf8Path::new(graph), &qbb_graph::QgOptions::default())?;
    let line = serde_json::json!({
        "quanta": built.graph.quanta.len(),
        "datasets": built.graph.datasets.len(),
        "statements": built.statements,
        "open": opened.as_secs_f64(),
        "build": (finished - opened).as_secs_f64(),
        "write": (begin.elapsed() - finished).as_secs_f64(),
    });
    writeln!(std::io::stdout(), "{line}")?;
    Ok(())
}
