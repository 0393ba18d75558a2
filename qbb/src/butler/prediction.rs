//! Where datasets will be, before anybody wrote them.

use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use qbb_datastore::{
    CompiledTemplate, DatastoreConfig, FieldValue, Formatter, Formatters, LookupTarget,
    PathTemplates, TemplateRow,
};
use qbb_dimensions::{DataIdTable, ElementIx};
use qbb_graph::{DatasetIx, QuantumGraph};
use rustc_hash::FxHashMap;

use super::error::ButlerError;
use super::record_rows::{RecordColumn, RecordRows, key_positions, key_value};

/// Where and how a dataset is written, as every Butler client would predict it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prediction {
    /// Path relative to the root of the output datastore, with extension.
    pub path: String,
    /// Formatter class path.
    pub formatter: Arc<str>,
    /// Storage class.
    pub storage_class: Arc<str>,
}

/// Predicts paths from the templates and formatters of the output datastore.
#[derive(Debug)]
pub(super) struct Predictor {
    templates: PathTemplates,
    formatters: Formatters,
    instrument: Option<ElementIx>,
    compiled: RwLock<FxHashMap<CompiledKey, Arc<Compiled>>>,
    /// One for each element of the universe, filled when needed.
    records: Vec<OnceLock<RecordRows>>,
}

/// Dataset type and, where settings depend on it, the cell of the instrument.
type CompiledKey = (u32, Option<i64>);

/// What is the same for all datasets of a dataset type.
#[derive(Debug)]
struct Compiled {
    template: CompiledTemplate,
    extension: String,
    formatter: Arc<str>,
    storage_class: Arc<str>,
    /// For each dimension of the template its position among the values of the data ID.
    dimensions: Vec<Option<usize>>,
    fields: Vec<CompiledField>,
}

#[derive(Debug)]
struct CompiledField {
    element: ElementIx,
    /// Where the record's keys are among the values of the data ID.
    keys: Option<Vec<usize>>,
    column: Option<RecordColumn>,
}

impl Predictor {
    pub fn new(graph: &QuantumGraph, datastore: &DatastoreConfig) -> Result<Self, ButlerError> {
        let universe = graph.universe();
        let exported = (graph.pipeline.formatters.iter())
            .map(|(storage_class, formatter)| {
                let (class, extension) = (formatter.formatter.clone(), formatter.extension.clone());
                (storage_class.clone(), Formatter { class, extension })
            })
            .collect();
        Ok(Self {
            templates: PathTemplates::new(&datastore.templates, universe)?,
            formatters: Formatters::new(&exported, &datastore.formatters, universe)?,
            instrument: universe.find("instrument").map(|element| element.ix),
            compiled: RwLock::default(),
            records: universe.elements().iter().map(|_| OnceLock::new()).collect(),
        })
    }

    /// Predicts where a dataset is written.
    pub fn predict(
        &self,
        graph: &QuantumGraph,
        dataset: DatasetIx,
    ) -> Result<Prediction, ButlerError> {
        graph.check_dataset(dataset)?;
        let compiled = self.compiled(graph, dataset)?;
        let row = Row { predictor: self, graph, compiled: &compiled, dataset };
        let run = &graph.runs[graph.datasets.run[dataset.index()] as usize];
        let id = graph.datasets.uuid(dataset).as_hyphenated().to_string();
        let mut path = String::with_capacity(128);
        compiled.template.expand(run, &id, &row, &mut path)?;
        path.push_str(&compiled.extension);
        Ok(Prediction {
            path,
            formatter: compiled.formatter.clone(),
            storage_class: compiled.storage_class.clone(),
        })
    }

    fn compiled(
        &self,
        graph: &QuantumGraph,
        dataset: DatasetIx,
    ) -> Result<Arc<Compiled>, ButlerError> {
        let ix = graph.datasets.dataset_type(dataset);
        let instrument =
            if self.templates.depends_on_instrument() || self.formatters.depends_on_instrument() {
                let data_ids = graph.dataset_type_data_ids(ix);
                let row = graph.datasets.data_id[dataset.index()] as usize;
                (self.instrument.and_then(|instrument| data_ids.group().key_position(instrument)))
                    .map(|position| data_ids.columns()[position][row])
            } else {
                None
            };
        let key = (ix.0, instrument);
        let known = self.compiled.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(compiled) = known.get(&key) {
            return Ok(compiled.clone());
        }
        drop(known);
        let compiled = Arc::new(self.compile(graph, dataset, instrument)?);
        let mut known = self.compiled.write().unwrap_or_else(PoisonError::into_inner);
        Ok(known.entry(key).or_insert(compiled).clone())
    }

    fn compile(
        &self,
        graph: &QuantumGraph,
        dataset: DatasetIx,
        instrument: Option<i64>,
    ) -> Result<Compiled, ButlerError> {
        let ix = graph.datasets.dataset_type(dataset);
        let dataset_type = &graph.pipeline.dataset_type(ix).dataset_type;
        let instrument = instrument.and_then(|cell| graph.symbols.of_cell(cell));
        let target = LookupTarget { dataset_type, component: None, instrument };
        let template = self.templates.find(target)?.compile(dataset_type, None)?;
        let formatter = self.formatters.find(target)?;
        let data_ids = graph.dataset_type_data_ids(ix);
        let group = data_ids.group();
        let dimensions = template.dimensions().iter().map(|&d| group.key_position(d)).collect();
        let fields = (template.record_fields().iter())
            .map(|field| CompiledField {
                element: field.element,
                keys: key_positions(data_ids, graph, field.element),
                column: RecordColumn::find(graph, field.element, &field.name),
            })
            .collect();
        Ok(Compiled {
            template,
            extension: formatter.extension.clone(),
            formatter: formatter.class.as_str().into(),
            storage_class: dataset_type.storage_class.as_str().into(),
            dimensions,
            fields,
        })
    }
}

/// The values of one dataset's data ID.
struct Row<'a> {
    predictor: &'a Predictor,
    graph: &'a QuantumGraph,
    compiled: &'a Compiled,
    dataset: DatasetIx,
}

impl Row<'_> {
    fn data_ids(&self) -> &DataIdTable {
        self.graph.dataset_type_data_ids(self.graph.datasets.dataset_type(self.dataset))
    }

    fn cell(&self, position: usize) -> i64 {
        let row = self.graph.datasets.data_id[self.dataset.index()] as usize;
        self.data_ids().columns()[position][row]
    }
}

impl TemplateRow for Row<'_> {
    fn dimension(&self, slot: usize) -> Option<FieldValue<'_>> {
        let position = self.compiled.dimensions[slot]?;
        let ix = self.data_ids().group().keys()[position];
        let key = self.graph.universe().element(ix).key_type();
        key_value(key, self.cell(position), &self.graph.symbols)
    }

    fn record_field(&self, slot: usize) -> Option<FieldValue<'_>> {
        let field = &self.compiled.fields[slot];
        let keys: Vec<i64> =
            field.keys.as_ref()?.iter().map(|&position| self.cell(position)).collect();
        let rows = self.predictor.records[field.element.index()]
            .get_or_init(|| RecordRows::new(self.graph, field.element));
        let (table, row) = rows.find(self.graph, &keys)?;
        field.column?.value(self.graph, table, row)
    }
}
