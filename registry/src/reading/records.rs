//! Reading dimension records and their overlaps with pixels.

use qbb_dimensions::{ElementIx, FieldColumn, KeyType, RecordTable, Storage, Symbols};

use super::ordering::{sort_overlaps, sort_records};
use super::query::Query;
use super::record_columns::{RecordColumn, Role, dimension_column, record_columns};
use super::row::{ResultRow, RowSource};
use super::snapshot::TableSnapshot;
use crate::error::RegistryError;
use crate::filter::Filter;
use crate::reader::OverlapRows;
use crate::schema::overlap_table_name;

impl<S: RowSource> TableSnapshot<'_, S> {
    pub(super) fn read_records(
        &self,
        element: ElementIx,
        filter: &Filter,
        symbols: &mut Symbols,
    ) -> Result<RecordTable, RegistryError> {
        let universe = &**self.universe;
        let element = universe.element(element);
        let mut records = RecordTable::new(element);
        let source = self.source();
        let dialect = source.dialect();
        let columns = record_columns(universe, element, dialect);
        let key_types = |dimensions: &[ElementIx]| -> Vec<KeyType> {
            let key = |&ix: &ElementIx| universe.element(ix).key_type().unwrap_or(KeyType::Int);
            dimensions.iter().map(key).collect()
        };
        let (required, implied) = (key_types(&element.required), key_types(&element.implied));
        // The records are in a table of their own, or in columns of another element's.
        let (table, names, is_view) = match element.storage {
            Storage::Table { .. } => (
                element,
                columns.iter().map(|column| ("t", column.name)).collect::<Vec<_>>(),
                false,
            ),
            Storage::ViewOf(target) => {
                let target = universe.element(target);
                let column = |&ix| dimension_column(universe, target, ix).map(|name| ("t", name));
                let names: Vec<_> = element.required.iter().filter_map(column).collect();
                if names.len() != columns.len() {
                    return Err(self.not_stored(element, "columns besides keys"));
                }
                (target, names, true)
            }
            Storage::Computed => return Err(self.not_stored(element, "records")),
        };
        let mut query = Query::select(dialect, &table.name, &names);
        query.push(" FROM ").push_table(&table.name).push(" t WHERE TRUE");
        query.restrict(universe, filter, "t", |ix| dimension_column(universe, table, ix));
        if is_view {
            query.group_by(&names);
        }
        if dialect.sorts_by_index() {
            let keys = names.iter().zip(&required);
            query.order_by(keys.map(|((alias, name), key)| (*alias, *name, *key)));
        }
        let mut buffer = Vec::new();
        self.counted().each(&query, |row| {
            for (at, RecordColumn { role, .. }) in columns.iter().enumerate() {
                match *role {
                    Role::Key(i) => records.keys[i].push(row.cell(at, required[i], symbols)?),
                    Role::Implied(i) => records.implied[i].push(row.cell(at, implied[i], symbols)?),
                    Role::Field(i) => {
                        push_field(&mut records.fields[i], row, at, symbols, &mut buffer)?;
                    }
                    Role::Region => {
                        let region = row.optional_bytes(at, &mut buffer)?.unwrap_or_default();
                        if let Some(regions) = &mut records.regions {
                            regions.push(region);
                        }
                    }
                    Role::Timespan => {
                        let timespan = row.optional_timespan(at)?;
                        if let Some(timespans) = &mut records.timespans {
                            timespans.push(timespan);
                        }
                    }
                    // Read together with its beginning.
                    Role::TimespanEnd => {}
                }
            }
            match records.finish_row() {
                Some(_) => Ok(()),
                None => Err(row.corrupt(0, "columns of different lengths")),
            }
        })?;
        sort_records(&mut records, &required, symbols);
        Ok(records)
    }

    pub(super) fn read_overlaps(
        &self,
        element: ElementIx,
        filter: &Filter,
        symbols: &mut Symbols,
    ) -> Result<OverlapRows, RegistryError> {
        let universe = &**self.universe;
        let element = universe.element(element);
        let common = universe.common_skypix();
        let Some(level) = common.skypix() else {
            return Err(self.not_stored(common, "overlaps"));
        };
        if !(element.has_table() && element.is_spatial()) {
            return Err(self.not_stored(element, "overlaps"));
        }
        let table = overlap_table_name(element);
        let dimensions = || element.required.iter().map(|&ix| universe.element(ix));
        let mut names: Vec<_> =
            dimensions().map(|dimension| ("t", dimension.name.as_str())).collect();
        names.push(("t", "skypix_index"));
        let source = self.counted();
        let mut query = Query::select(source.dialect(), &table, &names);
        query.push(" FROM ").push_table(&table).push(" t WHERE t.skypix_system = ");
        query
            .bind(level.system.clone())
            .push(" AND t.skypix_level = ")
            .bind(i64::from(level.level));
        query.restrict(universe, filter, "t", |ix| {
            if ix == common.ix {
                return Some("skypix_index");
            }
            element.required.contains(&ix).then(|| universe.element(ix).name.as_str())
        });
        let types: Vec<KeyType> =
            dimensions().map(|dimension| dimension.key_type().unwrap_or(KeyType::Int)).collect();
        if source.dialect().sorts_by_index() {
            let order = names.iter().zip(types.iter().chain([&KeyType::Int]));
            query.order_by(order.map(|((alias, name), key)| (*alias, *name, *key)));
        }
        let mut overlaps = OverlapRows { keys: vec![Vec::new(); types.len()], pixel: Vec::new() };
        source.each(&query, |row| {
            for (at, key) in types.iter().enumerate() {
                overlaps.keys[at].push(row.cell(at, *key, symbols)?);
            }
            overlaps.pixel.push(row.int(types.len())?);
            Ok(())
        })?;
        sort_overlaps(&mut overlaps, &types, symbols);
        Ok(overlaps)
    }

    fn not_stored(
        &self,
        element: &qbb_dimensions::DimensionElement,
        what: &'static str,
    ) -> RegistryError {
        RegistryError::NotStored { element: element.name.clone(), what }
    }
}

fn push_field(
    column: &mut FieldColumn,
    row: &impl ResultRow,
    at: usize,
    symbols: &mut Symbols,
    buffer: &mut Vec<u8>,
) -> Result<(), RegistryError> {
    match column {
        FieldColumn::Int(values) => values.push(row.optional_int(at)?),
        FieldColumn::Float(values) => values.push(row.optional_float(at)?),
        FieldColumn::Bool(values) => values.push(row.optional_bool(at)?),
        FieldColumn::Text(values) => {
            values.push(row.optional_text(at)?.map(|text| symbols.intern(text)));
        }
        FieldColumn::Bytes(values) => values.push(row.optional_bytes(at, buffer)?),
    }
    Ok(())
}
