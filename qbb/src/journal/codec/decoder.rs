//! Payloads to events.

use std::sync::Arc;

use qbb_graph::{DatasetIx, QuantumIx};
use uuid::Uuid;

use super::kinds::*;
use super::numbers::*;
use crate::journal::event::{
    DatasetOutput, Event, ExceptionInfo, FileRecord, QuantumOutcome, RunCounts,
};
use crate::journal::left_running::LeftRunning;
use crate::journal::packed::{PackedBlock, PackedRow};
use crate::journal::process::ProcessIdentity;
use crate::wire;

/// Turns payloads back into events.
#[derive(Debug, Default)]
pub struct Decoder {
    texts: Vec<Arc<str>>,
}

/// What a payload held.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "one at a time, and nearly always an event")]
pub enum Decoded {
    Event(Event),
    /// A text, remembered for later.
    Text,
    /// An event of a kind from a newer version.
    Unknown,
}

impl Decoder {
    /// Forgets the texts behind the first so many.
    pub fn forget_texts(&mut self, keep: usize) {
        self.texts.truncate(keep);
    }

    /// Takes a text that was decoded by others.
    pub fn add_text(&mut self, text: String) {
        self.texts.push(text.into());
    }

    pub fn payload(&mut self, payload: &[u8]) -> Result<Decoded, String> {
        let Some((&kind, fields)) = payload.split_first() else {
            return Err("the payload is empty".to_owned());
        };
        let event = match kind {
            TEXT => {
                self.add_text(wire::decode(fields)?);
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
            QUANTA_PLACED => {
                let (time, worker, quanta): (_, _, Vec<(u32, u32)>) = wire::decode(fields)?;
                let quanta = quanta.into_iter().map(|(q, n)| (QuantumIx(q), n)).collect();
                Event::QuantaPlaced { time, worker, quanta }
            }
            LEFT_RUNNING => {
                let (time, quantum, attempt, processes, threads, names) = wire::decode(fields)?;
                let left = LeftRunning { processes, threads, names };
                Event::LeftRunning { time, quantum: QuantumIx(quantum), attempt, left }
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
