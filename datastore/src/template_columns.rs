//! Rows for path templates from data ID and record tables.

use qbb_dimensions::{
    DataIdIndex, DataIdTable, DimensionGroup, FieldColumn, KeyType, RecordTable, Symbols, Universe,
};

use crate::compiled_template::{CompiledTemplate, FieldValue, TemplateRow};

/// The columns that a template needs, looked up once for all rows of a data ID table.
#[derive(Debug)]
pub struct TemplateColumns<'a> {
    symbols: &'a Symbols,
    dimensions: Vec<Option<KeyColumn<'a>>>,
    record_fields: Vec<Option<RecordColumn<'a>>>,
    /// Record tables that are used, each with its rows by key.
    records: Vec<Records<'a>>,
}

#[derive(Debug, Clone, Copy)]
struct KeyColumn<'a> {
    cells: &'a [i64],
    is_text: bool,
}

#[derive(Debug)]
struct RecordColumn<'a> {
    /// Position in `records`.
    records: usize,
    values: Values<'a>,
}

#[derive(Debug, Clone, Copy)]
enum Values<'a> {
    Key(KeyColumn<'a>),
    Field(&'a FieldColumn),
}

/// Records of one element, and for each row of the data ID table which of them belongs to it.
#[derive(Debug)]
struct Records<'a> {
    table: &'a RecordTable,
    rows: Vec<Option<u32>>,
}

/// One row of [`TemplateColumns`].
#[derive(Debug, Clone, Copy)]
pub struct TemplateColumnsRow<'a> {
    columns: &'a TemplateColumns<'a>,
    row: usize,
}

impl<'a> TemplateColumns<'a> {
    /// Looks up all that `template` needs. `records` gives the record table of an element, if it is
    /// known; what is missing is an error only when a path is expanded.
    pub fn new(
        template: &CompiledTemplate,
        data_ids: &'a DataIdTable,
        records: impl Fn(qbb_dimensions::ElementIx) -> Option<&'a RecordTable>,
        symbols: &'a Symbols,
    ) -> Self {
        let group = data_ids.group();
        let universe = group.universe();
        let key = |ix| {
            let cells: &'a [i64] = &data_ids.columns()[group.key_position(ix)?];
            let is_text = universe.element(ix).key_type() == Some(KeyType::Text);
            Some(KeyColumn { cells, is_text })
        };
        let mut used: Vec<Records<'a>> = Vec::new();
        let mut record_fields = Vec::with_capacity(template.record_fields().len());
        for field in template.record_fields() {
            let column = records(field.element).and_then(|table| {
                let values = column_of(table, universe, &field.name)?;
                let records = used.iter().position(|r| r.table.element == field.element);
                let records = records.unwrap_or_else(|| {
                    used.push(Records { table, rows: match_rows(table, data_ids) });
                    used.len() - 1
                });
                Some(RecordColumn { records, values })
            });
            record_fields.push(column);
        }
        let dimensions = template.dimensions().iter().map(|&ix| key(ix)).collect();
        Self { symbols, dimensions, record_fields, records: used }
    }

    /// The row of a data ID.
    pub fn row(&'a self, row: u32) -> TemplateColumnsRow<'a> {
        TemplateColumnsRow { columns: self, row: row as usize }
    }

    fn key_value(&self, column: KeyColumn<'_>, row: usize) -> Option<FieldValue<'_>> {
        let cell = *column.cells.get(row)?;
        if column.is_text {
            self.symbols.of_cell(cell).map(FieldValue::Text)
        } else {
            Some(FieldValue::Int(cell))
        }
    }

    fn field_value(&self, column: &FieldColumn, row: usize) -> Option<FieldValue<'_>> {
        Some(match column {
            FieldColumn::Int(values) => values.get(row)?.map_or(FieldValue::Null, FieldValue::Int),
            FieldColumn::Float(values) => {
                values.get(row)?.map_or(FieldValue::Null, FieldValue::Float)
            }
            FieldColumn::Bool(values) => {
                values.get(row)?.map_or(FieldValue::Null, FieldValue::Bool)
            }
            FieldColumn::Text(values) => match values.get(row)? {
                Some(symbol) => FieldValue::Text(self.symbols.get(*symbol)?),
                None => FieldValue::Null,
            },
            FieldColumn::Bytes(_) => return None,
        })
    }
}

impl TemplateRow for TemplateColumnsRow<'_> {
    fn dimension(&self, slot: usize) -> Option<FieldValue<'_>> {
        let column = (*self.columns.dimensions.get(slot)?)?;
        self.columns.key_value(column, self.row)
    }

    fn record_field(&self, slot: usize) -> Option<FieldValue<'_>> {
        let column = self.columns.record_fields.get(slot)?.as_ref()?;
        let row = (*self.columns.records.get(column.records)?.rows.get(self.row)?)? as usize;
        match column.values {
            Values::Key(key) => self.columns.key_value(key, row),
            Values::Field(field) => self.columns.field_value(field, row),
        }
    }
}

/// The column of a record table that a name stands for: the element's own key by the name of its
/// column, other dimensions by their names, then alternate keys and metadata.
fn column_of<'a>(table: &'a RecordTable, universe: &Universe, name: &str) -> Option<Values<'a>> {
    let element = universe.element(table.element);
    let dimensions = element.required.iter().chain(&element.implied);
    for (&ix, cells) in dimensions.zip(table.keys.iter().chain(&table.implied)) {
        let dimension = universe.element(ix);
        let is_own = ix == element.ix;
        let column = dimension.key_column().map_or("id", |column| column.name.as_str());
        if (if is_own { column } else { &dimension.name }) == name {
            let is_text = dimension.key_type() == Some(KeyType::Text);
            return Some(Values::Key(KeyColumn { cells, is_text }));
        }
    }
    table.field(universe, name).map(Values::Field)
}

/// For each data ID the row of the element's record.
fn match_rows(table: &RecordTable, data_ids: &DataIdTable) -> Vec<Option<u32>> {
    let group = data_ids.group();
    let element_group = DimensionGroup::of_elements(group.universe(), [table.element]);
    let required = &group.universe().element(table.element).required;
    // An index over the element's keys; implied dimensions do not take part in look-ups.
    let mut index = DataIdIndex::new(element_group.clone());
    let mut numbers = Vec::with_capacity(table.len());
    let position = |ix| required.iter().position(|&r| r == ix);
    let positions: Vec<Option<usize>> =
        element_group.keys().iter().map(|&ix| position(ix)).collect();
    let mut cells = vec![0; positions.len()];
    for row in 0..table.len() {
        for (cell, position) in cells.iter_mut().zip(&positions) {
            *cell = position.map_or(0, |position| table.keys[position][row]);
        }
        if index.insert(&cells) as usize == numbers.len() {
            numbers.push(row as u32);
        }
    }
    let columns: Option<Vec<&[i64]>> = (element_group.required().iter())
        .map(|&ix| group.key_position(ix).map(|position| &*data_ids.columns()[position]))
        .collect();
    let Some(columns) = columns else { return vec![None; data_ids.len()] };
    let mut wanted = vec![0; columns.len()];
    (0..data_ids.len())
        .map(|row| {
            for (cell, column) in wanted.iter_mut().zip(&columns) {
                *cell = column[row];
            }
            index.find(&wanted).map(|number| numbers[number as usize])
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use qbb_dimensions::{Column, RecordTable};
    use serde_json::json;

    use super::*;
    use crate::lookup::tests::dataset_type;
    use crate::{PathTemplate, TemplateProblem};

    #[test]
    fn paths_from_tables() {
        let dataset_type = dataset_type("raw", "exposure detector", "X");
        let universe = dataset_type.dimensions.universe();
        let mut symbols = Symbols::default();
        let exposure = universe.find("exposure").unwrap();
        let mut records = RecordTable::new(exposure);
        for (id, obs_id) in [(7, "o7"), (9, "o9")] {
            let n_fields = exposure.alternate_keys.len() + exposure.metadata.len();
            let mut row = vec![json!("Cam"), json!(id)];
            row.extend(exposure.implied.iter().map(|&ix| match universe.element(ix).key_type() {
                Some(KeyType::Text) => json!("x"),
                _ => json!(20_250_101),
            }));
            let fields = exposure.alternate_keys.iter().chain(&exposure.metadata);
            row.extend(
                fields.map(|f| if f.name == "obs_id" { json!(obs_id) } else { json!(null) }),
            );
            assert_eq!(row.len(), 2 + exposure.implied.len() + n_fields);
            row.extend(exposure.is_spatial().then_some(json!(null)));
            row.extend(exposure.is_temporal().then_some(json!(null)));
            records.push_json(&row, universe, &mut symbols).unwrap();
        }
        let cam = symbols.intern("Cam").cell();
        let group = dataset_type.dimensions.clone();
        let columns: Vec<Column<i64>> = (group.keys().iter())
            .map(|&ix| match universe.element(ix).name.as_str() {
                "exposure" => vec![9, 7, 8],
                "detector" => vec![1, 2, 3],
                _ => vec![cam; 3],
            })
            .map(Column::from)
            .collect();
        let data_ids = DataIdTable::new(group, columns, 3).unwrap();
        let template = PathTemplate::parse("{run}/{instrument}/{exposure.obs_id}_{detector:02d}")
            .unwrap()
            .compile(&dataset_type, None)
            .unwrap();
        let columns = TemplateColumns::new(
            &template,
            &data_ids,
            |ix| (ix == exposure.ix).then_some(&records),
            &symbols,
        );
        let expand = |row| {
            let mut path = String::new();
            template.expand("r", "", &columns.row(row), &mut path).map(|()| path)
        };
        assert_eq!(expand(0).unwrap(), "r/Cam/o9_01");
        assert_eq!(expand(1).unwrap(), "r/Cam/o7_02");
        let problem = expand(2).unwrap_err().problem;
        assert!(matches!(problem, TemplateProblem::MissingValue { .. }), "{problem}");
    }
}
