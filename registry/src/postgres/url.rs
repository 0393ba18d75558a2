//! Database URLs, read as SQLAlchemy reads them.

use crate::error::RegistryError;

/// Parts of a URL `postgresql[+driver]://user:password@host:port/database?name=value`.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct ConnectionUrl {
    /// Percent-encoding is undone in names, passwords and databases, not in hosts.
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
    pub(super) host: Option<String>,
    pub(super) port: Option<u16>,
    pub(super) database: Option<String>,
    /// Options, in order; names may repeat.
    pub(super) options: Vec<(String, String)>,
}

impl ConnectionUrl {
    /// Takes a URL apart. User names end at the first colon, passwords at the next `@`; so these
    /// and slashes must be percent-encoded in them, as SQLAlchemy wants it.
    pub(super) fn parse(url: &str) -> Result<Self, RegistryError> {
        let invalid = |reason: &str| RegistryError::InvalidUrl {
            database: qbb_datastore::DatabaseUrl::new(url).redacted(),
            reason: reason.to_owned(),
        };
        let (_, rest) = url.split_once("://").ok_or_else(|| invalid("it has no `://`"))?;
        let mut parts = Self::default();
        let rest = parts.take_user(rest);
        let (place, query) = match rest.split_once('?') {
            Some((place, query)) => (place, Some(query)),
            None => (rest, None),
        };
        let (server, database) = match place.split_once('/') {
            Some((server, database)) => (server, Some(database)),
            None => (place, None),
        };
        let (host, port) = match server.strip_prefix('[') {
            Some(bracketed) => {
                let (host, port) =
                    bracketed.split_once(']').ok_or_else(|| invalid("its `[` is never closed"))?;
                match port.strip_prefix(':') {
                    None if !port.is_empty() => return Err(invalid("`]` must end the host")),
                    port => (host, port),
                }
            }
            None => match server.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (server, None),
            },
        };
        parts.host = some(host).map(str::to_owned);
        parts.port = port
            .and_then(some)
            .map(|port| port.parse().map_err(|_| invalid("its port is no number below 65536")))
            .transpose()?;
        parts.database = database.and_then(some).map(|text| unquoted(text, false));
        let pairs = query.unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
        // Options without a value are as good as absent.
        parts.options = pairs
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| (unquoted(name, true), unquoted(value, true)))
            .collect();
        Ok(parts)
    }

    /// Takes user and password; returns what comes after.
    fn take_user<'u>(&mut self, rest: &'u str) -> &'u str {
        let end = rest.find([':', '/']).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        if let Some(password) = after.strip_prefix(':')
            && let Some((password, rest)) = password.split_once('@')
        {
            self.user = some(name).map(|text| unquoted(text, false));
            self.password = some(password).map(|text| unquoted(text, false));
            return rest;
        }
        match name.rfind('@') {
            Some(at) => {
                self.user = some(&name[..at]).map(|text| unquoted(text, false));
                &rest[at + 1..]
            }
            None => rest,
        }
    }
}

fn some(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

/// Text without percent-encoding; in options a plus is a blank. Bytes that are not UTF-8 are
/// replaced, as Python does.
fn unquoted(text: &str, plus_is_blank: bool) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let digits = bytes.get(at + 1..at + 3).filter(|_| byte == b'%');
        let code = digits
            .filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        decoded.push(match (code, byte) {
            (Some(code), _) => code,
            (None, b'+') if plus_is_blank => b' ',
            (None, byte) => byte,
        });
        at += if code.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> ConnectionUrl {
        ConnectionUrl::parse(url).unwrap()
    }

    fn text(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    /// The expectations are what SQLAlchemy 2.1 gives.
    #[test]
    fn urls_are_read_as_sqlalchemy_reads_them() {
        let url = parse(
            "postgresql+psycopg://us%40er:p%2Fw%25d@h.example.com:5433/my%20db\
             ?sslmode=require&application_name=a+b%20c&empty=",
        );
        assert_eq!((url.user, url.password), (text("us@er"), text("p/w%d")));
        assert_eq!((url.host, url.port), (text("h.example.com"), Some(5433)));
        assert_eq!(url.database, text("my db"));
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(url.options, [pair("sslmode", "require"), pair("application_name", "a b c")]);

        // An unquoted `@` ends the password.
        let url = parse("postgresql://me:p@ss/w?x=1@host:5432/db");
        assert_eq!((url.password, url.host, url.database), (text("p"), text("ss"), text("w")));
        let url = parse("postgresql:///db?host=/var/run/pg");
        assert_eq!((url.host, url.database), (None, text("db")));
        let url = parse("postgresql://u@[::1]:5/db");
        assert_eq!((url.user, url.host, url.port), (text("u"), text("::1"), Some(5)));
        let url = parse("postgresql://u:@h/d");
        assert_eq!((url.user, url.password), (text("u"), None));
        let url = parse("postgresql://host/");
        assert_eq!((url.host, url.database), (text("host"), None));
        let url = parse("postgresql://u@x@host/d");
        assert_eq!((url.user, url.host), (text("u@x"), text("host")));
        let url = parse("postgresql://u%4:100%@h:/d%ZZ");
        assert_eq!((url.user, url.password, url.port), (text("u%4"), text("100%"), None));
        assert_eq!(url.database, text("d%ZZ"));
    }

    #[test]
    fn errors_show_no_password() {
        for url in ["postgresql://u:secret@h:70000/d", "postgresql://u:secret@[::1/d"] {
            let message = ConnectionUrl::parse(url).err().unwrap().to_string();
            assert!(message.contains("***@") && !message.contains("secret"), "{message}");
        }
    }
}
