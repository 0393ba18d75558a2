//! Which dimension records of a release a repository begins with.

use std::sync::Arc;

use qbb_dimensions::expression::{Bindings, Context, bind, parse};
use qbb_dimensions::{
    DataValue, DimensionElement, ElementIx, RecordTable, Storage, Symbols, Universe, nearest_name,
};
use qbb_query::{DataIdQuery, QueryError, Selection, data_ids};
use qbb_registry::{CellSet, Filter, Glob, Snapshot, is_glob};

use crate::create_error::CreateError;
use crate::record_closure::{add_populated, complete, insert_sorted};

/// Values of governor dimensions, each with what defines it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecordChoice {
    /// The governors, such as instruments and skymaps.
    pub governors: Vec<GovernorChoice>,
    /// Dimensions of data IDs whose records are chosen, by name; none for those that the condition
    /// names.
    pub dimensions: Vec<String>,
    /// Condition on those data IDs.
    pub restriction: String,
}

/// Values of one governor dimension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GovernorChoice {
    /// The dimension.
    pub dimension: String,
    /// Names, or globs that must match whole names.
    pub values: Vec<String>,
}

impl RecordChoice {
    /// Reads the chosen records, and all that they refer to: one statement for each element, and
    /// one for each that something else refers to.
    ///
    /// # Errors
    /// If a dimension or a value is not there, or the release cannot be read.
    pub(crate) fn read(
        &self,
        snapshot: &mut dyn Snapshot,
        universe: &Arc<Universe>,
    ) -> Result<(Vec<RecordTable>, Symbols), CreateError> {
        let (mut tables, mut symbols) = (Vec::new(), Symbols::new());
        let dimensions = match self.dimensions.is_empty() {
            true => named_dimensions(universe, &self.restriction)?,
            false => self.dimensions.clone(),
        };
        if !dimensions.is_empty() {
            let selection = Selection {
                restriction: self.restriction.clone(),
                with_records: true,
                ..Selection::default()
            };
            let query = DataIdQuery { dimensions, selection, ..DataIdQuery::default() };
            let found = data_ids(universe, snapshot, &query)?;
            tables = found.records;
            symbols = found.symbols;
            tables.retain(|table| universe.element(table.element).has_table());
            tables.sort_by_key(|table| table.element);
            add_populated(snapshot, universe, &mut tables, &mut symbols)?;
        }
        let names_of = &mut symbols;
        for choice in self.governors.iter().filter(|choice| !choice.values.is_empty()) {
            let governor = universe.dimension(&choice.dimension)?;
            if !governor.is_governor() {
                return Err(CreateError::NotGovernor { dimension: governor.name.clone() });
            }
            let records = snapshot.records(governor.ix, &Filter::default(), names_of)?;
            let records = choice.matching(governor, &records, names_of)?;
            let values = records.keys[0].iter().filter_map(|&cell| names_of.of_cell(cell));
            let values = values.map(|name| DataValue::Text(name.to_owned())).collect();
            let filter = Filter { restrictions: vec![(governor.ix, CellSet::Values(values))] };
            insert_sorted(&mut tables, records);
            for element in definitions(universe, governor.ix) {
                let records = snapshot.records(element.ix, &filter, names_of)?;
                insert_sorted(&mut tables, records);
            }
        }
        complete(snapshot, universe, &mut tables, &mut symbols)?;
        Ok((tables, symbols))
    }
}

/// Dimensions that a condition names, itself or by fields of their records.
fn named_dimensions(
    universe: &Arc<Universe>,
    restriction: &str,
) -> Result<Vec<String>, CreateError> {
    let context = Context {
        dimensions: &universe.conform([])?,
        datasets: &[],
        bindings: &Bindings::default(),
        constrained: &[],
    };
    let expression = parse(restriction).map_err(QueryError::from)?;
    let conditions = bind(&expression, &context).map_err(QueryError::from)?;
    let named = conditions.iter().flat_map(|conjunct| conjunct.dimensions(universe));
    Ok(named.map(|ix| universe.element(ix).name.clone()).collect())
}

impl GovernorChoice {
    /// The governor's records that are meant.
    fn matching(
        &self,
        governor: &DimensionElement,
        records: &RecordTable,
        symbols: &Symbols,
    ) -> Result<RecordTable, CreateError> {
        let names: Vec<&str> =
            records.keys[0].iter().filter_map(|&cell| symbols.of_cell(cell)).collect();
        let mut chosen = vec![false; names.len()];
        for value in &self.values {
            let glob = is_glob(value).then(|| Glob::new(value));
            let mut found = false;
            for (chosen, name) in chosen.iter_mut().zip(&names) {
                // A name may look like a pattern.
                if name == value || glob.as_ref().is_some_and(|glob| glob.matches(name)) {
                    (*chosen, found) = (true, true);
                }
            }
            if !found {
                return Err(CreateError::NoSuchRecord {
                    dimension: governor.name.clone(),
                    value: value.clone(),
                    similar: nearest_name(value, names.iter().copied()).map(str::to_owned),
                });
            }
        }
        let mut matching = RecordTable::new(governor);
        for (row, _) in chosen.iter().enumerate().filter(|(_, chosen)| **chosen) {
            matching.push_from(records, row as u32);
        }
        Ok(matching)
    }
}

/// Elements whose records define a value of a governor, rather than what was done with it: a
/// camera's filters and detectors, a sky map's tracts and patches, and not nights and exposures.
///
/// These are what clients keep in memory, and whatever nothing with a timespan implies or is
/// implied by.
fn definitions(
    universe: &Universe,
    governor: ElementIx,
) -> impl Iterator<Item = &DimensionElement> {
    let temporal = |element: &DimensionElement| {
        element.is_temporal()
            || element.required.iter().any(|&ix| universe.element(ix).is_temporal())
    };
    let mut passing = vec![false; universe.elements().len()];
    for element in universe.elements().iter().filter(|element| temporal(element)) {
        passing[element.ix.index()] = true;
        for &implied in &element.implied {
            passing[implied.index()] = true;
        }
    }
    universe.elements().iter().filter(move |element| {
        let governors = element.required.iter().filter(|&&ix| universe.element(ix).is_governor());
        element.ix != governor
            && element.has_table()
            && governors.eq([&governor])
            && (element.storage == Storage::Table { cached: true } || !passing[element.ix.index()])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNIVERSE: &str = include_str!("../../dimensions/tests/data/universe8.json");

    #[test]
    fn definitions_are_what_does_not_come_with_observing() {
        let universe = Universe::from_json(UNIVERSE).unwrap();
        let names = |governor: &str| {
            let governor = universe.dimension(governor).unwrap().ix;
            let elements = definitions(&universe, governor);
            elements.map(|element| element.name.as_str()).collect::<Vec<_>>()
        };
        assert_eq!(names("instrument"), ["detector", "physical_filter", "visit_system"]);
        assert_eq!(names("skymap"), ["tract", "patch"]);
    }
}
