//! `qbb create`.

use camino::Utf8Path;
use qbb_datastore::RepositoryConfig;
use qbb_registry::SqliteRegistry;
use serde::Serialize;

use crate::arguments::CreateArguments;
use crate::output::{ExitCode, Failure, Terminal};

#[derive(Serialize)]
struct Created<'a> {
    repository: &'a Utf8Path,
    universe: String,
    from: &'a str,
}

/// Makes an empty repository with the universe of a release.
pub fn execute(arguments: &CreateArguments, terminal: Terminal) -> Result<ExitCode, Failure> {
    let release = RepositoryConfig::open(&arguments.from)?;
    let release = qbb_registry::open_reader(&release)?;
    let universe = release.universe();
    SqliteRegistry::create(&arguments.repository, universe)?;
    let created = Created {
        repository: &arguments.repository,
        universe: format!("{} version {}", universe.namespace(), universe.version()),
        from: &arguments.from,
    };
    terminal.result(&created, |created| {
        format!("created {} with dimension universe {}", created.repository, created.universe)
    })?;
    Ok(ExitCode::Success)
}
