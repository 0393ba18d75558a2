//! From what a worker replies, or how it died, to the outcome of a quantum.

use qbb::journal::{DatasetOutput, ExceptionInfo, QuantumEnd, QuantumOutcome, ResourceUsage};
use qbb_graph::{DatasetIx, QuantumGraph};
use uuid::Uuid;

use super::process::{Death, ExchangeError};
use super::protocol::{DatasetJson, PackedJson, QuantumReply, StatusJson};
use crate::local::Parcel;
use crate::process_table::KillReason;

/// Caveat bits of the middleware that decide how an end is called.
const NO_WORK: u32 = 4;
const PARTIAL_OUTPUTS: u32 = 64;

/// The outcome of a quantum whose worker died; none if we wanted that. It had run for so many seconds.
pub(super) fn outcome_of_death(death: &Death, run_time: f64) -> Option<QuantumOutcome> {
    let usage = death.peak_memory.map(|memory| ResourceUsage {
        memory,
        run_time,
        run_time_cpu: death.cpu_time.unwrap_or(f64::NAN),
        ..ResourceUsage::default()
    });
    match death.killed {
        Some(KillReason::Interrupted) => None,
        Some(KillReason::TimedOut) => {
            let message = format!("it ran into its time limit; {death}");
            let failure = QuantumOutcome::failure("qbb.TimedOut", message);
            Some(QuantumOutcome { exit_code: death.exit_code(), usage, ..failure })
        }
        None => {
            let failure = QuantumOutcome::failure("qbb.WorkerDied", death.to_string());
            Some(QuantumOutcome { exit_code: death.exit_code(), usage, ..failure })
        }
    }
}

pub(super) fn outcome_of_reply(
    graph: &QuantumGraph,
    reply: QuantumReply,
) -> Result<QuantumOutcome, ExchangeError> {
    let caveats = reply.caveats.unwrap_or(0);
    let end = match reply.status {
        StatusJson::Failed => QuantumEnd::Failed,
        StatusJson::SkippedExisting => QuantumEnd::SkippedExisting,
        StatusJson::Succeeded if caveats & PARTIAL_OUTPUTS != 0 => QuantumEnd::PartialOutputs,
        StatusJson::Succeeded if caveats & NO_WORK != 0 => QuantumEnd::NoWork,
        StatusJson::Succeeded => QuantumEnd::Succeeded,
    };
    Ok(QuantumOutcome {
        end,
        caveats: reply.caveats,
        exception: reply.exception.map(|exception| ExceptionInfo {
            type_name: exception.type_name,
            message: exception.message,
        }),
        exit_code: reply.exit_code,
        usage: reply.resource_usage.map(ResourceUsage::from),
        outputs: outputs(graph, reply.actual_outputs)?,
        available_inputs: datasets(graph, &reply.available_inputs)?,
        actual_inputs: datasets(graph, &reply.actual_inputs)?,
    })
}

/// Datasets that came with a reply.
pub(super) fn parcel_of_reply(
    graph: &QuantumGraph,
    packed: Vec<PackedJson>,
) -> Result<Parcel, ExchangeError> {
    let mut parcel = Parcel::default();
    for PackedJson { dataset_id, text } in packed {
        parcel.bytes.extend_from_slice(text.as_bytes());
        if !parcel.close_entry(dataset(graph, dataset_id)?) {
            let message = "the worker packed more than metadata and log".to_owned();
            return Err(ExchangeError::Protocol(message));
        }
    }
    Ok(parcel)
}

pub(super) fn outputs(
    graph: &QuantumGraph,
    datasets: impl IntoIterator<Item = DatasetJson>,
) -> Result<Vec<DatasetOutput>, ExchangeError> {
    (datasets.into_iter())
        .map(|output| {
            let dataset = dataset(graph, output.dataset_id)?;
            Ok(DatasetOutput {
                dataset,
                records: output.rows.into_iter().map(Into::into).collect(),
            })
        })
        .collect()
}

fn datasets(graph: &QuantumGraph, ids: &[Uuid]) -> Result<Vec<DatasetIx>, ExchangeError> {
    ids.iter().map(|&id| dataset(graph, id)).collect()
}

fn dataset(graph: &QuantumGraph, id: Uuid) -> Result<DatasetIx, ExchangeError> {
    graph
        .find_dataset(id)
        .ok_or_else(|| ExchangeError::Protocol(format!("the graph has no dataset {id}")))
}
