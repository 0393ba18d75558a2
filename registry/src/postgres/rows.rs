//! Rows of PostgreSQL, in its binary format.

use qbb_dimensions::{TaiNanos, Timespan};

use super::connection::Server;
use super::copy_format::Field;
use crate::error::RegistryError;
use crate::reading::{Dialect, Query, ResultRow, RowSource};

/// A transaction as a source of rows; dropping it rolls the transaction back.
pub(super) struct PostgresRows<'s> {
    pub(super) server: &'s Server,
    pub(super) schema: &'s str,
}

impl Drop for PostgresRows<'_> {
    fn drop(&mut self) {
        self.server.end();
    }
}

impl RowSource for PostgresRows<'_> {
    type Row<'r> = PostgresRow<'r>;

    fn dialect(&self) -> Dialect<'_> {
        Dialect::Postgres { schema: self.schema }
    }

    fn database(&self) -> String {
        self.server.place.clone()
    }

    fn each(
        &self,
        query: &Query<'_>,
        take: impl FnMut(&PostgresRow<'_>) -> Result<(), RegistryError>,
    ) -> Result<(), RegistryError> {
        copy_rows(self.server, self.schema, query, take)
    }
}

/// Runs a query in the transaction that has begun, and hands each row to `take`.
pub(super) fn copy_rows(
    server: &Server,
    schema: &str,
    query: &Query<'_>,
    mut take: impl FnMut(&PostgresRow<'_>) -> Result<(), RegistryError>,
) -> Result<(), RegistryError> {
    let mut number = 0;
    let database = &server.place;
    server.copy_out(query, schema, |bytes, fields| {
        take(&PostgresRow { bytes, fields, query, database, number })?;
        number += 1;
        Ok(())
    })
}

/// One row; columns are addressed by their position in the query.
pub(super) struct PostgresRow<'r> {
    bytes: &'r [u8],
    fields: &'r [Field],
    query: &'r Query<'r>,
    database: &'r str,
    number: u64,
}

/// Flags of ranges.
pub(super) mod range {
    pub(in crate::postgres) const EMPTY: u8 = 0x01;
    pub(in crate::postgres) const LOWER_INCLUDED: u8 = 0x02;
    pub(in crate::postgres) const UPPER_INCLUDED: u8 = 0x04;
    pub(in crate::postgres) const LOWER_INFINITE: u8 = 0x08;
    pub(in crate::postgres) const UPPER_INFINITE: u8 = 0x10;
}

impl PostgresRow<'_> {
    fn value(&self, column: usize) -> Option<&[u8]> {
        let (at, length) = (*self.fields.get(column)?)?;
        self.bytes.get(at as usize..at as usize + length as usize)
    }

    fn expected(&self, column: usize, what: &str, found: &[u8]) -> RegistryError {
        self.corrupt(column, format!("{} bytes where {what} is expected", found.len()))
    }
}

impl ResultRow for PostgresRow<'_> {
    fn corrupt(&self, column: usize, reason: impl Into<String>) -> RegistryError {
        RegistryError::Corrupt {
            database: self.database.to_owned(),
            table: self.query.table.clone(),
            column: self.query.columns.get(column).cloned().unwrap_or_default(),
            row: self.number,
            reason: reason.into(),
        }
    }

    fn optional_int(&self, column: usize) -> Result<Option<i64>, RegistryError> {
        let Some(value) = self.value(column) else { return Ok(None) };
        match *value {
            [a, b] => Ok(Some(i16::from_be_bytes([a, b]).into())),
            [a, b, c, d] => Ok(Some(i32::from_be_bytes([a, b, c, d]).into())),
            [a, b, c, d, e, f, g, h] => Ok(Some(i64::from_be_bytes([a, b, c, d, e, f, g, h]))),
            _ => Err(self.expected(column, "an integer", value)),
        }
    }

    fn optional_float(&self, column: usize) -> Result<Option<f64>, RegistryError> {
        let Some(value) = self.value(column) else { return Ok(None) };
        match *value {
            [a, b, c, d] => Ok(Some(f32::from_be_bytes([a, b, c, d]).into())),
            [a, b, c, d, e, f, g, h] => Ok(Some(f64::from_be_bytes([a, b, c, d, e, f, g, h]))),
            _ => Err(self.expected(column, "a number", value)),
        }
    }

    fn optional_bool(&self, column: usize) -> Result<Option<bool>, RegistryError> {
        let Some(value) = self.value(column) else { return Ok(None) };
        match *value {
            [value @ 0..=1] => Ok(Some(value == 1)),
            _ => Err(self.expected(column, "a truth value", value)),
        }
    }

    fn optional_text(&self, column: usize) -> Result<Option<&str>, RegistryError> {
        let Some(value) = self.value(column) else { return Ok(None) };
        std::str::from_utf8(value).map(Some).map_err(|_| self.corrupt(column, "text is not UTF-8"))
    }

    fn uuid(&self, column: usize) -> Result<[u8; 16], RegistryError> {
        let value = self.value(column).unwrap_or_default();
        value.try_into().map_err(|_| self.expected(column, "a UUID", value))
    }

    /// Unbounded ends of ranges are those of [`Timespan`].
    fn optional_timespan(&self, column: usize) -> Result<Option<Timespan>, RegistryError> {
        let Some(value) = self.value(column) else { return Ok(None) };
        let wrong = || self.expected(column, "a range of integers", value);
        let (&flags, mut bounds) = value.split_first().ok_or_else(wrong)?;
        let has = |flag: u8| flags & flag != 0;
        if has(range::EMPTY) {
            return Ok(Some(Timespan::EMPTY));
        }
        let mut bound = || {
            let (length, rest) = bounds.split_first_chunk().ok_or_else(wrong)?;
            let (value, rest) = rest.split_first_chunk().ok_or_else(wrong)?;
            bounds = rest;
            if i32::from_be_bytes(*length) == 8 {
                Ok(i64::from_be_bytes(*value))
            } else {
                Err(wrong())
            }
        };
        // The database writes ranges of integers with the lower end included and the upper not.
        let begin = match has(range::LOWER_INFINITE) {
            true => TaiNanos::MIN.0,
            false => bound()?.saturating_add(i64::from(!has(range::LOWER_INCLUDED))),
        };
        let end = match has(range::UPPER_INFINITE) {
            true => TaiNanos::MAX.0,
            false => bound()?.saturating_add(i64::from(has(range::UPPER_INCLUDED))),
        };
        if !bounds.is_empty() {
            return Err(wrong());
        }
        Ok(Some(Timespan::from((begin, end))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timespan(value: Option<&[u8]>) -> Result<Option<Timespan>, String> {
        let query = Query::select(Dialect::Postgres { schema: "s" }, "t", &[("t", "timespan")]);
        let field = value.map(|value| (0, value.len() as u32));
        let row = PostgresRow {
            bytes: value.unwrap_or_default(),
            fields: &[field],
            query: &query,
            database: "d",
            number: 3,
        };
        row.optional_timespan(0).map_err(|error| error.to_string())
    }

    fn bytes(flags: u8, bounds: &[i64]) -> Vec<u8> {
        let mut bytes = vec![flags];
        for bound in bounds {
            bytes.extend(8i32.to_be_bytes());
            bytes.extend(bound.to_be_bytes());
        }
        bytes
    }

    #[test]
    fn ranges_are_timespans() {
        let of = |flags, bounds: &[i64]| timespan(Some(&bytes(flags, bounds)));
        let span = |begin, end| Ok(Some(Timespan::from((begin, end))));
        assert_eq!(timespan(None), Ok(None));
        assert_eq!(of(0x02, &[3, 9]), span(3, 9));
        assert_eq!(of(0x04, &[3, 9]), span(4, 10));
        assert_eq!(of(0x18, &[]), Ok(Some(Timespan::UNBOUNDED)));
        assert_eq!(of(0x08, &[9]), span(0, 9));
        assert_eq!(of(0x12, &[9]), span(9, TaiNanos::MAX.0));
        assert_eq!(of(0x01, &[]), Ok(Some(Timespan::EMPTY)));
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for value in [&[][..], &[2], &bytes(2, &[1]), &bytes(2, &[1, 2, 3]), &bytes(0x18, &[1])] {
            let message = timespan(Some(value)).unwrap_err();
            assert!(message.starts_with("d: table `t`, row 3 of the query, column `timespan`: "));
        }
    }
}
