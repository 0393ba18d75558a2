//! Options of connection URLs, as libpq has them.

use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use tokio_postgres::config::{ChannelBinding, LoadBalanceHosts, SslMode, TargetSessionAttrs};

use super::environment::Environment;
use super::password_file::{Wanted, find_password};
use super::settings::{TlsSettings, Verification};
use super::url::ConnectionUrl;

/// A server that is silently gone is noticed after about a minute.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_RETRIES: u32 = 3;

const DEFAULT_PORT: u16 = 5432;
/// Where servers put their sockets: as Debian and as PostgreSQL itself has it.
const SOCKET_FOLDERS: [&str; 2] = ["/var/run/postgresql", "/tmp"];

/// Options of libpq that mean nothing here: about authentication by Kerberos, compression, and
/// what else does not change which rows are read.
const IGNORED: [&str; 11] = [
    "client_encoding",
    "fallback_application_name",
    "gssdelegation",
    "gssencmode",
    "gsslib",
    "krbsrvname",
    "prepare_threshold",
    "sslcompression",
    "sslcrldir",
    "sslsni",
    "tty",
];

/// Options of a URL, and the variables that stand in for them.
pub(super) struct Options<'a> {
    pub(super) url: &'a ConnectionUrl,
    pub(super) environment: &'a Environment,
}

impl<'a> Options<'a> {
    /// An option of the URL; of repeated ones the last counts.
    pub(super) fn of_url(&self, name: &str) -> Option<&'a str> {
        let mut options = self.url.options.iter().rev();
        options.find(|(option, _)| option == name).map(|(_, value)| value.as_str())
    }

    /// An option, or the variable in its place.
    pub(super) fn get(&self, name: &str, variable: &str) -> Option<&'a str> {
        self.of_url(name).or_else(|| self.environment.get(variable))
    }

    fn number(&self, name: &str, variable: &str) -> Result<Option<i64>, String> {
        let parse = |text: &str| {
            text.trim().parse::<i64>().map_err(|_| format!("option `{name}` is no number: {text}"))
        };
        self.get(name, variable).map(parse).transpose()
    }

    /// Seconds; negative numbers are zero.
    pub(super) fn seconds(&self, name: &str, variable: &str) -> Result<Option<Duration>, String> {
        let number = self.number(name, variable)?;
        Ok(number.map(|seconds| Duration::from_secs(u64::try_from(seconds).unwrap_or(0))))
    }

    /// Hosts, or folders of sockets, with their ports.
    pub(super) fn servers(&self) -> Result<Vec<(String, u16)>, String> {
        let port = |text: &str| match text.trim() {
            "" => Ok(DEFAULT_PORT),
            text => text.parse::<u16>().map_err(|_| format!("`{text}` is no port")),
        };
        let ports: Vec<u16> = match (self.of_url("port"), self.url.port) {
            (Some(ports), _) => ports.split(',').map(port).collect::<Result<_, _>>()?,
            (None, Some(port)) => vec![port],
            (None, None) => match self.environment.get("PGPORT") {
                Some(ports) => ports.split(',').map(port).collect::<Result<_, _>>()?,
                None => vec![DEFAULT_PORT],
            },
        };
        let listed: Vec<&str> = (self.url.options.iter())
            .filter(|(name, _)| name == "host")
            .flat_map(|(_, hosts)| hosts.split(','))
            .collect();
        let hosts = match (listed.is_empty(), &self.url.host, self.environment.get("PGHOST")) {
            (false, ..) => listed,
            (true, Some(host), _) => vec![host.as_str()],
            (true, None, Some(hosts)) => hosts.split(',').collect(),
            (true, None, None) => vec![""],
        };
        let mut servers = Vec::with_capacity(hosts.len());
        for (at, host) in hosts.iter().enumerate() {
            // In options a host may carry its port; paths and IPv6 addresses have colons too.
            let own = host.split_once(':').filter(|(host, port)| {
                !host.starts_with('/') && !host.is_empty() && !port.contains(':')
            });
            let shared = *ports.get(at).or(ports.first()).unwrap_or(&DEFAULT_PORT);
            servers.push(match own {
                Some((host, own)) => (host.to_owned(), port(own)?),
                None if host.is_empty() => (default_socket_folder(shared).to_owned(), shared),
                None => ((*host).to_owned(), shared),
            });
        }
        Ok(servers)
    }

    /// The password, as given or as found in a file of passwords.
    pub(super) fn password(
        &self,
        user: Option<&str>,
        database: Option<&str>,
        servers: &[(String, u16)],
    ) -> Option<String> {
        let given = (self.of_url("password").or(self.url.password.as_deref()))
            .or_else(|| self.environment.get("PGPASSWORD"));
        if let Some(password) = given {
            return Some(password.to_owned());
        }
        let file = self.password_file()?;
        servers.iter().find_map(|(host, port)| {
            let is_default = SOCKET_FOLDERS.contains(&host.as_str());
            let host = if is_default { "localhost" } else { host.as_str() };
            find_password(&file, Wanted { host, port: *port, database: database?, user: user? })
        })
    }

    /// The file of passwords, which need not exist.
    pub(super) fn password_file(&self) -> Option<Utf8PathBuf> {
        match self.get("passfile", "PGPASSFILE") {
            Some(path) => Some(Utf8PathBuf::from(path)),
            None => self.environment.home_file(".pgpass"),
        }
    }

    /// How connections are encrypted.
    pub(super) fn tls(&self, config: &mut tokio_postgres::Config) -> Result<TlsSettings, String> {
        let home = |name: &str| {
            let path = self.environment.home_file(".postgresql")?.join(name);
            path.is_file().then_some(path)
        };
        let roots = match self.get("sslrootcert", "PGSSLROOTCERT") {
            Some("system") => {
                return Err("option `sslrootcert`: name a file of certificates; those of the \
                            system are not looked at"
                    .to_owned());
            }
            Some(path) => Some(Utf8PathBuf::from(path)),
            None => home("root.crt"),
        };
        // As libpq has it, a file of authorities is not ignored even if nothing asks for it.
        let optional =
            if roots.is_some() { Verification::Authority } else { Verification::Nothing };
        let (mode, verification) = match self.get("sslmode", "PGSSLMODE").unwrap_or("prefer") {
            "disable" => (SslMode::Disable, Verification::Nothing),
            "allow" | "prefer" => (SslMode::Prefer, optional),
            "require" => (SslMode::Require, optional),
            "verify-ca" => (SslMode::Require, Verification::Authority),
            "verify-full" => (SslMode::Require, Verification::Host),
            other => {
                return Err(format!(
                    "option `sslmode` is `{other}`; known: disable, allow, prefer, require, \
                     verify-ca, verify-full"
                ));
            }
        };
        if verification != Verification::Nothing && roots.is_none() {
            return Err(
                "option `sslmode` asks to verify the server's certificate; name a file of \
                        authorities by `sslrootcert`, or put them into ~/.postgresql/root.crt"
                    .to_owned(),
            );
        }
        let file = |option: &str, variable: &str, name: &str| {
            self.get(option, variable).map(Utf8PathBuf::from).or_else(|| home(name))
        };
        let identity = file("sslcert", "PGSSLCERT", "postgresql.crt").zip(file(
            "sslkey",
            "PGSSLKEY",
            "postgresql.key",
        ));
        config.ssl_mode(mode);
        Ok(TlsSettings { verification, roots, identity })
    }

    /// What is left: about keeping connections alive, and choosing among servers.
    pub(super) fn connection(&self, config: &mut tokio_postgres::Config) -> Result<(), String> {
        config.keepalives(self.number("keepalives", "")? != Some(0));
        let seconds = |name: &str, default| {
            let given = self.seconds(name, "")?.filter(|time| !time.is_zero());
            Ok::<_, String>(given.unwrap_or(default))
        };
        config.keepalives_idle(seconds("keepalives_idle", KEEPALIVE_IDLE)?);
        config.keepalives_interval(seconds("keepalives_interval", KEEPALIVE_INTERVAL)?);
        let retries = self.number("keepalives_count", "")?;
        config.keepalives_retries(
            retries.and_then(|n| u32::try_from(n).ok()).unwrap_or(KEEPALIVE_RETRIES),
        );
        if let Some(limit) = self.number("tcp_user_timeout", "")?.filter(|limit| *limit > 0) {
            config.tcp_user_timeout(Duration::from_millis(limit.unsigned_abs()));
        }
        match self.get("target_session_attrs", "PGTARGETSESSIONATTRS") {
            Some("read-write" | "primary") => {
                config.target_session_attrs(TargetSessionAttrs::ReadWrite);
            }
            Some("read-only" | "standby") => {
                config.target_session_attrs(TargetSessionAttrs::ReadOnly);
            }
            _ => {}
        }
        match self.get("channel_binding", "PGCHANNELBINDING") {
            Some("disable") => config.channel_binding(ChannelBinding::Disable),
            Some("require") => config.channel_binding(ChannelBinding::Require),
            _ => config.channel_binding(ChannelBinding::Prefer),
        };
        if self.get("load_balance_hosts", "PGLOADBALANCEHOSTS") == Some("random") {
            config.load_balance_hosts(LoadBalanceHosts::Random);
        }
        Ok(())
    }

    /// An option that is not understood might have led elsewhere.
    pub(super) fn refuse_unknown(&self) -> Result<(), String> {
        const KNOWN: [&str; 21] = [
            "application_name",
            "channel_binding",
            "connect_timeout",
            "dbname",
            "host",
            "keepalives",
            "keepalives_count",
            "keepalives_idle",
            "keepalives_interval",
            "load_balance_hosts",
            "options",
            "passfile",
            "password",
            "port",
            "sslcert",
            "sslkey",
            "sslmode",
            "sslrootcert",
            "target_session_attrs",
            "tcp_user_timeout",
            "user",
        ];
        let known = |name: &str| KNOWN.contains(&name) || IGNORED.contains(&name);
        match self.url.options.iter().find(|(name, _)| !known(name)) {
            Some((name, _)) => Err(format!("option `{name}` is not supported")),
            None if self.environment.get("PGSERVICE").is_some() && self.url.host.is_none() => {
                Err("PGSERVICE is not supported; put host and database into the URL".to_owned())
            }
            None => Ok(()),
        }
    }
}

/// Where a server on this machine listens.
fn default_socket_folder(port: u16) -> &'static str {
    let listens = |folder: &&&str| Utf8Path::new(folder).join(format!(".s.PGSQL.{port}")).exists();
    SOCKET_FOLDERS.iter().find(listens).unwrap_or(&SOCKET_FOLDERS[0])
}
