//! The items of the lists in a long JSON text, one after another, without holding the text.

use std::io::Read;

/// Most bytes of one item.
const MAX_ITEM: usize = 16 << 20;
/// Most objects around a list.
const MAX_DEPTH: usize = 8;
/// Bytes read at once.
const CHUNK: usize = 64 << 10;

/// Calls `found` with each item of each list that is reached through objects only: the keys on the
/// way to the list, and the text of the item. Items are cut out by their brackets and quotes, and
/// not looked into. Other values are passed over.
///
/// # Errors
/// If the text is not made of such objects and lists, if reading fails, or what `found` says.
pub(super) fn for_each_item<R: Read>(
    reader: R,
    found: &mut impl FnMut(&[String], &[u8]) -> Result<(), String>,
) -> Result<(), String> {
    let mut text =
        Text { reader, buffer: vec![0; CHUNK].into_boxed_slice(), begin: 0, end: 0, offset: 0 };
    let mut item = Vec::new();
    text.value(&mut Vec::new(), &mut item, found)?;
    match text.next_token()? {
        None => Ok(()),
        Some(byte) => Err(text.unexpected(byte, "the end")),
    }
}

struct Text<R> {
    reader: R,
    buffer: Box<[u8]>,
    begin: usize,
    end: usize,
    /// Of the end of the buffer in the text.
    offset: u64,
}

impl<R: Read> Text<R> {
    fn position(&self) -> u64 {
        self.offset - (self.end - self.begin) as u64
    }

    fn unexpected(&self, byte: u8, instead_of: &str) -> String {
        let what = char::from(byte).escape_default();
        format!("`{what}` instead of {instead_of} at offset {}", self.position())
    }

    /// What is left in the buffer, refilled if it is empty; empty at the end of the text.
    fn chunk(&mut self) -> Result<&[u8], String> {
        if self.begin == self.end {
            let read = self.reader.read(&mut self.buffer);
            self.end = read.map_err(|error| format!("at offset {}: {error}", self.offset))?;
            self.begin = 0;
            self.offset += self.end as u64;
        }
        Ok(&self.buffer[self.begin..self.end])
    }

    /// The next byte that is not white space, without taking it.
    fn next_token(&mut self) -> Result<Option<u8>, String> {
        loop {
            match self.chunk()?.first() {
                Some(b' ' | b'\t' | b'\n' | b'\r') => self.begin += 1,
                other => return Ok(other.copied()),
            }
        }
    }

    fn token(&mut self, expected: &str) -> Result<u8, String> {
        self.next_token()?
            .ok_or_else(|| format!("the text ends at offset {} before {expected}", self.position()))
    }

    fn take(&mut self, byte: u8, expected: &str) -> Result<(), String> {
        match self.token(expected)? {
            found if found == byte => {
                self.begin += 1;
                Ok(())
            }
            found => Err(self.unexpected(found, expected)),
        }
    }

    /// Whether a list of things goes on: a comma is taken, or the closing bracket is.
    fn goes_on(&mut self, close: u8, expected: &str) -> Result<bool, String> {
        let found = self.token(expected)?;
        if found != b',' && found != close {
            return Err(self.unexpected(found, expected));
        }
        self.begin += 1;
        Ok(found == b',')
    }

    fn value(
        &mut self,
        path: &mut Vec<String>,
        item: &mut Vec<u8>,
        found: &mut impl FnMut(&[String], &[u8]) -> Result<(), String>,
    ) -> Result<(), String> {
        match self.token("a value")? {
            b'{' if path.len() < MAX_DEPTH => {
                self.begin += 1;
                if self.token("a key")? == b'}' {
                    self.begin += 1;
                    return Ok(());
                }
                loop {
                    item.clear();
                    if self.token("a key")? != b'"' {
                        let byte = self.token("a key")?;
                        return Err(self.unexpected(byte, "a key"));
                    }
                    self.copy_value(item)?;
                    let key = serde_json::from_slice(item);
                    path.push(key.map_err(|e| format!("before offset {}: {e}", self.position()))?);
                    self.take(b':', "`:`")?;
                    self.value(path, item, found)?;
                    path.pop();
                    if !self.goes_on(b'}', "`,` or `}`")? {
                        return Ok(());
                    }
                }
            }
            b'[' => {
                self.begin += 1;
                if self.token("an item")? == b']' {
                    self.begin += 1;
                    return Ok(());
                }
                loop {
                    item.clear();
                    self.copy_value(item)?;
                    found(path, item)
                        .map_err(|reason| format!("before offset {}: {reason}", self.position()))?;
                    if !self.goes_on(b']', "`,` or `]`")? {
                        return Ok(());
                    }
                }
            }
            _ => {
                item.clear();
                self.copy_value(item)
            }
        }
    }

    /// Copies a value as it stands, whatever it is.
    fn copy_value(&mut self, out: &mut Vec<u8>) -> Result<(), String> {
        let first = self.token("a value")?;
        if matches!(first, b',' | b':' | b'}' | b']') {
            return Err(self.unexpected(first, "a value"));
        }
        let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
        loop {
            let chunk = self.chunk()?;
            if chunk.is_empty() {
                return Err(format!("the text ends at offset {} within a value", self.position()));
            }
            let mut complete = None;
            for (at, &byte) in chunk.iter().enumerate() {
                if in_string {
                    if escaped {
                        escaped = false;
                    } else if byte == b'\\' {
                        escaped = true;
                    } else if byte == b'"' {
                        in_string = false;
                        if depth == 0 {
                            complete = Some(at + 1);
                            break;
                        }
                    }
                    continue;
                }
                match byte {
                    b'"' => in_string = true,
                    b'[' | b'{' => depth += 1,
                    // A scalar ends where what is around it goes on.
                    b']' | b'}' | b',' | b' ' | b'\n' | b'\r' | b'\t' if depth == 0 => {
                        complete = Some(at);
                        break;
                    }
                    b']' | b'}' => {
                        depth -= 1;
                        if depth == 0 {
                            complete = Some(at + 1);
                            break;
                        }
                    }
                    _ => {}
                }
            }
            let taken = complete.unwrap_or(chunk.len());
            if out.len() + taken > MAX_ITEM {
                return Err(format!("a value is longer than {MAX_ITEM} bytes"));
            }
            out.extend_from_slice(&chunk[..taken]);
            self.begin += taken;
            if complete.is_some() {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Gives one byte at a time, so that everything crosses a border.
    struct Bytewise<'a>(&'a [u8]);

    impl Read for Bytewise<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let length = self.0.len().min(1);
            (&self.0[..length]).read(buffer).inspect(|&read| self.0 = &self.0[read..])
        }
    }

    fn items(text: &str) -> Result<Vec<String>, String> {
        let mut items = Vec::new();
        let mut found = |path: &[String], item: &[u8]| {
            items.push(format!("{}: {}", path.join("/"), String::from_utf8_lossy(item)));
            Ok(())
        };
        for_each_item(Bytewise(text.as_bytes()), &mut found).map(|()| items)
    }

    #[test]
    fn lists_are_found_below_objects() {
        let text = r#"{"a": [1, "x,]\"", [2, {"y": "}"}]], "b":{"c\n":[{"d":[]}], "e":[]},"f":3}"#;
        assert_eq!(
            items(text).unwrap(),
            ["a: 1", "a: \"x,]\\\"\"", "a: [2, {\"y\": \"}\"}]", "b/c\n: {\"d\":[]}"]
        );
        assert_eq!(items("[7]").unwrap(), [": 7"]);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_offset() {
        for (text, expected) in [
            ("{\"a\":[1", "the text ends at offset 7 within a value"),
            ("{\"a\" 1}", "`1` instead of `:` at offset 5"),
            ("[1}", "`}` instead of `,` or `]` at offset 2"),
            ("[,]", "`,` instead of a value at offset 1"),
            ("{1:2}", "`1` instead of a key at offset 1"),
            ("[] []", "`[` instead of the end at offset 3"),
            ("", "the text ends at offset 0 before a value"),
        ] {
            assert_eq!(items(text).unwrap_err(), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_scanned_or_refused(text in "[\\[\\]{}:,\"\\\\a1 ]{0,40}") {
            if serde_json::from_str::<serde_json::Value>(&text)
                .is_ok_and(|value| value.is_array() || value.is_object())
            {
                prop_assert!(items(&text).is_ok());
            } else {
                let _ = items(&text);
            }
        }
    }
}
