//! `qbb create`.

use camino::Utf8Path;
use qbb_datastore::RepositoryConfig;
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
    let release = qbb_registry::open_read(&release)?;
    let universe = release.universe();
    qbb_registry::create(&arguments.repository, universe.config())?;
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
