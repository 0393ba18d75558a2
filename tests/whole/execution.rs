//! Execution and transfer: what the real Butler finds in the end.

use crate::kit::{
    Prepared, RELEASED, Scratch, WHERE, command, copy_tree, json, middleware, pipeline, qbb,
    real_butler, release, script, succeeded,
};

/// The whole path with the release's database gone after `prepare`, into a fresh repository with a
/// root of its own.
#[test]
fn from_a_release_to_a_personal_repository() {
    let scratch = Scratch::new();
    let (copy, graph) = (scratch.path("release"), scratch.path("graph.qg"));
    copy_tree(release(), &copy);
    let prepared = Prepared::new(&scratch, "me", &copy, "data_release");
    let Prepared { personal, submit } = &prepared;
    fs_err::rename(format!("{copy}/gen3.sqlite3"), format!("{copy}/hidden")).unwrap();
    qbb(&["run", submit, "-j", "2"]);
    let status = prepared.status();
    assert_eq!(status["succeeded"], status["quanta"], "{status}");
    qbb(&["transfer", submit, "--inputs"]);
    qbb(&["graph", "convert", submit, &graph]);
    let check = ["--graph", &graph, "--expect-all", "--inputs", "--true-sizes"];
    script("check_repository.py", &[&[personal.as_str()], &check[..]].concat());

    let again = json(&["transfer", submit, "--inputs"]);
    assert_eq!(again["datasets_inserted"], 0, "{again}");
    script("check_repository.py", &[&[personal.as_str()], &check[..]].concat());
}

/// `pipetask run-qbb` executes our graph, `qbb run` the real builder's, and both write the same.
#[test]
fn graphs_are_exchanged_with_the_middleware() {
    let scratch = Scratch::new();
    let repository = release().display().to_string();
    let pipeline = pipeline("user");
    let (ours, real) = (scratch.path("ours.qg"), scratch.path("real.qg"));
    let (by_stock, by_qbb) = (scratch.path("by-stock"), scratch.path("by-qbb"));
    let (inputs, run) = (RELEASED, "u/test/run1");
    qbb(&[
        "graph",
        "build",
        "-b",
        &repository,
        "-p",
        &pipeline,
        "-i",
        inputs,
        "-d",
        WHERE,
        "--output-run",
        run,
        "-q",
        &ours,
    ]);
    script(
        "build_graph.py",
        &[&repository, &pipeline, &real, "--input", inputs, "--where", WHERE, "--output-run", run],
    );
    copy_tree(release(), &by_stock);
    script("run_graph.py", &[&by_stock, &ours]);
    script("check_repository.py", &[&by_stock, "--graph", &ours, "--expect-all"]);

    copy_tree(release(), &by_qbb);
    qbb(&["run", &real, "--personal", &by_qbb, "-j", "2"]);
    let transfer = ["transfer-from-graph", "--register-dataset-types", &real, &by_qbb];
    succeeded("butler transfer-from-graph", middleware("butler", &transfer));
    script("check_repository.py", &[&by_qbb, "--graph", &real, "--expect-all"]);
    script("compare_runs.py", &[&by_stock, run, &by_qbb, run]);
}

/// A failure blocks its successors and nothing else, and `pipetask report` agrees.
#[test]
fn failures_block_their_successors_only() {
    let scratch = Scratch::new();
    let graph = scratch.path("graph.qg");
    let repository = release().display().to_string();
    let prepared = Prepared::new(&scratch, "me", &repository, "failing");
    let Prepared { personal, submit } = &prepared;
    let run = command().args(["run", submit, "-j", "2"]).output().unwrap();
    assert_eq!(run.status.code(), Some(1), "{}", String::from_utf8_lossy(&run.stderr));
    let report = json(&["report", submit]);
    let number = |key: &str| report["totals"][key].as_u64().unwrap();
    assert!(number("failed") > 0 && number("blocked") > 0 && number("succeeded") > 0, "{report}");
    assert_eq!(
        number("failed") + number("blocked") + number("succeeded"),
        number("quanta"),
        "{report}"
    );

    qbb(&["transfer", submit, "--inputs"]);
    qbb(&["graph", "convert", submit, &graph]);
    script("check_repository.py", &[personal, "--graph", &graph, "--true-sizes"]);
    let stock = scratch.path("report.yaml");
    let words = ["report", personal, &graph, "--full-output-filename", &stock];
    succeeded("pipetask report", middleware("pipetask", &words));
    let code = "import json, sys, yaml; print(json.dumps(yaml.safe_load(open(sys.argv[1]))))";
    let stock = real_butler(code, &[&stock]);
    let stock: serde_json::Value = serde_json::from_str(&stock).unwrap();
    for task in report["tasks"].as_array().unwrap() {
        let label = task["task"].as_str().unwrap();
        let judged = &stock[label];
        let count = |key: &str| match &judged[key] {
            serde_json::Value::Object(quanta) => quanta.len() as u64,
            value => value.as_u64().unwrap(),
        };
        assert_eq!(task["failed"], count("failed_quanta"), "{label}: {task} {judged}");
        assert_eq!(task["succeeded"], count("n_succeeded"), "{label}: {task} {judged}");
        assert_eq!(task["quanta"], count("n_expected"), "{label}: {task} {judged}");
    }
}

/// Metadata and logs of `PipelineTask`s that were packed are files after a transfer, of failures and
/// repeated attempts, too.
#[test]
fn packed_quanta_of_pipeline_tasks_are_transferred() {
    let scratch = Scratch::new();
    let graph = scratch.path("graph.qg");
    let repository = release().display().to_string();
    let prepared = Prepared::new(&scratch, "me", &repository, "failing");
    let Prepared { personal, submit } = &prepared;
    for _ in 0..2 {
        let run = command().args(["run", submit, "-j", "2", "--pack"]).output().unwrap();
        assert_eq!(run.status.code(), Some(1), "{}", String::from_utf8_lossy(&run.stderr));
    }
    let is_small = |path: &std::path::Path| {
        let path = path.to_string_lossy();
        path.contains("_metadata/") || path.contains("_log/")
    };
    let small_files = || files_below(personal.as_ref()).filter(|path| is_small(path)).count();
    assert_eq!(small_files(), 0);
    let report = json(&["report", submit]);
    let failed = report["failures"][0]["quantum"].as_str().unwrap();
    let log = json(&["log", submit, failed]);
    let attempts = log["attempts"].as_array().unwrap();
    assert_eq!(attempts.len(), 2, "{log}");
    assert!(attempts.iter().all(|attempt| attempt["exception"].is_object()), "{log}");

    let transferred = json(&["transfer", submit, "--inputs"]);
    let unpacked = transferred["unpacked"].as_u64().unwrap() as usize;
    assert!(unpacked > 0 && small_files() == unpacked, "{transferred}");
    qbb(&["graph", "convert", submit, &graph]);
    script("check_repository.py", &[personal, "--graph", &graph, "--true-sizes"]);
}

fn files_below(folder: &std::path::Path) -> impl Iterator<Item = std::path::PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs_err::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found.into_iter()
}
