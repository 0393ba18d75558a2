//! What may be wrong with an expression that selects tasks.

/// Why an expression selects nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("task expression `{expression}`, character {at}: {problem}")]
pub struct TaskExpressionError {
    /// The expression.
    pub expression: String,
    /// Position of the problem in characters from one.
    pub at: usize,
    /// What is wrong.
    pub problem: TaskExpressionProblem,
}

/// What is wrong with an expression that selects tasks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TaskExpressionProblem {
    /// A character that no expression has.
    #[error("unexpected `{0}`")]
    Character(char),
    /// A token in the wrong place.
    #[error("expected {expected}, found {found}")]
    Syntax {
        /// What could stand there.
        expected: &'static str,
        /// What does.
        found: String,
    },
    /// Nesting beyond what anyone writes.
    #[error("nested too deeply")]
    Depth,
    /// A name that is not in the pipeline.
    #[error("the pipeline has no {what} `{name}`{}", .similar.as_ref().map_or_else(String::new, |name| format!("; did you mean `{name}`?")))]
    Unknown {
        /// What was looked for.
        what: &'static str,
        /// The name.
        name: String,
        /// A similar name.
        similar: Option<String>,
    },
    /// A name of two things.
    #[error("`{name}` is both a {} and a dataset type; write `{prefix}:{name}` or `D:{name}`", if *.prefix == 'T' { "task" } else { "subset" })]
    Ambiguous {
        /// The name.
        name: String,
        /// Prefix of the other meaning.
        prefix: char,
    },
    /// Subsets have no place in the flow.
    #[error("`{name}` is a subset; only tasks and dataset types have something up- or downstream")]
    Subset {
        /// The name.
        name: String,
    },
    /// An init-output has no quantum that makes it.
    #[error("`{name}` is an init-output, for which only what is downstream (`>`) can be selected")]
    InitOutput {
        /// The dataset type.
        name: String,
    },
}
