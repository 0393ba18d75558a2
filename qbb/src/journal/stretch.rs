//! Stretches of a journal file and the frames in them.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;

use super::frame::{FRAME_HEADER, FrameHeader, find_frame};

/// Bytes of a file that are read at once.
pub(super) const PIECE: u64 = 1 << 20;

/// Which frames to read: those that begin at `from` or behind it, and before `until`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stretch {
    pub from: u64,
    pub until: u64,
    /// Whether a frame is known to begin at `from`; otherwise the first valid one is looked for.
    pub aligned: bool,
    /// Length of the file; nothing is read behind it.
    pub length: u64,
}

/// The bytes of a stretch; of a frame that begins in it and ends behind it, the rest is added.
pub(super) struct Source<'f> {
    file: &'f File,
    from: u64,
    length: u64,
    bytes: Vec<u8>,
}

impl<'f> Source<'f> {
    /// Reads a stretch into a buffer, whose content is replaced.
    pub fn read(file: &'f File, stretch: Stretch, mut buffer: Vec<u8>) -> io::Result<Self> {
        buffer.clear();
        let mut source = Self { file, from: stretch.from, length: stretch.length, bytes: buffer };
        source.extend_to(stretch.until)?;
        Ok(source)
    }

    /// The first valid frame, if any is whole.
    pub fn first_frame(&self) -> Option<u64> {
        find_frame(&self.bytes, self.from)
    }

    /// The buffer, to be used again.
    pub fn into_buffer(self) -> Vec<u8> {
        self.bytes
    }

    /// Reads on until an offset, or until the end of a file that was cut.
    fn extend_to(&mut self, offset: u64) -> io::Result<()> {
        let have = self.bytes.len();
        self.bytes.resize((offset.min(self.length) - self.from) as usize, 0);
        let mut at = have;
        while at < self.bytes.len() {
            match self.file.read_at(&mut self.bytes[at..], self.from + at as u64) {
                Ok(0) => break,
                Ok(n) => at += n,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.bytes.truncate(at);
        Ok(())
    }

    /// The payload of the frame at an offset, if it is valid.
    pub fn frame(&mut self, offset: u64) -> io::Result<Option<&[u8]>> {
        let at = (offset - self.from) as usize;
        if self.bytes.len() < at + FRAME_HEADER {
            self.extend_to(offset + FRAME_HEADER as u64)?;
        }
        let Some(header) = (self.bytes.get(at..))
            .and_then(|rest| rest.first_chunk::<FRAME_HEADER>())
            .and_then(FrameHeader::parse)
        else {
            return Ok(None);
        };
        let (begin, end) = (at + FRAME_HEADER, at + FRAME_HEADER + header.length);
        // The length is not trusted with an allocation until the file is known to be that long.
        if self.length - self.from < end as u64 {
            return Ok(None);
        }
        if self.bytes.len() < end {
            self.extend_to(self.from + end as u64)?;
        }
        Ok(self.bytes.get(begin..end).filter(|payload| header.accepts(offset, payload)))
    }
}

/// Offset of the first valid frame behind a damaged one at `offset`.
pub(super) fn next_valid_frame(file: &File, offset: u64, length: u64) -> io::Result<Option<u64>> {
    let mut from = offset + 1;
    while from < length {
        let until = (from + PIECE).min(length);
        // Whatever begins in this stretch is read to its end before it is judged.
        let mut source =
            Source::read(file, Stretch { from, until, aligned: false, length }, Vec::new())?;
        let mut at = 0;
        while let Some(step) = find_marker(&source.bytes[at..]) {
            at += step;
            if source.frame(from + at as u64)?.is_some() {
                return Ok(Some(from + at as u64));
            }
            at += 1;
        }
        // A marker may lie across the border.
        from = if until == length { length } else { until - 3 };
    }
    Ok(None)
}

fn find_marker(bytes: &[u8]) -> Option<usize> {
    bytes.windows(super::frame::MARKER.len()).position(|four| four == super::frame::MARKER)
}
