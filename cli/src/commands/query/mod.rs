//! `qbb query`: what is in a repository.

mod artifact_places;
mod collections;
mod data_ids;
mod dataset_types;
mod datasets;
mod parquet;
mod rendering;
mod results;
mod retrieval;
mod selection;
mod uris;

use qbb_datastore::RepositoryConfig;
use qbb_registry::RegistryReader;

use self::rendering::Destination;
use crate::arguments::{QueryArguments, QueryCommand};
use crate::output::{ExitCode, Failure, Terminal};

pub use retrieval::execute as retrieve_artifacts;
pub use selection::all_unless_named;
pub use uris::execute as get_uri;

/// Answers a question.
pub fn execute(arguments: &QueryArguments, terminal: Terminal) -> Result<ExitCode, Failure> {
    let to = Destination::new(terminal, arguments.output.as_deref())?;
    match &arguments.command {
        QueryCommand::Datasets(arguments) => datasets::execute(arguments, to, terminal),
        QueryCommand::DataIds(arguments) => data_ids::execute(arguments, to, terminal),
        QueryCommand::DimensionRecords(arguments) => {
            data_ids::execute_records(arguments, to, terminal)
        }
        QueryCommand::Collections(arguments) => collections::execute(arguments, to, terminal),
        QueryCommand::DatasetTypes(arguments) => dataset_types::execute(arguments, to, terminal),
    }?;
    Ok(ExitCode::Success)
}

/// Opens a repository's registry for reading.
fn open(place: &str) -> Result<(RepositoryConfig, Box<dyn RegistryReader>), Failure> {
    let config = RepositoryConfig::open(place)?;
    let reader = qbb_registry::open_reader(&config)?;
    Ok((config, reader))
}
