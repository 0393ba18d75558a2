//! Keeping secrets out of the log.
//!
//! Nothing logs secrets on purpose; but messages of others may hold URLs, and those may hold
//! passwords and signatures.

use std::borrow::Cow;

/// Put in the place of a secret.
const HIDDEN: &str = "***";

/// Names after which a value is secret. Compared without case, `-` and `_`.
const NAMES: [&str; 22] = [
    "accesskey",
    "accesstoken",
    "apikey",
    "authtoken",
    "awsaccesskeyid",
    "awssecretaccesskey",
    "awssessiontoken",
    "clientsecret",
    "googleaccessid",
    "passphrase",
    "passwd",
    "password",
    "pgpassword",
    "pwd",
    "secret",
    "secretkey",
    "sig",
    "signature",
    "token",
    "xamzcredential",
    "xamzsecuritytoken",
    "xamzsignature",
];

/// A text without passwords in URLs, values of parameters with names of secrets, and tokens of
/// authorization.
pub fn redacted(text: &str) -> Cow<'_, str> {
    let mut hidden: Vec<(usize, usize)> = Vec::new();
    passwords(text, &mut hidden);
    values(text, &mut hidden);
    if hidden.is_empty() {
        return Cow::Borrowed(text);
    }
    hidden.sort_unstable();
    let mut clean = String::with_capacity(text.len());
    let mut end = 0;
    for (from, until) in hidden {
        if from >= end {
            clean.push_str(&text[end..from]);
            clean.push_str(HIDDEN);
        }
        end = end.max(until);
    }
    clean.push_str(&text[end..]);
    Cow::Owned(clean)
}

/// What is between `user:` and `@` in URLs.
fn passwords(text: &str, hidden: &mut Vec<(usize, usize)>) {
    for (scheme, _) in text.match_indices("://") {
        let begin = scheme + 3;
        let rest = &text[begin..];
        let end = rest.find(|c: char| ends_value(c) || matches!(c, '/' | '?' | '#'));
        let authority = &rest[..end.unwrap_or(rest.len())];
        if let Some(at) = authority.rfind('@')
            && let Some(colon) = authority[..at].find(':')
        {
            hidden.push((begin + colon + 1, begin + at));
        }
    }
}

/// Values of `name=value`, `name: value` and `"name": "value"`, and what follows `Bearer`.
fn values(text: &str, hidden: &mut Vec<(usize, usize)>) {
    let mut begin = 0;
    while let Some(length) = text[begin..].find(is_word) {
        let from = begin + length;
        let until = text[from..].find(|c| !is_word(c)).map_or(text.len(), |end| from + end);
        let word = &text[from..until];
        begin = until;
        let value = if is_secret(word) {
            after_separator(text, until)
        } else if word.eq_ignore_ascii_case("bearer") || word.eq_ignore_ascii_case("basic") {
            text[until..].starts_with(' ').then_some(until + 1)
        } else {
            None
        };
        if let Some(value) = value {
            let end = text[value..].find(ends_value).map_or(text.len(), |end| value + end);
            if end > value {
                hidden.push((value, end));
                begin = end;
            }
        }
    }
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-')
}

fn ends_value(c: char) -> bool {
    c.is_whitespace()
        || matches!(c, '&' | '"' | '\'' | '\\' | ',' | ';' | ')' | '}' | ']' | '<' | '>')
}

fn is_secret(word: &str) -> bool {
    let name: String = (word.chars().filter(|c| !matches!(c, '-' | '_')))
        .map(|c| c.to_ascii_lowercase())
        .collect();
    NAMES.contains(&name.as_str())
        || name.ends_with("password")
        || name.ends_with("secret")
        || name.ends_with("signature")
}

/// Where the value begins behind a name; `None` if the name is just a word of a sentence.
fn after_separator(text: &str, name_end: usize) -> Option<usize> {
    let quote = |c: char| matches!(c, '"' | '\'' | '\\');
    let rest = text[name_end..].trim_start_matches(quote).trim_start_matches(' ');
    let value = rest.strip_prefix([':', '='])?.trim_start_matches(' ').trim_start_matches(quote);
    Some(text.len() - value.len())
}

#[cfg(test)]
mod tests {
    use super::redacted;

    #[test]
    fn secrets_do_not_survive() {
        for (text, clean) in [
            (
                "GET https://s3.example/b/k?X-Amz-Credential=AKIA/x&X-Amz-Signature=dead&n=1",
                "GET https://s3.example/b/k?X-Amz-Credential=***&X-Amz-Signature=***&n=1",
            ),
            (
                "https://x.blob.example/c?sv=2020&sig=a%2Fb%3D, again",
                "https://x.blob.example/c?sv=2020&sig=***, again",
            ),
            (
                "connecting to postgresql://reader:p@ss:w0rd@db:5432/butler failed",
                "connecting to postgresql://reader:***@db:5432/butler failed",
            ),
            ("host=db user=me password='hush hush'", "host=db user=me password='*** hush'"),
            (r#"{"message":"PGPASSWORD=abc","n":1}"#, r#"{"message":"PGPASSWORD=***","n":1}"#),
            (r#"{"fields":{"password":"abc"}}"#, r#"{"fields":{"password":"***"}}"#),
            (r#"{"message":"\"token\": \"abc\""}"#, r#"{"message":"\"token\": \"***\""}"#),
            ("Authorization: Bearer eyJhbGciOi.J9", "Authorization: Bearer ***"),
            ("AWS_SECRET_ACCESS_KEY=abc/def+", "AWS_SECRET_ACCESS_KEY=***"),
        ] {
            assert_eq!(redacted(text), clean);
        }
    }

    #[test]
    fn everything_else_stays_as_it_is() {
        for text in [
            "",
            "quantum isr {visit: 1, detector: 2} failed",
            "the password was refused",
            "file:///data/u/x@y.fits?a=1",
            "https://user@host/path",
            "tokens=3 signature",
            "größe: 5",
        ] {
            assert_eq!(redacted(text), text);
        }
    }
}
