//! Which datasets a quantum may read and write, by connection.

use qbb_graph::{Adjacency, DatasetIx, QuantumIx};
use qbb_pipeline::Connection;

use super::error::ButlerError;
use super::quantum::{QuantumButler, Subject};

impl QuantumButler<'_> {
    /// Datasets of an input connection, in the order of their data IDs.
    ///
    /// # Errors
    /// If the task has no such connection.
    pub fn inputs(&self, connection: &str) -> Result<Vec<DatasetIx>, ButlerError> {
        let graph = self.graph();
        match self.subject {
            Subject::Quantum(quantum) => {
                let task = graph.pipeline.task(graph.quanta.task(quantum));
                let connections = || task.quantum_inputs();
                self.of_connection(quantum, connection, "input", connections, &graph.inputs)
            }
            Subject::Init(init) => self.of_init_connection(connection, "init-input", &init.inputs),
        }
    }

    /// Datasets of an output connection, in the order of their data IDs.
    ///
    /// # Errors
    /// If the task has no such connection.
    pub fn outputs(&self, connection: &str) -> Result<Vec<DatasetIx>, ButlerError> {
        let graph = self.graph();
        match self.subject {
            Subject::Quantum(quantum) => {
                let task = graph.pipeline.task(graph.quanta.task(quantum));
                let connections = || task.quantum_outputs();
                self.of_connection(quantum, connection, "output", connections, &graph.outputs)
            }
            Subject::Init(init) => {
                self.of_init_connection(connection, "init-output", &init.outputs)
            }
        }
    }

    fn of_connection<'c, I: Iterator<Item = &'c Connection>>(
        &self,
        quantum: QuantumIx,
        name: &str,
        kind: &'static str,
        connections: impl Fn() -> I,
        edges: &Adjacency,
    ) -> Result<Vec<DatasetIx>, ButlerError> {
        match connections().position(|connection| connection.name == name) {
            Some(number) => Ok(edges.of_connection(quantum, number as u16).collect()),
            None => {
                let known = connections().map(|connection| connection.name.as_str());
                Err(self.no_connection(name, kind, known))
            }
        }
    }

    fn of_init_connection(
        &self,
        name: &str,
        kind: &'static str,
        datasets: &[(String, u32)],
    ) -> Result<Vec<DatasetIx>, ButlerError> {
        let found: Vec<DatasetIx> = (datasets.iter())
            .filter(|(connection, _)| connection == name)
            .map(|&(_, dataset)| DatasetIx(dataset))
            .collect();
        if found.is_empty() {
            let known = datasets.iter().map(|(connection, _)| connection.as_str());
            return Err(self.no_connection(name, kind, known));
        }
        Ok(found)
    }

    fn no_connection<'n>(
        &self,
        name: &str,
        kind: &'static str,
        known: impl Iterator<Item = &'n str>,
    ) -> ButlerError {
        let graph = self.graph();
        let task = match self.subject {
            Subject::Quantum(quantum) => Some(graph.quanta.task(quantum)),
            Subject::Init(init) => init.task(),
        };
        ButlerError::NoConnection {
            task: task.map_or_else(String::new, |task| graph.pipeline.task(task).label.clone()),
            kind,
            connection: name.to_owned(),
            known: known.collect::<Vec<_>>().join(", "),
        }
    }

    /// All datasets that may be read: inputs and the task's init-inputs.
    pub fn predicted_inputs(&self) -> Vec<DatasetIx> {
        let graph = self.graph();
        match self.subject {
            Subject::Quantum(quantum) => {
                let init = graph.init_quantum(Some(graph.quanta.task(quantum)));
                let init_inputs = init.iter().flat_map(|init| &init.inputs);
                (graph.inputs.edges(quantum).map(|(_, dataset)| dataset))
                    .chain(init_inputs.map(|&(_, dataset)| DatasetIx(dataset)))
                    .collect()
            }
            Subject::Init(init) => {
                init.inputs.iter().map(|&(_, dataset)| DatasetIx(dataset)).collect()
            }
        }
    }

    /// All datasets that may be written.
    pub fn predicted_outputs(&self) -> Vec<DatasetIx> {
        match self.subject {
            Subject::Quantum(quantum) => {
                self.graph().outputs.edges(quantum).map(|(_, dataset)| dataset).collect()
            }
            Subject::Init(init) => init.output_datasets().collect(),
        }
    }

    pub(super) fn is_output(&self, dataset: DatasetIx) -> bool {
        match self.subject {
            Subject::Quantum(quantum) => {
                self.graph().outputs.edges(quantum).any(|(_, output)| output == dataset)
            }
            Subject::Init(init) => init.output_datasets().any(|output| output == dataset),
        }
    }

    pub(super) fn check_output(&self, output: DatasetIx) -> Result<(), ButlerError> {
        if self.is_output(output) {
            return Ok(());
        }
        Err(ButlerError::NotAnOutput {
            quantum: self.describe(),
            dataset: self.shared().describe_dataset(output),
        })
    }

    pub(super) fn check_input(&self, input: DatasetIx) -> Result<(), ButlerError> {
        let graph = self.graph();
        let is_input = match self.subject {
            Subject::Quantum(quantum) => {
                graph.inputs.edges(quantum).any(|(_, dataset)| dataset == input)
                    || (graph.init_quantum(Some(graph.quanta.task(quantum))))
                        .is_some_and(|init| init.inputs.iter().any(|&(_, d)| d == input.0))
            }
            Subject::Init(init) => init.inputs.iter().any(|&(_, dataset)| dataset == input.0),
        };
        if is_input {
            return Ok(());
        }
        Err(ButlerError::NotAnInput {
            quantum: self.describe(),
            dataset: self.shared().describe_dataset(input),
        })
    }
}
