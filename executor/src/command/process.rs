//! A program as a child process.

use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};

use camino::Utf8Path;
use qbb_pipeline::{CommandTemplate, Task};

use super::capture::capture;
use super::description::Description;
use super::placeholders::{Values as _, expand};
use crate::functions::TaskError;
use crate::local::QuantumContext;
use crate::process_table::{KillReason, ProcessTable};
use crate::products::{LogLevel, LogRecord, Measured, children_usage};
use crate::python::QuantumJob;

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
    begun: impl FnOnce(u32),
) -> Result<CommandEnd, TaskError> {
    // Below the root, so that outputs can be moved to their places without being copied; with a
    // name by which the datastore recognises what a killed run left.
    let root = context.butler().shared().root();
    let folder = tempfile::Builder::new()
        .prefix(".qbb-")
        .suffix(".tmp")
        .tempdir_in(root)
        .map_err(|error| failed(format!("cannot make a folder in {root}: {error}")))?;
    let folder = Utf8Path::from_path(folder.path())
        .ok_or_else(|| failed("the folder for outputs has a name that is not UTF-8".to_owned()))?;
    let description = Description::new(task, job, context, folder)?;
    for (_, path) in &description.products {
        make_parent(path)?;
    }
    fs_err::write(description.quantum(), description.json.to_string())
        .map_err(|error| failed(error.to_string()))?;
    let arguments =
        expand(&template.arguments, &description).map_err(|error| failed(error.to_string()))?;
    let Some((program, rest)) = arguments.split_first() else {
        return Err(failed(format!("task `{}` has an empty command line", task.label)));
    };
    context.log(LogLevel::Info, format!("Running {}", arguments.join(" ")));
    let mut command = Command::new(program);
    table.expect(&mut command);
    let mut child = command
        .args(rest)
        .envs(job.memory.map(|bytes| ("QBB_MEMORY", bytes.to_string())))
        .envs(&template.environment)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(|error| failed(format!("cannot start `{program}`: {error}")))?;
    table.add(child.id());
    begun(child.id());
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

type Ended = std::io::Result<(ExitStatus, Measured, Option<KillReason>)>;

/// Reads what the program prints until it ends.
fn wait_for(child: &mut Child, label: &str, table: &ProcessTable) -> (Vec<LogRecord>, Ended) {
    let pid = child.id();
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    std::thread::scope(|scope| {
        let out = scope.spawn(|| stdout.map(|s| capture(s, LogLevel::Info, label)));
        let err = scope.spawn(|| stderr.map(|s| capture(s, LogLevel::Warning, label)));
        let ended = wait_and_clean_up(pid, table);
        // A reader does not panic; if it did, its lines would be lost.
        let read = |lines: std::thread::Result<Option<Vec<LogRecord>>>| {
            lines.ok().flatten().unwrap_or_default()
        };
        let mut records = read(out.join());
        records.extend(read(err.join()));
        records.sort_by_key(|record| record.time);
        (records, ended)
    })
}

/// Waits for the end of the leader, ends what it left behind, and reaps it.
fn wait_and_clean_up(pid: u32, table: &ProcessTable) -> Ended {
    use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        // Its number stays taken until it is reaped below, so the group is still ours.
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        while let Err(rustix::io::Errno::INTR) = waitid(WaitId::Pid(pid), options) {}
    }
    let killed = table.kill_reason(pid);
    // Processes in the background would keep our pipes open.
    table.kill(pid, KillReason::Interrupted);
    table.remove(pid);
    let (status, used) = children_usage(pid)?;
    Ok((status, used, killed))
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
