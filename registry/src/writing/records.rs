//! Inserting dimension records.

use qbb_dimensions::{DimensionElement, ElementIx, FieldColumn, RecordTable, Symbols, Universe};

use super::source::{BulkColumn, ROW, Staged, Violation, WriteSource, staged_row};
use super::transaction::{StagedDimensions, TableTransaction};
use super::value::{Value, describe};
use crate::error::{Conflict, ConflictKind, RegistryError};
use crate::reading::{Dialect, Query, ResultRow, Role, quoted, record_columns};
use crate::schema::{Column, ColumnType, element_table, key_column_name};

/// Records of one element on their way into its table.
pub(super) struct Records<'a, S> {
    pub(super) source: &'a S,
    pub(super) universe: &'a std::sync::Arc<Universe>,
    pub(super) element: &'a DimensionElement,
    pub(super) table: &'a RecordTable,
    symbols: &'a Symbols,
    /// Columns of the element's table, and what is in them.
    columns: Vec<(Column, Role)>,
}

impl<S: WriteSource> TableTransaction<'_, S> {
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
            total += records.write()?;
        }
        Ok(total)
    }
}

impl<'a, S: WriteSource> Records<'a, S> {
    /// `None` if records of the element are not stored: those of views are columns of others, and
    /// sky pixels are computed.
    fn new(
        transaction: &'a TableTransaction<'_, S>,
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
        if !element.has_table() || table.is_empty() {
            return Ok(None);
        }
        // Both lists have the element's columns in the same order, timespans in one column.
        let roles = record_columns(universe, element, Dialect::Sqlite);
        let roles = roles.into_iter().map(|column| column.role);
        let roles = roles.filter(|role| *role != Role::TimespanEnd);
        let columns = element_table(universe, element).columns.into_iter().zip(roles).collect();
        let source = &transaction.source;
        let records = Self { source, universe, element, table, symbols, columns };
        records.check_texts()?;
        Ok(Some(records))
    }

    /// Checks that texts are known and as long as the schema allows, which not every database does.
    fn check_texts(&self) -> Result<(), RegistryError> {
        for (column, role) in &self.columns {
            let (shortest, longest) = match column.kind {
                ColumnType::ShortText(length) => (1, length as usize),
                ColumnType::Text => (0, usize::MAX),
                _ => continue,
            };
            for row in 0..self.table.len() {
                let invalid = |reason: String| RegistryError::Invalid {
                    what: format!("{} {}", self.element.name, self.describe(row)),
                    reason,
                };
                match self.value(*role, row) {
                    Value::Text(text) => {
                        let length = text.chars().count();
                        if length < shortest || length > longest {
                            return Err(invalid(format!(
                                "{} `{text}` must have 1 to {longest} characters",
                                column.name
                            )));
                        }
                    }
                    Value::Null if !column.nullable => {
                        return Err(invalid(format!("{} is no known symbol", column.name)));
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// Inserts all records that are new, with what follows from them; returns how many these are.
    fn write(&self) -> Result<u64, RegistryError> {
        let columns: Vec<BulkColumn<'_>> = (self.columns.iter())
            .map(|(column, role)| {
                let role = *role;
                BulkColumn::new(&column.name, column.kind, move |row| self.value(role, row))
            })
            .collect();
        let names: Vec<&str> = columns.iter().map(|column| column.name).collect();
        let staged = self.source.stage(&columns, 0..self.table.len())?;
        let has_overlaps = self.element.is_governor() || self.element.is_spatial();
        let new = if has_overlaps { self.new_rows(&staged)? } else { Vec::new() };
        let insertion = staged.insertion(&self.element.name, &names);
        let inserted = self.source.attempt("insert dimension records", &insertion)?;
        let inserted = inserted.map_err(|violation| self.failure(&staged, violation))?;
        if inserted < staged.len() {
            self.check_same(&staged)?;
        }
        if self.element.is_governor() {
            self.insert_overlap_summaries(&new)?;
        }
        if self.element.is_spatial() {
            self.insert_overlaps(&new)?;
        }
        Ok(inserted)
    }

    /// Rows whose record is not there.
    fn new_rows(&self, staged: &Staged<'_, S>) -> Result<Vec<usize>, RegistryError> {
        let mut query = Query::select(self.source.dialect(), &self.element.name, &[("s", ROW)]);
        query.push(&format!(" FROM {} s WHERE ", staged.table()));
        self.push_absent(&mut query);
        query.push(&format!(" ORDER BY s.{ROW}"));
        let mut rows = Vec::new();
        self.source.each(&query, |row| {
            rows.push(staged_row(row, 0)?);
            Ok(())
        })?;
        Ok(rows)
    }

    /// Adds the condition that there is no record with the key of the staged row `s`.
    fn push_absent(&self, query: &mut Query<'_>) {
        query.push("NOT EXISTS (SELECT 1 FROM ").push_table(&self.element.name);
        query.push(" t WHERE ").push(&self.same_key()).push(")");
    }

    fn same_key(&self) -> String {
        let keys = self.columns[..self.element.required.len()].iter();
        let same: Vec<String> =
            keys.map(|(column, _)| format!("t.{0} = s.{0}", quoted(&column.name))).collect();
        same.join(" AND ")
    }

    /// Checks that records which were there already say the same.
    fn check_same(&self, staged: &Staged<'_, S>) -> Result<(), RegistryError> {
        let dialect = self.source.dialect();
        let physical: Vec<&str> = (self.columns.iter())
            .flat_map(|(column, _)| dialect.physical_columns(&column.name))
            .collect();
        let mut columns = vec![("s", ROW)];
        columns.extend(physical.iter().map(|name| ("t", *name)));
        let mut query = Query::select(dialect, &self.element.name, &columns);
        query.push(&format!(" FROM {} s {} ", staged.table(), dialect.ordered_join()));
        query.push_table(&self.element.name).push(" t ON ").push(&self.same_key());
        for (i, name) in physical.iter().map(|name| quoted(name)).enumerate() {
            query.push(if i == 0 { " WHERE (" } else { " OR " });
            query.push(&format!("t.{name} IS DISTINCT FROM s.{name}"));
        }
        query.push(&format!(") ORDER BY s.{ROW} LIMIT 1"));
        let mut conflict = None;
        self.source.each(&query, |result| {
            conflict = Some(self.difference(result)?);
            Ok(())
        })?;
        if let Some(conflict) = conflict {
            return Err(conflict.into());
        }
        // Where no record has the primary key, it was an alternate one that stood in the way.
        let rival = staged.first_where(&self.element.name, |query| self.push_absent(query))?;
        match rival {
            Some(row) => {
                let names: Vec<&str> =
                    self.element.alternate_keys.iter().map(|key| key.name.as_str()).collect();
                let existing = format!("the same {} in another record", names.join(" or "));
                Err(self.conflict(row, "key", &existing, "unique").into())
            }
            None => Ok(()),
        }
    }

    /// What a record that is there says differently; the result has its columns after the row.
    fn difference(&self, result: &impl ResultRow) -> Result<Conflict, RegistryError> {
        let row = staged_row(result, 0)?;
        if row >= self.table.len() {
            return Err(result.corrupt(0, "row out of range"));
        }
        let mut at = 1;
        for (column, role) in &self.columns {
            let existing = match column.kind {
                ColumnType::Float => result.optional_float(at)?.map_or(Value::Null, Value::Float),
                ColumnType::Bool => result.optional_bool(at)?.map_or(Value::Null, Value::Bool),
                ColumnType::Timespan => {
                    result.optional_timespan(at)?.map_or(Value::Null, Value::Timespan)
                }
                ColumnType::Text | ColumnType::ShortText(_) => {
                    result.optional_text(at)?.map_or(Value::Null, Value::Text)
                }
                _ => result.optional_int(at)?.map_or(Value::Null, Value::Int),
            };
            let (existing, wanted) = (existing.to_string(), self.value(*role, row).to_string());
            if existing != wanted {
                let (existing, wanted) = (shortened(&existing), shortened(&wanted));
                return Ok(self.conflict(row, &column.name, &existing, &wanted));
            }
            at += self.source.dialect().physical_columns(&column.name).len();
        }
        Ok(self.conflict(row, "record", "something else", "this"))
    }

    fn conflict(&self, row: usize, column: &str, existing: &str, wanted: &str) -> Conflict {
        Conflict {
            kind: ConflictKind::DimensionRecord,
            key: format!("{} {}", self.element.name, self.describe(row)),
            existing: format!("of {column} {existing}"),
            requested: format!("of {column} {wanted}"),
        }
    }

    /// The value of a column of a row.
    pub(super) fn value(&self, role: Role, row: usize) -> Value<'a> {
        match role {
            Role::Key(at) => self.key(at, row),
            Role::Implied(at) => self.cell(self.element.implied[at], self.table.implied[at][row]),
            Role::Field(at) => match &self.table.fields[at] {
                FieldColumn::Int(values) => values[row].map_or(Value::Null, Value::Int),
                // A NaN is stored as null.
                FieldColumn::Float(values) => {
                    values[row].filter(|v| !v.is_nan()).map_or(Value::Null, Value::Float)
                }
                FieldColumn::Bool(values) => values[row].map_or(Value::Null, Value::Bool),
                FieldColumn::Text(values) => (values[row])
                    .and_then(|symbol| self.symbols.of_cell(symbol.cell()))
                    .map_or(Value::Null, Value::Text),
                FieldColumn::Bytes(values) => {
                    values[row].as_deref().map_or(Value::Null, Value::Base64)
                }
            },
            Role::Region => self.table.region(row as u32).map_or(Value::Null, Value::Base64),
            Role::Timespan | Role::TimespanEnd => {
                self.table.timespan(row as u32).map_or(Value::Null, Value::Timespan)
            }
        }
    }

    fn cell(&self, dimension: ElementIx, cell: i64) -> Value<'a> {
        Value::of_cell(self.universe, dimension, cell, self.symbols)
    }

    /// The value of a required dimension, by position.
    pub(super) fn key(&self, at: usize, row: usize) -> Value<'a> {
        self.cell(self.element.required[at], self.table.keys[at][row])
    }

    /// The data ID of a row, for people.
    pub(super) fn describe(&self, row: usize) -> String {
        let required = self.element.required.iter().enumerate();
        describe(self.universe, required.map(|(at, &ix)| (ix, self.key(at, row))))
    }

    /// The error of the statement that has inserted the staged records.
    fn failure(&self, staged: &Staged<'_, S>, violation: Violation) -> RegistryError {
        let others: Vec<(ElementIx, Role)> = (self.element.required.iter().enumerate())
            .map(|(at, &ix)| (ix, Role::Key(at)))
            .chain(
                (self.element.implied.iter().enumerate()).map(|(at, &ix)| (ix, Role::Implied(at))),
            )
            .filter(|&(ix, _)| ix != self.element.ix)
            .collect();
        let column = |ix| key_column_name(self.universe, self.element, ix);
        let dimensions = StagedDimensions {
            universe: self.universe,
            columns: others.iter().map(|&(ix, _)| (ix, column(ix))).collect(),
        };
        let what = |row: Option<usize>| match row {
            Some(row) => format!("{} {}", self.element.name, self.describe(row)),
            None => format!("records of {}", self.element.name),
        };
        dimensions.failure(staged, violation, what, |at, row| self.value(others[at].1, row))
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
