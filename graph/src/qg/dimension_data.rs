//! Dimension records as JSON.

use qbb_dimensions::{FieldColumn, RecordTable};

use super::json;
use crate::error::Result;
use crate::expansion::RecordSelection;
use crate::model::{QuantumGraph, QuantumIx};

impl QuantumGraph {
    /// The `dimension_data` member: all dimension records. Elements that were asked for without
    /// any record being found are there with an empty list, as the middleware's builder has them.
    pub fn all_dimension_data_json(&self) -> Vec<u8> {
        self.write_dimension_data(
            (self.dimension_records.iter()).map(|table| (table, 0..table.len() as u32)),
        )
    }

    /// The same for the records that expand a quantum and its datasets.
    ///
    /// # Errors
    /// If a number of the quantum points nowhere.
    pub fn dimension_data_json(&self, quantum: QuantumIx) -> Result<Vec<u8>> {
        self.check_quantum(quantum)?;
        Ok(self.selected_dimension_data_json(&self.dimension_data(self.quantum_data_ids(quantum))))
    }

    /// The same for a selection of records of this graph.
    pub fn selected_dimension_data_json(&self, selection: &RecordSelection) -> Vec<u8> {
        self.write_dimension_data(
            (selection.tables.iter())
                .map(|(table, rows)| (&self.dimension_records[*table], rows.iter().copied())),
        )
    }

    fn write_dimension_data<'a, R: ExactSizeIterator<Item = u32>>(
        &self,
        tables: impl Iterator<Item = (&'a RecordTable, R)>,
    ) -> Vec<u8> {
        let mut out = vec![b'{'];
        let mut first = true;
        for (table, rows) in tables {
            json::key(&mut out, &mut first, &self.universe().element(table.element).name);
            json::list(&mut out, rows, |out, row| self.write_dimension_record(table, row, out));
        }
        out.push(b'}');
        out
    }

    fn write_dimension_record(&self, table: &RecordTable, row: u32, out: &mut Vec<u8>) {
        let universe = self.universe();
        let element = universe.element(table.element);
        let at = row as usize;
        out.push(b'[');
        let dimensions = element.required.iter().chain(&element.implied);
        for (&ix, column) in dimensions.zip(table.keys.iter().chain(&table.implied)) {
            self.write_cell(universe.element(ix).key_type(), column[at], out);
            out.push(b',');
        }
        for field in &table.fields {
            self.write_field(field, at, out);
            out.push(b',');
        }
        if element.is_spatial() {
            match table.region(row) {
                Some(region) => json::hex(out, region),
                None => out.extend_from_slice(b"null"),
            }
            out.push(b',');
        }
        if element.is_temporal() {
            match table.timespan(row) {
                Some(timespan) => {
                    json::list(out, [timespan.begin.0, timespan.end.0], json::int);
                }
                None => out.extend_from_slice(b"null"),
            }
            out.push(b',');
        }
        if out.last() == Some(&b',') {
            out.pop();
        }
        out.push(b']');
    }

    fn write_field(&self, field: &FieldColumn, row: usize, out: &mut Vec<u8>) {
        let null = |out: &mut Vec<u8>| out.extend_from_slice(b"null");
        match field {
            FieldColumn::Int(values) => match values[row] {
                Some(value) => json::int(out, value),
                None => null(out),
            },
            FieldColumn::Float(values) => match values[row] {
                Some(value) => json::float(out, value),
                None => null(out),
            },
            FieldColumn::Bool(values) => match values[row] {
                Some(value) => out.extend_from_slice(if value { b"true" } else { b"false" }),
                None => null(out),
            },
            FieldColumn::Text(values) => {
                json::optional_string(out, values[row].and_then(|symbol| self.symbols.get(symbol)));
            }
            FieldColumn::Bytes(values) => match &values[row] {
                Some(bytes) => json::hex(out, bytes),
                None => null(out),
            },
        }
    }
}
