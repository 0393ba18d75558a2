//! Tables of data IDs that a build is restricted to.

use qbb_dimensions::{DataValue, DimensionGroup, ElementIx, KeyType, Symbols, Universe};

use crate::engine::dictionary::Dictionary;
use crate::engine::relation::Relation;
use crate::engine::table_text::TextColumn;

/// Why a table of data IDs cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("data ID table {table}: {problem}")]
pub struct DataIdTableError {
    /// Name of the table.
    pub table: String,
    /// What is wrong, and where.
    pub problem: TableProblem,
}

/// What is wrong with a table of data IDs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TableProblem {
    /// The file breaks its format.
    #[error("line {line}: {what}")]
    Format {
        /// Line number from one.
        line: usize,
        /// What is wrong.
        what: String,
    },
    /// No rows.
    #[error("it has no rows; a table without data IDs would leave nothing")]
    Empty,
    /// A column is no dimension.
    #[error("column `{column}` is no dimension{}", .similar.as_ref().map_or_else(String::new, |name| format!("; did you mean `{name}`?")))]
    UnknownColumn {
        /// The column.
        column: String,
        /// A dimension with a similar name.
        similar: Option<String>,
    },
    /// A required dimension has no column.
    #[error(
        "there is no column `{dimension}`, which a data ID of the others needs; add it, or restrict \
         it to one value with --data-query"
    )]
    MissingColumn {
        /// The dimension.
        dimension: String,
    },
    /// A value does not fit.
    #[error("row {row}, column `{column}`: `{value}` is no {expected}")]
    Value {
        /// Row number from one, not counting the head.
        row: usize,
        /// The column.
        column: String,
        /// The value.
        value: String,
        /// What is expected.
        expected: &'static str,
    },
}

/// A table whose columns are dimensions; quanta must be consistent with one of its rows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DataIdTable {
    /// Name for messages, such as that of the file.
    pub name: String,
    /// Names of dimensions, and their values.
    pub columns: Vec<(String, TextColumn)>,
}

impl DataIdTable {
    /// A table of columns of text; integers are written in decimal digits. Rows beyond the shortest
    /// column are not seen.
    #[must_use]
    pub fn new(name: &str, columns: Vec<(String, TextColumn)>) -> Self {
        Self { name: name.to_owned(), columns }
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.columns.iter().map(|(_, column)| column.len()).min().unwrap_or(0)
    }

    /// Whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Dimensions of its data IDs.
    pub fn group(
        &self,
        universe: &std::sync::Arc<Universe>,
    ) -> Result<DimensionGroup, DataIdTableError> {
        let dimensions = self.dimensions(universe)?;
        Ok(DimensionGroup::of_elements(universe, dimensions))
    }

    /// The dimension of each column.
    fn dimensions(&self, universe: &Universe) -> Result<Vec<ElementIx>, DataIdTableError> {
        let names = || universe.elements().iter().filter(|element| element.is_dimension());
        let dimension = |(name, _): &(String, TextColumn)| {
            names().find(|element| element.name == *name).map(|element| element.ix).ok_or_else(
                || {
                    let similar =
                        qbb_dimensions::nearest_name(name, names().map(|e| e.name.as_str()));
                    let (column, similar) = (name.clone(), similar.map(str::to_owned));
                    self.error(TableProblem::UnknownColumn { column, similar })
                },
            )
        };
        self.columns.iter().map(dimension).collect()
    }

    fn error(&self, problem: TableProblem) -> DataIdTableError {
        DataIdTableError { table: self.name.clone(), problem }
    }
}

/// Values of one required dimension.
#[derive(Debug, Clone)]
enum Values {
    Ints(Vec<i64>),
    /// Position of the column.
    Texts(usize),
    /// Fixed by a condition.
    Constant(DataValue),
}

/// A table that fits the universe.
#[derive(Debug, Clone)]
pub struct PlannedTable {
    /// The table.
    pub table: DataIdTable,
    /// Its dimensions.
    pub group: DimensionGroup,
    /// By required dimension.
    values: Vec<Values>,
}

impl PlannedTable {
    /// Checks a table; `fixed` are dimensions that conditions leave one value, which stand for
    /// columns that are missing.
    pub fn new(
        universe: &std::sync::Arc<Universe>,
        table: &DataIdTable,
        fixed: &[(ElementIx, DataValue)],
    ) -> Result<Self, DataIdTableError> {
        let dimensions = table.dimensions(universe)?;
        if table.is_empty() {
            return Err(table.error(TableProblem::Empty));
        }
        let group = DimensionGroup::of_elements(universe, dimensions.iter().copied());
        let mut values = Vec::new();
        for &dimension in group.required() {
            values.push(match dimensions.iter().position(|&ix| ix == dimension) {
                Some(at) => column_values(universe, table, at, dimension)?,
                None => match fixed.iter().find(|(ix, _)| *ix == dimension) {
                    Some((_, value)) => Values::Constant(value.clone()),
                    None => {
                        let dimension = universe.element(dimension).name.clone();
                        return Err(table.error(TableProblem::MissingColumn { dimension }));
                    }
                },
            });
        }
        Ok(Self { table: table.clone(), group, values })
    }

    /// Values of a dimension that has no records of its own.
    pub fn ints(&self, dimension: ElementIx) -> Option<&[i64]> {
        let at = self.group.required().iter().position(|&ix| ix == dimension)?;
        match &self.values[at] {
            Values::Ints(values) => Some(values),
            _ => None,
        }
    }

    /// The rows with values that exist.
    pub fn relation(&self, dictionary: &Dictionary) -> Relation {
        let symbols = &dictionary.symbols;
        let keys: Vec<Vec<i64>> = (self.values.iter())
            .map(|values| match values {
                Values::Ints(values) => values.clone(),
                Values::Texts(at) => {
                    let column = &self.table.columns[*at].1;
                    (0..self.table.len()).map(|row| known(symbols, column.get(row))).collect()
                }
                Values::Constant(DataValue::Int(value)) => vec![*value; self.table.len()],
                Values::Constant(DataValue::Text(text)) => {
                    vec![known(symbols, text); self.table.len()]
                }
            })
            .collect();
        let (relation, _) = Relation::of_cells(dictionary, &self.group, &keys, self.table.len());
        relation.project(dictionary, &self.group)
    }
}

/// The cell of a text; of one that no record has, a cell that is none.
fn known(symbols: &Symbols, text: &str) -> i64 {
    symbols.find(text).map_or(-1, |symbol| symbol.cell())
}

fn column_values(
    universe: &Universe,
    table: &DataIdTable,
    at: usize,
    dimension: ElementIx,
) -> Result<Values, DataIdTableError> {
    let (name, column) = &table.columns[at];
    let wrong = |row: usize, value: &str, expected| {
        let (column, value) = (name.clone(), value.to_owned());
        table.error(TableProblem::Value { row: row + 1, column, value, expected })
    };
    if universe.element(dimension).key_type() == Some(KeyType::Text) {
        let empty = (0..table.len()).find(|&row| column.get(row).is_empty());
        return match empty {
            Some(row) => Err(wrong(row, "", "value")),
            None => Ok(Values::Texts(at)),
        };
    }
    let mut values = Vec::with_capacity(table.len());
    for row in 0..table.len() {
        let text = column.get(row);
        values.push(text.parse().map_err(|_| wrong(row, text, "integer"))?);
    }
    Ok(Values::Ints(values))
}
