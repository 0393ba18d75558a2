//! Reading a release in memory as registries are read.

use std::sync::Arc;

use qbb_dimensions::sphere::Region;
use qbb_dimensions::{
    DataValue, DatasetType, ElementIx, RecordTable, Symbols, TaiNanos, Timespan, Universe,
};
use qbb_registry::{
    CalibrationRows, Collection, CollectionCatalog, CollectionIx, DatasetRows, DatastoreContents,
    DatastoreRecordRows, Filter, OverlapRows, RegisteredDatasetType, RegistryError, RegistryReader,
    Snapshot,
};

use super::release::{MemoryDataset, MemoryRelease, envelope};

impl RegistryReader for MemoryRelease {
    fn universe(&self) -> &Arc<Universe> {
        &self.universe
    }

    fn snapshot(&mut self) -> Result<Box<dyn Snapshot + '_>, RegistryError> {
        self.statements.set(0);
        Ok(Box::new(View(self)))
    }
}

struct View<'a>(&'a MemoryRelease);

impl Snapshot for View<'_> {
    fn collections(&mut self) -> Result<CollectionCatalog, RegistryError> {
        self.0.count();
        let mut sorted = self.0.collections.clone();
        sorted.sort_by_key(|(name, ..)| *name);
        let position = |name: &str| {
            CollectionIx(sorted.iter().position(|(other, ..)| *other == name).unwrap() as u32)
        };
        let collections = sorted.iter().zip(1..).map(|((name, kind, children), id)| Collection {
            id,
            name: (*name).to_owned(),
            kind: *kind,
            doc: None,
            children: children.iter().map(|child| position(child)).collect(),
        });
        Ok(CollectionCatalog { collections: collections.collect() })
    }

    fn dataset_types(&mut self) -> Result<Vec<RegisteredDatasetType>, RegistryError> {
        self.0.count();
        let types = self.0.types.iter().zip(1..).map(|((name, dimensions, calibration), id)| {
            RegisteredDatasetType {
                id,
                dataset_type: DatasetType {
                    name: (*name).to_owned(),
                    dimensions: self.0.universe.conform(dimensions.iter().copied()).unwrap(),
                    storage_class: "StructuredDataDict".to_owned(),
                    is_calibration: *calibration,
                },
                tags_table: String::new(),
                calibs_table: calibration.then(String::new),
            }
        });
        Ok(types.collect())
    }

    fn governor_values(
        &mut self,
        _: &CollectionCatalog,
        _: &[CollectionIx],
    ) -> Result<Vec<(ElementIx, Vec<DataValue>)>, RegistryError> {
        self.0.count();
        Ok(Vec::new())
    }

    fn ingest_dates(
        &mut self,
        _: &RegisteredDatasetType,
    ) -> Result<Vec<([u8; 16], i64)>, RegistryError> {
        self.0.count();
        Ok(self.0.datasets.iter().map(|dataset| (dataset.id, 0)).collect())
    }

    fn summaries(
        &mut self,
        catalog: &CollectionCatalog,
        collections: &[CollectionIx],
    ) -> Result<Vec<Vec<String>>, RegistryError> {
        self.0.count();
        let names = |&ix: &CollectionIx| {
            let name = catalog.get(ix).name.as_str();
            let holds = |dataset: &&MemoryDataset| {
                dataset.run == name
                    || dataset.tags.contains(&name)
                    || dataset.certifications.iter().any(|(other, ..)| *other == name)
            };
            let mut names: Vec<String> = (self.0.datasets.iter().filter(holds))
                .map(|dataset| dataset.dataset_type.to_owned())
                .collect();
            names.sort();
            names.dedup();
            names
        };
        Ok(collections.iter().map(names).collect())
    }

    fn records(
        &mut self,
        element: ElementIx,
        filter: &Filter,
        symbols: &mut Symbols,
    ) -> Result<RecordTable, RegistryError> {
        self.0.count();
        Ok(self.0.table(element, filter, symbols))
    }

    fn overlaps(
        &mut self,
        element: ElementIx,
        filter: &Filter,
        symbols: &mut Symbols,
    ) -> Result<OverlapRows, RegistryError> {
        self.0.count();
        let skypix = self.0.universe.common_skypix().ix;
        let (of_pixels, of_records) =
            filter.restrictions.iter().cloned().partition(|(ix, _)| *ix == skypix);
        let of_pixels = Filter { restrictions: of_pixels };
        let of_records = Filter { restrictions: of_records };
        let table = self.0.table(element, &of_records, symbols);
        let mut rows = OverlapRows { keys: vec![Vec::new(); table.keys.len()], pixel: Vec::new() };
        for row in 0..table.len() as u32 {
            let region = Region::decode(table.region(row).unwrap()).unwrap();
            for pixel in envelope(&region) {
                if !self.0.allows(&of_pixels, &[skypix], &[pixel.into()]) {
                    continue;
                }
                for (column, from) in rows.keys.iter_mut().zip(&table.keys) {
                    column.push(from[row as usize]);
                }
                rows.pixel.push(pixel as i64);
            }
        }
        Ok(rows)
    }

    fn datasets(
        &mut self,
        dataset_type: &RegisteredDatasetType,
        catalog: &CollectionCatalog,
        collections: &[CollectionIx],
        filter: &Filter,
        symbols: &mut Symbols,
    ) -> Result<DatasetRows, RegistryError> {
        self.0.count();
        let width = dataset_type.dataset_type.dimensions.required().len();
        let mut rows = DatasetRows { keys: vec![Vec::new(); width], ..Default::default() };
        for dataset in self.0.matching(dataset_type, filter) {
            for (rank, &ix) in collections.iter().enumerate() {
                let name = catalog.get(ix).name.as_str();
                if dataset.run == name || dataset.tags.contains(&name) {
                    self.0.push(&mut rows, dataset, rank, catalog, symbols);
                }
            }
        }
        Ok(rows)
    }

    fn calibrations(
        &mut self,
        dataset_type: &RegisteredDatasetType,
        catalog: &CollectionCatalog,
        collections: &[CollectionIx],
        filter: &Filter,
        symbols: &mut Symbols,
    ) -> Result<CalibrationRows, RegistryError> {
        self.0.count();
        let width = dataset_type.dataset_type.dimensions.required().len();
        let mut rows = CalibrationRows::default();
        rows.datasets.keys = vec![Vec::new(); width];
        for dataset in self.0.matching(dataset_type, filter) {
            for &(name, begin, end) in &dataset.certifications {
                let rank = collections.iter().position(|&ix| catalog.get(ix).name == name);
                if let Some(rank) = rank {
                    self.0.push(&mut rows.datasets, dataset, rank, catalog, symbols);
                    rows.timespan.push(Timespan::new(TaiNanos(begin), TaiNanos(end)));
                }
            }
        }
        Ok(rows)
    }

    fn datastore_records(
        &mut self,
        dataset_type: &RegisteredDatasetType,
        catalog: &CollectionCatalog,
        runs: &[CollectionIx],
        filter: &Filter,
        symbols: &mut Symbols,
    ) -> Result<DatastoreRecordRows, RegistryError> {
        let ids: Vec<[u8; 16]> = (self.0.matching(dataset_type, filter))
            .filter(|dataset| runs.iter().any(|&run| catalog.get(run).name == dataset.run))
            .map(|dataset| dataset.id)
            .collect();
        self.datastore_records_of(&ids, symbols)
    }

    fn datastore_records_of(
        &mut self,
        datasets: &[[u8; 16]],
        symbols: &mut Symbols,
    ) -> Result<DatastoreRecordRows, RegistryError> {
        self.0.count();
        let mut rows = DatastoreRecordRows::default();
        for id in datasets {
            rows.id.push(*id);
            rows.datastore.push(symbols.intern("Store"));
            rows.path.push(format!("{:02x}.json", id[15]).into());
            rows.formatter.push(symbols.intern("x.JsonFormatter"));
            rows.storage_class.push(symbols.intern("StructuredDataDict"));
            rows.component.push(None);
            rows.checksum.push(None);
            rows.file_size.push(10);
        }
        Ok(rows)
    }

    fn datastore_contents(&mut self) -> Result<DatastoreContents, RegistryError> {
        self.0.count();
        Ok(DatastoreContents::default())
    }

    fn statements(&self) -> u64 {
        self.0.statements()
    }
}
