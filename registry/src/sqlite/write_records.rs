//! Inserting dimension records.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use qbb_dimensions::{DimensionElement, ElementIx, FieldColumn, RecordTable, Symbols};
use rusqlite::types::ValueRef;

use super::data_ids::{
    CHUNK, borrowed, cell_value, describe, describe_value, json_list, push_json_value,
};
use super::rows::select;
use super::transaction::SqliteTransaction;
use crate::error::{Conflict, ConflictKind, RegistryError};
use crate::reading::{Dialect, RecordColumn, ResultRow as _, Role, quoted, record_columns};

/// Records of one element on their way into its table.
pub(super) struct Records<'a> {
    pub(super) transaction: &'a SqliteTransaction<'a>,
    pub(super) element: &'a DimensionElement,
    pub(super) table: &'a RecordTable,
    pub(super) symbols: &'a Symbols,
    columns: Vec<RecordColumn<'a>>,
}

impl SqliteTransaction<'_> {
    pub(super) fn write_records(
        &self,
        tables: &[RecordTable],
        symbols: &Symbols,
    ) -> Result<u64, RegistryError> {
        // What an element refers to comes before it in the universe's order.
        let mut order: Vec<&RecordTable> = tables.iter().collect();
        order.sort_by_key(|table| table.element);
        let mut total = 0;
        for table in order {
            let Some(records) = Records::new(self, table, symbols)? else { continue };
            let (new, known) = records.insert()?;
            for rows in known.chunks(CHUNK) {
                records.verify(rows)?;
            }
            if records.element.is_governor() {
                records.insert_overlap_summaries(&new)?;
            }
            if records.element.is_spatial() {
                records.insert_overlaps(&new)?;
            }
            total += new.len() as u64;
        }
        Ok(total)
    }
}

impl<'a> Records<'a> {
    /// `None` if records of the element are not stored: those of views are columns of others, and
    /// sky pixels are computed.
    fn new(
        transaction: &'a SqliteTransaction<'_>,
        table: &'a RecordTable,
        symbols: &'a Symbols,
    ) -> Result<Option<Self>, RegistryError> {
        let universe = transaction.universe;
        let element = universe.elements().get(table.element.index());
        let fits = element.is_some_and(|element| {
            let empty = RecordTable::new(element);
            let kinds = |table: &RecordTable| {
                table.fields.iter().map(std::mem::discriminant).collect::<Vec<_>>()
            };
            empty.keys.len() == table.keys.len()
                && empty.implied.len() == table.implied.len()
                && kinds(&empty) == kinds(table)
                && empty.regions.is_some() == table.regions.is_some()
                && empty.timespans.is_some() == table.timespans.is_some()
        });
        let Some(element) = element.filter(|_| fits) else {
            return Err(RegistryError::UnsupportedUniverse {
                namespace: universe.namespace().to_owned(),
                version: universe.version(),
                reason: "dimension records of another universe were handed over".to_owned(),
            });
        };
        let columns = record_columns(universe, element, Dialect::Sqlite);
        Ok(element.has_table().then_some(Self { transaction, element, table, symbols, columns }))
    }

    /// Inserts all records that are new; returns the rows that were, and those that were not.
    fn insert(&self) -> Result<(Vec<usize>, Vec<usize>), RegistryError> {
        let names: Vec<String> = self.columns.iter().map(|column| quoted(column.name)).collect();
        let sql = format!(
            "INSERT INTO {} ({}) VALUES ({}) ON CONFLICT DO NOTHING",
            quoted(&self.element.name),
            names.join(", "),
            vec!["?"; names.len()].join(", ")
        );
        let fail = |error| self.transaction.database.failure("insert dimension records", error);
        let mut statement = self.transaction.connection().prepare_cached(&sql).map_err(fail)?;
        let (mut new, mut known) = (Vec::new(), Vec::new());
        let mut buffer = String::new();
        for row in 0..self.table.len() {
            for (at, column) in self.columns.iter().enumerate() {
                let value = self.value(column.role, row, &mut buffer)?;
                statement.raw_bind_parameter(at + 1, borrowed(value)).map_err(fail)?;
            }
            match statement.raw_execute() {
                Ok(0) => known.push(row),
                Ok(_) => new.push(row),
                Err(error) => {
                    let others: Vec<ElementIx> = (self.element.required.iter())
                        .chain(&self.element.implied)
                        .copied()
                        .filter(|&ix| ix != self.element.ix)
                        .collect();
                    let what = || format!("{} {}", self.element.name, self.describe(row));
                    return Err(self.transaction.insertion_failure(error, what, &others, |ix| {
                        self.dimension_value(ix, row)
                    }));
                }
            }
        }
        Ok((new, known))
    }

    /// Checks that records which were there already say the same.
    fn verify(&self, rows: &[usize]) -> Result<(), RegistryError> {
        let json = json_list(rows, |json, row| {
            json.push('[');
            for at in 0..self.element.required.len() {
                json.push_str(if at == 0 { "" } else { "," });
                push_json_value(json, self.key(at, row));
            }
            json.push(']');
        });
        let names: Vec<_> =
            (self.columns.iter().map(|column| ("t", column.name))).chain([("j", "key")]).collect();
        let mut query = select(&self.element.name, &names);
        query.push(" FROM json_each(").bind(json).push(") j CROSS JOIN ");
        query.push(&format!("{} t ON 1", quoted(&self.element.name)));
        for (at, column) in self.columns[..self.element.required.len()].iter().enumerate() {
            query.push(&format!(" AND t.{} = j.value ->> {at}", quoted(column.name)));
        }
        let mut seen = vec![false; rows.len()];
        let mut buffer = String::new();
        self.transaction.each(&query, |result| {
            let key = result.int(self.columns.len())? as usize;
            let &row = rows.get(key).ok_or_else(|| result.corrupt(0, "row out of range"))?;
            seen[key] = true;
            for (at, column) in self.columns.iter().enumerate() {
                let wanted = self.value(column.role, row, &mut buffer)?;
                let existing = result.value(at)?;
                if existing != wanted {
                    let show = |value| shortened(&describe_value(value));
                    return Err(self.conflict(row, column.name, &show(existing), &show(wanted)));
                }
            }
            Ok(())
        })?;
        // No record has the primary key, so it was an alternate one that stood in the way.
        match seen.iter().position(|seen| !seen) {
            Some(key) => {
                let names: Vec<&str> =
                    self.element.alternate_keys.iter().map(|key| key.name.as_str()).collect();
                let existing = format!("the same {} in another record", names.join(" or "));
                Err(self.conflict(rows[key], "key", &existing, "unique"))
            }
            None => Ok(()),
        }
    }

    fn conflict(&self, row: usize, column: &str, existing: &str, wanted: &str) -> RegistryError {
        let conflict = Conflict {
            kind: ConflictKind::DimensionRecord,
            key: format!("{} {}", self.element.name, self.describe(row)),
            existing: format!("of {column} {existing}"),
            requested: format!("of {column} {wanted}"),
        };
        conflict.into()
    }

    /// The value of a column of a row, as the database stores it; text made for it lands in the
    /// buffer.
    fn value<'v>(
        &'v self,
        role: Role,
        row: usize,
        buffer: &'v mut String,
    ) -> Result<ValueRef<'v>, RegistryError> {
        let mut encoded = |bytes: &[u8]| {
            buffer.clear();
            STANDARD.encode_string(bytes, buffer);
        };
        Ok(match role {
            Role::Key(at) => self.key(at, row),
            Role::Implied(at) => {
                let dimension = self.element.implied[at];
                self.cell(dimension, self.table.implied[at][row])
            }
            Role::Field(at) => match &self.table.fields[at] {
                FieldColumn::Int(values) => values[row].map_or(ValueRef::Null, ValueRef::Integer),
                // A NaN is stored as null.
                FieldColumn::Float(values) => {
                    values[row].filter(|v| !v.is_nan()).map_or(ValueRef::Null, ValueRef::Real)
                }
                FieldColumn::Bool(values) => {
                    values[row].map_or(ValueRef::Null, |value| ValueRef::Integer(value.into()))
                }
                FieldColumn::Text(values) => match values[row] {
                    Some(symbol) => self.text(symbol.cell())?,
                    None => ValueRef::Null,
                },
                FieldColumn::Bytes(values) => match &values[row] {
                    Some(bytes) => {
                        encoded(bytes);
                        ValueRef::Text(buffer.as_bytes())
                    }
                    None => ValueRef::Null,
                },
            },
            Role::Region => match self.table.region(row as u32) {
                Some(bytes) => {
                    encoded(bytes);
                    ValueRef::Text(buffer.as_bytes())
                }
                None => ValueRef::Null,
            },
            Role::Timespan => {
                let timespan = self.table.timespan(row as u32);
                timespan.map_or(ValueRef::Null, |timespan| ValueRef::Integer(timespan.begin.0))
            }
            Role::TimespanEnd => {
                let timespan = self.table.timespan(row as u32);
                timespan.map_or(ValueRef::Null, |timespan| ValueRef::Integer(timespan.end.0))
            }
        })
    }

    fn text(&self, cell: i64) -> Result<ValueRef<'a>, RegistryError> {
        let text = self.symbols.of_cell(cell).ok_or_else(|| RegistryError::Invalid {
            what: format!("record of {}", self.element.name),
            reason: format!("{cell} is no symbol"),
        })?;
        Ok(ValueRef::Text(text.as_bytes()))
    }

    fn cell(&self, dimension: ElementIx, cell: i64) -> ValueRef<'a> {
        cell_value(self.transaction.universe, dimension, cell, self.symbols)
    }

    /// The value of a required dimension, by position.
    pub(super) fn key(&self, at: usize, row: usize) -> ValueRef<'a> {
        self.cell(self.element.required[at], self.table.keys[at][row])
    }

    fn dimension_value(&self, dimension: ElementIx, row: usize) -> Option<ValueRef<'a>> {
        let at = |list: &[ElementIx]| list.iter().position(|&ix| ix == dimension);
        if let Some(at) = at(&self.element.required) {
            return Some(self.key(at, row));
        }
        let at = at(&self.element.implied)?;
        Some(self.cell(dimension, self.table.implied[at][row]))
    }

    /// The data ID of a row, for people.
    pub(super) fn describe(&self, row: usize) -> String {
        let required = self.element.required.iter().enumerate();
        describe(self.transaction.universe, required.map(|(at, &ix)| (ix, self.key(at, row))))
    }
}

/// Regions in base64 would fill a screen.
fn shortened(text: &str) -> String {
    const LONGEST: usize = 60;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
