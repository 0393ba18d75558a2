//! Datasets of one type in the input collections, and the find-first rule.

use qbb_dimensions::{DimensionGroup, Timespan};
use qbb_registry::{CalibrationRows, CollectionIx, DatasetRows};

use crate::engine::dictionary::Dictionary;
use crate::engine::key_index::KeyGroups;
use crate::engine::layout::Layout;
use crate::engine::relation::Relation;
use crate::error::QueryError;

/// All datasets of a type in all collections that are searched, in search order for each data ID.
#[derive(Debug)]
pub struct DatasetSearch {
    /// Data IDs of the rows; a data ID may occur several times.
    pub relation: Relation,
    /// Dataset UUIDs.
    pub id: Vec<[u8; 16]>,
    /// Position in the search order of the collection that holds the row.
    pub rank: Vec<u32>,
    /// The RUN that owns the dataset.
    pub run: Vec<CollectionIx>,
    /// Validity range of rows of CALIBRATION collections.
    pub validity: Vec<Option<Timespan>>,
    /// Whether a CALIBRATION collection is searched, so that look-ups depend on time.
    pub is_calibration: bool,
    layout: Layout,
    groups: KeyGroups,
}

/// How many datasets a message lists.
const EXAMPLES: usize = 4;

/// What a look-up gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Nothing.
    Nothing,
    /// This row.
    Row(u32),
    /// Several validity ranges of the first collection that matches.
    Ambiguous(Vec<u32>),
}

impl DatasetSearch {
    /// Rank of datasets that are in none of the collections that were read.
    pub const NOWHERE: u32 = u32::MAX;

    /// Joins what was read from RUN and TAGGED collections with what was read from CALIBRATION
    /// ones; `tag_ranks` and `calibration_ranks` are the search positions of the collections that
    /// were asked for.
    pub fn new(
        dictionary: &Dictionary,
        group: &DimensionGroup,
        tags: (DatasetRows, &[u32]),
        calibrations: Option<(CalibrationRows, &[u32])>,
    ) -> Self {
        let (tags, tag_ranks) = tags;
        let (mut relation, origin) =
            Relation::of_cells(dictionary, group, &tags.keys, tags.id.len());
        let rank_of = |rows: &DatasetRows, ranks: &[u32], row: u32| {
            ranks.get(rows.rank[row as usize] as usize).copied().unwrap_or(u32::MAX)
        };
        let mut id: Vec<[u8; 16]> = origin.iter().map(|&row| tags.id[row as usize]).collect();
        let mut run: Vec<CollectionIx> = origin.iter().map(|&row| tags.run[row as usize]).collect();
        let mut rank: Vec<u32> = origin.iter().map(|&row| rank_of(&tags, tag_ranks, row)).collect();
        let mut validity = vec![None; id.len()];
        let is_calibration = calibrations.is_some();
        if let Some((rows, ranks)) = calibrations {
            let datasets = &rows.datasets;
            let (more, origin) =
                Relation::of_cells(dictionary, group, &datasets.keys, datasets.id.len());
            for (column, more) in relation.columns.iter_mut().zip(more.columns) {
                column.extend(more);
            }
            relation.len += more.len;
            id.extend(origin.iter().map(|&row| datasets.id[row as usize]));
            run.extend(origin.iter().map(|&row| datasets.run[row as usize]));
            rank.extend(origin.iter().map(|&row| rank_of(datasets, ranks, row)));
            validity.extend(origin.iter().map(|&row| Some(rows.timespan[row as usize])));
        }
        // Rows are put into search order once, so that rows of a key come in that order.
        let mut order: Vec<u32> = (0..id.len() as u32).collect();
        order.sort_by_key(|&row| rank[row as usize]);
        if !order.is_sorted() {
            for column in &mut relation.columns {
                *column = permuted(column, &order);
            }
            id = permuted(&id, &order);
            run = permuted(&run, &order);
            rank = permuted(&rank, &order);
            validity = permuted(&validity, &order);
        }
        let layout = Layout::new(dictionary, group);
        let groups = KeyGroups::new(&relation.keys(dictionary, &layout), layout.total_bits());
        Self { relation, id, rank, run, validity, is_calibration, layout, groups }
    }

    /// Makes keys anew, after values were added to dimensions.
    pub fn index(&mut self, dictionary: &Dictionary) {
        let layout = Layout::new(dictionary, &self.relation.group);
        if layout != self.layout {
            let keys = self.relation.keys(dictionary, &layout);
            self.groups = KeyGroups::new(&keys, layout.total_bits());
            self.layout = layout;
        }
    }

    /// A search that finds nothing.
    pub fn nothing(dictionary: &Dictionary, group: &DimensionGroup) -> Self {
        Self::new(dictionary, group, (DatasetRows::default(), &[]), None)
    }

    /// Adds datasets that are in none of the collections that were read; [`find`](Self::find) does
    /// not see them.
    pub fn append(
        &mut self,
        relation: &Relation,
        ids: impl Iterator<Item = [u8; 16]>,
        runs: Vec<CollectionIx>,
    ) {
        for (column, more) in self.relation.columns.iter_mut().zip(&relation.columns) {
            column.extend_from_slice(more);
        }
        self.relation.len += relation.len;
        self.id.extend(ids);
        self.run.extend(runs);
        self.rank.resize(self.relation.len, Self::NOWHERE);
        self.validity.resize(self.relation.len, None);
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.id.len()
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.id.is_empty()
    }

    /// How keys of data IDs are made.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Rows with a data ID, in search order.
    pub fn rows(&self, key: u64) -> &[u32] {
        self.groups.rows(key)
    }

    /// The first dataset for a data ID. With a time, validity ranges must overlap it; without,
    /// every validity range matches, as in a query without temporal dimensions.
    pub fn find(&self, key: u64, time: Option<Timespan>) -> Found {
        let rows = self.groups.rows(key);
        let matches = |&row: &u32| match (self.validity[row as usize], time) {
            (Some(validity), Some(time)) => validity.overlaps(time),
            _ => true,
        };
        let mut matching = rows.iter().copied().filter(matches);
        let Some(first) = matching.next() else { return Found::Nothing };
        let rank = self.rank[first as usize];
        let more: Vec<u32> = matching.take_while(|&row| self.rank[row as usize] == rank).collect();
        if more.is_empty() {
            Found::Row(first)
        } else {
            Found::Ambiguous([vec![first], more].concat())
        }
    }

    /// The error that several validity ranges match a data ID of a dataset type.
    pub fn ambiguous(
        &self,
        (dataset_type, data_id): (&str, String),
        candidates: &[u32],
        collection_name: &dyn Fn(u32) -> String,
    ) -> QueryError {
        let first = candidates.first().copied().unwrap_or_default() as usize;
        let datasets: Vec<String> = (candidates.iter().take(EXAMPLES))
            .map(|&row| {
                let id = uuid::Uuid::from_bytes(self.id[row as usize]);
                let Some(validity) = self.validity[row as usize] else { return id.to_string() };
                format!("{id} valid from {} to {}", validity.begin, validity.end)
            })
            .collect();
        QueryError::AmbiguousCalibration {
            dataset_type: dataset_type.to_owned(),
            collection: collection_name(self.rank[first]),
            data_id,
            count: candidates.len(),
            datasets: datasets.join("; "),
        }
    }

    /// The first row for a data ID in the collections whose search positions are accepted.
    pub fn first_of_rank(&self, key: u64, accepts: impl Fn(u32) -> bool) -> Option<u32> {
        let mut rows = self.groups.rows(key).iter().copied();
        rows.find(|&row| accepts(self.rank[row as usize]))
    }

    /// The distinct data IDs of all rows.
    pub fn data_ids(&self, dictionary: &Dictionary) -> Relation {
        self.relation.project(dictionary, &self.relation.group)
    }
}

fn permuted<T: Clone>(values: &[T], order: &[u32]) -> Vec<T> {
    order.iter().map(|&row| values[row as usize].clone()).collect()
}
