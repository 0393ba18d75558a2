//! Copies a whole SQLite registry into a new repository through the public interface, without the
//! artifacts:
//!
//! ```sh
//! cargo run -p qbb-registry --example copy_registry -- release/gen3.sqlite3 personal
//! ```
//!
//! Run again, it finds that nothing is new.

use std::error::Error;
use std::io::Write as _;
use std::time::Instant;

use camino::Utf8PathBuf;
use qbb_dimensions::{DatasetType, RecordTable, Symbols};
use qbb_registry::{
    Association, CollectionCatalog, CollectionIx, CollectionKind, DatasetBatch, DatasetRows,
    DatastoreRecordRows, DatastoreTable, Filter, NewCollection, RegisteredDatasetType,
    RegistryError, RegistryReader, RegistryWriter, Snapshot, SqliteRegistry, StoredFile,
    Transaction,
};

fn main() -> Result<(), Box<dyn Error>> {
    let paths: Vec<Utf8PathBuf> = std::env::args().skip(1).map(Utf8PathBuf::from).collect();
    let [source, target] = paths.as_slice() else {
        return Err("usage: copy_registry DATABASE NEW_REPOSITORY".into());
    };
    let started = Instant::now();
    let mut reader = SqliteRegistry::open_read(source, DatastoreTable::default())?;
    let universe = reader.universe().clone();
    let database = match SqliteRegistry::create(target, &universe) {
        Ok(database) => database,
        Err(RegistryError::AlreadyExists { .. }) => target.join("gen3.sqlite3"),
        Err(error) => return Err(error.into()),
    };
    let mut writer = SqliteRegistry::open_write(&database, DatastoreTable::default())?;
    let mut snapshot = reader.snapshot()?;
    let mut transaction = writer.begin()?;
    let counts = Copier::new(&mut *snapshot, &mut *transaction)?.copy()?;
    transaction.commit()?;
    writeln!(
        std::io::stdout(),
        "{counts:?} in {:.2} s, {} statements",
        started.elapsed().as_secs_f32(),
        snapshot.statements()
    )?;
    Ok(())
}

/// What was new in the target.
#[derive(Debug, Default)]
struct Counts {
    records: u64,
    dataset_types: u64,
    collections: u64,
    datasets: u64,
    associations: u64,
}

struct Copier<'a> {
    snapshot: &'a mut dyn Snapshot,
    transaction: &'a mut dyn Transaction,
    catalog: CollectionCatalog,
    types: Vec<RegisteredDatasetType>,
    symbols: Symbols,
}

impl<'a> Copier<'a> {
    fn new(
        snapshot: &'a mut dyn Snapshot,
        transaction: &'a mut dyn Transaction,
    ) -> Result<Self, RegistryError> {
        let (catalog, types) = (snapshot.collections()?, snapshot.dataset_types()?);
        Ok(Self { snapshot, transaction, catalog, types, symbols: Symbols::new() })
    }

    fn copy(mut self) -> Result<Counts, RegistryError> {
        let mut counts = Counts::default();
        let tables = self.records()?;
        counts.records = self.transaction.insert_records(&tables, &self.symbols)?;
        let types: Vec<DatasetType> =
            self.types.iter().map(|registered| registered.dataset_type.clone()).collect();
        counts.dataset_types = self.transaction.register_dataset_types(&types)?;
        let collections: Vec<NewCollection> = (self.catalog.collections.iter())
            .map(|collection| NewCollection {
                name: collection.name.clone(),
                kind: collection.kind,
                doc: collection.doc.clone(),
                children: (collection.children.iter())
                    .map(|&child| self.catalog.get(child).name.clone())
                    .collect(),
            })
            .collect();
        counts.collections = self.transaction.register_collections(&collections)?;
        // Associations need the datasets of all RUNs.
        for kind in [CollectionKind::Run, CollectionKind::Tagged, CollectionKind::Calibration] {
            let chosen: Vec<CollectionIx> =
                self.catalog.iter().filter(|(_, c)| c.kind == kind).map(|(ix, _)| ix).collect();
            for registered in &self.types.clone() {
                for &collection in &chosen {
                    let new = self.copy_datasets(registered, collection, kind)?;
                    match kind {
                        CollectionKind::Run => counts.datasets += new,
                        _ => counts.associations += new,
                    }
                }
            }
        }
        Ok(counts)
    }

    fn records(&mut self) -> Result<Vec<RecordTable>, RegistryError> {
        let universe = self.types.first().map(|t| t.dataset_type.dimensions.universe().clone());
        let Some(universe) = universe else { return Ok(Vec::new()) };
        let stored = universe.elements().iter().filter(|element| element.has_table());
        stored
            .map(|element| self.snapshot.records(element.ix, &Filter::default(), &mut self.symbols))
            .collect()
    }

    fn copy_datasets(
        &mut self,
        registered: &RegisteredDatasetType,
        collection: CollectionIx,
        kind: CollectionKind,
    ) -> Result<u64, RegistryError> {
        let Self { snapshot, transaction, catalog, symbols, .. } = self;
        let all = Filter::default();
        let (name, collection_name) =
            (registered.dataset_type.name.as_str(), catalog.get(collection).name.as_str());
        if kind == CollectionKind::Calibration {
            let rows = snapshot.calibrations(registered, catalog, &[collection], &all, symbols)?;
            let DatasetRows { keys, id, .. } = &rows.datasets;
            if id.is_empty() {
                return Ok(0);
            }
            let association = Association {
                dataset_type: name,
                collection: collection_name,
                keys,
                id,
                timespan: Some(&rows.timespan),
            };
            return transaction.associate(&association, symbols);
        }
        let rows = snapshot.datasets(registered, catalog, &[collection], &all, symbols)?;
        if rows.id.is_empty() {
            return Ok(0);
        }
        let DatasetRows { keys, id, .. } = &rows;
        if kind == CollectionKind::Tagged {
            let association = Association {
                dataset_type: name,
                collection: collection_name,
                keys,
                id,
                timespan: None,
            };
            return transaction.associate(&association, symbols);
        }
        let records =
            snapshot.datastore_records(registered, catalog, &[collection], &all, symbols)?;
        let files = files(id, &records, symbols);
        let batch =
            DatasetBatch { dataset_type: name, run: collection_name, keys, id, files: &files };
        transaction.insert_datasets(&batch, symbols)
    }
}

fn files(
    id: &[[u8; 16]],
    records: &DatastoreRecordRows,
    symbols: &Symbols,
) -> Vec<(u32, StoredFile)> {
    let mut order: Vec<u32> = (0..id.len() as u32).collect();
    order.sort_unstable_by_key(|&at| id[at as usize]);
    let text = |symbol| symbols.get(symbol).unwrap_or_default().to_owned();
    (0..records.id.len())
        .filter_map(|row| {
            let at = order.binary_search_by_key(&records.id[row], |&at| id[at as usize]).ok()?;
            let file = StoredFile {
                path: records.path[row].to_string(),
                formatter: text(records.formatter[row]),
                storage_class: text(records.storage_class[row]),
                component: records.component[row].map(text),
                checksum: records.checksum[row].as_ref().map(ToString::to_string),
                file_size: records.file_size[row],
            };
            Some((order[at], file))
        })
        .collect()
}
