//! The dataset that a provenance graph is in a repository.

use qbb_datastore::{DatastoreConfig, FieldValue, Formatters, LookupTarget, PathTemplates};
use qbb_dimensions::{DatasetType, DimensionGroup};
use qbb_graph::QuantumGraph;

use crate::butler::ButlerError;

/// Name of the dataset type.
const NAME: &str = "run_provenance";
/// Its storage class.
const STORAGE_CLASS: &str = "ProvenanceQuantumGraph";
/// Reads the graph, and the metadata, logs and configurations in it.
const FORMATTER: &str = "lsst.pipe.base.quantum_graph.formatter.ProvenanceFormatter";

/// The provenance graph of a run as a dataset, one in each RUN collection.
#[derive(Debug, Clone, PartialEq)]
pub struct ProvenanceDataset {
    /// Its type, without dimensions.
    pub dataset_type: DatasetType,
    /// Path relative to the root of the datastore, with extension.
    pub path: String,
    /// Formatter class path.
    pub formatter: &'static str,
    /// UUID, the same each time for the same graph.
    pub id: [u8; 16],
}

/// A data ID without dimensions.
struct Empty;

impl qbb_datastore::TemplateRow for Empty {
    fn dimension(&self, _: usize) -> Option<FieldValue<'_>> {
        None
    }

    fn record_field(&self, _: usize) -> Option<FieldValue<'_>> {
        None
    }
}

impl ProvenanceDataset {
    /// The dataset for a graph's run in a datastore.
    ///
    /// # Errors
    /// If the datastore's template for it is wrong.
    pub fn of(graph: &QuantumGraph, datastore: &DatastoreConfig) -> Result<Self, ButlerError> {
        let universe = graph.universe();
        let dataset_type = DatasetType {
            name: NAME.to_owned(),
            dimensions: DimensionGroup::empty(universe),
            storage_class: STORAGE_CLASS.to_owned(),
            is_calibration: false,
        };
        let templates = PathTemplates::new(&datastore.templates, universe)?;
        let formatters = Formatters::new(&Default::default(), &datastore.formatters, universe)?;
        let target =
            LookupTarget { dataset_type: &dataset_type, component: None, instrument: None };
        let template = templates.find(target)?.compile(&dataset_type, None)?;
        let id = graph.provenance_id();
        let mut path = String::new();
        let name = uuid::Uuid::from_bytes(id).to_string();
        template.expand(&graph.header.output_run, &name, &Empty, &mut path)?;
        path.push_str(&formatters.find(target)?.extension);
        Ok(Self { dataset_type, path, formatter: FORMATTER, id })
    }
}
