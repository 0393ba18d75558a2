//! `qbb reference` and `qbb transfer-datasets`.

use camino::Utf8Path;
use qbb_datastore::{Placing, RepositoryConfig};
use qbb_dimensions::expression::Bindings;
use qbb_personal::{SelectionReport, SelectionRequest, Structure, TypeCount};
use qbb_query::{DatasetQuery, Selection};

use crate::arguments::{
    ReferenceArguments, ReferenceMode, SelectionOptions, TransferDatasetsArguments, TransferMode,
    split_commas,
};
use crate::commands::build::bindings;
use crate::commands::conversion::{check_conversions, conversion_note};
use crate::commands::remembered::release_of;
use crate::output::{
    ExitCode, Failure, ProgressBars, Terminal, bytes, end_transfers_at_signals, table,
};

/// Brings datasets of the release by reference, with their collections.
pub fn reference(arguments: &ReferenceArguments, terminal: Terminal) -> Result<ExitCode, Failure> {
    end_transfers_at_signals()?;
    let release = release_of(arguments.from.as_deref(), Some(&arguments.repository))?;
    let release = RepositoryConfig::open(&release)?;
    let personal = RepositoryConfig::open(&arguments.repository)?;
    let python = arguments.selection.python.as_deref();
    let request = SelectionRequest {
        query: &query(&arguments.selection, &release)?,
        structure: Structure::Collections,
        placing: match arguments.how {
            ReferenceMode::Reference => None,
            ReferenceMode::Copy => Some(Placing::Copy),
            ReferenceMode::Hardlink => Some(Placing::Hardlink),
            ReferenceMode::Symlink => Some(Placing::Symlink),
        },
        register_dataset_types: true,
        dimension_records: true,
        check_conversions: &|differences| check_conversions(differences, &personal, python),
        dry_run: arguments.selection.dry_run,
    };
    bring(&request, &release, &personal, terminal)
}

/// Brings datasets from one repository into another.
pub fn transfer(
    arguments: &TransferDatasetsArguments,
    terminal: Terminal,
) -> Result<ExitCode, Failure> {
    end_transfers_at_signals()?;
    let source = RepositoryConfig::open(&arguments.source)?;
    let destination = RepositoryConfig::open(&arguments.destination)?;
    let python = arguments.selection.python.as_deref();
    let request = SelectionRequest {
        query: &query(&arguments.selection, &source)?,
        structure: match arguments.with_collections {
            true => Structure::Collections,
            false => Structure::Runs,
        },
        placing: match arguments.transfer {
            TransferMode::Direct => None,
            TransferMode::Copy => Some(Placing::Copy),
            TransferMode::Hardlink => Some(Placing::Hardlink),
            TransferMode::Symlink => Some(Placing::Symlink),
        },
        register_dataset_types: arguments.register_dataset_types,
        dimension_records: !arguments.no_transfer_dimensions,
        check_conversions: &|differences| check_conversions(differences, &destination, python),
        dry_run: arguments.selection.dry_run,
    };
    bring(&request, &source, &destination, terminal)
}

fn query(options: &SelectionOptions, source: &RepositoryConfig) -> Result<DatasetQuery, Failure> {
    let bindings = match options.bind.as_slice() {
        [] => Bindings::new(),
        texts => bindings(texts, qbb_registry::open_reader(source)?.universe())?,
    };

    let or_all = |names: &[String]| match names {
        [] => vec!["*".to_owned()],
        names => names.iter().flat_map(|names| split_commas(names)).collect(),
    };
    let order_by = options.order_by.iter().flat_map(|names| names.split(','));
    Ok(DatasetQuery {
        dataset_types: or_all(&options.dataset_type),
        collections: or_all(&options.collections),
        find_first: options.find_first,
        every_membership: false,
        selection: Selection {
            restriction: options.r#where.clone(),
            bindings,
            order_by: order_by.map(|name| name.trim().to_owned()).collect(),
            limit: Some(options.limit).filter(|&limit| limit != 0),
            ..Selection::default()
        },
    })
}

/// Brings all that is in collections, calibrations too, with the collections themselves; by
/// reference if it is not to be placed.
pub fn whole_collections(
    collections: &[String],
    placing: Option<Placing>,
    release: &RepositoryConfig,
    personal: &RepositoryConfig,
    python: Option<&Utf8Path>,
    bars: &ProgressBars,
) -> Result<SelectionReport, Failure> {
    let request = SelectionRequest {
        query: &DatasetQuery {
            dataset_types: vec!["*".to_owned()],
            collections: collections.to_vec(),
            ..DatasetQuery::default()
        },
        structure: Structure::Collections,
        placing,
        register_dataset_types: true,
        dimension_records: true,
        check_conversions: &|differences| check_conversions(differences, personal, python),
        dry_run: false,
    };
    let progress = |what: &str, done, total| bars.count(what, done, total);
    Ok(qbb_personal::reference(&request, release, personal, &progress)?)
}

fn bring(
    request: &SelectionRequest<'_>,
    source: &RepositoryConfig,
    destination: &RepositoryConfig,
    terminal: Terminal,
) -> Result<ExitCode, Failure> {
    let bars = ProgressBars::new(terminal);
    bars.stage("looking for datasets");
    let report = qbb_personal::reference(request, source, destination, &|what, done, total| {
        bars.count(what, done, total);
    })?;
    drop(bars);
    if report.more {
        terminal.note("there are more datasets than the limit");
    }
    if let Some(note) = conversion_note(&report.storage_classes) {
        terminal.note(&note);
    }
    for chain in &report.chains_kept {
        terminal.note(&format!("warning: {chain} was there with other children, which it keeps"));
    }
    terminal.result(&report, describe)?;
    Ok(ExitCode::Success)
}

fn describe(report: &SelectionReport) -> String {
    let size = |count: &TypeCount| match count.unknown_sizes {
        0 => bytes(count.bytes),
        unknown => format!("{} and {unknown} unknown", bytes(count.bytes)),
    };
    let rows = report.dataset_types.iter().map(|count| {
        [
            count.dataset_type.clone(),
            count.datasets.to_string(),
            count.present.to_string(),
            size(count),
        ]
    });
    let mut text = table(["dataset type", "datasets", "there already", "size"], 1, rows);
    if report.missing != 0 {
        text.push_str(&format!("{} datasets without a file stay behind\n", report.missing));
    }
    if report.files != 0 {
        text.push_str(&format!("{} files came ({})\n", report.files, bytes(report.bytes)));
    }
    match &report.inserted {
        None => text.push_str(&format!(
            "nothing was changed; {} collections and {} memberships would come with them",
            report.collections, report.memberships
        )),
        Some(inserted) => text.push_str(&format!(
            "new: {} datasets, {} dimension records, {} dataset types, {} collections, {} \
             memberships",
            inserted.datasets_inserted,
            inserted.records_inserted,
            inserted.dataset_types_registered,
            inserted.collections_registered,
            inserted.associations_inserted,
        )),
    }
    text
}
