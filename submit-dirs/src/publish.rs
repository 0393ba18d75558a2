//! Files that appear when they are whole.

use std::io::{self, BufWriter};
use std::os::unix::fs::PermissionsExt as _;

use camino::Utf8Path;
use tempfile::NamedTempFile;

use crate::error::SubmitError;

/// Writes a file beside its place and gives it its name when it is whole.
///
/// # Errors
/// If it cannot be written, or what `write` returns.
pub(crate) fn write_whole<T>(
    path: &Utf8Path,
    write: impl FnOnce(&mut BufWriter<NamedTempFile>) -> io::Result<T>,
) -> Result<T, SubmitError> {
    let failed = |source| SubmitError::Io { path: path.to_owned(), action: "written", source };
    let folder = match path.parent() {
        Some(folder) if !folder.as_str().is_empty() => folder,
        _ => Utf8Path::new("."),
    };
    let file = tempfile::Builder::new()
        .prefix(".qbb-")
        // As any new file, less what the umask takes away.
        .permissions(std::fs::Permissions::from_mode(0o666))
        .tempfile_in(folder)
        .map_err(failed)?;
    let mut out = BufWriter::new(file);
    let written = write(&mut out).map_err(failed)?;
    let file = out.into_inner().map_err(|error| failed(error.into_error()))?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(written)
}
