//! What can be wrong with a pipeline of ordinary programs.

use camino::Utf8PathBuf;

use crate::error::suggestion;

/// What is wrong with a native pipeline file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}{}: {problem}", line.map_or_else(String::new, |line| format!(":{line}")))]
pub struct NativePipelineError {
    /// The file.
    pub path: Utf8PathBuf,
    /// The line, where it is known; the first is 1.
    pub line: Option<u64>,
    /// What is wrong.
    pub problem: NativeProblem,
}

/// The problems of [`NativePipelineError`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NativeProblem {
    /// It is not YAML of the right form.
    #[error("{0}")]
    Yaml(String),
    /// It is of another version.
    #[error("`qbb_pipeline: {0}` is not a version that can be read: only `qbb_pipeline: 1` is")]
    Version(u32),
    /// A name that cannot be used.
    #[error("{what} `{name}`: {reason}")]
    Name {
        /// What it names.
        what: String,
        /// The name.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Not exactly one way to run a task.
    #[error("task `{task}` must have either `command` or `function`")]
    Runner {
        /// The task's label.
        task: String,
    },
    /// An argument that is no text.
    #[error(
        "argument {number} of the command of task `{task}` is a YAML {found}, not text: put it in \
         quotes, as in \"{{inputs.NAME}}\""
    )]
    Argument {
        /// The task's label.
        task: String,
        /// Its number; the program is 0.
        number: usize,
        /// What YAML took it for.
        found: &'static str,
    },
    /// An argument with a brace too many.
    #[error(
        "argument `{argument}` of task `{task}` has a single `{brace}`; write `{brace}{brace}` for \
         a brace"
    )]
    Brace {
        /// The task's label.
        task: String,
        /// The argument.
        argument: String,
        /// The brace.
        brace: char,
    },
    /// A placeholder that means nothing.
    #[error(
        "argument `{argument}` of task `{task}`: {what} `{name}` is unknown{}",
        suggestion(.similar.as_deref())
    )]
    Placeholder {
        /// The task's label.
        task: String,
        /// The argument.
        argument: String,
        /// Input, output or placeholder.
        what: &'static str,
        /// Its name.
        name: String,
        /// The nearest name there is.
        similar: Option<String>,
    },
    /// A number of datasets that cannot be.
    #[error(
        "input `{input}` of task `{task}` has `minimum: {minimum}` but may have only one dataset: \
         add `multiple: true`"
    )]
    Minimum {
        /// The task's label.
        task: String,
        /// The input.
        input: String,
        /// The setting.
        minimum: u32,
    },
    /// A subset with a task that does not exist.
    #[error("subset `{subset}` has no task `{task}`{}", suggestion(.similar.as_deref()))]
    SubsetTask {
        /// The subset.
        subset: String,
        /// The label.
        task: String,
        /// The nearest label there is.
        similar: Option<String>,
    },
}
