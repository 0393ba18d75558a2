//! What is told about the execution of a quantum.

use crate::model::{DatasetIx, QuantumIx};

/// Why a source could not tell.
pub type SourceError = Box<dyn std::error::Error + Send + Sync>;

/// Where provenance comes from. Asked by several threads at once.
pub trait ProvenanceSource: Sync {
    /// All attempts at a quantum, from the first to the last. None means that an upstream failure
    /// blocked it; a quantum that could have been attempted and was not has one attempt of unknown
    /// status.
    ///
    /// # Errors
    /// If what is known to exist cannot be read.
    fn attempts(&self, quantum: QuantumIx) -> Result<Vec<Attempt>, SourceError>;

    /// Whether an output or init-output of the graph was written.
    fn is_produced(&self, dataset: DatasetIx) -> bool;

    /// Versions of the packages that executed the graph: JSON text of an object.
    ///
    /// # Errors
    /// If what is known to exist cannot be read.
    fn packages(&self) -> Result<Vec<u8>, SourceError>;
}

/// How an attempt ended, with the numbers of the middleware (`QuantumAttemptStatus`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AttemptStatus {
    /// It died so hard that neither log nor metadata were written.
    Aborted,
    /// Nobody knows.
    Unknown,
    /// Metadata was written, but no log.
    AbortedSuccess,
    /// It failed and wrote a log.
    Failed,
    /// It was not made, because of a failure upstream.
    Blocked,
    /// It succeeded, perhaps with caveats.
    Successful,
}

impl AttemptStatus {
    /// All, in the order of their numbers.
    pub const ALL: [Self; 6] = [
        Self::Aborted,
        Self::Unknown,
        Self::AbortedSuccess,
        Self::Failed,
        Self::Blocked,
        Self::Successful,
    ];

    /// The middleware's number.
    pub fn number(self) -> i64 {
        self as i64 - 4
    }

    /// The status with a number.
    pub fn from_number(number: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.number() == number)
    }

    /// A word for people and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Aborted => "aborted",
            Self::Unknown => "unknown",
            Self::AbortedSuccess => "aborted success",
            Self::Failed => "failed",
            Self::Blocked => "blocked",
            Self::Successful => "successful",
        }
    }
}

/// One attempt at a quantum.
#[derive(Debug, Clone, PartialEq)]
pub struct Attempt {
    /// How it ended.
    pub status: AttemptStatus,
    /// Caveat bits of a success, if known.
    pub caveats: Option<u32>,
    /// The exception that ended it, or that a partial success is about.
    pub exception: Option<AttemptException>,
    /// What it cost.
    pub usage: Option<AttemptUsage>,
    /// UUIDs of quanta that ran before in the same process: JSON text of a list; empty is none.
    pub previous_process_quanta: Vec<u8>,
    /// Task metadata: JSON text of an object, in which `NaN` and infinities may stand as such.
    pub metadata: Option<Vec<u8>>,
    /// Log records: JSON text of a list.
    pub logs: Option<Vec<u8>>,
}

impl Attempt {
    /// An attempt of which only the status is known.
    pub fn bare(status: AttemptStatus) -> Self {
        Self {
            status,
            caveats: None,
            exception: None,
            usage: None,
            previous_process_quanta: Vec::new(),
            metadata: None,
            logs: None,
        }
    }
}

/// Why an attempt failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptException {
    /// Name of the exception's type.
    pub type_name: String,
    /// What it says.
    pub message: String,
    /// Further facts: JSON text of an object; empty is none.
    pub metadata: Vec<u8>,
}

/// What an attempt cost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AttemptUsage {
    /// Peak memory of its process, bytes.
    pub memory: f64,
    /// Begin of preparation, microseconds since 1970-01-01T00:00:00Z.
    pub start: i64,
    /// Seconds of preparation.
    pub prep_time: f64,
    /// Seconds of constructing the task.
    pub init_time: f64,
    /// Seconds of running it.
    pub run_time: f64,
    /// CPU seconds of running it.
    pub run_time_cpu: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_middleware() {
        let numbers: Vec<i64> = AttemptStatus::ALL.map(AttemptStatus::number).to_vec();
        assert_eq!(numbers, [-4, -3, -2, -1, 0, 1]);
        for status in AttemptStatus::ALL {
            assert_eq!(AttemptStatus::from_number(status.number()), Some(status));
        }
        assert_eq!(AttemptStatus::from_number(2), None);
    }
}
