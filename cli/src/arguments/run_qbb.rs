//! Options of `qbb run` that `pipetask run-qbb` and `pre-exec-init-qbb` have, too.

use std::time::Duration;

use camino::Utf8PathBuf;
use clap::{ArgAction, Args, ValueEnum};
use uuid::Uuid;

/// Options with the meaning they have for the middleware.
#[derive(Debug, Args)]
#[command(next_help_heading = "Options of pipetask run-qbb")]
pub struct RunQbbArguments {
    /// Run these quanta only; may be repeated. Others may run in other processes at the same time.
    #[arg(long, value_name = "UUID,...", value_delimiter = ',')]
    pub qgraph_node_id: Vec<Uuid>,
    /// Kill a quantum that takes longer than this many seconds; it has failed. Works with any
    /// number of jobs.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub timeout: Option<Duration>,
    /// Start nothing more after the first failure.
    #[arg(long)]
    pub fail_fast: bool,
    /// Count partial outputs as a failure (the default).
    #[arg(
        long, default_value_t = true, action = ArgAction::Set, value_name = "BOOL",
        num_args = 0..=1, default_missing_value = "true",
        overrides_with = "no_raise_on_partial_outputs"
    )]
    pub raise_on_partial_outputs: bool,
    /// Count partial outputs as success with a caveat.
    #[arg(long, overrides_with = "raise_on_partial_outputs")]
    pub no_raise_on_partial_outputs: bool,
    /// Do not look for outputs of quanta that the journal knows nothing of.
    #[arg(long)]
    pub no_existing_outputs: bool,
    /// Write a summary of the run and of each quantum in JSON.
    #[arg(long, value_name = "FILE")]
    pub summary: Option<Utf8PathBuf>,
    /// Cores that each quantum may use.
    #[arg(short = 'n', long, value_name = "N", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    pub cores_per_quantum: u32,
    /// Memory that each quantum may use, in MB or with a unit (`3GB`, `2.5 GiB`); it is told to
    /// tasks and not enforced.
    #[arg(long, value_name = "SIZE", value_parser = memory)]
    pub memory_per_quantum: Option<Memory>,
    /// Folders in which Python looks for butler configuration before it does elsewhere.
    #[arg(long, value_name = "FOLDER,...", value_delimiter = ',')]
    pub config_search_path: Vec<Utf8PathBuf>,
    /// Profile the Python code of quanta and write the statistics to this file.
    #[arg(long, value_name = "FILE")]
    pub profile: Option<Utf8PathBuf>,
    /// Start the Python debugger where a quantum has failed.
    #[arg(long)]
    pub pdb: bool,
    /// Import the module `debug` and enable `lsstDebug`.
    #[arg(long)]
    pub debug: bool,
    /// How Python processes are started.
    #[arg(long, value_enum, value_name = "METHOD")]
    pub start_method: Option<StartMethod>,
    /// Let libraries start threads as they like, if quanta run one at a time.
    #[arg(long)]
    pub enable_implicit_threading: bool,
    /// Write configs, package versions and init-outputs, and run no quantum (`pre-exec-init-qbb`).
    #[arg(long, conflicts_with_all = ["no_init", "qgraph_node_id"])]
    pub init_only: bool,
    /// Leave configs, package versions and init-outputs to another run.
    #[arg(long)]
    pub no_init: bool,
}

/// Names that `pipetask run-qbb` has for ways to start processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum StartMethod {
    /// Each Python process starts by itself.
    Spawn,
    /// Python processes are copies of one that has imported all tasks.
    Fork,
    /// The same as `fork`.
    Forkserver,
}

/// A size in bytes; none is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory(pub Option<u64>);

fn seconds(text: &str) -> Result<Duration, String> {
    (text.trim().parse().ok())
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| "give a number of seconds, such as 3600".to_owned())
}

/// Units of the middleware's library of units that stand for sizes.
const UNITS: [(&str, f64); 12] = [
    ("", 1e6),
    ("B", 1.0),
    ("kB", 1e3),
    ("MB", 1e6),
    ("GB", 1e9),
    ("TB", 1e12),
    ("PB", 1e15),
    ("KiB", 1024.0),
    ("MiB", 1_048_576.0),
    ("GiB", 1_073_741_824.0),
    ("TiB", 1_099_511_627_776.0),
    ("PiB", 1_125_899_906_842_624.0),
];

pub(super) fn memory(text: &str) -> Result<Memory, String> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(Memory(None));
    }
    // What begins a unit is no part of a number, but `e` may be.
    let unit =
        text.find(|c: char| c.is_ascii_alphabetic() && !"eE".contains(c)).unwrap_or(text.len());
    let (number, unit) = (text[..unit].trim(), &text[unit..]);
    // The same units with their long name: `byte`, `Mbyte`, `Gibyte`.
    let unit = unit.strip_suffix("yte").map_or(unit.to_owned(), |prefix| {
        let prefix = prefix.strip_suffix('b').unwrap_or(prefix);
        format!("{prefix}B")
    });
    let factor = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, factor)| factor);
    match (number.parse::<f64>(), factor) {
        (Ok(number), Some(factor)) if number >= 0.0 && (number * factor) < 1e18 => {
            Ok(Memory(Some((number * factor).round() as u64)))
        }
        _ => Err("give megabytes, or a number with one of B, kB, MB, GB, TB, PB, KiB, MiB, GiB, \
                  TiB, PiB"
            .to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &str) -> Option<u64> {
        memory(text).unwrap().0
    }

    #[test]
    fn memory_is_in_megabytes_unless_it_has_a_unit() {
        for (text, expected) in [
            ("3000", 3_000_000_000),
            ("3GB", 3_000_000_000),
            (" 3000 MB ", 3_000_000_000),
            ("2.5 GiB", 2_684_354_560),
            ("1e3 kB", 1_000_000),
            ("1.5e0MB", 1_500_000),
            ("4096B", 4096),
            ("512 KiB", 524_288),
            ("4096 byte", 4096),
            ("2 Mbyte", 2_000_000),
            ("2 Gibyte", 2_147_483_648),
        ] {
            assert_eq!(bytes(text), Some(expected), "{text}");
        }
        assert_eq!(bytes(""), None);
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for text in ["GB", "3 gb", "3 apples", "-1", "nan", "inf", "1e30", "3GB 4GB", "3 s"] {
            assert!(memory(text).is_err(), "{text}");
        }
    }

    #[test]
    fn time_limits_are_seconds() {
        assert_eq!(seconds("90"), Ok(Duration::from_secs(90)));
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        for text in ["-1", "nan", "1h", ""] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }
}
