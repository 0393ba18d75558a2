//! Runs quanta of functions and programs on whatever thread calls.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use qbb::QuantumBackedButler;
use qbb::journal::QuantumOutcome;
use qbb_graph::QuantumGraph;
use qbb_pipeline::Runner;

use super::packing::Packing;
use super::sequence::{LocalEnd, Work, run_quantum};
use crate::command::{CommandEnd, Workbench, run_command};
use crate::functions::{FunctionRegistry, TaskError};
use crate::logging::quantum_span;
use crate::process_table::{KillReason, ProcessTable};
use crate::python::QuantumJob;

/// How quanta of functions and programs are run.
#[derive(Debug, Clone, Default)]
pub(crate) struct LocalOptions {
    pub skip_existing: bool,
    pub clobber: bool,
    pub assume_no_existing_outputs: bool,
    /// Name of this host.
    pub host: String,
    /// What is packed.
    pub packing: Packing,
}

/// Runs quanta of functions and programs.
#[derive(Debug)]
pub(crate) struct LocalRunner {
    pub butler: Arc<QuantumBackedButler>,
    pub functions: Arc<FunctionRegistry>,
    pub options: LocalOptions,
    pub table: Arc<ProcessTable>,
}

impl LocalRunner {
    pub fn graph(&self) -> &Arc<QuantumGraph> {
        self.butler.graph()
    }

    /// Runs a quantum whose task names a function.
    pub fn run_function(&self, job: QuantumJob) -> LocalEnd {
        let graph = self.graph();
        let function = match &graph.pipeline.task(graph.quanta.task(job.quantum)).runner {
            Runner::Function(name) => self.functions.get(name),
            _ => None,
        };
        let _span = quantum_span(graph, job).entered();
        let butler = self.butler.for_quantum(job.quantum);
        let end = run_quantum(graph, &butler, job, &self.options, |context| {
            let result = match function {
                // The context is not used after a panic but for what it had collected before.
                Some(function) => catch_unwind(AssertUnwindSafe(|| function(context)))
                    .unwrap_or_else(|payload| Err(panicked(&*payload))),
                // The run was refused before, see `RunError::NoSuchFunction`.
                None => Err(TaskError::failed("the function is not registered")),
            };
            Some(Work { result, exit_code: None, used: None })
        });
        end.unwrap_or_else(|| {
            LocalEnd::of(QuantumOutcome::failure("TaskError", "it was interrupted"))
        })
    }

    /// Runs a quantum whose task is a program. `begun` is told the process; `None` is returned if
    /// that was interrupted by us.
    pub fn run_command(
        &self,
        job: QuantumJob,
        bench: &mut Workbench,
        begun: impl FnOnce(u32),
    ) -> Option<LocalEnd> {
        let graph = self.graph();
        let task = graph.pipeline.task(graph.quanta.task(job.quantum));
        let _span = quantum_span(graph, job).entered();
        let butler = self.butler.for_quantum(job.quantum);
        let end = run_quantum(graph, &butler, job, &self.options, |context| {
            let Runner::Command(template) = &task.runner else {
                let result = Err(TaskError::failed("the task is not a program"));
                return Some(Work { result, exit_code: None, used: None });
            };
            match run_command(task, template, job, context, &self.table, bench, begun) {
                Ok(CommandEnd { killed: Some(KillReason::Interrupted), .. }) => None,
                Ok(end) => Some(Work {
                    exit_code: end.exit_code(),
                    used: Some(end.used),
                    result: end.result,
                }),
                Err(error) => Some(Work { result: Err(error), exit_code: None, used: None }),
            }
        });
        bench.folder.tidy(end.as_ref().is_some_and(|end| end.outcome.end.is_success()));
        end
    }
}

fn panicked(payload: &(dyn std::any::Any + Send)) -> TaskError {
    let message = payload
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| payload.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    TaskError::Failed { type_name: "Panic".to_owned(), message: message.to_owned() }
}
