//! Graphs are those of the real builder: every file of cases in `tests/agreement` is a test.

use std::collections::BTreeSet;

use crate::kit::{root, script};

/// Makes a test of each topic, and a list of them.
macro_rules! topics {
    ($($topic:ident),* $(,)?) => {
        const TOPICS: &[&str] = &[$(stringify!($topic)),*];
        $(#[test]
        fn $topic() {
            compare(stringify!($topic));
        })*
    };
}

topics! {
    connections,
    hooks,
    joins,
    pipelines,
    random_pipelines,
    skip,
    sphere,
    universe,
    where_language,
    where_sqlite,
}

/// Builds all cases of a topic with both builders; the kit compares the graphs.
fn compare(topic: &str) {
    compare_with(topic, &[]);
}

/// The same with further arguments of the script.
fn compare_with(topic: &str, arguments: &[&str]) {
    let file = root().join("tests/agreement").join(format!("{topic}.json"));
    let releases = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("releases");
    let (file, releases) = (file.display().to_string(), releases.display().to_string());
    let common = [&file, "--qbb", env!("CARGO_BIN_EXE_qbb"), "--releases", &releases];
    let verdict = script("agreement.py", &[&common, arguments].concat());
    assert!(verdict.trim_end().ends_with(" 0 wrong"), "{verdict}");
}

/// Options that the pinned middleware lacks: a newer one answered once, and what it answered is
/// kept beside the cases.
#[test]
fn newer_options() {
    let recorded = root().join("tests/agreement/newer/retained.recorded.json");
    compare_with("newer/retained", &["--recorded", &recorded.display().to_string()]);
}

/// The same cases with releases whose registries are in PostgreSQL.
mod on_postgresql {
    use super::compare_with;
    use crate::fixtures::fixtures;
    use crate::kit::postgres;

    /// Where releases of this process are; they are not kept, as what is in the server is not.
    fn releases() -> String {
        fixtures().join("postgres-releases").display().to_string()
    }

    macro_rules! topics {
        ($($topic:ident, one of $every:literal on $($release:literal),+;)*) => {
            $(#[test]
            fn $topic() {
                let server = ["--releases", &releases(), "--database", &postgres().url];
                let few = ["--every", $every, $("--on", $release),+];
                compare_with(stringify!($topic), &[&server[..], &few].concat());
            })*
        };
    }

    // Each release has to be made, so topics share two; what needs many cases is decided before a
    // database is asked.
    topics! {
        connections, one of "6" on "small";
        hooks, one of "8" on "small";
        joins, one of "3" on "small";
        pipelines, one of "1" on "plain", "small";
        random_pipelines, one of "6" on "small";
        skip, one of "3" on "small", "third done", "upstream done";
        universe, one of "2" on "healpix", "odd";
        where_language, one of "3" on "small";
    }
}

#[test]
fn every_file_of_cases_is_a_test() {
    let folder = root().join("tests/agreement");
    let files: BTreeSet<String> = (fs_err::read_dir(&folder).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    let tests: BTreeSet<String> = TOPICS.iter().map(|&topic| topic.to_owned()).collect();
    assert_eq!(files, tests);
}
