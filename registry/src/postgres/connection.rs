//! A connection to a server, and errors that say what to do.

use std::error::Error as _;
use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::runtime::{Builder, Runtime};
use tokio_postgres::config::SslMode;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, SimpleQueryMessage};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::copy_format::{CopyDecoder, CopyError, Field};
use super::settings::{LOCK_TIMEOUT, Settings};
use super::tls::connector;
use crate::error::RegistryError;
use crate::reading::Query;

/// Begins a transaction that sees everything as of one moment, which is that of its first query,
/// so one is made. Scans begin where tables do, so that equal builds see rows in equal order. Literals are written for strings whose backslashes mean themselves; compiling
/// statements pays off only for slower ones than these.
const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
    SET LOCAL standard_conforming_strings = on;
    SET LOCAL jit = off;
    SET LOCAL synchronize_seqscans = off;
    SELECT 1";

/// A connection with the thread-less runtime that drives it while something is awaited.
pub(super) struct Server {
    runtime: Runtime,
    client: Client,
    /// The database for messages, without user and password.
    pub(super) place: String,
}

impl Server {
    /// Connects, within the time that the settings allow.
    pub(super) fn connect(settings: Settings) -> Result<Self, RegistryError> {
        let Settings { mut config, tls, connect_timeout, place, open_password_file } = settings;
        let runtime = Builder::new_current_thread().enable_all().build().map_err(|source| {
            RegistryError::Io { action: "wait for a database server".to_owned(), source }
        })?;
        let tls = connector(&tls)
            .map_err(|reason| RegistryError::Credentials { place: place.clone(), reason })?;
        let attempt = |config: &tokio_postgres::Config| {
            let connected = runtime.block_on(within(connect_timeout, connect(config, &tls)));
            connected.unwrap_or_else(|limit| Err(Refusal::Timeout(limit)))
        };
        let connected = match attempt(&config) {
            // Encryption was only preferred.
            Err(Refusal::Tls(_)) if config.get_ssl_mode() == SslMode::Prefer => {
                attempt(config.ssl_mode(SslMode::Disable))
            }
            connected => connected,
        };
        match connected {
            Ok(client) => Ok(Self { runtime, client, place }),
            Err(Refusal::Timeout(limit)) => Err(RegistryError::Server {
                database: place,
                action: "connect".to_owned(),
                reason: format!("no answer within {} s", limit.as_secs_f32()),
                advice: "check host and port in `registry.db` and that the network lets you there",
                source: None,
            }),
            Err(Refusal::Tls(error) | Refusal::Other(error)) => {
                let lacks_password =
                    misses_password(&error) || error.code() == Some(&SqlState::INVALID_PASSWORD);
                let mut failure = failure(&place, "connect", error);
                if let (true, Some(file)) = (lacks_password, open_password_file)
                    && let RegistryError::Server { reason, .. } = &mut failure
                {
                    reason.push_str(&format!(
                        ", and {file} is passed over because others may read it (`chmod 600` it)"
                    ));
                }
                Err(failure)
            }
        }
    }

    /// The schema that unqualified names would mean.
    pub(super) fn default_schema(&self) -> Result<String, RegistryError> {
        let answer = self.runtime.block_on(self.client.simple_query("SELECT current_schema()"));
        let answer = answer.map_err(|error| self.failure("look for its schema", error))?;
        let row = answer.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0),
            _ => None,
        });
        row.map(str::to_owned).ok_or_else(|| RegistryError::NoRegistry {
            database: self.place.clone(),
            reason: "none of the schemas in the account's search path exists; name one by \
                     `registry.namespace` in butler.yaml"
                .to_owned(),
        })
    }

    /// Begins a transaction that reads.
    pub(super) fn begin(&self) -> Result<(), RegistryError> {
        self.runtime
            .block_on(self.client.batch_execute(BEGIN))
            .map_err(|error| self.failure("begin a transaction", error))
    }

    /// The driver, whose work is done by [`Server::block_on`].
    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// Waits for something that the driver does. Nothing may wait within it.
    pub(super) fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// Ends the transaction. That it fails would change nothing for whoever has read in it.
    pub(super) fn end(&self) {
        let _ = self.runtime.block_on(self.client.batch_execute("ROLLBACK"));
    }

    /// Runs a query and hands each row to `take`.
    pub(super) fn copy_out(
        &self,
        query: &Query<'_>,
        schema: &str,
        mut take: impl FnMut(&[u8], &[Field]) -> Result<(), RegistryError>,
    ) -> Result<(), RegistryError> {
        let sql = format!("COPY ({}) TO STDOUT (FORMAT binary)", query.sql);
        let fail = |error: tokio_postgres::Error| match error.code() {
            Some(code) if *code == SqlState::UNDEFINED_TABLE => RegistryError::NoRegistry {
                database: self.place.clone(),
                reason: format!(
                    "schema `{schema}` has no table `{}`, or the account may not look into the \
                     schema; check `registry.namespace` in butler.yaml",
                    query.table
                ),
            },
            Some(code) if *code == SqlState::INSUFFICIENT_PRIVILEGE => RegistryError::Server {
                database: self.place.clone(),
                action: format!("read table `{}`", query.table),
                reason: reason(&error),
                advice: match query.sql.contains("nextval(") {
                    true => "ask for USAGE of all sequences of the schema",
                    false => "ask for USAGE of the schema and SELECT on all its tables",
                },
                source: None,
            },
            _ => self.failure(&format!("read table `{}`", query.table), error),
        };
        let mut decoder = CopyDecoder::new(query.columns.len());
        self.runtime.block_on(async {
            let mut pieces = pin!(self.client.copy_out(&sql).await.map_err(fail)?);
            while let Some(piece) = pieces.next().await {
                decoder
                    .feed(&piece.map_err(fail)?, |bytes, fields| {
                        take(bytes, fields).map_err(Stop::Row)
                    })
                    .map_err(|stop| match stop {
                        Stop::Row(error) => error,
                        Stop::Format(error) => self.malformed(query, error),
                    })?;
            }
            decoder.finish().map_err(|error| self.malformed(query, error))
        })
    }

    fn malformed(&self, query: &Query<'_>, error: CopyError) -> RegistryError {
        RegistryError::Database {
            database: self.place.clone(),
            action: format!("read table `{}`", query.table),
            source: Box::new(error),
        }
    }

    /// An error of the driver, sorted by what the user can do about it.
    pub(super) fn failure(&self, action: &str, error: tokio_postgres::Error) -> RegistryError {
        failure(&self.place, action, error)
    }
}

/// Why rows are no longer taken.
enum Stop {
    Row(RegistryError),
    Format(CopyError),
}

impl From<CopyError> for Stop {
    fn from(error: CopyError) -> Self {
        Self::Format(error)
    }
}

/// Why a connection did not come about.
enum Refusal {
    Timeout(Duration),
    Tls(tokio_postgres::Error),
    Other(tokio_postgres::Error),
}

async fn connect(
    config: &tokio_postgres::Config,
    tls: &MakeRustlsConnect,
) -> Result<Client, Refusal> {
    match config.connect(tls.clone()).await {
        Ok((client, connection)) => {
            // Errors of the connection come back to whoever uses the client.
            tokio::spawn(async {
                let _ = connection.await;
            });
            Ok(client)
        }
        // The driver tells the kinds of its errors only by their text.
        Err(error) if error.to_string().contains("TLS") => Err(Refusal::Tls(error)),
        Err(error) => Err(Refusal::Other(error)),
    }
}

/// The result, or the limit if it took longer.
async fn within<T>(limit: Option<Duration>, work: impl Future<Output = T>) -> Result<T, Duration> {
    match limit {
        Some(limit) => tokio::time::timeout(limit, work).await.map_err(|_| limit),
        None => Ok(work.await),
    }
}

/// What the server or the system said, without what the driver adds.
pub(super) fn reason(error: &tokio_postgres::Error) -> String {
    if let Some(said) = error.as_db_error() {
        return said.message().to_owned();
    }
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// Whether the server wants a password, and none was found.
fn misses_password(error: &tokio_postgres::Error) -> bool {
    error.source().is_some_and(|source| source.to_string() == "password missing")
}

/// An error of the driver, sorted by what the user can do about it.
fn failure(place: &str, action: &str, error: tokio_postgres::Error) -> RegistryError {
    match error.code() {
        Some(code) if *code == SqlState::LOCK_NOT_AVAILABLE => {
            return RegistryError::Busy {
                database: place.to_owned(),
                waited: LOCK_TIMEOUT,
                holder: Some("another client".to_owned()),
            };
        }
        Some(code)
            if *code == SqlState::T_R_DEADLOCK_DETECTED
                || (*code == SqlState::T_R_SERIALIZATION_FAILURE
                    && !reason(&error).contains("recovery")) =>
        {
            return RegistryError::Contended {
                database: place.to_owned(),
                action: action.to_owned(),
                reason: reason(&error),
            };
        }
        Some(code) if *code == SqlState::READ_ONLY_SQL_TRANSACTION => {
            return RegistryError::ReadOnly {
                database: place.to_owned(),
                reason: format!("the server takes no changes ({})", reason(&error)),
            };
        }
        _ => {}
    }
    let advice = match error.code() {
        Some(_) if reason(&error).contains("pg_hba.conf") => Some(
            "the server's list of who may connect (pg_hba.conf) has no line for this combination of \
             host, user, database and encryption: check them and `sslmode` in `registry.db`, or ask \
             the administrator for a line",
        ),
        Some(code) if *code == SqlState::INSUFFICIENT_PRIVILEGE && action == "connect" => {
            Some("ask for CONNECT on the database")
        }
        Some(code) => advice(code),
        None if misses_password(&error) => Some(
            "put a password into ~/.lsst/db-auth.yaml or ~/.pgpass (mode 600 both), the files \
                 that LSST_DB_AUTH and PGPASSFILE name, or PGPASSWORD",
        ),
        None if error.is_closed() => Some("the connection was lost; try again"),
        None if action == "connect" => {
            Some("check host, port and `sslmode` in `registry.db`, and that the server runs")
        }
        // Nothing was said, so it was about the connection.
        None => Some("the connection was lost; try again"),
    };
    match advice {
        Some(advice) => RegistryError::Server {
            database: place.to_owned(),
            action: action.to_owned(),
            reason: reason(&error),
            advice,
            // What the server said is the reason; what the system said may have more behind it.
            source: if error.code().is_some() { None } else { error.into_source() },
        },
        None => RegistryError::Database {
            database: place.to_owned(),
            action: action.to_owned(),
            source: match error.code() {
                Some(_) => error.into_source().unwrap_or_else(|| "no reason given".into()),
                None => Box::new(error),
            },
        },
    }
}

fn advice(code: &SqlState) -> Option<&'static str> {
    let found = match code.code() {
        "28P01" | "28000" => {
            "check user and password in `registry.db`, ~/.lsst/db-auth.yaml, ~/.pgpass or \
             PGPASSWORD, and that the server admits you"
        }
        "3D000" => "check the name of the database in `registry.db`",
        "42501" => {
            "ask for USAGE of the schema and SELECT on all its tables; to write, also for INSERT, \
             UPDATE and DELETE, and for USAGE of its sequences"
        }
        "53300" => "all connections are taken; try again later",
        "57014" => "the server's time limit (statement_timeout) was hit, or somebody cancelled",
        "25P03" | "25P04" | "57P05" => "the server's time limit for transactions was hit",
        "40001" => "a standby server needed the rows for itself; try again or ask the primary one",
        "57P01" | "57P02" | "57P03" => "the server stops or starts; try again later",
        code if code.starts_with("08") => "the connection was lost; try again",
        _ => return None,
    };
    Some(found)
}
