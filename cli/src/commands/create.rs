//! `qbb create`.

use camino::Utf8Path;
use qbb_datastore::{ArtifactUri, DatabaseUrl, RepositoryConfig, lasting_place};
use qbb_personal::{
    CreateError, CreateReport, CreateRequest, GovernorChoice, RecordChoice, SelectionReport,
};
use qbb_registry::NewDatabase;
use serde::Serialize;

use crate::arguments::{CreateArguments, split_commas};
use crate::commands::selection::whole_collections;
use crate::output::{ExitCode, Failure, ProgressBars, Terminal};

#[derive(Serialize)]
struct Created<'a> {
    repository: &'a Utf8Path,
    universe: String,
    from: &'a str,
    #[serde(flatten)]
    report: CreateReport,
    /// What came of datasets by reference.
    calibrations: Option<SelectionReport>,
}

/// Makes a repository with the universe of a release, and chosen records.
pub fn execute(arguments: &CreateArguments, terminal: Terminal) -> Result<ExitCode, Failure> {
    let release = RepositoryConfig::open(&arguments.from)?;
    let mut registry = qbb_registry::open_reader(&release)?;
    let remembered = lasting_place(&arguments.from)?;
    let database = arguments.db.as_deref().map(DatabaseUrl::new);
    let datastore_root = arguments.datastore_root.as_deref().map(folder_uri).transpose()?;
    let governor = |dimension: &str, values: &Vec<String>| GovernorChoice {
        dimension: dimension.to_owned(),
        values: values.clone(),
    };
    let records = RecordChoice {
        governors: vec![
            governor("instrument", &arguments.instrument),
            governor("skymap", &arguments.skymap),
        ],
        dimensions: arguments.dimensions.clone(),
        restriction: arguments.r#where.clone().unwrap_or_default(),
    };
    let calibrations: Vec<String> =
        arguments.calibrations.iter().flat_map(|names| split_commas(names)).collect();
    // What would be refused later is looked at before anything is made.
    registry.snapshot()?.collections()?.resolve(&calibrations)?;
    let request = CreateRequest {
        root: &arguments.repository,
        release: &remembered,
        release_config: &release,
        database: match (&database, &arguments.schema) {
            (Some(url), Some(schema)) => NewDatabase::Postgres { url, schema },
            _ => NewDatabase::Sqlite,
        },
        datastore_root: datastore_root.as_ref(),
        records: &records,
    };
    let report = qbb_personal::create(&request, &mut *registry).map_err(|error| match error {
        CreateError::Registry(error) if database.is_some() => {
            Failure::from(error).of_option("--db")
        }
        error => error.into(),
    })?;
    let bars = ProgressBars::new(terminal);
    let calibrations = match calibrations.is_empty() {
        true => None,
        false => {
            let root = camino::absolute_utf8(&arguments.repository).map_err(Failure::from_error)?;
            let personal = RepositoryConfig::open(root.as_str())?;
            Some(whole_collections(&calibrations, None, &release, &personal, None, &bars)?)
        }
    };
    drop(bars);
    let universe = registry.universe();
    let created = Created {
        repository: &arguments.repository,
        universe: format!("{} version {}", universe.namespace(), universe.version()),
        from: &remembered,
        report,
        calibrations,
    };
    terminal.result(&created, describe)?;
    Ok(ExitCode::Success)
}

/// A folder given as a path or a URI.
fn folder_uri(place: &str) -> Result<ArtifactUri, Failure> {
    let uri = if place.contains("://") {
        ArtifactUri::parse(place)
    } else {
        let path = camino::absolute_utf8(place).map_err(Failure::from_error)?;
        ArtifactUri::of_file(&path)
    };
    Ok(uri.map_err(|error| Failure::usage(format!("--datastore-root: {error}")))?.into_folder())
}

fn describe(created: &Created<'_>) -> String {
    let Created { repository, universe, report, .. } = created;
    let mut text = match report.created {
        true => format!("created {repository} with dimension universe {universe}"),
        false => format!("{repository} is there already, with dimension universe {universe}"),
    };
    if !report.records.is_empty() {
        let counts: Vec<String> = (report.records.iter())
            .map(|count| format!("{} {}", count.records, count.element))
            .collect();
        text.push_str(&format!(
            "\nrecords: {} ({} of them new)",
            counts.join(", "),
            report.records_inserted
        ));
    }
    if let Some(inserted) = created.calibrations.as_ref().and_then(|report| report.inserted) {
        text.push_str(&format!(
            "\nby reference: {} datasets ({} of them new), {} memberships new",
            inserted.datasets, inserted.datasets_inserted, inserted.associations_inserted
        ));
    }
    text
}
