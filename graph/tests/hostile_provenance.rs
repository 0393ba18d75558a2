//! Provenance graphs that are damaged or made to do harm: each gives one error and never a panic.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod support;

use camino::{Utf8Path, Utf8PathBuf};
use proptest::prelude::*;
use qbb_graph::{
    Attempt, AttemptException, AttemptStatus, AttemptUsage, DatasetIx, ProvenanceReader,
    ProvenanceSource, QuantumGraph, QuantumIx, SourceError, read_qg, write_provenance,
};
use support::archive::Members;
use support::{Scratch, data};
use uuid::Uuid;

/// Every third quantum failed once and has succeeded since.
struct Story;

impl ProvenanceSource for Story {
    fn attempts(&self, quantum: QuantumIx) -> Result<Vec<Attempt>, SourceError> {
        let usage = AttemptUsage {
            memory: 1e9,
            start: 1_795_163_877_822_352,
            prep_time: 0.5,
            init_time: 0.25,
            run_time: 2.0,
            run_time_cpu: 1.5,
        };
        let success = Attempt {
            caveats: Some(quantum.0 & 7),
            usage: Some(usage),
            metadata: Some(format!("{{\"scalars\":{{\"n\":{}}}}}", quantum.0).into_bytes()),
            logs: Some(br#"[{"name":"lsst","message":"done"}]"#.to_vec()),
            ..Attempt::bare(AttemptStatus::Successful)
        };
        let exception = AttemptException {
            type_name: "RuntimeError".into(),
            message: "no \"luck\"".into(),
            metadata: b"{\"x\":NaN}".to_vec(),
        };
        let failure = Attempt {
            exception: Some(exception),
            previous_process_quanta: b"[\"01a1f819-2191-7b78-8d7e-fc5cfb868fb9\"]".to_vec(),
            ..Attempt::bare(AttemptStatus::Failed)
        };
        Ok(match quantum.0 % 3 {
            0 => vec![failure, success],
            _ => vec![success],
        })
    }

    fn is_produced(&self, dataset: DatasetIx) -> bool {
        !dataset.0.is_multiple_of(5)
    }

    fn packages(&self) -> Result<Vec<u8>, SourceError> {
        Ok(b"{\"python\":\"3.11\"}".to_vec())
    }
}

/// A graph, and its provenance in a file.
struct Told {
    scratch: Scratch,
    graph: QuantumGraph,
    path: Utf8PathBuf,
}

impl Told {
    fn new() -> Self {
        let (scratch, graph) = (Scratch::new(), read_qg(&data("release.qg")).unwrap());
        let path = scratch.file("provenance.qg");
        write_provenance(&graph, &Story, &path, &mut |_, _| {}).unwrap();
        Self { scratch, graph, path }
    }
}

/// Asks a file for everything; returns the errors, each of which must name it.
fn ask(path: &Utf8Path, ids: &[Uuid]) -> Vec<String> {
    let mut errors = Vec::new();
    let mut note = |error: qbb_graph::GraphError| {
        let text = error.to_string();
        assert!(text.contains(path.as_str()), "{text}");
        errors.push(text);
    };
    let reader = match ProvenanceReader::open(path) {
        Ok(reader) => reader,
        Err(error) => {
            note(error);
            return errors;
        }
    };
    let _ = reader.header().map_err(&mut note);
    let _ = reader.summary().map_err(&mut note);
    let _ = reader.packages().map_err(&mut note);
    match reader.texts() {
        Ok(texts) => {
            for &id in ids {
                let _ = texts.quantum(id).map_err(&mut note);
                let _ = texts.logs(id).map_err(&mut note);
                let _ = texts.metadata(id).map_err(&mut note);
                let _ = texts.attempts(id).map_err(&mut note);
            }
        }
        Err(error) => note(error),
    }
    errors
}

/// Some quanta, and some datasets.
fn ids(graph: &QuantumGraph) -> Vec<Uuid> {
    let quanta = graph.quanta.id.iter().step_by(5);
    let ids = quanta.chain(graph.datasets.id.iter().step_by(17));
    ids.map(|&id| Uuid::from_bytes(id)).chain([Uuid::nil(), Uuid::max()]).collect()
}

#[test]
fn what_was_written_is_read() {
    let told = Told::new();
    assert_eq!(ask(&told.path, &ids(&told.graph)), [""; 0]);
    let reader = ProvenanceReader::open(&told.path).unwrap();
    let texts = reader.texts().unwrap();
    for quantum in told.graph.quanta.iter() {
        let attempts = texts.attempts(told.graph.quanta.uuid(quantum)).unwrap().unwrap();
        assert_eq!(attempts, Story.attempts(quantum).unwrap());
    }
}

#[test]
fn every_truncation_is_noticed() {
    let told = Told::new();
    let bytes = std::fs::read(&told.path).unwrap();
    let path = told.scratch.file("cut.qg");
    for length in (0..bytes.len()).step_by(97) {
        std::fs::write(&path, &bytes[..length]).unwrap();
        assert!(!ask(&path, &[]).is_empty(), "the first {length} bytes");
    }
}

#[test]
fn flipped_bytes_never_panic() {
    let told = Told::new();
    let ids = ids(&told.graph);
    let mut bytes = std::fs::read(&told.path).unwrap();
    let path = told.scratch.file("flipped.qg");
    for at in (0..bytes.len()).step_by(61) {
        bytes[at] ^= 0x55;
        std::fs::write(&path, &bytes).unwrap();
        ask(&path, &ids);
        bytes[at] ^= 0x55;
    }
}

/// Counts, offsets and lengths that nothing has room for are refused before memory is taken.
#[test]
fn huge_numbers_are_refused() {
    let told = Told::new();
    let ids = ids(&told.graph);
    let path = told.scratch.file("huge.qg");
    let original = Members::read(&told.path);
    // Count of rows, addresses in each; then row index, offsets and sizes of the first row.
    let places = [1, 5, 9 + 16, 9 + 20, 9 + 24, 9 + 28, 9 + 32, 9 + 36, 9 + 40];
    let numbers = places.map(|at| ("nodes.addr", at));
    let lengths = ["quanta.mb", "metadata.mb", "logs.mb"].map(|member| (member, 0));
    for (member, at) in numbers.into_iter().chain(lengths) {
        let mut members =
            Members { members: original.members.clone(), dictionary: original.dictionary.clone() };
        let mut bytes = original.member(member).to_vec();
        bytes[at..at + 4].fill(0xff);
        members.set(member, bytes);
        members.write(&path, zip::CompressionMethod::Stored);
        let mut asked = ids.clone();
        let first = &original.member("nodes.addr")[9..25];
        asked.push(Uuid::from_slice(first).unwrap());
        asked.extend(told.graph.quanta.id.first().map(|&id| Uuid::from_bytes(id)));
        // A row's number is not looked at, nor are addresses of what a node does not have.
        let is_looked_at = member != "nodes.addr" || at < 9;
        assert!(!is_looked_at || !ask(&path, &asked).is_empty(), "{member} at {at}");
        ask(&path, &asked);
    }
}

/// Members that hold texts, and the positions of their addresses in a quantum's row.
const MEMBERS: [(&str, Option<usize>); 5] = [
    ("header.json.zst", None),
    ("packages.json.zst", None),
    ("quanta.mb", Some(1)),
    ("logs.mb", Some(2)),
    ("metadata.mb", Some(3)),
];
/// Sizes of the header and of each row of the address file.
const HEADER: usize = 9;
const ROW: usize = 16 + 9 * 4;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    /// Texts are changed inside blocks and members of an archive that is right in all other ways.
    #[test]
    fn wrong_json_in_a_right_archive_never_panics(
        member in 0..5_usize,
        changes in prop::collection::vec(
            (any::<prop::sample::Index>(), prop::sample::select(b"\"{}[]:,0189-tfn\\\xff".to_vec())),
            1..5,
        ),
    ) {
        thread_local! {
            static TOLD: (Told, Members) = {
                let told = Told::new();
                let members = Members::read(&told.path);
                (told, members)
            };
        }
        TOLD.with(|(told, original)| {
            let mut members = Members {
                members: original.members.clone(),
                dictionary: original.dictionary.clone(),
            };
            // The first quantum comes first in each member; which of its addresses tells where.
            let (name, which) = MEMBERS[member];
            let id = told.graph.quanta.id[0];
            let content = original.member(name);
            let block = match which {
                None => content,
                Some(_) => {
                    let length = u32::from_be_bytes(content[..4].try_into().unwrap());
                    &content[4..4 + length as usize]
                }
            };
            let mut text = original.unpack(block);
            for (at, value) in &changes {
                let at = at.index(text.len());
                text[at] = *value;
            }
            let mut compressor =
                zstd::bulk::Compressor::with_dictionary(1, &original.dictionary).unwrap();
            let frame = compressor.compress(&text).unwrap();
            let mut addresses = original.member("nodes.addr").to_vec();
            if let Some(which) = which {
                let row = addresses[HEADER..].chunks_exact_mut(ROW).find(|row| row[..16] == id);
                let size = 20 + 8 * which + 4;
                row.unwrap()[size..size + 4].copy_from_slice(&(frame.len() as u32 + 4).to_be_bytes());
            }
            members.set("nodes.addr", addresses);
            members.set(name, match which {
                None => frame,
                Some(_) => [&(frame.len() as u32).to_be_bytes()[..], &frame].concat(),
            });
            let path = told.scratch.file("changed.qg");
            members.write(&path, zip::CompressionMethod::Stored);
            ask(&path, &[Uuid::from_bytes(id)]);
        });
    }
}
