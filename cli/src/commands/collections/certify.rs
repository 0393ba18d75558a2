//! `qbb collections certify` and `decertify`.

use qbb_datastore::RepositoryConfig;
use qbb_dimensions::{KeyType, Symbols, TaiNanos, Timespan};
use qbb_query::DatasetQuery;
use qbb_registry::{
    Association, CollectionKind, DataIdColumns, Filter, NewCollection, RegisteredDatasetType,
    RegistryError,
};
use serde::Serialize;

use super::{chosen, open_to_write};
use crate::arguments::{CertifyArguments, DecertifyArguments};
use crate::output::{ExitCode, Failure, Terminal};

/// What became of a validity range.
#[derive(Serialize)]
struct Report<'a, C> {
    collection: &'a str,
    dataset_type: &'a str,
    begin: Option<&'a str>,
    end: Option<&'a str>,
    #[serde(flatten)]
    counts: C,
}

#[derive(Serialize)]
struct Certified {
    datasets: u64,
    new: u64,
}

#[derive(Serialize)]
struct Decertified {
    certifications: u64,
    remaining: u64,
}

/// Certifies the datasets of a type in a collection.
pub fn execute(arguments: &CertifyArguments, terminal: Terminal) -> Result<ExitCode, Failure> {
    let (begin, end) = (arguments.begin_date.as_deref(), arguments.end_date.as_deref());
    let timespan = validity_range(begin, end)?;
    let (config, mut registry) = open_to_write(&arguments.repository)?;
    let query = DatasetQuery {
        dataset_types: vec![arguments.dataset_type.clone()],
        collections: vec![input(&config, arguments)?],
        find_first: true,
        ..DatasetQuery::default()
    };
    let found = chosen::find(&config, &query)?;
    let Some(table) = found.tables.first() else {
        let (name, input) = (&arguments.dataset_type, &query.collections[0]);
        let message = format!("there are no datasets of type `{name}` in `{input}`");
        return Err(Failure::input(message));
    };
    let (keys, id) = (chosen::keys(table), &table.id);
    let collection = arguments.output_collection.as_str();
    let dataset_type = table.dataset_type.dataset_type.name.as_str();
    let mut transaction = registry.begin()?;
    let created = transaction.register_collections(&[NewCollection {
        name: collection.to_owned(),
        kind: CollectionKind::Calibration,
        doc: None,
        children: Vec::new(),
    }])? > 0;
    let timespans = vec![timespan; id.len()];
    let association =
        Association { dataset_type, collection, keys: &keys, id, timespan: Some(&timespans) };
    let new = transaction.associate(&association, &found.symbols)?;
    if created || new > 0 {
        transaction.commit()?;
    }
    let counts = Certified { datasets: id.len() as u64, new };
    terminal.result(&Report { collection, dataset_type, begin, end, counts }, |report| {
        let Certified { datasets, new } = report.counts;
        format!("{datasets} datasets are certified in {collection}, {new} of them new")
    })?;
    Ok(ExitCode::Success)
}

/// The collection whose datasets are to be certified.
fn input(config: &RepositoryConfig, arguments: &CertifyArguments) -> Result<String, Failure> {
    let mut reader = qbb_registry::open_reader(config)?;
    let catalog = reader.snapshot()?.collections()?;
    let input = catalog.get(catalog.require(&arguments.input_collection)?);
    Ok(match input.children.first() {
        Some(&first) if !arguments.search_all_inputs => catalog.get(first).name.clone(),
        _ => input.name.clone(),
    })
}

/// The range between two dates; one instant gets a nanosecond, as in the middleware.
fn validity_range(begin: Option<&str>, end: Option<&str>) -> Result<Timespan, Failure> {
    let time = |option: &str, text: Option<&str>| {
        text.map(TaiNanos::parse_tai)
            .transpose()
            .map_err(|error| Failure::usage(format!("{option}: {error}")))
    };
    let (begin, end) = (time("--begin-date", begin)?, time("--end-date", end)?);
    Timespan::literal(begin, end)
        .filter(|timespan| !timespan.is_empty())
        .ok_or_else(|| Failure::usage("the validity range ends before it begins"))
}

/// Takes a validity range away.
pub fn decertify(arguments: &DecertifyArguments, terminal: Terminal) -> Result<ExitCode, Failure> {
    let (begin, end) = (arguments.begin_date.as_deref(), arguments.end_date.as_deref());
    let timespan = validity_range(begin, end)?;
    let (config, mut registry) = open_to_write(&arguments.repository)?;
    let (collection, dataset_type) = (&arguments.collection, &arguments.dataset_type);
    let mut symbols = Symbols::new();
    let keys = match arguments.data_id.as_slice() {
        [] => None,
        data_ids => Some(matching(&config, arguments, data_ids, &mut symbols)?),
    };
    let columns = keys.as_ref().map(|(keys, len)| DataIdColumns { keys, len: *len });
    let mut transaction = registry.begin()?;
    let done = transaction.decertify(dataset_type, collection, timespan, columns, &symbols)?;
    if done.certifications > 0 {
        transaction.commit()?;
    }
    let counts = Decertified { certifications: done.certifications, remaining: done.remaining };
    terminal.result(&Report { collection, dataset_type, begin, end, counts }, |report| {
        let Decertified { certifications, remaining } = report.counts;
        format!("{certifications} certifications had validity in that range; {remaining} are left of them")
    })?;
    Ok(ExitCode::Success)
}

/// Data IDs of certifications that agree with one of those given, which may be partial.
fn matching(
    config: &RepositoryConfig,
    arguments: &DecertifyArguments,
    data_ids: &[String],
    symbols: &mut Symbols,
) -> Result<(Vec<Vec<i64>>, usize), Failure> {
    let mut reader = qbb_registry::open_reader(config)?;
    let mut snapshot = reader.snapshot()?;
    let catalog = snapshot.collections()?;
    let collection = catalog.require(&arguments.collection)?;
    let types = snapshot.dataset_types()?;
    let known = |registered: &&RegisteredDatasetType| {
        registered.dataset_type.name == arguments.dataset_type
    };
    let dataset_type = types.iter().find(known).ok_or_else(|| {
        let names = types.iter().map(|registered| registered.dataset_type.name.as_str());
        RegistryError::UnknownDatasetType {
            name: arguments.dataset_type.clone(),
            similar: qbb_dimensions::nearest_name(&arguments.dataset_type, names)
                .map(str::to_owned),
        }
    })?;
    let wanted: Vec<Vec<Option<i64>>> = (data_ids.iter())
        .map(|text| partial_data_id(text, dataset_type, symbols))
        .collect::<Result<_, _>>()?;
    let filter = Filter::default();
    let rows =
        snapshot.calibrations(dataset_type, &catalog, &[collection], &filter, symbols)?.datasets;
    let agrees = |row: usize, data_id: &[Option<i64>]| {
        (data_id.iter().zip(&rows.keys))
            .all(|(value, column)| value.is_none_or(|value| column[row] == value))
    };
    let kept: Vec<usize> = (0..rows.id.len())
        .filter(|&row| wanted.iter().any(|data_id| agrees(row, data_id)))
        .collect();
    let keys =
        (rows.keys.iter()).map(|column| kept.iter().map(|&row| column[row]).collect()).collect();
    Ok((keys, kept.len()))
}

/// Values of some of a dataset type's dimensions, as cells.
fn partial_data_id(
    text: &str,
    dataset_type: &RegisteredDatasetType,
    symbols: &mut Symbols,
) -> Result<Vec<Option<i64>>, Failure> {
    let group = &dataset_type.dataset_type.dimensions;
    let mut cells = vec![None; group.required().len()];
    for pair in text.split(',').filter(|pair| !pair.trim().is_empty()) {
        let (name, value) =
            (pair.split_once('=')).map(|(name, value)| (name.trim(), value.trim())).ok_or_else(
                || Failure::usage(format!("`{pair}` is not of the form dimension=value")),
            )?;
        let found = (group.required().iter().enumerate())
            .map(|(at, &ix)| (at, group.universe().element(ix)))
            .find(|(_, element)| element.name == name);
        let Some((at, element)) = found else {
            return Err(Failure::usage(format!(
                "`{name}` is no dimension of the data IDs of `{}`",
                dataset_type.dataset_type.name
            )));
        };
        cells[at] = Some(match element.key_type() {
            Some(KeyType::Int) => value.parse().map_err(|_| {
                Failure::usage(format!("`{value}` is no value of {name}, which is a number"))
            })?,
            _ => symbols.intern(value).cell(),
        });
    }
    Ok(cells)
}
