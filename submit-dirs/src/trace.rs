//! A run as a trace that Chrome and Perfetto show.
//!
//! The format is the JSON form of Chrome's Trace Event Format: an object whose `traceEvents` are
//! complete events (`X`) for attempts, counters (`C`) for what ran at a time, and names (`M`) of
//! processes and lanes. Times are microseconds since 1970-01-01T00:00:00Z.

use std::io::{self, Write};

use camino::Utf8Path;
use qbb::journal::{QuantumEnd, Timestamp};
use qbb_graph::QuantumGraph;
use serde::Serialize;

use crate::attempts::{AttemptTable, Ends};
use crate::error::SubmitError;
use crate::failures::{data_id, task_label};
use crate::lanes::Lanes;
use crate::load::{Load, Thinned, sweep};
use crate::watch::History;

/// Counters have at most about this many values; more cannot be seen.
const COUNTER_STEPS: i64 = 20_000;

/// Process number under which counters of the whole run are shown; writers follow.
const WHOLE_RUN: u32 = 0;

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct TraceSummary {
    /// Attempts.
    pub attempts: u64,
    /// Lanes that they are in.
    pub lanes: u64,
    /// Bytes of the file.
    pub bytes: u64,
}

#[derive(Serialize)]
struct Complete<'a> {
    name: &'a str,
    cat: &'static str,
    ph: &'static str,
    ts: i64,
    dur: i64,
    pid: u32,
    tid: u32,
    args: AttemptArgs<'a>,
}

#[derive(Serialize)]
struct AttemptArgs<'a> {
    data_id: String,
    quantum: uuid::Uuid,
    attempt: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exception: Option<&'a str>,
}

#[derive(Serialize)]
struct Counter<A: Serialize> {
    name: &'static str,
    ph: &'static str,
    ts: i64,
    pid: u32,
    args: A,
}

#[derive(Serialize)]
struct Quanta {
    running: u64,
}

#[derive(Serialize)]
struct Memory {
    bytes: u64,
}

#[derive(Serialize)]
struct Named<'a> {
    name: &'static str,
    ph: &'static str,
    pid: u32,
    tid: u32,
    args: Name<'a>,
}

#[derive(Serialize)]
struct Name<'a> {
    name: &'a str,
}

/// Writes the trace of all attempts to a file, which appears when it is whole. Attempts without an
/// end last until `now` or, if their process is gone, until it was last seen.
///
/// # Errors
/// If the file cannot be written.
pub fn write_trace(
    graph: &QuantumGraph,
    history: &History,
    now: Timestamp,
    path: &Utf8Path,
) -> Result<TraceSummary, SubmitError> {
    let (lanes, bytes) = crate::publish::write_whole(path, |out| {
        let mut events = Events { out, n: 0, bytes: 0 };
        let lanes = events.write(graph, history, now)?;
        Ok((lanes, events.bytes))
    })?;
    Ok(TraceSummary { attempts: history.attempts().len() as u64, lanes, bytes })
}

struct Events<W> {
    out: W,
    n: u64,
    bytes: u64,
}

impl<W: Write> Events<W> {
    fn write(
        &mut self,
        graph: &QuantumGraph,
        history: &History,
        now: Timestamp,
    ) -> io::Result<u64> {
        let attempts = history.attempts();
        let by_start = attempts.rows_by_start();
        let ends = history.ends(now);
        let lanes = Lanes::assign(attempts, &by_start, &ends);
        self.raw("{\"displayTimeUnit\":\"ms\",\"traceEvents\":[")?;
        self.name("process_name", WHOLE_RUN, 0, &graph.header.output_run)?;
        for writer in 0..attempts.n_writers() as u32 {
            self.name("process_name", writer + 1, 0, &history.writer_name(writer))?;
        }
        for lane in 0..lanes.len() as u32 {
            let (writer, number) = lanes.place(lane);
            self.name("thread_name", writer + 1, number + 1, &format!("lane {}", number + 1))?;
        }
        for &row in &by_start {
            let attempt = attempts.get(row);
            let (writer, number) = lanes.place(lanes.of(row));
            self.event(&Complete {
                name: task_label(graph, attempt.quantum),
                cat: category(attempt.ended.map(|(end, _)| end)),
                ph: "X",
                ts: attempt.started.0,
                dur: ends.of(&attempt).0.saturating_sub(attempt.started.0),
                pid: writer + 1,
                tid: number + 1,
                args: AttemptArgs {
                    data_id: data_id(graph, attempt.quantum),
                    quantum: graph.quanta.uuid(attempt.quantum),
                    attempt: attempt.attempt + 1,
                    memory: attempt.memory,
                    exception: attempts.exception_type(row),
                },
            })?;
        }
        self.counters(history.attempts(), &by_start, &ends)?;
        self.raw("\n]}\n")?;
        self.out.flush()?;
        Ok(lanes.len() as u64)
    }

    fn counters(
        &mut self,
        attempts: &AttemptTable,
        by_start: &[u32],
        ends: &Ends,
    ) -> io::Result<()> {
        let Some(&first) = by_start.first() else { return Ok(()) };
        let from = attempts.get(first).started;
        let until = by_start.iter().map(|&row| ends.of(&attempts.get(row))).max();
        let mut thinned = Thinned::new(from, until.unwrap_or(from), COUNTER_STEPS);
        let mut loads: Vec<Load> = Vec::new();
        sweep(attempts, by_start, ends, |load| {
            thinned.push(load, |load| loads.push(load));
        });
        thinned.finish(|load| loads.push(load));
        let (ph, pid) = ("C", WHOLE_RUN);
        for Load { time, running, memory } in loads {
            let ts = time.0;
            self.event(&Counter { name: "running quanta", ph, ts, pid, args: Quanta { running } })?;
            let args = Memory { bytes: memory };
            self.event(&Counter { name: "peak memory of running quanta", ph, ts, pid, args })?;
        }
        Ok(())
    }

    fn name(&mut self, what: &'static str, pid: u32, tid: u32, name: &str) -> io::Result<()> {
        self.event(&Named { name: what, ph: "M", pid, tid, args: Name { name } })
    }

    fn event(&mut self, event: &impl Serialize) -> io::Result<()> {
        self.raw(if self.n == 0 { "\n" } else { ",\n" })?;
        self.n += 1;
        serde_json::to_writer(Counting(self), event).map_err(io::Error::from)
    }

    fn raw(&mut self, text: &str) -> io::Result<()> {
        Counting(self).write_all(text.as_bytes())
    }
}

/// Counts what is written.
struct Counting<'a, W>(&'a mut Events<W>);

impl<W: Write> Write for Counting<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.0.out.write(bytes)?;
        self.0.bytes += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.out.flush()
    }
}

fn category(end: Option<QuantumEnd>) -> &'static str {
    match end {
        None => "no end",
        Some(QuantumEnd::Succeeded) => "succeeded",
        Some(QuantumEnd::NoWork) => "no work",
        Some(QuantumEnd::PartialOutputs) => "partial outputs",
        Some(QuantumEnd::SkippedExisting) => "skipped",
        Some(QuantumEnd::Failed) => "failed",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use serde_json::Value;

    use super::*;
    use crate::synthetic::{Story, at};

    fn trace(story: &Story) -> Value {
        let path = story.path("trace.json");
        let history = story.history();
        let summary = write_trace(&story.graph, &history, at(100.0), &path).unwrap();
        let text = fs_err::read_to_string(&path).unwrap();
        assert_eq!(summary.bytes, text.len() as u64);
        let names = path.parent().unwrap().read_dir_utf8().unwrap();
        let mut others = names.map(|entry| entry.unwrap().file_name().to_owned());
        assert!(others.all(|name| ["journal", "trace.json"].contains(&name.as_str())));
        serde_json::from_str(&text).unwrap()
    }

    /// The fields that the format asks for, by kind of event.
    #[test]
    fn every_event_has_what_the_format_requires() {
        let trace = trace(&Story::told(true));
        let mut kinds: HashMap<&str, usize> = HashMap::new();
        for event in trace["traceEvents"].as_array().unwrap() {
            let kind = event["ph"].as_str().unwrap();
            *kinds.entry(kind).or_default() += 1;
            assert!(event["name"].is_string() && event["pid"].is_u64(), "{event}");
            match kind {
                "X" => {
                    assert!(event["ts"].is_i64() && event["dur"].is_u64(), "{event}");
                    assert!(event["tid"].is_u64() && event["cat"].is_string(), "{event}");
                }
                "C" => {
                    assert!(event["ts"].is_i64(), "{event}");
                    let values = event["args"].as_object().unwrap();
                    assert!(!values.is_empty() && values.values().all(Value::is_u64), "{event}");
                }
                "M" => assert!(event["args"]["name"].is_string(), "{event}"),
                other => panic!("an event of kind {other}"),
            }
        }
        assert_eq!(kinds["X"], 15, "one for each attempt");
    }

    /// In a thread, complete events must not overlap, or they would be shown inside of each other.
    #[test]
    fn attempts_in_a_lane_follow_each_other() {
        let trace = trace(&Story::told(true));
        let mut until: HashMap<(u64, u64), i64> = HashMap::new();
        for event in trace["traceEvents"].as_array().unwrap().iter().filter(|e| e["ph"] == "X") {
            let lane = (event["pid"].as_u64().unwrap(), event["tid"].as_u64().unwrap());
            let begin = event["ts"].as_i64().unwrap();
            let end = begin + event["dur"].as_i64().unwrap();
            if let Some(before) = until.insert(lane, end) {
                assert!(before <= begin, "{event}");
            }
        }
        assert_eq!(until.len(), 8, "lanes");
    }

    #[test]
    fn a_run_that_has_not_begun_gives_an_empty_trace() {
        let trace = trace(&Story::new());
        assert_eq!(trace["traceEvents"].as_array().unwrap().len(), 1);
    }
}
