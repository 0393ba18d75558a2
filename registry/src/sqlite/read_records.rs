//! Reading dimension records and their overlaps with pixels.

use qbb_dimensions::{ElementIx, FieldColumn, KeyType, RecordTable, Storage, Symbols};

use super::ddl::quoted;
use super::query::Query;
use super::record_columns::{RecordColumn, Role, dimension_column, record_columns};
use super::rows::ResultRow;
use super::snapshot::SqliteSnapshot;
use crate::error::RegistryError;
use crate::filter::Filter;
use crate::reader::OverlapRows;
use crate::schema::overlap_table_name;

impl SqliteSnapshot<'_> {
    pub(super) fn read_records(
        &self,
        element: ElementIx,
        filter: &Filter,
        symbols: &mut Symbols,
    ) -> Result<RecordTable, RegistryError> {
        let universe = &**self.universe;
        let element = universe.element(element);
        let mut records = RecordTable::new(element);
        let columns = record_columns(universe, element);
        let query = match element.storage {
            Storage::Table { .. } => {
                let names: Vec<_> = columns.iter().map(|column| ("t", column.name)).collect();
                let mut query = Query::select(&element.name, &names);
                query.push(&format!(" FROM {} t WHERE 1", quoted(&element.name)));
                query.restrict(universe, filter, "t", |ix| dimension_column(universe, element, ix));
                let keys: Vec<String> =
                    names[..element.required.len()].iter().map(|(_, name)| quoted(name)).collect();
                query.push(&format!(" ORDER BY t.{}", keys.join(", t.")));
                query
            }
            Storage::ViewOf(target) => {
                let target = universe.element(target);
                let names: Vec<_> = element
                    .required
                    .iter()
                    .filter_map(|&ix| {
                        dimension_column(universe, target, ix).map(|name| ("t", name))
                    })
                    .collect();
                if names.len() != columns.len() {
                    return Err(self.not_stored(element, "columns besides keys"));
                }
                let mut query = Query::select(&target.name, &names);
                query.sql = query.sql.replacen("SELECT", "SELECT DISTINCT", 1);
                query.push(&format!(" FROM {} t WHERE 1", quoted(&target.name)));
                query.restrict(universe, filter, "t", |ix| dimension_column(universe, target, ix));
                let keys: Vec<String> = names.iter().map(|(_, name)| quoted(name)).collect();
                query.push(&format!(" ORDER BY t.{}", keys.join(", t.")));
                query
            }
            Storage::Computed => return Err(self.not_stored(element, "records")),
        };
        let key_types = |dimensions: &[ElementIx]| -> Vec<KeyType> {
            let key = |&ix: &ElementIx| universe.element(ix).key_type().unwrap_or(KeyType::Int);
            dimensions.iter().map(key).collect()
        };
        let (required, implied) = (key_types(&element.required), key_types(&element.implied));
        let mut buffer = Vec::new();
        self.each(&query, |row| {
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
                    Role::TimespanBegin => {
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
        let mut query = Query::select(&table, &names);
        query.push(&format!(" FROM {} t WHERE t.skypix_system = ", quoted(&table)));
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
        let order: Vec<String> = names.iter().map(|(_, name)| quoted(name)).collect();
        query.push(&format!(" ORDER BY t.{}", order.join(", t.")));
        let types: Vec<KeyType> =
            dimensions().map(|dimension| dimension.key_type().unwrap_or(KeyType::Int)).collect();
        let mut overlaps = OverlapRows { keys: vec![Vec::new(); types.len()], pixel: Vec::new() };
        self.each(&query, |row| {
            for (at, key) in types.iter().enumerate() {
                overlaps.keys[at].push(row.cell(at, *key, symbols)?);
            }
            overlaps.pixel.push(row.int(types.len())?);
            Ok(())
        })?;
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
    row: &ResultRow<'_>,
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
