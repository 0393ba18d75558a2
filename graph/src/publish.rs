//! Files that appear whole or not at all.

use std::io::BufWriter;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use camino::Utf8Path;
use tempfile::NamedTempFile;

use crate::error::{GraphError, Result};

/// Files under construction.
static UNFINISHED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// Keeps a file in the list while it is made.
struct Unfinished<'a>(&'a std::path::Path);

impl<'a> Unfinished<'a> {
    fn new(path: &'a std::path::Path) -> Self {
        UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner).push(path.to_owned());
        Self(path)
    }
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        let mut files = UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner);
        files.retain(|other| other != self.0);
    }
}

/// Removes the graph files that this process has begun and not finished: the last act of a program
/// that ends at a signal. Whoever begins or finishes one afterwards waits for the end of the process.
pub fn remove_unfinished() {
    let files = UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner);
    for path in files.iter() {
        // Nothing is left to be done about a file that cannot be removed.
        let _ = fs_err::remove_file(path);
    }
    std::mem::forget(files);
}

/// Makes a file by writing beside it, syncing, renaming and syncing the directory. An existing file
/// is replaced; if anything fails nothing appears.
pub(crate) fn publish(
    path: &Utf8Path,
    write: impl FnOnce(&mut BufWriter<&mut std::fs::File>) -> Result<()>,
) -> Result<()> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_str().is_empty() => parent,
        _ => Utf8Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".").suffix(".part");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        // The usual mode of new files, from which the system takes the user's mask.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let file: NamedTempFile =
        builder.tempfile_in(folder).map_err(GraphError::io("make a file in", folder))?;
    let (mut file, temporary) = file.into_parts();
    let place = temporary.to_path_buf();
    let unfinished = Unfinished::new(&place);
    let mut buffered = BufWriter::with_capacity(1 << 20, &mut file);
    write(&mut buffered)?;
    buffered
        .into_inner()
        .map_err(std::io::IntoInnerError::into_error)
        .map_err(GraphError::io("write", path))?;
    file.sync_all().map_err(GraphError::io("sync", path))?;
    temporary.persist(path).map_err(|e| e.error).map_err(GraphError::io("rename to", path))?;
    drop(unfinished);
    fs_err::File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(GraphError::io("sync the folder", folder))
}
