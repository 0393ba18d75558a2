//! What an explanation says.

use std::fmt;

use serde::Serialize;

/// How many tasks a message names.
const MANY: usize = 3;

/// What each constraint of a build took away.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Explanation {
    /// The initial queries of the independent parts of the pipeline.
    pub parts: Vec<PartExplanation>,
    /// What became of the quanta that the initial queries gave; empty if they gave none.
    pub tasks: Vec<TaskExplanation>,
    /// What became of the data ID that was asked for, task by task.
    pub data_id: Vec<DataIdExplanation>,
}

/// What became of the quanta of a task that agree with a data ID.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DataIdExplanation {
    /// Label.
    pub task: String,
    /// Quanta that the initial query gave.
    pub possible: usize,
    /// Quanta in the graph.
    pub kept: usize,
    /// Why others are not, each reason the cause of the one before it; if none were possible, the
    /// fewest constraints that exclude the data ID together.
    pub because: Vec<String>,
}

/// The initial query of tasks that hang together.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct PartExplanation {
    /// Labels of the tasks.
    pub tasks: Vec<String>,
    /// Constraints in the order in which they were applied here; the result does not depend on it.
    pub constraints: Vec<ConstraintEffect>,
    /// If nothing is left: the fewest constraints that leave nothing together, as positions in
    /// `constraints`. None at all if the repository has no records to begin with.
    pub smallest: Option<Vec<usize>>,
    /// What could not be looked at, and why.
    pub remark: Option<String>,
}

/// What a constraint takes away from what those before it left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConstraintEffect {
    /// The constraint.
    pub constraint: String,
    /// Possible quanta of all tasks of the part before it.
    pub before: usize,
    /// Possible quanta after it.
    pub after: usize,
    /// Task and data ID of a quantum that it took away.
    pub example: Option<String>,
    /// Values that there were before it, if it left nothing.
    pub instead: Option<String>,
}

/// What became of the quanta of a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TaskExplanation {
    /// Label.
    pub task: String,
    /// Quanta that the initial query gave.
    pub before: usize,
    /// Quanta in the graph.
    pub after: usize,
    /// Why others are not.
    pub dropped: Vec<DroppedQuanta>,
}

/// Quanta that are not in the graph for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DroppedQuanta {
    /// The reason.
    pub reason: String,
    /// How many.
    pub quanta: usize,
    /// Data ID of one of them.
    pub example: String,
}

impl Explanation {
    /// The constraints that leave nothing, for each part of which nothing is left.
    pub fn emptying(&self) -> impl Iterator<Item = (&PartExplanation, Vec<&ConstraintEffect>)> {
        self.parts.iter().filter_map(|part| {
            let smallest = part.smallest.as_ref()?;
            Some((part, smallest.iter().filter_map(|&at| part.constraints.get(at)).collect()))
        })
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines: Vec<String> = Vec::new();
        for (part, emptying) in self.emptying() {
            let tasks = match part.tasks.as_slice() {
                many if many.len() > MANY => {
                    format!("{} and {} more", many[..MANY].join(", "), many.len() - MANY)
                }
                few => few.join(", "),
            };
            lines.push(match emptying.as_slice() {
                [] => format!("no data IDs for {tasks}: the repository lacks records"),
                [one] => format!("no data IDs for {tasks} because of: {}", one.constraint),
                several => {
                    let list: Vec<&str> = several.iter().map(|e| e.constraint.as_str()).collect();
                    format!("no data IDs for {tasks} agree with all of: {}", list.join("; "))
                }
            });
            lines.extend(emptying.iter().filter_map(|effect| effect.instead.clone()));
            lines.extend(part.remark.clone());
        }
        for task in self.tasks.iter().filter(|task| task.after == 0) {
            for dropped in &task.dropped {
                lines.push(format!(
                    "task `{}`: {} of {} quanta {}, for example {}",
                    task.task, dropped.quanta, task.before, dropped.reason, dropped.example
                ));
            }
        }
        f.write_str(&lines.join("\n"))
    }
}
