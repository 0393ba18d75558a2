//! The JSON blocks of `.qg` files, one by one: what the file holds, and what a Python worker is
//! told about a quantum.

use qbb_dimensions::{DataIdTable, KeyType};
use qbb_pipeline::{Connection, TaskIx};

use super::json;
use crate::error::{Flaw, Result};
use crate::model::{Adjacency, DatasetIx, InitQuantum, QuantumGraph, QuantumIx};

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
        self.header_json_of("predicted", 8)
    }

    /// The `header` member of a graph of another type, with integers of another size.
    pub(super) fn header_json_of(&self, graph_type: &str, int_size: usize) -> Vec<u8> {
        let header = &self.header;
        let mut out = b"{\"version\":1,\"graph_type\":".to_vec();
        json::string(&mut out, graph_type);
        out.extend_from_slice(b",\"inputs\":");
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
        out.extend_from_slice(b",\"int_size\":");
        json::int(&mut out, int_size as i64);
        out.extend_from_slice(b",\"n_quanta\":");
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
    pub fn provenance_id(&self) -> [u8; 16] {
        let namespace = self.init_quanta.first().map_or(uuid::Uuid::NAMESPACE_OID, |init| init.id);
        uuid::Uuid::new_v5(&namespace, self.header.output_run.as_bytes()).into_bytes()
    }

    pub(super) fn write_quantum(
        &self,
        quantum: QuantumIx,
        paths: RecordPaths,
        init: Option<&InitQuantum>,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        self.write_quantum_begin(quantum, out, |out, dataset| self.write_dataset(dataset, out));
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

    fn write_data_id(&self, table: &DataIdTable, row: u32, out: &mut Vec<u8>) {
        let universe = table.group().universe();
        json::list(out, table.group().keys().iter().zip(table.row(row)), |out, (&ix, cell)| {
            self.write_cell(universe.element(ix).key_type(), cell, out);
        });
    }

    pub(super) fn write_cell(&self, key: Option<KeyType>, cell: i64, out: &mut Vec<u8>) {
        match key {
            Some(KeyType::Text) => {
                json::string(out, self.symbols.of_cell(cell).unwrap_or_default());
            }
            _ => json::int(out, cell),
        }
    }

    /// The object of a quantum up to its outputs, without its end; each dataset is written as asked
    /// for.
    pub(super) fn write_quantum_begin(
        &self,
        quantum: QuantumIx,
        out: &mut Vec<u8>,
        dataset: impl Fn(&mut Vec<u8>, DatasetIx),
    ) {
        let task = self.pipeline.task(self.quanta.task(quantum));
        out.extend_from_slice(b"{\"quantum_id\":");
        json::uuid(out, &self.quanta.id[quantum.index()]);
        out.extend_from_slice(b",\"task_label\":");
        json::string(out, &task.label);
        out.extend_from_slice(b",\"data_coordinate\":");
        self.write_quantum_data_id(quantum, out);
        out.extend_from_slice(b",\"inputs\":");
        write_edges(&self.inputs, quantum, task.quantum_inputs(), out, &dataset);
        out.extend_from_slice(b",\"outputs\":");
        write_edges(&self.outputs, quantum, task.quantum_outputs(), out, &dataset);
    }

    pub(super) fn write_dataset(&self, dataset: DatasetIx, out: &mut Vec<u8>) {
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
        write_first_named(datasets, out, |out, position| {
            let name = &datasets[position].0;
            let same = datasets[position..].iter().filter(|(other, _)| other == name);
            json::list(out, same, |out, &(_, dataset)| {
                self.write_dataset(DatasetIx(dataset), out);
            });
        });
    }
}

/// Lists of datasets by connection.
fn write_edges<'a>(
    adjacency: &Adjacency,
    quantum: QuantumIx,
    connections: impl Iterator<Item = &'a Connection>,
    out: &mut Vec<u8>,
    dataset: impl Fn(&mut Vec<u8>, DatasetIx),
) {
    out.push(b'{');
    let mut first = true;
    for (number, connection) in connections.enumerate() {
        json::key(out, &mut first, &connection.name);
        json::list(out, adjacency.of_connection(quantum, number as u16), &dataset);
    }
    out.push(b'}');
}

/// An object with each name of datasets once; the value is made from the position at which it comes
/// first.
pub(super) fn write_first_named(
    datasets: &[(String, u32)],
    out: &mut Vec<u8>,
    value: impl Fn(&mut Vec<u8>, usize),
) {
    out.push(b'{');
    let mut first = true;
    for (position, (name, _)) in datasets.iter().enumerate() {
        if !datasets[..position].iter().any(|(earlier, _)| earlier == name) {
            json::key(out, &mut first, name);
            value(out, position);
        }
    }
    out.push(b'}');
}
