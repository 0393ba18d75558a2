//! Provenance graphs with short and with long integers.

use camino::{Utf8Path, Utf8PathBuf};

use super::attempt::{Attempt, AttemptStatus, ProvenanceSource, SourceError};
use super::read::ProvenanceReader;
use super::write::write_limited;
use crate::model::{DatasetIx, QuantumIx};
use crate::qg::read_qg;

/// Everything succeeded without leaving anything.
struct Successes;

impl ProvenanceSource for Successes {
    fn attempts(&self, _: QuantumIx) -> Result<Vec<Attempt>, SourceError> {
        let attempt = Attempt::bare(AttemptStatus::Successful);
        Ok(vec![Attempt { logs: Some(b"[]".to_vec()), ..attempt }])
    }

    fn is_produced(&self, _: DatasetIx) -> bool {
        true
    }

    fn packages(&self) -> Result<Vec<u8>, SourceError> {
        Ok(b"{}".to_vec())
    }
}

#[test]
fn integers_grow_when_a_member_does() {
    let data = Utf8PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/release.qg"));
    let graph = read_qg(&data).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let folder = Utf8Path::from_path(folder.path()).unwrap();
    let (short, long) = (folder.join("short.qg"), folder.join("long.qg"));
    let write = |path: &Utf8Path, most| {
        write_limited(&graph, &Successes, path, most, &mut |_, _| {}).unwrap()
    };
    let (a, b) = (write(&short, u32::MAX.into()), write(&long, 1000));
    assert_eq!((a.quanta, a.datasets, a.attempts), (b.quanta, b.datasets, b.attempts));
    // An index and four addresses in each row, and three members with a length for each quantum.
    let rows = a.quanta + a.datasets;
    assert!(b.bytes > a.bytes + 36 * rows + 12 * a.quanta, "{} {}", a.bytes, b.bytes);
    let (short, long) =
        (ProvenanceReader::open(&short).unwrap(), ProvenanceReader::open(&long).unwrap());
    let (one, other) = (short.summary().unwrap(), long.summary().unwrap());
    assert_eq!(one.tasks, other.tasks);
    let (short, long) = (short.texts().unwrap(), long.texts().unwrap());
    for quantum in graph.quanta.iter() {
        let id = graph.quanta.uuid(quantum);
        assert!(short.quantum(id).unwrap().is_some());
        assert_eq!(short.quantum(id).unwrap(), long.quantum(id).unwrap());
        assert_eq!(short.logs(id).unwrap().as_deref(), Some(&b"{\"attempts\":[[]]}"[..]));
    }
}
