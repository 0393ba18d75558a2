//! `qbb collections`.

mod associate;
mod certify;
mod chain;
mod chosen;
mod list;
mod listing;
mod prune;
mod remove;
mod removed;

use qbb_datastore::RepositoryConfig;
use qbb_registry::RegistryWriter;

use crate::arguments::CollectionsCommand;
use crate::output::{ExitCode, Failure, Terminal};

pub use listing::{CollectionListing, Listed};

/// Does what the arguments say.
pub fn execute(command: &CollectionsCommand, terminal: Terminal) -> Result<ExitCode, Failure> {
    use CollectionsCommand as C;
    match command {
        C::List(arguments) => list::execute(arguments, terminal),
        C::Chain(arguments) => chain::execute(arguments, terminal),
        C::Register(arguments) => chain::register(arguments, terminal),
        C::Doc(arguments) => chain::document(arguments, terminal),
        C::Associate(arguments) => associate::execute(arguments, terminal),
        C::Certify(arguments) => certify::execute(arguments, terminal),
        C::Decertify(arguments) => certify::decertify(arguments, terminal),
        C::Remove(arguments) => remove::execute(arguments, terminal),
        C::RemoveRuns(arguments) => remove::runs(arguments, terminal),
        C::Prune(arguments) => prune::execute(arguments, terminal),
    }
}

/// A repository that is to be changed.
fn open_to_write(place: &str) -> Result<(RepositoryConfig, Box<dyn RegistryWriter>), Failure> {
    let config = RepositoryConfig::open(place)?;
    let registry = qbb_registry::open_writer(&config)?;
    Ok((config, registry))
}
