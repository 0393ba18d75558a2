//! Everything that decides how a server is connected to.

use std::time::Duration;

use camino::Utf8PathBuf;

use super::credentials::find_credentials;
use super::environment::Environment;
use super::options::Options;
use super::password_file::is_open_to_others;
use super::url::ConnectionUrl;
use crate::error::RegistryError;

/// How long a server may take to answer at first, unless told otherwise.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a writer waits for another one who holds what it needs.
pub(super) const LOCK_TIMEOUT: Duration = Duration::from_secs(300);

/// How far a server's certificate is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verification {
    /// Not at all.
    Nothing,
    /// Somebody we trust has signed it.
    Authority,
    /// And it is for the host.
    Host,
}

/// What is needed for encrypted connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TlsSettings {
    pub(super) verification: Verification,
    /// Certificates of authorities.
    pub(super) roots: Option<Utf8PathBuf>,
    /// Our own certificate and its key.
    pub(super) identity: Option<(Utf8PathBuf, Utf8PathBuf)>,
}

/// Everything needed to connect. There is no `Debug`, because of the password.
pub(super) struct Settings {
    pub(super) config: tokio_postgres::Config,
    pub(super) tls: TlsSettings,
    pub(super) connect_timeout: Option<Duration>,
    /// The database for messages, without user and password.
    pub(super) place: String,
    /// A file of passwords that is passed over because others may read it.
    pub(super) open_password_file: Option<Utf8PathBuf>,
}

impl Settings {
    /// Combines a URL with credentials and environment variables, in the order in which they
    /// count: `db-auth.yaml` and options of the URL, the URL itself, variables, `~/.pgpass`.
    pub(super) fn new(url: &str, environment: &Environment) -> Result<Self, RegistryError> {
        let invalid = |reason: String| RegistryError::InvalidUrl {
            database: qbb_datastore::DatabaseUrl::new(url).redacted(),
            reason,
        };
        let mut url = ConnectionUrl::parse(url)?;
        if let Some(found) = find_credentials(&url, environment)? {
            url.user = found.user;
            url.password = Some(found.password);
        }
        let options = Options { url: &url, environment };
        let user = (options.of_url("user").or(url.user.as_deref()))
            .or(environment.get("PGUSER"))
            .or(environment.user());
        let database = (options.of_url("dbname").or(url.database.as_deref()))
            .or(environment.get("PGDATABASE"))
            .or(user);
        let servers = options.servers().map_err(&invalid)?;

        let mut config = tokio_postgres::Config::new();
        for (host, port) in &servers {
            config.host(host).port(*port);
        }
        if let Some(user) = user {
            config.user(user);
        }
        if let Some(database) = database {
            config.dbname(database);
        }
        let password = options.password(user, database, &servers);
        let open_password_file = match password {
            None => options.password_file().filter(|file| is_open_to_others(file)),
            Some(_) => None,
        };
        if let Some(password) = password {
            config.password(password);
        }
        config.application_name(options.get("application_name", "PGAPPNAME").unwrap_or("qbb"));
        if let Some(text) = options.get("options", "PGOPTIONS") {
            config.options(text);
        }
        let tls = options.tls(&mut config).map_err(&invalid)?;
        let connect_timeout = match options.seconds("connect_timeout", "PGCONNECT_TIMEOUT") {
            Ok(None) => Some(CONNECT_TIMEOUT),
            Ok(Some(limit)) => (!limit.is_zero()).then_some(limit),
            Err(reason) => return Err(invalid(reason)),
        };
        options.connection(&mut config).map_err(&invalid)?;
        options.refuse_unknown().map_err(&invalid)?;
        let servers: Vec<String> =
            servers.iter().map(|(host, port)| format!("{host}:{port}")).collect();
        let place = format!("postgresql://{}/{}", servers.join(","), database.unwrap_or_default());
        Ok(Self { config, tls, connect_timeout, place, open_password_file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio_postgres::config::{Host, SslMode};

    fn settings(url: &str, variables: &[(&str, &str)]) -> Settings {
        Settings::new(url, &Environment::of(variables)).unwrap()
    }

    #[test]
    fn a_password_file_that_others_may_read_is_told_where_no_password_is_given() {
        let folder = tempfile::tempdir().unwrap();
        let file = Utf8PathBuf::try_from(folder.path().join("pass")).unwrap();
        fs_err::write(&file, "*:*:*:*:secret").unwrap();
        let told = |mode, url: &str| {
            let permissions = std::os::unix::fs::PermissionsExt::from_mode(mode);
            fs_err::set_permissions(&file, permissions).unwrap();
            let found = settings(url, &[("PGPASSFILE", file.as_str())]);
            (found.config.get_password().is_some(), found.open_password_file)
        };
        assert_eq!(told(0o600, "postgresql://u@h/d"), (true, None));
        assert_eq!(told(0o644, "postgresql://u@h/d"), (false, Some(file.clone())));
        assert_eq!(told(0o644, "postgresql://u:p@h/d"), (true, None));
    }

    #[test]
    fn options_count_before_the_url_and_the_url_before_variables() {
        let variables = [
            ("PGHOST", "elsewhere"),
            ("PGUSER", "other"),
            ("PGPASSWORD", "p2"),
            ("PGDATABASE", "d2"),
            ("PGPORT", "9"),
            ("USER", "login"),
        ];
        let found = settings("postgresql+psycopg2://me:p@h:7/d", &variables);
        assert_eq!(found.config.get_user(), Some("me"));
        assert_eq!(found.config.get_password(), Some(&b"p"[..]));
        assert_eq!(found.config.get_hosts(), [Host::Tcp("h".to_owned())]);
        assert_eq!(found.config.get_ports(), [7]);
        assert_eq!(found.place, "postgresql://h:7/d");
        let found = settings("postgresql://me@h:7/d?host=/run/pg&user=you&port=8", &variables);
        assert_eq!(found.config.get_user(), Some("you"));
        assert_eq!(found.config.get_password(), Some(&b"p2"[..]));
        assert_eq!(found.config.get_hosts(), [Host::Unix("/run/pg".into())]);
        assert_eq!(found.place, "postgresql:///run/pg:8/d");
        let found = settings("postgresql://", &variables);
        assert_eq!(found.place, "postgresql://elsewhere:9/d2");
        let found = settings("postgresql://h", &[("USER", "login")]);
        assert_eq!(
            (found.config.get_user(), found.config.get_dbname()),
            (Some("login"), Some("login"))
        );
    }

    #[test]
    fn several_servers() {
        for url in [
            "postgresql://x/d?host=a:1&host=b:2",
            "postgresql:///d?host=a,b&port=1,2",
            "postgresql:///d?host=a:1,b:2",
        ] {
            assert_eq!(settings(url, &[]).place, "postgresql://a:1,b:2/d", "{url}");
        }
        assert_eq!(settings("postgresql:///d?host=::1", &[]).place, "postgresql://::1:5432/d");
    }

    #[test]
    fn encryption_is_as_strict_as_asked() {
        let tls = |options: &str| {
            let found = settings(&format!("postgresql://h/d?{options}"), &[]);
            (found.config.get_ssl_mode(), found.tls.verification)
        };
        use Verification::{Authority, Host, Nothing};
        assert_eq!(tls(""), (SslMode::Prefer, Nothing));
        assert_eq!(tls("sslmode=disable"), (SslMode::Disable, Nothing));
        assert_eq!(tls("sslmode=require"), (SslMode::Require, Nothing));
        assert_eq!(tls("sslmode=require&sslrootcert=/x"), (SslMode::Require, Authority));
        assert_eq!(tls("sslmode=verify-ca&sslrootcert=/x"), (SslMode::Require, Authority));
        assert_eq!(tls("sslmode=verify-full&sslrootcert=/x"), (SslMode::Require, Host));
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for (options, reason) in [
            ("sslmode=maybe", "`sslmode` is `maybe`"),
            ("sslmode=verify-full", "name a file of authorities"),
            ("service=x", "option `service` is not supported"),
            ("port=x", "`x` is no port"),
            ("connect_timeout=soon", "`connect_timeout` is no number"),
            ("sslrootcert=system", "`sslrootcert`"),
        ] {
            let url = format!("postgresql://u:secret@h/d?{options}");
            let message = Settings::new(&url, &Environment::default()).err().unwrap().to_string();
            assert!(message.contains(reason) && !message.contains("secret"), "{message}");
        }
    }
}
