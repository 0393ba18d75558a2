//! Opening a graph file of either kind.

use std::io::Read as _;

use camino::Utf8Path;

use crate::error::{GraphError, Result};
use crate::model::QuantumGraph;
use crate::native::{Check, MAGIC, open_native};
use crate::qg::read_qg;

/// First bytes of a zip archive with something in it.
pub(crate) const ZIP: &[u8] = b"PK\x03\x04";
/// First bytes of the middleware's former graph files.
const FORMER: &[u8] = b"qgraph4";

/// Opens a graph file, whichever of the known kinds its content says it is, and checks all of it.
///
/// # Errors
/// If it is of no known kind, or as [`open_native`] and [`read_qg`].
pub fn open(path: &Utf8Path) -> Result<QuantumGraph> {
    open_with(path, Check::Full)
}

/// The first bytes of a file, as many as tell its kind.
pub(crate) fn beginning(path: &Utf8Path) -> Result<Vec<u8>> {
    let mut begin = Vec::new();
    fs_err::File::open(path)
        .and_then(|file| file.take(MAGIC.len() as u64).read_to_end(&mut begin))
        .map_err(GraphError::io("read", path))?;
    Ok(begin)
}

/// The kinds of graph files.
enum Kind {
    Native,
    Exchange,
}

/// Looks at the beginning of a file: whether it can be a graph at all.
///
/// # Errors
/// If it is of no known kind, or cannot be read.
pub fn check_kind(path: &Utf8Path) -> Result<()> {
    kind(path).map(|_| ())
}

/// Opens a graph file of either kind; `check` matters to native ones, a `.qg` is always read whole.
///
/// # Errors
/// As [`open`].
pub fn open_with(path: &Utf8Path, check: Check) -> Result<QuantumGraph> {
    match kind(path)? {
        Kind::Native => open_native(path, check),
        Kind::Exchange => read_qg(path),
    }
}

fn kind(path: &Utf8Path) -> Result<Kind> {
    let begin = beginning(path)?;
    if begin.starts_with(&MAGIC[..4]) {
        return Ok(Kind::Native);
    }
    if begin.starts_with(ZIP) {
        return Ok(Kind::Exchange);
    }
    let reason = if begin.is_empty() {
        "it is empty"
    } else if begin.starts_with(FORMER) {
        "it is a `.qgraph` of older middleware; convert it to `.qg` with `pipetask`"
    } else {
        "it begins neither as a native graph (`.qbb`) nor as a `.qg`"
    };
    Err(GraphError::Foreign { path: path.into(), reason: reason.to_owned() })
}
