//! Statements that change a database.

use std::io::Cursor;
use std::pin::pin;

use futures_util::SinkExt as _;
use tokio_postgres::SimpleQueryMessage;
use tokio_postgres::error::SqlState;

use super::connection::{Server, reason};
use super::copy_encoder::CopyEncoder;
use super::settings::LOCK_TIMEOUT;
use crate::error::RegistryError;
use crate::reading::quoted;
use crate::writing::{BulkColumn, Violation, ViolationKind};

/// Rows are sent in pieces of about this many bytes.
const PIECE: usize = 256 * 1024;

impl Server {
    /// Begins a transaction that writes. As in the middleware's client each statement sees what was
    /// committed before it, so that what somebody else has just inserted is found instead of missed.
    pub(super) fn begin_write(&self) -> Result<(), RegistryError> {
        let sql = format!(
            "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
            SET LOCAL standard_conforming_strings = on;
            SET LOCAL jit = off;
            SET LOCAL lock_timeout = {}",
            LOCK_TIMEOUT.as_millis()
        );
        self.batch("begin a transaction", &sql)
    }

    /// Runs statements of which nothing is to be known but that they succeeded.
    pub(super) fn batch(&self, action: &str, sql: &str) -> Result<(), RegistryError> {
        self.block_on(self.client().batch_execute(sql)).map_err(|error| self.failure(action, error))
    }

    /// Runs one statement; returns how many rows it changed.
    pub(super) fn change(&self, sql: &str) -> Result<u64, tokio_postgres::Error> {
        Ok(last_count(&self.block_on(self.client().simple_query(sql))?))
    }

    /// Runs one statement so that nothing is left of it if it fails.
    pub(super) fn attempt(
        &self,
        action: &str,
        sql: &str,
    ) -> Result<Result<u64, Violation>, RegistryError> {
        let sql = format!("SAVEPOINT attempt; {sql}; RELEASE SAVEPOINT attempt");
        let error = match self.block_on(self.client().simple_query(&sql)) {
            // Statements in their order, each with its number of rows.
            Ok(messages) => return Ok(Ok(count(&messages, 1))),
            Err(error) => error,
        };
        let Some(violation) = violation(&error) else { return Err(self.failure(action, error)) };
        self.batch(action, "ROLLBACK TO SAVEPOINT attempt; RELEASE SAVEPOINT attempt")?;
        Ok(Err(violation))
    }

    /// Sends rows of columns into a table; returns how many they were.
    pub(super) fn copy_in(
        &self,
        table: &str,
        columns: &[&BulkColumn<'_>],
        rows: impl Iterator<Item = usize>,
    ) -> Result<u64, tokio_postgres::Error> {
        let names: Vec<String> = columns.iter().map(|column| quoted(column.name)).collect();
        let sql = format!("COPY {table} ({}) FROM STDIN (FORMAT binary)", names.join(", "));
        self.block_on(async {
            let mut sink = pin!(self.client().copy_in::<_, Cursor<Vec<u8>>>(&sql).await?);
            let mut encoder = CopyEncoder::new(PIECE + PIECE / 8);
            let width = columns.len() as i16;
            for row in rows {
                encoder.begin_row(width);
                for column in columns {
                    encoder.push((column.value)(row));
                }
                if encoder.len() >= PIECE {
                    sink.send(Cursor::new(encoder.take())).await?;
                }
            }
            sink.send(Cursor::new(encoder.finish())).await?;
            sink.finish().await
        })
    }

    /// Makes everything visible.
    pub(super) fn commit(&self) -> Result<(), RegistryError> {
        let committed = self.block_on(self.client().batch_execute("COMMIT"));
        committed.map_err(|error| match error.code() {
            Some(_) => self.failure("commit the transaction", error),
            // The server may have done it and not been able to say so.
            None => RegistryError::Server {
                database: self.place.clone(),
                action: "commit the transaction".to_owned(),
                reason: reason(&error),
                advice: "the connection was lost in that moment, so all of it is written or nothing; \
                         run the command again, which leaves alone what is there",
                source: None,
            },
        })
    }
}

/// The constraint that a statement violated, if that was it.
pub(super) fn violation(error: &tokio_postgres::Error) -> Option<Violation> {
    let said = error.as_db_error()?;
    let kind = match said.code() {
        code if *code == SqlState::FOREIGN_KEY_VIOLATION => ViolationKind::ForeignKey,
        code if *code == SqlState::UNIQUE_VIOLATION => ViolationKind::Unique,
        code if *code == SqlState::STRING_DATA_RIGHT_TRUNCATION
            || *code == SqlState::CHARACTER_NOT_IN_REPERTOIRE
            || *code == SqlState::UNTRANSLATABLE_CHARACTER
            || *code == SqlState::NUMERIC_VALUE_OUT_OF_RANGE
            || code.code().starts_with("23") =>
        {
            ViolationKind::Value
        }
        _ => return None,
    };
    let detail = said.detail().map_or(String::new(), |detail| format!(" ({detail})"));
    Some(Violation { kind, message: format!("{}{detail}", said.message()) })
}

fn last_count(messages: &[SimpleQueryMessage]) -> u64 {
    counts(messages).last().unwrap_or(0)
}

fn count(messages: &[SimpleQueryMessage], statement: usize) -> u64 {
    counts(messages).nth(statement).unwrap_or(0)
}

fn counts(messages: &[SimpleQueryMessage]) -> impl Iterator<Item = u64> {
    messages.iter().filter_map(|message| match message {
        SimpleQueryMessage::CommandComplete(count) => Some(*count),
        _ => None,
    })
}
