//! The quantum as a program sees it: paths, and a JSON file that says what they are.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use qbb::ButlerError;
use qbb_dimensions::{DataIdTable, DataValue};
use qbb_graph::{DatasetIx, QuantumGraph};
use qbb_pipeline::Task;
use serde_json::{Map, Value, json};

use super::placeholders::Values;
use crate::local::QuantumContext;
use crate::python::QuantumJob;

/// Paths of all datasets of a quantum by connection, and its data ID.
#[derive(Debug)]
pub(super) struct Description {
    inputs: BTreeMap<String, Vec<Utf8PathBuf>>,
    outputs: BTreeMap<String, Vec<Utf8PathBuf>>,
    /// Outputs and where the program is to write them.
    pub products: Vec<(DatasetIx, Utf8PathBuf)>,
    data_id: BTreeMap<String, DataValue>,
    /// The JSON file.
    file: Utf8PathBuf,
    pub json: Value,
}

impl Description {
    /// Describes a quantum whose outputs are to be written into `folder`, under the names that they
    /// will have. The JSON is made only if it is wanted.
    pub fn new(
        task: &Task,
        job: QuantumJob,
        context: &QuantumContext<'_>,
        folder: &Utf8Path,
        wants_json: bool,
    ) -> Result<Self, ButlerError> {
        let butler = context.butler();
        let graph = butler.shared().graph();
        let mut described = Self {
            inputs: BTreeMap::new(),
            outputs: BTreeMap::new(),
            products: Vec::new(),
            data_id: values(
                graph,
                graph.task_data_ids(graph.quanta.task(job.quantum)),
                graph.quanta.data_id[job.quantum.index()],
            ),
            file: folder.join("quantum.json"),
            json: Value::Null,
        };
        let (mut inputs_json, mut outputs_json) = (Map::new(), Map::new());
        for connection in task.quantum_inputs() {
            let mut paths = Vec::new();
            let mut entries = Vec::new();
            for dataset in context.inputs(&connection.name)? {
                let path = context.get_path(dataset)?;
                if wants_json {
                    entries.push(entry(graph, dataset, &path));
                }
                paths.push(path);
            }
            inputs_json.insert(connection.name.clone(), entries.into());
            described.inputs.insert(connection.name.clone(), paths);
        }
        for connection in &task.outputs {
            let mut paths = Vec::new();
            let mut entries = Vec::new();
            for dataset in context.outputs(&connection.name)? {
                let predicted = Utf8PathBuf::from(butler.shared().predict(dataset)?.path);
                let name = predicted.file_name().unwrap_or("output");
                let mut path = folder.join(name);
                // Files of the same name may belong into different folders.
                let is_taken = |path| described.products.iter().any(|(_, other)| other == path);
                if path == described.file || is_taken(&path) {
                    let number = format!(".{}", described.products.len());
                    path = folder.join(number).join(name);
                }
                if wants_json {
                    entries.push(entry(graph, dataset, &path));
                }
                described.products.push((dataset, path.clone()));
                paths.push(path);
            }
            outputs_json.insert(connection.name.clone(), entries.into());
            described.outputs.insert(connection.name.clone(), paths);
        }
        if !wants_json {
            return Ok(described);
        }
        described.json = json!({
            "quantum_id": graph.quanta.uuid(job.quantum).to_string(),
            "task": task.label,
            "attempt": job.attempt,
            "output_run": graph.header.output_run,
            "data_id": described.data_id,
            "inputs": inputs_json,
            "outputs": outputs_json,
        });
        Ok(described)
    }
}

fn entry(graph: &QuantumGraph, dataset: DatasetIx, path: &Utf8Path) -> Value {
    let ix = graph.datasets.dataset_type(dataset);
    let data_id =
        values(graph, graph.dataset_type_data_ids(ix), graph.datasets.data_id[dataset.index()]);
    json!({
        "dataset_id": graph.datasets.uuid(dataset).to_string(),
        "dataset_type": graph.pipeline.dataset_type(ix).dataset_type.name,
        "storage_class": graph.pipeline.dataset_type(ix).dataset_type.storage_class,
        "run": graph.runs[graph.datasets.run[dataset.index()] as usize],
        "data_id": data_id,
        "path": path,
    })
}

fn values(graph: &QuantumGraph, data_ids: &DataIdTable, row: u32) -> BTreeMap<String, DataValue> {
    let names = data_ids.group().iter_key_names().map(str::to_owned);
    names.zip(data_ids.values(row, &graph.symbols)).collect()
}

impl Values for Description {
    fn inputs(&self, connection: &str) -> Option<&[Utf8PathBuf]> {
        self.inputs.get(connection).map(Vec::as_slice)
    }

    fn outputs(&self, connection: &str) -> Option<&[Utf8PathBuf]> {
        self.outputs.get(connection).map(Vec::as_slice)
    }

    fn data_id(&self, dimension: &str) -> Option<String> {
        self.data_id.get(dimension).map(ToString::to_string)
    }

    fn quantum(&self) -> &str {
        self.file.as_str()
    }
}
