//! What this program costs for each quantum: executes a graph with Rust functions that do nothing,
//! or only write their outputs.
//!
//! `overhead GRAPH FOLDER JOBS [TIMES]`
//!
//! With TIMES, the graph is first made so many times as large, and everything is packed.

use std::error::Error;
use std::io::Write;
use std::num::NonZeroUsize;
use std::sync::Arc;

use camino::Utf8PathBuf;
use qbb_datastore::{ArtifactUri, RepositoryConfig};
use qbb_executor::{
    Cancel, FunctionRegistry, QuantumContext, RunOptions, RunRequest, Silent, TaskError, run,
};
use qbb_graph::open;
use qbb_pipeline::Runner;

#[path = "../../benches/support/tiled.rs"]
mod tiled;

fn nothing(_: &mut QuantumContext<'_>) -> Result<(), TaskError> {
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [graph, folder, jobs, times @ ..] = &arguments[..] else {
        return Err("usage: overhead GRAPH FOLDER JOBS [TIMES]".into());
    };
    let times = times.first().map(|times| times.parse::<u32>()).transpose()?;
    for with_products in [true, false] {
        let mut graph = open(Utf8PathBuf::from(graph).as_path())?;
        // Inputs are not read, so any root will do.
        graph.set_missing_roots(&ArtifactUri::of_folder("/".into())?);
        for task in &mut graph.pipeline.tasks {
            task.runner = Runner::Function("nothing".to_owned());
            task.config_output = None;
            task.init_outputs.clear();
            for input in task.inputs.iter_mut().chain(&mut task.prerequisite_inputs) {
                // What does nothing writes nothing, and its readers must not mind.
                input.minimum = 0;
            }
            if !with_products {
                task.log_output = None;
            }
        }
        graph.init_quanta.clear();
        if let Some(times) = times {
            graph = tiled::tiled(&graph, times);
        }
        let mut functions = FunctionRegistry::new();
        functions.register("nothing", nothing);
        let root = Utf8PathBuf::from(folder).join(format!("products-{with_products}"));
        std::fs::create_dir_all(&root)?;
        std::fs::write(root.join("butler.yaml"), BUTLER_YAML)?;
        let repository = RepositoryConfig::open(root.as_str())?;
        let n_quanta = graph.quanta.len();
        let report = run(&RunRequest {
            graph: Arc::new(graph),
            repository: &repository,
            journal: root.join("journal"),
            logs: root.join("logs"),
            jobs: jobs.parse::<NonZeroUsize>()?,
            quanta: None,
            options: RunOptions { pack: times.is_some(), ..RunOptions::default() },
            functions: Arc::new(functions),
            cancel: Cancel::new(),
            progress: &Silent,
        })?;
        let bytes = std::fs::metadata(&report.journal)?.len();
        let status = std::fs::read_to_string("/proc/self/status")?;
        let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default();
        writeln!(
            std::io::stdout(),
            "{}: {n_quanta} quanta, {:.1} µs and {} bytes of journal each, {:?}, {peak}",
            if with_products { "metadata and log" } else { "metadata only" },
            report.elapsed.as_secs_f64() * 1e6 / n_quanta as f64,
            bytes / n_quanta as u64,
            report.outcome,
        )?;
    }
    Ok(())
}

const BUTLER_YAML: &str = "datastore:\n  cls: lsst.daf.butler.datastores.fileDatastore.FileDatastore\n  \
                           root: <butlerRoot>\nregistry:\n  db: sqlite:///<butlerRoot>/gen3.sqlite3\n";
