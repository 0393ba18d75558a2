//! `db-auth.yaml`, the middleware's file of credentials.
//!
//! The rules are those of `lsst.utils.db_auth`: a list of entries with `url`, `username` and
//! `password`, of which the first whose URL pattern fits is taken. In patterns `*`, `?` and `[…]`
//! are wildcards in host and database; user, port and database may be left out.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;

use super::environment::Environment;
use super::url::ConnectionUrl;
use crate::error::RegistryError;
use crate::glob::Glob;

/// Variable with the credentials themselves, as JSON.
const TEXT_VARIABLE: &str = "LSST_DB_AUTH_CREDENTIALS";
/// Variable with the path of the file.
const PATH_VARIABLE: &str = "LSST_DB_AUTH";
const DEFAULT_PATH: &str = "~/.lsst/db-auth.yaml";
const DIALECT: &str = "postgresql";

type Entry = BTreeMap<String, serde_json::Value>;

/// A user, if the entry names one, and a password.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Credentials {
    pub(super) user: Option<String>,
    pub(super) password: String,
}

/// The credentials for a URL. No file, or no entry that fits, is none; a URL without host or
/// database is not looked up, as other ways to authenticate are meant then.
pub(super) fn find_credentials(
    url: &ConnectionUrl,
    environment: &Environment,
) -> Result<Option<Credentials>, RegistryError> {
    let (Some(host), Some(database)) = (&url.host, &url.database) else { return Ok(None) };
    let (place, entries) = if let Some(text) = environment.get(TEXT_VARIABLE) {
        let place = format!("environment variable {TEXT_VARIABLE}");
        let entries: Vec<Entry> = serde_json::from_str(text)
            .map_err(|error| wrong(&place, format!("not a list in JSON: {}", position(&error))))?;
        (place, entries)
    } else {
        let path = environment.expanded(environment.get(PATH_VARIABLE).unwrap_or(DEFAULT_PATH));
        let Ok(metadata) = fs_err::metadata(&path) else { return Ok(None) };
        if !metadata.is_file() {
            return Ok(None);
        }
        if metadata.mode() & 0o077 != 0 {
            let mode = metadata.mode() & 0o7777;
            let reason =
                format!("others may read it (mode {mode:o}); run `chmod 600 {path}` first");
            return Err(wrong(path.as_str(), reason));
        }
        let text = fs_err::read_to_string(&path).map_err(|source| RegistryError::Io {
            action: "read database credentials".to_owned(),
            source,
        })?;
        // What the parser says may quote a line with a password, so only that it failed is told.
        let entries: Vec<Entry> = serde_saphyr::from_str(&text).map_err(|_| {
            wrong(path.as_str(), "not a YAML list of entries with url and password".to_owned())
        })?;
        (path.into_string(), entries)
    };
    for (number, entry) in entries.iter().enumerate() {
        let wrong = |reason: &str| wrong(&place, format!("entry {}: {reason}", number + 1));
        let text = |name: &str| match entry.get(name) {
            Some(serde_json::Value::String(text)) => Ok(Some(text.as_str())),
            Some(_) => Err(wrong(&format!("`{name}` is not text; put it in quotes"))),
            None => Ok(None),
        };
        let pattern = text("url")?.ok_or_else(|| wrong("`url` is missing"))?;
        if !Pattern::parse(pattern).map_err(wrong)?.is_some_and(|p| p.fits(url, host, database)) {
            continue;
        }
        let password = text("password")?.ok_or_else(|| wrong("`password` is missing"))?.to_owned();
        let user = match &url.user {
            Some(user) => Some(user.clone()),
            None => text("username")?.map(str::to_owned),
        };
        return Ok(Some(Credentials { user, password }));
    }
    Ok(None)
}

/// The URL of an entry.
struct Pattern<'a> {
    user: Option<&'a str>,
    host: Glob,
    port: Option<u16>,
    database: Option<Glob>,
}

impl<'a> Pattern<'a> {
    /// `None` if it is for another kind of database.
    fn parse(url: &'a str) -> Result<Option<Self>, &'static str> {
        let (dialect, rest) =
            url.split_once("://").ok_or("`url` does not begin with `postgresql://`")?;
        if dialect.contains('+') {
            return Err("`url` names a driver; only the part before the `+` belongs there");
        }
        if !dialect.eq_ignore_ascii_case(DIALECT) {
            return Ok(None);
        }
        // As in any URL, a `?` or `#` begins another part, so it is no wildcard.
        let rest = &rest[..rest.find(['?', '#']).unwrap_or(rest.len())];
        let (server, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (user, place) = match server.rsplit_once('@') {
            Some((user, place)) => (Some(user.split(':').next().unwrap_or_default()), place),
            None => (None, server),
        };
        let bracketed = place.strip_prefix('[').and_then(|place| place.split_once(']'));
        let (host, port) = match (bracketed, place.split_once(':')) {
            (Some((host, port)), _) => (host, port.strip_prefix(':').unwrap_or_default()),
            (None, Some((host, port))) => (host, port),
            (None, None) => (place, ""),
        };
        if host.is_empty() {
            return Err("`url` has no host; `*` stands for any");
        }
        let port = (!port.is_empty())
            .then(|| port.parse().map_err(|_| "the port in `url` is no number"))
            .transpose()?;
        let database = path.trim_start_matches('/');
        Ok(Some(Self {
            user,
            // Hosts of patterns are put into lower case, those they are compared with are not.
            host: Glob::new(&host.to_lowercase()),
            port,
            database: (!database.is_empty()).then(|| Glob::new(database)),
        }))
    }

    fn fits(&self, url: &ConnectionUrl, host: &str, database: &str) -> bool {
        self.database.as_ref().is_none_or(|glob| glob.matches(database))
            && self.user.is_none_or(|user| url.user.as_deref() == Some(user))
            && self.host.matches(host)
            && self.port.is_none_or(|port| url.port == Some(port))
    }
}

fn wrong(place: &str, reason: String) -> RegistryError {
    RegistryError::Credentials { place: place.to_owned(), reason }
}

/// Where a parser failed, without what it found there.
fn position(error: &serde_json::Error) -> String {
    format!("line {}, column {}", error.line(), error.column())
}

#[cfg(test)]
mod tests {
    use super::*;
    use camino::Utf8Path;
    use std::os::unix::fs::PermissionsExt as _;

    fn find(entries: &str, url: &str) -> Result<Option<(Option<String>, String)>, String> {
        let environment = Environment::of(&[(TEXT_VARIABLE, entries)]);
        find_credentials(&ConnectionUrl::parse(url).unwrap(), &environment)
            .map(|found| found.map(|found| (found.user, found.password)))
            .map_err(|error| error.to_string())
    }

    fn password(patterns: &[&str], url: &str) -> Option<String> {
        let entries: Vec<_> = (patterns.iter().enumerate())
            .map(|(i, url)| serde_json::json!({"url": url, "username": "me", "password": i.to_string()}))
            .collect();
        find(&serde_json::Value::from(entries).to_string(), url).unwrap().map(|found| found.1)
    }

    /// What `lsst.utils.db_auth` answers for the same patterns.
    #[test]
    fn the_first_pattern_that_fits_counts() {
        let url = "postgresql+psycopg://user@host.example.com:5432/my_database";
        for (pattern, fits) in [
            ("postgresql://*", true),
            ("postgresql://*.example.com", true),
            ("postgresql://*.example.com/my_*", true),
            ("postgresql://HOST.example.com/my_database", true),
            ("postgresql://host.example.com:5432/", true),
            ("postgresql://user@host.example.com/my_database", true),
            ("postgresql://other@host.example.com/my_database", false),
            ("postgresql://host.example.com:5433", false),
            ("postgresql://host.example.com/other", false),
            ("postgresql://hos[st].example.com", true),
            ("postgresql://h?st.example.com", false),
            ("sqlite://*", false),
        ] {
            assert_eq!(password(&[pattern], url).is_some(), fits, "{pattern}");
        }
        let both = ["postgresql://*/other", "postgresql://*", "postgresql://host.example.com"];
        assert_eq!(password(&both, url).as_deref(), Some("1"));
        let no_port = "postgresql://host.example.com/d";
        assert_eq!(password(&["postgresql://host.example.com:5432"], no_port), None);
        assert_eq!(password(&["postgresql://user@*"], no_port), None, "the URL names no user");
        assert_eq!(password(&["postgresql://*"], "postgresql:///d"), None, "no host");
        assert_eq!(
            password(&["postgresql://[::1]:5"], "postgresql://[::1]:5/d").as_deref(),
            Some("0")
        );
    }

    #[test]
    fn users_of_urls_stay() {
        let entries = r#"[{"url": "postgresql://h/d", "username": "me", "password": "p"}]"#;
        let found = |user: &str| Ok(Some((Some(user.to_owned()), "p".to_owned())));
        assert_eq!(find(entries, "postgresql://h/d"), found("me"));
        assert_eq!(find(entries, "postgresql://you:old@h/d"), found("you"));
    }

    #[test]
    fn wrong_entries_are_named_without_their_password() {
        for (entries, reason) in [
            (r#"[{"password": "s3"}]"#, "entry 1: `url` is missing"),
            (r#"[{"url": "postgresql+x://h", "password": "s3"}]"#, "entry 1: `url` names a driver"),
            (r#"[{"url": "postgresql:///d", "password": "s3"}]"#, "entry 1: `url` has no host"),
            (r#"[{"url": "postgresql://h", "password": 3}]"#, "entry 1: `password` is not text"),
            (r#"[{"url": "postgresql://h"}]"#, "entry 1: `password` is missing"),
            (r#"{"url": "s3"#, "not a list in JSON: line 1"),
        ] {
            let message = find(entries, "postgresql://h/d").unwrap_err();
            assert!(message.contains(reason) && !message.contains("s3"), "{message}");
        }
    }

    #[test]
    fn files_are_for_their_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let home = Utf8Path::from_path(folder.path()).unwrap();
        fs_err::create_dir(home.join(".lsst")).unwrap();
        let path = home.join(".lsst/db-auth.yaml");
        let environment = Environment::of(&[("HOME", home.as_str())]);
        let url = ConnectionUrl::parse("postgresql://h/d").unwrap();
        let find = || find_credentials(&url, &environment);
        assert!(find().unwrap().is_none(), "there is no file");
        fs_err::write(&path, "- url: postgresql://h\n  password: ${it's} s3\n").unwrap();
        let permit = |mode| {
            fs_err::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        permit(0o640);
        let message = find().err().unwrap().to_string();
        assert!(message.contains("mode 640") && message.contains("chmod 600"), "{message}");
        permit(0o600);
        assert_eq!(find().unwrap().unwrap().password, "${it's} s3");
        fs_err::write(&path, "- url: postgresql://h\n  password: [s3\n").unwrap();
        let message = find().err().unwrap().to_string();
        assert!(message.contains("not a YAML list") && !message.contains("s3"), "{message}");
    }
}
