//! What a repository is to hold, as columns: the one thing that every way into a personal
//! repository produces, and [`Insertion`](crate::Insertion) writes.
//!
//! Whoever produces it hands over [`Definitions`] first, then as many [`DatasetColumns`] as there
//! are, each of at most [`BATCH`] datasets so that memory stays bounded, and then
//! [`MemberColumns`]. Cells are numbers of one table of [`Symbols`], which may grow between two
//! batches.

use std::borrow::Cow;

use qbb_dimensions::{DatasetType, RecordTable, Symbol, Symbols, Timespan};
use qbb_registry::{NewCollection, StoredFile};

/// Most datasets in one batch: some 20 MB with their files.
pub const BATCH: usize = 50_000;

/// What datasets and memberships refer to.
#[derive(Debug, Clone, Default)]
pub struct Definitions<'a> {
    /// Dimension records that data IDs of the datasets need, one table for each element. Elements
    /// without a table of their own are passed over when records are inserted.
    pub records: Cow<'a, [RecordTable]>,
    /// Dataset types.
    pub dataset_types: Vec<DatasetType>,
    /// Collections; children of chains are among them, or registered already.
    pub collections: Vec<NewCollection>,
}

/// Datasets of one type in one RUN collection.
#[derive(Debug, Clone, Default)]
pub struct DatasetColumns {
    /// Name of the dataset type.
    pub dataset_type: String,
    /// Name of the RUN collection.
    pub run: String,
    /// One column of cells for each required dimension.
    pub keys: Vec<Vec<i64>>,
    /// UUIDs.
    pub id: Vec<[u8; 16]>,
    /// Stored files. A dataset without one becomes known, but is not stored.
    pub files: FileColumns,
}

/// Memberships of datasets of one type in one TAGGED or CALIBRATION collection.
#[derive(Debug, Clone, Default)]
pub struct MemberColumns {
    /// Name of the dataset type.
    pub dataset_type: String,
    /// Name of the collection.
    pub collection: String,
    /// One column of cells for each required dimension.
    pub keys: Vec<Vec<i64>>,
    /// UUIDs of datasets that were handed over before, or are registered.
    pub id: Vec<[u8; 16]>,
    /// Validity ranges, if the collection is CALIBRATION; a dataset may appear with several.
    pub timespan: Option<Vec<Timespan>>,
}

/// One stored file of a dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct File<'a> {
    /// Relative to the root of the datastore that it is inserted into, or an absolute URI of a file
    /// elsewhere, which may be a member of an archive (`#zip-path=`).
    pub path: &'a str,
    /// Formatter class path.
    pub formatter: &'a str,
    /// Storage class as written.
    pub storage_class: &'a str,
    /// Component; `None` for the whole dataset.
    pub component: Option<&'a str>,
    /// Checksum.
    pub checksum: Option<&'a str>,
    /// Size in bytes; −1 is unknown.
    pub file_size: i64,
}

/// Stored files of the datasets of a batch, by dataset.
#[derive(Debug, Clone, Default)]
pub struct FileColumns {
    dataset: Vec<u32>,
    path: Texts,
    checksum: Texts,
    file_size: Vec<i64>,
    /// Formatter, storage class and component.
    names: Vec<(Symbol, Symbol, Option<Symbol>)>,
    /// What they are called. There are few, however many files.
    symbols: Symbols,
}

impl DatasetColumns {
    /// No datasets yet, of a type with that many required dimensions.
    pub fn new(dataset_type: &str, run: &str, required: usize) -> Self {
        Self {
            dataset_type: dataset_type.to_owned(),
            run: run.to_owned(),
            keys: vec![Vec::new(); required],
            ..Self::default()
        }
    }

    /// Number of datasets.
    pub fn len(&self) -> usize {
        self.id.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.id.is_empty()
    }

    /// Appends a dataset and gives its position, by which files are added. Of `cells` the first
    /// are those of the required dimensions.
    pub fn push(&mut self, id: [u8; 16], cells: impl IntoIterator<Item = i64>) -> u32 {
        for (column, cell) in self.keys.iter_mut().zip(cells) {
            column.push(cell);
        }
        self.id.push(id);
        (self.id.len() - 1) as u32
    }
}

impl MemberColumns {
    /// No members yet, of a type with that many required dimensions.
    pub fn new(dataset_type: &str, collection: &str, required: usize) -> Self {
        Self {
            dataset_type: dataset_type.to_owned(),
            collection: collection.to_owned(),
            keys: vec![Vec::new(); required],
            ..Self::default()
        }
    }

    /// Appends a dataset; with a validity range if the collection is CALIBRATION, where every
    /// member must have one.
    pub fn push(
        &mut self,
        id: [u8; 16],
        cells: impl IntoIterator<Item = i64>,
        timespan: Option<Timespan>,
    ) {
        for (column, cell) in self.keys.iter_mut().zip(cells) {
            column.push(cell);
        }
        self.id.push(id);
        if let Some(timespan) = timespan {
            self.timespan.get_or_insert_default().push(timespan);
        }
    }
}

impl FileColumns {
    /// Number of files.
    pub fn len(&self) -> usize {
        self.dataset.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.dataset.is_empty()
    }

    /// Appends a file of the dataset at a position of the batch.
    pub fn push(&mut self, dataset: u32, file: File<'_>) {
        self.dataset.push(dataset);
        self.path.push(file.path);
        self.checksum.push(file.checksum.unwrap_or_default());
        self.file_size.push(file.file_size);
        let symbols = &mut self.symbols;
        self.names.push((
            symbols.intern(file.formatter),
            symbols.intern(file.storage_class),
            file.component.map(|component| symbols.intern(component)),
        ));
    }

    /// A file, with the position of its dataset; panics if there is none, as indexing does.
    pub fn get(&self, at: usize) -> (u32, File<'_>) {
        let (formatter, storage_class, component) = self.names[at];
        let text = |symbol| self.symbols.get(symbol).unwrap_or_default();
        let file = File {
            path: self.path.get(at),
            formatter: text(formatter),
            storage_class: text(storage_class),
            component: component.map(text),
            checksum: Some(self.checksum.get(at)).filter(|checksum| !checksum.is_empty()),
            file_size: self.file_size[at],
        };
        (self.dataset[at], file)
    }

    /// All files with the positions of their datasets.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (u32, File<'_>)> {
        (0..self.len()).map(|at| self.get(at))
    }
}

impl From<File<'_>> for StoredFile {
    fn from(file: File<'_>) -> Self {
        Self {
            path: file.path.to_owned(),
            formatter: file.formatter.to_owned(),
            storage_class: file.storage_class.to_owned(),
            component: file.component.map(str::to_owned),
            checksum: file.checksum.map(str::to_owned),
            file_size: file.file_size,
        }
    }
}

impl<'a> From<&'a StoredFile> for File<'a> {
    fn from(file: &'a StoredFile) -> Self {
        Self {
            path: &file.path,
            formatter: &file.formatter,
            storage_class: &file.storage_class,
            component: file.component.as_deref(),
            checksum: file.checksum.as_deref(),
            file_size: file.file_size,
        }
    }
}

/// Texts one behind the other.
#[derive(Debug, Clone, Default)]
struct Texts {
    text: String,
    ends: Vec<usize>,
}

impl Texts {
    fn push(&mut self, text: &str) {
        self.text.push_str(text);
        self.ends.push(self.text.len());
    }

    fn get(&self, at: usize) -> &str {
        let begin = if at == 0 { 0 } else { self.ends[at - 1] };
        &self.text[begin..self.ends[at]]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_come_back_as_they_were_pushed() {
        let whole = File {
            path: "run/a b#x.json",
            formatter: "F",
            storage_class: "S",
            component: None,
            checksum: None,
            file_size: -1,
        };
        let part = File { path: "", component: Some("S"), checksum: Some("00ff"), ..whole };
        let mut files = FileColumns::default();
        files.push(0, whole);
        files.push(2, part);
        assert_eq!(files.iter().collect::<Vec<_>>(), [(0, whole), (2, part)]);
        let stored = StoredFile::from(part);
        assert_eq!(File::from(&stored), part);
    }

    #[test]
    fn members_have_validity_ranges_or_none() {
        let mut tagged = MemberColumns::new("bias", "tagged", 1);
        tagged.push([1; 16], [7, 8], None);
        assert_eq!((&tagged.keys[..], &tagged.timespan), (&[vec![7]][..], &None));
        let mut certified = MemberColumns::new("bias", "calib", 1);
        certified.push([1; 16], [7], Some(Timespan::from((1, 2))));
        certified.push([1; 16], [7], Some(Timespan::from((3, 4))));
        assert_eq!(certified.timespan.unwrap().len(), certified.id.len());
    }
}
