//! Provenance graphs: what the middleware reads in them, and makes of the same directory itself.

use crate::kit::{
    DEFAULTS, Prepared, Scratch, WHERE, command, copy_tree, json, middleware, pipeline, qbb,
    release, script, succeeded,
};

const RUN: &str = "u/me/out/run1";

/// A graph in which much goes wrong: failures, crashes, no work, partial outputs.
fn troubled_graph(repository: &str, graph: &str, options: &[&str]) {
    let pipeline = pipeline("failing");
    let mut arguments = vec!["graph", "build", "-b", repository, "-p", &pipeline, "-i", DEFAULTS];
    arguments.extend(["-d", WHERE, "-o", "u/me/out", "--output-run", RUN, "-q", graph]);
    qbb(&[&arguments, options].concat());
}

/// UUIDs of quanta of a task whose data IDs contain all of some texts.
fn quanta(graph: &str, task: &str, texts: &[&str]) -> Vec<String> {
    let listing = qbb(&["graph", "quanta", graph]);
    let lines = listing.lines().filter(|line| line.split_whitespace().nth(1) == Some(task));
    let lines = lines.filter(|line| texts.iter().all(|text| line.contains(text)));
    lines.filter_map(|line| Some(line.split_whitespace().next()?.to_owned())).collect()
}

/// Runs a graph until some quanta have succeeded at their second attempt and others never did.
fn run_with_troubles(graph: &str, repository: &str) {
    let run = |heal: &str, arguments: &[&str]| {
        let arguments = [&["run", graph, "--personal", repository, "-j", "2"], arguments].concat();
        let mut command = command();
        let output = command.args(&arguments).env("KIT_HEALED", heal).output();
        let output = output.expect("the command can be run");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
    };
    run("", &[]);
    // One failure and all crashes are healed; partial outputs are allowed.
    let heal = "exposure=2025062000003&detector=3 detector=1";
    run(heal, &["--no-raise-on-partial-outputs"]);
}

/// The graph that we write from the journal is the one that `butler aggregate-graph` makes from
/// files, for a directory with successes of each kind, failures, blocked quanta, second attempts
/// and quanta that other software had executed; reports on both are equal; and `butler
/// ingest-graph` takes ours without anything being lost.
#[test]
fn the_middleware_reads_what_it_would_have_written() {
    let scratch = Scratch::new();
    let (repository, graph) = (scratch.path("repository"), scratch.path("graph.qg"));
    let (ours, theirs) = (scratch.path("ours.qg"), scratch.path("theirs.qg"));
    copy_tree(release(), &repository);
    troubled_graph(&repository, &graph, &["-c", r#"isr:crash_on=["detector=1&band=i"]"#]);
    let foreign = quanta(&graph, "isr", &["detector: 0", "band: 'r'"]).swap_remove(0);
    let stock = ["run-qbb", "--qgraph-node-id", &foreign, &repository, &graph];
    succeeded("pipetask run-qbb", middleware("pipetask", &stock));
    run_with_troubles(&graph, &repository);

    let written = json(&["provenance", &graph, "--personal", &repository, "-o", &ours]);
    assert_eq!(written["missing"], 0, "{written}");
    let aggregate =
        ["aggregate-graph", "--complete", "--register-dataset-types", "-o", &theirs, &graph];
    let aggregate = [&aggregate[..], &[&repository]].concat();
    succeeded("butler aggregate-graph", middleware("butler", &aggregate));
    script("compare_provenance.py", &[&ours, &theirs]);
    let reports = [&ours, &theirs]
        .map(|file| succeeded("report", middleware("butler", &["provenance-report", file])));
    assert_eq!(reports[0], reports[1]);
    assert!(reports[0].contains("RuntimeError"), "{}", reports[0]);

    let shown = json(&["graph", "show", &ours]);
    let count = |task: usize, key: &str| shown["tasks"][task][key].as_u64().unwrap();
    assert_eq!(shown["tasks"][0]["task"], "isr", "{shown}");
    assert!(count(0, "failed") > 0 && count(1, "blocked") > 0, "{shown}");
    assert!(count(0, "attempts") > count(0, "quanta"), "{shown}");
    let shown_again = json(&["graph", "show", &theirs]);
    assert_eq!(shown["tasks"], shown_again["tasks"]);

    let (before, after) = (scratch.path("before.json"), scratch.path("after.json"));
    script("dump_products.py", &[&repository, RUN, &before]);
    let ingest = middleware("butler", &["ingest-graph", &repository, &ours]);
    succeeded("butler ingest-graph", ingest);
    script("dump_products.py", &[&repository, RUN, &after, "--in-provenance"]);
    assert_eq!(fs_err::read(&before).unwrap(), fs_err::read(&after).unwrap());
    script("check_repository.py", &[&repository]);
}

/// A directory that the stock executor filled, told of by `butler aggregate-graph`, and one that we
/// filled, told of from our journal: the same quanta have the same attempts with the same statuses,
/// caveats and exceptions, and the same datasets were written.
#[test]
fn both_executors_leave_the_same_provenance() {
    let scratch = Scratch::new();
    let [ours, theirs, graph] = ["ours", "theirs", "graph.qg"].map(|name| scratch.path(name));
    copy_tree(release(), &ours);
    troubled_graph(&ours, &graph, &[]);
    copy_tree(ours.as_ref(), &theirs);
    let executed = middleware("pipetask", &["pre-exec-init-qbb", &theirs, &graph]);
    succeeded("pipetask pre-exec-init-qbb", executed);
    let executed = middleware("pipetask", &["run-qbb", &theirs, &graph]);
    assert_eq!(executed.status.code(), Some(1));
    let executed =
        command().args(["run", &graph, "--personal", &ours, "-j", "2"]).output().unwrap();
    assert_eq!(executed.status.code(), Some(1));

    let [our_file, their_file] = ["ours.qg", "theirs.qg"].map(|name| scratch.path(name));
    qbb(&["provenance", &graph, "--personal", &ours, "-o", &our_file]);
    let aggregate = ["aggregate-graph", "--complete", "--register-dataset-types", "-o"];
    let aggregate = [&aggregate[..], &[&their_file, &graph, &theirs]].concat();
    succeeded("butler aggregate-graph", middleware("butler", &aggregate));
    script("compare_provenance.py", &["--statuses-only", &our_file, &their_file]);
    let shown = [&our_file, &their_file].map(|file| json(&["graph", "show", file]));
    assert_eq!(shown[0]["tasks"], shown[1]["tasks"]);
    let caveats = shown[0]["tasks"].as_array().unwrap().iter();
    assert!(caveats.clone().any(|task| task["blocked"].as_u64() > Some(0)), "{}", shown[0]);
    assert!(caveats.clone().any(|task| task["failed"].as_u64() > Some(0)), "{}", shown[0]);
}

/// A personal repository keeps metadata, logs and configurations in the provenance graph of the
/// run when asked to: the same objects are read from it, each transfer again changes nothing, and
/// what a transfer that was cut off has left undone is done by the next.
#[test]
fn a_transfer_keeps_products_in_the_provenance_graph() {
    let scratch = Scratch::new();
    let repository = release().display().to_string();
    let prepared = Prepared::new(&scratch, "me", &repository, "failing");
    let Prepared { personal, submit } = &prepared;
    let run = command().args(["run", submit, "-j", "2"]).output().unwrap();
    assert_eq!(run.status.code(), Some(1), "{}", String::from_utf8_lossy(&run.stderr));
    let dump = |name: &str, options: &[&str]| {
        let file = scratch.path(name);
        script("dump_products.py", &[&[personal, RUN, &file], options].concat());
        fs_err::read(file).unwrap()
    };
    qbb(&["transfer", submit, "--inputs"]);
    let before = dump("before.json", &[]);
    let originals = scratch.path("originals");
    copy_tree(std::path::Path::new(&format!("{personal}/{RUN}")), &originals);

    let first = json(&["transfer", submit, "--inputs", "--provenance"]);
    assert_eq!(first["datasets_inserted"], 1, "{first}");
    assert!(first["provenance"]["originals_removed"].as_u64().unwrap() > 300, "{first}");
    assert_eq!(dump("packed.json", &["--in-provenance"]), before);
    script("check_repository.py", &[personal]);

    // As if it had been cut off before anything was removed.
    copy_tree(std::path::Path::new(&format!("{originals}/.")), &format!("{personal}/{RUN}"));
    let again = json(&["transfer", submit, "--inputs"]);
    assert_eq!(again["datasets_inserted"], 0, "{again}");
    assert_eq!(again["provenance"], first["provenance"], "{again}");
    assert_eq!(dump("again.json", &["--in-provenance"]), before);

    // What fails at first and succeeds later is added to what was told before.
    let heal = "exposure=2025062000003&detector=3";
    let run = command().args(["run", submit, "-j", "2"]).env("KIT_HEALED", heal).output().unwrap();
    assert_eq!(run.status.code(), Some(1), "{}", String::from_utf8_lossy(&run.stderr));
    let more = json(&["transfer", submit, "--inputs"]);
    assert!(more["datasets_inserted"].as_u64().unwrap() > 1, "{more}");
    dump("more.json", &["--in-provenance"]);
    script("check_repository.py", &[personal]);
    let report = middleware("butler", &["provenance-report", personal, RUN]);
    let report = succeeded("butler provenance-report", report);
    assert!(report.contains("RuntimeError"), "{report}");
    let shown = json(&["graph", "show", more["provenance"]["file"].as_str().unwrap()]);
    let attempts = |key: &str| shown["tasks"][0][key].as_u64().unwrap();
    assert!(attempts("attempts") > attempts("quanta"), "{shown}");
}
