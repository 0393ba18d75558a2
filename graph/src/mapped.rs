//! Mapping graph files into memory.

use std::sync::Arc;

use camino::Utf8Path;
use memmap2::{Mmap, MmapOptions};
use qbb_dimensions::SharedBytes;

use crate::error::{GraphError, Result};

/// Opens a regular file, and tells its length.
///
/// # Errors
/// If it cannot be opened or is not a regular file.
pub(crate) fn open_regular(path: &Utf8Path) -> Result<(fs_err::File, u64)> {
    let file = fs_err::File::open(path).map_err(GraphError::io("open", path))?;
    let metadata = file.metadata().map_err(GraphError::io("inspect", path))?;
    if !metadata.is_file() {
        return Err(GraphError::Foreign {
            path: path.to_owned(),
            reason: "it is not a regular file".to_owned(),
        });
    }
    Ok((file, metadata.len()))
}

/// The bytes of a file that nobody changes.
#[derive(Clone)]
pub(crate) struct MappedFile(Arc<Option<Mmap>>);

impl MappedFile {
    /// Maps a file.
    ///
    /// # Errors
    /// If it cannot be opened or is not a regular file.
    pub(crate) fn open(path: &Utf8Path) -> Result<Self> {
        let (file, length) = open_regular(path)?;
        if length == 0 {
            return Ok(Self(Arc::new(None)));
        }
        // SAFETY: the mapping is read-only and private to this process. Undefined behaviour would
        // need someone to change the file while it is mapped; graph files are published by renaming
        // a finished file into place and never written afterwards (docs/formats/native-graph.md,
        // section 4), by this program as by the middleware.
        let map =
            unsafe { MmapOptions::new().map(file.file()) }.map_err(GraphError::io("map", path))?;
        Ok(Self(Arc::new(Some(map))))
    }

    /// The same bytes for columns to look into.
    pub(crate) fn shared(&self) -> SharedBytes {
        Arc::new(self.clone())
    }
}

impl AsRef<[u8]> for MappedFile {
    fn as_ref(&self) -> &[u8] {
        match &*self.0 {
            Some(map) => map,
            None => &[],
        }
    }
}
