//! The log of a quantum as its runner wrote it: in a pack, or in a file as every Butler reads it.

use serde::{Deserialize, Serialize};

/// One attempt at a quantum.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AttemptLog {
    /// Messages in the order in which they were logged.
    #[serde(rename(deserialize = "logs"))]
    pub records: Vec<LogLine>,
    /// What it failed with.
    pub exception: Option<LoggedException>,
}

/// A message.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LogLine {
    /// When, ISO 8601 in UTC.
    #[serde(rename(deserialize = "asctime"))]
    pub time: String,
    /// How important, as Python's `logging` names it.
    #[serde(rename(deserialize = "levelname"))]
    pub level: String,
    /// Name of the logger.
    pub name: String,
    /// The text.
    pub message: String,
    /// Traceback, if one was logged.
    #[serde(rename(deserialize = "exc_info"), skip_serializing_if = "Option::is_none")]
    pub traceback: Option<String>,
}

/// An exception as the log dataset has it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LoggedException {
    /// Name of its type.
    pub type_name: String,
    /// What it says.
    pub message: String,
}

/// A log dataset; the streamed form has records as lines and the rest as an object of its own.
#[derive(Deserialize)]
struct Dataset {
    #[serde(default)]
    records: Vec<LogLine>,
    #[serde(default)]
    exception: Option<LoggedException>,
    #[serde(default)]
    previous_attempts: Vec<AttemptLog>,
}

/// All attempts that a log dataset tells of, the last one last. Both forms are understood: one object,
/// and an object for each message in a line of its own.
///
/// # Errors
/// If it is neither; the text says what is wrong.
pub fn attempts_of_log(bytes: &[u8]) -> Result<Vec<AttemptLog>, String> {
    let bytes = without_bare_words(bytes);
    let whole = serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(&bytes);
    let dataset = match whole {
        Ok(members) if members.contains_key("records") => {
            serde_json::from_value::<Dataset>(members.into()).map_err(|e| e.to_string())?
        }
        _ => streamed(&bytes)?,
    };
    let Dataset { records, exception, previous_attempts: mut attempts } = dataset;
    attempts.push(AttemptLog { records, exception });
    Ok(attempts)
}

fn streamed(bytes: &[u8]) -> Result<Dataset, String> {
    let (mut records, mut exception, mut previous_attempts) = (Vec::new(), None, Vec::new());
    for (number, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
        // A marker that is no JSON separates the messages from what follows.
        if line.trim_ascii_start().first() != Some(&b'{') {
            continue;
        }
        let value: serde_json::Value = serde_json::from_slice(line)
            .map_err(|error| format!("line {} is not JSON: {error}", number + 1))?;
        if value.get("levelname").is_some() {
            records.push(serde_json::from_value(value).map_err(|error| error.to_string())?);
        } else {
            let rest: Dataset = serde_json::from_value(value).map_err(|error| error.to_string())?;
            (exception, previous_attempts) = (rest.exception, rest.previous_attempts);
        }
    }
    Ok(Dataset { records, exception, previous_attempts })
}

/// Python writes numbers that are none as bare words, which JSON does not know.
fn without_bare_words(bytes: &[u8]) -> Vec<u8> {
    let mut clean = Vec::with_capacity(bytes.len());
    let (mut in_text, mut at) = (false, 0);
    while let Some(&byte) = bytes.get(at) {
        let rest = &bytes[at..];
        let word = [&b"NaN"[..], b"-Infinity", b"Infinity"]
            .into_iter()
            .find(|word| !in_text && rest.starts_with(word));
        if let Some(word) = word {
            clean.extend_from_slice(b"null");
            at += word.len();
            continue;
        }
        if in_text && byte == b'\\' {
            // What is escaped ends no text.
            let pair = &rest[..rest.len().min(2)];
            clean.extend_from_slice(pair);
            at += pair.len();
            continue;
        }
        in_text ^= byte == b'"';
        clean.push(byte);
        at += 1;
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_come_in_order_and_odd_numbers_do_not_matter() {
        let log = br#"{"extended": true, "version": 2, "records": [{"name": "t", "levelname": "INFO",
            "asctime": "2026-01-01T00:00:00Z", "message": "a \"NaN\" is no number", "exc_info": null}],
            "exception": null, "metadata": {"scalars": {"x": NaN, "y": [-Infinity, Infinity]}},
            "previous_attempts": [{"exception": {"type_name": "E", "message": "no"}, "logs":
            [{"name": "u", "levelname": "ERROR", "asctime": "", "message": "it broke"}]}]}"#;
        let attempts = attempts_of_log(log).unwrap();
        assert_eq!(attempts.len(), 2);
        assert_eq!(attempts[0].exception.as_ref().unwrap().type_name, "E");
        assert_eq!(attempts[0].records[0].message, "it broke");
        assert_eq!(attempts[1].records[0].message, "a \"NaN\" is no number");
        assert_eq!(attempts[1].exception, None);
    }

    #[test]
    fn the_streamed_form_is_understood() {
        let log = b"{\"name\": \"t\", \"levelname\": \"INFO\", \"message\": \"one\"}\n\
                    {\"name\": \"t\", \"levelname\": \"INFO\", \"message\": \"two\"}\n###\n\
                    {\"exception\": {\"type_name\": \"E\", \"message\": \"no\"}}\n";
        let attempts = attempts_of_log(log).unwrap();
        let messages: Vec<_> = attempts[0].records.iter().map(|r| r.message.as_str()).collect();
        assert_eq!(messages, ["one", "two"]);
        assert_eq!(attempts[0].exception.as_ref().unwrap().message, "no");
        assert!(attempts_of_log(b"{\"levelname\": ").is_err());
    }
}
