//! Helpers of the tests.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]
#![allow(dead_code, reason = "each test program uses some of it")]

pub mod archive;
pub mod container;
pub mod synthetic;

use camino::Utf8PathBuf;
use qbb_graph::QuantumGraph;

/// A path of the test data.
pub fn data(name: &str) -> Utf8PathBuf {
    Utf8PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

/// A directory that is removed at the end.
pub struct Scratch(tempfile::TempDir);

impl Scratch {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn file(&self, name: &str) -> Utf8PathBuf {
        Utf8PathBuf::from_path_buf(self.0.path().join(name)).unwrap()
    }
}

/// Asserts that two graphs have the same tables.
pub fn assert_same(a: &QuantumGraph, b: &QuantumGraph) {
    assert_same_but_origin(a, b);
    assert_eq!(a.datastores, b.datastores);
    assert_eq!(a.collections, b.collections);
    assert_eq!(a.pipeline, b.pipeline);
}

/// The same without what a `.qg` does not hold.
pub fn assert_same_but_origin(a: &QuantumGraph, b: &QuantumGraph) {
    assert_eq!(a.header, b.header);
    assert_eq!(a.runs, b.runs);
    assert_eq!(a.task_groups.len(), b.task_groups.len());
    assert_eq!(a.datasets, b.datasets);
    assert_eq!(a.quanta.id, b.quanta.id);
    assert_eq!(a.quanta.task, b.quanta.task);
    assert_eq!(a.inputs, b.inputs);
    assert_eq!(a.outputs, b.outputs);
    assert_eq!(a.init_quanta, b.init_quanta);
    assert_eq!(a.records.path, b.records.path);
    assert_eq!(a.records.file_size, b.records.file_size);
    for (x, y) in a.quanta.iter().zip(b.quanta.iter()) {
        assert_eq!(a.describe_quantum(x), b.describe_quantum(y));
        let paths = qbb_graph::RecordPaths::AsRecorded;
        assert_eq!(a.quantum_json(x, paths).unwrap(), b.quantum_json(y, paths).unwrap());
    }
    assert_eq!(a.all_dimension_data_json(), b.all_dimension_data_json());
}
