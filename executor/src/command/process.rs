//! A program as a child process.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use camino::Utf8Path;
use qbb_pipeline::{CommandTemplate, Task};

use super::child::Launcher;
use super::description::Description;
use super::placeholders::{Values as _, expand};
use super::waiting::wait_for;
use super::work_folder::WorkFolder;
use crate::functions::TaskError;
use crate::local::QuantumContext;
use crate::process_table::{KillReason, ProcessTable};
use crate::products::{LogLevel, Measured};
use crate::python::QuantumJob;

/// What stands for the JSON description, which is not written if nobody asks for it.
const JSON_PLACEHOLDER: &str = "{quantum}";

/// What a thread keeps from one program to the next.
#[derive(Debug, Default)]
pub(crate) struct Workbench {
    pub folder: WorkFolder,
    launcher: Option<Launcher>,
}

/// How a program ended.
#[derive(Debug)]
pub(crate) struct CommandEnd {
    pub result: Result<(), TaskError>,
    pub status: ExitStatus,
    /// What it used.
    pub used: Measured,
    /// Whether we killed it.
    pub killed: Option<KillReason>,
}

impl CommandEnd {
    /// Exit code, or the signal as a negative number.
    pub fn exit_code(&self) -> Option<i32> {
        self.status.code().or_else(|| self.status.signal().map(|signal| -signal))
    }
}

/// Runs the program of a task for one quantum. Its outputs take their places only if it succeeds.
///
/// The program runs in the working directory of this process, with its environment and no standard
/// input. What it prints goes to the log dataset.
pub(crate) fn run_command(
    task: &Task,
    template: &CommandTemplate,
    job: QuantumJob,
    context: &mut QuantumContext<'_>,
    table: &ProcessTable,
    bench: &mut Workbench,
    begun: impl FnOnce(u32),
) -> Result<CommandEnd, TaskError> {
    let wants_json = template.arguments.iter().any(|argument| argument.contains(JSON_PLACEHOLDER));
    let folder = match wants_json || !task.outputs.is_empty() {
        true => {
            let butler = context.butler().shared();
            bench.folder.get(butler.root(), &butler.unfinished_prefix())?
        }
        false => Utf8Path::new(""),
    };
    let description = Description::new(task, job, context, folder, wants_json)?;
    for (_, path) in &description.products {
        if path.parent() != Some(folder) {
            make_parent(path)?;
        }
    }
    if wants_json {
        fs_err::write(description.quantum(), description.json.to_string())
            .map_err(|error| failed(error.to_string()))?;
    }
    let arguments =
        expand(&template.arguments, &description).map_err(|error| failed(error.to_string()))?;
    let Some(program) = arguments.first() else {
        return Err(failed(format!("task `{}` has an empty command line", task.label)));
    };
    context.log(LogLevel::Info, format!("Running {}", arguments.join(" ")));
    let cannot = |error: std::io::Error| failed(format!("cannot start `{program}`: {error}"));
    let launcher = match &mut bench.launcher {
        Some(launcher) => launcher,
        none => none.insert(Launcher::new(table.mark()).map_err(cannot)?),
    };
    let memory = job.memory.map(|bytes| ("QBB_MEMORY".to_owned(), bytes.to_string()));
    // What a pipeline says about a variable counts more.
    let memory = memory.filter(|(name, _)| !template.environment.contains_key(name));
    let said = template.environment.iter().map(|(name, value)| (name.clone(), value.clone()));
    let mut child = launcher.start(&arguments, memory.into_iter().chain(said)).map_err(cannot)?;
    table.add(child.pid);
    begun(child.pid);
    let (mut records, ended) = wait_for(&mut child, &task.label, table);
    let last_error = (records.iter().rev())
        .find(|record| record.level == LogLevel::Warning)
        .map(|record| record.message.clone());
    context.extend_log(&mut records);
    let (status, used, killed) =
        ended.map_err(|error| failed(format!("cannot wait for `{program}`: {error}")))?;
    let result = if killed == Some(KillReason::TimedOut) {
        Err(TaskError::Failed {
            type_name: "TimedOut".to_owned(),
            message: format!("`{program}` ran into its time limit"),
        })
    } else if status.success() {
        adopt_outputs(&description, context)
    } else {
        let last = last_error.map(|line| format!("; it said last: {line}")).unwrap_or_default();
        Err(TaskError::Failed {
            type_name: "CommandFailed".to_owned(),
            message: format!("`{program}` ended with {status}{last}"),
        })
    };
    Ok(CommandEnd { result, status, used, killed })
}

fn adopt_outputs(description: &Description, context: &QuantumContext<'_>) -> Result<(), TaskError> {
    for (dataset, path) in &description.products {
        // An output that was not written is a caveat, not a failure.
        if path.exists() {
            context.put_file(*dataset, path)?;
        }
    }
    Ok(())
}

fn make_parent(path: &Utf8Path) -> Result<(), TaskError> {
    match path.parent() {
        Some(folder) => fs_err::create_dir_all(folder).map_err(|error| failed(error.to_string())),
        None => Ok(()),
    }
}

fn failed(message: String) -> TaskError {
    TaskError::Failed { type_name: "CommandError".to_owned(), message }
}
