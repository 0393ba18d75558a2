//! Adding what was read of a file to the state of all files.

use camino::{Utf8Path, Utf8PathBuf};
use qbb_graph::DatasetIx;
use uuid::Uuid;

use super::attempt_sink::{AttemptEnd, AttemptSink};
use super::codec::{Decoded, Decoder};
use super::error::{JournalError, JournalWarning};
use super::event::Event;
use super::frame::FRAME_HEADER;
use super::header::JournalHeader;
use super::piece::{EndPlace, KindRow, Piece, RowKind, Stop, TextRow};
use super::reader::Tail;
use super::records::RecordKind;
use super::runs::RunSummary;
use super::state::{JournalState, PlacedQuantum, UnprovenClaim};
use super::time::Timestamp;

/// What is known of one file besides what it adds to the state.
#[derive(Debug)]
pub(super) struct FileProgress {
    pub path: Utf8PathBuf,
    pub writer: Uuid,
    /// Number of the writer in the state.
    pub number: u32,
    decoder: Decoder,
    /// The state's numbers for the file's texts, also for those of a piece that is being merged.
    symbols: Vec<u32>,
    /// How many texts come before `offset`.
    n_texts: usize,
    /// Where the next frame begins.
    pub offset: u64,
    /// How the file ended when it was last looked at, and its length then.
    pub tail: Tail,
    pub length: u64,
    run: Option<RunSummary>,
    earlier_runs: Vec<RunSummary>,
    /// Claims since the last durable mark, by the offsets of their frames.
    unproven: Vec<(u64, UnprovenClaim)>,
    unknown: u64,
    /// Files that end where this one says.
    pub superseded: Vec<(Uuid, u64)>,
    /// Whether it says anything of quanta or datasets.
    pub adds_to_state: bool,
}

impl FileProgress {
    /// A file of which nothing was read but the header.
    pub fn new(
        path: &Utf8Path,
        header: &JournalHeader,
        state: &mut JournalState,
        sink: &mut dyn AttemptSink,
    ) -> Self {
        let number = state.add_writer(header.writer);
        sink.begin_writer(number, header.writer);
        Self {
            path: path.to_owned(),
            writer: header.writer,
            number,
            decoder: Decoder::default(),
            symbols: Vec::new(),
            n_texts: 0,
            offset: super::header::HEADER as u64,
            tail: Tail::Clean,
            length: 0,
            run: None,
            earlier_runs: Vec::new(),
            unproven: Vec::new(),
            unknown: 0,
            superseded: Vec::new(),
            adds_to_state: false,
        }
    }

    /// Tells the state about runs, claims and damage, which it holds for all files together.
    pub fn sum_up(&self, state: &mut JournalState, superseded: bool) {
        let runs = self.earlier_runs.iter().chain(&self.run).cloned();
        state.runs.extend(runs.map(|run| RunSummary { superseded, end: self.offset, ..run }));
        state.unproven.extend(self.unproven.iter().map(|&(_, claim)| claim));
        let path = || self.path.clone();
        if let Tail::Damaged { offset, next_valid, length } = self.tail {
            let lost = length - offset;
            let warning = JournalWarning::Damaged { path: path(), offset, next_valid, lost };
            state.warnings.push(warning);
        }
        if self.unknown > 0 {
            state
                .warnings
                .push(JournalWarning::UnknownEvents { path: path(), count: self.unknown });
        }
    }

    /// Adds a piece that begins where the last one ended.
    ///
    /// # Errors
    /// If a frame is valid but says what cannot be, which is a defect of the program that wrote it.
    pub fn merge(
        &mut self,
        state: &mut JournalState,
        sink: &mut dyn AttemptSink,
        piece: Piece,
    ) -> Result<(), JournalError> {
        let kinds = self.number_kinds(state, &piece.texts, &piece.kinds)?;
        let Piece { order, outputs, mut records, others, texts, .. } = piece;
        records.renumber_kinds(&kinds);
        let mut record = state.written.records.add(records);
        let mut numbers = state.ends.add(piece.ends);
        let mut outputs = &outputs[..];
        let (mut starts, mut places) = (piece.starts.iter(), piece.places.iter());
        let (mut ends, mut texts) = (piece.end_places.iter(), texts.into_iter());
        let mut others = others.iter();
        for (kind, count) in order {
            let count = count as usize;
            match kind {
                RowKind::Start => {
                    for start in starts.by_ref().take(count) {
                        (state.fold_start(start.quantum, start.attempt, start.time))
                            .map_err(|reason| self.content(piece.begin, reason))?;
                        sink.started(self.number, start.quantum, start.attempt, start.time);
                        self.saw(start.time);
                    }
                    self.adds_to_state = true;
                }
                RowKind::Place => {
                    for place in places.by_ref().take(count) {
                        (state.fold_place(place.quantum, place.placed))
                            .map_err(|reason| self.content(piece.begin, reason))?;
                        let PlacedQuantum { attempt, worker, time, .. } = place.placed;
                        sink.placed(self.number, place.quantum, attempt, worker);
                        self.saw(time);
                    }
                    self.adds_to_state = true;
                }
                RowKind::End => {
                    for (end, number) in ends.by_ref().zip(&mut numbers).take(count) {
                        let (own, rest) = outputs.split_at(end.n_outputs as usize);
                        self.merge_end(state, sink, (*end, number), own, record)?;
                        record += own.iter().map(|&(_, n)| n).sum::<u32>();
                        outputs = rest;
                    }
                    self.adds_to_state = true;
                }
                RowKind::Text => {
                    texts.by_ref().take(count).for_each(|row| self.decoder.add_text(row.text));
                }
                RowKind::Other => {
                    for other in others.by_ref().take(count) {
                        self.merge_other(state, sink, other.offset, &other.payload)
                            .map_err(|reason| self.content(other.offset, reason))?;
                    }
                }
            }
        }
        (self.offset, self.n_texts) = (piece.end, self.symbols.len());
        match piece.stop {
            Stop::Content(reason) => Err(self.content(piece.end, reason)),
            Stop::Until | Stop::Invalid => Ok(()),
        }
    }

    fn content(&self, offset: u64, reason: String) -> JournalError {
        JournalError::Content { path: self.path.clone(), offset, reason }
    }

    fn saw(&mut self, time: Timestamp) {
        if let Some(run) = &mut self.run {
            run.last_seen = run.last_seen.max(time);
        }
    }

    /// The state's numbers for a piece's kinds of records.
    fn number_kinds(
        &mut self,
        state: &mut JournalState,
        texts: &[TextRow],
        kinds: &[KindRow],
    ) -> Result<Vec<u32>, JournalError> {
        // A piece that could not be merged whole is merged again.
        self.symbols.truncate(self.n_texts);
        self.decoder.forget_texts(self.n_texts);
        let before = self.n_texts;
        let records = &mut state.written.records;
        self.symbols.extend(texts.iter().map(|row| records.text_number(&row.text)));
        let number = |row: &KindRow| {
            let symbol = |number: u32| {
                let at = number as usize;
                let is_given = at.checked_sub(before).and_then(|new| texts.get(new));
                (self.symbols.get(at).copied())
                    .filter(|_| is_given.is_none_or(|text| text.first_record <= row.first_record))
                    .ok_or_else(|| format!("text {number} is used before it is given"))
            };
            let RecordKind { formatter, storage_class, component } = row.kind;
            Ok(records.kind_number(RecordKind {
                formatter: symbol(formatter)?,
                storage_class: symbol(storage_class)?,
                component: component.map(symbol).transpose()?,
            }))
        };
        (kinds.iter().map(number).zip(kinds))
            .map(|(number, row)| number.map_err(|reason| self.content(row.offset, reason)))
            .collect()
    }

    /// The end of an attempt, with what it claims: records from the given one on.
    fn merge_end(
        &mut self,
        state: &mut JournalState,
        sink: &mut dyn AttemptSink,
        (place, number): (EndPlace, u32),
        outputs: &[(DatasetIx, u32)],
        record: u32,
    ) -> Result<(), JournalError> {
        (state.fold_end_row(number, outputs, record))
            .map_err(|reason| self.content(place.offset, reason))?;
        if let Some((chunk, row)) = state.ends.place(number) {
            let end = chunk.rows[row];
            let failure = chunk.failure(row).and_then(|failure| failure.exception.as_ref());
            let told = AttemptEnd {
                quantum: end.quantum,
                attempt: end.attempt,
                started: end.started,
                ended: end.ended,
                end: end.end,
                memory: chunk.usage(row).map(|usage| usage.memory),
                exception: failure.map(|exception| exception.type_name.as_str()),
            };
            sink.ended(self.number, told);
            self.saw(end.ended);
            self.unproven.push((place.offset, UnprovenClaim::Quantum(end.quantum)));
        }
        Ok(())
    }

    fn merge_other(
        &mut self,
        state: &mut JournalState,
        sink: &mut dyn AttemptSink,
        offset: u64,
        payload: &[u8],
    ) -> Result<(), String> {
        let event = match self.decoder.payload(payload)? {
            Decoded::Event(event) => event,
            // Texts come as rows.
            Decoded::Text => return Ok(()),
            Decoded::Unknown => {
                self.unknown += 1;
                return Ok(());
            }
        };
        state.fold(self.number, &event)?;
        self.saw(event.time());
        if let Event::QuantaPlaced { worker, quanta, .. } = &event {
            for &(quantum, attempt) in quanta {
                sink.placed(self.number, quantum, attempt, *worker);
            }
        }
        match event {
            Event::RunStarted { time, process, options } => {
                self.earlier_runs.extend(self.run.replace(RunSummary {
                    path: self.path.clone(),
                    writer: self.writer,
                    process,
                    options,
                    started: time,
                    last_seen: time,
                    end: 0,
                    goes_on: false,
                    superseded: false,
                    finished: None,
                }));
            }
            Event::RunGoesOn { superseded, .. } => {
                if let Some(run) = &mut self.run {
                    run.goes_on = true;
                }
                self.superseded.extend(superseded);
            }
            Event::RunFinished { time, outcome, counts } => {
                if let Some(run) = &mut self.run {
                    run.finished = Some((time, outcome, counts));
                }
            }
            Event::OutputsDurable { end, .. } => {
                // A mark cannot cover what comes after it.
                let end = end.min(offset + FRAME_HEADER as u64);
                let proven = self.unproven.partition_point(|&(offset, _)| offset < end);
                self.unproven.drain(..proven);
            }
            Event::InitOutputsWritten { outputs, .. } => {
                let claims = outputs.iter().map(|output| UnprovenClaim::Init(output.dataset));
                self.unproven.extend(claims.map(|claim| (offset, claim)));
                self.adds_to_state = true;
            }
            _ => self.adds_to_state = true,
        }
        Ok(())
    }
}
