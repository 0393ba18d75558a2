//! `qbb query`: what is in a repository.

mod collections;
mod data_ids;
mod dataset_types;
mod datasets;
mod rendering;
mod retrieval;
mod selection;
mod uris;

use qbb_datastore::RepositoryConfig;
use qbb_registry::RegistryReader;

use crate::arguments::QueryCommand;
use crate::output::{ExitCode, Failure, Terminal};

pub use retrieval::execute as retrieve_artifacts;
pub use uris::execute as get_uri;

/// Answers a question.
pub fn execute(command: QueryCommand, terminal: Terminal) -> Result<ExitCode, Failure> {
    match command {
        QueryCommand::Datasets(arguments) => datasets::execute(&arguments, terminal),
        QueryCommand::DataIds(arguments) => data_ids::execute(&arguments, terminal),
        QueryCommand::DimensionRecords(arguments) => {
            data_ids::execute_records(&arguments, terminal)
        }
        QueryCommand::Collections(arguments) => collections::execute(&arguments, terminal),
        QueryCommand::DatasetTypes(arguments) => dataset_types::execute(&arguments, terminal),
    }?;
    Ok(ExitCode::Success)
}

/// Opens a repository's registry for reading.
fn open(place: &str) -> Result<(RepositoryConfig, Box<dyn RegistryReader>), Failure> {
    let config = RepositoryConfig::open(place)?;
    let reader = qbb_registry::open_reader(&config)?;
    Ok((config, reader))
}
