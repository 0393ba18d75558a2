//! Attempts as a provenance graph tells of them.

use uuid::Uuid;

use super::attempt::{Attempt, AttemptException, AttemptStatus, AttemptUsage};
use super::read::ProvenanceTexts;
use super::{LOGS, METADATA, QUANTA};
use crate::error::Result;
use crate::python_json::{PythonJson, PythonJsonError};

impl ProvenanceTexts<'_> {
    /// All attempts at a quantum with their metadata and logs; `None` if there is no such quantum.
    /// What is missing in an attempt, or makes no sense, is unknown.
    ///
    /// # Errors
    /// If the file is damaged.
    pub fn attempts(&self, id: Uuid) -> Result<Option<Vec<Attempt>>> {
        let Some(text) = self.quantum(id)? else { return Ok(None) };
        let fail = |member| move |error: PythonJsonError| self.fail(member, id, &error);
        let told = PythonJson::parse(&text).map_err(fail(QUANTA))?.get("attempts");
        let metadata = by_attempt(self.metadata(id)?).map_err(fail(METADATA))?;
        let logs = by_attempt(self.logs(id)?).map_err(fail(LOGS))?;
        let (mut metadata, mut logs) = (metadata.into_iter(), logs.into_iter());
        let attempts = told.into_iter().flat_map(PythonJson::items).map(|told| Attempt {
            metadata: metadata.next().flatten(),
            logs: logs.next().flatten(),
            ..attempt(told)
        });
        Ok(Some(attempts.collect()))
    }
}

/// The texts in a block of metadata or logs, by attempt.
fn by_attempt(text: Option<Vec<u8>>) -> Result<Vec<Option<Vec<u8>>>, PythonJsonError> {
    let Some(text) = text else { return Ok(Vec::new()) };
    let attempts = PythonJson::parse(&text)?.get("attempts");
    Ok((attempts.into_iter().flat_map(PythonJson::items))
        .map(|value| (!value.is_null()).then(|| value.text().to_vec()))
        .collect())
}

/// What a quantum's block tells of an attempt.
fn attempt(told: PythonJson<'_>) -> Attempt {
    let value = |key: &str| told.get(key).filter(|value| !value.is_null());
    let status = value("status").and_then(PythonJson::integer).and_then(AttemptStatus::from_number);
    let caveats = value("caveats").and_then(PythonJson::integer);
    Attempt {
        caveats: caveats.and_then(|bits| u32::try_from(bits).ok()),
        exception: value("exception").and_then(AttemptException::read),
        usage: value("resource_usage").and_then(usage),
        previous_process_quanta: value("previous_process_quanta")
            .filter(|quanta| quanta.is_list() && quanta.items().next().is_some())
            .map(|quanta| quanta.text().to_vec())
            .unwrap_or_default(),
        ..Attempt::bare(status.unwrap_or(AttemptStatus::Unknown))
    }
}

impl AttemptException {
    /// An exception as logs and provenance graphs describe it; `None` if something is missing.
    pub fn read(facts: PythonJson<'_>) -> Option<Self> {
        let metadata = facts.get("metadata").filter(|metadata| metadata.is_object());
        Some(Self {
            type_name: facts.get("type_name")?.string()?.into_owned(),
            message: facts.get("message")?.string()?.into_owned(),
            metadata: metadata.map(|metadata| metadata.text().to_vec()).unwrap_or_default(),
        })
    }
}

fn usage(usage: PythonJson<'_>) -> Option<AttemptUsage> {
    let number = |key: &str| usage.get(key)?.number();
    let start: jiff::Timestamp = usage.get("start")?.string()?.parse().ok()?;
    Some(AttemptUsage {
        memory: number("memory")?,
        start: start.as_microsecond(),
        prep_time: number("prep_time")?,
        init_time: number("init_time")?,
        run_time: number("run_time")?,
        run_time_cpu: number("run_time_cpu")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Attempt {
        attempt(PythonJson::parse(text.as_bytes()).unwrap())
    }

    #[test]
    fn what_was_told_is_told_again() {
        let attempt = told(
            r#"{"attempt":0,"status":-1,"caveats":null,"exception":{"type_name":"E","message":"m",
            "metadata":{"x":NaN}},"resource_usage":{"memory":1024,
            "start":"1970-01-01T00:00:01.5Z","prep_time":0.5,"init_time":0,"run_time":2,
            "run_time_cpu":1.5},"previous_process_quanta":["a"]}"#,
        );
        assert_eq!((attempt.status, attempt.caveats), (AttemptStatus::Failed, None));
        assert_eq!(attempt.exception.unwrap().metadata, b"{\"x\":NaN}");
        assert_eq!(attempt.usage.unwrap().start, 1_500_000);
        assert_eq!(attempt.previous_process_quanta, b"[\"a\"]");
    }

    #[test]
    fn what_makes_no_sense_is_unknown() {
        let attempt = told(
            r#"{"status":77,"caveats":-1,"exception":{"type_name":1},
            "resource_usage":{"memory":1,"start":"yesterday"},"previous_process_quanta":"a"}"#,
        );
        assert_eq!(attempt, Attempt::bare(AttemptStatus::Unknown));
        assert_eq!(told("[]"), Attempt::bare(AttemptStatus::Unknown));
        let exception = r#"{"exception":{"type_name":"E","message":"m","metadata":[1]}}"#;
        assert_eq!(told(exception).exception.unwrap().metadata, b"");
    }
}
