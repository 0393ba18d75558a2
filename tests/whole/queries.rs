//! What is asked of repositories: `qbb query`, `qbb get-uri` and `qbb retrieve-artifacts`.

use std::path::Path;
use std::process::Stdio;

use crate::kit::{Scratch, command, json, postgres_release, qbb, qbb_fails, release, root, script};

/// All cases in `tests/agreement/queries`, answered by the middleware too.
fn agrees(release: &Path) {
    let cases = root().join("tests/agreement/queries/cases.json").display().to_string();
    let release = release.display().to_string();
    let arguments = [cases.as_str(), "--qbb", env!("CARGO_BIN_EXE_qbb"), "--release", &release];
    let verdict = script("agree_queries.py", &arguments);
    assert!(verdict.trim_end().ends_with(" 0 wrong"), "{verdict}");
}

#[test]
fn answers_are_those_of_the_middleware() {
    agrees(release());
}

#[test]
fn answers_from_postgresql_are_those_of_the_middleware() {
    agrees(postgres_release());
}

#[test]
fn results_are_written_as_text_json_and_csv() {
    let release = release().display().to_string();
    let query = |form: &str, more: &[&str]| {
        let mut arguments = vec!["--format", form, "query", "datasets", &release, "raw"];
        arguments.extend(["--collections", "QbbCam/defaults", "--limit=0"]);
        arguments.extend(more);
        qbb(&arguments)
    };
    let listed: serde_json::Value = serde_json::from_str(&query("json", &[])).unwrap();
    let rows = listed["datasets"].as_array().unwrap();
    assert!(rows.len() > 100 && rows.iter().all(|row| row["type"] == "raw"), "{listed}");
    assert_eq!(query("csv", &[]).lines().count(), rows.len() + 1, "a head and the rows");
    let first = json(&["query", "datasets", &release, "raw", "--limit=1", "--order-by=-exposure"]);
    let latest = first["datasets"][0]["exposure"].as_i64().unwrap();
    assert!(rows.iter().all(|row| row["exposure"].as_i64().unwrap() <= latest));
}

/// Parquet is read by what the middleware reads it with.
#[test]
fn results_are_written_as_parquet() {
    let scratch = Scratch::new();
    let release = release().display().to_string();
    for question in ["datasets * --limit=0", "dimension-records visit", "dataset-types -v"] {
        let (question, rest) = question.split_once(' ').unwrap();
        let files = ["json", "parquet"].map(|form| {
            let file = scratch.path(&format!("{question}.{form}"));
            let begin = ["--format", form, "query", question, &release, "--output", &file];
            qbb(&begin.into_iter().chain(rest.split(' ')).collect::<Vec<_>>());
            file
        });
        script("check_parquet.py", &[&files[0], &files[1]]);
    }
    let refused = qbb_fails(2, &["--format", "parquet", "verify", &release]);
    assert!(refused.contains("only the results of queries"), "{refused}");
    let nowhere = scratch.path("none/rows.csv");
    qbb_fails(4, &["--format", "csv", "query", "dataset-types", &release, "-o", &nowhere]);
}

#[test]
fn uris_lead_to_files() {
    let release = release().display().to_string();
    let wanted = ["query", "datasets", &release, "raw", "--collections", "QbbCam/raw/good"];
    let listed = json(&[&wanted[..], &["--show-uri", "--limit=1"]].concat());
    let row = &listed["datasets"][0];
    let (id, uri) = (row["id"].as_str().unwrap(), row["URI"].as_str().unwrap());
    assert_eq!(qbb(&["get-uri", &release, id]).trim(), uri);
    let value = |name: &str| format!("{name}={}", row[name].to_string().trim_matches('"'));
    let (exposure, detector) = (value("exposure"), value("detector"));
    let place = ["--collections", "QbbCam/raw/good"];
    let by_data_id = ["get-uri", &release, "raw", "instrument=QbbCam", &exposure, &detector];
    assert_eq!(qbb(&[&by_data_id[..], &place].concat()).trim(), uri);
    let several = qbb_fails(3, &[&by_data_id[..5], &place].concat());
    assert!(several.contains("fit, among them"), "{several}");
    let misspelt = qbb_fails(3, &["get-uri", &release, "raw", "exposur=5"]);
    assert!(misspelt.contains("unknown dimension `exposur` (did you mean `exposure`?)"));
    qbb_fails(2, &["get-uri", &release, "raw", "exposure=five"]);
    let unknown = qbb_fails(3, &["get-uri", &release, "rwa"]);
    assert!(unknown.contains("did you mean `raw`?"), "{unknown}");
}

#[test]
fn files_are_brought_once_and_replaced_only_if_told_to() {
    let scratch = Scratch::new();
    let release = release().display().to_string();
    let folder = scratch.path("out");
    let wanted = ["retrieve-artifacts", &release, &folder, "-d", "raw"];
    let wanted =
        [&wanted[..], &["--collections", "QbbCam/raw/good", "--transfer", "copy"]].concat();
    let planned = json(&[&wanted[..], &["--dry-run"]].concat());
    assert!(!Path::new(&folder).exists());
    let brought = json(&wanted);
    assert!(brought["files"].as_u64().unwrap() > 10, "{brought}");
    assert_eq!((&planned["files"], &planned["bytes"]), (&brought["files"], &brought["bytes"]));
    // What is there already is no hindrance, unless it differs.
    assert_eq!(json(&wanted)["files"], brought["files"]);
    let names = contents(Path::new(&folder)).into_keys();
    let damaged = names.filter(|name| name.contains("/raw_")).max().unwrap();
    let damaged = Path::new(&folder).join(damaged);
    fs_err::write(&damaged, "mine").unwrap();
    let message = qbb_fails(3, &wanted);
    assert!(message.contains("--clobber"), "{message}");
    assert_eq!(fs_err::read_to_string(&damaged).unwrap(), "mine");
    assert_eq!(json(&[&wanted[..], &["--clobber"]].concat())["files"], brought["files"]);
    assert_ne!(fs_err::read_to_string(&damaged).unwrap(), "mine");
}

/// Files, places, indexes and archives, which the middleware ingests.
#[test]
fn artifacts_are_brought_as_by_the_middleware() {
    let scratch = Scratch::new();
    let release = release().display().to_string();
    fs_err::create_dir(scratch.path("made")).unwrap();
    let made = scratch.path("made");
    script("check_artifacts.py", &[&release, &made, "--qbb", env!("CARGO_BIN_EXE_qbb")]);
}

/// Killed at many moments, nothing half is under its name, and the next call completes it.
#[test]
fn a_killed_retrieval_is_completed_by_the_next() {
    let scratch = Scratch::new();
    let release = release().display().to_string();
    let folder = scratch.path("out");
    let arguments = ["retrieve-artifacts", &release, &folder, "-d", "raw", "--transfer", "copy"];
    let whole = scratch.path("whole");
    qbb(&["retrieve-artifacts", &release, &whole, "-d", "raw", "--transfer", "copy"]);
    let whole = contents(Path::new(&whole));
    for (number, signal) in (0..8).zip([libc::SIGKILL, libc::SIGINT].into_iter().cycle()) {
        let mut process = command().args(arguments).stdout(Stdio::null()).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(15 + 7 * number));
        // It may have ended.
        // SAFETY: the process was started here and has not been waited for.
        unsafe { libc::kill(process.id() as i32, signal) };
        process.wait().unwrap();
        for (name, content) in contents(Path::new(&folder)) {
            let is_unfinished = name.starts_with(".qbb-retrieval-");
            assert!(!is_unfinished || signal == libc::SIGKILL, "{name} stays");
            assert!(is_unfinished || whole.get(&name) == Some(&content), "{name} is half");
        }
    }
    qbb(&arguments);
    assert_eq!(contents(Path::new(&folder)), whole);
}

/// Files below a folder by path.
fn contents(folder: &Path) -> std::collections::BTreeMap<String, Vec<u8>> {
    let mut found = std::collections::BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        let Ok(entries) = fs_err::read_dir(&next) else { continue };
        for path in entries.map(|entry| entry.unwrap().path()) {
            match path.is_dir() {
                true => folders.push(path),
                false => {
                    let name = path.strip_prefix(folder).unwrap().display().to_string();
                    found.insert(name, fs_err::read(&path).unwrap());
                }
            }
        }
    }
    found
}
