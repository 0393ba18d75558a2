//! A graph with another output run.

use qbb_dimensions::Column;
use uuid::Uuid;

use crate::error::{GraphError, Result};
use crate::lookup::{DatasetRole, Lookups};
use crate::model::QuantumGraph;

impl QuantumGraph {
    /// The same graph with its outputs in another RUN, as `pipetask update-graph-run` makes it:
    /// outputs and quanta have new UUIDs, positions and inputs stay what they are.
    ///
    /// UUIDs follow from the former ones and the name of the run, so doing it again gives the same
    /// graph. A graph whose run is that already stays as it is.
    ///
    /// # Errors
    /// If inputs are in one of the two runs, as those of a graph that goes on with a run: then not
    /// all that is in the run could be renamed, or two runs became one.
    pub fn into_output_run(mut self, run: &str) -> Result<Self> {
        if self.header.output_run == run {
            return Ok(self);
        }
        if run.is_empty() {
            return Err(self.not_renamed(run, "a run must have a name".to_owned()));
        }
        let is_input: Vec<bool> =
            self.dataset_roles().iter().map(|role| *role == DatasetRole::OverallInput).collect();
        for (dataset, _) in is_input.iter().enumerate().filter(|(_, is_input)| **is_input) {
            let place = &self.runs[self.datasets.run[dataset] as usize];
            if *place == run || *place == self.header.output_run {
                let reason = format!("inputs of the graph are in {place}");
                return Err(self.not_renamed(run, reason));
            }
        }
        let renewed =
            |id: &[u8; 16]| *Uuid::new_v5(&Uuid::from_bytes(*id), run.as_bytes()).as_bytes();
        self.datasets.id = (self.datasets.id.iter().zip(&is_input))
            .map(|(id, &is_input)| if is_input { *id } else { renewed(id) })
            .collect::<Vec<_>>()
            .into();
        self.quanta.id = Column::from(self.quanta.id.iter().map(renewed).collect::<Vec<_>>());
        for init in &mut self.init_quanta {
            init.id = Uuid::from_bytes(renewed(init.id.as_bytes()));
        }
        for name in self.runs.iter_mut().filter(|name| **name == self.header.output_run) {
            run.clone_into(name);
        }
        run.clone_into(&mut self.header.output_run);
        self.lookups = Lookups::default();
        Ok(self)
    }

    fn not_renamed(&self, run: &str, reason: String) -> GraphError {
        GraphError::NotRenamed { from: self.header.output_run.clone(), to: run.to_owned(), reason }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use camino::Utf8Path;

    fn graph() -> QuantumGraph {
        let data = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("../qbb/tests/data/visits.qg");
        crate::open(&data).unwrap()
    }

    #[test]
    fn outputs_and_quanta_are_others_and_inputs_are_not() {
        let (before, after) = (graph(), graph().into_output_run("u/other").unwrap());
        assert_eq!(after.header.output_run, "u/other");
        assert!(!after.runs.contains(&before.header.output_run));
        for (dataset, role) in before.datasets.iter().zip(before.dataset_roles()) {
            let same = before.datasets.id[dataset.index()] == after.datasets.id[dataset.index()];
            assert_eq!(same, role == DatasetRole::OverallInput, "{role:?}");
        }
        assert!(before.quanta.id.iter().zip(after.quanta.id.iter()).all(|(a, b)| a != b));
        assert!(before.init_quanta.iter().zip(&after.init_quanta).all(|(a, b)| a.id != b.id));
        let first = after.datasets.uuid(crate::DatasetIx(0));
        assert_eq!(after.find_dataset(first), Some(crate::DatasetIx(0)));
        crate::verify(&after);
    }

    #[test]
    fn the_same_name_gives_the_same_graph() {
        let [a, b, c] = ["x", "x", "y"].map(|run| graph().into_output_run(run).unwrap());
        assert_eq!(a.datasets, b.datasets);
        assert_eq!(a.quanta, b.quanta);
        assert_ne!(a.datasets.id, c.datasets.id);
        let unchanged = graph().into_output_run(&graph().header.output_run).unwrap();
        assert_eq!(unchanged.datasets, graph().datasets);
    }

    #[test]
    fn runs_of_inputs_are_not_mixed_with_outputs() {
        let run = graph().runs.iter().find(|run| **run != graph().header.output_run).cloned();
        let refused = graph().into_output_run(&run.unwrap()).unwrap_err();
        assert!(refused.to_string().contains("inputs of the graph are in"), "{refused}");
        assert!(graph().into_output_run("").is_err());
    }
}
