//! What is written is read, whatever happens to the file.

use proptest::collection::vec;
use proptest::prelude::*;
use qbb_graph::{DatasetIx, QuantumIx};

use super::*;
use crate::journal::PackedBlock;
use crate::pack::{PackWriter, PackedPlace, Packs};

const GRAPH: GraphIdentity = GraphIdentity([3; 32]);

/// A pack with these entries, sealed after each group, and what its writer said of each group.
fn written(groups: &[Vec<Vec<u8>>]) -> (tempfile::TempDir, Utf8PathBuf, Vec<Vec<PackedBlock>>) {
    let folder = tempfile::tempdir().unwrap();
    let directory = Utf8Path::from_path(folder.path()).unwrap();
    let mut pack = PackWriter::create(directory, Uuid::nil(), GRAPH).unwrap();
    let mut dataset = 0;
    let mut said = Vec::new();
    for group in groups {
        for entry in group {
            pack.stage(QuantumIx(dataset / 2), 1, DatasetIx(dataset), entry).unwrap();
            dataset += 1;
        }
        said.push(pack.seal().unwrap());
    }
    let path = pack.path().to_owned();
    (folder, path, said)
}

fn places(said: &[Vec<PackedBlock>]) -> Vec<PackedPlace> {
    let mut places = Vec::new();
    for block in said.iter().flatten() {
        for row in &block.rows {
            assert_eq!((row.dataset.index(), row.attempt), (places.len(), 1));
            places.push(PackedPlace {
                pack: Uuid::nil(),
                block: block.offset,
                begin: row.begin,
                length: row.length,
            });
        }
    }
    places
}

fn groups() -> impl Strategy<Value = Vec<Vec<Vec<u8>>>> {
    vec(vec(vec(b'a'..=b'f', 1..300), 0..4), 1..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_was_sealed_is_read(groups in groups()) {
        let (folder, path, said) = written(&groups);
        let packs = Packs::new(Utf8Path::from_path(folder.path()).unwrap());
        let entries: Vec<&Vec<u8>> = groups.iter().flatten().collect();
        let places = places(&said);
        prop_assert_eq!(places.len(), entries.len());
        for (&place, entry) in places.iter().zip(&entries) {
            prop_assert!(packs.has(place));
            prop_assert_eq!(&packs.read(place).unwrap(), *entry);
        }
        // The same without journal.
        let pack = PackReader::open(&path).unwrap();
        let mut found = Vec::new();
        for (offset, rows) in pack.index().unwrap() {
            let block = pack.block(offset).unwrap();
            prop_assert_eq!(&block.rows, &rows);
            for (row, bytes) in block.entries() {
                prop_assert_eq!(row.dataset.index(), found.len());
                prop_assert_eq!(row.quantum.index(), found.len() / 2);
                found.push(bytes.to_vec());
            }
        }
        prop_assert_eq!(found.iter().collect::<Vec<_>>(), entries);
    }

    #[test]
    fn a_cut_file_has_its_whole_blocks_and_nothing_else(groups in groups(), cut in 0.0..1.0f64) {
        let (folder, path, said) = written(&groups);
        let bytes = fs_err::read(&path).unwrap();
        let cut = (bytes.len() as f64 * cut) as usize;
        fs_err::write(&path, &bytes[..cut]).unwrap();
        let packs = Packs::new(Utf8Path::from_path(folder.path()).unwrap());
        let entries: Vec<&Vec<u8>> = groups.iter().flatten().collect();
        for (place, entry) in places(&said).into_iter().zip(entries) {
            let there = packs.has(place);
            match packs.read(place) {
                Ok(read) => prop_assert!(there && read == *entry),
                Err(_) => prop_assert!(!there),
            }
        }
        if let Ok(pack) = PackReader::open(&path) {
            let blocks: Vec<u64> = said.iter().flatten().map(|block| block.offset).collect();
            let found: Vec<u64> = pack.index().unwrap().iter().map(|(at, _)| *at).collect();
            prop_assert!(blocks.starts_with(&found));
        }
    }

    #[test]
    fn a_flipped_bit_is_noticed(groups in groups(), place in 0.0..1.0f64, bit in 0..8u8) {
        let (folder, path, said) = written(&groups);
        let mut bytes = fs_err::read(&path).unwrap();
        let flipped = (bytes.len() as f64 * place) as usize;
        bytes[flipped] ^= 1 << bit;
        fs_err::write(&path, &bytes).unwrap();
        let packs = Packs::new(Utf8Path::from_path(folder.path()).unwrap());
        let entries: Vec<&Vec<u8>> = groups.iter().flatten().collect();
        for (place, entry) in places(&said).into_iter().zip(entries) {
            if let Ok(read) = packs.read(place) {
                prop_assert_eq!(&read, entry, "what is read is what was written");
                prop_assert!((place.block > flipped as u64) || packs.has(place));
            }
        }
    }
}

#[test]
fn small_blocks_are_made_small_by_the_dictionary() {
    let metadata = br#"{"scalars":{},"arrays":{},"metadata":{"t":{"scalars":{},"arrays":{},"metadata":{}},"quantum":{"scalars":{"__version__":1,"nodeName":"n","caveats":0},"arrays":{"prepUtc":["2027-03-04T05:06:07.891011+00:00"]}}}}"#;
    let (_folder, path, said) = written(&[vec![metadata.to_vec()]]);
    let length = fs_err::metadata(&path).unwrap().len() - said[0][0].offset;
    assert!(length < metadata.len() as u64 * 2 / 3, "{length} bytes of {}", metadata.len());
}

#[test]
fn entries_without_bytes_are_entries() {
    let (folder, _, said) = written(&[vec![Vec::new()], vec![Vec::new(), b"x".to_vec()]]);
    let packs = Packs::new(Utf8Path::from_path(folder.path()).unwrap());
    let places = places(&said);
    assert_eq!(packs.read(places[0]).unwrap(), b"");
    assert_eq!(packs.read(places[1]).unwrap(), b"");
    assert_eq!(packs.read(places[2]).unwrap(), b"x");
}

#[test]
fn large_groups_are_several_blocks() {
    let entry = vec![b'x'; 100 << 10];
    let (_folder, _, said) = written(&[vec![entry; 7]]);
    assert_eq!(said[0].iter().map(|block| block.rows.len()).collect::<Vec<_>>(), [3, 3, 1]);
}

#[test]
fn other_files_are_told_apart() {
    let (_folder, path, _) = written(&[]);
    let mut bytes = fs_err::read(&path).unwrap();
    bytes[8] = 2;
    fs_err::write(&path, &bytes).unwrap();
    assert!(matches!(PackReader::open(&path), Err(PackError::Version { found: 2, .. })));
    bytes[0] = 0;
    fs_err::write(&path, &bytes).unwrap();
    assert!(matches!(PackReader::open(&path), Err(PackError::NotAPack { .. })));
    fs_err::write(&path, &bytes[..20]).unwrap();
    assert!(matches!(PackReader::open(&path), Err(PackError::Damaged { offset: 0, .. })));
}
