//! Taking events into account, whatever order their files come in.

use qbb_graph::{DatasetIx, QuantumIx};
use uuid::Uuid;

use super::{JournalState, NONE, PlacedQuantum, QuantumCell, RepeatedQuantum};
use crate::journal::ends::{EndFields, EndRow};
use crate::journal::event::{DatasetOutput, Event, QuantumOutcome};
use crate::journal::packed::{PackedRow, PendingRow};
use crate::journal::time::Timestamp;
use crate::journal::written::{Claim, PackedCell};

impl JournalState {
    /// Takes into account an event that the present process has just recorded. Events that do not
    /// fit the graph, which it would not have recorded, are ignored.
    pub fn observe(&mut self, event: &Event) {
        // Later than all that was read, so it wins over them at the same attempt and time.
        let writer = match self.writers.iter().rposition(|writer| *writer == Uuid::max()) {
            Some(writer) => writer as u32,
            None => self.add_writer(Uuid::max()),
        };
        let _ = self.fold(writer, event);
    }

    /// Registers the writer of a file whose events are about to be folded.
    pub(in crate::journal) fn add_writer(&mut self, writer: Uuid) -> u32 {
        self.writers.push(writer);
        self.writers.len() as u32 - 1
    }

    /// Takes an event into account. Runs are not this function's business.
    pub(in crate::journal) fn fold(&mut self, writer: u32, event: &Event) -> Result<(), String> {
        match event {
            Event::QuantumStarted { time, quantum, attempt } => {
                self.fold_start(*quantum, *attempt, *time)?;
            }
            Event::QuantumFinished { quantum, attempt, started, ended, outcome } => {
                self.fold_end(writer, *quantum, *attempt, (*started, *ended), outcome)?;
            }
            Event::QuantaBlocked { cause, quanta, .. } => {
                self.cell(*cause)?;
                for &quantum in quanta {
                    self.cell(quantum)?.blocked_by = cause.0;
                }
            }
            Event::InitOutputsWritten { time, outputs } => {
                let uuid = self.writers[writer as usize];
                for output in outputs {
                    self.check_dataset(output.dataset)?;
                    let known = self.init_claims.get(&output.dataset.0);
                    if known.is_none_or(|&claim| claim < (*time, uuid)) {
                        self.init_claims.insert(output.dataset.0, (*time, uuid));
                        self.written.set(output.dataset, Claim::Init, &output.records);
                    }
                }
            }
            Event::QuantumPlaced { time, quantum, attempt, worker, memory } => {
                let (attempt, time, worker, memory) = (*attempt, *time, *worker, *memory);
                self.fold_place(*quantum, PlacedQuantum { attempt, time, worker, memory })?;
            }
            Event::QuantaPlaced { quanta, .. } => {
                // They have ended, so this matters to those only who look at all attempts.
                quanta.iter().try_for_each(|&(quantum, _)| self.cell(quantum).map(drop))?;
            }
            Event::LeftRunning { quantum, attempt, left, .. } => {
                self.cell(*quantum)?;
                let known = self.left.get(&quantum.0);
                if known.is_none_or(|(known, what)| (known, what) < (attempt, left)) {
                    self.left.insert(quantum.0, (*attempt, left.clone()));
                }
            }
            Event::AttemptRepeated { quantum, attempt, reason, not_before, memory, .. } => {
                self.cell(*quantum)?;
                let known = self.repeated.get(&quantum.0);
                let order = (*attempt, *not_before);
                if known.is_none_or(|known| (known.attempt, known.not_before) < order) {
                    let (attempt, reason) = (*attempt, *reason);
                    let (not_before, memory) = (*not_before, *memory);
                    let repeated = RepeatedQuantum { attempt, reason, not_before, memory };
                    self.repeated.insert(quantum.0, repeated);
                }
            }
            Event::DatasetsRemoved { datasets, .. } => {
                for &(dataset, attempt) in datasets {
                    self.check_dataset(dataset)?;
                    self.written.remove_through(dataset, attempt);
                }
            }
            Event::QuantaReset { quanta, .. } => {
                for &(quantum, next) in quanta {
                    let end = self.cell(quantum)?.end;
                    let attempt = self.ends.get(end).map(|end| end.attempt);
                    let cell = self.cell(quantum)?;
                    cell.first = cell.first.max(next);
                    cell.attempts = cell.attempts.max(next);
                    if attempt.is_some_and(|attempt| attempt < next) {
                        cell.end = NONE;
                    }
                }
            }
            Event::OutputsPacked { pack, blocks, .. } => {
                for row in blocks.iter().flat_map(|block| &block.rows) {
                    self.cell(row.quantum)?;
                    self.check_dataset(row.dataset)?;
                }
                for block in blocks {
                    let number = self.blocks.len() as u32;
                    self.blocks.push((*pack, block.offset));
                    self.pending.add(writer, number, &block.rows);
                }
            }
            Event::RunStarted { .. }
            | Event::RunFinished { .. }
            | Event::RunGoesOn { .. }
            | Event::OutputsDurable { .. } => {}
        }
        Ok(())
    }

    fn fold_end(
        &mut self,
        writer: u32,
        quantum: QuantumIx,
        attempt: u32,
        (started, ended): (Timestamp, Timestamp),
        outcome: &QuantumOutcome,
    ) -> Result<(), String> {
        for DatasetOutput { dataset, .. } in &outcome.outputs {
            self.check_dataset(*dataset)?;
        }
        for dataset in outcome.available_inputs.iter().chain(&outcome.actual_inputs) {
            self.check_dataset(*dataset)?;
        }
        if !self.end_counts(writer, quantum, attempt, ended)? {
            self.pending.take(writer, quantum, attempt, drop);
            return Ok(());
        }
        let fields = EndFields::of(writer, (quantum, attempt), (started, ended), outcome);
        let QuantumOutcome { available_inputs, actual_inputs, outputs, .. } = outcome;
        let number = self.ends.push(fields, available_inputs, actual_inputs);
        for output in outputs {
            self.written.set(output.dataset, Claim::End(number), &output.records);
        }
        self.claim_packed(writer, quantum, attempt, number);
        self.quanta[quantum.index()].end = number;
        Ok(())
    }

    /// Claims what an attempt that counts has packed.
    fn claim_packed(&mut self, writer: u32, quantum: QuantumIx, attempt: u32, number: u32) {
        let written = &mut self.written;
        self.pending.take(writer, quantum, attempt, |PendingRow { block, row }| {
            let PackedRow { dataset, begin, length, .. } = row;
            written.set_packed(dataset, Claim::End(number), PackedCell { block, begin, length });
        });
    }

    /// Takes the place of an attempt into account.
    pub(in crate::journal) fn fold_place(
        &mut self,
        quantum: QuantumIx,
        placed: PlacedQuantum,
    ) -> Result<(), String> {
        let end = self.cell(quantum)?.end;
        let ended = self.ends.get(end).is_some_and(|end| placed.attempt <= end.attempt);
        let key = |p: &PlacedQuantum| (p.attempt, p.time, p.worker, p.memory);
        let known = self.placed.get(&quantum.0);
        if !ended && known.is_none_or(|known| key(known) < key(&placed)) {
            self.placed.insert(quantum.0, placed);
        }
        Ok(())
    }

    /// Takes the start of an attempt into account.
    pub(in crate::journal) fn fold_start(
        &mut self,
        quantum: QuantumIx,
        attempt: u32,
        time: Timestamp,
    ) -> Result<(), String> {
        let attempts = attempt.saturating_add(1);
        let cell = self.cell(quantum)?;
        let newer = attempts > cell.attempts;
        if attempts >= cell.attempts {
            cell.attempts = attempts;
            let started = &mut self.started[quantum.index()];
            *started = if newer { time } else { time.max(*started) };
        }
        Ok(())
    }

    /// Takes the end of an attempt into account that is in the table of ends already, as its records
    /// are in theirs, from the given one on.
    pub(in crate::journal) fn fold_end_row(
        &mut self,
        number: u32,
        outputs: &[(DatasetIx, u32)],
        mut record: u32,
    ) -> Result<(), String> {
        let Some((chunk, row)) = self.ends.place(number) else { return Ok(()) };
        let EndRow { quantum, attempt, writer, ended, .. } = chunk.rows[row];
        let (available, actual) = chunk.inputs(row);
        let inputs = available.iter().chain(actual).map(|&dataset| DatasetIx(dataset));
        for dataset in outputs.iter().map(|&(dataset, _)| dataset).chain(inputs) {
            self.check_dataset(dataset)?;
        }
        if !self.end_counts(writer, quantum, attempt, ended)? {
            self.pending.take(writer, quantum, attempt, drop);
            return Ok(());
        }
        for &(dataset, n_records) in outputs {
            self.written.set_records(dataset, Claim::End(number), record, n_records);
            record += n_records;
        }
        self.claim_packed(writer, quantum, attempt, number);
        self.quanta[quantum.index()].end = number;
        Ok(())
    }

    /// Whether an end counts more than the one that counted so far, if any did.
    fn end_counts(
        &mut self,
        writer: u32,
        quantum: QuantumIx,
        attempt: u32,
        ended: Timestamp,
    ) -> Result<bool, String> {
        let cell = self.cell(quantum)?;
        // An end is proof of a start, also if that is in a file that is not there.
        cell.attempts = cell.attempts.max(attempt.saturating_add(1));
        let (counts, first) = (cell.end, cell.first);
        if !self.placed.is_empty()
            && self.placed.get(&quantum.0).is_some_and(|placed| placed.attempt <= attempt)
        {
            self.placed.remove(&quantum.0);
        }
        if attempt < first {
            return Ok(false);
        }
        let key = |attempt, ended, writer: u32| (attempt, ended, self.writers[writer as usize]);
        Ok(self.ends.get(counts).is_none_or(|known| {
            key(attempt, ended, writer) > key(known.attempt, known.ended, known.writer)
        }))
    }

    fn cell(&mut self, quantum: QuantumIx) -> Result<&mut QuantumCell, String> {
        let n = self.quanta.len();
        self.quanta
            .get_mut(quantum.index())
            .ok_or_else(|| format!("quantum {} of a graph of {n} quanta", quantum.0))
    }

    fn check_dataset(&self, dataset: DatasetIx) -> Result<(), String> {
        if dataset.index() < self.written.len() {
            Ok(())
        } else {
            Err(format!("dataset {} of a graph of {} datasets", dataset.0, self.written.len()))
        }
    }
}
