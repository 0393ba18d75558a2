//! Results of queries as Parquet.
//!
//! UUIDs are text, since astropy cannot read that logical type and arrow cannot compute with it;
//! regions and hashes are bytes, and a timespan is two columns of nanoseconds, `timespan_begin` and
//! `timespan_end`, as timestamps without a time zone, since they are TAI; what is unbounded is null
//! there.

use std::io::{self, Write};
use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, TimeUnit, Type as Physical, ZstdLevel};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::{ColumnPath, Type, TypePtr};
use qbb_dimensions::Timespan;

use super::results::{Cell, ColumnType, ResultTable, UnitedColumn, united};

/// The most rows of a row group, whose columns are held in memory until they are complete.
const GROUP: usize = 1 << 18;
/// Rows that are handed over together.
const BATCH: usize = 1 << 13;

/// Writes tables as one with the columns of all of them, group of rows by group of rows.
pub fn write_parquet(out: &mut (dyn Write + Send), tables: &[ResultTable<'_>]) -> io::Result<()> {
    write(out, tables, GROUP).map_err(|error| match error {
        ParquetError::External(error) => match error.downcast::<io::Error>() {
            Ok(error) => *error,
            Err(error) => io::Error::other(error),
        },
        other => io::Error::other(other),
    })
}

fn write(
    out: &mut (dyn Write + Send),
    tables: &[ResultTable<'_>],
    group_rows: usize,
) -> Result<(), ParquetError> {
    let columns = united(tables);
    let mut fields = Vec::new();
    for column in &columns {
        column_types(column, &mut fields)?;
    }
    let mut properties = WriterProperties::builder()
        .set_created_by(concat!("qbb ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?));
    for column in columns.iter().filter(|column| column.kind == ColumnType::Uuid) {
        // Each is there once.
        let path = ColumnPath::from(column.name);
        properties = properties.set_column_dictionary_enabled(path, false);
    }
    let schema = Type::group_type_builder("results").with_fields(fields).build()?;
    let mut writer =
        SerializedFileWriter::new(out, Arc::new(schema), Arc::new(properties.build()))?;
    let total: usize = tables.iter().map(|table| table.len).sum();
    for first in (0..total).step_by(group_rows) {
        let mut group = writer.next_row_group()?;
        for column in &columns {
            let rows = rows_from(tables, first).take(group_rows);
            write_column(&mut group, column, rows.map(|(table, row)| column.cell(table, row)))?;
        }
        group.close()?;
    }
    writer.close()?;
    Ok(())
}

/// Table and row of each result from one on.
fn rows_from(
    tables: &[ResultTable<'_>],
    first: usize,
) -> impl Iterator<Item = (usize, usize)> + Clone {
    let mut skipped = first;
    let lens = tables.iter().map(|table| table.len).collect::<Vec<_>>();
    lens.into_iter().enumerate().flat_map(move |(at, len)| {
        let from = skipped.min(len);
        skipped -= from;
        (from..len).map(move |row| (at, row))
    })
}

/// The columns of the file that a column of results is.
fn column_types(
    column: &UnitedColumn<'_, '_>,
    fields: &mut Vec<TypePtr>,
) -> Result<(), ParquetError> {
    let field = |name: &str, physical, logical: Option<LogicalType>| {
        Type::primitive_type_builder(name, physical)
            .with_repetition(Repetition::OPTIONAL)
            .with_logical_type(logical)
            .build()
            .map(Arc::new)
    };
    let name = column.name;
    let text = Some(LogicalType::String);
    let last = match column.kind {
        ColumnType::Int => field(name, Physical::INT64, None)?,
        ColumnType::Float => field(name, Physical::DOUBLE, None)?,
        ColumnType::Bool => field(name, Physical::BOOLEAN, None)?,
        ColumnType::Text | ColumnType::Uuid => field(name, Physical::BYTE_ARRAY, text)?,
        ColumnType::Bytes | ColumnType::Region => field(name, Physical::BYTE_ARRAY, None)?,
        ColumnType::Timespan => {
            let instant = || LogicalType::timestamp(false, TimeUnit::NANOS);
            fields.push(field("timespan_begin", Physical::INT64, Some(instant()))?);
            field("timespan_end", Physical::INT64, Some(instant()))?
        }
        ColumnType::List => {
            let item = field("element", Physical::BYTE_ARRAY, text)?;
            let items = Type::group_type_builder("list")
                .with_repetition(Repetition::REPEATED)
                .with_fields(vec![item])
                .build()?;
            let list = Type::group_type_builder(name)
                .with_repetition(Repetition::OPTIONAL)
                .with_logical_type(Some(LogicalType::List))
                .with_fields(vec![Arc::new(items)])
                .build()?;
            Arc::new(list)
        }
    };
    fields.push(last);
    Ok(())
}

type Group<'g, 'o> = SerializedRowGroupWriter<'g, &'o mut (dyn Write + Send)>;

/// Writes the next columns of a group of rows: those that a column of results is.
fn write_column<'a>(
    group: &mut Group<'_, '_>,
    column: &UnitedColumn<'_, '_>,
    cells: impl Iterator<Item = Cell<'a>> + Clone,
) -> Result<(), ParquetError> {
    match column.kind {
        ColumnType::Int => write_values::<Int64Type>(group, cells, |cell| match cell {
            Cell::Int(value) => Some(value),
            _ => None,
        }),
        ColumnType::Float => write_values::<DoubleType>(group, cells, |cell| match cell {
            Cell::Float(value) => Some(value),
            _ => None,
        }),
        ColumnType::Bool => write_values::<BoolType>(group, cells, |cell| match cell {
            Cell::Bool(value) => Some(value),
            _ => None,
        }),
        ColumnType::Text | ColumnType::Uuid | ColumnType::Bytes | ColumnType::Region => {
            write_values::<ByteArrayType>(group, cells, |cell| match cell {
                Cell::Uuid(_) => Some(ByteArray::from(cell.to_string().into_bytes())),
                Cell::Text(text) => Some(ByteArray::from(&*text)),
                Cell::Bytes(bytes) | Cell::Region(bytes) => Some(ByteArray::from(bytes.to_vec())),
                _ => None,
            })
        }
        ColumnType::Timespan => {
            let bound = |of: fn(Timespan) -> Option<i64>| {
                move |cell: Cell<'a>| match cell {
                    Cell::Timespan(timespan) => of(timespan),
                    _ => None,
                }
            };
            write_values::<Int64Type>(
                group,
                cells.clone(),
                bound(|timespan| {
                    (timespan.begin != Timespan::UNBOUNDED.begin).then_some(timespan.begin.0)
                }),
            )?;
            write_values::<Int64Type>(
                group,
                cells,
                bound(|timespan| {
                    (timespan.end != Timespan::UNBOUNDED.end).then_some(timespan.end.0)
                }),
            )
        }
        ColumnType::List => write_lists(group, cells),
    }
}

/// Writes a column without nesting; there is a value where `value` finds one.
fn write_values<'a, T: DataType>(
    group: &mut Group<'_, '_>,
    cells: impl Iterator<Item = Cell<'a>>,
    value: impl Fn(Cell<'a>) -> Option<T::T>,
) -> Result<(), ParquetError> {
    write_batches::<T>(group, cells, |cell, batch| {
        let value = value(cell);
        batch.definition.push(i16::from(value.is_some()));
        batch.repetition.push(0);
        batch.values.extend(value);
    })
}

/// Writes a column of lists of text.
fn write_lists<'a>(
    group: &mut Group<'_, '_>,
    cells: impl Iterator<Item = Cell<'a>>,
) -> Result<(), ParquetError> {
    write_batches::<ByteArrayType>(group, cells, |cell, batch| {
        let names = match cell {
            Cell::List(names) => names,
            _ => {
                batch.definition.push(0);
                batch.repetition.push(0);
                return;
            }
        };
        if names.is_empty() {
            batch.definition.push(1);
            batch.repetition.push(0);
        }
        for (at, name) in names.iter().enumerate() {
            // The list is there, it has an element, and that is not null.
            batch.definition.push(3);
            batch.repetition.push(i16::from(at > 0));
            batch.values.push(ByteArray::from(&**name));
        }
    })
}

/// Values of some rows with their levels, as the format has them.
struct Batch<T> {
    values: Vec<T>,
    definition: Vec<i16>,
    repetition: Vec<i16>,
}

fn write_batches<'a, T: DataType>(
    group: &mut Group<'_, '_>,
    mut cells: impl Iterator<Item = Cell<'a>>,
    push: impl Fn(Cell<'a>, &mut Batch<T::T>),
) -> Result<(), ParquetError> {
    let mut writer = group
        .next_column()?
        .ok_or_else(|| ParquetError::General("more columns than the schema has".to_owned()))?;
    let mut batch = Batch { values: Vec::new(), definition: Vec::new(), repetition: Vec::new() };
    loop {
        batch.values.clear();
        batch.definition.clear();
        batch.repetition.clear();
        cells.by_ref().take(BATCH).for_each(|cell| push(cell, &mut batch));
        if batch.definition.is_empty() {
            return writer.close();
        }
        let levels = (Some(&*batch.definition), Some(&*batch.repetition));
        writer.typed::<T>().write_batch(&batch.values, levels.0, levels.1)?;
    }
}

#[cfg(test)]
mod tests {
    use parquet::file::reader::{FileReader as _, SerializedFileReader};
    use qbb_dimensions::TaiNanos;

    use super::*;

    /// Rows of the file as the library prints them.
    fn read(bytes: Vec<u8>) -> (usize, Vec<String>) {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        let reader = SerializedFileReader::new(file).unwrap();
        let rows = reader.get_row_iter(None).unwrap();
        (reader.num_row_groups(), rows.map(|row| row.unwrap().to_string()).collect())
    }

    #[test]
    fn tables_become_one_with_all_columns_and_nulls() {
        let mut first = ResultTable::new(3);
        first.text("type", |_| "raw".into());
        first.column("id", ColumnType::Uuid, |_| Cell::Uuid([0; 16]));
        first.column("visit", ColumnType::Int, |row| Cell::Int(i64::MAX - row as i64));
        first.column("timespan (TAI)", ColumnType::Timespan, |row| match row {
            0 => Cell::Timespan(Timespan { begin: TaiNanos(5), end: Timespan::UNBOUNDED.end }),
            _ => Cell::Null,
        });
        let mut second = ResultTable::new(2);
        second.text("type", |_| "map".into());
        second.column("dimensions", ColumnType::List, |row| match row {
            0 => Cell::List(vec!["a".into(), "b".into()]),
            _ => Cell::List(Vec::new()),
        });
        second.column("hash", ColumnType::Bytes, |_| Cell::Bytes(&[0, 255]));
        let mut bytes = Vec::new();
        write(&mut bytes, &[first, second], 2).unwrap();
        let (groups, rows) = read(bytes);
        assert_eq!(groups, 3, "row groups are bounded");
        let rows = rows.join("\n").replace("0000", "0");
        insta::assert_snapshot!(rows, @r#"
        {type: "raw", id: "00-0-0-0-000", visit: 9223372036854775807, timespan_begin: 5, timespan_end: null, dimensions: null, hash: null}
        {type: "raw", id: "00-0-0-0-000", visit: 9223372036854775806, timespan_begin: null, timespan_end: null, dimensions: null, hash: null}
        {type: "raw", id: "00-0-0-0-000", visit: 9223372036854775805, timespan_begin: null, timespan_end: null, dimensions: null, hash: null}
        {type: "map", id: null, visit: null, timespan_begin: null, timespan_end: null, dimensions: ["a", "b"], hash: [0, 255]}
        {type: "map", id: null, visit: null, timespan_begin: null, timespan_end: null, dimensions: [], hash: [0, 255]}
        "#);
    }

    #[test]
    fn nothing_is_a_file_with_a_schema() {
        let mut table = ResultTable::new(0);
        table.text("type", |_| "raw".into());
        let mut bytes = Vec::new();
        write(&mut bytes, &[table], 2).unwrap();
        assert_eq!(read(bytes), (0, Vec::new()));
    }
}
