//! Execution means what it means for the real executor.

use crate::kit::{Prepared, Scratch, json, qbb, qbb_fails, release, root, script};

/// All cases in `tests/agreement/execution`; the kit compares what both leave behind.
#[test]
fn all_cases() {
    let releases = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("releases");
    let cases = root().join("tests/agreement/execution/cases.json");
    let (cases, releases) = (cases.display().to_string(), releases.display().to_string());
    let arguments =
        ["--cases", &cases, "--qbb", env!("CARGO_BIN_EXE_qbb"), "--releases", &releases];
    let verdict = script("agree_execution.py", &arguments);
    assert!(verdict.trim_end().ends_with(" 0 wrong"), "{verdict}");
}

fn quanta(submit: &str, task: &str) -> Vec<String> {
    let listed = json(&["graph", "quanta", submit, "--task", task]);
    let quanta = listed["quanta"].as_array().unwrap();
    quanta.iter().map(|quantum| quantum["quantum"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn unknown_quanta_are_named() {
    let scratch = Scratch::new();
    let prepared = Prepared::new(&scratch, "me", &release().display().to_string(), "user");
    let unknown = "01234567-89ab-4def-8123-456789abcdef";
    let known = &quanta(&prepared.submit, "userMeasure")[0];
    let both = format!("{known},{unknown}");
    let message = qbb_fails(3, &["run", &prepared.submit, "--qgraph-node-id", &both]);
    assert!(message.contains(unknown) && !message.contains(known.as_str()), "{message}");
    let message = qbb_fails(2, &["run", &prepared.submit, "--qgraph-node-id", "no-uuid"]);
    assert!(message.contains("no-uuid"), "{message}");
    assert_eq!(prepared.status()["succeeded"], 0);
}

/// As batch jobs do: init-outputs first, then quanta by their UUIDs, and the rest at last.
#[test]
fn a_submit_directory_runs_selected_quanta() {
    let scratch = Scratch::new();
    let prepared = Prepared::new(&scratch, "me", &release().display().to_string(), "user");
    let submit = &prepared.submit;
    qbb(&["run", submit, "--init-only"]);
    assert_eq!(prepared.status()["succeeded"], 0);
    let some = quanta(submit, "userMeasure");
    let some = &some[..2];
    let run = json(&["run", submit, "--no-init", "--qgraph-node-id", &some.join(",")]);
    assert_eq!(run["executed"], 2, "{run}");
    assert_eq!(prepared.status()["succeeded"], 2);
    let summary = scratch.path("summary.json");
    qbb(&["run", submit, "--no-init", "--summary", &summary]);
    let status = prepared.status();
    assert_eq!(status["succeeded"], status["quanta"], "{status}");
    let summary: serde_json::Value =
        serde_json::from_str(&fs_err::read_to_string(summary).unwrap()).unwrap();
    let reports = summary["quantaReports"].as_array().unwrap();
    assert_eq!(reports.len() as u64, status["quanta"].as_u64().unwrap());
    assert!(reports.iter().all(|report| report["status"] == "success"), "{summary}");
    qbb(&["transfer", submit, "--inputs"]);
}
