//! Datasets that are registered already exactly as they are given, which are most of them when a
//! transfer is repeated. They are read in a few statements and compared, so that nothing has to be
//! staged for them.

use std::ops::Range;

use qbb_dimensions::KeyType;

use super::files::FileRows;
use super::member_rows::MemberRows;
use super::source::WriteSource;
use super::transaction::TableTransaction;
use super::value::Value;
use crate::changes::StoredFile;
use crate::error::RegistryError;
use crate::reading::{NO_COMPONENT, Query, ResultRow as _, UNKNOWN_SIZE};
use crate::schema::dataset_key_columns;

/// Of so many datasets of a batch it is asked whether they are there, before it is tried.
const ASKED: usize = 100;

/// Fewest datasets of which it is asked whether they are neighbours. Tests have it for nearly all.
const WORTH_A_STRETCH: usize = if cfg!(test) { 2 } else { 1_000 };

/// Most rows that are read among neighbours for each that is wanted: looking up costs as much as reading
/// some more.
const MOST_STRANGERS: u64 = 4;

/// Columns with text that says something about a file.
pub(super) const TEXTS: [&str; 4] = ["path", "formatter", "storage_class", "checksum"];
pub(super) const SIZE: &str = "file_size";

/// What is to be inserted.
pub(super) struct Wanted {
    /// Rows of datasets.
    pub(super) rows: Vec<usize>,
    /// Rows of files.
    pub(super) files: Vec<usize>,
    /// Whether some of the files belong to datasets that are not inserted.
    pub(super) of_known: bool,
}

impl Wanted {
    /// All of it.
    pub(super) fn all(rows: &MemberRows<'_>, files: &FileRows<'_>) -> Self {
        let (rows, files) = ((0..rows.len()).collect(), (0..files.len()).collect());
        Self { rows, files, of_known: false }
    }

    /// Whether nothing is.
    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.files.is_empty()
    }
}

impl<S: WriteSource> TableTransaction<'_, S> {
    /// Whether some of these datasets are registered, as far as a few of them tell.
    pub(super) fn is_known(&self, rows: &MemberRows<'_>) -> Result<bool, RegistryError> {
        let step = rows.len().div_ceil(ASKED).max(1);
        let asked: Vec<[u8; 16]> = (0..rows.len()).step_by(step).map(|row| rows.id(row)).collect();
        if asked.is_empty() {
            return Ok(false);
        }
        let mut query = Query::select(self.source.dialect(), "dataset", &[("d", "run_id")]);
        query.push(" FROM ").push_uuids("v", &asked).push(" JOIN ").push_table("dataset");
        query.push(" d ON d.id = v.value LIMIT 1");
        let mut known = false;
        self.source.each(&query, |_| {
            known = true;
            Ok(())
        })?;
        Ok(known)
    }

    /// Takes away datasets that are registered with their type, RUN and data ID, and those of their
    /// files that are recorded as they are given.
    pub(super) fn leave_out_known(
        &self,
        rows: &MemberRows<'_>,
        files: &FileRows<'_>,
        wanted: &mut Wanted,
    ) -> Result<(), RegistryError> {
        let known = self.known_datasets(rows)?;
        if !known.contains(&true) {
            return Ok(());
        }
        wanted.rows.retain(|&row| !known[row]);
        let same = self.same_files(files, |at| known[files.dataset(at)])?;
        wanted.files.retain(|&at| !same[at]);
        wanted.of_known = wanted.files.iter().any(|&at| known[files.dataset(at)]);
        Ok(())
    }

    /// For each row whether the dataset is registered with its type, RUN and data ID. Its membership
    /// in the RUN tells: no other dataset is a member of a RUN, and none without being registered.
    fn known_datasets(&self, rows: &MemberRows<'_>) -> Result<Vec<bool>, RegistryError> {
        let mut known = vec![false; rows.len()];
        let all: Vec<usize> = (0..rows.len()).collect();
        for table in rows.by_table(&all) {
            let wanted = Numbered::new(table.rows.into_iter().map(|row| (rows.id(row), row)));
            let group = &table.dataset_type.dataset_type.dimensions;
            let keys: Vec<Option<KeyType>> =
                (group.required().iter()).map(|&ix| rows.universe.element(ix).key_type()).collect();
            let mut columns = vec!["dataset_id", "dataset_type_id", "collection_id"];
            let first_key = columns.len();
            columns.extend(dataset_key_columns(group));
            let tags = &table.dataset_type.tags_table;
            self.each_of(
                &wanted,
                (tags, &columns),
                |_| {},
                |result, numbers| {
                    let (dataset_type, run) = (result.int(1)?, result.int(2)?);
                    let mut is_member = false;
                    for &(_, row) in numbers {
                        let part = rows.part(row);
                        if part.collection.1 != run {
                            continue;
                        }
                        is_member = true;
                        let mut same = part.dataset_type.id == dataset_type;
                        for (at, &key) in keys.iter().enumerate() {
                            let value = Value::of_dimension(result, first_key + at, key)?;
                            same &= value == rows.value(at, row);
                        }
                        known[row] = same;
                    }
                    Ok(is_member)
                },
            )?;
        }
        Ok(known)
    }

    /// For each file whether it is recorded, and as it is given as far as both are known; asked of
    /// some of them.
    fn same_files(
        &self,
        files: &FileRows<'_>,
        is_asked: impl Fn(usize) -> bool,
    ) -> Result<Vec<bool>, RegistryError> {
        let asked = (0..files.len()).filter(|&at| is_asked(at));
        let wanted = Numbered::new(asked.map(|at| (files.id(at), at)));
        let mut located = vec![false; files.len()];
        let datastore = |query: &mut Query<'_>| {
            query.push(" AND t.datastore_name = ").bind(self.datastore.name.clone());
        };
        let table = ("dataset_location", &["dataset_id"][..]);
        self.each_of(&wanted, table, datastore, |_, numbers| {
            numbers.iter().for_each(|&(_, at)| located[at] = true);
            Ok(true)
        })?;
        let mut same = vec![false; files.len()];
        let mut columns = vec!["dataset_id", "component", SIZE];
        let first_text = columns.len();
        columns.extend(TEXTS);
        let table = (self.datastore.records_table.as_str(), &columns[..]);
        self.each_of(
            &wanted,
            table,
            |_| {},
            |result, numbers| {
                let component = result.text(1)?;
                let size = result.optional_int(2)?.filter(|&size| size != UNKNOWN_SIZE);
                let mut is_given = false;
                for &(_, at) in numbers {
                    let (_, file) = files.get(at);
                    if file.component.as_deref().unwrap_or(NO_COMPONENT) != component {
                        continue;
                    }
                    is_given = true;
                    let given = Some(file.file_size).filter(|&size| size != UNKNOWN_SIZE);
                    same[at] = located[at] && agree(size, given);
                    for (column, given) in texts(file).into_iter().enumerate() {
                        same[at] &= agree(result.optional_text(first_text + column)?, given);
                    }
                }
                Ok(is_given)
            },
        )?;
        Ok(same)
    }

    /// Hands over rows of a table whose first column is one of UUIDs, each with the numbers that
    /// have it, until `take` has said for all numbers of a UUID that it was what they want.
    ///
    /// Rows that came together are often neighbours, if the database keeps them in that order. Then
    /// these are read in one go, and only what was not found among them is looked up.
    fn each_of(
        &self,
        wanted: &Numbered,
        (table, columns): (&str, &[&str]),
        condition: impl Fn(&mut Query<'_>),
        mut take: impl FnMut(&S::Row<'_>, &[([u8; 16], usize)]) -> Result<bool, RegistryError>,
    ) -> Result<(), RegistryError> {
        let selected: Vec<(&str, &str)> = columns.iter().map(|name| ("t", *name)).collect();
        let select = || Query::select(self.source.dialect(), table, &selected);
        let mut found = vec![false; wanted.0.len()];
        if wanted.0.len() >= WORTH_A_STRETCH
            && let Some(stretch) = self.source.stretch(table, columns[0], &wanted.samples())?
            && stretch.rows <= wanted.0.len() as u64 * MOST_STRANGERS
        {
            let mut query = select();
            query.push(&stretch.from);
            condition(&mut query);
            self.source.each(&query, |row| {
                let at = wanted.with_id(row.uuid(0)?);
                if !at.is_empty() && take(row, &wanted.0[at.clone()])? {
                    found[at].fill(true);
                }
                Ok(())
            })?;
        }
        let left = (wanted.0.iter().zip(&found)).filter(|(_, found)| !**found);
        let mut ids: Vec<[u8; 16]> = left.map(|((id, _), _)| *id).collect();
        ids.dedup();
        if ids.is_empty() {
            return Ok(());
        }
        let mut query = select();
        query.push(" FROM ").push_uuids("v", &ids);
        query.push(&format!(" {} ", self.source.dialect().ordered_join())).push_table(table);
        query.push(&format!(" t ON t.{} = v.value", columns[0]));
        condition(&mut query);
        self.source.each(&query, |row| {
            take(row, &wanted.0[wanted.with_id(row.uuid(0)?)])?;
            Ok(())
        })
    }
}

/// What a file has in the columns of [`TEXTS`].
pub(super) fn texts(file: &StoredFile) -> [Option<&str>; 4] {
    [
        Some(&*file.path),
        Some(&*file.formatter),
        Some(&*file.storage_class),
        file.checksum.as_deref(),
    ]
}

/// Whether two values are the same as far as both are known.
fn agree<T: PartialEq>(a: Option<T>, b: Option<T>) -> bool {
    a.is_none() || b.is_none() || a == b
}

/// Numbers with their UUIDs, sorted.
struct Numbered(Vec<([u8; 16], usize)>);

impl Numbered {
    fn new(numbers: impl Iterator<Item = ([u8; 16], usize)>) -> Self {
        let mut numbers: Vec<([u8; 16], usize)> = numbers.collect();
        numbers.sort_unstable();
        Self(numbers)
    }

    /// Where those are that have a UUID.
    fn with_id(&self, id: [u8; 16]) -> Range<usize> {
        let begin = self.0.partition_point(|(other, _)| *other < id);
        let len = self.0[begin..].iter().take_while(|(other, _)| *other == id).count();
        begin..begin + len
    }

    /// Some UUIDs with those among them that come first and last by UUID and by number.
    fn samples(&self) -> Vec<[u8; 16]> {
        let step = self.0.len().div_ceil(ASKED).max(1);
        let ends = [self.0.first(), self.0.last()];
        let numbers = self.0.iter();
        let by_number =
            [numbers.clone().min_by_key(|(_, at)| *at), numbers.clone().max_by_key(|(_, at)| *at)];
        let some = numbers.step_by(step).map(Some);
        some.chain(ends).chain(by_number).flatten().map(|(id, _)| *id).collect()
    }
}
