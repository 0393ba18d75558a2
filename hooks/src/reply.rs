//! Replies of the hook service.

use qbb_builder::{
    AdjustedLists, Adjustments, DroppedQuantum, FoundDataset, FoundPrerequisites, HookError,
    RecordRows, TogetherAdjusted,
};
use qbb_dimensions::DataValue;
use serde::Deserialize;
use uuid::Uuid;

/// A reply without content.
#[derive(Debug, Deserialize)]
pub(crate) struct Done {}

/// An exception that a hook raised.
#[derive(Debug, Deserialize)]
pub(crate) struct Raised {
    hook: String,
    type_name: String,
    message: String,
    quantum: Option<u32>,
}

/// A hook's result, or the exception that it raised instead.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum HookReply<T> {
    Raised { raised: Raised },
    Returned(T),
}

impl<T> HookReply<T> {
    pub fn result(self) -> Result<T, HookError> {
        match self {
            Self::Returned(value) => Ok(value),
            Self::Raised { raised } => {
                let Raised { hook, type_name, message, quantum } = raised;
                Err(HookError::Raised { hook, type_name, message, quantum })
            }
        }
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct LookupReply {
    datasets: Vec<(Uuid, String, Vec<DataValue>)>,
    found: Vec<Vec<u32>>,
    records: RecordRows,
}

impl From<LookupReply> for FoundPrerequisites {
    fn from(reply: LookupReply) -> Self {
        let datasets = reply.datasets.into_iter();
        Self {
            datasets: datasets
                .map(|(id, run, data_id)| FoundDataset { id, run, data_id })
                .collect(),
            of_quantum: reply.found,
            records: reply.records,
        }
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct AdjustAllReply {
    removed: Vec<u32>,
    changed: Vec<(u32, AdjustedLists, AdjustedLists)>,
    gone: AdjustedLists,
}

impl From<AdjustAllReply> for TogetherAdjusted {
    fn from(reply: AdjustAllReply) -> Self {
        let AdjustAllReply { removed, changed, gone } = reply;
        Self { removed, changed, gone }
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct AdjustReply {
    dropped: Vec<(u32, Option<String>, String)>,
    changed: Vec<(u32, Option<AdjustedLists>, Option<AdjustedLists>)>,
}

impl From<AdjustReply> for Adjustments {
    fn from(reply: AdjustReply) -> Self {
        let dropped = reply
            .dropped
            .into_iter()
            .map(|(quantum, connection, reason)| DroppedQuantum { quantum, connection, reason });
        Self { dropped: dropped.collect(), changed: reply.changed }
    }
}
