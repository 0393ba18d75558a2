//! A stretch of a journal file, read into columns.
//!
//! Pieces of one file can be read at the same time: the checksum of a frame covers its place, so
//! the first valid one in a piece is found without reading what comes before. Only what needs the
//! whole file, such as numbers of texts, is left to [merging](super::merging).

use std::fs::File;
use std::io;

use qbb_graph::{DatasetIx, QuantumIx};
use rustc_hash::FxHashMap;

use super::codec::{QUANTUM_FINISHED, QUANTUM_PLACED, QUANTUM_STARTED, TEXT, quantum_end};
use super::ends::{EndChunk, EndFields};
use super::event::{ExceptionInfo, QuantumEnd};
use super::frame::FRAME_HEADER;
use super::records::{RecordChunk, RecordKind};
use super::state::{Detail, PlacedQuantum};
use super::stretch::{Source, Stretch};
use super::time::Timestamp;
use super::usage::ResourceUsage;
use crate::wire::Fields;

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

/// Whose file is read, and what for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    /// Number of the writer.
    pub writer: u32,
    pub detail: Detail,
}

/// What a frame was read into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RowKind {
    Start,
    Place,
    End,
    Text,
    Other,
}

/// `quantum started`.
#[derive(Debug, Clone, Copy)]
pub(super) struct StartRow {
    pub quantum: QuantumIx,
    pub attempt: u32,
    pub time: Timestamp,
}

/// `quantum placed`.
#[derive(Debug, Clone, Copy)]
pub(super) struct PlaceRow {
    pub quantum: QuantumIx,
    pub placed: PlacedQuantum,
}

/// What is told of the end of an attempt but not kept after merging.
#[derive(Debug, Clone, Copy)]
pub(super) struct EndPlace {
    /// Where its frame begins.
    pub offset: u64,
    /// How many of the outputs are its own.
    pub n_outputs: u32,
}

/// A text that gets the next number in its file.
#[derive(Debug)]
pub(super) struct TextRow {
    pub text: String,
    /// Records before this one cannot know the number.
    pub first_record: u32,
}

/// A kind of records in the file's numbers of texts.
#[derive(Debug, Clone, Copy)]
pub(super) struct KindRow {
    pub kind: RecordKind,
    /// The first record of this kind, and the offset of its frame.
    pub first_record: u32,
    pub offset: u64,
}

/// Any other event, not decoded.
#[derive(Debug)]
pub(super) struct OtherRow {
    /// Where its frame begins.
    pub offset: u64,
    pub payload: Vec<u8>,
}

/// Events of a stretch: rows by kind, each in order.
#[derive(Debug)]
pub(super) struct Piece {
    /// Where the first frame begins; `end` if there is none.
    pub begin: u64,
    /// Where the last one ends.
    pub end: u64,
    pub stop: Stop,
    /// The order of all rows: so many of a kind, then so many of another one.
    pub order: Vec<(RowKind, u32)>,
    pub starts: Vec<StartRow>,
    pub places: Vec<PlaceRow>,
    pub ends: EndChunk,
    /// One for each end.
    pub end_places: Vec<EndPlace>,
    /// Datasets that ends claim, each with its number of records.
    pub outputs: Vec<(DatasetIx, u32)>,
    /// Records of these outputs; their kinds have numbers in `kinds`.
    pub records: RecordChunk,
    pub kinds: Vec<KindRow>,
    kind_numbers: FxHashMap<RecordKind, u32>,
    pub texts: Vec<TextRow>,
    pub others: Vec<OtherRow>,
}

impl Piece {
    /// Reads a stretch of a file; `buffer` is used for its bytes, and given back.
    ///
    /// # Errors
    /// If reading fails.
    pub fn read(
        file: &File,
        stretch: Stretch,
        reading: Reading,
        buffer: &mut Vec<u8>,
    ) -> io::Result<Self> {
        let mut source = Source::read(file, stretch, std::mem::take(buffer))?;
        let begin = match stretch.aligned {
            true => stretch.from,
            false => source.first_frame().unwrap_or(stretch.until),
        };
        // Most of a journal is paths.
        let room = match reading.detail {
            Detail::Full => stretch.until.saturating_sub(begin) as usize,
            Detail::Progress => 0,
        };
        let mut piece = Self {
            begin,
            end: begin,
            stop: Stop::Until,
            order: Vec::new(),
            starts: Vec::new(),
            places: Vec::new(),
            ends: EndChunk::default(),
            end_places: Vec::new(),
            outputs: Vec::new(),
            records: RecordChunk::with_room(room),
            kinds: Vec::new(),
            kind_numbers: FxHashMap::default(),
            texts: Vec::new(),
            others: Vec::new(),
        };
        while piece.end < stretch.until {
            let Some(payload) = source.frame(piece.end)? else {
                piece.stop = Stop::Invalid;
                break;
            };
            match piece.add(piece.end, payload, reading) {
                Ok(kind) => piece.note(kind),
                Err(reason) => {
                    piece.stop = Stop::Content(reason);
                    break;
                }
            }
            piece.end += (FRAME_HEADER + payload.len()) as u64;
        }
        *buffer = source.into_buffer();
        Ok(piece)
    }

    fn note(&mut self, kind: RowKind) {
        match self.order.last_mut() {
            Some((last, count)) if *last == kind => *count += 1,
            _ => self.order.push((kind, 1)),
        }
    }

    fn add(&mut self, offset: u64, payload: &[u8], reading: Reading) -> Result<RowKind, String> {
        match payload.split_first() {
            Some((&QUANTUM_STARTED, fields)) => {
                let mut fields = Fields::of(fields);
                let (time, quantum, attempt) = fields.next()?;
                fields.finish()?;
                self.starts.push(StartRow { quantum: QuantumIx(quantum), attempt, time });
                Ok(RowKind::Start)
            }
            Some((&QUANTUM_FINISHED, fields)) => {
                self.add_end(offset, Fields::of(fields), reading)?;
                Ok(RowKind::End)
            }
            Some((&QUANTUM_PLACED, fields)) => {
                let mut fields = Fields::of(fields);
                let (time, quantum, attempt, worker, memory) = fields.next()?;
                fields.finish()?;
                let (quantum, placed) =
                    (QuantumIx(quantum), PlacedQuantum { attempt, time, worker, memory });
                self.places.push(PlaceRow { quantum, placed });
                Ok(RowKind::Place)
            }
            Some((&TEXT, fields)) => {
                let mut fields = Fields::of(fields);
                let text = fields.next()?;
                fields.finish()?;
                self.texts.push(TextRow { text, first_record: self.records.len() as u32 });
                Ok(RowKind::Text)
            }
            _ => {
                self.others.push(OtherRow { offset, payload: payload.to_vec() });
                Ok(RowKind::Other)
            }
        }
    }

    fn add_end(
        &mut self,
        offset: u64,
        mut fields: Fields<'_>,
        reading: Reading,
    ) -> Result<(), String> {
        let (quantum, attempt, started, ended, end, caveats) =
            fields.next::<(u32, u32, Timestamp, Timestamp, u8, Option<u32>)>()?;
        let (exception, exit_code, usage) =
            fields.next::<(Option<(&str, &str)>, Option<i32>, Option<ResourceUsage>)>()?;
        let end = quantum_end(end)?;
        let keep = reading.detail == Detail::Full || end == QuantumEnd::Failed;
        let n_outputs = fields.count()?;
        for _ in 0..n_outputs {
            let dataset = DatasetIx(fields.next()?);
            let n_records = fields.count()?;
            for _ in 0..n_records {
                self.add_record(offset, &mut fields, keep)?;
            }
            self.outputs.push((dataset, n_records as u32));
        }
        let first_input = self.ends.n_inputs();
        let mut add_inputs = || {
            let n = fields.count()?;
            for _ in 0..n {
                self.ends.push_input(fields.next()?);
            }
            // Each took a byte at least of a payload whose length fits.
            Ok::<_, String>(n as usize)
        };
        let (mut n_available, _) = (add_inputs()?, add_inputs()?);
        fields.finish()?;
        if reading.detail == Detail::Progress {
            self.ends.forget_inputs(first_input);
            n_available = 0;
        }
        let fields = EndFields {
            quantum: QuantumIx(quantum),
            attempt,
            writer: reading.writer,
            started,
            ended,
            end,
            caveats,
            exception: exception.map(|(type_name, message)| {
                let (type_name, message) = (type_name.to_owned(), message.to_owned());
                ExceptionInfo { type_name, message }
            }),
            exit_code,
            usage,
        };
        self.ends.push(fields, first_input, n_available);
        self.end_places.push(EndPlace { offset, n_outputs: n_outputs as u32 });
        Ok(())
    }

    fn add_record(
        &mut self,
        offset: u64,
        fields: &mut Fields<'_>,
        keep: bool,
    ) -> Result<(), String> {
        let (path, formatter, storage_class, component, checksum, file_size) =
            fields.next::<(&str, u32, u32, Option<u32>, Option<&str>, i64)>()?;
        let kind = RecordKind { formatter, storage_class, component };
        let next = self.kinds.len() as u32;
        let number = *self.kind_numbers.entry(kind).or_insert(next);
        if number == next {
            let first_record = self.records.len() as u32;
            self.kinds.push(KindRow { kind, first_record, offset });
        }
        match keep {
            true => self.records.push(path, number, checksum, file_size),
            false => self.records.push_size(number, file_size),
        }
        Ok(())
    }
}
