//! A table definition that no database dialect has touched yet.

use qbb_dimensions::{FieldSpec, FieldType};

/// Text columns of at most this many characters have their length checked; longer ones are not
/// limited at all.
const LONGEST_CHECKED: u32 = 32;

/// Type of a column, before a database gives it a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ColumnType {
    /// A primary key that the database counts up.
    Serial,
    /// Two bytes.
    SmallInt,
    /// Eight bytes.
    BigInt,
    /// Text without limit.
    Text,
    /// Text of one to this many characters.
    ShortText(u32),
    /// A UUID.
    Uuid,
    /// Double precision.
    Float,
    /// A truth value.
    Bool,
    /// An interval of TAI nanoseconds.
    Timespan,
}

impl ColumnType {
    /// The type of a field of a dimension element.
    pub(crate) fn of_field(field: FieldType) -> Self {
        match field {
            FieldType::Int => Self::BigInt,
            FieldType::Float => Self::Float,
            FieldType::Bool => Self::Bool,
            FieldType::Text { length: Some(length) } if length <= LONGEST_CHECKED => {
                Self::ShortText(length)
            }
            // Hashes are stored as text, in base64.
            FieldType::Text { .. } | FieldType::Hash { .. } => Self::Text,
        }
    }
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) kind: ColumnType,
    pub(crate) nullable: bool,
    /// Whether it defaults to the unbounded timespan.
    pub(crate) unbounded_by_default: bool,
}

/// A foreign key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ForeignKey {
    pub(crate) columns: Vec<String>,
    pub(crate) table: String,
    pub(crate) targets: Vec<String>,
    /// Whether rows vanish with what they refer to.
    pub(crate) cascade: bool,
}

/// A table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) name: String,
    pub(crate) columns: Vec<Column>,
    pub(crate) primary_key: Vec<String>,
    pub(crate) unique: Vec<Vec<String>>,
    pub(crate) foreign_keys: Vec<ForeignKey>,
    /// Indexes besides those of keys.
    pub(crate) indexes: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// Adds a column that is never null.
    pub(crate) fn column(mut self, name: impl Into<String>, kind: ColumnType) -> Self {
        self.add(name, kind, false);
        self
    }

    /// Adds a column that may be null.
    pub(crate) fn nullable(mut self, name: impl Into<String>, kind: ColumnType) -> Self {
        self.add(name, kind, true);
        self
    }

    /// Adds a column that is never null and part of the primary key.
    pub(crate) fn key(mut self, name: impl Into<String>, kind: ColumnType) -> Self {
        let name = name.into();
        self.primary_key.push(name.clone());
        self.column(name, kind)
    }

    /// Adds a uniqueness constraint.
    pub(crate) fn unique(mut self, columns: &[&str]) -> Self {
        self.unique.push(owned(columns));
        self
    }

    /// Adds a foreign key.
    pub(crate) fn refers(
        mut self,
        columns: &[&str],
        table: &str,
        targets: &[&str],
        cascade: bool,
    ) -> Self {
        self.foreign_keys.push(ForeignKey {
            columns: owned(columns),
            table: table.to_owned(),
            targets: owned(targets),
            cascade,
        });
        self
    }

    /// Adds a column; for tables whose columns come from a universe.
    pub(crate) fn add(&mut self, name: impl Into<String>, kind: ColumnType, nullable: bool) {
        let name = name.into();
        self.columns.push(Column { name, kind, nullable, unbounded_by_default: false });
    }

    /// Adds columns for fields, which are nullable whatever the configuration says.
    pub(crate) fn add_fields<'a>(&mut self, fields: impl IntoIterator<Item = &'a FieldSpec>) {
        for field in fields {
            self.add(field.name.as_str(), ColumnType::of_field(field.kind), true);
        }
    }

    /// Column lists of the indexes that foreign keys need because no key or other index has just
    /// those columns.
    pub(crate) fn foreign_key_indexes(&self) -> impl Iterator<Item = &[String]> {
        self.foreign_keys
            .iter()
            .map(|key| key.columns.as_slice())
            .filter(|columns| *columns != self.primary_key.as_slice())
            .filter(|columns| {
                !self.unique.iter().chain(&self.indexes).any(|other| other == columns)
            })
    }
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_short_text_is_limited() {
        let of = |length| ColumnType::of_field(FieldType::Text { length });
        assert_eq!(of(Some(32)), ColumnType::ShortText(32));
        assert_eq!(of(Some(33)), ColumnType::Text);
        assert_eq!(of(None), ColumnType::Text);
    }

    #[test]
    fn foreign_keys_are_indexed_unless_a_key_has_their_columns() {
        let table = Table::new("t")
            .key("a", ColumnType::BigInt)
            .column("b", ColumnType::BigInt)
            .column("c", ColumnType::BigInt)
            .unique(&["b"])
            .refers(&["a"], "x", &["id"], false)
            .refers(&["b"], "y", &["id"], false)
            .refers(&["a", "c"], "z", &["id", "c"], false);
        assert_eq!(table.foreign_key_indexes().collect::<Vec<_>>(), [["a", "c"]]);
    }
}
