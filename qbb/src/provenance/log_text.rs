//! What a log dataset says about an attempt, and about those before it.

use qbb_graph::{AttemptException, PythonJson, PythonJsonError};

/// The line after which a streamed log has further facts.
const EXTRA: &[u8] = b"###EXTRA###";

/// The log of one attempt.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct LogAttempt {
    /// Text of the list of records.
    pub records: Vec<u8>,
    /// The exception of a failure.
    pub exception: Option<AttemptException>,
    /// Text of the metadata of a failure.
    pub metadata: Option<Vec<u8>>,
    /// Text of the list of quanta that the same process executed before; empty is none.
    pub previous_process_quanta: Vec<u8>,
}

/// All attempts that a log dataset tells of; the last is its own.
///
/// It has one of three forms: an object with records and further facts, a list of records, or a
/// record in each line with further facts behind a line of its own.
pub(super) fn parse_log(text: &[u8]) -> Result<Vec<LogAttempt>, PythonJsonError> {
    let begin = text.iter().position(|byte| !byte.is_ascii_whitespace()).unwrap_or(text.len());
    let text = &text[begin..];
    if text.starts_with(b"[") {
        let records = PythonJson::parse(text)?.text().to_vec();
        return Ok(vec![LogAttempt { records, ..LogAttempt::default() }]);
    }
    if text.starts_with(b"{") {
        let (first, _) = PythonJson::first(text)?;
        if first.get("extended").is_some() {
            PythonJson::parse(text)?;
            let records = first.get("records").map_or(&b"[]"[..], PythonJson::text);
            return Ok(attempts(first, records));
        }
    }
    streamed(text)
}

fn streamed(text: &[u8]) -> Result<Vec<LogAttempt>, PythonJsonError> {
    let mut records = b"[".to_vec();
    let mut rest = text;
    let offset = |rest: &[u8]| text.len() - rest.len();
    loop {
        let (line, after) = match rest.iter().position(|&byte| byte == b'\n') {
            Some(end) => (&rest[..end], &rest[end + 1..]),
            None => (rest, &rest[rest.len()..]),
        };
        if line.starts_with(EXTRA) {
            records.push(b']');
            let extra = PythonJson::parse(after)
                .map_err(|error| PythonJsonError { offset: offset(after) + error.offset, ..error });
            return Ok(attempts(extra?, &records));
        }
        if !line.trim_ascii().is_empty() {
            let record = PythonJson::parse(line).map_err(|error| PythonJsonError {
                offset: offset(rest) + error.offset,
                ..error
            })?;
            if records.len() > 1 {
                records.push(b',');
            }
            records.extend_from_slice(record.text());
        }
        if after.is_empty() {
            records.push(b']');
            return Ok(vec![LogAttempt { records, ..LogAttempt::default() }]);
        }
        rest = after;
    }
}

/// The attempts before, which are not nested, and the one that the facts are about.
fn attempts(facts: PythonJson<'_>, records: &[u8]) -> Vec<LogAttempt> {
    let earlier = facts.get("previous_attempts").into_iter().flat_map(PythonJson::items);
    let earlier = earlier.map(|facts| {
        let records = facts.get("logs").map_or(&b"[]"[..], PythonJson::text);
        attempt(facts, records)
    });
    earlier.chain([attempt(facts, records)]).collect()
}

fn attempt(facts: PythonJson<'_>, records: &[u8]) -> LogAttempt {
    let value = |key: &str| facts.get(key).filter(|value| !value.is_null());
    LogAttempt {
        records: records.to_vec(),
        exception: value("exception").and_then(AttemptException::read),
        metadata: value("metadata").map(|metadata| metadata.text().to_vec()),
        previous_process_quanta: value("previous_process_quanta")
            .filter(|list| list.items().next().is_some())
            .map(|list| list.text().to_vec())
            .unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_forms_of_logs_are_read() {
        let only = |text: &[u8]| {
            let mut attempts = parse_log(text).unwrap();
            assert_eq!(attempts.len(), 1);
            attempts.remove(0)
        };
        let with = |records: &[u8], quanta: &[u8]| LogAttempt {
            records: records.to_vec(),
            previous_process_quanta: quanta.to_vec(),
            ..LogAttempt::default()
        };
        let records = b"[{\"a\":1},{\"b\":NaN}]";
        assert_eq!(only(records), with(records, b""));
        assert_eq!(only(b"{\"a\":1}\n\n{\"b\":NaN}\n"), with(records, b""));
        let streamed =
            b"{\"a\":1}\n{\"b\":NaN}\n###EXTRA###\n{\"previous_process_quanta\": [\"q\"]}";
        assert_eq!(only(streamed), with(records, b"[\"q\"]"));
        let whole = br#"{"extended": true, "version": 2, "records": [{"a":1},{"b":NaN}],
            "exception": null, "metadata": null, "previous_process_quanta": ["q"], "logs": [],
            "previous_attempts": []}"#;
        assert_eq!(only(whole), with(records, b"[\"q\"]"));
        assert_eq!(only(b""), with(b"[]", b""));
        assert_eq!(only(b"###EXTRA###\n{}"), with(b"[]", b""));
    }

    #[test]
    fn attempts_come_in_their_order() {
        let text = br#"{"extended": true, "records": [3], "exception": null, "previous_attempts":
            [{"exception": {"type_name": "A", "message": "first", "metadata": {"x": 1}},
              "metadata": {"scalars": {}}, "logs": [1]},
             {"exception": {"type_name": "B", "message": "second", "metadata": {}}, "logs": [2]}]}"#;
        let attempts = parse_log(text).unwrap();
        let told: Vec<_> = (attempts.iter())
            .map(|a| (a.exception.as_ref().map(|e| e.message.as_str()), a.records.as_slice()))
            .collect();
        assert_eq!(told, [(Some("first"), &b"[1]"[..]), (Some("second"), b"[2]"), (None, b"[3]")]);
        assert_eq!(attempts[0].metadata.as_deref(), Some(&b"{\"scalars\": {}}"[..]));
        assert_eq!(attempts[1].metadata, None);
    }

    #[test]
    fn what_is_no_log_is_refused_with_its_place() {
        assert_eq!(parse_log(b"{\"a\":1}\n{\"b\":").unwrap_err().offset, 13);
        assert!(parse_log(b"{\"extended\":true} rest").is_err());
        assert!(parse_log(b"\x00").is_err());
    }
}
