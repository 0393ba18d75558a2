//! Options of logging, the same for all commands.

use camino::Utf8PathBuf;
use clap::{Args, ValueEnum};

/// What is logged, where, and how.
#[derive(Debug, Clone, Args)]
pub struct LoggingArguments {
    /// Log what is at least this important: ERROR, WARNING, INFO, VERBOSE, DEBUG or TRACE; for one
    /// part of the program, or for one logger of Python tasks (`lsst.ip.isr=DEBUG`), with COMPONENT=LEVEL.
    /// May be repeated.
    #[arg(
        long,
        value_name = "[COMPONENT=]LEVEL",
        global = true,
        display_order = 902,
        help_heading = "Logging"
    )]
    pub log_level: Vec<String>,
    /// Append the log to a file instead of standard error.
    #[arg(long, value_name = "FILE", global = true, display_order = 903, help_heading = "Logging")]
    pub log_file: Option<Utf8PathBuf>,
    /// Form of the log.
    #[arg(
        long, value_enum, default_value_t = LogFormat::Text, global = true, display_order = 904,
        help_heading = "Logging"
    )]
    pub log_format: LogFormat,
}

/// Forms of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// A line for each event, for people.
    Text,
    /// A JSON object in a line for each event.
    Json,
}
