//! The summary of a run that `pipetask run-qbb --summary` writes.

use qbb::journal::{QuantumEnd, QuantumProgress};
use qbb_dimensions::DataValue;
use qbb_graph::{GraphSummary, QuantumGraph, QuantumIx, graph_summary};
use rustc_hash::FxHashMap;
use serde::Serialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::report::{FailedQuantum, FailureKind, RunReport};
use crate::scheduler::StopReason;

/// Classes of what the middleware's executor raises at the end.
const EXECUTOR_ERROR: &str = "lsst.pipe.base.mp_graph_executor.MPGraphExecutorError";
const TIMEOUT_ERROR: &str = "lsst.pipe.base.mp_graph_executor.MPTimeoutError";

/// How a quantum, or a run, ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Success,
    Failure,
    Timeout,
    Skipped,
}

/// A report as the middleware writes it after execution. It also tells the UUIDs of quanta that
/// failed or were skipped, and exit codes, which the middleware leaves out unless each quantum has
/// a process of its own.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExecutionSummary {
    qgraph_summary: GraphSummary,
    status: Status,
    cmd_line: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exception_info: Option<ExceptionReport>,
    quanta_reports: Vec<QuantumReport>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ExceptionReport {
    class_name: String,
    message: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct QuantumReport {
    status: Status,
    data_id: Map<String, Value>,
    task_label: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_code: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exception_info: Option<ExceptionReport>,
    quantum_id: Uuid,
}

/// Summarises a run of these quanta (`None` is all of them). Quanta that had succeeded before count
/// as successful; there is no report of those that were not come to.
pub fn execution_summary(
    graph: &QuantumGraph,
    report: &RunReport,
    quanta: Option<&[QuantumIx]>,
    command_line: Vec<String>,
) -> ExecutionSummary {
    let all: Vec<QuantumIx>;
    let quanta = match quanta {
        Some(quanta) => quanta,
        None => {
            all = graph.quanta.iter().collect();
            &all
        }
    };
    let failures: FxHashMap<QuantumIx, &FailedQuantum> =
        report.failures.iter().map(|failure| (failure.quantum, failure)).collect();
    let quanta_reports: Vec<QuantumReport> = (quanta.iter())
        .filter_map(|&quantum| quantum_report(graph, report, &failures, quantum))
        .collect();
    let has = |status| quanta_reports.iter().any(|report| report.status == status);
    let status = match (has(Status::Failure), has(Status::Timeout)) {
        (true, _) => Status::Failure,
        (false, true) => Status::Timeout,
        (false, false) => Status::Success,
    };
    ExecutionSummary {
        qgraph_summary: graph_summary(graph, quanta.iter().copied()),
        status,
        cmd_line: command_line,
        exception_info: run_exception(graph, report, status),
        quanta_reports,
    }
}

fn quantum_report(
    graph: &QuantumGraph,
    report: &RunReport,
    failures: &FxHashMap<QuantumIx, &FailedQuantum>,
    quantum: QuantumIx,
) -> Option<QuantumReport> {
    let (status, exit_code, exception) = match report.state.progress(quantum) {
        QuantumProgress::Ended(QuantumEnd::Failed) => {
            // A failure of an earlier run that was not come to again is not of this run.
            let failure = failures.get(&quantum)?;
            let status = if is_timeout(failure) { Status::Timeout } else { Status::Failure };
            (status, failure.exit_code, failure.exception.as_ref())
        }
        QuantumProgress::Ended(_) => (Status::Success, Some(0), None),
        // What would have come after the failure that stops a run is not come to.
        QuantumProgress::Blocked { cause }
            if failures.contains_key(&cause) && Some(cause) != stopping(report) =>
        {
            (Status::Skipped, None, None)
        }
        _ => return None,
    };
    Some(QuantumReport {
        status,
        data_id: required_data_id(graph, quantum),
        task_label: graph.pipeline.task(graph.quanta.task(quantum)).label.clone(),
        exit_code,
        exception_info: exception.map(|exception| ExceptionReport {
            class_name: exception.type_name.clone(),
            message: exception.message.clone(),
        }),
        quantum_id: graph.quanta.uuid(quantum),
    })
}

/// The failure that stopped the run, if one did.
fn stopping(report: &RunReport) -> Option<QuantumIx> {
    match report.stop_reason? {
        StopReason::TooManyFailures | StopReason::InvalidQuantum => {
            report.failures.last().map(|failure| failure.quantum)
        }
        StopReason::Cancelled => None,
    }
}

fn is_timeout(failure: &FailedQuantum) -> bool {
    failure.exception.as_ref().is_some_and(|exception| exception.type_name == "qbb.TimedOut")
}

fn required_data_id(graph: &QuantumGraph, quantum: QuantumIx) -> Map<String, Value> {
    let table = graph.task_data_ids(graph.quanta.task(quantum));
    let n_required = table.group().required().len();
    let values = table.values(graph.quanta.data_id[quantum.index()], &graph.symbols);
    (table.group().iter_key_names().zip(values).take(n_required))
        .map(|(name, value)| {
            let value = match value {
                DataValue::Int(value) => Value::from(value),
                DataValue::Text(value) => Value::from(value),
            };
            (name.to_owned(), value)
        })
        .collect()
}

/// What the middleware's executor would have raised. Where it leaves by an exit code of its own, or
/// by an interrupt, that is not in its summary.
fn run_exception(
    graph: &QuantumGraph,
    report: &RunReport,
    status: Status,
) -> Option<ExceptionReport> {
    let first = report.failures.first();
    let (class_name, message) = match (report.stop_reason, status) {
        (Some(StopReason::InvalidQuantum | StopReason::Cancelled), _) | (_, Status::Success) => {
            return None;
        }
        (Some(StopReason::TooManyFailures), _)
            if first.is_some_and(|failure| failure.kind == FailureKind::Repeatable) =>
        {
            return None;
        }
        (Some(StopReason::TooManyFailures), status) => {
            let failed = report.failures.last().map(|failure| failure.quantum);
            let what = failed.map(|quantum| graph.describe_quantum(quantum)).unwrap_or_default();
            let class = if status == Status::Timeout { TIMEOUT_ERROR } else { EXECUTOR_ERROR };
            (class, format!("stopped after the failure of {what}"))
        }
        // To the middleware, a time limit that keeps others from running is a failure.
        (None, Status::Timeout) if report.counts.blocked == 0 => {
            (TIMEOUT_ERROR, "some quanta ran into the time limit".into())
        }
        (None, _) => (EXECUTOR_ERROR, "some quanta failed".into()),
    };
    Some(ExceptionReport { class_name: class_name.to_owned(), message })
}
