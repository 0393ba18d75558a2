//! Whether a graph keeps all rules, one by one.

use serde::Serialize;

use crate::check::RULES;
use crate::lookup::DatasetRole;
use crate::model::{DatasetIx, QuantumGraph};

/// How a rule fared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RuleResult {
    /// The rule, as a sentence.
    pub rule: &'static str,
    /// The first place at which it is broken.
    pub flaw: Option<String>,
}

/// What [`verify`] found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verification {
    /// The rules that were tried; after a broken first rule no others are.
    pub rules: Vec<RuleResult>,
    /// Overall inputs without a datastore record. They can be executed only where the datastore
    /// guesses paths, so it is a warning rather than an error.
    pub inputs_without_records: usize,
    /// One of them.
    pub example: Option<String>,
}

impl Verification {
    /// Whether no rule is broken.
    pub fn is_sound(&self) -> bool {
        self.rules.iter().all(|rule| rule.flaw.is_none())
    }
}

/// Tries every rule of [`QuantumGraph::check`] and reports on each.
pub fn verify(graph: &QuantumGraph) -> Verification {
    let mut rules = Vec::new();
    for (rule, check) in RULES {
        let flaw = check(graph).err().map(|flaw| flaw.to_string());
        // The other rules index tables by the numbers that the first one checks.
        let goes_on = flaw.is_none() || !rules.is_empty();
        rules.push(RuleResult { rule, flaw });
        if !goes_on {
            return Verification { rules, inputs_without_records: 0, example: None };
        }
    }
    let lacking: Vec<DatasetIx> = (graph.dataset_roles().into_iter().zip(graph.datasets.iter()))
        .filter(|&(role, dataset)| {
            role == DatasetRole::OverallInput && graph.records.of_dataset(dataset).is_empty()
        })
        .map(|(_, dataset)| dataset)
        .collect();
    Verification {
        rules,
        inputs_without_records: lacking.len(),
        example: lacking.first().map(|&dataset| graph.describe_dataset(dataset)),
    }
}

impl QuantumGraph {
    /// A dataset for people: type, data ID and run.
    pub fn describe_dataset(&self, dataset: DatasetIx) -> String {
        let dataset_type = self.datasets.dataset_type(dataset);
        let name = &self.pipeline.dataset_type(dataset_type).dataset_type.name;
        let row = self.datasets.data_id[dataset.index()];
        let data_id = self.dataset_type_data_ids(dataset_type).describe(row, &self.symbols);
        let run = &self.runs[self.datasets.run[dataset.index()] as usize];
        format!("{name} {data_id} in {run}")
    }

    /// A quantum for people: task and data ID.
    pub fn describe_quantum(&self, quantum: crate::model::QuantumIx) -> String {
        let task = self.quanta.task(quantum);
        let row = self.quanta.data_id[quantum.index()];
        let data_id = self.task_data_ids(task).describe(row, &self.symbols);
        format!("{} {data_id}", self.pipeline.task(task).label)
    }
}
