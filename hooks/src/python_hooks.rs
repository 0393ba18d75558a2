//! The builder's hooks on a Python process.

use std::collections::BTreeMap;

use qbb_builder::{
    Adjustments, DataIdBatch, FoundPrerequisites, HookError, HookSession, QuantumBatch, TaskHooks,
    TogetherAdjusted,
};
use qbb_dimensions::{RecordTable, Symbols, Universe};
use qbb_executor::python::{Interpreter, WorkerPackage, pipeline_json};
use qbb_pipeline::{PipelineDefinition, Runner};
use serde::de::DeserializeOwned;
use std::sync::Arc;

use crate::process::{HookProcess, HookProcessError, Preparation};
use crate::reply::{AdjustAllReply, AdjustReply, Done, HookReply, LookupReply};
use crate::request::{DataIds, Quanta, Request};

/// Calls tasks' own methods in one Python process.
///
/// The process is started at once and imports what it needs while the caller goes on; it ends when
/// this is dropped.
#[derive(Debug)]
pub struct PythonHooks {
    process: HookProcess,
    repository: String,
    universe: Option<Arc<Universe>>,
}

impl PythonHooks {
    /// Starts a process for a pipeline and a repository, as named on a command line.
    #[must_use]
    pub fn start(
        interpreter: Interpreter,
        package: WorkerPackage,
        pipeline: &PipelineDefinition,
        repository: &str,
    ) -> Self {
        let classes = pipeline.tasks.iter().filter_map(|task| match &task.runner {
            Runner::PipelineTask(class) => Some(class.clone()),
            _ => None,
        });
        let repository = repository.to_owned();
        let process = HookProcess::start(Preparation {
            interpreter,
            package,
            repository: repository.clone(),
            task_classes: classes.collect(),
        });
        Self { process, repository, universe: None }
    }

    fn ask<T: DeserializeOwned>(&mut self, request: &Request<'_>) -> Result<T, HookError> {
        self.process.ask(request).map_err(not_called)
    }
}

fn not_called(error: HookProcessError) -> HookError {
    HookError::NotCalled(Box::new(error))
}

fn quanta<'a>(batch: &'a QuantumBatch<'a>) -> Quanta<'a> {
    let mut datasets: BTreeMap<&str, crate::request::Datasets<'_>> = BTreeMap::new();
    for part in &batch.datasets {
        datasets.entry(part.dataset_type).or_default().add(part);
    }
    let inputs = batch.inputs.iter().map(|lists| (lists.dataset_type, lists.into()));
    let outputs = batch.outputs.iter().map(|lists| (lists.dataset_type, lists.into()));
    Quanta {
        task: batch.task,
        quanta: DataIds(&batch.quanta),
        datasets,
        inputs: inputs.collect(),
        outputs: outputs.collect(),
    }
}

impl TaskHooks for PythonHooks {
    fn start(&mut self, session: &HookSession<'_>) -> Result<(), HookError> {
        let wanted =
            |task: &qbb_pipeline::Task| session.tasks.iter().any(|&label| label == task.label);
        let pipeline_graph = pipeline_json(session.pipeline, wanted);
        self.universe = Some(session.pipeline.universe.clone());
        let repository = self.repository.clone();
        let request = Request::Start {
            pipeline_graph: &pipeline_graph,
            repository: &repository,
            collections: session.inputs,
            output_run: session.output_run,
        };
        self.ask::<Done>(&request)?;
        Ok(())
    }

    fn add_records(&mut self, tables: &[RecordTable], symbols: &Symbols) -> Result<(), HookError> {
        let Some(universe) = self.universe.clone() else { return Ok(()) };
        let records = tables.iter().map(|table| {
            let rows = (0..table.len() as u32).map(|row| table.to_json(row, &universe, symbols));
            (universe.element(table.element).name.as_str(), rows.collect())
        });
        self.ask::<Done>(&Request::Records { records: records.collect() })?;
        Ok(())
    }

    fn look_up(
        &mut self,
        task: &str,
        connection: &str,
        quanta: &DataIdBatch<'_>,
    ) -> Result<FoundPrerequisites, HookError> {
        let request = Request::Lookup { task, connection, quanta: DataIds(quanta) };
        let reply: HookReply<LookupReply> = self.ask(&request)?;
        Ok(reply.result()?.into())
    }

    fn adjust_all_quanta(
        &mut self,
        batch: &QuantumBatch<'_>,
    ) -> Result<TogetherAdjusted, HookError> {
        let reply: HookReply<AdjustAllReply> = self.ask(&Request::AdjustAll(quanta(batch)))?;
        Ok(reply.result()?.into())
    }

    fn adjust_quanta(&mut self, batch: &QuantumBatch<'_>) -> Result<Adjustments, HookError> {
        let reply: HookReply<AdjustReply> = self.ask(&Request::Adjust(quanta(batch)))?;
        Ok(reply.result()?.into())
    }
}
