//! The text of paths in URIs and datastore records: quoting, fragments and normal form.

pub(crate) fn cut_fragment(text: &str) -> (&str, &str) {
    text.split_at(text.find('#').unwrap_or(text.len()))
}

/// The path of a datastore record and its fragment. The middleware decodes percent escapes once
/// when it reads the path (as [`decode_local`]) and once more when it joins it to the root.
pub(crate) fn decode_record(text: &str) -> (String, &str) {
    let (path, fragment) = decode_local(text);
    (unquote(&path), fragment)
}

/// A local path as command lines have it, and its fragment: what follows the last `#` of the file
/// name is a fragment; a text with a percent escape in upper case is taken for an encoded URI, in
/// which the first `#` begins the fragment and a `?` ends the path.
pub(crate) fn decode_local(text: &str) -> (String, &str) {
    if has_escape(text) {
        let (path, fragment) = cut_fragment(text);
        let path = path.split('?').next().unwrap_or_default();
        return (unquote(path), some_fragment(fragment));
    }
    let name_at = text.rfind('/').map_or(0, |at| at + 1);
    let fragment_at = text[name_at..].rfind('#').map_or(text.len(), |at| name_at + at);
    (text[..fragment_at].to_owned(), some_fragment(&text[fragment_at..]))
}

/// An empty fragment is none.
pub(crate) fn some_fragment(fragment: &str) -> &str {
    if fragment == "#" { "" } else { fragment }
}

pub(crate) fn has_escape(text: &str) -> bool {
    let is_digit = |b: &u8| b.is_ascii_digit() || (b'A'..=b'F').contains(b);
    text.as_bytes().windows(3).any(|w| w[0] == b'%' && is_digit(&w[1]) && is_digit(&w[2]))
}

/// Removes `.`, empty and `x/..` segments; keeps one slash at the end if there was any.
pub(crate) fn normalise(path: &str) -> String {
    let is_absolute = path.starts_with('/');
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." if segments.last().is_some_and(|&last| last != "..") => {
                segments.pop();
            }
            ".." if is_absolute => {}
            _ => segments.push(segment),
        }
    }
    let mut normal = String::with_capacity(path.len() + 1);
    if is_absolute {
        normal.push('/');
    }
    normal.push_str(&segments.join("/"));
    if path.ends_with('/') && !segments.is_empty() {
        normal.push('/');
    }
    if normal.is_empty() {
        normal.push('.');
    }
    normal
}

/// Percent-encodes a path.
pub(crate) fn quote(path: &str) -> String {
    let mut quoted = String::with_capacity(path.len() + 8);
    quote_into(path, &mut quoted);
    quoted
}

pub(crate) fn quote_into(path: &str, quoted: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-' | b'~' | b'/') {
            quoted.push(char::from(byte));
        } else {
            quoted.push('%');
            quoted.push(char::from(DIGITS[usize::from(byte >> 4)]));
            quoted.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
    }
}

/// Decodes percent escapes; broken ones stay as they are, bytes that are not UTF-8 become `�`.
pub(crate) fn unquote(text: &str) -> String {
    if !text.contains('%') {
        return text.to_owned();
    }
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let digit = |offset: usize| bytes.get(at + offset).and_then(|&b| (b as char).to_digit(16));
        match (bytes[at], digit(1), digit(2)) {
            (b'%', Some(high), Some(low)) => {
                decoded.push((high * 16 + low) as u8);
                at += 3;
            }
            (byte, ..) => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8(decoded)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}
