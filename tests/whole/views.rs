//! What people see of a run: status, report, page, trace and log of the demo.

use crate::kit::{Scratch, command, qbb, qbb_fails, succeeded};

/// The demo's run, seen in all ways there are; everything is read off graph and journal, so that
/// the outputs need not be there.
#[test]
fn a_run_is_seen_in_many_ways_without_its_outputs() {
    let scratch = Scratch::new();
    let (folder, log) = (scratch.path("demo"), scratch.path("log.json"));
    let mut demo = command();
    demo.args(["demo", &folder, "-j", "2", "--log-level", "executor=DEBUG", "--log-file", &log]);
    let output = demo.args(["--log-format", "json"]).output().unwrap();
    assert!(output.stderr.is_empty() || !String::from_utf8_lossy(&output.stderr).contains("{\""));
    succeeded("qbb demo", output);

    let log = fs_err::read_to_string(log).unwrap();
    let events: Vec<serde_json::Value> =
        log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let succeeded_quanta =
        events.iter().filter(|e| e["fields"]["message"] == "quantum succeeded").count();
    assert_eq!(succeeded_quanta, 480);

    let submit = format!("{folder}/submit");
    fs_err::remove_dir_all(format!("{folder}/personal")).unwrap();
    fs_err::remove_dir_all(format!("{folder}/release")).unwrap();
    let lines = qbb(&["status", &submit, "--follow"]);
    let first = lines.lines().next().unwrap();
    assert!(first.contains("480 of 480 quanta ended; the last run took"), "{lines}");

    let (page, trace) = (scratch.path("report.html"), scratch.path("trace.json"));
    let report = qbb(&["report", &submit, "--html", &page, "--format", "json"]);
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["totals"]["succeeded"], 480);
    assert_eq!(report["costs"][0]["seconds"]["count"], 96);
    assert_eq!(report["failure_groups"].as_array().unwrap().len(), 0);
    let page = fs_err::read_to_string(page).unwrap();
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains("<svg"));

    qbb(&["trace", &submit, "-o", &trace]);
    let trace: serde_json::Value =
        serde_json::from_str(&fs_err::read_to_string(trace).unwrap()).unwrap();
    let attempts = trace["traceEvents"].as_array().unwrap().iter().filter(|e| e["ph"] == "X");
    assert_eq!(attempts.count(), 480);

    let refused = qbb_fails(2, &["top", &submit]);
    assert!(refused.contains("qbb status --follow"), "{refused}");
    let refused = qbb_fails(2, &["status", &submit, "--log-level", "executor=LOUD"]);
    assert!(refused.contains("LOUD is no level"), "{refused}");
}
