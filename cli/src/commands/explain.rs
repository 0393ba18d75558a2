//! `qbb explain`: why a data ID has a quantum, or none.

use qbb_builder::{BuildError, DataIdExplanation, Explain, Explanation};
use serde::Serialize;

use crate::arguments::{DataIdArguments, ExplainArguments, ExplainSubject};
use crate::commands::build::{self, Attempt};
use crate::commands::explain_quantum;
use crate::output::{ExitCode, Failure, Terminal, data_id_text};

#[derive(Serialize)]
struct Explained<'a> {
    data_id: &'a str,
    tasks: Vec<&'a DataIdExplanation>,
}

/// Explains what the arguments name.
pub fn execute(arguments: &ExplainArguments, terminal: Terminal) -> Result<ExitCode, Failure> {
    match arguments {
        ExplainArguments::Run(ExplainSubject::Quantum { submit_dir, quantum }) => {
            explain_quantum::execute(submit_dir, quantum, terminal)
        }
        ExplainArguments::DataId(data_id) => explain_data_id(data_id, terminal),
    }
}

/// Builds the graph without writing it, and looks for the data ID. The code says whether it has a
/// quantum.
fn explain_data_id(arguments: &DataIdArguments, terminal: Terminal) -> Result<ExitCode, Failure> {
    let values = parse(&arguments.data_id)?;
    let explain = Explain::DataId(values);
    let explanation: Explanation = match build::attempt(&arguments.build, explain, terminal)? {
        Attempt::Built(built) => built.build.explanation.unwrap_or_default(),
        Attempt::Refused(BuildError::Empty(explanation)) => *explanation,
        Attempt::Refused(error) => return Err(error.into()),
    };
    let wanted = |task: &&DataIdExplanation| {
        arguments.of_task.as_ref().is_none_or(|label| *label == task.task)
    };
    let tasks: Vec<&DataIdExplanation> = explanation.data_id.iter().filter(wanted).collect();
    if tasks.is_empty() {
        return Err(Failure::input(format!(
            "no task of the pipeline has a dimension of {}",
            arguments.data_id
        )));
    }
    let found = tasks.iter().any(|task| task.kept > 0);
    let explained = Explained { data_id: &arguments.data_id, tasks };
    terminal.result(&explained, |explained| data_id_text(&explained.tasks))?;
    Ok(if found { ExitCode::Success } else { ExitCode::Incomplete })
}

/// Reads `dimension=value` separated by commas; values may be quoted.
fn parse(text: &str) -> Result<Vec<(String, String)>, Failure> {
    let parts: Option<Vec<(String, String)>> = (text.split(','))
        .map(|part| {
            let (name, value) = part.split_once('=')?;
            let value = value.trim().trim_matches(['\'', '"']);
            let name = name.trim();
            (!name.is_empty() && !value.is_empty()).then(|| (name.to_owned(), value.to_owned()))
        })
        .collect();
    parts.ok_or_else(|| {
        Failure::usage(format!("`{text}` is no data ID"))
            .with_hint("write dimensions and their values, such as visit=1001,detector=3")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_ids_are_lists_of_equations() {
        let read = parse("visit = 12, instrument='Cam'").unwrap();
        assert_eq!(read, [("visit".into(), "12".into()), ("instrument".into(), "Cam".into())]);
        for wrong in ["", "visit", "visit=", "=3", "visit=3,", "visit=3,,detector=1"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
