//! Reading memberships of datasets in RUN, TAGGED and CALIBRATION collections.

use qbb_dimensions::{KeyType, Symbols, Timespan};
use rustc_hash::FxHashMap;

use super::ordering::sort_calibrations;
use super::query::Query;
use super::row::{ResultRow, RowSource};
use super::snapshot::TableSnapshot;
use crate::collection::{CollectionCatalog, CollectionIx, CollectionKind};
use crate::error::RegistryError;
use crate::filter::Filter;
use crate::reader::{CalibrationRows, DatasetRows, RegisteredDatasetType};
use crate::schema::dataset_key_columns;

impl<S: RowSource> TableSnapshot<'_, S> {
    pub(super) fn read_datasets(
        &self,
        dataset_type: &RegisteredDatasetType,
        catalog: &CollectionCatalog,
        collections: &[CollectionIx],
        filter: &Filter,
        symbols: &mut Symbols,
    ) -> Result<DatasetRows, RegistryError> {
        let kinds = [CollectionKind::Run, CollectionKind::Tagged];
        let mut search = Search::new(dataset_type, catalog, collections, &kinds);
        if !search.is_empty() {
            let source = self.counted();
            let query = search.query(source, &dataset_type.tags_table, filter, false);
            source.each(&query, |row| search.take(row, symbols))?;
        }
        Ok(search.found)
    }

    pub(super) fn read_calibrations(
        &self,
        dataset_type: &RegisteredDatasetType,
        catalog: &CollectionCatalog,
        collections: &[CollectionIx],
        filter: &Filter,
        symbols: &mut Symbols,
    ) -> Result<CalibrationRows, RegistryError> {
        let kinds = [CollectionKind::Calibration];
        let mut search = Search::new(dataset_type, catalog, collections, &kinds);
        let mut timespan: Vec<Timespan> = Vec::new();
        if let Some(table) = dataset_type.calibs_table.as_ref().filter(|_| !search.is_empty()) {
            let source = self.counted();
            let query = search.query(source, table, filter, true);
            let at = search.keys.len() + 3;
            source.each(&query, |row| {
                search.take(row, symbols)?;
                timespan.push(row.timespan(at)?);
                Ok(())
            })?;
        }
        let mut found = CalibrationRows { datasets: search.found, timespan };
        sort_calibrations(&mut found, &search.keys, symbols);
        Ok(found)
    }
}

/// A search for datasets of one type in several collections.
struct Search<'a> {
    dataset_type: &'a RegisteredDatasetType,
    keys: Vec<KeyType>,
    ids: Vec<i64>,
    /// Rank of each collection, by key in the database.
    ranks: FxHashMap<i64, u32>,
    /// RUNs by key in the database; those searched if nothing else is.
    runs: FxHashMap<i64, CollectionIx>,
    /// Whether the RUN of a dataset may be another collection than that in which it was found.
    foreign_runs: bool,
    /// The collection of the row before, with its rank: rows come collection by collection.
    last: Option<(i64, u32)>,
    found: DatasetRows,
}

impl<'a> Search<'a> {
    fn new(
        dataset_type: &'a RegisteredDatasetType,
        catalog: &CollectionCatalog,
        collections: &[CollectionIx],
        kinds: &[CollectionKind],
    ) -> Self {
        let group = &dataset_type.dataset_type.dimensions;
        let key = |&ix| group.universe().element(ix).key_type().unwrap_or(KeyType::Int);
        let keys: Vec<KeyType> = group.required().iter().map(key).collect();
        let (mut ids, mut ranks) = (Vec::new(), FxHashMap::default());
        let mut runs = FxHashMap::default();
        let mut foreign_runs = false;
        for (rank, &ix) in collections.iter().enumerate() {
            let collection = catalog.get(ix);
            if kinds.contains(&collection.kind) {
                // Of a repeated collection the first position counts.
                ranks.entry(collection.id).or_insert_with(|| {
                    ids.push(collection.id);
                    rank as u32
                });
                runs.insert(collection.id, ix);
                foreign_runs |= collection.kind != CollectionKind::Run;
            }
        }
        if foreign_runs {
            runs = catalog.iter().map(|(ix, collection)| (collection.id, ix)).collect();
        }
        let found = DatasetRows { keys: vec![Vec::new(); keys.len()], ..DatasetRows::default() };
        Self { dataset_type, keys, ids, ranks, runs, foreign_runs, last: None, found }
    }

    fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Selects data ID, UUID, collection, RUN and, for certifications, the timespan. If rows are
    /// ordered, it is by an index: by collection, data ID and timespan.
    fn query<'s>(
        &self,
        source: &'s impl RowSource,
        table: &str,
        filter: &Filter,
        certified: bool,
    ) -> Query<'s> {
        let dialect = source.dialect();
        let group = &self.dataset_type.dataset_type.dimensions;
        let keys = dataset_key_columns(group);
        let mut names: Vec<_> = keys.iter().map(|name| ("t", *name)).collect();
        names.push(("t", "dataset_id"));
        names.push(("t", "collection_id"));
        names.push(if self.foreign_runs { ("d", "run_id") } else { ("t", "collection_id") });
        if certified {
            names.extend(dialect.timespan_columns().iter().map(|name| ("t", *name)));
        }
        let mut query = Query::select(dialect, table, &names);
        query.push(" FROM ").push_table(table).push(" t");
        if self.foreign_runs {
            query.push(" JOIN ").push_table("dataset").push(" d ON d.id = t.dataset_id");
        }
        query.push(" WHERE t.dataset_type_id = ").bind(self.dataset_type.id);
        query.push(" AND t.collection_id").in_integers(&self.ids);
        query.restrict(group.universe(), filter, "t", |ix| {
            group.required().iter().position(|&required| required == ix).map(|at| keys[at])
        });
        if dialect.sorts_by_index() {
            let mut order = vec![("t", "collection_id", KeyType::Int)];
            order.extend(keys.iter().zip(&self.keys).map(|(name, key)| ("t", *name, *key)));
            if certified {
                let timespan = dialect.timespan_columns().iter();
                order.extend(timespan.map(|name| ("t", *name, KeyType::Int)));
                order.push(("t", "dataset_id", KeyType::Int));
            }
            query.order_by(order);
        }
        query
    }

    fn take(&mut self, row: &impl ResultRow, symbols: &mut Symbols) -> Result<(), RegistryError> {
        let n = self.keys.len();
        for (at, key) in self.keys.iter().enumerate() {
            let cell = row.cell(at, *key, symbols)?;
            self.found.keys[at].push(cell);
        }
        self.found.id.push(row.uuid(n)?);
        let collection = row.int(n + 1)?;
        let rank = match self.last {
            Some((last, rank)) if last == collection => rank,
            _ => *self
                .ranks
                .get(&collection)
                .ok_or_else(|| row.corrupt(n + 1, "a collection that was not asked for"))?,
        };
        self.last = Some((collection, rank));
        self.found.rank.push(rank);
        let run = row.int(n + 2)?;
        let run = self.runs.get(&run).ok_or_else(|| row.corrupt(n + 2, "unknown RUN"))?;
        self.found.run.push(*run);
        Ok(())
    }
}
