//! Options of `qbb run` on what is executed, when, and how often.

use std::time::Duration;

use camino::Utf8PathBuf;
use clap::Args;
use qbb_executor::scheduler::RetryOn;
use qbb_executor::{OnlyState, QuantumTerm, parse_size};

/// Which quanta are executed.
#[derive(Debug, Args)]
#[command(next_help_heading = "Which quanta are executed")]
pub struct SelectionArguments {
    /// Only quanta that failed, that are blocked by failures, or that were not tried or cut off.
    #[arg(long, value_name = "failed|blocked|unfinished,...", value_delimiter = ',')]
    pub only: Vec<OnlyState>,
    /// Only these quanta: UUIDs, labels of tasks, values such as `visit=12`, separated by commas; all
    /// values must fit. May be repeated for more quanta.
    #[arg(long, value_name = "TASK,DIMENSION=VALUE,...")]
    pub select: Vec<QuantumTerm>,
    /// Only quanta of these tasks and what they need.
    #[arg(long, value_name = "TASK,...", value_delimiter = ',')]
    pub until: Vec<String>,
    /// Execute these quanta again, written as for --select, and all that depends on them; what they
    /// wrote is removed first. May be repeated.
    #[arg(long, value_name = "TASK,DIMENSION=VALUE,...")]
    pub rerun: Vec<QuantumTerm>,
    /// Only show how many quanta of each task would be executed.
    #[arg(long)]
    pub dry_run: bool,
}

/// What quanta may take, and what becomes of failures.
#[derive(Debug, Args)]
#[command(next_help_heading = "Retries and resources")]
pub struct SchedulingArguments {
    /// Repeat a failed quantum this often.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub retries: u32,
    /// Wait this long before the first repetition, and twice as long before each further one, up to
    /// five minutes.
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = seconds)]
    pub retry_delay: Duration,
    /// Which failures are repeated: oom (lack of memory), signal, worker (its process died), timeout,
    /// exit codes, signals such as SIGBUS, or any.
    #[arg(long, value_name = "LIST", default_value = "oom,signal,worker")]
    pub retry_on: RetryOn,
    /// Memory for all quanta that run at the same time, in MB or with a unit (`64GB`, `60 GiB`); by
    /// default what there is, less a tenth (at most 4 GiB).
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub memory: Option<u64>,
    /// Scratch space for all quanta that run at the same time.
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub scratch: Option<u64>,
    /// Anything else that there is only so much of, such as gpu=2 or database=10. May be repeated.
    #[arg(long, value_name = "NAME=N", value_parser = named_resource)]
    pub resource: Vec<(String, u64)>,
    /// What quanta of each task need: YAML with cores, memory, scratch and resources by task.
    #[arg(long, value_name = "FILE")]
    pub resources: Option<Utf8PathBuf>,
    /// Delete intermediate datasets of these types, or all, when everything that reads them has
    /// succeeded. Metadata and logs are kept, and so is what nothing reads unless its type is named.
    #[arg(long, value_name = "TYPE,...|all", value_delimiter = ',')]
    pub delete_intermediates: Vec<String>,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| format!("`{text}` is no number of seconds"))?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

fn named_resource(text: &str) -> Result<(String, u64), String> {
    let wrong = || format!("`{text}` is not of the form NAME=N, such as gpu=2");
    let (name, amount) = text.split_once('=').ok_or_else(wrong)?;
    let amount = amount.trim().parse().map_err(|_| wrong())?;
    match name.trim() {
        "" => Err(wrong()),
        "cores" => Err("cores are given with --jobs".to_owned()),
        "memory" | "scratch" => Err(format!("there is an option --{} of its own", name.trim())),
        name => Ok((name.to_owned(), amount)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn named_resources_have_names_of_their_own() {
        assert_eq!(named_resource("gpu = 2"), Ok(("gpu".to_owned(), 2)));
        for wrong in ["gpu", "gpu=", "=2", "gpu=-1", "memory=5", "cores=3"] {
            assert!(named_resource(wrong).is_err(), "{wrong}");
        }
    }
}
