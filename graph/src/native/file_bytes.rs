//! Two ways to the bytes of a native file: all of them mapped, or some of them read.

use std::borrow::Cow;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use camino::Utf8Path;

use crate::error::Result;
use crate::mapped::{self, MappedFile};

/// Bytes that are hashed in one go where they are read for that alone.
const PIECE: u64 = 256 << 10;
/// Below this, handing the work to other threads takes longer than doing it.
const PARALLEL: u64 = 128 << 10;

/// The bytes of a file that nobody changes.
pub(super) trait FileBytes {
    /// Length of the file.
    fn length(&self) -> u64;

    /// Some of its bytes.
    ///
    /// # Errors
    /// If they cannot be read, or end behind the end of the file.
    fn read(&self, range: Range<u64>) -> io::Result<Cow<'_, [u8]>>;

    /// The BLAKE3 hash of some of its bytes.
    ///
    /// # Errors
    /// As for [`FileBytes::read`].
    fn hash(&self, range: Range<u64>) -> io::Result<blake3::Hash>;
}

impl FileBytes for MappedFile {
    fn length(&self) -> u64 {
        self.as_ref().len() as u64
    }

    fn read(&self, range: Range<u64>) -> io::Result<Cow<'_, [u8]>> {
        let inside = self.as_ref().get(range.start as usize..range.end as usize);
        inside.map(Cow::Borrowed).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    fn hash(&self, range: Range<u64>) -> io::Result<blake3::Hash> {
        let bytes = self.read(range)?;
        let mut hasher = blake3::Hasher::new();
        match bytes.len() as u64 {
            ..PARALLEL => hasher.update(&bytes),
            _ => hasher.update_rayon(&bytes),
        };
        Ok(hasher.finalize())
    }
}

/// A file of which only some places are read. The system maps what surrounds each touched place of a
/// mapped file, with large pages megabytes of it; reading takes no more memory than is asked for.
pub(super) struct PositionedFile {
    file: fs_err::File,
    length: u64,
}

impl PositionedFile {
    /// Opens a file.
    ///
    /// # Errors
    /// If it cannot be opened or is not a regular file.
    pub(super) fn open(path: &Utf8Path) -> Result<Self> {
        let (file, length) = mapped::open_regular(path)?;
        Ok(Self { file, length })
    }

    /// Fills a buffer with the bytes from an offset on.
    pub(super) fn fill(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.file().read_exact_at(buffer, offset)
    }
}

impl FileBytes for PositionedFile {
    fn length(&self) -> u64 {
        self.length
    }

    fn read(&self, range: Range<u64>) -> io::Result<Cow<'_, [u8]>> {
        // A hostile length is refused before memory is taken for it.
        if range.start > range.end || range.end > self.length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut bytes = vec![0; (range.end - range.start) as usize];
        self.fill(&mut bytes, range.start)?;
        Ok(Cow::Owned(bytes))
    }

    fn hash(&self, range: Range<u64>) -> io::Result<blake3::Hash> {
        let mut hasher = blake3::Hasher::new();
        let mut begin = range.start;
        while begin < range.end {
            let end = range.end.min(begin + PIECE);
            hasher.update(&self.read(begin..end)?);
            begin = end;
        }
        Ok(hasher.finalize())
    }
}
