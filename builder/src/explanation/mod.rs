//! Why a graph is as small as it is: what each constraint takes away, the fewest constraints that
//! leave nothing, and what became of the quanta of one data ID.

mod constraints;
mod data_id;
mod effects;
mod fate;
mod inspection;
mod report;
mod smallest;

pub use inspection::Explain;
pub(crate) use inspection::Inspection;
pub use report::{
    ConstraintEffect, DataIdExplanation, DroppedQuanta, Explanation, PartExplanation,
    TaskExplanation,
};
