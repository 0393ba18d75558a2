//! Conditions on fields of the datasets that a query asks for.
//!
//! A query joins every dataset of a type in every collection that is searched, not only the first
//! one for a data ID. So a data ID passes if any of its datasets, in any of the collections, has
//! what all conditions on it ask for together. Validity ranges that are joined automatically count
//! as such a condition.

use std::cell::Cell as Current;

use crate::engine::plan::SearchIx;
use qbb_dimensions::expression::{
    Cell, Column, Comparison, Condition, Conjunct, DatasetField, RowSource, Value, ValueType,
};
use qbb_dimensions::{DimensionGroup, ElementIx, RecordTable, Symbols, Timespan, Universe};
use rustc_hash::FxHashMap;
use uuid::Uuid;

use crate::engine::contents::Contents;
use crate::engine::datasets::DatasetSearch;
use crate::engine::families::Endpoint;
use crate::engine::join::JoinTree;
use crate::engine::key_index::KeyIndex;
use crate::engine::plan::QueryPlan;
use crate::engine::relation::{Relation, RelationRows};
use crate::engine::validity::temporal_joins;
use crate::error::QueryError;

/// Names and dates that fields of datasets stand for.
#[derive(Debug, Default)]
pub struct DatasetFacts {
    /// Names of all collections, by index.
    pub collections: Vec<String>,
    /// Names of the searched collections, by search position.
    pub searched: Vec<String>,
    /// When datasets were ingested, as far as conditions ask.
    pub ingested: FxHashMap<[u8; 16], i64>,
}

/// Whether conditions look at a field of datasets of a type of a component.
pub fn uses_field(plan: &QueryPlan, ix: SearchIx, field: DatasetField) -> bool {
    let Some(at) = plan.constraints.iter().position(|&other| other == ix) else { return false };
    let wanted = Column::Dataset(at as u16, field);
    plan.conditions.iter().any(|conjunct| conjunct.columns().contains(&wanted))
}

/// The conditions of a component, those that look at datasets of the same types together.
pub fn condition_groups(plan: &QueryPlan) -> Vec<Vec<&Conjunct>> {
    let mut groups: Vec<(Vec<u16>, Vec<&Conjunct>)> = Vec::new();
    for conjunct in &plan.conditions {
        let mut datasets = conjunct.datasets();
        let mut members = vec![conjunct];
        let shares = |group: &(Vec<u16>, Vec<&Conjunct>), datasets: &[u16]| {
            group.0.iter().any(|dataset| datasets.contains(dataset))
        };
        while let Some(at) = groups.iter().position(|group| shares(group, &datasets)) {
            let (more, mut earlier) = groups.remove(at);
            datasets.extend(more);
            earlier.append(&mut members);
            members = earlier;
        }
        groups.push((datasets, members));
    }
    groups.into_iter().map(|(_, members)| members).collect()
}

/// Conditions on datasets together with the rows that they look at.
struct DatasetJoin<'a> {
    /// Data IDs of everything that the conditions name.
    relation: Relation,
    searches: Vec<(u16, &'a DatasetSearch)>,
    validity: Vec<Condition>,
}

impl<'a> DatasetJoin<'a> {
    fn new(
        contents: &'a Contents,
        plan: &QueryPlan,
        tree: &JoinTree,
        group: &[&Conjunct],
        mut datasets: Vec<u16>,
    ) -> Result<Self, QueryError> {
        let dictionary = &contents.dictionary;
        let universe = dictionary.universe();
        let validity = validity_conditions(contents, plan, &mut datasets)?;
        let mut dimensions = DimensionGroup::of_elements(
            universe,
            group.iter().flat_map(|conjunct| conjunct.dimensions(universe)),
        );
        for condition in &validity {
            condition.visit(&mut |column| {
                if let Column::Timespan(ix) = column {
                    let required = universe.element(ix).required.iter().copied();
                    dimensions = dimensions.union(&DimensionGroup::of_elements(universe, required));
                }
            });
        }
        let mut searches = Vec::with_capacity(datasets.len());
        for at in datasets {
            let Some(search) = contents.datasets.get(&plan.constraints[usize::from(at)]) else {
                continue;
            };
            dimensions = dimensions.union(&search.relation.group);
            searches.push((at, search));
        }
        let relation = tree.project(dictionary, &dimensions)?;
        Ok(Self { relation, searches, validity })
    }

    /// Calls `found` for each row of data IDs and choice of its datasets that satisfy the
    /// conditions; if it returns true, no more choices of the row are looked at.
    fn each(
        &self,
        contents: &Contents,
        group: &[&Conjunct],
        found: &dyn Fn(u32, &[Current<u32>]) -> bool,
    ) {
        let dictionary = &contents.dictionary;
        let keys: Vec<Vec<u64>> = (self.searches.iter())
            .map(|(_, search)| self.relation.keys(dictionary, search.layout()))
            .collect();
        let current = vec![Current::new(0); self.searches.len()];
        let rows = RowsWithDatasets {
            rows: self.relation.rows(dictionary),
            field: |dataset: u16, field, _| {
                let Some(at) = self.searches.iter().position(|(other, _)| *other == dataset) else {
                    return Cell::Null;
                };
                contents.dataset_facts.field(self.searches[at].1, field, current[at].get())
            },
        };
        let conditions: Vec<&Condition> =
            group.iter().map(|conjunct| &conjunct.condition).chain(&self.validity).collect();
        for row in 0..self.relation.len as u32 {
            self.any(row, &current, &keys, &|row| {
                conditions.iter().all(|condition| condition.holds(&rows, row) == Some(true))
                    && found(row, &current)
            });
        }
    }

    /// Whether some choice of datasets for a row passes; `current` has the choice, the first of
    /// which are made.
    fn any(
        &self,
        row: u32,
        current: &[Current<u32>],
        keys: &[Vec<u64>],
        passes: &dyn Fn(u32) -> bool,
    ) -> bool {
        let at = self.searches.len() - keys.len();
        let (Some((keys, rest)), Some((_, search))) = (keys.split_first(), self.searches.get(at))
        else {
            return passes(row);
        };
        search.rows(keys[row as usize]).iter().any(|&candidate| {
            current[at].set(candidate);
            self.any(row, current, rest, passes)
        })
    }
}

/// Data IDs of the join for which there are datasets that satisfy all of a group of conditions.
pub fn satisfying_datasets(
    contents: &Contents,
    plan: &QueryPlan,
    tree: &JoinTree,
    group: &[&Conjunct],
) -> Result<Relation, QueryError> {
    let datasets: Vec<u16> = group.iter().flat_map(|conjunct| conjunct.datasets()).collect();
    let mut join = DatasetJoin::new(contents, plan, tree, group, datasets)?;
    let keep: Vec<Current<bool>> = vec![Current::new(false); join.relation.len];
    join.each(contents, group, &|row, _| {
        keep[row as usize].set(true);
        true
    });
    let keep: Vec<bool> = keep.iter().map(Current::get).collect();
    join.relation.retain(&keep);
    Ok(join.relation)
}

/// Which datasets of a type that the query joins belong to a row of it: those whose data IDs are in
/// the join, and that satisfy themselves what conditions ask of datasets of their type.
///
/// # Errors
/// If a join has too many rows.
pub fn satisfying_rows(
    contents: &Contents,
    plan: &QueryPlan,
    tree: &JoinTree,
    dataset: u16,
) -> Result<Vec<bool>, QueryError> {
    let dictionary = &contents.dictionary;
    let Some(search) = contents.datasets.get(&plan.constraints[usize::from(dataset)]) else {
        return Ok(Vec::new());
    };
    let groups = condition_groups(plan);
    let group = (groups.into_iter())
        .find(|group| group.iter().any(|conjunct| conjunct.datasets().contains(&dataset)))
        .unwrap_or_default();
    let mut datasets: Vec<u16> = group.iter().flat_map(|conjunct| conjunct.datasets()).collect();
    datasets.push(dataset);
    if group.is_empty() && validity_conditions(contents, plan, &mut datasets)?.is_empty() {
        let data_ids = tree.project(dictionary, &search.relation.group)?;
        let layout = search.layout();
        let present = KeyIndex::new(&data_ids.keys(dictionary, layout), layout.total_bits());
        let keys = search.relation.keys(dictionary, layout);
        return Ok(keys.iter().map(|&key| present.find(key).is_some()).collect());
    }
    let join = DatasetJoin::new(contents, plan, tree, &group, datasets)?;
    let at = join.searches.iter().position(|(other, _)| *other == dataset).unwrap_or_default();
    let keep: Vec<Current<bool>> = vec![Current::new(false); search.len()];
    join.each(contents, &group, &|_, current| {
        keep[current[at].get() as usize].set(true);
        false
    });
    Ok(keep.iter().map(Current::get).collect())
}

/// Automatic joins of the validity ranges of some datasets; datasets that they are joined with are
/// added.
fn validity_conditions(
    contents: &Contents,
    plan: &QueryPlan,
    datasets: &mut Vec<u16>,
) -> Result<Vec<Condition>, QueryError> {
    datasets.sort_unstable();
    datasets.dedup();
    let mut conditions = Vec::new();
    for (a, b) in temporal_joins(contents, plan)? {
        let position = |endpoint: Endpoint| match endpoint {
            Endpoint::Validity(ix) => plan.constraints.iter().position(|&other| other == ix),
            Endpoint::Element(_) => None,
        };
        let ends = [a, b].map(|endpoint| position(endpoint).map(|at| at as u16));
        if !ends.iter().flatten().any(|at| datasets.contains(at)) {
            continue;
        }
        let value = |endpoint: Endpoint, at: Option<u16>| {
            let column = match (endpoint, at) {
                (Endpoint::Element(ix), _) => Column::Timespan(ix),
                (Endpoint::Validity(_), at) => {
                    Column::Dataset(at.unwrap_or(u16::MAX), DatasetField::Timespan)
                }
            };
            Value::Column(column, ValueType::Timespan)
        };
        datasets.extend(ends.iter().flatten());
        conditions.push(Condition::Compare(
            value(a, ends[0]),
            Comparison::Overlaps,
            value(b, ends[1]),
        ));
    }
    datasets.sort_unstable();
    datasets.dedup();
    Ok(conditions)
}

impl DatasetFacts {
    fn field(&self, search: &DatasetSearch, field: DatasetField, row: u32) -> Cell<'_> {
        let row = row as usize;
        match field {
            DatasetField::Id => Cell::Uuid(Uuid::from_bytes(search.id[row])),
            DatasetField::IngestDate => {
                self.ingested.get(&search.id[row]).map_or(Cell::Null, |&n| Cell::Time(n))
            }
            DatasetField::Run => name(self.collections.get(search.run[row].index())),
            DatasetField::Collection => name(self.searched.get(search.rank[row] as usize)),
            DatasetField::Timespan => {
                Cell::Timespan(search.validity[row].unwrap_or(Timespan::UNBOUNDED))
            }
        }
    }
}

/// Rows of a dataset search for the evaluation of conditions.
pub fn search_rows<'a>(
    contents: &'a Contents,
    search: &'a DatasetSearch,
) -> impl RowSource + Sync + 'a {
    let rows = search.relation.rows(&contents.dictionary);
    RowsWithDatasets {
        rows,
        field: |_, field, row| contents.dataset_facts.field(search, field, row),
    }
}

/// Rows of data IDs, each with datasets of which `field` knows the fields.
struct RowsWithDatasets<'a, F> {
    rows: RelationRows<'a>,
    field: F,
}

impl<'a, F: Fn(u16, DatasetField, u32) -> Cell<'a>> RowSource for RowsWithDatasets<'a, F> {
    fn universe(&self) -> &Universe {
        self.rows.universe()
    }

    fn symbols(&self) -> &Symbols {
        self.rows.symbols()
    }

    fn key(&self, dimension: ElementIx, row: u32) -> Option<i64> {
        self.rows.key(dimension, row)
    }

    fn record(&self, element: ElementIx, row: u32) -> Option<(&RecordTable, u32)> {
        self.rows.record(element, row)
    }

    fn dataset(&self, dataset: u16, field: DatasetField, row: u32) -> Cell<'_> {
        (self.field)(dataset, field, row)
    }
}

fn name(name: Option<&String>) -> Cell<'_> {
    name.map_or(Cell::Null, |name| Cell::Text(name))
}
