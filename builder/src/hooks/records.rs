//! Dimension records on their way to tasks' methods and back.

use qbb_dimensions::RecordTable;
use qbb_pipeline::PipelineGraph;
use qbb_query::engine::{Dictionary, NeededRecords};

use super::interface::{HookError, RecordRows, TaskHooks};
use super::need::{HookCalls, HookNeed, failure, needs};
use crate::contents::Contents;
use crate::dimension_records::tables;
use crate::error::BuildError;

/// Records that the other side has.
#[derive(Debug, Default)]
pub(crate) struct SentRecords {
    sent: Option<NeededRecords>,
}

impl SentRecords {
    /// Sends those that are needed and were not sent.
    pub(super) fn send(
        &mut self,
        hooks: &mut dyn TaskHooks,
        pipeline: &PipelineGraph,
        contents: &Contents,
        needed: &NeededRecords,
    ) -> Result<(), HookError> {
        let dictionary = &contents.read.dictionary;
        let mut tables = match &self.sent {
            None => tables(needed, pipeline, dictionary),
            Some(sent) => tables(&needed.without(sent), pipeline, dictionary),
        };
        tables.retain(|table| !table.is_empty());
        if !tables.is_empty() {
            hooks.add_records(&tables, &dictionary.symbols)?;
        }
        self.sent = Some(needed.clone());
        Ok(())
    }

    /// Sends all that quanta and datasets need, if any task has methods to be called.
    pub(crate) fn complete(
        &mut self,
        calls: &mut HookCalls<'_>,
        pipeline: &PipelineGraph,
        contents: &Contents,
        needed: &NeededRecords,
    ) -> Result<(), BuildError> {
        let Some(hooks) = calls.get() else { return Ok(()) };
        let first = needs(pipeline).into_iter().next();
        self.send(hooks, pipeline, contents, needed).map_err(|error| {
            let HookNeed { task, hook } = first.unwrap_or_default();
            failure(error, &task, &hook, None)
        })
    }
}

/// Adds records that were not read.
pub(super) fn extend(dictionary: &mut Dictionary, records: &RecordRows) -> Result<(), BuildError> {
    let universe = dictionary.universe().clone();
    for element in universe.elements().iter().filter(|element| element.has_table()) {
        let Some(rows) = records.get(&element.name) else { continue };
        let mut table = RecordTable::new(element);
        for row in rows {
            table
                .push_json(row, &universe, &mut dictionary.symbols)
                .map_err(|error| BuildError::Inconsistent(format!("record of Python: {error}")))?;
        }
        dictionary.extend_records(&table);
    }
    Ok(())
}
