//! What can be wrong between registry and datastore.

use serde::Serialize;
use uuid::Uuid;

use crate::trash::is_absolute;

/// In what registry and datastore differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum FindingKind {
    /// A dataset's file is not there.
    MissingFile,
    /// A file has another size than its record says.
    WrongSize,
    /// A file has another checksum than its record says.
    WrongChecksum,
    /// A file that cannot be looked at.
    Unreadable,
    /// A file to which no record refers.
    Orphan,
    /// A record of a dataset that is not registered.
    Unregistered,
    /// A dataset with a record that does not count as stored.
    NotLocated,
    /// A dataset that counts as stored and has no record.
    NoRecord,
    /// A dataset in the trash, whose file is still to be deleted.
    Trash,
    /// A record without a size.
    UnknownSize,
    /// A referenced file that only its own store could tell about.
    Unchecked,
}

impl FindingKind {
    /// Whether something is wrong, and not just unknown.
    pub fn is_problem(self) -> bool {
        !matches!(self, Self::UnknownSize | Self::Unchecked)
    }

    /// The name, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::MissingFile => "missing-file",
            Self::WrongSize => "wrong-size",
            Self::WrongChecksum => "wrong-checksum",
            Self::Unreadable => "unreadable",
            Self::Orphan => "orphan",
            Self::Unregistered => "unregistered",
            Self::NotLocated => "not-located",
            Self::NoRecord => "no-record",
            Self::Trash => "trash",
            Self::UnknownSize => "unknown-size",
            Self::Unchecked => "unchecked",
        }
    }
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// What it is.
    pub kind: FindingKind,
    /// The dataset, if it is about one.
    pub dataset: Option<Uuid>,
    /// Path as recorded or, of a file without a record, inside the datastore.
    pub path: Option<String>,
    /// More about it.
    pub detail: Option<String>,
    /// The component of the dataset, if the record is of one.
    pub component: Option<String>,
    /// True size in bytes, where it is told.
    pub size: Option<u64>,
}

impl Finding {
    /// Whether [`repair`](crate::repair) puts it right, as long as the file is there: records of
    /// referenced files stay as they are.
    pub fn is_repairable(&self) -> bool {
        match self.kind {
            FindingKind::UnknownSize => !self.path.as_deref().is_some_and(is_absolute),
            kind => matches!(kind, FindingKind::NotLocated | FindingKind::Trash),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_of_referenced_files_are_not_called_repairable() {
        let unknown = |path: &str| Finding {
            kind: FindingKind::UnknownSize,
            dataset: Some(Uuid::nil()),
            path: Some(path.to_owned()),
            detail: None,
            component: None,
            size: Some(1),
        };
        assert!(unknown("run/file.json").is_repairable());
        assert!(!unknown("file:///release/file.json").is_repairable());
        assert!(!Finding { kind: FindingKind::Orphan, ..unknown("file") }.is_repairable());
    }
}
