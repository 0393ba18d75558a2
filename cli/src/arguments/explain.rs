//! Arguments of `qbb explain`.

use camino::Utf8PathBuf;
use clap::{ArgMatches, Args, Command, FromArgMatches, Subcommand};
use qbb_graph::QuantumName;

use super::build::BuildArguments;

/// What is to be explained: a quantum of a run, named by a subcommand, or else a data ID.
///
/// Written out, because a derived optional group whose members are groups is always absent.
#[derive(Debug, Clone)]
pub enum ExplainArguments {
    /// A quantum of a run.
    Run(ExplainSubject),
    /// A data ID, and what would be built.
    DataId(Box<DataIdArguments>),
}

impl Args for ExplainArguments {
    fn augment_args(command: Command) -> Command {
        ExplainSubject::augment_subcommands(DataIdArguments::augment_args(command))
            .args_conflicts_with_subcommands(true)
            .subcommand_negates_reqs(true)
            .subcommand_required(false)
            .arg_required_else_help(false)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for ExplainArguments {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Ok(match matches.subcommand_name() {
            Some(_) => Self::Run(ExplainSubject::from_arg_matches(matches)?),
            None => Self::DataId(Box::new(DataIdArguments::from_arg_matches(matches)?)),
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// What else than a data ID can be explained.
#[derive(Debug, Clone, Subcommand)]
pub enum ExplainSubject {
    /// Say what a quantum of a submit directory waits for, or what became of it.
    Quantum {
        /// Submit directory.
        submit_dir: Utf8PathBuf,
        /// The quantum; dimensions may be left out as long as only one fits.
        #[arg(value_name = "UUID|TASK,DIMENSION=VALUE,…")]
        quantum: QuantumName,
    },
}

/// Which data ID is to be explained, and what it would be built from.
#[derive(Debug, Clone, Args)]
pub struct DataIdArguments {
    /// Dimensions and their values, such as "visit=1001,detector=3"; concerns tasks that
    /// have all of them.
    #[arg(value_name = "DATAID")]
    pub data_id: String,
    /// Label of the only task that is of interest.
    #[arg(long = "of", value_name = "LABEL")]
    pub of_task: Option<String>,
    #[command(flatten)]
    pub build: BuildArguments,
}
