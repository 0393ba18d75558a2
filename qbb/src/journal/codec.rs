//! Events as payloads of frames.
//!
//! Formatters and storage classes are the same few texts over and over; within a file each is
//! written once and then named by number.

use std::sync::Arc;

use bincode::Encode;
use qbb_graph::{DatasetIx, QuantumIx};
use rustc_hash::FxHashMap;
use uuid::Uuid;

use super::event::{
    DatasetOutput, Event, ExceptionInfo, FileRecord, QuantumEnd, QuantumOutcome, RepeatReason,
    RunCounts, RunOutcome,
};
use super::packed::{PackedBlock, PackedRow};
use super::process::ProcessIdentity;
use super::time::Timestamp;
use super::usage::ResourceUsage;
use crate::wire;

const TEXT: u8 = 1;
const RUN_STARTED: u8 = 2;
const RUN_FINISHED: u8 = 3;
const INIT_OUTPUTS_WRITTEN: u8 = 4;
pub(super) const QUANTUM_STARTED: u8 = 5;
pub(super) const QUANTUM_FINISHED: u8 = 6;
const QUANTA_BLOCKED: u8 = 7;
const OUTPUTS_DURABLE: u8 = 8;
const QUANTUM_PLACED: u8 = 9;
const ATTEMPT_REPEATED: u8 = 10;
const DATASETS_REMOVED: u8 = 11;
const OUTPUTS_PACKED: u8 = 12;
const RUN_GOES_ON: u8 = 13;
const QUANTA_RESET: u8 = 14;

// bincode encodes a tuple as it does a struct of the same fields, so these are the field lists of
// the document. The borrowed forms are for writing, the owned ones for reading.
type RecordRef<'a> = (&'a str, u32, u32, Option<u32>, Option<&'a str>, i64);
type RecordOwned = (String, u32, u32, Option<u32>, Option<String>, i64);
type Outputs<R> = Vec<(u32, Vec<R>)>;
type Packed = (Timestamp, [u8; 16], Vec<(u64, Vec<(u32, u32, u32, u32, u32)>)>);
type Finished<R, T> = (
    (u32, u32, Timestamp, Timestamp),
    (u8, Option<u32>, Option<(T, T)>, Option<i32>, Option<ResourceUsage>),
    (Outputs<R>, Vec<u32>, Vec<u32>),
);

/// Numbers given to texts while a file is written.
#[derive(Debug, Default)]
pub(super) struct TextNumbers(FxHashMap<Arc<str>, u32>);

/// Turns events into payloads, which it hands to `emit` in the order in which they must be written.
pub(super) struct Encoder<'a> {
    pub texts: &'a mut TextNumbers,
    pub payload: &'a mut Vec<u8>,
    pub emit: &'a mut dyn FnMut(&[u8]),
}

impl Encoder<'_> {
    pub fn event(&mut self, event: &Event) -> Result<(), String> {
        match event {
            Event::RunStarted { time, process, options } => self.send(
                RUN_STARTED,
                &(
                    *time,
                    &*process.host,
                    &*process.boot,
                    process.pid,
                    process.start_ticks,
                    options.as_str(),
                ),
            ),
            Event::RunFinished { time, outcome, counts } => {
                let RunCounts { succeeded, failed, blocked, not_attempted } = *counts;
                let outcome = run_outcome_number(*outcome);
                self.send(
                    RUN_FINISHED,
                    &(*time, outcome, succeeded, failed, blocked, not_attempted),
                )
            }
            Event::InitOutputsWritten { time, outputs } => {
                let outputs = self.outputs(outputs)?;
                self.send(INIT_OUTPUTS_WRITTEN, &(*time, outputs))
            }
            Event::QuantumStarted { time, quantum, attempt } => {
                self.send(QUANTUM_STARTED, &(*time, quantum.0, *attempt))
            }
            Event::QuantumFinished { quantum, attempt, started, ended, outcome } => {
                let exception = outcome.exception.as_ref();
                let fields: Finished<RecordRef<'_>, &str> = (
                    (quantum.0, *attempt, *started, *ended),
                    (
                        quantum_end_number(outcome.end),
                        outcome.caveats,
                        exception.map(|e| (e.type_name.as_str(), e.message.as_str())),
                        outcome.exit_code,
                        outcome.usage,
                    ),
                    (
                        self.outputs(&outcome.outputs)?,
                        outcome.available_inputs.iter().map(|dataset| dataset.0).collect(),
                        outcome.actual_inputs.iter().map(|dataset| dataset.0).collect(),
                    ),
                );
                self.send(QUANTUM_FINISHED, &fields)
            }
            Event::QuantaBlocked { time, cause, quanta } => {
                let quanta: Vec<u32> = quanta.iter().map(|quantum| quantum.0).collect();
                self.send(QUANTA_BLOCKED, &(*time, cause.0, quanta))
            }
            Event::RunGoesOn { time, superseded } => {
                let superseded: Vec<([u8; 16], u64)> =
                    superseded.iter().map(|&(writer, end)| (writer.into_bytes(), end)).collect();
                self.send(RUN_GOES_ON, &(*time, superseded))
            }
            Event::OutputsDurable { time, end } => self.send(OUTPUTS_DURABLE, &(*time, *end)),
            Event::QuantumPlaced { time, quantum, attempt, worker, memory } => {
                self.send(QUANTUM_PLACED, &(*time, quantum.0, *attempt, *worker, *memory))
            }
            Event::AttemptRepeated { time, quantum, attempt, reason, not_before, memory } => {
                let reason = repeat_reason_number(*reason);
                let fields = (*time, quantum.0, *attempt, reason, *not_before, *memory);
                self.send(ATTEMPT_REPEATED, &fields)
            }
            Event::DatasetsRemoved { time, datasets } => {
                let datasets: Vec<(u32, u32)> =
                    datasets.iter().map(|&(dataset, attempt)| (dataset.0, attempt)).collect();
                self.send(DATASETS_REMOVED, &(*time, datasets))
            }
            Event::QuantaReset { time, quanta } => {
                let quanta: Vec<(u32, u32)> =
                    quanta.iter().map(|&(quantum, next)| (quantum.0, next)).collect();
                self.send(QUANTA_RESET, &(*time, quanta))
            }
            Event::OutputsPacked { time, pack, blocks } => {
                let row = |r: &PackedRow| (r.quantum.0, r.attempt, r.dataset.0, r.begin, r.length);
                let blocks = (blocks.iter())
                    .map(|block| (block.offset, block.rows.iter().map(row).collect()))
                    .collect();
                let fields: Packed = (*time, *pack.as_bytes(), blocks);
                self.send(OUTPUTS_PACKED, &fields)
            }
        }
    }

    fn send(&mut self, kind: u8, fields: &impl Encode) -> Result<(), String> {
        self.payload.clear();
        self.payload.push(kind);
        wire::encode(fields, self.payload)?;
        if self.payload.len() > super::frame::MAX_PAYLOAD {
            return Err(format!("it takes {} bytes", self.payload.len()));
        }
        (self.emit)(self.payload);
        Ok(())
    }

    fn number(&mut self, text: &Arc<str>) -> Result<u32, String> {
        if let Some(&number) = self.texts.0.get(text) {
            return Ok(number);
        }
        let number = self.texts.0.len() as u32;
        self.send(TEXT, &&**text)?;
        self.texts.0.insert(text.clone(), number);
        Ok(number)
    }

    fn outputs<'e>(
        &mut self,
        outputs: &'e [DatasetOutput],
    ) -> Result<Outputs<RecordRef<'e>>, String> {
        let mut encoded = Vec::with_capacity(outputs.len());
        for output in outputs {
            let mut records = Vec::with_capacity(output.records.len());
            for record in &output.records {
                records.push((
                    record.path.as_str(),
                    self.number(&record.formatter)?,
                    self.number(&record.storage_class)?,
                    record.component.as_ref().map(|text| self.number(text)).transpose()?,
                    record.checksum.as_deref(),
                    record.file_size,
                ));
            }
            encoded.push((output.dataset.0, records));
        }
        Ok(encoded)
    }
}

/// Turns payloads back into events.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    texts: Vec<Arc<str>>,
}

/// What a payload held.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "one at a time, and nearly always an event")]
pub(super) enum Decoded {
    Event(Event),
    /// A text, remembered for later.
    Text,
    /// An event of a kind from a newer version.
    Unknown,
}

impl Decoder {
    /// The text that was decoded last.
    pub fn last_text(&self) -> Option<&str> {
        self.texts.last().map(|text| &**text)
    }

    pub fn payload(&mut self, payload: &[u8]) -> Result<Decoded, String> {
        let Some((&kind, fields)) = payload.split_first() else {
            return Err("the payload is empty".to_owned());
        };
        let event = match kind {
            TEXT => {
                self.texts.push(wire::decode::<String>(fields)?.into());
                return Ok(Decoded::Text);
            }
            RUN_STARTED => {
                let (time, host, boot, pid, start_ticks, options) = wire::decode(fields)?;
                let process = ProcessIdentity { host, boot, pid, start_ticks };
                Event::RunStarted { time, process, options }
            }
            RUN_FINISHED => {
                let (time, outcome, succeeded, failed, blocked, not_attempted) =
                    wire::decode(fields)?;
                Event::RunFinished {
                    time,
                    outcome: run_outcome(outcome)?,
                    counts: RunCounts { succeeded, failed, blocked, not_attempted },
                }
            }
            INIT_OUTPUTS_WRITTEN => {
                let (time, outputs) = wire::decode(fields)?;
                Event::InitOutputsWritten { time, outputs: self.outputs(outputs)? }
            }
            QUANTUM_STARTED => {
                let (time, quantum, attempt) = wire::decode(fields)?;
                Event::QuantumStarted { time, quantum: QuantumIx(quantum), attempt }
            }
            QUANTUM_FINISHED => self.finished(fields)?,
            QUANTA_BLOCKED => {
                let (time, cause, quanta): (_, _, Vec<u32>) = wire::decode(fields)?;
                let quanta = quanta.into_iter().map(QuantumIx).collect();
                Event::QuantaBlocked { time, cause: QuantumIx(cause), quanta }
            }
            RUN_GOES_ON => {
                let (time, superseded): (_, Vec<([u8; 16], u64)>) = wire::decode(fields)?;
                let superseded = superseded
                    .into_iter()
                    .map(|(writer, end)| (Uuid::from_bytes(writer), end))
                    .collect();
                Event::RunGoesOn { time, superseded }
            }
            OUTPUTS_DURABLE => {
                let (time, end) = wire::decode(fields)?;
                Event::OutputsDurable { time, end }
            }
            QUANTUM_PLACED => {
                let (time, quantum, attempt, worker, memory) = wire::decode(fields)?;
                let quantum = QuantumIx(quantum);
                Event::QuantumPlaced { time, quantum, attempt, worker, memory }
            }
            ATTEMPT_REPEATED => {
                let (time, quantum, attempt, reason, not_before, memory) = wire::decode(fields)?;
                let (quantum, reason) = (QuantumIx(quantum), repeat_reason(reason)?);
                Event::AttemptRepeated { time, quantum, attempt, reason, not_before, memory }
            }
            DATASETS_REMOVED => {
                let (time, datasets): (_, Vec<(u32, u32)>) = wire::decode(fields)?;
                let datasets = datasets.into_iter().map(|(d, n)| (DatasetIx(d), n)).collect();
                Event::DatasetsRemoved { time, datasets }
            }
            QUANTA_RESET => {
                let (time, quanta): (_, Vec<(u32, u32)>) = wire::decode(fields)?;
                let quanta = quanta.into_iter().map(|(q, n)| (QuantumIx(q), n)).collect();
                Event::QuantaReset { time, quanta }
            }
            OUTPUTS_PACKED => {
                let (time, pack, blocks): Packed = wire::decode(fields)?;
                let blocks = (blocks.into_iter())
                    .map(|(offset, rows)| {
                        let rows =
                            rows.into_iter().map(|(quantum, attempt, dataset, begin, length)| {
                                let (quantum, dataset) = (QuantumIx(quantum), DatasetIx(dataset));
                                PackedRow { quantum, attempt, dataset, begin, length }
                            });
                        PackedBlock { offset, rows: rows.collect() }
                    })
                    .collect();
                Event::OutputsPacked { time, pack: Uuid::from_bytes(pack), blocks }
            }
            _ => return Ok(Decoded::Unknown),
        };
        Ok(Decoded::Event(event))
    }

    fn finished(&self, fields: &[u8]) -> Result<Event, String> {
        let fields: Finished<RecordOwned, String> = wire::decode(fields)?;
        let (
            (quantum, attempt, started, ended),
            (end, caveats, exception, exit_code, usage),
            (outputs, available, actual),
        ) = fields;
        let outcome = QuantumOutcome {
            end: quantum_end(end)?,
            caveats,
            exception: exception.map(|(type_name, message)| ExceptionInfo { type_name, message }),
            exit_code,
            usage,
            outputs: self.outputs(outputs)?,
            available_inputs: available.into_iter().map(DatasetIx).collect(),
            actual_inputs: actual.into_iter().map(DatasetIx).collect(),
        };
        let quantum = QuantumIx(quantum);
        Ok(Event::QuantumFinished { quantum, attempt, started, ended, outcome })
    }

    fn outputs(&self, outputs: Outputs<RecordOwned>) -> Result<Vec<DatasetOutput>, String> {
        let mut decoded = Vec::with_capacity(outputs.len());
        for (dataset, rows) in outputs {
            let mut records = Vec::with_capacity(rows.len());
            for (path, formatter, storage_class, component, checksum, file_size) in rows {
                records.push(FileRecord {
                    path,
                    formatter: self.text(formatter)?,
                    storage_class: self.text(storage_class)?,
                    component: component.map(|number| self.text(number)).transpose()?,
                    checksum,
                    file_size,
                });
            }
            decoded.push(DatasetOutput { dataset: DatasetIx(dataset), records });
        }
        Ok(decoded)
    }

    fn text(&self, number: u32) -> Result<Arc<str>, String> {
        (self.texts.get(number as usize).cloned())
            .ok_or_else(|| format!("text {number} is used before it is given"))
    }
}

const QUANTUM_ENDS: [QuantumEnd; 5] = [
    QuantumEnd::Succeeded,
    QuantumEnd::NoWork,
    QuantumEnd::PartialOutputs,
    QuantumEnd::SkippedExisting,
    QuantumEnd::Failed,
];

fn quantum_end_number(end: QuantumEnd) -> u8 {
    match end {
        QuantumEnd::Succeeded => 0,
        QuantumEnd::NoWork => 1,
        QuantumEnd::PartialOutputs => 2,
        QuantumEnd::SkippedExisting => 3,
        QuantumEnd::Failed => 4,
    }
}

pub(super) fn quantum_end(number: u8) -> Result<QuantumEnd, String> {
    QUANTUM_ENDS
        .get(usize::from(number))
        .copied()
        .ok_or_else(|| format!("there is no quantum status {number}"))
}

const RUN_OUTCOMES: [RunOutcome; 4] = [
    RunOutcome::Complete,
    RunOutcome::WithFailures,
    RunOutcome::StoppedEarly,
    RunOutcome::Interrupted,
];

fn run_outcome_number(outcome: RunOutcome) -> u8 {
    match outcome {
        RunOutcome::Complete => 0,
        RunOutcome::WithFailures => 1,
        RunOutcome::StoppedEarly => 2,
        RunOutcome::Interrupted => 3,
    }
}

fn run_outcome(number: u8) -> Result<RunOutcome, String> {
    RUN_OUTCOMES
        .get(usize::from(number))
        .copied()
        .ok_or_else(|| format!("there is no run outcome {number}"))
}

const REPEAT_REASONS: [RepeatReason; 6] = [
    RepeatReason::OutOfMemory,
    RepeatReason::TimedOut,
    RepeatReason::Signal,
    RepeatReason::WorkerDied,
    RepeatReason::ExitCode,
    RepeatReason::Failure,
];

fn repeat_reason_number(reason: RepeatReason) -> u8 {
    match reason {
        RepeatReason::OutOfMemory => 0,
        RepeatReason::TimedOut => 1,
        RepeatReason::Signal => 2,
        RepeatReason::WorkerDied => 3,
        RepeatReason::ExitCode => 4,
        RepeatReason::Failure => 5,
    }
}

fn repeat_reason(number: u8) -> Result<RepeatReason, String> {
    REPEAT_REASONS
        .get(usize::from(number))
        .copied()
        .ok_or_else(|| format!("there is no reason {number} to repeat an attempt"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_enumerations_are_those_of_the_document() {
        for (number, end) in QUANTUM_ENDS.into_iter().enumerate() {
            assert_eq!(usize::from(quantum_end_number(end)), number);
        }
        for (number, outcome) in RUN_OUTCOMES.into_iter().enumerate() {
            assert_eq!(usize::from(run_outcome_number(outcome)), number);
        }
        for (number, reason) in REPEAT_REASONS.into_iter().enumerate() {
            assert_eq!(usize::from(repeat_reason_number(reason)), number);
        }
    }

    #[test]
    fn a_finished_quantum_has_the_bytes_of_the_document() {
        let event = Event::QuantumFinished {
            quantum: QuantumIx(300),
            attempt: 1,
            started: Timestamp(5),
            ended: Timestamp(6),
            outcome: QuantumOutcome {
                exit_code: Some(-9),
                outputs: vec![DatasetOutput {
                    dataset: DatasetIx(2),
                    records: vec![FileRecord {
                        path: "p".into(),
                        formatter: "F".into(),
                        storage_class: "S".into(),
                        component: None,
                        checksum: None,
                        file_size: 3,
                    }],
                }],
                actual_inputs: vec![DatasetIx(1)],
                ..QuantumOutcome::bare(QuantumEnd::Failed)
            },
        };
        let mut payloads: Vec<Vec<u8>> = Vec::new();
        Encoder {
            texts: &mut TextNumbers::default(),
            payload: &mut Vec::new(),
            emit: &mut |payload| payloads.push(payload.to_vec()),
        }
        .event(&event)
        .unwrap();
        assert_eq!(payloads[..2], [vec![1, 1, b'F'], vec![1, 1, b'S']]);
        assert_eq!(
            payloads[2],
            [
                &[6, 251, 44, 1, 1, 10, 12][..],
                &[4, 0, 0, 1, 17, 0],
                &[1, 2, 1, 1, b'p', 0, 1, 0, 0, 6],
                &[0, 1, 1],
            ]
            .concat()
        );
        let mut decoder = Decoder::default();
        let decoded: Vec<_> =
            payloads.iter().map(|payload| decoder.payload(payload).unwrap()).collect();
        assert!(matches!(&decoded[2], Decoded::Event(found) if *found == event), "{decoded:?}");
    }

    #[test]
    fn events_of_version_1_1_have_the_bytes_of_the_document() {
        let (time, quantum) = (Timestamp(-1), QuantumIx(7));
        let encoded = |event: &Event| {
            let mut bytes = Vec::new();
            Encoder {
                texts: &mut TextNumbers::default(),
                payload: &mut Vec::new(),
                emit: &mut |payload| bytes = payload.to_vec(),
            }
            .event(event)
            .unwrap();
            let decoded = Decoder::default().payload(&bytes).unwrap();
            assert!(matches!(&decoded, Decoded::Event(found) if found == event), "{decoded:?}");
            bytes
        };
        let placed =
            Event::QuantumPlaced { time, quantum, attempt: 2, worker: 3, memory: Some(250) };
        assert_eq!(encoded(&placed), [9, 1, 7, 2, 3, 1, 250]);
        let reason = RepeatReason::Signal;
        let not_before = Timestamp(4);
        let repeated =
            Event::AttemptRepeated { time, quantum, attempt: 2, reason, not_before, memory: None };
        assert_eq!(encoded(&repeated), [10, 1, 7, 2, 2, 8, 0]);
        let removed = Event::DatasetsRemoved { time, datasets: vec![(DatasetIx(5), 0)] };
        assert_eq!(encoded(&removed), [11, 1, 1, 5, 0]);
        let reset = Event::QuantaReset { time, quanta: vec![(quantum, 1), (QuantumIx(8), 2)] };
        assert_eq!(encoded(&reset), [14, 1, 2, 7, 1, 8, 2]);
    }

    #[test]
    fn what_cannot_be_is_an_error_and_what_is_newer_is_not() {
        let mut decoder = Decoder::default();
        assert!(matches!(decoder.payload(&[99, 1, 2]), Ok(Decoded::Unknown)));
        assert!(decoder.payload(&[ATTEMPT_REPEATED, 0, 0, 0, 6, 0, 0]).is_err(), "no such reason");
        assert!(decoder.payload(&[]).is_err());
        assert!(decoder.payload(&[QUANTUM_STARTED, 0]).is_err(), "too short");
        assert!(decoder.payload(&[QUANTUM_STARTED, 0, 0, 0, 0]).is_err(), "too long");
        assert!(decoder.payload(&[RUN_FINISHED, 0, 9, 0, 0, 0, 0]).is_err(), "no such outcome");
        let text_not_given = [INIT_OUTPUTS_WRITTEN, 0, 1, 0, 1, 0, 5, 5, 0, 0, 0];
        assert!(decoder.payload(&text_not_given).unwrap_err().contains("text 5"));
        let hostile_length = [TEXT, 253, 255, 255, 255, 255, 255, 255, 255, 127];
        assert!(decoder.payload(&hostile_length).is_err());
    }
}
