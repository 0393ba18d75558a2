//! The commands, one module each.

mod build;
mod clean;
mod collections;
mod conversion;
mod create;
mod demo;
mod executed;
mod explain;
mod explain_quantum;
mod graph;
mod log;
mod manual;
mod migrate_check;
mod opened;
mod packed_provenance;
mod pipeline;
mod prepare;
mod provenance;
mod query;
mod remembered;
mod report;
mod run;
mod run_options;
mod scheduling;
mod selection;
mod status;
mod tables;
mod top;
mod trace;
mod transfer;
mod verify;

use crate::arguments::{Command, Format};
use crate::output::{ExitCode, Failure, Terminal};

/// Does what the arguments say.
pub fn execute(command: Command, terminal: Terminal) -> Result<ExitCode, Failure> {
    let is_table = matches!(terminal.format(), Format::Csv | Format::Parquet);
    if is_table && !matches!(command, Command::Query(_)) {
        return Err(Failure::usage("only the results of queries are written as CSV or Parquet")
            .with_hint("use --format json"));
    }
    match command {
        Command::Demo(arguments) => demo::execute(&arguments, terminal),
        Command::Create(arguments) => create::execute(&arguments, terminal),
        Command::Reference(arguments) => selection::reference(&arguments, terminal),
        Command::TransferDatasets(arguments) => selection::transfer(&arguments, terminal),
        Command::MigrateCheck(arguments) => migrate_check::execute(&arguments, terminal),
        Command::Collections(command) => collections::execute(&command, terminal),
        Command::GetUri(arguments) => query::get_uri(&arguments, terminal),
        Command::RetrieveArtifacts(arguments) => query::retrieve_artifacts(&arguments, terminal),
        Command::Query(arguments) => query::execute(&arguments, terminal),
        Command::Pipeline(command) => pipeline::execute(command, terminal),
        Command::Prepare(arguments) => prepare::execute(&arguments, terminal),
        Command::Graph(command) => graph::execute(command, terminal),
        Command::Explain(arguments) => explain::execute(&arguments, terminal),
        Command::Run(arguments) => run::execute(&arguments, terminal),
        Command::Status(arguments) => status::execute(&arguments, terminal),
        Command::Report(arguments) => report::execute(&arguments, terminal),
        Command::Provenance(arguments) => provenance::execute(&arguments, terminal),
        Command::Log(arguments) => log::execute(&arguments, terminal),
        Command::Top(arguments) => top::execute(&arguments, terminal),
        Command::Trace(arguments) => trace::execute(&arguments, terminal),
        Command::Clean(arguments) => clean::execute(&arguments, terminal),
        Command::Transfer(arguments) => transfer::execute(&arguments, terminal),
        Command::Verify(arguments) => verify::execute(&arguments, terminal),
        Command::Completions { shell } => manual::completions(shell, terminal),
        Command::Man { folder } => manual::pages(&folder, terminal),
    }
}
