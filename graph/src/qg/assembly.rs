//! Building the dense tables from quanta as `.qg` files describe them.

use std::hash::Hash;

use qbb_dimensions::{
    DataIdIndex, DataIdTable, DimensionElement, ElementIx, KeyType, RecordTable, Symbols,
};
use qbb_pipeline::{DatasetTypeIx, PipelineGraph};
use rustc_hash::{FxHashMap, FxHashSet};

use super::models::{
    Dataset, DatastoreRecords, DimensionData, Pairs, Quantum, Record, Text, Value,
};
use super::ordering::{
    EdgeLists, RecordRow, adjacency, inverse, ranks, records, sorted_by_key, sorted_table,
};
use super::pipeline_numbers::PipelineNumbers;
use super::{RECORD_CLASS, RECORD_TABLE, WHOLE_DATASET};
use crate::expansion::wanted_keys;
use crate::model::{
    CollectionStructure, DataIdGroupIx, DatasetTable, Datastore, GraphHeader, InitQuantum,
    InputRecords, QuantumGraph, QuantumTable,
};

struct QuantumRow {
    id: [u8; 16],
    task: u32,
    data_id: u32,
}

struct DatasetRow {
    id: [u8; 16],
    dataset_type: u32,
    data_id: u32,
    run: u32,
}

/// Values numbered in order of first appearance.
struct Numbering<T>(FxHashMap<T, u32>);

impl<T: Hash + Eq> Numbering<T> {
    fn in_order(self) -> Vec<T> {
        let mut values: Vec<(T, u32)> = self.0.into_iter().collect();
        values.sort_unstable_by_key(|&(_, number)| number);
        values.into_iter().map(|(value, _)| value).collect()
    }
}

impl Numbering<String> {
    fn number(&mut self, text: &str) -> u32 {
        if let Some(&number) = self.0.get(text) {
            return number;
        }
        let number = self.0.len() as u32;
        self.0.insert(text.to_owned(), number);
        number
    }
}

/// Collects quanta one after another.
pub(super) struct Assembly {
    pipeline: PipelineGraph,
    symbols: Symbols,
    groups: Vec<DataIdIndex>,
    numbers: PipelineNumbers,
    runs: Numbering<String>,
    datastores: Numbering<String>,
    datasets: Vec<DatasetRow>,
    by_id: FxHashMap<[u8; 16], u32>,
    quanta: Vec<QuantumRow>,
    inputs: EdgeLists,
    outputs: EdgeLists,
    init_quanta: Vec<InitQuantum>,
    records: Vec<RecordRow>,
    known_records: FxHashSet<(u32, u32, u32)>,
    dimension_records: Vec<RecordTable>,
    cells: Vec<i64>,
}

impl Assembly {
    pub(super) fn new(pipeline: PipelineGraph) -> Result<Self, String> {
        let (numbers, groups) = PipelineNumbers::new(&pipeline)?;
        Ok(Self {
            symbols: Symbols::new(),
            groups: groups.into_iter().map(DataIdIndex::new).collect(),
            numbers,
            runs: Numbering(FxHashMap::default()),
            datastores: Numbering(FxHashMap::default()),
            datasets: Vec::new(),
            by_id: FxHashMap::default(),
            quanta: Vec::new(),
            inputs: EdgeLists::default(),
            outputs: EdgeLists::default(),
            init_quanta: Vec::new(),
            records: Vec::new(),
            known_records: FxHashSet::default(),
            dimension_records: Vec::new(),
            cells: Vec::new(),
            pipeline,
        })
    }

    pub(super) fn add_dimension_data(&mut self, data: DimensionData<'_>) -> Result<(), String> {
        let universe = self.pipeline.universe.clone();
        for (name, rows) in data.0 {
            let element = (universe.find(&name))
                .ok_or_else(|| format!("the universe has no element `{}`", &*name))?;
            let mut table = RecordTable::new(element);
            for row in rows {
                let values: Vec<serde_json::Value> =
                    serde_json::from_str(row.get()).map_err(|error| error.to_string())?;
                table
                    .push_json(&values, &universe, &mut self.symbols)
                    .map_err(|error| error.to_string())?;
            }
            self.dimension_records.push(table);
        }
        self.dimension_records.sort_unstable_by_key(|table| table.element);
        Ok(())
    }

    /// Adds one dimension record, given as JSON.
    pub(super) fn add_dimension_record(
        &mut self,
        element: &DimensionElement,
        row: &[u8],
    ) -> Result<(), String> {
        let tables = &mut self.dimension_records;
        let position = match tables.binary_search_by_key(&element.ix, |table| table.element) {
            Ok(position) => position,
            Err(position) => {
                tables.insert(position, RecordTable::new(element));
                position
            }
        };
        let values: Vec<serde_json::Value> =
            serde_json::from_slice(row).map_err(|error| error.to_string())?;
        tables[position]
            .push_json(&values, &self.pipeline.universe, &mut self.symbols)
            .map(drop)
            .map_err(|error| error.to_string())
    }

    /// For each element, the keys of the records that expand the data IDs so far.
    pub(super) fn wanted_records(&self) -> FxHashMap<ElementIx, FxHashSet<Vec<i64>>> {
        let groups: Vec<_> = self.groups.iter().map(|index| index.group().clone()).collect();
        let cells: Vec<Vec<&[i64]>> = (self.groups.iter())
            .map(|index| (0..index.group().keys().len()).map(|key| index.column(key)).collect())
            .collect();
        wanted_keys(&self.pipeline.universe, &groups, &cells)
    }

    /// The pipeline.
    pub(super) fn pipeline(&self) -> &PipelineGraph {
        &self.pipeline
    }

    /// Text so far.
    pub(super) fn symbols(&self) -> &Symbols {
        &self.symbols
    }

    pub(super) fn add_quantum(&mut self, quantum: Quantum<'_>) -> Result<(), String> {
        let task = self.numbers.task(&quantum.task_label)?;
        let group = self.numbers.task_groups[task as usize];
        let data_id = self
            .data_id(group, &quantum.data_coordinate)
            .map_err(|reason| format!("task `{}`: {reason}", &*quantum.task_label))?;
        self.quanta.push(QuantumRow { id: quantum.quantum_id.into_bytes(), task, data_id });
        for is_input in [true, false] {
            let lists = if is_input { &quantum.inputs } else { &quantum.outputs };
            for (name, datasets) in &lists.0 {
                let number = self.numbers.connection(task, is_input, name)?;
                for dataset in datasets {
                    let dataset = self.dataset(dataset)?;
                    let side = if is_input { &mut self.inputs } else { &mut self.outputs };
                    side.edges.push((number, dataset));
                }
            }
            let side = if is_input { &mut self.inputs } else { &mut self.outputs };
            side.ends.push(side.edges.len());
        }
        self.add_records(quantum.datastore_records)
    }

    pub(super) fn add_init_quantum(&mut self, quantum: Quantum<'_>) -> Result<(), String> {
        let task = match &*quantum.task_label {
            "" => None,
            label => Some(self.numbers.task(label)?),
        };
        let mut sides = [Vec::new(), Vec::new()];
        for (side, lists) in sides.iter_mut().zip([&quantum.inputs, &quantum.outputs]) {
            for (name, datasets) in &lists.0 {
                for dataset in datasets {
                    side.push(((**name).to_owned(), self.dataset(dataset)?));
                }
            }
        }
        let [inputs, outputs] = sides;
        self.init_quanta.push(InitQuantum { id: quantum.quantum_id, task, inputs, outputs });
        self.add_records(quantum.datastore_records)
    }

    fn data_id(&mut self, group: DataIdGroupIx, values: &[Value<'_>]) -> Result<u32, String> {
        let index = &mut self.groups[group.index()];
        let universe = index.group().universe().clone();
        let keys = index.group().keys();
        if keys.len() != values.len() {
            let group = index.group();
            return Err(format!("a data ID has {} values for {group}", values.len()));
        }
        self.cells.clear();
        for (&ix, value) in keys.iter().zip(values) {
            let dimension = universe.element(ix);
            self.cells.push(match (dimension.key_type(), value) {
                (Some(KeyType::Text), Value::Text(text)) => self.symbols.intern(text).cell(),
                (Some(KeyType::Int), Value::Int(value)) => *value,
                _ => return Err(format!("{value:?} is no value of `{}`", dimension.name)),
            });
        }
        Ok(index.insert(&self.cells))
    }

    fn dataset(&mut self, dataset: &Dataset<'_>) -> Result<u32, String> {
        let id = dataset.dataset_id.into_bytes();
        if let Some(&known) = self.by_id.get(&id) {
            return Ok(known);
        }
        let name = &*dataset.dataset_type_name;
        let DatasetTypeIx(dataset_type) = (self.pipeline.find_dataset_type(name))
            .ok_or_else(|| format!("the pipeline graph has no dataset type `{name}`"))?;
        let group = self.numbers.dataset_type_groups[dataset_type as usize];
        let data_id = self
            .data_id(group, &dataset.data_coordinate)
            .map_err(|reason| format!("dataset type `{name}`: {reason}"))?;
        let run = self.runs.number(&dataset.run);
        let number = u32::try_from(self.datasets.len()).map_err(|_| "too many datasets")?;
        self.datasets.push(DatasetRow { id, dataset_type, data_id, run });
        self.by_id.insert(id, number);
        Ok(number)
    }

    fn add_records(
        &mut self,
        by_datastore: Pairs<Text<'_>, DatastoreRecords<'_>>,
    ) -> Result<(), String> {
        for (name, records) in by_datastore.0 {
            let datastore = self.datastores.number(&name);
            for (class, by_dataset) in records.records.0 {
                if &*class != RECORD_CLASS {
                    return Err(format!("records of class `{}` are not supported", &*class));
                }
                for (id, by_table) in by_dataset.0 {
                    let dataset = *(self.by_id.get(id.as_bytes()))
                        .ok_or_else(|| format!("records of {id}, which is no dataset here"))?;
                    for (table, rows) in by_table.0 {
                        if &*table != RECORD_TABLE {
                            return Err(format!("records of table `{}`", &*table));
                        }
                        for row in rows {
                            self.add_record(dataset, datastore, &row);
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn add_record(&mut self, dataset: u32, datastore: u32, row: &Record<'_>) {
        let component = match row.component.as_deref() {
            None | Some(WHOLE_DATASET) => InputRecords::WHOLE,
            Some(component) => self.symbols.intern(component).0,
        };
        // A dataset's records come with every quantum that reads it.
        if !self.known_records.insert((dataset, datastore, component)) {
            return;
        }
        self.records.push(RecordRow {
            dataset,
            datastore,
            path: (*row.path).into(),
            formatter: self.symbols.intern(&row.formatter).0,
            storage_class: self.symbols.intern(&row.storage_class).0,
            component,
            checksum: row.checksum.as_deref().unwrap_or_default().into(),
            file_size: row.file_size,
        });
    }

    /// The graph, with everything in the order that the model demands.
    pub(super) fn finish(mut self, header: GraphHeader) -> QuantumGraph {
        let ranks = ranks(&self.symbols);
        let (data_ids, row_maps): (Vec<DataIdTable>, Vec<Vec<u32>>) =
            std::mem::take(&mut self.groups)
                .into_iter()
                .map(|index| sorted_table(index.into_table(), &ranks))
                .unzip();
        for quantum in &mut self.quanta {
            let group = self.numbers.task_groups[quantum.task as usize];
            quantum.data_id = row_maps[group.index()][quantum.data_id as usize];
        }
        let mut runs = self.runs.in_order();
        let run_map = inverse(&sorted_by_key(runs.len(), |run| runs[run as usize].clone()));
        runs.sort_unstable();
        for dataset in &mut self.datasets {
            let group = self.numbers.dataset_type_groups[dataset.dataset_type as usize];
            dataset.data_id = row_maps[group.index()][dataset.data_id as usize];
            dataset.run = run_map[dataset.run as usize];
        }
        let rows = &self.datasets;
        let order = sorted_by_key(rows.len(), |dataset| {
            let row = &rows[dataset as usize];
            (row.dataset_type, row.run, row.data_id, row.id)
        });
        let dataset_map = inverse(&order);
        let column = |value: fn(&DatasetRow) -> u32| {
            order.iter().map(|&dataset| value(&rows[dataset as usize])).collect()
        };
        let datasets = DatasetTable {
            id: order.iter().map(|&dataset| rows[dataset as usize].id).collect(),
            dataset_type: column(|row| row.dataset_type),
            data_id: column(|row| row.data_id),
            run: column(|row| row.run),
        };
        let rows = &self.quanta;
        let order = sorted_by_key(rows.len(), |quantum| {
            let row = &rows[quantum as usize];
            (row.task, row.data_id, row.id)
        });
        let quanta = QuantumTable {
            id: order.iter().map(|&quantum| rows[quantum as usize].id).collect(),
            task: order.iter().map(|&quantum| rows[quantum as usize].task).collect(),
            data_id: order.iter().map(|&quantum| rows[quantum as usize].data_id).collect(),
        };
        let inputs = adjacency(&self.inputs, &order, &dataset_map, &datasets);
        let outputs = adjacency(&self.outputs, &order, &dataset_map, &datasets);
        for init in &mut self.init_quanta {
            for (_, dataset) in init.inputs.iter_mut().chain(&mut init.outputs) {
                *dataset = dataset_map[*dataset as usize];
            }
        }
        for record in &mut self.records {
            record.dataset = dataset_map[record.dataset as usize];
        }
        let records = records(self.records);
        QuantumGraph {
            header,
            pipeline: self.pipeline,
            symbols: self.symbols,
            data_ids,
            task_groups: self.numbers.task_groups,
            dataset_type_groups: self.numbers.dataset_type_groups,
            runs,
            datasets,
            quanta,
            inputs,
            outputs,
            init_quanta: self.init_quanta,
            datastores: (self.datastores.in_order().into_iter())
                .map(|name| Datastore { name, root: String::new() })
                .collect(),
            records,
            dimension_records: self.dimension_records,
            collections: CollectionStructure::default(),
            lookups: Default::default(),
        }
    }
}
