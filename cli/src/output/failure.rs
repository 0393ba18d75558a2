//! Errors as people see them.

use std::error::Error;
use std::fmt;
use std::io::ErrorKind;

use camino::Utf8Path;
use miette::{Diagnostic, LabeledSpan, SourceCode};

use super::destination::why_not_writable;

/// Exit codes, as `qbb --help` documents them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitCode {
    /// Everything asked for was done.
    Success = 0,
    /// Some quanta failed, or a check found a problem.
    Incomplete = 1,
    /// The arguments are wrong.
    Usage = 2,
    /// A repository, pipeline, graph or submit directory cannot be used.
    Input = 3,
    /// The system refused: disk, permissions, Python.
    System = 4,
    /// With `--fail-fast`, a task raised `RepeatableQuantumError`; the middleware's code.
    Repeatable = 20,
    /// A task raised `InvalidQuantumError`; the middleware's code.
    Invalid = 21,
    /// The user interrupted.
    Interrupted = 130,
}

/// An error with its exit code and what to do about it.
#[derive(Debug)]
pub struct Failure {
    code: ExitCode,
    message: String,
    hint: Option<String>,
    place: Option<Place>,
    details: Option<serde_json::Value>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// Where in a text something is wrong.
#[derive(Debug)]
struct Place {
    text: String,
    /// Offset and length in bytes.
    span: (usize, usize),
    label: String,
}

impl Failure {
    /// Input that cannot be used.
    pub fn input(message: impl fmt::Display) -> Self {
        Self::new(ExitCode::Input, message)
    }

    /// Wrong arguments.
    pub fn usage(message: impl fmt::Display) -> Self {
        Self::new(ExitCode::Usage, message)
    }

    /// Something the system would not do.
    pub fn system(message: impl fmt::Display, source: impl Error + Send + Sync + 'static) -> Self {
        Self { source: Some(Box::new(source)), ..Self::new(ExitCode::System, message) }
    }

    /// Something that cannot happen.
    pub fn internal(source: impl Error + Send + Sync + 'static) -> Self {
        Self::system("this is an error in qbb; please report it", source)
    }

    /// An error with the chain of its causes; the system's refusals are told from bad input by
    /// looking for an I/O error among them.
    pub fn from_error(error: impl Error + Send + Sync + 'static) -> Self {
        let mut code = ExitCode::Input;
        let mut cause: Option<&(dyn Error + 'static)> = Some(&error);
        while let Some(current) = cause {
            if let Some(io) = current.downcast_ref::<std::io::Error>()
                && !is_about_input(io.kind())
            {
                code = ExitCode::System;
            }
            cause = current.source();
        }
        let message = error.to_string();
        let source = Chain::of_causes(&error, &message).map(Into::into);
        Self { code, message, hint: None, place: None, details: None, source }
    }

    /// A file for results that could not be written.
    pub fn unwritable(path: &Utf8Path, source: impl Error + Send + Sync + 'static) -> Self {
        match why_not_writable(path) {
            Some(reason) => Self::unwritable_because(path, &reason),
            None => Self::system(format!("{path} could not be written"), source),
        }
    }

    /// The same where it is known beforehand.
    pub fn unwritable_because(path: &Utf8Path, reason: &str) -> Self {
        Self::new(ExitCode::System, format!("{path} cannot be written: {reason}"))
    }

    /// Names the option by which the input came.
    pub fn of_option(self, option: &str) -> Self {
        Self { message: format!("{option}: {}", self.message), ..self }
    }

    /// Adds advice.
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds what programs may want to know besides the message.
    pub fn with_details(mut self, details: serde_json::Value) -> Self {
        self.details = Some(details);
        self
    }

    /// Sets the exit code.
    pub fn with_code(mut self, code: ExitCode) -> Self {
        self.code = code;
        self
    }

    /// The exit code.
    pub fn code(&self) -> ExitCode {
        self.code
    }

    /// The error as a JSON object.
    pub fn to_json(&self) -> serde_json::Value {
        let mut causes = Vec::new();
        let mut cause = self.source();
        while let Some(current) = cause {
            causes.push(current.to_string());
            cause = current.source();
        }
        serde_json::json!({
            "error": {
                "message": self.message,
                "causes": causes,
                "hint": self.hint,
                "exit_code": self.code as u8,
                "details": self.details,
            }
        })
    }

    fn new(code: ExitCode, message: impl fmt::Display) -> Self {
        Self {
            code,
            message: message.to_string(),
            hint: None,
            place: None,
            details: None,
            source: None,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}

impl Diagnostic for Failure {
    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.place.as_ref().map(|place| &place.text as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let place = self.place.as_ref()?;
        let label = LabeledSpan::new(Some(place.label.clone()), place.span.0, place.span.1);
        Some(Box::new(std::iter::once(label)))
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.hint.as_ref().map(|hint| Box::new(hint) as Box<dyn fmt::Display>)
    }
}

/// Whether what was named cannot be what it should be, which is nobody's fault but the user's.
fn is_about_input(kind: ErrorKind) -> bool {
    use ErrorKind as K;
    matches!(
        kind,
        K::NotFound | K::InvalidData | K::InvalidFilename | K::IsADirectory | K::NotADirectory
    )
}

/// An owned copy of a chain of causes, since the causes themselves are borrowed.
#[derive(Debug)]
struct Chain {
    message: String,
    source: Option<Box<Chain>>,
}

impl Chain {
    /// The causes of an error, without those whose text its message repeats already.
    fn of_causes(error: &(dyn Error + 'static), said: &str) -> Option<Box<Self>> {
        let cause = error.source()?;
        let message = cause.to_string();
        if said.contains(&message) {
            return Self::of_causes(cause, said);
        }
        let source = Self::of_causes(cause, &message);
        Some(Box::new(Self { message, source }))
    }
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for Chain {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}

macro_rules! failures {
    ($($error:ty),* $(,)?) => {
        $(impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::from_error(error)
            }
        })*
    };
}

failures!(
    qbb::ButlerError,
    qbb::journal::JournalError,
    qbb_datastore::RepositoryError,
    qbb_demo::DemoError,
    qbb_graph::GraphError,
    qbb_pipeline::PipelineReadError,
    qbb_pipeline::TaskExpressionError,
    qbb_pipeline::UnknownLabelError,
    qbb_builder::DataIdTableError,
    qbb_submit_dirs::SubmitError,
);

/// A slip in a restriction is shown where it is.
impl From<qbb_builder::BuildError> for Failure {
    fn from(error: qbb_builder::BuildError) -> Self {
        let place = match &error {
            qbb_builder::BuildError::Expression(slip) => Some(Place::of_slip(slip)),
            _ => None,
        };
        Self { place, ..Self::from_error(error) }
    }
}

impl From<qbb_query::QueryError> for Failure {
    fn from(error: qbb_query::QueryError) -> Self {
        let place = match &error {
            qbb_query::QueryError::Expression(slip) => Some(Place::of_slip(slip)),
            _ => None,
        };
        Self { place, ..Self::from_error(error) }
    }
}

impl Place {
    fn of_slip(slip: &qbb_dimensions::expression::ExpressionError) -> Self {
        Self {
            // The end of the text is a place too.
            text: format!("{} ", slip.text),
            span: (slip.span.begin, (slip.span.end - slip.span.begin).max(1)),
            label: slip.kind.to_string(),
        }
    }
}

impl From<qbb_executor::RunError> for Failure {
    fn from(error: qbb_executor::RunError) -> Self {
        use qbb_executor::RunError as E;
        let code = match &error {
            E::Folder { .. }
            | E::DiskFull { .. }
            | E::System { .. }
            | E::Interpreter(_)
            | E::Package(_)
            | E::NoWorker { .. } => Some(ExitCode::System),
            E::Worker(fault) if fault.kind == "datastore" => Some(ExitCode::System),
            _ => None,
        };
        let hint = error.hint().map(str::to_owned);
        let mut failure = Self::from_error(error);
        failure.code = code.unwrap_or(failure.code);
        failure.hint = hint;
        failure
    }
}

impl From<qbb_exports::ExportError> for Failure {
    fn from(error: qbb_exports::ExportError) -> Self {
        use qbb_exports::ExportError as E;
        match &error {
            E::Pipeline { hint: Some(hint), .. } => {
                let hint = hint.clone();
                Self::from_error(error).with_hint(hint)
            }
            E::Exporter { .. } => Self::from_error(error).with_code(ExitCode::System).with_hint(
                "is the middleware installed in that Python? choose another with --python",
            ),
            _ => Self::from_error(error),
        }
    }
}

impl From<qbb_registry::RegistryError> for Failure {
    fn from(error: qbb_registry::RegistryError) -> Self {
        let refused = is_refusal(&error);
        let failure = Self::from_error(error);
        if refused { failure.with_code(ExitCode::System) } else { failure }
    }
}

impl From<qbb_transfer::TransferError> for Failure {
    fn from(error: qbb_transfer::TransferError) -> Self {
        use qbb_transfer::TransferError as E;
        let refused = match &error {
            E::Registry(error) => is_refusal(error),
            error => matches!(error, E::Store(_) | E::Sync { .. } | E::Originals { .. }),
        };
        let failure = Self::from_error(error);
        if refused { failure.with_code(ExitCode::System) } else { failure }
    }
}

impl From<qbb_upkeep::UpkeepError> for Failure {
    fn from(error: qbb_upkeep::UpkeepError) -> Self {
        use qbb_upkeep::UpkeepError as E;
        let refused = matches!(&error, E::Registry(error) if is_refusal(error));
        let failure = Self::from_error(error);
        if refused { failure.with_code(ExitCode::System) } else { failure }
    }
}

impl From<qbb_personal::SelectionError> for Failure {
    fn from(error: qbb_personal::SelectionError) -> Self {
        use qbb_personal::SelectionError as E;
        match error {
            E::Registry(error) => error.into(),
            E::Transfer(error) => error.into(),
            E::Unregistered { .. } => {
                Self::from_error(error).with_hint("add --register-dataset-types")
            }
            error => Self::from_error(error),
        }
    }
}

impl From<qbb_personal::CreateError> for Failure {
    fn from(error: qbb_personal::CreateError) -> Self {
        use qbb_personal::CreateError as E;
        match error {
            E::Registry(error) => error.into(),
            E::DatastoreRoot(_) | E::DatastorePlace(_) | E::Schema { .. } => {
                Self::from_error(error).with_code(ExitCode::Usage)
            }
            error => Self::from_error(error),
        }
    }
}

/// Whether the repository may be sound and the system would not let it be read or written.
fn is_refusal(error: &qbb_registry::RegistryError) -> bool {
    use qbb_registry::RegistryError as E;
    matches!(error, E::ReadOnly { .. } | E::Busy { .. } | E::Contended { .. } | E::Server { .. })
}

#[cfg(test)]
#[path = "failure_tests.rs"]
mod tests;
