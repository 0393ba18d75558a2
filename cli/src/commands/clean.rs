//! `qbb clean`.

use std::sync::Arc;

use qbb_executor::{CleanRequest, Leftover, LeftoverKind, find_leftovers, remove_leftovers};
use qbb_graph::QuantumGraph;
use qbb_submit_dirs::SubmitDirectory;
use serde::Serialize;

use crate::arguments::CleanArguments;
use crate::commands::opened::outputs_of;
use crate::output::{ExitCode, Failure, Terminal, table};

/// Lists what runs have left, and removes it if told to.
pub fn execute(arguments: &CleanArguments, terminal: Terminal) -> Result<ExitCode, Failure> {
    let directory = SubmitDirectory::open(&arguments.submit_dir)?;
    let mut graph = qbb_graph::open(&directory.graph())?;
    let repository = outputs_of(&directory)?;
    graph.set_missing_roots(&repository.datastore.root);
    let graph = Arc::new(graph);
    let request = CleanRequest {
        graph: graph.clone(),
        repository: &repository,
        journal: directory.journal(),
        logs: directory.logs(),
        worker_logs: arguments.logs,
    };
    let leftovers = match arguments.yes {
        true => remove_leftovers(&request)?,
        false => find_leftovers(&request)?,
    };
    let list = List::of(&graph, &leftovers, arguments.yes);
    terminal.result(&list, describe)?;
    Ok(ExitCode::Success)
}

/// What there is, for people and programs.
#[derive(Serialize)]
struct List {
    removed: bool,
    bytes: u64,
    leftovers: Vec<Entry>,
}

#[derive(Serialize)]
struct Entry {
    kind: &'static str,
    path: String,
    bytes: u64,
    quantum: Option<String>,
}

impl List {
    fn of(graph: &QuantumGraph, leftovers: &[Leftover], removed: bool) -> Self {
        let entry = |leftover: &Leftover| Entry {
            kind: match leftover.kind {
                LeftoverKind::Unfinished => "unfinished",
                LeftoverKind::ProgramFolder => "program folder",
                LeftoverKind::Output => "output",
                LeftoverKind::WorkerLog => "worker log",
            },
            path: leftover.path.to_string(),
            bytes: leftover.bytes,
            quantum: leftover.quantum.map(|quantum| graph.quanta.uuid(quantum).to_string()),
        };
        let bytes = leftovers.iter().map(|leftover| leftover.bytes).sum();
        Self { removed, bytes, leftovers: leftovers.iter().map(entry).collect() }
    }
}

fn describe(list: &List) -> String {
    if list.leftovers.is_empty() {
        return "nothing is left over".to_owned();
    }
    let rows = list
        .leftovers
        .iter()
        .map(|entry| [entry.kind.to_owned(), entry.path.clone(), entry.bytes.to_string()]);
    let mut text = table(["what", "path", "bytes"], 2, rows);
    let (count, bytes) = (list.leftovers.len(), list.bytes);
    text.push_str(&match list.removed {
        true => format!("\nremoved {count} leftovers with {bytes} bytes"),
        false => format!("\n{count} leftovers with {bytes} bytes; remove them with --yes"),
    });
    text
}
