//! What a program prints.

use std::io::{BufRead, BufReader, Read};

use qbb::journal::Timestamp;

use crate::products::{LogLevel, LogRecord};

/// Most that is kept of one stream.
const MAX_BYTES: usize = 8 << 20;
/// Longest line; a longer one is cut into several.
const MAX_LINE: u64 = 64 << 10;

/// Reads a stream to its end, line by line, with the time at which each line came.
pub(super) fn capture(stream: impl Read, level: LogLevel, name: &str) -> Vec<LogRecord> {
    let mut reader = BufReader::new(stream);
    let mut records: Vec<LogRecord> = Vec::new();
    let mut kept = 0;
    let mut line = Vec::new();
    loop {
        line.clear();
        // An error ends a stream as its end does; the process' exit status tells the rest.
        match reader.by_ref().take(MAX_LINE).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return records,
            Ok(_) => {}
        }
        // The stream must be read to its end all the same, or the program would wait for us.
        if kept > MAX_BYTES {
            continue;
        }
        kept += line.len();
        let message = if kept > MAX_BYTES {
            format!("[the rest is left out after {MAX_BYTES} bytes]")
        } else {
            String::from_utf8_lossy(&line).trim_end().to_owned()
        };
        if !message.is_empty() {
            records.push(LogRecord {
                time: Timestamp::now(),
                level,
                name: name.to_owned(),
                message,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_messages() {
        let records = capture(&b"one\n\ntwo \xff\r\nthree"[..], LogLevel::Warning, "task");
        let messages: Vec<_> = records.iter().map(|record| record.message.as_str()).collect();
        assert_eq!(messages, ["one", "two \u{fffd}", "three"]);
        assert!(records.iter().all(|record| record.level == LogLevel::Warning));
    }

    #[test]
    fn endless_output_is_cut() {
        let noise = std::io::repeat(b'x').take(3 * MAX_BYTES as u64);
        let records = capture(noise, LogLevel::Info, "task");
        let bytes: usize = records.iter().map(|record| record.message.len()).sum();
        assert!(bytes <= MAX_BYTES + 100);
        assert!(records.last().unwrap().message.contains("left out"));
    }
}
