//! The JSON blocks of a provenance graph.

use std::io::Write as _;

use super::super::blocks::write_first_named;
use super::super::json;
use super::attempt::{Attempt, AttemptException, AttemptUsage};
use crate::model::{DatasetIx, InitQuantum, QuantumGraph, QuantumIx};

/// Who writes and reads the datasets of init quanta.
#[derive(Debug, Default)]
pub(super) struct InitEdges {
    /// Dataset and position of the init quantum that writes it, sorted.
    producers: Vec<(u32, u32)>,
    /// The same of those that read it.
    consumers: Vec<(u32, u32)>,
}

impl InitEdges {
    pub fn new(graph: &QuantumGraph) -> Self {
        let mut edges = Self::default();
        for (position, init) in task_init_quanta(graph) {
            let at = |&(_, dataset): &(String, u32)| (dataset, position as u32);
            edges.producers.extend(init.outputs.iter().map(at));
            edges.consumers.extend(init.inputs.iter().map(at));
        }
        edges.producers.sort_unstable();
        edges.consumers.sort_unstable();
        edges.consumers.dedup();
        edges
    }

    fn of(pairs: &[(u32, u32)], dataset: DatasetIx) -> impl Iterator<Item = usize> {
        let begin = pairs.partition_point(|&(other, _)| other < dataset.0);
        (pairs[begin..].iter())
            .take_while(move |&&(other, _)| other == dataset.0)
            .map(|&(_, init)| init as usize)
    }
}

/// Init quanta of tasks; the global one has no place in a provenance graph.
pub(super) fn task_init_quanta(
    graph: &QuantumGraph,
) -> impl Iterator<Item = (usize, &InitQuantum)> {
    graph.init_quanta.iter().enumerate().filter(|(_, init)| init.task.is_some())
}

/// Positions of datasets that only the global init quantum writes, which are left out too.
pub(super) fn is_left_out(graph: &QuantumGraph) -> Vec<bool> {
    let mut left_out = vec![false; graph.datasets.len()];
    for init in graph.init_quanta.iter().filter(|init| init.task.is_none()) {
        for dataset in init.output_datasets() {
            left_out[dataset.index()] = true;
        }
    }
    left_out
}

/// The header: that of the executed graph, of another type.
pub(super) fn header(graph: &QuantumGraph, int_size: usize) -> Vec<u8> {
    graph.header_json_of("provenance", int_size)
}

/// The `init_quanta` member.
pub(super) fn init_quanta(graph: &QuantumGraph) -> Vec<u8> {
    let mut out = Vec::new();
    json::list(&mut out, task_init_quanta(graph), |out, (_, init)| {
        out.extend_from_slice(b"{\"quantum_id\":");
        json::uuid(out, init.id.as_bytes());
        out.extend_from_slice(b",\"task_label\":");
        let label = init.task.and_then(|task| graph.pipeline.tasks.get(task as usize));
        json::string(out, label.map_or("", |task| &task.label));
        for (key, datasets) in [("inputs", &init.inputs), ("outputs", &init.outputs)] {
            json::key(out, &mut false, key);
            // There is one for each connection; were there more, the first would count.
            write_first_named(datasets, out, |out, position| {
                json::uuid(out, &graph.datasets.id[datasets[position].1 as usize]);
            });
        }
        out.push(b'}');
    });
    out
}

/// A block of `quanta.mb`.
pub(super) fn quantum(
    graph: &QuantumGraph,
    quantum: QuantumIx,
    attempts: &[Attempt],
    out: &mut Vec<u8>,
) {
    graph.write_quantum_begin(quantum, out, |out, dataset| {
        json::uuid(out, &graph.datasets.id[dataset.index()]);
    });
    out.extend_from_slice(b",\"attempts\":");
    json::list(out, attempts.iter().enumerate(), |out, (number, attempt)| {
        write_attempt(number, attempt, out);
    });
    out.push(b'}');
}

fn write_attempt(number: usize, attempt: &Attempt, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"attempt\":");
    json::int(out, number as i64);
    out.extend_from_slice(b",\"status\":");
    json::int(out, attempt.status.number());
    out.extend_from_slice(b",\"caveats\":");
    match attempt.caveats {
        Some(caveats) => json::int(out, caveats.into()),
        None => out.extend_from_slice(b"null"),
    }
    out.extend_from_slice(b",\"exception\":");
    match &attempt.exception {
        Some(exception) => write_exception(exception, out),
        None => out.extend_from_slice(b"null"),
    }
    out.extend_from_slice(b",\"resource_usage\":");
    match &attempt.usage {
        Some(usage) => write_usage(usage, out),
        None => out.extend_from_slice(b"null"),
    }
    out.extend_from_slice(b",\"previous_process_quanta\":");
    or(out, &attempt.previous_process_quanta, b"[]");
    out.push(b'}');
}

fn write_exception(exception: &AttemptException, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"type_name\":");
    json::string(out, &exception.type_name);
    out.extend_from_slice(b",\"message\":");
    json::string(out, &exception.message);
    out.extend_from_slice(b",\"metadata\":");
    or(out, &exception.metadata, b"{}");
    out.push(b'}');
}

fn write_usage(usage: &AttemptUsage, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"memory\":");
    json::float(out, usage.memory);
    out.extend_from_slice(b",\"start\":\"");
    utc(out, usage.start);
    out.push(b'"');
    for (key, value) in [
        ("prep_time", usage.prep_time),
        ("init_time", usage.init_time),
        ("run_time", usage.run_time),
        ("run_time_cpu", usage.run_time_cpu),
    ] {
        json::key(out, &mut false, key);
        json::float(out, value);
    }
    out.push(b'}');
}

fn or(out: &mut Vec<u8>, text: &[u8], otherwise: &[u8]) {
    out.extend_from_slice(if text.is_empty() { otherwise } else { text });
}

/// Microseconds since 1970 as ISO 8601 with microseconds, in the proleptic Gregorian calendar.
fn utc(out: &mut Vec<u8>, micros: i64) {
    let (seconds, fraction) = (micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000));
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Counted from 0000-03-01, so that a leap day is the last of its year.
    let from_march = days + 719_468;
    let (era, day) = (from_march.div_euclid(146_097), from_march.rem_euclid(146_097));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * month + 2) / 5 + 1;
    let (year, month) = match month {
        0..=9 => (year + 400 * era, month + 3),
        _ => (year + 400 * era + 1, month - 9),
    };
    // Writing to a vector cannot fail.
    let _ = write!(
        out,
        "{year:04}-{month:02}-{day_of_month:02}T{:02}:{:02}:{:02}.{fraction:06}Z",
        second / 3600,
        second / 60 % 60,
        second % 60
    );
}

/// A block of `datasets.mb`.
pub(super) fn dataset(
    graph: &QuantumGraph,
    init: &InitEdges,
    dataset: DatasetIx,
    is_produced: impl FnOnce(DatasetIx) -> bool,
    out: &mut Vec<u8>,
) {
    let producer = match graph.producer(dataset) {
        Some(quantum) => Some(&graph.quanta.id[quantum.index()]),
        None => InitEdges::of(&init.producers, dataset)
            .next()
            .map(|position| graph.init_quanta[position].id.as_bytes()),
    };
    graph.write_dataset(dataset, out);
    // What follows belongs to the same object.
    out.pop();
    // Overall inputs existed before.
    let produced = producer.is_none() || is_produced(dataset);
    out.extend_from_slice(if produced { b",\"produced\":true" } else { b",\"produced\":false" });
    out.extend_from_slice(b",\"producer\":");
    match producer {
        Some(id) => json::uuid(out, id),
        None => out.extend_from_slice(b"null"),
    }
    out.extend_from_slice(b",\"consumers\":");
    let quanta = graph.consumers(dataset).map(|quantum| &graph.quanta.id[quantum.index()]);
    let inits = InitEdges::of(&init.consumers, dataset)
        .map(|position| graph.init_quanta[position].id.as_bytes());
    json::list(out, quanta.chain(inits), json::uuid);
    out.push(b'}');
}

/// A block of `metadata.mb` or `logs.mb`: one text for each attempt.
pub(super) fn by_attempt<'a>(texts: impl Iterator<Item = Option<&'a Vec<u8>>>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"attempts\":");
    json::list(out, texts, |out, text| match text {
        Some(text) => out.extend_from_slice(text),
        None => out.extend_from_slice(b"null"),
    });
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use super::super::attempt::AttemptStatus;
    use super::*;

    #[test]
    fn times_are_iso_in_utc() {
        for (micros, text) in [
            (0, "1970-01-01T00:00:00.000000Z"),
            (-1, "1969-12-31T23:59:59.999999Z"),
            (951_782_400_000_000, "2000-02-29T00:00:00.000000Z"),
            (1_795_163_877_822_352, "2026-11-20T08:37:57.822352Z"),
            (4_107_542_399_000_000, "2100-02-28T23:59:59.000000Z"),
            (4_107_542_400_000_000, "2100-03-01T00:00:00.000000Z"),
        ] {
            let mut out = Vec::new();
            utc(&mut out, micros);
            assert_eq!(String::from_utf8(out).unwrap(), text);
        }
    }

    #[test]
    fn an_attempt_has_all_keys() {
        let mut out = Vec::new();
        write_attempt(0, &Attempt::bare(AttemptStatus::Unknown), &mut out);
        let expected = r#"{"attempt":0,"status":-3,"caveats":null,"exception":null,"resource_usage":null,"previous_process_quanta":[]}"#;
        assert_eq!(String::from_utf8(out).unwrap(), expected);
        let attempt = Attempt {
            caveats: Some(67),
            exception: Some(AttemptException {
                type_name: "E".into(),
                message: "a \"b\"".into(),
                metadata: b"{\"x\":NaN}".to_vec(),
            }),
            usage: Some(AttemptUsage {
                memory: 1024.0,
                start: 0,
                prep_time: 0.5,
                init_time: 0.0,
                run_time: 2.0,
                run_time_cpu: 1.5,
            }),
            ..Attempt::bare(AttemptStatus::Successful)
        };
        let mut out = Vec::new();
        write_attempt(1, &attempt, &mut out);
        insta::assert_snapshot!(String::from_utf8(out).unwrap(), @r#"{"attempt":1,"status":1,"caveats":67,"exception":{"type_name":"E","message":"a \"b\"","metadata":{"x":NaN}},"resource_usage":{"memory":1024.0,"start":"1970-01-01T00:00:00.000000Z","prep_time":0.5,"init_time":0.0,"run_time":2.0,"run_time_cpu":1.5},"previous_process_quanta":[]}"#);
    }

    #[test]
    fn attempts_without_a_text_are_null() {
        let mut out = Vec::new();
        let text = b"[1]".to_vec();
        by_attempt([None, Some(&text)].into_iter(), &mut out);
        assert_eq!(out, b"{\"attempts\":[null,[1]]}");
    }
}
