//! JSON as Python writes it, in which `NaN`, `Infinity` and `-Infinity` may stand for numbers.
//!
//! Texts are checked once and then walked through in place; what is embedded elsewhere is copied as
//! it stands, so that no value changes on its way.

use std::borrow::Cow;

/// Most objects and lists around a value.
const MAX_DEPTH: usize = 512;

/// Why a text is not JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not JSON at byte {offset}: {expected} expected")]
pub struct PythonJsonError {
    /// Where.
    pub offset: usize,
    /// What should stand there.
    pub expected: &'static str,
}

/// The text of one value, without space around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PythonJson<'a>(&'a [u8]);

impl<'a> PythonJson<'a> {
    /// Checks a text that is one value with nothing but space around it.
    ///
    /// # Errors
    /// If it is not.
    pub fn parse(text: &'a [u8]) -> Result<Self, PythonJsonError> {
        let (value, rest) = Self::first(text)?;
        match space(rest, 0) {
            end if end == rest.len() => Ok(value),
            end => Err(PythonJsonError {
                offset: text.len() - rest.len() + end,
                expected: "the end of the text",
            }),
        }
    }

    /// Checks the value at the beginning of a text; also returns what follows it.
    ///
    /// # Errors
    /// If there is none.
    pub fn first(text: &'a [u8]) -> Result<(Self, &'a [u8]), PythonJsonError> {
        if let Err(error) = std::str::from_utf8(text) {
            return Err(PythonJsonError { offset: error.valid_up_to(), expected: "UTF-8" });
        }
        let begin = space(text, 0);
        let end = skip(text, begin, MAX_DEPTH)?;
        Ok((Self(&text[begin..end]), &text[end..]))
    }

    /// The text.
    pub fn text(self) -> &'a [u8] {
        self.0
    }

    /// Whether it is `null`.
    pub fn is_null(self) -> bool {
        self.0 == b"null"
    }

    /// Whether it is an object.
    pub fn is_object(self) -> bool {
        self.0.first() == Some(&b'{')
    }

    /// Whether it is a list.
    pub fn is_list(self) -> bool {
        self.0.first() == Some(&b'[')
    }

    /// Keys and values of an object; nothing otherwise.
    pub fn members(self) -> impl Iterator<Item = (Cow<'a, str>, Self)> {
        let mut inside = Inside::new(self, b'{');
        std::iter::from_fn(move || {
            let key = inside.next()?.string()?;
            Some((key, inside.next()?))
        })
    }

    /// Values of a list; nothing otherwise.
    pub fn items(self) -> impl Iterator<Item = Self> {
        let mut inside = Inside::new(self, b'[');
        std::iter::from_fn(move || inside.next())
    }

    /// The value of a key of an object; of several the last, as in Python.
    pub fn get(self, key: &str) -> Option<Self> {
        self.members().filter(|(name, _)| name == key).map(|(_, value)| value).last()
    }

    /// A string's text.
    pub fn string(self) -> Option<Cow<'a, str>> {
        let inner = self.0.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
        if !inner.contains(&b'\\') {
            return std::str::from_utf8(inner).ok().map(Cow::Borrowed);
        }
        // Halves of surrogate pairs, which Python allows, have no place in text.
        serde_json::from_slice(self.0).ok().map(Cow::Owned)
    }

    /// A number.
    pub fn number(self) -> Option<f64> {
        match self.0 {
            b"NaN" => Some(f64::NAN),
            b"Infinity" => Some(f64::INFINITY),
            b"-Infinity" => Some(f64::NEG_INFINITY),
            [b'-' | b'0'..=b'9', ..] => std::str::from_utf8(self.0).ok()?.parse().ok(),
            _ => None,
        }
    }

    /// An integer; also one that Python wrote as a float.
    pub fn integer(self) -> Option<i64> {
        match std::str::from_utf8(self.0).ok()?.parse() {
            Ok(value) => Some(value),
            Err(_) => {
                let value = self.number()?;
                // Every integer of this size is exact.
                (value.fract() == 0.0 && value.abs() < 9e15).then_some(value as i64)
            }
        }
    }
}

/// The values in an object or list that was checked, keys among them.
struct Inside<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Inside<'a> {
    fn new(value: PythonJson<'a>, open: u8) -> Self {
        let text = if value.0.first() == Some(&open) { value.0 } else { b"" };
        Self { text, at: 1 }
    }

    fn next(&mut self) -> Option<PythonJson<'a>> {
        let mut begin = space(self.text, self.at);
        while matches!(self.text.get(begin), Some(b',' | b':')) {
            begin = space(self.text, begin + 1);
        }
        let end = skip(self.text, begin, MAX_DEPTH).ok()?;
        self.at = end;
        Some(PythonJson(&self.text[begin..end]))
    }
}

fn space(text: &[u8], mut at: usize) -> usize {
    while matches!(text.get(at), Some(b' ' | b'\n' | b'\r' | b'\t')) {
        at += 1;
    }
    at
}

fn fail<T>(offset: usize, expected: &'static str) -> Result<T, PythonJsonError> {
    Err(PythonJsonError { offset, expected })
}

/// Where the value that begins at a place ends.
fn skip(text: &[u8], at: usize, depth: usize) -> Result<usize, PythonJsonError> {
    match text.get(at) {
        Some(b'{') => skip_all(text, at + 1, b'}', depth),
        Some(b'[') => skip_all(text, at + 1, b']', depth),
        Some(b'"') => skip_string(text, at + 1),
        Some(b'-' | b'0'..=b'9') => skip_number(text, at),
        _ => {
            let rest = text.get(at..).unwrap_or_default();
            let words: [&[u8]; 5] = [b"null", b"true", b"false", b"NaN", b"Infinity"];
            match words.into_iter().find(|word| rest.starts_with(word)) {
                Some(word) => Ok(at + word.len()),
                None => fail(at, "a value"),
            }
        }
    }
}

fn skip_all(text: &[u8], at: usize, close: u8, depth: usize) -> Result<usize, PythonJsonError> {
    let Some(depth) = depth.checked_sub(1) else { return fail(at, "less nesting") };
    let mut at = space(text, at);
    if text.get(at) == Some(&close) {
        return Ok(at + 1);
    }
    loop {
        if close == b'}' {
            if text.get(at) != Some(&b'"') {
                return fail(at, "a key");
            }
            at = space(text, skip_string(text, at + 1)?);
            if text.get(at) != Some(&b':') {
                return fail(at, "`:`");
            }
            at = space(text, at + 1);
        }
        at = space(text, skip(text, at, depth)?);
        match text.get(at) {
            Some(b',') => at = space(text, at + 1),
            Some(byte) if *byte == close => return Ok(at + 1),
            _ => return fail(at, "`,` or a closing bracket"),
        }
    }
}

fn skip_string(text: &[u8], mut at: usize) -> Result<usize, PythonJsonError> {
    loop {
        match text.get(at) {
            Some(b'"') => return Ok(at + 1),
            Some(b'\\') => match text.get(at + 1) {
                Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => at += 2,
                Some(b'u')
                    if text
                        .get(at + 2..at + 6)
                        .is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) =>
                {
                    at += 6;
                }
                _ => return fail(at, "an escape"),
            },
            Some(0..=0x1f) => return fail(at, "an escaped control character"),
            Some(_) => at += 1,
            None => return fail(at, "the end of a string"),
        }
    }
}

fn skip_number(text: &[u8], at: usize) -> Result<usize, PythonJsonError> {
    let digits = |mut at: usize| {
        let begin = at;
        while text.get(at).is_some_and(u8::is_ascii_digit) {
            at += 1;
        }
        if at == begin { fail(at, "a digit") } else { Ok(at) }
    };
    let at = if text[at] == b'-' { at + 1 } else { at };
    if text.get(at..).is_some_and(|rest| rest.starts_with(b"Infinity")) {
        return Ok(at + 8);
    }
    let begin = at;
    let mut at = digits(at)?;
    if text[begin] == b'0' && at > begin + 1 {
        return fail(begin + 1, "no digit after a leading zero");
    }
    if text.get(at) == Some(&b'.') {
        at = digits(at + 1)?;
    }
    if matches!(text.get(at), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(text.get(at + 1), Some(b'+' | b'-')));
        at = digits(at + 1 + sign)?;
    }
    Ok(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Result<PythonJson<'_>, PythonJsonError> {
        PythonJson::parse(text.as_bytes())
    }

    #[test]
    fn what_python_writes_is_read() {
        let text =
            r#" {"a": NaN, "b": [Infinity, -Infinity, 1.5e3, -0], "c": {"d\n": "\u00e9\""}} "#;
        let value = parse(text).unwrap();
        assert!(value.get("a").unwrap().number().unwrap().is_nan());
        let numbers: Vec<_> = value.get("b").unwrap().items().map(|v| v.number()).collect();
        let expected = [f64::INFINITY, f64::NEG_INFINITY, 1500.0, 0.0].map(Some);
        assert_eq!(numbers, expected);
        let inner = value.get("c").unwrap();
        assert_eq!(inner.get("d\n").unwrap().string().unwrap(), "é\"");
        assert_eq!(inner.text(), br#"{"d\n": "\u00e9\""}"#);
        assert!(value.get("x").is_none() && value.items().next().is_none());
    }

    #[test]
    fn integers_may_look_like_floats() {
        let of = |text| parse(text).unwrap().integer();
        assert_eq!(of("15"), Some(15));
        assert_eq!(of("15.0"), Some(15));
        assert_eq!(of("15.5"), None);
        assert_eq!(of("NaN"), None);
        assert_eq!(of("\"15\""), None);
    }

    #[test]
    fn what_python_does_not_write_is_refused() {
        for (text, offset) in [
            ("", 0),
            ("{", 1),
            ("[1,]", 3),
            ("{\"a\" 1}", 5),
            ("{\"a\":1,}", 7),
            ("[1 2]", 3),
            ("01", 1),
            ("1.", 2),
            ("\"\\x\"", 1),
            ("\"\n\"", 1),
            ("nul", 0),
            ("1 1", 2),
            ("\"a", 2),
        ] {
            assert_eq!(parse(text).unwrap_err().offset, offset, "{text}");
        }
        assert_eq!(PythonJson::parse(b"\"\xff\"").unwrap_err().expected, "UTF-8");
        let deep = "[".repeat(100_000);
        assert_eq!(parse(&deep).unwrap_err().expected, "less nesting");
    }

    #[test]
    fn the_first_value_of_several() {
        let (value, rest) = PythonJson::first(b"{\"a\":1}\n{\"b\":2}").unwrap();
        assert_eq!((value.text(), rest), (&b"{\"a\":1}"[..], &b"\n{\"b\":2}"[..]));
    }

    fn any_json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(serde_json::Value::from),
            any::<i64>().prop_map(serde_json::Value::from),
            any::<f64>().prop_filter("finite", |x| x.is_finite()).prop_map(Into::into),
            any::<String>().prop_map(serde_json::Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(serde_json::Value::from),
                proptest::collection::btree_map(any::<String>(), inner, 0..6)
                    .prop_map(|map| map.into_iter().collect()),
            ]
        })
    }

    fn rebuilt(value: PythonJson<'_>) -> serde_json::Value {
        if value.is_object() {
            value.members().map(|(key, value)| (key.into_owned(), rebuilt(value))).collect()
        } else if value.is_list() {
            value.items().map(rebuilt).collect()
        } else {
            serde_json::from_slice(value.text()).unwrap()
        }
    }

    proptest! {
        #[test]
        fn ordinary_json_is_walked_through(value in any_json(), pretty in any::<bool>()) {
            let text = match pretty {
                true => serde_json::to_vec_pretty(&value).unwrap(),
                false => serde_json::to_vec(&value).unwrap(),
            };
            prop_assert_eq!(rebuilt(PythonJson::parse(&text).unwrap()), value);
        }

        #[test]
        fn arbitrary_bytes_do_no_harm(text in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(value) = PythonJson::parse(&text) {
                value.members().for_each(drop);
                value.items().for_each(drop);
                let _ = (value.string(), value.number(), value.integer());
            }
        }
    }
}
