//! Rust functions that tasks can name.

use std::collections::BTreeMap;
use std::fmt;

use crate::local::QuantumContext;

/// A function that runs a quantum.
pub type TaskFunction =
    dyn Fn(&mut QuantumContext<'_>) -> Result<(), TaskError> + Send + Sync + 'static;

/// How a function or program ended, if not with success.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TaskError {
    /// There is nothing to do, which counts as success.
    #[error("no work: {0}")]
    NoWork(String),
    /// It failed.
    #[error("{message}")]
    Failed {
        /// Name of the kind of error, in the place of an exception's type.
        type_name: String,
        /// What happened.
        message: String,
    },
}

impl TaskError {
    /// A failure with a message.
    pub fn failed(message: impl fmt::Display) -> Self {
        Self::Failed { type_name: "TaskError".to_owned(), message: message.to_string() }
    }
}

impl From<qbb::ButlerError> for TaskError {
    fn from(error: qbb::ButlerError) -> Self {
        Self::Failed { type_name: "ButlerError".to_owned(), message: error.to_string() }
    }
}

/// Functions by the names that tasks use.
#[derive(Default)]
pub struct FunctionRegistry(BTreeMap<String, Box<TaskFunction>>);

impl FunctionRegistry {
    /// Without any function.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a function; one of the same name is replaced.
    pub fn register(
        &mut self,
        name: impl Into<String>,
        function: impl Fn(&mut QuantumContext<'_>) -> Result<(), TaskError> + Send + Sync + 'static,
    ) {
        self.0.insert(name.into(), Box::new(function));
    }

    /// The function of a name.
    pub fn get(&self, name: &str) -> Option<&TaskFunction> {
        self.0.get(name).map(|function| &**function)
    }
}

impl fmt::Debug for FunctionRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
