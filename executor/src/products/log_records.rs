//! The log dataset of a quantum (`ButlerLogRecords`), which is written last, after success and
//! after failure.

use qbb::journal::{ExceptionInfo, Timestamp};
use serde::Serialize;
use serde_json::{Value, json};

/// How important a log message is, with the numbers of Python's `logging`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// For developers.
    Debug,
    /// For the curious.
    Info,
    /// Something unexpected that does no harm yet.
    Warning,
    /// Something went wrong.
    Error,
}

impl LogLevel {
    fn number(self) -> u32 {
        match self {
            Self::Debug => 10,
            Self::Info => 20,
            Self::Warning => 30,
            Self::Error => 40,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warning => "WARNING",
            Self::Error => "ERROR",
        }
    }
}

/// One message.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LogRecord {
    pub time: Timestamp,
    pub level: LogLevel,
    /// Name of the logger.
    pub name: String,
    pub message: String,
}

/// What all messages of a quantum have in common.
#[derive(Debug, Clone, Default)]
pub(crate) struct LogContext {
    /// `label:{data ID}`.
    pub label: String,
    /// Output run.
    pub run: String,
    /// Process that ran the quantum.
    pub process: u32,
}

/// All attempts that an earlier log file tells of: those before it, then its own. `None` if the
/// file is not a log.
fn attempts_of_log(bytes: &[u8]) -> Option<Vec<Value>> {
    let mut log: Value = serde_json::from_slice(bytes).ok()?;
    let members = log.as_object_mut()?;
    // The middleware nests nothing: one list, the latest attempt last.
    let mut attempts = match members.remove("previous_attempts") {
        Some(Value::Array(earlier)) => earlier,
        _ => Vec::new(),
    };
    let mut take = |name: &str| members.remove(name);
    attempts.push(json!({
        "exception": take("exception"),
        "metadata": take("metadata"),
        "previous_process_quanta": take("previous_process_quanta").unwrap_or_else(|| json!([])),
        "logs": take("records").unwrap_or_else(|| json!([])),
        "previous_attempts": [],
    }));
    Some(attempts)
}

/// What goes into a log dataset.
#[derive(Debug, Default)]
pub(crate) struct LogDataset {
    pub context: LogContext,
    pub records: Vec<LogRecord>,
    /// The exception of a failure, and the metadata that could not be written because of it.
    pub failure: Option<(ExceptionInfo, Value)>,
    pub previous_attempts: Vec<Value>,
}

#[derive(Serialize)]
struct RecordJson<'a> {
    name: &'a str,
    asctime: String,
    message: &'a str,
    levelno: u32,
    levelname: &'static str,
    filename: &'static str,
    pathname: &'static str,
    lineno: u32,
    #[serde(rename = "funcName")]
    function: &'static str,
    process: u32,
    #[serde(rename = "processName")]
    process_name: &'static str,
    #[serde(rename = "MDC")]
    context: ContextJson<'a>,
}

#[derive(Serialize)]
struct ContextJson<'a> {
    #[serde(rename = "LABEL")]
    label: &'a str,
    #[serde(rename = "RUN")]
    run: &'a str,
}

#[derive(Serialize)]
struct DatasetJson<'a> {
    extended: bool,
    version: u32,
    records: Vec<RecordJson<'a>>,
    exception: Option<Value>,
    metadata: Option<&'a Value>,
    previous_process_quanta: [u8; 0],
    logs: [u8; 0],
    previous_attempts: &'a [Value],
}

impl LogDataset {
    /// Adds a message with the present time.
    pub fn log(&mut self, level: LogLevel, name: &str, message: impl Into<String>) {
        let (name, message) = (name.to_owned(), message.into());
        self.records.push(LogRecord { time: Timestamp::now(), level, name, message });
    }

    /// Adds the log of an earlier attempt, if it is readable.
    pub fn attach_previous(&mut self, bytes: &[u8]) {
        if let Some(attempts) = attempts_of_log(bytes) {
            self.previous_attempts = attempts;
        }
    }

    #[cfg(test)]
    fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut bytes = Vec::new();
        self.write(&mut bytes).map(|()| bytes)
    }

    /// Appends the content of the file.
    pub fn write(&self, to: &mut Vec<u8>) -> Result<(), serde_json::Error> {
        let records = (self.records.iter())
            .map(|record| RecordJson {
                name: &record.name,
                asctime: record.time.to_string(),
                message: &record.message,
                levelno: record.level.number(),
                levelname: record.level.name(),
                filename: "",
                pathname: "",
                lineno: 0,
                function: "",
                process: self.context.process,
                process_name: "MainProcess",
                context: ContextJson { label: &self.context.label, run: &self.context.run },
            })
            .collect();
        let json = DatasetJson {
            extended: true,
            version: 2,
            records,
            exception: self.failure.as_ref().map(|(exception, _)| {
                json!({
                    "type_name": exception.type_name,
                    "message": exception.message,
                    "metadata": {},
                })
            }),
            metadata: self.failure.as_ref().map(|(_, metadata)| metadata),
            previous_process_quanta: [],
            logs: [],
            previous_attempts: &self.previous_attempts,
        };
        serde_json::to_writer(to, &json)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed() -> LogDataset {
        let exception = ExceptionInfo { type_name: "Bad".into(), message: "no".into() };
        LogDataset {
            context: LogContext { label: "t:{visit: 1}".into(), run: "u/r".into(), process: 7 },
            records: vec![LogRecord {
                time: Timestamp(1_795_163_877_822_352),
                level: LogLevel::Warning,
                name: "t".into(),
                message: "look".into(),
            }],
            failure: Some((exception, json!({"scalars": {}, "arrays": {}, "metadata": {}}))),
            previous_attempts: Vec::new(),
        }
    }

    #[test]
    fn the_file_is_what_the_middleware_writes() {
        insta::assert_snapshot!(String::from_utf8(failed().to_bytes().unwrap()).unwrap());
    }

    #[test]
    fn each_retry_adds_the_attempt_before_it() {
        let mut second = LogDataset::default();
        second.attach_previous(&failed().to_bytes().unwrap());
        let mut third = LogDataset::default();
        third.attach_previous(&second.to_bytes().unwrap());
        let tried: Vec<_> = (third.previous_attempts.iter())
            .map(|attempt| (attempt["exception"]["message"].clone(), attempt["logs"].clone()))
            .collect();
        assert_eq!(tried.len(), 2);
        assert_eq!(tried[0].0, "no");
        assert_eq!(tried[0].1[0]["message"], "look");
        assert_eq!(tried[1].0, Value::Null);
        third.attach_previous(b"not a log");
        assert_eq!(third.previous_attempts.len(), 2);
    }
}
