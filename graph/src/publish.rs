//! Files that appear whole or not at all.

use std::io::BufWriter;

use camino::Utf8Path;
use tempfile::NamedTempFile;

use crate::error::{GraphError, Result};

/// Makes a file by writing beside it, syncing, renaming and syncing the directory. An existing file
/// is replaced; if anything fails nothing appears.
pub(crate) fn publish(
    path: &Utf8Path,
    write: impl FnOnce(&mut BufWriter<&mut NamedTempFile>) -> Result<()>,
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
    let mut file = builder.tempfile_in(folder).map_err(GraphError::io("make a file in", folder))?;
    let mut buffered = BufWriter::with_capacity(1 << 20, &mut file);
    write(&mut buffered)?;
    buffered
        .into_inner()
        .map_err(std::io::IntoInnerError::into_error)
        .map_err(GraphError::io("write", path))?;
    file.as_file().sync_all().map_err(GraphError::io("sync", path))?;
    file.persist(path).map_err(|error| error.error).map_err(GraphError::io("rename to", path))?;
    fs_err::File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(GraphError::io("sync the folder", folder))
}
