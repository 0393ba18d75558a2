//! Events to payloads.

use std::sync::Arc;

use bincode::Encode;
use rustc_hash::FxHashMap;

use super::kinds::*;
use super::numbers::*;
use crate::journal::event::{DatasetOutput, Event, RunCounts};
use crate::journal::frame::MAX_PAYLOAD;
use crate::journal::left_running::LeftRunning;
use crate::journal::packed::PackedRow;
use crate::wire;

/// Numbers given to texts while a file is written.
#[derive(Debug, Default)]
pub struct TextNumbers(FxHashMap<Arc<str>, u32>);

/// Turns events into payloads, which it hands to `emit` in the order in which they must be written.
pub struct Encoder<'a> {
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
            Event::QuantaPlaced { time, worker, quanta } => {
                let quanta: Vec<(u32, u32)> =
                    quanta.iter().map(|&(quantum, attempt)| (quantum.0, attempt)).collect();
                self.send(QUANTA_PLACED, &(*time, *worker, quanta))
            }
            Event::LeftRunning { time, quantum, attempt, left } => {
                let LeftRunning { processes, threads, names } = left;
                let fields = (*time, quantum.0, *attempt, *processes, *threads, names.as_slice());
                self.send(LEFT_RUNNING, &fields)
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
        if self.payload.len() > MAX_PAYLOAD {
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
