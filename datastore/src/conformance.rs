//! One set of checks that every store of artifacts must pass, a stranger's too.
//!
//! For tests: the checks panic, which is how tests fail.

use std::collections::BTreeSet;
use std::io::{Cursor, Write};

use crate::artifact::{ArtifactPath, ArtifactStore, IfExists, PutOptions};
use crate::store_error::StoreError;

/// Checks that an empty store keeps the promises of [`ArtifactStore`], as far as they can be seen
/// from outside, and leaves it empty.
///
/// # Panics
/// If it does not keep one.
pub fn check_store(store: &dyn ArtifactStore) {
    assert!(store.root().is_folder(), "the root must be a folder");
    assert!(list(store, "").is_empty(), "the store must be empty to begin with");
    check_reading_and_writing(store);
    check_ranges(store);
    check_odd_names(store);
    check_listing(store);
    check_exclusive_writes(store);
    check_whole_reads(store);
    check_zip_members(store);
    for path in list(store, "") {
        assert!(must(store.delete(&plain(&path))), "`{path}` was listed but not there");
    }
    assert!(list(store, "").is_empty(), "deleted artifacts must not be listed");
}

fn must<T>(result: Result<T, StoreError>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("{error}"),
    }
}

fn plain(path: &str) -> ArtifactPath {
    must(ArtifactPath::plain(path))
}

fn put(store: &dyn ArtifactStore, path: &str, content: &[u8]) {
    must(store.put(&plain(path), content, PutOptions::default()));
}

fn list(store: &dyn ArtifactStore, folder: &str) -> Vec<String> {
    must(store.list(folder)).into_iter().map(|artifact| artifact.path).collect()
}

fn check_reading_and_writing(store: &dyn ArtifactStore) {
    let path = plain("run/type/a.json");
    for (what, result) in
        [("get", store.get(&path).map(drop)), ("size", store.size(&path).map(drop))]
    {
        let is_missing = matches!(result, Err(StoreError::NotFound { .. }));
        assert!(is_missing, "{what} of a missing artifact: {result:?}");
    }
    assert!(!must(store.exists(&path)));
    assert!(!must(store.delete(&path)), "deleting what is not there must say so");
    for (content, options) in [
        (b"first".as_slice(), PutOptions::default()),
        (b"second, longer", PutOptions { durable: true, ..PutOptions::default() }),
        (b"", PutOptions::default()),
    ] {
        must(store.put(&path, content, options));
        assert_eq!(must(store.get(&path)), content);
        assert_eq!(must(store.size(&path)), content.len() as u64);
        assert!(must(store.exists(&path)));
    }
    assert!(!must(store.exists(&plain("run/type"))), "a folder is no artifact");
    assert!(!must(store.exists(&plain("run/type/a.json/b"))), "an artifact is no folder");
    assert!(must(store.delete(&path)));
    assert!(!must(store.exists(&path)));
}

fn check_ranges(store: &dyn ArtifactStore) {
    put(store, "ranges", b"0123456789");
    let path = plain("ranges");
    for (range, expected) in [
        (0..10, "0123456789"),
        (3..5, "34"),
        (8..100, "89"),
        (10..20, ""),
        (50..60, ""),
        (4..4, ""),
        (0..u64::MAX, "0123456789"),
    ] {
        let shown = format!("{range:?}");
        assert_eq!(must(store.get_range(&path, range)), expected.as_bytes(), "{shown}");
    }
    let missing = store.get_range(&plain("no ranges"), 0..1);
    assert!(matches!(missing, Err(StoreError::NotFound { .. })), "{missing:?}");
}

fn check_odd_names(store: &dyn ArtifactStore) {
    let names = ["odd/a b", "odd/a%20b", "odd/c#d/e#f", "odd/g?h&i=j", "odd/é/~+,;@[]", "odd/.k"];
    for name in names {
        put(store, name, name.as_bytes());
    }
    for name in names {
        assert_eq!(must(store.get(&plain(name))), name.as_bytes());
    }
    let listed: BTreeSet<String> = list(store, "odd").into_iter().collect();
    assert_eq!(listed, names.map(str::to_owned).into());
}

fn check_listing(store: &dyn ArtifactStore) {
    for path in ["list/b/2", "list/b/1", "list/a", "list/bb/3", "listed"] {
        put(store, path, path.as_bytes());
    }
    assert_eq!(list(store, "list"), ["list/a", "list/b/1", "list/b/2", "list/bb/3"]);
    assert_eq!(list(store, "list/b/"), ["list/b/1", "list/b/2"]);
    assert!(list(store, "list/none").is_empty());
    let sizes = must(store.list("list/bb"));
    assert_eq!(sizes.iter().map(|artifact| artifact.size).collect::<Vec<_>>(), [9]);
}

fn check_exclusive_writes(store: &dyn ArtifactStore) {
    let path = plain("exclusive/x");
    let options = PutOptions { if_exists: IfExists::Fail, ..PutOptions::default() };
    let results: Vec<_> = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..8u8)
            .map(|writer| {
                let path = &path;
                scope.spawn(move || store.put(path, &[writer; 100], options).map(|()| writer))
            })
            .collect();
        writers.into_iter().filter_map(|writer| writer.join().ok()).collect()
    });
    let winners: Vec<u8> =
        results.iter().filter_map(|result| result.as_ref().ok()).copied().collect();
    assert_eq!((results.len(), winners.len()), (8, 1), "one writer must win: {results:?}");
    for result in &results {
        let fine = matches!(result, Ok(_) | Err(StoreError::AlreadyExists { .. }));
        assert!(fine, "the others must be told: {result:?}");
    }
    assert_eq!(must(store.get(&path)), [winners[0]; 100]);
    assert_eq!(list(store, "exclusive"), ["exclusive/x"], "losers must leave nothing");
}

/// Readers that race with writers see one content or the other.
fn check_whole_reads(store: &dyn ArtifactStore) {
    const LENGTHS: [usize; 2] = [300_000, 70_000];
    let path = plain("race/x");
    must(store.put(&path, &vec![0; LENGTHS[0]], PutOptions::default()));
    std::thread::scope(|scope| {
        for writer in 0..2u8 {
            let path = &path;
            scope.spawn(move || {
                for _ in 0..20 {
                    let content = vec![writer; LENGTHS[usize::from(writer)]];
                    must(store.put(path, &content, PutOptions::default()));
                }
            });
        }
        for _ in 0..40 {
            let content = must(store.get(&path));
            let writer = content.first().copied().unwrap_or(u8::MAX);
            let whole = LENGTHS.get(usize::from(writer)) == Some(&content.len());
            assert!(whole && content.iter().all(|&b| b == writer), "a mixed or partial read");
            assert_eq!(list(store, "race"), ["race/x"], "unfinished writes must not be listed");
        }
    });
}

fn check_zip_members(store: &dyn ArtifactStore) {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    let written = archive
        .start_file("01a1f818-x.yaml", options)
        .and_then(|()| Ok(archive.write_all(b"a: 1\n")?))
        .and_then(|()| archive.finish());
    let archive = match written {
        Ok(archive) => archive.into_inner(),
        Err(error) => panic!("making the test's archive failed: {error}"),
    };
    put(store, "zips/16d9/x.zip", &archive);
    let member = must(ArtifactPath::of_record("zips/16d9/x.zip#zip-path=01a1f818-x.yaml"));
    assert_eq!(must(store.get(&member)), b"a: 1\n");
    assert_eq!(must(store.size(&member)), 5);
    assert_eq!(must(store.get_range(&member, 3..100)), b"1\n");
    let missing = must(ArtifactPath::of_record("zips/16d9/x.zip#zip-path=none"));
    assert!(!must(store.exists(&missing)));
    assert!(store.get(&missing).is_err());
    assert!(store.put(&member, b"", PutOptions::default()).is_err(), "members are read-only");
    assert!(store.delete(&member).is_err(), "members are read-only");
}
