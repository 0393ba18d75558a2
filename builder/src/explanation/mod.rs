//! Why a graph is as small as it is: what each constraint takes away, the fewest constraints that
//! leave nothing, and what became of the quanta of one data ID.

mod constraints;
mod effects;
mod fate;
mod report;
mod smallest;

pub(crate) use constraints::Constraints;
pub(crate) use effects::explain_component;
pub(crate) use fate::{explain_tasks, fates};
pub use report::{ConstraintEffect, DroppedQuanta, Explanation, PartExplanation, TaskExplanation};
