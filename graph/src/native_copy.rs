//! Native copies of `.qg` files, so that each of many processes maps what one has read.
//!
//! Journals name quanta and datasets by their positions in the whole graph, which only all blocks of
//! a `.qg` together tell. A batch job of one quantum would therefore read the whole file; with a
//! copy it maps the tables and touches little of them.

use std::fmt::Write as _;

use camino::{Utf8Path, Utf8PathBuf};

use crate::error::Result;
use crate::model::QuantumGraph;
use crate::native::{Check, open_native, write_native};
use crate::open::{ZIP, beginning, open};
use crate::qg::{fingerprint, read_qg};

/// What is done where there is no copy yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MissingCopy {
    /// It is made, with its folder.
    Make,
    /// Nothing: the file is read as it is.
    Ignore,
}

/// Opens a graph file of either kind; a `.qg` by its copy in a folder, if there is one.
///
/// The name of a copy tells of which file it is: the digest of the archive's directory, in which the
/// length and the checksum of each member stand. So a `.qg` that was written again has another copy.
/// A copy that is damaged is made anew, and one that cannot be made costs the next process time and
/// nothing else.
///
/// # Errors
/// As [`open`].
pub fn open_by_copy(
    path: &Utf8Path,
    folder: &Utf8Path,
    missing: MissingCopy,
) -> Result<QuantumGraph> {
    if !beginning(path)?.starts_with(ZIP) {
        return open(path);
    }
    let copy = copy_of(path, folder)?;
    if let Ok(graph) = open_native(&copy, Check::Full) {
        return Ok(graph);
    }
    let graph = read_qg(path)?;
    if missing == MissingCopy::Make && fs_err::create_dir_all(folder).is_ok() {
        let _ = write_native(&graph, &copy);
    }
    Ok(graph)
}

/// Where the copy of a `.qg` is.
fn copy_of(path: &Utf8Path, folder: &Utf8Path) -> Result<Utf8PathBuf> {
    let mut name = "graph-".to_owned();
    for byte in &fingerprint(path)?[..16] {
        // Writing to a string cannot fail.
        let _ = write!(name, "{byte:02x}");
    }
    Ok(folder.join(name + ".qbb"))
}
