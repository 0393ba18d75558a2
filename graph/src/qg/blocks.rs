//! The JSON blocks of `.qg` files, one by one: what the file holds, and what a Python worker is
//! told about a quantum.

use qbb_dimensions::{FieldColumn, KeyType, RecordTable};
use qbb_pipeline::{Connection, TaskIx};

use super::json;
use super::{RECORD_CLASS, RECORD_TABLE, WHOLE_DATASET};
use crate::error::{Flaw, Result};
use crate::expansion::RecordSelection;
use crate::model::{Adjacency, DatasetIx, InitQuantum, InputRecords, QuantumGraph, QuantumIx};

/// How the paths of datastore records are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RecordPaths {
    /// As the release recorded them: relative to its datastore's root, or absolute.
    #[default]
    AsRecorded,
    /// Absolute URIs, so that a datastore with another root finds the inputs.
    AbsoluteUris,
}

impl QuantumGraph {
    /// One block of `quantum_datasets.mb`: a quantum with its inputs, outputs and the datastore
    /// records of its overall inputs.
    ///
    /// # Errors
    /// If a number of the quantum points nowhere (in a file that was not checked in full), or a
    /// path has no absolute URI.
    pub fn quantum_json(&self, quantum: QuantumIx, paths: RecordPaths) -> Result<Vec<u8>> {
        let mut out = Vec::with_capacity(4096);
        self.check_quantum(quantum)?;
        self.write_quantum(quantum, paths, None, &mut out)?;
        Ok(out)
    }

    /// The same with the datastore records of the task's init-inputs added, which is all that
    /// executing the quantum needs.
    ///
    /// # Errors
    /// As [`QuantumGraph::quantum_json`].
    pub fn quantum_json_with_init_records(
        &self,
        quantum: QuantumIx,
        paths: RecordPaths,
    ) -> Result<Vec<u8>> {
        let mut out = Vec::with_capacity(4096);
        self.check_quantum(quantum)?;
        let init = self.init_quantum(Some(self.quanta.task(quantum)));
        self.write_quantum(quantum, paths, init, &mut out)?;
        Ok(out)
    }

    /// The init quantum of a task, or the global one for `None`.
    pub fn init_quantum(&self, task: Option<TaskIx>) -> Option<&InitQuantum> {
        self.init_quanta.iter().find(|init| init.task() == task)
    }

    /// One object of the `init_quanta` member.
    ///
    /// # Errors
    /// As [`QuantumGraph::quantum_json`].
    pub fn init_quantum_json(&self, init: &InitQuantum, paths: RecordPaths) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        self.write_init_quantum(init, paths, &mut out)?;
        Ok(out)
    }

    /// The `init_quanta` member: the objects of all init quanta.
    ///
    /// # Errors
    /// As [`QuantumGraph::quantum_json`].
    pub fn init_quanta_json(&self, paths: RecordPaths) -> Result<Vec<u8>> {
        let mut out = vec![b'['];
        for (position, init) in self.init_quanta.iter().enumerate() {
            if position != 0 {
                out.push(b',');
            }
            self.write_init_quantum(init, paths, &mut out)?;
        }
        out.push(b']');
        Ok(out)
    }

    /// The `header` member.
    pub fn header_json(&self) -> Vec<u8> {
        let header = &self.header;
        let mut out = br#"{"version":1,"graph_type":"predicted","inputs":"#.to_vec();
        json::strings(&mut out, &header.inputs);
        out.extend_from_slice(b",\"output\":");
        json::optional_string(&mut out, header.output.as_deref());
        for (key, text) in [
            ("output_run", &header.output_run),
            ("user", &header.user),
            ("timestamp", &header.timestamp),
            ("command", &header.command),
        ] {
            json::key(&mut out, &mut false, key);
            json::string(&mut out, text);
        }
        out.extend_from_slice(b",\"metadata\":");
        let metadata = header.metadata.trim();
        out.extend_from_slice(if metadata.is_empty() { b"{}" } else { metadata.as_bytes() });
        out.extend_from_slice(b",\"int_size\":8,\"n_quanta\":");
        json::int(&mut out, self.quanta.len() as i64);
        out.extend_from_slice(b",\"n_datasets\":");
        json::int(&mut out, self.datasets.len() as i64);
        out.extend_from_slice(b",\"n_task_quanta\":{");
        let mut first = true;
        for (task, count) in self.pipeline.tasks.iter().zip(self.task_counts()) {
            json::key(&mut out, &mut first, &task.label);
            json::int(&mut out, count as i64);
        }
        out.extend_from_slice(b"},\"provenance_dataset_id\":");
        json::uuid(&mut out, &self.provenance_id());
        out.push(b'}');
        out
    }

    /// Number of quanta of each task. Tasks that do not exist count nothing.
    pub fn task_counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.pipeline.tasks.len()];
        for &task in self.quanta.task.iter() {
            if let Some(count) = counts.get_mut(task as usize) {
                *count += 1;
            }
        }
        counts
    }

    /// UUID under which a provenance graph of this graph's execution may be ingested. It follows
    /// from the init quanta and the run, so that writing a graph twice gives the same bytes.
    fn provenance_id(&self) -> [u8; 16] {
        let namespace = self.init_quanta.first().map_or(uuid::Uuid::NAMESPACE_OID, |init| init.id);
        uuid::Uuid::new_v5(&namespace, self.header.output_run.as_bytes()).into_bytes()
    }

    /// The `dimension_data` member: all dimension records.
    pub fn all_dimension_data_json(&self) -> Vec<u8> {
        self.write_dimension_data(
            (self.dimension_records.iter()).map(|table| (table, 0..table.len() as u32)),
        )
    }

    /// The same for the records that expand a quantum and its datasets.
    ///
    /// # Errors
    /// If a number of the quantum points nowhere.
    pub fn dimension_data_json(&self, quantum: QuantumIx) -> Result<Vec<u8>> {
        self.check_quantum(quantum)?;
        Ok(self.selected_dimension_data_json(&self.dimension_data(self.quantum_data_ids(quantum))))
    }

    /// The same for a selection of records of this graph.
    pub fn selected_dimension_data_json(&self, selection: &RecordSelection) -> Vec<u8> {
        self.write_dimension_data(
            (selection.tables.iter())
                .map(|(table, rows)| (&self.dimension_records[*table], rows.iter().copied())),
        )
    }

    pub(super) fn write_quantum(
        &self,
        quantum: QuantumIx,
        paths: RecordPaths,
        init: Option<&InitQuantum>,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let task = self.pipeline.task(self.quanta.task(quantum));
        out.extend_from_slice(b"{\"quantum_id\":");
        json::uuid(out, &self.quanta.id[quantum.index()]);
        out.extend_from_slice(b",\"task_label\":");
        json::string(out, &task.label);
        out.extend_from_slice(b",\"data_coordinate\":");
        self.write_quantum_data_id(quantum, out);
        out.extend_from_slice(b",\"inputs\":");
        self.write_edges(&self.inputs, quantum, task.quantum_inputs(), out);
        out.extend_from_slice(b",\"outputs\":");
        self.write_edges(&self.outputs, quantum, task.quantum_outputs(), out);
        out.extend_from_slice(b",\"datastore_records\":");
        let own = self.inputs.edges(quantum).map(|(_, dataset)| dataset.0);
        let of_init = init.into_iter().flat_map(|init| init.inputs.iter().map(|&(_, d)| d));
        self.write_records(own.chain(of_init).collect(), paths, out)?;
        out.push(b'}');
        Ok(())
    }

    pub(super) fn write_quantum_data_id(&self, quantum: QuantumIx, out: &mut Vec<u8>) {
        let task = self.quanta.task(quantum);
        self.write_data_id(self.task_data_ids(task), self.quanta.data_id[quantum.index()], out);
    }

    fn write_data_id(&self, table: &qbb_dimensions::DataIdTable, row: u32, out: &mut Vec<u8>) {
        let universe = table.group().universe();
        json::list(out, table.group().keys().iter().zip(table.row(row)), |out, (&ix, cell)| {
            self.write_cell(universe.element(ix).key_type(), cell, out);
        });
    }

    fn write_cell(&self, key: Option<KeyType>, cell: i64, out: &mut Vec<u8>) {
        match key {
            Some(KeyType::Text) => {
                json::string(out, self.symbols.of_cell(cell).unwrap_or_default());
            }
            _ => json::int(out, cell),
        }
    }

    fn write_edges<'a>(
        &self,
        adjacency: &Adjacency,
        quantum: QuantumIx,
        connections: impl Iterator<Item = &'a Connection>,
        out: &mut Vec<u8>,
    ) {
        out.push(b'{');
        let mut first = true;
        for (number, connection) in connections.enumerate() {
            json::key(out, &mut first, &connection.name);
            let datasets = adjacency.of_connection(quantum, number as u16);
            json::list(out, datasets, |out, dataset| self.write_dataset(dataset, out));
        }
        out.push(b'}');
    }

    fn write_dataset(&self, dataset: DatasetIx, out: &mut Vec<u8>) {
        let dataset_type = self.datasets.dataset_type(dataset);
        out.extend_from_slice(b"{\"dataset_id\":");
        json::uuid(out, &self.datasets.id[dataset.index()]);
        out.extend_from_slice(b",\"dataset_type_name\":");
        json::string(out, &self.pipeline.dataset_type(dataset_type).dataset_type.name);
        out.extend_from_slice(b",\"data_coordinate\":");
        let data_ids = self.dataset_type_data_ids(dataset_type);
        self.write_data_id(data_ids, self.datasets.data_id[dataset.index()], out);
        out.extend_from_slice(b",\"run\":");
        json::string(out, &self.runs[self.datasets.run[dataset.index()] as usize]);
        out.push(b'}');
    }

    fn write_init_quantum(
        &self,
        init: &InitQuantum,
        paths: RecordPaths,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let label = match init.task {
            None => "",
            Some(task) => match self.pipeline.tasks.get(task as usize) {
                Some(task) => &task.label,
                None => {
                    let limit = self.pipeline.tasks.len();
                    return Err(Flaw::beyond("init quanta", 0, "task", task.into(), limit).into());
                }
            },
        };
        for &(_, dataset) in init.inputs.iter().chain(&init.outputs) {
            self.check_dataset(DatasetIx(dataset))?;
        }
        out.extend_from_slice(b"{\"quantum_id\":");
        json::uuid(out, init.id.as_bytes());
        out.extend_from_slice(b",\"task_label\":");
        json::string(out, label);
        out.extend_from_slice(b",\"data_coordinate\":[],\"inputs\":");
        self.write_named(&init.inputs, out);
        out.extend_from_slice(b",\"outputs\":");
        self.write_named(&init.outputs, out);
        out.extend_from_slice(b",\"datastore_records\":");
        self.write_records(init.inputs.iter().map(|&(_, dataset)| dataset).collect(), paths, out)?;
        out.push(b'}');
        Ok(())
    }

    fn write_named(&self, datasets: &[(String, u32)], out: &mut Vec<u8>) {
        out.push(b'{');
        let mut first = true;
        for (position, (name, _)) in datasets.iter().enumerate() {
            if datasets[..position].iter().any(|(earlier, _)| earlier == name) {
                continue;
            }
            json::key(out, &mut first, name);
            let same = datasets[position..].iter().filter(|(other, _)| other == name);
            json::list(out, same, |out, &(_, dataset)| {
                self.write_dataset(DatasetIx(dataset), out);
            });
        }
        out.push(b'}');
    }

    /// The records of those of these datasets that have any, by datastore.
    fn write_records(
        &self,
        mut datasets: Vec<u32>,
        paths: RecordPaths,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        datasets.sort_unstable();
        datasets.dedup();
        let rows: Vec<usize> =
            datasets.iter().flat_map(|&d| self.records.of_dataset(DatasetIx(d))).collect();
        for &row in &rows {
            self.check_record(row)?;
        }
        out.push(b'{');
        let mut first = true;
        for (position, datastore) in self.datastores.iter().enumerate() {
            let here: Vec<usize> = (rows.iter().copied())
                .filter(|&row| self.records.datastore[row] as usize == position)
                .collect();
            if here.is_empty() {
                continue;
            }
            let by_dataset = || {
                here.chunk_by(|&a, &b| self.records.dataset[a] == self.records.dataset[b])
                    .map(|rows| (&self.datasets.id[self.records.dataset[rows[0]] as usize], rows))
            };
            json::key(out, &mut first, &datastore.name);
            out.extend_from_slice(b"{\"dataset_ids\":");
            json::list(out, by_dataset(), |out, (id, _)| json::uuid(out, id));
            out.extend_from_slice(b",\"records\":{");
            json::string(out, RECORD_CLASS);
            out.extend_from_slice(b":{");
            for (position, (id, rows)) in by_dataset().enumerate() {
                if position != 0 {
                    out.push(b',');
                }
                json::simple_uuid(out, id);
                out.extend_from_slice(b":{");
                json::string(out, RECORD_TABLE);
                out.extend_from_slice(b":[");
                for (position, &row) in rows.iter().enumerate() {
                    if position != 0 {
                        out.push(b',');
                    }
                    self.write_record(row, paths, out)?;
                }
                out.extend_from_slice(b"]}");
            }
            out.extend_from_slice(b"}}}");
        }
        out.push(b'}');
        Ok(())
    }

    /// One record, which has been checked.
    fn write_record(&self, row: usize, paths: RecordPaths, out: &mut Vec<u8>) -> Result<()> {
        let records = &self.records;
        let symbol =
            |number: u32| self.symbols.get(qbb_dimensions::Symbol(number)).unwrap_or_default();
        out.extend_from_slice(b"{\"formatter\":");
        json::string(out, symbol(records.formatter[row]));
        out.extend_from_slice(b",\"path\":");
        match paths {
            RecordPaths::AsRecorded => json::string(out, self.input_path(row)?),
            RecordPaths::AbsoluteUris => json::string(out, self.input_uri(row)?.as_str()),
        }
        out.extend_from_slice(b",\"storage_class\":");
        json::string(out, symbol(records.storage_class[row]));
        out.extend_from_slice(b",\"component\":");
        match records.component[row] {
            InputRecords::WHOLE => json::string(out, WHOLE_DATASET),
            component => json::string(out, symbol(component)),
        }
        out.extend_from_slice(b",\"checksum\":");
        match std::str::from_utf8(records.checksum.get(row)) {
            Ok(checksum) if !checksum.is_empty() => json::string(out, checksum),
            _ => out.extend_from_slice(b"null"),
        }
        out.extend_from_slice(b",\"file_size\":");
        json::int(out, records.file_size[row]);
        out.push(b'}');
        Ok(())
    }

    fn write_dimension_data<'a, R: ExactSizeIterator<Item = u32>>(
        &self,
        tables: impl Iterator<Item = (&'a RecordTable, R)>,
    ) -> Vec<u8> {
        let mut out = vec![b'{'];
        let mut first = true;
        for (table, rows) in tables {
            if rows.len() == 0 {
                continue;
            }
            json::key(&mut out, &mut first, &self.universe().element(table.element).name);
            json::list(&mut out, rows, |out, row| self.write_dimension_record(table, row, out));
        }
        out.push(b'}');
        out
    }

    fn write_dimension_record(&self, table: &RecordTable, row: u32, out: &mut Vec<u8>) {
        let universe = self.universe();
        let element = universe.element(table.element);
        let at = row as usize;
        out.push(b'[');
        let dimensions = element.required.iter().chain(&element.implied);
        for (&ix, column) in dimensions.zip(table.keys.iter().chain(&table.implied)) {
            self.write_cell(universe.element(ix).key_type(), column[at], out);
            out.push(b',');
        }
        for field in &table.fields {
            self.write_field(field, at, out);
            out.push(b',');
        }
        if element.is_spatial() {
            match table.region(row) {
                Some(region) => json::hex(out, region),
                None => out.extend_from_slice(b"null"),
            }
            out.push(b',');
        }
        if element.is_temporal() {
            match table.timespan(row) {
                Some(timespan) => {
                    json::list(out, [timespan.begin.0, timespan.end.0], json::int);
                }
                None => out.extend_from_slice(b"null"),
            }
            out.push(b',');
        }
        // Every element requires at least one dimension, so a comma was written last.
        out.pop();
        out.push(b']');
    }

    fn write_field(&self, field: &FieldColumn, row: usize, out: &mut Vec<u8>) {
        let null = |out: &mut Vec<u8>| out.extend_from_slice(b"null");
        match field {
            FieldColumn::Int(values) => match values[row] {
                Some(value) => json::int(out, value),
                None => null(out),
            },
            FieldColumn::Float(values) => match values[row] {
                Some(value) => json::float(out, value),
                None => null(out),
            },
            FieldColumn::Bool(values) => match values[row] {
                Some(value) => out.extend_from_slice(if value { b"true" } else { b"false" }),
                None => null(out),
            },
            FieldColumn::Text(values) => {
                json::optional_string(out, values[row].and_then(|symbol| self.symbols.get(symbol)));
            }
            FieldColumn::Bytes(values) => match &values[row] {
                Some(bytes) => json::hex(out, bytes),
                None => null(out),
            },
        }
    }
}
