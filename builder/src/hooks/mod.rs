//! Look-up functions and overridden adjustments: what only a task's own code can tell.
//!
//! The builder knows them as a trait, [`TaskHooks`], whose methods take many quanta at a time, and
//! does not know where the code runs.

mod adjustment;
mod batch;
mod interface;
mod lookup;
mod need;
mod records;
#[cfg(test)]
mod tests;

pub(crate) use adjustment::{adjust, adjust_all};
pub use batch::{DataIdBatch, DatasetBatch, NumberLists, QuantumBatch};
pub use interface::{
    AdjustedLists, Adjustments, DroppedQuantum, FoundDataset, FoundPrerequisites, HookError,
    HookSession, RecordRows, TaskHooks, TogetherAdjusted,
};
pub(crate) use lookup::look_up;
pub(crate) use need::HookCalls;
pub use need::HookNeed;
