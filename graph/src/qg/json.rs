//! Writing JSON straight into a byte buffer.

use std::io::Write as _;

/// Appends a JSON string.
pub(super) fn string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut plain = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&bytes[plain..at]);
        plain = at + 1;
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            _ => {
                let digit = |nibble: u8| b"0123456789abcdef"[usize::from(nibble)];
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
            }
        }
    }
    out.extend_from_slice(&bytes[plain..]);
    out.push(b'"');
}

/// Appends a string or `null`.
pub(super) fn optional_string(out: &mut Vec<u8>, text: Option<&str>) {
    match text {
        Some(text) => string(out, text),
        None => out.extend_from_slice(b"null"),
    }
}

/// Appends a list of strings.
pub(super) fn strings(out: &mut Vec<u8>, texts: &[String]) {
    list(out, texts, |out, text| string(out, text));
}

/// Appends an integer.
pub(super) fn int(out: &mut Vec<u8>, value: i64) {
    // Writing to a vector cannot fail.
    let _ = write!(out, "{value}");
}

/// Appends a number; one that JSON does not have becomes `null`.
pub(super) fn float(out: &mut Vec<u8>, value: f64) {
    // Writing to a vector cannot fail, and numbers have no other errors.
    let _ = serde_json::to_writer(&mut *out, &value);
}

/// Appends a UUID in quotes, with dashes.
pub(super) fn uuid(out: &mut Vec<u8>, id: &[u8; 16]) {
    let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
    let text = uuid::Uuid::from_bytes(*id).hyphenated().encode_lower(&mut text);
    quoted(out, text.as_bytes());
}

/// Appends a UUID in quotes, without dashes.
pub(super) fn simple_uuid(out: &mut Vec<u8>, id: &[u8; 16]) {
    let mut text = [0; uuid::fmt::Simple::LENGTH];
    let text = uuid::Uuid::from_bytes(*id).simple().encode_lower(&mut text);
    quoted(out, text.as_bytes());
}

/// Appends lowercase hexadecimal in quotes.
pub(super) fn hex(out: &mut Vec<u8>, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    out.reserve(2 * bytes.len());
    for &byte in bytes {
        out.push(DIGITS[usize::from(byte >> 4)]);
        out.push(DIGITS[usize::from(byte & 15)]);
    }
    out.push(b'"');
}

fn quoted(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    out.extend_from_slice(text);
    out.push(b'"');
}

/// Appends a list.
pub(super) fn list<T>(
    out: &mut Vec<u8>,
    items: impl IntoIterator<Item = T>,
    mut write: impl FnMut(&mut Vec<u8>, T),
) {
    out.push(b'[');
    for (position, item) in items.into_iter().enumerate() {
        if position != 0 {
            out.push(b',');
        }
        write(out, item);
    }
    out.push(b']');
}

/// Appends a key, with a comma before it unless it is the first.
pub(super) fn key(out: &mut Vec<u8>, first: &mut bool, name: &str) {
    if !std::mem::take(first) {
        out.push(b',');
    }
    string(out, name);
    out.push(b':');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn strings_are_what_serde_writes(text in any::<String>()) {
            let mut out = Vec::new();
            string(&mut out, &text);
            let back: String = serde_json::from_slice(&out).unwrap();
            prop_assert_eq!(back, text);
        }
    }

    #[test]
    fn control_characters_are_escaped_shortly() {
        let mut out = Vec::new();
        string(&mut out, "a\"\\\n\u{1}é");
        assert_eq!(out, "\"a\\\"\\\\\\n\\u0001é\"".as_bytes());
    }

    #[test]
    fn numbers_keep_their_python_look() {
        let mut out = Vec::new();
        float(&mut out, 30.0);
        out.push(b' ');
        float(&mut out, f64::NAN);
        assert_eq!(out, b"30.0 null");
    }
}
