//! What a quantum did, in the form of the middleware.

use qbb_graph::DatasetIx;
use serde_json::{Value, json};

use super::quantum::QuantumButler;
use crate::journal::FileRecord;

impl QuantumButler<'_> {
    /// What was read and written so far, in the form in which the middleware extracts it from its
    /// own quantum-backed butler.
    pub fn provenance_json(&self, datastore: &str) -> Value {
        let summary = self.summary();
        let graph = self.graph();
        let id = |dataset: DatasetIx| graph.datasets.uuid(dataset);
        let ids = |datasets: &[DatasetIx]| -> Vec<String> {
            datasets.iter().map(|&dataset| id(dataset).to_string()).collect()
        };
        let written: Vec<DatasetIx> = summary.outputs.iter().map(|output| output.dataset).collect();
        let by_dataset: serde_json::Map<String, Value> = (summary.outputs.iter())
            .map(|output| {
                let rows: Vec<Value> = output.records.iter().map(row_json).collect();
                let key = id(output.dataset).simple().to_string();
                (key, json!({"file_datastore_records": rows}))
            })
            .collect();
        let class = "lsst.daf.butler.datastore.stored_file_info.StoredFileInfo";
        json!({
            "predicted_inputs": ids(&self.predicted_inputs()),
            "available_inputs": ids(&summary.available_inputs),
            "actual_inputs": ids(&summary.actual_inputs),
            "predicted_outputs": ids(&self.predicted_outputs()),
            "actual_outputs": ids(&written),
            "datastore_records": {
                datastore: {"dataset_ids": ids(&written), "records": {class: by_dataset}},
            },
        })
    }
}

fn row_json(record: &FileRecord) -> Value {
    json!({
        "formatter": &*record.formatter,
        "path": record.path,
        "storage_class": &*record.storage_class,
        "component": record.component.as_deref().unwrap_or("__NULL_STRING__"),
        "checksum": record.checksum,
        "file_size": record.file_size,
    })
}
