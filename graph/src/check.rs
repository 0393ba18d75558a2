//! The rules that hold between the tables of a graph.

use qbb_dimensions::{DataIdTable, FieldColumn, KeyType, RecordTable, Symbol};
use rayon::prelude::*;
use rustc_hash::FxHashSet;

use crate::error::{Flaw, Result};
use crate::model::{Adjacency, DataIdGroupIx, DatasetIx, InputRecords, QuantumGraph, QuantumIx};

const QUANTA: &str = "quanta";
const DATASETS: &str = "datasets";
const INPUTS: &str = "inputs";
const OUTPUTS: &str = "outputs";
const RECORDS: &str = "datastore records";
const DIMENSION_RECORDS: &str = "dimension records";
const INIT_QUANTA: &str = "init quanta";

fn below(
    table: &'static str,
    row: usize,
    what: &str,
    value: impl Into<u64>,
    limit: usize,
) -> Result<(), Flaw> {
    let value = value.into();
    if value < limit as u64 { Ok(()) } else { Err(Flaw::beyond(table, row, what, value, limit)) }
}

impl Adjacency {
    /// Whether the columns have the right lengths and the offsets ascend from 0 to the number of
    /// edges.
    pub(crate) fn is_well_formed(&self, quanta: usize) -> bool {
        self.offsets.len() == quanta + 1
            && self.connection.len() == self.dataset.len()
            && self.offsets.first() == Some(&0)
            && self.offsets.last() == Some(&(self.dataset.len() as u64))
            && self.offsets.is_sorted()
    }
}

impl QuantumGraph {
    /// Everything that must be true of a graph: what the indices need and, beyond it, that UUIDs
    /// are unique, no dataset is written twice, quanta come in the order of tasks and never need
    /// the output of a later task, and that data IDs have their dimension records.
    ///
    /// # Errors
    /// With the first rule broken.
    pub fn check(&self) -> Result<()> {
        for (_, rule) in RULES {
            rule(self)?;
        }
        Ok(())
    }

    /// That all numbers reached from one quantum point into their tables: what must hold before a
    /// quantum of a natively mapped file, opened with [`crate::Check::Structure`], is looked at.
    ///
    /// # Errors
    /// With the number that does not.
    pub fn check_quantum(&self, quantum: QuantumIx) -> Result<()> {
        below(QUANTA, quantum.index(), "quantum", quantum.0, self.quanta.len())?;
        self.check_quantum_row(quantum)?;
        for adjacency in [&self.inputs, &self.outputs] {
            for (_, dataset) in adjacency.edges(quantum) {
                self.check_dataset_row(dataset)?;
            }
        }
        Ok(())
    }

    /// The same for one dataset.
    ///
    /// # Errors
    /// With the number that points nowhere.
    pub fn check_dataset(&self, dataset: DatasetIx) -> Result<()> {
        below(DATASETS, dataset.index(), "dataset", dataset.0, self.datasets.len())?;
        Ok(self.check_dataset_row(dataset)?)
    }

    /// A quantum's own numbers and those of its edges, but not what the datasets refer to.
    fn check_quantum_row(&self, quantum: QuantumIx) -> Result<(), Flaw> {
        let row = quantum.index();
        below(QUANTA, row, "task", self.quanta.task[row], self.pipeline.tasks.len())?;
        let task_ix = self.quanta.task(quantum);
        let data_ids = self.task_data_ids(task_ix);
        below(QUANTA, row, "data ID", self.quanta.data_id[row], data_ids.len())?;
        let task = self.pipeline.task(task_ix);
        let sides = [(INPUTS, &self.inputs, true), (OUTPUTS, &self.outputs, false)];
        for (table, adjacency, is_input) in sides {
            let range = adjacency.range(quantum);
            let connections = &adjacency.connection[range.clone()];
            if !connections.is_sorted() {
                let reason = format!("connections of quantum {row} are not sorted");
                return Err(Flaw::new(table, range.start, reason));
            }
            // Edges come in the order of connections, so one walk over both suffices.
            let mut declared: Box<dyn Iterator<Item = _>> = if is_input {
                Box::new(task.quantum_inputs().enumerate())
            } else {
                Box::new(task.quantum_outputs().enumerate())
            };
            let mut current = declared.next();
            for (edge, (&connection, &dataset)) in
                range.clone().zip(connections.iter().zip(&adjacency.dataset[range]))
            {
                while current.is_some_and(|(number, _)| number < usize::from(connection)) {
                    current = declared.next();
                }
                let Some((_, declaration)) = current else {
                    let reason =
                        format!("connection {connection} of task `{}` does not exist", task.label);
                    return Err(Flaw::new(table, edge, reason));
                };
                below(table, edge, "dataset", dataset, self.datasets.len())?;
                let actual = self.datasets.dataset_type[dataset as usize];
                if actual != declaration.dataset_type.0 {
                    let reason = format!(
                        "dataset {dataset} is not of the type of connection `{}` of task `{}`",
                        declaration.name, task.label
                    );
                    return Err(Flaw::new(table, edge, reason));
                }
            }
        }
        Ok(())
    }

    fn check_dataset_row(&self, dataset: DatasetIx) -> Result<(), Flaw> {
        let row = dataset.index();
        let types = self.pipeline.dataset_types.len();
        below(DATASETS, row, "dataset", dataset.0, self.datasets.len())?;
        below(DATASETS, row, "dataset type", self.datasets.dataset_type[row], types)?;
        let data_ids = self.dataset_type_data_ids(self.datasets.dataset_type(dataset));
        below(DATASETS, row, "data ID", self.datasets.data_id[row], data_ids.len())?;
        below(DATASETS, row, "run", self.datasets.run[row], self.runs.len())
    }

    /// Numbers in the tables whose sizes do not depend on the number of quanta, and the lengths of
    /// all columns. Everything else relies on these.
    pub(crate) fn check_small_tables(&self) -> Result<(), Flaw> {
        let groups = self.data_ids.len();
        let fits = |table, row, group: DataIdGroupIx, wanted: &qbb_dimensions::DimensionGroup| {
            below(table, row, "group", group.0, groups)?;
            let actual = self.data_ids[group.index()].group();
            if actual == wanted {
                return Ok(());
            }
            Err(Flaw::new(table, row, format!("dimensions {actual} instead of {wanted}")))
        };
        let (tasks, types) = (&self.pipeline.tasks, &self.pipeline.dataset_types);
        let expect = |table, actual: usize, wanted: usize| match actual == wanted {
            true => Ok(()),
            false => Err(Flaw::new(table, actual, format!("there are {wanted} values needed"))),
        };
        expect("groups of tasks", self.task_groups.len(), tasks.len())?;
        for (row, (&group, task)) in self.task_groups.iter().zip(tasks).enumerate() {
            fits("groups of tasks", row, group, &task.dimensions)?;
        }
        expect("groups of dataset types", self.dataset_type_groups.len(), types.len())?;
        for (row, (&group, node)) in self.dataset_type_groups.iter().zip(types).enumerate() {
            fits("groups of dataset types", row, group, &node.dataset_type.dimensions)?;
        }
        let quanta = self.quanta.len();
        expect(QUANTA, self.quanta.task.len(), quanta)?;
        expect(QUANTA, self.quanta.data_id.len(), quanta)?;
        let datasets = self.datasets.len();
        expect(DATASETS, self.datasets.dataset_type.len(), datasets)?;
        expect(DATASETS, self.datasets.data_id.len(), datasets)?;
        expect(DATASETS, self.datasets.run.len(), datasets)?;
        for (table, adjacency) in [(INPUTS, &self.inputs), (OUTPUTS, &self.outputs)] {
            if !adjacency.is_well_formed(quanta) {
                return Err(Flaw::new(table, 0, "offsets do not ascend to the number of edges"));
            }
        }
        let InputRecords { datastore, path, formatter, storage_class, component, .. } =
            &self.records;
        let lengths = [
            datastore.len(),
            path.len(),
            formatter.len(),
            storage_class.len(),
            component.len(),
            self.records.checksum.len(),
            self.records.file_size.len(),
        ];
        for length in lengths {
            expect(RECORDS, length, self.records.len())?;
        }
        let members = &self.collections;
        for length in [members.collection.len(), members.begin.len(), members.end.len()] {
            expect("memberships", length, members.dataset.len())?;
        }
        let mut elements = FxHashSet::default();
        for (row, table) in self.dimension_records.iter().enumerate() {
            if !elements.insert(table.element) {
                return Err(Flaw::new(DIMENSION_RECORDS, row, "an element has two tables"));
            }
        }
        for (row, init) in self.init_quanta.iter().enumerate() {
            if let Some(task) = init.task {
                below(INIT_QUANTA, row, "task", task, tasks.len())?;
            }
            for (_, dataset) in init.inputs.iter().chain(&init.outputs) {
                below(INIT_QUANTA, row, "dataset", *dataset, datasets)?;
            }
        }
        Ok(())
    }

    /// All numbers that point from one table into another, in parallel.
    pub(crate) fn check_indices(&self) -> Result<(), Flaw> {
        self.check_small_tables()?;
        self.data_ids.par_iter().try_for_each(|table| self.check_cells(table))?;
        (0..self.datasets.len() as u32)
            .into_par_iter()
            .with_min_len(4096)
            .try_for_each(|row| self.check_dataset_row(DatasetIx(row)))?;
        (0..self.quanta.len() as u32)
            .into_par_iter()
            .with_min_len(1024)
            .try_for_each(|row| self.check_quantum_row(QuantumIx(row)))?;
        self.check_records()?;
        self.dimension_records.par_iter().try_for_each(|table| self.check_symbols(table))?;
        let members = &self.collections;
        for (row, (&dataset, &collection)) in
            members.dataset.iter().zip(members.collection.iter()).enumerate()
        {
            below("memberships", row, "dataset", dataset, self.datasets.len())?;
            below("memberships", row, "collection", collection, members.collections.len())?;
        }
        Ok(())
    }

    fn check_cells(&self, table: &DataIdTable) -> Result<(), Flaw> {
        let universe = table.group().universe();
        for (&ix, column) in table.group().keys().iter().zip(table.columns()) {
            if universe.element(ix).key_type() != Some(KeyType::Text) {
                continue;
            }
            let symbols = self.symbols.len() as i64;
            let wrong = column.iter().position(|&cell| cell < 0 || cell >= symbols);
            if let Some(row) = wrong {
                let name = &universe.element(ix).name;
                let reason = format!("{} is no symbol, of dimension `{name}`", column[row]);
                return Err(Flaw::new("data IDs", row, reason));
            }
        }
        Ok(())
    }

    /// Text of dimension records.
    fn check_symbols(&self, table: &RecordTable) -> Result<(), Flaw> {
        let universe = self.universe();
        let element = universe.element(table.element);
        let symbols = self.symbols.len();
        let flaw = |row| {
            Flaw::new(DIMENSION_RECORDS, row, format!("no text for a value of `{}`", element.name))
        };
        let dimensions = element.required.iter().chain(&element.implied);
        for (&ix, column) in dimensions.zip(table.keys.iter().chain(&table.implied)) {
            if universe.element(ix).key_type() == Some(KeyType::Text) {
                let wrong = |&cell: &i64| cell < 0 || cell >= symbols as i64;
                column.iter().position(wrong).map_or(Ok(()), |row| Err(flaw(row)))?;
            }
        }
        for field in &table.fields {
            if let FieldColumn::Text(values) = field {
                let wrong = |value: &Option<Symbol>| value.is_some_and(|s| s.0 as usize >= symbols);
                values.iter().position(wrong).map_or(Ok(()), |row| Err(flaw(row)))?;
            }
        }
        Ok(())
    }

    fn check_records(&self) -> Result<(), Flaw> {
        let records = &self.records;
        if let Some(row) = records.dataset.windows(2).position(|pair| pair[0] > pair[1]) {
            return Err(Flaw::new(RECORDS, row + 1, "datasets do not ascend"));
        }
        (0..records.len())
            .into_par_iter()
            .with_min_len(4096)
            .try_for_each(|row| self.check_record(row))
    }

    /// One datastore record.
    pub(crate) fn check_record(&self, row: usize) -> Result<(), Flaw> {
        let (records, symbols) = (&self.records, self.symbols.len());
        below(RECORDS, row, "dataset", records.dataset[row], self.datasets.len())?;
        below(RECORDS, row, "datastore", records.datastore[row], self.datastores.len())?;
        below(RECORDS, row, "formatter", records.formatter[row], symbols)?;
        below(RECORDS, row, "storage class", records.storage_class[row], symbols)?;
        if records.component[row] != InputRecords::WHOLE {
            below(RECORDS, row, "component", records.component[row], symbols)?;
        }
        for (what, bytes) in
            [("path", records.path.get(row)), ("checksum", records.checksum.get(row))]
        {
            if std::str::from_utf8(bytes).is_err() {
                return Err(Flaw::new(RECORDS, row, format!("the {what} is not UTF-8")));
            }
        }
        Ok(())
    }

    fn check_unique_ids(&self) -> Result<(), Flaw> {
        let inits = self.init_quanta.iter().map(|init| init.id.as_bytes());
        let quanta = self.quanta.id.iter().chain(inits);
        unique(QUANTA, quanta)?;
        unique(DATASETS, self.datasets.id.iter())
    }

    fn check_single_producers(&self) -> Result<(), Flaw> {
        let mut written = vec![false; self.datasets.len()];
        for (edge, &dataset) in self.outputs.dataset.iter().enumerate() {
            if std::mem::replace(&mut written[dataset as usize], true) {
                return Err(Flaw::new(
                    OUTPUTS,
                    edge,
                    format!("dataset {dataset} is written twice"),
                ));
            }
        }
        for (row, init) in self.init_quanta.iter().enumerate() {
            for dataset in init.output_datasets() {
                if std::mem::replace(&mut written[dataset.index()], true) {
                    let reason = format!("dataset {} is written twice", dataset.0);
                    return Err(Flaw::new(INIT_QUANTA, row, reason));
                }
            }
        }
        Ok(())
    }

    fn check_order(&self) -> Result<(), Flaw> {
        let tasks = &self.quanta.task;
        if let Some(row) = tasks.windows(2).position(|pair| pair[0] > pair[1]) {
            return Err(Flaw::new(QUANTA, row + 1, "quanta are not in the order of tasks"));
        }
        let backwards =
            self.flow().edges().find(|(from, to)| tasks[from.index()] >= tasks[to.index()]);
        match backwards {
            Some((from, to)) => {
                let reason =
                    format!("it needs quantum {}, which is not of an earlier task", from.0);
                Err(Flaw::new(QUANTA, to.index(), reason))
            }
            None => Ok(()),
        }
    }

    fn check_dimension_records(&self) -> Result<(), Flaw> {
        let Some((group, row, element)) = self.missing_record() else { return Ok(()) };
        let data_id = self.data_ids[group.index()].describe(row, &self.symbols);
        let name = &self.universe().element(element).name;
        Err(Flaw::new("data IDs", row as usize, format!("no `{name}` record for {data_id}")))
    }
}

fn unique<'a>(table: &'static str, ids: impl Iterator<Item = &'a [u8; 16]>) -> Result<(), Flaw> {
    let mut seen = FxHashSet::default();
    for (row, id) in ids.enumerate() {
        if !seen.insert(id) {
            let reason = format!("UUID {} occurs twice", uuid::Uuid::from_bytes(*id));
            return Err(Flaw::new(table, row, reason));
        }
    }
    Ok(())
}

type Rule = fn(&QuantumGraph) -> Result<(), Flaw>;

/// What [`QuantumGraph::check`] demands; later rules rely on the first.
pub(crate) const RULES: [(&str, Rule); 5] = [
    ("numbers point into their tables", QuantumGraph::check_indices),
    ("UUIDs are unique", QuantumGraph::check_unique_ids),
    ("no dataset is written twice", QuantumGraph::check_single_producers),
    ("quanta are in the order of tasks", QuantumGraph::check_order),
    ("data IDs have their dimension records", QuantumGraph::check_dimension_records),
];
