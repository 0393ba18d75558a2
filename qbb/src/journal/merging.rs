//! Adding what was read of a file to the state of all files.

use camino::{Utf8Path, Utf8PathBuf};
use uuid::Uuid;

use super::attempt_sink::{AttemptEnd, AttemptSink};
use super::codec::{Decoded, Decoder};
use super::error::{JournalError, JournalWarning};
use super::event::Event;
use super::frame::FRAME_HEADER;
use super::header::JournalHeader;
use super::piece::{Marks, Piece, Stop};
use super::reader::Tail;
use super::runs::RunSummary;
use super::state::{JournalState, UnprovenClaim};
use super::time::Timestamp;

/// What is known of one file besides what it adds to the state.
#[derive(Debug)]
pub(super) struct FileProgress {
    pub path: Utf8PathBuf,
    pub writer: Uuid,
    /// Number of the writer in the state.
    number: u32,
    decoder: Decoder,
    /// The state's numbers for the file's texts.
    symbols: Vec<u32>,
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
        let mut from = Marks::default();
        for other in &piece.others {
            self.merge_rows(state, sink, &piece, from, other.before)?;
            from = other.before;
            self.merge_other(state, sink, other.offset, &other.payload)
                .map_err(|reason| self.content(other.offset, reason))?;
        }
        self.merge_rows(state, sink, &piece, from, piece.marks())?;
        self.offset = piece.end;
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

    /// Starts and ends between two events of other kinds.
    fn merge_rows(
        &mut self,
        state: &mut JournalState,
        sink: &mut dyn AttemptSink,
        piece: &Piece,
        from: Marks,
        to: Marks,
    ) -> Result<(), JournalError> {
        for start in &piece.starts[from.starts..to.starts] {
            state.fold_start(start.quantum, start.attempt, start.time).map_err(|reason| {
                // Only their times are kept of starts, not their places.
                self.content(piece.begin, reason)
            })?;
            sink.started(self.number, start.quantum, start.attempt, start.time);
            self.saw(start.time);
            self.adds_to_state = true;
        }
        if from.ends == to.ends {
            return Ok(());
        }
        let rows = from.records..to.records;
        let mut record = (state.written)
            .append(&piece.records, rows, &self.symbols)
            .map_err(|reason| self.content(piece.ends[from.ends].offset, reason))?;
        let (mut output, mut input) = (from.outputs, from.inputs);
        for end in &piece.ends[from.ends..to.ends] {
            let outputs = &piece.outputs[output..][..end.n_outputs as usize];
            let n_inputs = end.n_available as usize + end.n_actual as usize;
            let inputs = &piece.inputs[input..][..n_inputs];
            state
                .fold_end_row(self.number, end, outputs, record, inputs)
                .map_err(|reason| self.content(end.offset, reason))?;
            sink.ended(
                self.number,
                AttemptEnd {
                    quantum: end.quantum,
                    attempt: end.attempt,
                    started: end.started,
                    ended: end.ended,
                    end: end.end,
                    memory: end.usage.map(|usage| usage.memory),
                    exception: end.exception.as_ref().map(|e| e.type_name.as_str()),
                },
            );
            output += outputs.len();
            record += outputs.iter().map(|&(_, n)| n).sum::<u32>();
            input += n_inputs;
            self.saw(end.ended);
            self.unproven.push((end.offset, UnprovenClaim::Quantum(end.quantum)));
        }
        self.adds_to_state = true;
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
            Decoded::Text => {
                let text = self.decoder.last_text().unwrap_or_default();
                self.symbols.push(state.written.text_number(text));
                return Ok(());
            }
            Decoded::Unknown => {
                self.unknown += 1;
                return Ok(());
            }
        };
        state.fold(self.number, &event)?;
        self.saw(event.time());
        if let Event::QuantumPlaced { quantum, attempt, worker, .. } = &event {
            sink.placed(self.number, *quantum, *attempt, *worker);
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
