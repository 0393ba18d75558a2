//! Which quanta of a graph a run is about.

mod plan;
mod terms;

pub use plan::{OnlyState, Selection, SelectionPlan, TaskPlan};
pub use terms::QuantumTerm;
