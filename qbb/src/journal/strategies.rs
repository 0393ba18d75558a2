//! Arbitrary events for property tests.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use qbb_graph::{DatasetIx, QuantumIx};
use uuid::Uuid;

use super::event::{
    DatasetOutput, Event, ExceptionInfo, FileRecord, QuantumEnd, QuantumOutcome, RepeatReason,
    RunCounts, RunOutcome,
};
use super::left_running::LeftRunning;
use super::packed::{PackedBlock, PackedRow};
use super::process::ProcessIdentity;
use super::time::Timestamp;
use super::usage::ResourceUsage;

/// Quanta of the imagined graph.
pub const N_QUANTA: u32 = 6;
/// Its datasets.
pub const N_DATASETS: u32 = 12;

fn time() -> impl Strategy<Value = Timestamp> {
    (0..1_000_000i64).prop_map(Timestamp)
}

fn quantum() -> impl Strategy<Value = QuantumIx> {
    (0..N_QUANTA).prop_map(QuantumIx)
}

fn dataset() -> impl Strategy<Value = DatasetIx> {
    (0..N_DATASETS).prop_map(DatasetIx)
}

fn record() -> impl Strategy<Value = FileRecord> {
    ("[a-z/ü]{0,12}", "[FG]", "[ST]", option::of("[cd]"), option::of("[0-9a-f]{4}"), any::<i64>())
        .prop_map(|(path, formatter, storage_class, component, checksum, file_size)| FileRecord {
            path,
            formatter: formatter.into(),
            storage_class: storage_class.into(),
            component: component.map(Into::into),
            checksum,
            file_size,
        })
}

fn outputs() -> impl Strategy<Value = Vec<DatasetOutput>> {
    let output = (dataset(), vec(record(), 0..3))
        .prop_map(|(dataset, records)| DatasetOutput { dataset, records });
    vec(output, 0..3)
}

fn usage() -> impl Strategy<Value = ResourceUsage> {
    (any::<u64>(), 0.0..1e3, 0.0..1e3, 0.0..1e3, 0.0..1e3).prop_map(
        |(memory, prep_time, init_time, run_time, run_time_cpu)| ResourceUsage {
            memory,
            prep_time,
            init_time,
            run_time,
            run_time_cpu,
        },
    )
}

pub fn outcome() -> impl Strategy<Value = QuantumOutcome> {
    let end = prop_oneof![
        Just(QuantumEnd::Succeeded),
        Just(QuantumEnd::NoWork),
        Just(QuantumEnd::PartialOutputs),
        Just(QuantumEnd::SkippedExisting),
        Just(QuantumEnd::Failed),
    ];
    let exception =
        (".{0,8}", ".{0,20}").prop_map(|(type_name, message)| ExceptionInfo { type_name, message });
    (
        (end, option::of(any::<u32>()), option::of(exception), option::of(any::<i32>())),
        (option::of(usage()), outputs(), vec(dataset(), 0..3), vec(dataset(), 0..3)),
    )
        .prop_map(
            |((end, caveats, exception, exit_code), (usage, outputs, available, actual))| {
                QuantumOutcome {
                    end,
                    caveats,
                    exception,
                    exit_code,
                    usage,
                    outputs,
                    available_inputs: available,
                    actual_inputs: actual,
                }
            },
        )
}

fn packed_blocks() -> impl Strategy<Value = Vec<PackedBlock>> {
    let row = (quantum(), 0..4u32, dataset(), any::<[u32; 2]>()).prop_map(
        |(quantum, attempt, dataset, [begin, length])| PackedRow {
            quantum,
            attempt,
            dataset,
            begin,
            length,
        },
    );
    let block = (any::<u64>(), vec(row, 0..4));
    vec(block.prop_map(|(offset, rows)| PackedBlock { offset, rows }), 0..3)
}

pub fn event() -> impl Strategy<Value = Event> {
    let run_outcome = prop_oneof![
        Just(RunOutcome::Complete),
        Just(RunOutcome::WithFailures),
        Just(RunOutcome::StoppedEarly),
        Just(RunOutcome::Interrupted),
    ];
    let counts = any::<[u32; 4]>().prop_map(|[succeeded, failed, blocked, not_attempted]| {
        RunCounts { succeeded, failed, blocked, not_attempted }
    });
    prop_oneof![
        (time(), ".{0,8}", "[0-9a-f]{0,8}", any::<u32>(), any::<u64>(), ".{0,16}").prop_map(
            |(time, host, boot, pid, start_ticks, options)| Event::RunStarted {
                time,
                process: ProcessIdentity { host, boot, pid, start_ticks },
                options,
            }
        ),
        (time(), run_outcome, counts).prop_map(|(time, outcome, counts)| Event::RunFinished {
            time,
            outcome,
            counts
        }),
        (time(), outputs()).prop_map(|(time, outputs)| Event::InitOutputsWritten { time, outputs }),
        (time(), quantum(), 0..4u32).prop_map(|(time, quantum, attempt)| Event::QuantumStarted {
            time,
            quantum,
            attempt
        }),
        (quantum(), 0..4u32, time(), time(), outcome()).prop_map(
            |(quantum, attempt, started, ended, outcome)| Event::QuantumFinished {
                quantum,
                attempt,
                started,
                ended,
                outcome,
            }
        ),
        (time(), quantum(), vec(quantum(), 0..5))
            .prop_map(|(time, cause, quanta)| Event::QuantaBlocked { time, cause, quanta }),
        (time(), any::<u64>()).prop_map(|(time, end)| Event::OutputsDurable { time, end }),
        (time(), vec((any::<u128>().prop_map(Uuid::from_u128), any::<u64>()), 0..3))
            .prop_map(|(time, superseded)| Event::RunGoesOn { time, superseded }),
        (time(), quantum(), 0..4u32, any::<u32>(), option::of(any::<u64>())).prop_map(
            |(time, quantum, attempt, worker, memory)| Event::QuantumPlaced {
                time,
                quantum,
                attempt,
                worker,
                memory,
            }
        ),
        (time(), quantum(), 0..4u32, repeat_reason(), time(), option::of(any::<u64>())).prop_map(
            |(time, quantum, attempt, reason, not_before, memory)| Event::AttemptRepeated {
                time,
                quantum,
                attempt,
                reason,
                not_before,
                memory,
            }
        ),
        (time(), vec((dataset(), 0..4u32), 0..4))
            .prop_map(|(time, datasets)| Event::DatasetsRemoved { time, datasets }),
        (time(), vec((quantum(), 0..4u32), 0..4))
            .prop_map(|(time, quanta)| Event::QuantaReset { time, quanta }),
        (time(), any::<u32>(), vec((quantum(), 0..4u32), 0..4))
            .prop_map(|(time, worker, quanta)| Event::QuantaPlaced { time, worker, quanta }),
        (time(), quantum(), 0..4u32, any::<[u32; 2]>(), vec(".{0,4}", 0..3)).prop_map(
            |(time, quantum, attempt, [processes, threads], names)| {
                let left = LeftRunning { processes, threads, names };
                Event::LeftRunning { time, quantum, attempt, left }
            }
        ),
        (time(), any::<u128>(), packed_blocks()).prop_map(|(time, pack, blocks)| {
            Event::OutputsPacked { time, pack: Uuid::from_u128(pack), blocks }
        }),
    ]
}

fn repeat_reason() -> impl Strategy<Value = RepeatReason> {
    prop_oneof![
        Just(RepeatReason::OutOfMemory),
        Just(RepeatReason::TimedOut),
        Just(RepeatReason::Signal),
        Just(RepeatReason::WorkerDied),
        Just(RepeatReason::ExitCode),
        Just(RepeatReason::Failure),
    ]
}
