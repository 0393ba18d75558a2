//! `qbb graph show` of a provenance graph.

use qbb_graph::{ProvenanceReader, ProvenanceSummary, QuantumName};
use qbb_submit_dirs::caveat_code;

use crate::output::bytes;
use crate::output::{ExitCode, Failure, Terminal, table};

/// Shows what a provenance graph holds, or what it tells of one quantum.
pub fn execute(
    provenance: &ProvenanceReader,
    quantum: Option<&QuantumName>,
    terminal: Terminal,
) -> Result<ExitCode, Failure> {
    match quantum {
        None => terminal.result(&provenance.summary()?, describe)?,
        Some(QuantumName::Id(id)) => {
            let text = provenance.texts()?.quantum(*id)?;
            let text = text.ok_or_else(|| Failure::input(format!("there is no quantum {id}")))?;
            terminal.print(&String::from_utf8_lossy(&text))?;
        }
        Some(QuantumName::DataId(_)) => {
            return Err(Failure::usage("quanta of a provenance graph are found by UUID only")
                .with_hint("`qbb graph quanta` of the graph that was executed lists UUIDs"));
        }
    }
    Ok(ExitCode::Success)
}

fn describe(summary: &ProvenanceSummary) -> String {
    let mut text = format!("provenance of run {}\n", summary.output_run);
    if let Some(output) = &summary.output {
        text.push_str(&format!("output   {output}\n"));
    }
    text.push_str(&format!("inputs   {}\n", summary.inputs.join(", ")));
    text.push_str(&format!("built    {} by {}\n\n", summary.timestamp, summary.user));
    let header =
        ["task", "quanta", "successful", "caveats", "failed", "blocked", "unknown", "aborted"];
    let rows = summary.tasks.iter().map(|task| {
        let counts = &task.counts;
        let caveats: u64 = task.caveats.iter().map(|caveats| caveats.quanta).sum();
        [
            task.task.clone(),
            counts.quanta.to_string(),
            counts.successful.to_string(),
            caveats.to_string(),
            counts.failed.to_string(),
            counts.blocked.to_string(),
            counts.unknown.to_string(),
            (counts.aborted + counts.aborted_success).to_string(),
        ]
    });
    text.push_str(&table(header, 1, rows));
    let caveats = summary.tasks.iter().flat_map(|task| {
        task.caveats
            .iter()
            .map(|count| [task.task.clone(), caveat_code(count.caveats), count.quanta.to_string()])
    });
    let exceptions = summary.tasks.iter().flat_map(|task| {
        (task.exceptions.iter())
            .map(|(name, quanta)| [task.task.clone(), name.clone(), quanta.to_string()])
    });
    for (what, rows) in
        [("caveats", caveats.collect::<Vec<_>>()), ("exception", exceptions.collect())]
    {
        if !rows.is_empty() {
            text.push('\n');
            text.push_str(&table(["task", what, "quanta"], 2, rows));
        }
    }
    text.push_str(&format!(
        "\n{} attempts at {} quanta, {} datasets, {}\n",
        summary.attempts,
        summary.quanta,
        summary.datasets,
        bytes(summary.bytes)
    ));
    text
}
