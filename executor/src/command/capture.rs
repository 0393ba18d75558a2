//! What a program prints.

use qbb::journal::Timestamp;

use crate::products::{LogLevel, LogRecord};

/// Most that is kept of one stream.
const MAX_BYTES: usize = 8 << 20;
/// Longest line; a longer one is cut into several.
const MAX_LINE: usize = 64 << 10;

/// Makes messages of a stream, line by line, with the time at which each line ended.
#[derive(Debug)]
pub(super) struct Capture<'n> {
    level: LogLevel,
    name: &'n str,
    /// A line that has not ended.
    line: Vec<u8>,
    kept: usize,
    records: Vec<LogRecord>,
}

impl<'n> Capture<'n> {
    /// Nothing was printed yet.
    pub fn new(level: LogLevel, name: &'n str) -> Self {
        Self { level, name, line: Vec::new(), kept: 0, records: Vec::new() }
    }

    /// Takes what was printed next.
    pub fn take(&mut self, mut bytes: &[u8]) {
        // The stream is read to its end all the same, or the program would wait for us.
        while !bytes.is_empty() && self.kept <= MAX_BYTES {
            let room = bytes.len().min(MAX_LINE - self.line.len());
            let end = bytes[..room].iter().position(|&byte| byte == b'\n');
            let (part, rest) = bytes.split_at(end.map_or(room, |end| end + 1));
            self.line.extend_from_slice(part);
            bytes = rest;
            if end.is_some() || self.line.len() == MAX_LINE {
                self.end_line();
            }
        }
    }

    /// All messages, after the stream has ended.
    pub fn finish(mut self) -> Vec<LogRecord> {
        self.end_line();
        self.records
    }

    fn end_line(&mut self) {
        if self.kept > MAX_BYTES {
            return;
        }
        self.kept += self.line.len();
        let message = if self.kept > MAX_BYTES {
            format!("[the rest is left out after {MAX_BYTES} bytes]")
        } else {
            String::from_utf8_lossy(&self.line).trim_end().to_owned()
        };
        self.line.clear();
        if !message.is_empty() {
            self.records.push(LogRecord {
                time: Timestamp::now(),
                level: self.level,
                name: self.name.to_owned(),
                message,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn captured(parts: &[&[u8]]) -> Vec<LogRecord> {
        let mut capture = Capture::new(LogLevel::Warning, "task");
        for part in parts {
            capture.take(part);
        }
        capture.finish()
    }

    #[test]
    fn lines_become_messages_however_they_come() {
        let text = &b"one\n\ntwo \xff\r\nthree"[..];
        let bytes: Vec<&[u8]> = text.chunks(1).collect();
        for parts in [&[text][..], &bytes] {
            let records = captured(parts);
            let messages: Vec<_> = records.iter().map(|record| record.message.as_str()).collect();
            assert_eq!(messages, ["one", "two \u{fffd}", "three"]);
            assert!(records.iter().all(|record| record.level == LogLevel::Warning));
        }
    }

    #[test]
    fn endless_output_is_cut() {
        let noise = vec![b'x'; 3 * MAX_BYTES];
        let records = captured(&noise.chunks(100_000).collect::<Vec<_>>());
        let bytes: usize = records.iter().map(|record| record.message.len()).sum();
        assert!(bytes <= MAX_BYTES + 100);
        assert!(records.iter().all(|record| record.message.len() <= MAX_LINE));
        assert!(records.last().unwrap().message.contains("left out"));
    }
}
