//! Expressions that select tasks, as `--select-tasks` takes them.
//!
//! Labels of tasks and of subsets, and names of dataset types (which stand for their producers) are
//! combined with `|`, `&`, `~` and parentheses; `<`, `<=`, `>` and `>=` before a label or name stand
//! for everything upstream or downstream. `T:`, `D:` and `S:` say what a name is.

mod flow;
mod parser;
mod problem;
mod selection;

pub use problem::{TaskExpressionError, TaskExpressionProblem};
