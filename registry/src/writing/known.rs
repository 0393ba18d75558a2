//! Datasets that are registered already exactly as they are given, which are most of them when a
//! transfer is repeated. They are read in a few statements and compared, so that nothing has to be
//! staged for them.

use super::files::FileRows;
use super::member_rows::MemberRows;
use super::source::WriteSource;
use super::transaction::TableTransaction;
use super::value::Value;
use crate::error::RegistryError;
use crate::reading::{NO_COMPONENT, Query, ResultRow as _, UNKNOWN_SIZE};
use crate::schema::dataset_key_columns;
use crate::writer::StoredFile;

/// Of so many datasets of a batch it is asked whether they are there, before it is tried.
const ASKED: usize = 100;

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

    /// For each row whether the dataset is registered with its type, RUN and data ID.
    fn known_datasets(&self, rows: &MemberRows<'_>) -> Result<Vec<bool>, RegistryError> {
        let mut known = vec![false; rows.len()];
        let all: Vec<usize> = (0..rows.len()).collect();
        for table in rows.by_table(&all) {
            let by_id = sorted(table.rows.into_iter(), |row| rows.id(row));
            let ids: Vec<[u8; 16]> = by_id.iter().map(|&(id, _)| id).collect();
            let group = &table.dataset_type.dataset_type.dimensions;
            let tags = &table.dataset_type.tags_table;
            let mut columns = vec![("d", "id"), ("d", "dataset_type_id"), ("d", "run_id")];
            let first_key = columns.len();
            columns.extend(dataset_key_columns(group).into_iter().map(|name| ("t", name)));
            let dialect = self.source.dialect();
            let join = format!(" {} ", dialect.ordered_join());
            let mut query = Query::select(dialect, "dataset", &columns);
            query.push(" FROM ").push_uuids("v", &ids).push(&join).push_table("dataset");
            query.push(" d ON d.id = v.value").push(&join).push_table(tags);
            query.push(" t ON t.dataset_id = d.id AND t.collection_id = d.run_id");
            self.source.each(&query, |result| {
                let id = result.uuid(0)?;
                let (dataset_type, run) = (result.int(1)?, result.int(2)?);
                let mut data_id = Vec::with_capacity(group.required().len());
                for (at, &ix) in group.required().iter().enumerate() {
                    let key = rows.universe.element(ix).key_type();
                    data_id.push(Value::of_dimension(result, first_key + at, key)?);
                }
                for &(_, row) in with_id(&by_id, id) {
                    let part = rows.part(row);
                    known[row] = part.dataset_type.id == dataset_type
                        && part.collection.1 == run
                        && data_id.iter().enumerate().all(|(at, v)| *v == rows.value(at, row));
                }
                Ok(())
            })?;
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
        let mut same = vec![false; files.len()];
        let by_id = sorted((0..files.len()).filter(|&at| is_asked(at)), |at| files.id(at));
        let mut ids: Vec<[u8; 16]> = by_id.iter().map(|&(id, _)| id).collect();
        ids.dedup();
        if ids.is_empty() {
            return Ok(same);
        }
        let mut columns = vec![("r", "dataset_id"), ("r", "component"), ("r", SIZE)];
        columns.extend(TEXTS.map(|name| ("r", name)));
        let dialect = self.source.dialect();
        let join = format!(" {} ", dialect.ordered_join());
        let table = &self.datastore.records_table;
        let mut query = Query::select(dialect, table, &columns);
        query.push(" FROM ").push_uuids("v", &ids).push(&join).push_table(table);
        query.push(" r ON r.dataset_id = v.value").push(&join).push_table("dataset_location");
        query.push(" l ON l.dataset_id = r.dataset_id AND l.datastore_name = ");
        query.bind(self.datastore.name.clone());
        self.source.each(&query, |result| {
            let component = result.text(1)?;
            let size = result.optional_int(2)?;
            for &(_, at) in with_id(&by_id, result.uuid(0)?) {
                let (_, file) = files.get(at);
                if file.component.as_deref().unwrap_or(NO_COMPONENT) != component {
                    continue;
                }
                let mut says_the_same = agree(
                    size.filter(|&size| size != UNKNOWN_SIZE),
                    Some(file.file_size).filter(|&size| size != UNKNOWN_SIZE),
                );
                for (column, given) in texts(file).into_iter().enumerate() {
                    says_the_same &= agree(result.optional_text(3 + column)?, given);
                }
                same[at] = says_the_same;
            }
            Ok(())
        })?;
        Ok(same)
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
fn sorted(
    numbers: impl Iterator<Item = usize>,
    id: impl Fn(usize) -> [u8; 16],
) -> Vec<([u8; 16], usize)> {
    let mut sorted: Vec<([u8; 16], usize)> = numbers.map(|number| (id(number), number)).collect();
    sorted.sort_unstable();
    sorted
}

/// Those of sorted numbers that have a UUID.
fn with_id(sorted: &[([u8; 16], usize)], id: [u8; 16]) -> &[([u8; 16], usize)] {
    let begin = sorted.partition_point(|(other, _)| *other < id);
    let len = sorted[begin..].iter().take_while(|(other, _)| *other == id).count();
    &sorted[begin..begin + len]
}
