//! Appending entries.

use std::fs::File;
use std::io::{self, Seek, SeekFrom};

use camino::{Utf8Path, Utf8PathBuf};
use qbb_datastore::disk;
use qbb_graph::{DatasetIx, QuantumIx};
use uuid::Uuid;
use zstd::bulk::Compressor;
use zstd::zstd_safe;

use super::dictionary::DICTIONARY;
use super::error::PackError;
use super::format::{
    BlockRow, DICTIONARY_FRAME, EXTENSION, HEADER, MAX_ENTRY, PackHeader, append_block_start,
};
use crate::GraphIdentity;
use crate::journal::frame::{append_frame, seal_frame, start_frame};
use crate::journal::{PackedBlock, PackedRow};

/// A block with more content than this many bytes is closed.
const BLOCK: usize = 256 << 10;

/// Higher levels save a tenth of the space and take twice the time.
const LEVEL: i32 = 1;

/// Writes the pack of this process.
///
/// Entries are [staged](Self::stage); [`PackWriter::seal`] hands all of them to the operating system
/// and says where they are, which the journal must be told before the ends of their quanta.
pub struct PackWriter {
    path: Utf8PathBuf,
    writer: Uuid,
    file: File,
    /// Where the next frame goes; all before is whole.
    end: u64,
    poisoned: bool,
    compressor: Compressor<'static>,
    // Of the block that is open.
    content: Vec<u8>,
    rows: Vec<BlockRow>,
    /// Blocks that were written since the last seal.
    blocks: Vec<PackedBlock>,
    /// Kept between blocks to save allocations.
    frame: Vec<u8>,
}

impl PackWriter {
    /// Makes a pack beside the journal file of the same writer.
    ///
    /// # Errors
    /// If the file cannot be made or written.
    pub fn create(
        directory: &Utf8Path,
        writer: Uuid,
        graph: GraphIdentity,
    ) -> Result<Self, PackError> {
        let path = directory.join(format!("{writer}.{EXTENSION}"));
        let file = disk::create(&path).map_err(PackError::io("create", &path))?;
        let mut start = PackHeader { writer, graph }.to_bytes().to_vec();
        append_frame(&mut start, 0, &[&[DICTIONARY_FRAME], DICTIONARY].concat());
        disk::append(&file, &path, &start).map_err(PackError::io("write", &path))?;
        // The name must survive a crash of the machine as well as the content.
        disk::sync_file(&file, &path).map_err(PackError::io("sync", &path))?;
        disk::sync_folder(directory).map_err(PackError::io("sync", directory))?;
        let compressor = Compressor::with_dictionary(LEVEL, DICTIONARY)
            .map_err(|source| PackError::Compress { path: path.clone(), source })?;
        Ok(Self {
            path,
            writer,
            file,
            end: start.len() as u64,
            poisoned: false,
            compressor,
            content: Vec::new(),
            rows: Vec::new(),
            blocks: Vec::new(),
            frame: Vec::new(),
        })
    }

    /// The file.
    pub fn path(&self) -> &Utf8Path {
        &self.path
    }

    /// Identifies the pack.
    pub fn writer(&self) -> Uuid {
        self.writer
    }

    /// Whether an entry of a length may be staged.
    pub fn takes(length: usize) -> bool {
        length <= MAX_ENTRY
    }

    /// Adds an entry, which nobody can read before the next [`seal`](Self::seal).
    ///
    /// # Errors
    /// If it is longer than [`MAX_ENTRY`], or writing fails, now or in an earlier call.
    pub fn stage(
        &mut self,
        quantum: QuantumIx,
        attempt: u32,
        dataset: DatasetIx,
        bytes: &[u8],
    ) -> Result<(), PackError> {
        if !Self::takes(bytes.len()) {
            return Err(PackError::TooLong { path: self.path.clone(), length: bytes.len() });
        }
        self.content.extend_from_slice(bytes);
        let length = bytes.len() as u32;
        self.rows.push(BlockRow { quantum, attempt, dataset, length });
        if self.content.len() > BLOCK { self.close_block() } else { Ok(()) }
    }

    /// Hands everything that was staged to the operating system and tells where it is. When this
    /// returns it survives the end of this process; surviving the end of the machine takes what
    /// [`PackWriter::syncer`] does.
    ///
    /// # Errors
    /// If writing fails, now or in an earlier call. The file is then cut back to its last whole
    /// frame, as far as that is possible.
    pub fn seal(&mut self) -> Result<Vec<PackedBlock>, PackError> {
        self.close_block()?;
        Ok(std::mem::take(&mut self.blocks))
    }

    /// A function that waits until everything that was sealed before is on disk.
    ///
    /// # Errors
    /// If the system has no file descriptor left.
    pub fn syncer(&self) -> Result<impl Fn() -> io::Result<()> + Send + Sync + 'static, PackError> {
        let file = self.file.try_clone().map_err(PackError::io("sync", &self.path))?;
        let path = self.path.clone();
        Ok(move || disk::sync_file(&file, &path))
    }

    fn close_block(&mut self) -> Result<(), PackError> {
        if self.poisoned {
            return Err(PackError::Poisoned { path: self.path.clone() });
        }
        if self.rows.is_empty() {
            return Ok(());
        }
        let offset = self.end;
        if let Err(error) = self.write_block() {
            self.poisoned = true;
            // If this fails too, there is a torn block that nothing claims.
            let _ = disk::cut(&self.file, &self.path, offset);
            let _ = self.file.seek(SeekFrom::Start(offset));
            return Err(error);
        }
        let mut begin = 0;
        let rows = self.rows.drain(..).map(|row| {
            let BlockRow { quantum, attempt, dataset, length } = row;
            let placed = PackedRow { quantum, attempt, dataset, begin, length };
            begin += length;
            placed
        });
        self.blocks.push(PackedBlock { offset, rows: rows.collect() });
        self.content.clear();
        Ok(())
    }

    fn write_block(&mut self) -> Result<(), PackError> {
        let Self { frame, rows, content, compressor, path, file, end, .. } = self;
        frame.clear();
        start_frame(frame);
        append_block_start(rows, content.len(), frame);
        let begin = frame.len();
        // Compressed in place.
        frame.resize(begin + zstd_safe::compress_bound(content.len()), 0);
        let length = compressor
            .compress_to_buffer(content.as_slice(), &mut frame[begin..])
            .map_err(|source| PackError::Compress { path: path.clone(), source })?;
        frame.truncate(begin + length);
        seal_frame(frame, *end);
        disk::append(file, path, frame).map_err(PackError::io("write", path.as_path()))?;
        *end += frame.len() as u64;
        Ok(())
    }
}

impl std::fmt::Debug for PackWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PackWriter").field("path", &self.path).field("end", &self.end).finish()
    }
}

// The header is followed by the dictionary in the same write.
const _: () = assert!(HEADER + DICTIONARY.len() < BLOCK);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_failed_write_nothing_more_is_packed() {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(folder.path()).unwrap();
        let mut pack = PackWriter::create(path, Uuid::nil(), GraphIdentity([0; 32])).unwrap();
        let entry = (QuantumIx(0), 0, DatasetIx(0));
        pack.stage(entry.0, entry.1, entry.2, b"x").unwrap();
        // As a full disk would have it, a file that cannot be written.
        pack.file = File::open(pack.path()).unwrap();
        let failed = pack.seal().unwrap_err();
        assert!(matches!(failed, PackError::Io { action: "write", .. }), "{failed}");
        let refused = pack.seal().unwrap_err();
        assert!(matches!(refused, PackError::Poisoned { .. }), "{refused}");
        let long = vec![0; MAX_ENTRY + 1];
        let refused = pack.stage(entry.0, entry.1, entry.2, &long).unwrap_err();
        assert!(matches!(refused, PackError::TooLong { .. }), "{refused}");
    }
}
