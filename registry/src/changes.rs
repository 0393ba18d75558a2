//! What a write transaction is given, and what it says that it has done.

use qbb_dimensions::Timespan;

use crate::collection::CollectionKind;

/// A collection to register.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCollection {
    /// Name.
    pub name: String,
    /// Type.
    pub kind: CollectionKind,
    /// Documentation.
    pub doc: Option<String>,
    /// Children of a CHAINED collection, in search order.
    pub children: Vec<String>,
}

/// Datasets of one type in one RUN, as columns.
#[derive(Debug, Clone, Copy)]
pub struct DatasetBatch<'a> {
    /// Name of the dataset type.
    pub dataset_type: &'a str,
    /// Name of the RUN.
    pub run: &'a str,
    /// One column of cells for each required dimension.
    pub keys: &'a [Vec<i64>],
    /// Dataset UUIDs.
    pub id: &'a [[u8; 16]],
    /// Stored files with the position in `id` of their dataset; datasets without one are
    /// recorded but not stored.
    pub files: &'a [(u32, StoredFile)],
}

/// A row of the datastore's record table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFile {
    /// Relative to the datastore root, or an absolute URI.
    pub path: String,
    /// Formatter class path.
    pub formatter: String,
    /// Storage class as written.
    pub storage_class: String,
    /// Component; `None` for the whole dataset.
    pub component: Option<String>,
    /// Checksum.
    pub checksum: Option<String>,
    /// Size in bytes; −1 is unknown.
    pub file_size: i64,
}

/// Memberships of datasets of one type in one TAGGED or CALIBRATION collection.
#[derive(Debug, Clone, Copy)]
pub struct Association<'a> {
    /// Name of the dataset type.
    pub dataset_type: &'a str,
    /// Name of the collection.
    pub collection: &'a str,
    /// One column of cells for each required dimension.
    pub keys: &'a [Vec<i64>],
    /// Dataset UUIDs.
    pub id: &'a [[u8; 16]],
    /// Validity ranges, for CALIBRATION collections.
    pub timespan: Option<&'a [Timespan]>,
}

/// Data IDs of some dimension group, as columns of cells.
#[derive(Debug, Clone, Copy)]
pub struct DataIdColumns<'a> {
    /// One column for each required dimension.
    pub keys: &'a [Vec<i64>],
    /// Number of data IDs; there may be no columns.
    pub len: usize,
}

/// A change of a chain's children; each child of a list counts once.
#[derive(Debug, Clone, Copy)]
pub enum ChainEdit<'a> {
    /// These are the children.
    Redefine(&'a [String]),
    /// These come first, in this order; those that are there already move.
    Prepend(&'a [String]),
    /// These come last, in this order; those that are there already move.
    Extend(&'a [String]),
    /// These come before the child at a position, counted from 0, or last; those that are there
    /// already move.
    Insert {
        /// The position.
        at: usize,
        /// The children.
        children: &'a [String],
    },
    /// These go, where they are there.
    Remove(&'a [String]),
    /// Those at positions go; negative ones count from the end.
    Pop(&'a [i64]),
}

/// What an edit has made of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainChange {
    /// The children, in search order.
    pub children: Vec<String>,
    /// Whether they were others before.
    pub changed: bool,
}

/// What removing collections has removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RemovedCollections {
    /// Number of collections.
    pub collections: u64,
    /// Number of datasets.
    pub datasets: u64,
    /// Collections with chains that they were taken out of, sorted.
    pub parents: Vec<(String, String)>,
}

/// What taking a validity range away has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Decertified {
    /// Certifications that overlapped the range.
    pub certifications: u64,
    /// Certifications that are left of them.
    pub remaining: u64,
}

/// Datasets in a datastore's trash.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trash {
    /// The datasets.
    pub id: Vec<[u8; 16]>,
    /// Those of them that were stored again since, whose files are not trash.
    pub stored_again: Vec<[u8; 16]>,
    /// Paths of their records.
    pub files: Vec<TrashedFile>,
}

/// A file that a dataset in the trash refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrashedFile {
    /// The dataset.
    pub id: [u8; 16],
    /// Path as recorded: relative to the datastore root, or an absolute URI; perhaps of a member
    /// of an archive.
    pub path: Box<str>,
    /// Whether a dataset that is not in the trash refers to the file, too.
    pub shared: bool,
}

impl TrashedFile {
    /// The path without the member of an archive.
    pub fn file(&self) -> &str {
        self.path.split_once("#zip-path=").map_or(&self.path, |(file, _)| file)
    }
}

/// The size of a file whose record says none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrueSize<'a> {
    /// The dataset.
    pub id: [u8; 16],
    /// The component; `None` for the whole dataset.
    pub component: Option<&'a str>,
    /// Bytes.
    pub size: i64,
}
