//! Where a registry's database is, without telling its password.

use std::fmt;

use camino::Utf8PathBuf;

/// URL of a registry database in the form that SQLAlchemy reads.
///
/// `Debug` and `Display` hide credentials and options; only [`DatabaseUrl::expose`] tells all.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl(String);

impl DatabaseUrl {
    /// Takes the text of `registry.db`, with `<butlerRoot>` already replaced.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The whole URL, credentials included. Not to be printed, logged or stored.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Kind of database, such as `sqlite` or `postgresql`, without the driver.
    pub fn dialect(&self) -> &str {
        let scheme = self.0.split_once("://").map_or("", |(scheme, _)| scheme);
        scheme.split('+').next().unwrap_or_default()
    }

    /// The database file, if it is SQLite and not in memory.
    pub fn sqlite_path(&self) -> Option<Utf8PathBuf> {
        if self.dialect() != "sqlite" {
            return None;
        }
        let (_, rest) = self.0.split_once("://")?;
        let path = rest.strip_prefix('/')?.split('?').next()?;
        (!path.is_empty() && path != ":memory:").then(|| Utf8PathBuf::from(path))
    }

    /// The same place for somebody whose password is known from elsewhere.
    pub fn without_password(&self) -> Self {
        let Some((scheme, rest)) = self.0.split_once("://") else { return self.clone() };
        let (user, place) = match rest.rsplit_once('@') {
            Some((credentials, place)) => {
                (format!("{}@", credentials.split(':').next().unwrap_or_default()), place)
            }
            None => (String::new(), rest),
        };
        let place = match place.split_once('?') {
            Some((place, options)) => {
                let kept: Vec<&str> =
                    options.split('&').filter(|option| !option.starts_with("password=")).collect();
                let mark = if kept.is_empty() { "" } else { "?" };
                format!("{place}{mark}{}", kept.join("&"))
            }
            None => place.to_owned(),
        };
        Self(format!("{scheme}://{user}{place}"))
    }

    /// The URL without user, password and options.
    pub fn redacted(&self) -> String {
        let Some((scheme, rest)) = self.0.split_once("://") else {
            return "(not a URL)".to_owned();
        };
        // A password may hold any character, `/` and `?` included, so all up to the last `@` goes.
        let (user, place) = match rest.rsplit_once('@') {
            Some((_, place)) => ("***@", place),
            None => ("", rest),
        };
        match place.split_once('?') {
            Some((place, _)) => format!("{scheme}://{user}{place}?***"),
            None => format!("{scheme}://{user}{place}"),
        }
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.redacted())
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({})", self.redacted())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_hidden() {
        for (url, shown) in [
            ("postgresql://u:p@ss/w?x@host:5432/db", "postgresql://***@host:5432/db"),
            ("postgresql+psycopg://u@host/db", "postgresql+psycopg://***@host/db"),
            ("postgresql://host/db?user=u&password=p", "postgresql://host/db?***"),
            ("sqlite:////data/gen3.sqlite3", "sqlite:////data/gen3.sqlite3"),
            ("user:secret", "(not a URL)"),
        ] {
            let url = DatabaseUrl::new(url);
            assert_eq!(url.to_string(), shown);
            assert_eq!(format!("{url:?}"), format!("DatabaseUrl({shown})"));
        }
    }

    #[test]
    fn a_password_can_be_left_out() {
        for (url, without) in [
            ("postgresql://u:p@ss/w?x@host:5432/db", "postgresql://u@host:5432/db"),
            ("postgresql://u@host/db?sslmode=require", "postgresql://u@host/db?sslmode=require"),
            ("postgresql://host/db?password=p", "postgresql://host/db"),
            ("postgresql://host/db?user=u&password=p&port=1", "postgresql://host/db?user=u&port=1"),
        ] {
            assert_eq!(DatabaseUrl::new(url).without_password().expose(), without);
        }
    }

    #[test]
    fn sqlite_files_have_paths() {
        let path = |url: &str| DatabaseUrl::new(url).sqlite_path().map(Utf8PathBuf::into_string);
        assert_eq!(path("sqlite:////data/g.sqlite3?x=1").as_deref(), Some("/data/g.sqlite3"));
        assert_eq!(path("sqlite:///rel.db").as_deref(), Some("rel.db"));
        assert_eq!(path("sqlite:///:memory:"), None);
        assert_eq!(path("postgresql://h/d"), None);
        assert_eq!(DatabaseUrl::new("postgresql+psycopg://h/d").dialect(), "postgresql");
    }
}
