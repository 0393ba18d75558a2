//! Execution means what it means for the real executor.

use crate::kit::{
    Prepared, RELEASED, Scratch, WHERE, copy_tree, json, pipeline, qbb, qbb_fails, release, root,
    script,
};

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

/// Jobs of single quanta of a `.qg` map the copy that the first process has made; positions in the
/// journal are those of the file itself, and a file that was built again has another copy.
#[test]
fn jobs_of_an_exchange_file_share_its_copy() {
    let scratch = Scratch::new();
    let (repository, graph) = (scratch.path("repository"), scratch.path("graph.qg"));
    copy_tree(release(), &repository);
    let pipeline = pipeline("user");
    let build = || {
        let mut arguments = vec!["graph", "build", "-b", &repository, "-p", &pipeline];
        arguments.extend(["-i", RELEASED, "-d", WHERE, "-o", "u/me/out"]);
        arguments.extend(["--output-run", "u/me/out/run1", "-q", &graph]);
        qbb(&arguments);
    };
    build();
    let copies = || {
        let files = fs_err::read_dir(format!("{graph}.run")).into_iter().flatten();
        let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with("graph-") && name.ends_with(".qbb")).count()
    };
    let run = |arguments: &[&str]| {
        json(&[&["run", &graph, "--personal", &repository], arguments].concat())
    };
    run(&["--dry-run"]);
    assert_eq!(copies(), 0);
    run(&["--init-only"]);
    assert_eq!(copies(), 1);
    let some = quanta(&graph, "userMeasure");
    assert_eq!(run(&["--no-init", "--qgraph-node-id", &some[0]])["executed"], 1);
    assert_eq!(run(&["--no-init", "--qgraph-node-id", &some[0]])["executed"], 0);
    assert_eq!(copies(), 1);
    // The file itself, read whole: what was done is known.
    for copy in fs_err::read_dir(format!("{graph}.run")).unwrap() {
        let copy = copy.unwrap().path();
        if copy.extension().is_some_and(|extension| extension == "qbb") {
            fs_err::remove_file(copy).unwrap();
        }
    }
    let rest = run(&[]);
    assert_eq!(rest["done_before"], 1, "{rest}");
    assert_eq!(rest["outcome"], "complete", "{rest}");

    build();
    let id = &quanta(&graph, "userMeasure")[0];
    let arguments = ["run", &graph, "--personal", &repository, "--qgraph-node-id", id];
    let message = qbb_fails(3, &arguments);
    assert!(message.contains("belongs to graph"), "{message}");
}
