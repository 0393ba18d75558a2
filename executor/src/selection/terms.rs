//! How people name sets of quanta.

use std::str::FromStr;

use qbb_graph::{DataIdFilter, GraphError, QuantumGraph, QuantumIx, QuantumName, parse_value};
use uuid::Uuid;

/// A set of quanta: some by their UUIDs, or all of some tasks whose data IDs have given values.
///
/// As text a list separated by commas: UUIDs, labels of tasks, and `DIMENSION=VALUE`. Without labels,
/// values mean all tasks that have all of the dimensions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QuantumTerm {
    ids: Vec<Uuid>,
    tasks: Vec<String>,
    values: Vec<(String, String)>,
}

impl FromStr for QuantumTerm {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut term = Self::default();
        for part in text.split(',').map(str::trim) {
            if part.is_empty() {
                return Err(format!(
                    "`{text}` has an empty part; write UUIDs, labels of tasks and values such as \
                     `calibrate,visit=12`, separated by commas"
                ));
            }
            if let Ok(id) = Uuid::parse_str(part) {
                term.ids.push(id);
            } else if part.contains('=') {
                term.values.push(parse_value(part)?);
            } else {
                term.tasks.push(part.to_owned());
            }
        }
        Ok(term)
    }
}

impl QuantumTerm {
    /// The quanta of a graph that are meant, in no particular order.
    ///
    /// # Errors
    /// If a UUID, a task or a dimension is unknown, or nothing is meant at all.
    pub fn quanta(&self, graph: &QuantumGraph) -> Result<Vec<QuantumIx>, GraphError> {
        let mut found = Vec::new();
        for &id in &self.ids {
            found.push(graph.find_named(&QuantumName::Id(id))?);
        }
        let filter =
            |task: &str| DataIdFilter { task: task.to_owned(), values: self.values.clone() };
        for label in &self.tasks {
            found.extend(graph.filter_quanta(&filter(label))?);
        }
        if self.tasks.is_empty() && !self.values.is_empty() {
            for task in &graph.pipeline.tasks {
                let has = |name: &str| task.dimensions.iter_key_names().any(|known| known == name);
                if self.values.iter().all(|(name, _)| has(name)) {
                    found.extend(graph.filter_quanta(&filter(&task.label))?);
                }
            }
        }
        if found.is_empty() {
            let reason = "no quantum of the graph fits".to_owned();
            return Err(GraphError::NoQuantum { name: self.to_string(), reason });
        }
        Ok(found)
    }
}

impl std::fmt::Display for QuantumTerm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ids = self.ids.iter().map(Uuid::to_string);
        let values = self.values.iter().map(|(name, value)| format!("{name}={value}"));
        let parts: Vec<String> = ids.chain(self.tasks.iter().cloned()).chain(values).collect();
        f.write_str(&parts.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_lists_of_identifiers_labels_and_values() {
        let id = "01a1f819-2191-7b78-8d7e-fc5cfb868fb9";
        let term: QuantumTerm = format!("isr, visit = 3,{id},calibrate").parse().unwrap();
        assert_eq!(term.tasks, ["isr", "calibrate"]);
        assert_eq!(term.values, [("visit".to_owned(), "3".to_owned())]);
        assert_eq!(term.ids, [Uuid::parse_str(id).unwrap()]);
        assert_eq!(term.to_string(), format!("{id},isr,calibrate,visit=3"));
        for wrong in ["", "isr,", ",visit=3"] {
            assert!(wrong.parse::<QuantumTerm>().is_err(), "{wrong}");
        }
    }
}
