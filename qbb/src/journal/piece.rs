//! A stretch of a journal file, read into columns.
//!
//! Pieces of one file can be read at the same time: the checksum of a frame covers its place, so
//! the first valid one in a piece is found without reading what comes before. Only what needs the
//! whole file, such as numbers of texts, is left to [merging](super::merging).

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;

use qbb_graph::{DatasetIx, QuantumIx};

use super::codec::{QUANTUM_FINISHED, QUANTUM_STARTED, quantum_end};
use super::event::{ExceptionInfo, QuantumEnd};
use super::frame::{FRAME_HEADER, FrameHeader, find_frame};
use super::time::Timestamp;
use super::usage::ResourceUsage;
use crate::wire::Fields;

/// Bytes of a file that are read at once.
pub(super) const PIECE: u64 = 4 << 20;

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

/// Why reading ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stop {
    /// All that was asked for was read.
    Until,
    /// The next frame is not valid.
    Invalid,
    /// A valid frame, at [`Piece::end`], cannot be understood.
    Content(String),
}

/// `quantum started`.
#[derive(Debug, Clone, Copy)]
pub(super) struct StartRow {
    pub quantum: QuantumIx,
    pub attempt: u32,
    pub time: Timestamp,
}

/// `quantum finished`. Its inputs, outputs and records follow those of the row before.
#[derive(Debug)]
pub(super) struct EndRow {
    /// Where its frame begins.
    pub offset: u64,
    pub quantum: QuantumIx,
    pub attempt: u32,
    pub started: Timestamp,
    pub ended: Timestamp,
    pub end: QuantumEnd,
    pub caveats: Option<u32>,
    pub exception: Option<Box<ExceptionInfo>>,
    pub exit_code: Option<i32>,
    pub usage: Option<ResourceUsage>,
    pub n_outputs: u32,
    pub n_available: u32,
    pub n_actual: u32,
}

/// Any other event, not decoded.
#[derive(Debug)]
pub(super) struct OtherRow {
    /// Where its frame begins.
    pub offset: u64,
    pub payload: Vec<u8>,
    /// What came before it.
    pub before: Marks,
}

/// Datastore records; texts are still the numbers of the file.
#[derive(Debug, Default)]
pub(super) struct RecordRows {
    pub paths: String,
    /// Where each path ends.
    pub path_end: Vec<u32>,
    pub formatter: Vec<u32>,
    pub storage_class: Vec<u32>,
    pub component: Vec<Option<u32>>,
    pub file_size: Vec<i64>,
    /// Checksums, by row; most datastores have none.
    pub checksums: Vec<(u32, String)>,
}

/// Numbers of rows, as a place between two events.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Marks {
    pub starts: usize,
    pub ends: usize,
    pub outputs: usize,
    pub records: usize,
    pub inputs: usize,
}

/// Events of a stretch, in order.
#[derive(Debug)]
pub(super) struct Piece {
    /// Where the first frame begins; `end` if there is none.
    pub begin: u64,
    /// Where the last one ends.
    pub end: u64,
    pub stop: Stop,
    pub starts: Vec<StartRow>,
    pub ends: Vec<EndRow>,
    /// Datasets, each with its number of records.
    pub outputs: Vec<(DatasetIx, u32)>,
    pub records: RecordRows,
    pub inputs: Vec<DatasetIx>,
    pub others: Vec<OtherRow>,
}

impl Piece {
    /// Reads a stretch of a file.
    ///
    /// # Errors
    /// If reading fails.
    pub fn read(file: &File, stretch: Stretch) -> io::Result<Self> {
        let mut source = Source::read(file, stretch)?;
        let begin = match stretch.aligned {
            true => stretch.from,
            false => find_frame(&source.bytes, stretch.from).unwrap_or(stretch.until),
        };
        let mut piece = Self {
            begin,
            end: begin,
            stop: Stop::Until,
            starts: Vec::new(),
            ends: Vec::new(),
            outputs: Vec::new(),
            records: RecordRows::default(),
            inputs: Vec::new(),
            others: Vec::new(),
        };
        while piece.end < stretch.until {
            let Some(payload) = source.frame(piece.end)? else {
                piece.stop = Stop::Invalid;
                break;
            };
            if let Err(reason) = piece.add(piece.end, payload) {
                piece.stop = Stop::Content(reason);
                break;
            }
            piece.end += (FRAME_HEADER + payload.len()) as u64;
        }
        Ok(piece)
    }

    /// The place behind the last event.
    pub fn marks(&self) -> Marks {
        Marks {
            starts: self.starts.len(),
            ends: self.ends.len(),
            outputs: self.outputs.len(),
            records: self.records.formatter.len(),
            inputs: self.inputs.len(),
        }
    }

    fn add(&mut self, offset: u64, payload: &[u8]) -> Result<(), String> {
        match payload.split_first() {
            Some((&QUANTUM_STARTED, fields)) => {
                let mut fields = Fields::of(fields);
                let (time, quantum, attempt) = fields.next()?;
                fields.finish()?;
                self.starts.push(StartRow { quantum: QuantumIx(quantum), attempt, time });
                Ok(())
            }
            Some((&QUANTUM_FINISHED, fields)) => self.add_end(offset, Fields::of(fields)),
            _ => {
                let (payload, before) = (payload.to_vec(), self.marks());
                self.others.push(OtherRow { offset, payload, before });
                Ok(())
            }
        }
    }

    fn add_end(&mut self, offset: u64, mut fields: Fields<'_>) -> Result<(), String> {
        let (quantum, attempt, started, ended, end, caveats) =
            fields.next::<(u32, u32, Timestamp, Timestamp, u8, Option<u32>)>()?;
        let (exception, exit_code, usage) =
            fields.next::<(Option<(&str, &str)>, Option<i32>, Option<ResourceUsage>)>()?;
        let n_outputs = fields.count()?;
        for _ in 0..n_outputs {
            let dataset = DatasetIx(fields.next()?);
            let n_records = fields.count()?;
            for _ in 0..n_records {
                self.records.add(&mut fields)?;
            }
            self.outputs.push((dataset, n_records as u32));
        }
        let mut add_inputs = || {
            let n = fields.count()?;
            for _ in 0..n {
                self.inputs.push(DatasetIx(fields.next()?));
            }
            // Each took a byte at least of a payload whose length fits.
            Ok::<_, String>(n as u32)
        };
        let (n_available, n_actual) = (add_inputs()?, add_inputs()?);
        fields.finish()?;
        self.ends.push(EndRow {
            offset,
            quantum: QuantumIx(quantum),
            attempt,
            started,
            ended,
            end: quantum_end(end)?,
            caveats,
            exception: exception.map(|(type_name, message)| {
                let (type_name, message) = (type_name.to_owned(), message.to_owned());
                Box::new(ExceptionInfo { type_name, message })
            }),
            exit_code,
            usage,
            n_outputs: n_outputs as u32,
            n_available,
            n_actual,
        });
        Ok(())
    }
}

impl RecordRows {
    fn add(&mut self, fields: &mut Fields<'_>) -> Result<(), String> {
        let (path, formatter, storage_class, component, checksum, file_size) =
            fields.next::<(&str, u32, u32, Option<u32>, Option<&str>, i64)>()?;
        if let Some(checksum) = checksum {
            self.checksums.push((self.formatter.len() as u32, checksum.to_owned()));
        }
        self.paths.push_str(path);
        self.path_end.push(self.paths.len() as u32);
        self.formatter.push(formatter);
        self.storage_class.push(storage_class);
        self.component.push(component);
        self.file_size.push(file_size);
        Ok(())
    }
}

/// The bytes of a stretch; of a frame that begins in it and ends behind it, the rest is added.
struct Source<'f> {
    file: &'f File,
    from: u64,
    length: u64,
    bytes: Vec<u8>,
}

impl<'f> Source<'f> {
    fn read(file: &'f File, stretch: Stretch) -> io::Result<Self> {
        let mut source =
            Self { file, from: stretch.from, length: stretch.length, bytes: Vec::new() };
        source.extend_to(stretch.until)?;
        Ok(source)
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
    fn frame(&mut self, offset: u64) -> io::Result<Option<&[u8]>> {
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
        let mut source = Source::read(file, Stretch { from, until, aligned: false, length })?;
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
