//! Rows as `COPY … FROM STDIN (FORMAT binary)` takes them; see [`super::copy_format`] for the format.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use qbb_dimensions::{TaiNanos, Timespan};

use super::copy_format::SIGNATURE;
use super::rows::range;
use crate::writing::Value;

/// Writes rows one after the other.
pub(super) struct CopyEncoder {
    bytes: Vec<u8>,
    /// Text that is made of bytes.
    text: String,
}

impl CopyEncoder {
    /// Begins a stream.
    pub(super) fn new(capacity: usize) -> Self {
        let mut bytes = Vec::with_capacity(capacity);
        bytes.extend(SIGNATURE);
        // No flags, and nothing more in the header.
        bytes.extend([0; 8]);
        Self { bytes, text: String::new() }
    }

    /// Begins a row with so many fields.
    pub(super) fn begin_row(&mut self, fields: i16) {
        self.bytes.extend(fields.to_be_bytes());
    }

    /// Adds a field to the row.
    pub(super) fn push(&mut self, value: Value<'_>) {
        match value {
            Value::Null => self.bytes.extend((-1i32).to_be_bytes()),
            Value::Int(value) => self.field(&value.to_be_bytes()),
            Value::Float(value) => self.field(&value.to_be_bytes()),
            Value::Bool(value) => self.field(&[value.into()]),
            Value::Text(text) => self.field(text.as_bytes()),
            Value::Base64(bytes) => {
                let mut text = std::mem::take(&mut self.text);
                text.clear();
                STANDARD.encode_string(bytes, &mut text);
                self.field(text.as_bytes());
                self.text = text;
            }
            Value::Uuid(id) => self.field(&id),
            Value::Timespan(timespan) => self.range(timespan),
        }
    }

    /// Ends that are not bounded are bounds of their own there.
    fn range(&mut self, timespan: Timespan) {
        if timespan.is_empty() {
            return self.field(&[range::EMPTY]);
        }
        let (begins, ends) = (timespan.begin > TaiNanos::MIN, timespan.end < TaiNanos::MAX);
        let flags = match begins {
            true => range::LOWER_INCLUDED,
            false => range::LOWER_INFINITE,
        } | if ends { 0 } else { range::UPPER_INFINITE };
        let bounds = i32::from(begins) + i32::from(ends);
        self.bytes.extend((1 + 12 * bounds).to_be_bytes());
        self.bytes.push(flags);
        if begins {
            self.field(&timespan.begin.0.to_be_bytes());
        }
        if ends {
            self.field(&timespan.end.0.to_be_bytes());
        }
    }

    /// A value that is longer than the format has room for breaks the stream, which the server
    /// refuses then; it takes no such values.
    fn field(&mut self, bytes: &[u8]) {
        let length = i32::try_from(bytes.len()).unwrap_or(i32::MIN);
        self.bytes.extend(length.to_be_bytes());
        self.bytes.extend(bytes);
    }

    /// Number of bytes that are waiting to be sent.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// What is waiting to be sent.
    pub(super) fn take(&mut self) -> Vec<u8> {
        let capacity = self.bytes.capacity();
        std::mem::replace(&mut self.bytes, Vec::with_capacity(capacity))
    }

    /// Ends the stream.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.bytes.extend((-1i16).to_be_bytes());
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::super::copy_format::{CopyDecoder, CopyError};
    use super::*;

    #[test]
    fn what_is_written_can_be_read() {
        let mut encoder = CopyEncoder::new(16);
        let values = [
            Value::Null,
            Value::Int(-2),
            Value::Text("é"),
            Value::Base64(b"abc"),
            Value::Bool(true),
            Value::Timespan(Timespan::from((3, 9))),
            Value::Timespan(Timespan::UNBOUNDED),
            Value::Timespan(Timespan::EMPTY),
        ];
        encoder.begin_row(values.len() as i16);
        for value in values {
            encoder.push(value);
        }
        let mut pieces = encoder.take();
        assert_eq!(encoder.len(), 0);
        pieces.extend(encoder.finish());
        let mut decoder = CopyDecoder::new(values.len());
        let mut found: Vec<Option<Vec<u8>>> = Vec::new();
        decoder
            .feed(&pieces, |bytes, fields| {
                found = (fields.iter())
                    .map(|field| {
                        field.map(|(at, len)| bytes[at as usize..(at + len) as usize].to_vec())
                    })
                    .collect();
                Ok::<(), CopyError>(())
            })
            .unwrap();
        decoder.finish().unwrap();
        assert_eq!(found[0], None);
        assert_eq!(found[1].as_deref(), Some(&(-2i64).to_be_bytes()[..]));
        assert_eq!(found[2].as_deref(), Some("é".as_bytes()));
        assert_eq!(found[3].as_deref(), Some(&b"YWJj"[..]));
        assert_eq!(found[4].as_deref(), Some(&[1][..]));
        let range = [&[2, 0, 0, 0, 8][..], &3i64.to_be_bytes(), &[0, 0, 0, 8], &9i64.to_be_bytes()];
        assert_eq!(found[5].as_deref(), Some(&range.concat()[..]));
        assert_eq!(found[6].as_deref(), Some(&[0x18][..]));
        assert_eq!(found[7].as_deref(), Some(&[1][..]));
    }
}
