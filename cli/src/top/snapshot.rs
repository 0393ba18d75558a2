//! What is known of a run at a moment.

use qbb_submit_dirs::{History, Status, TaskCosts, Watch, costs_by_task};

/// Most quanta in a list; more than anybody scrolls through.
pub(super) const LISTED: usize = 500;

/// What is known of a run at a moment.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// How far it is.
    pub status: Status,
    /// What attempts cost, by task.
    pub costs: Vec<TaskCosts>,
    /// Why the journal could not be read the last time.
    pub trouble: Option<String>,
}

impl Snapshot {
    /// Of a directory, as of the last look at it.
    pub fn of(watch: &Watch) -> Self {
        Self::new(watch.status(LISTED), watch.graph(), watch.history())
    }

    /// Of a status and what it was made from.
    pub fn new(status: Status, graph: &qbb_graph::QuantumGraph, history: &History) -> Self {
        Self { status, costs: costs_by_task(graph, history.attempts()), trouble: None }
    }
}
