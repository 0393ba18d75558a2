//! Wrong input gets one clear message that says what to do, and a code that says whose fault it is.

use crate::kit::{
    Prepared, RELEASED, Scratch, WHERE, command, copy_tree, pipeline, qbb, qbb_fails, release,
};

/// Building from the shared release with some arguments replaced.
fn build(scratch: &Scratch, replaced: &[(&str, &str)]) -> Vec<String> {
    let repository = release().display().to_string();
    let mut arguments = vec![
        ("-b", repository),
        ("-p", pipeline("user")),
        ("-i", RELEASED.to_owned()),
        ("-d", WHERE.to_owned()),
        ("--output-run", "u/test/run1".to_owned()),
        ("-q", scratch.path("graph.qbb")),
    ];
    for (name, value) in replaced {
        for argument in arguments.iter_mut().filter(|(other, _)| other == name) {
            argument.1 = (*value).to_owned();
        }
    }
    let mut words = vec!["graph".to_owned(), "build".to_owned()];
    words.extend(arguments.into_iter().flat_map(|(name, value)| [name.to_owned(), value]));
    words
}

fn build_fails(code: i32, replaced: &[(&str, &str)]) -> String {
    let scratch = Scratch::new();
    let arguments = build(&scratch, replaced);
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let message = qbb_fails(code, &words);
    assert!(!std::path::Path::new(&scratch.path("graph.qbb")).exists(), "a graph was left");
    message
}

fn contains(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "`{part}` is not in:\n{message}");
    }
}

#[test]
fn a_missing_repository() {
    contains(&build_fails(3, &[("-b", "/no/such/release")]), &["/no/such/release"]);
    let scratch = Scratch::new();
    let empty = scratch.path("empty");
    fs_err::create_dir(&empty).unwrap();
    contains(&build_fails(3, &[("-b", &empty)]), &["butler.yaml"]);
}

#[test]
fn a_repository_of_an_unknown_schema() {
    let scratch = Scratch::new();
    let copy = scratch.path("release");
    copy_tree(release(), &copy);
    let database = format!("{copy}/gen3.sqlite3");
    let sql = "UPDATE butler_attributes SET value = '9.0.0' WHERE name LIKE 'version:%datasets%'";
    crate::kit::script("run_sql.py", &[&database, sql]);
    contains(&build_fails(3, &[("-b", &copy)]), &["9.0.0"]);
    let target = scratch.path("personal");
    contains(&qbb_fails(3, &["create", &target, "--from", &copy]), &["9.0.0"]);
    assert!(!std::path::Path::new(&target).exists(), "something was written");
}

#[test]
fn an_unknown_collection_and_its_nearest() {
    contains(&build_fails(3, &[("-i", "releases/QR2")]), &["releases/QR2", "releases/QR1"]);
}

#[test]
fn an_unknown_dimension_and_its_nearest() {
    let query = format!("{WHERE} AND detecter = 3");
    contains(&build_fails(3, &[("-d", &query)]), &["detecter", "detector"]);
}

#[test]
fn a_query_that_is_no_expression() {
    let query = format!("{WHERE} AND (detector = ");
    contains(&build_fails(3, &[("-d", &query)]), &["detector ="]);
}

#[test]
fn a_query_that_selects_nothing_says_which_constraint_emptied_it() {
    let query = format!("{WHERE} AND visit = 42");
    contains(&build_fails(3, &[("-d", &query)]), &["visit = 42"]);
    let message = build_fails(3, &[("-i", "refcats"), ("-d", WHERE)]);
    contains(&message, &["visit_image"]);
}

#[test]
fn a_task_class_that_cannot_be_imported() {
    let scratch = Scratch::new();
    let file = scratch.path("broken.yaml");
    let text = "description: Broken.\ntasks:\n  broken:\n    class: no_such_module.NoTask\n";
    fs_err::write(&file, text).unwrap();
    contains(&build_fails(3, &[("-p", &file)]), &["no_such_module"]);
    contains(&build_fails(3, &[("-p", "/no/such/pipeline.yaml")]), &["/no/such/pipeline.yaml"]);
}

#[test]
fn truncated_and_flipped_graph_files() {
    let scratch = Scratch::new();
    for ending in ["qbb", "qg"] {
        let graph = scratch.path(&format!("graph.{ending}"));
        let arguments = build(&scratch, &[("-q", &graph)]);
        qbb(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        let bytes = fs_err::read(&graph).unwrap();
        let damaged = scratch.path(&format!("damaged.{ending}"));
        for keep in [0, 1, 40, bytes.len() / 2, bytes.len() - 1] {
            fs_err::write(&damaged, &bytes[..keep]).unwrap();
            contains(&qbb_fails(3, &["graph", "verify", &damaged]), &["damaged"]);
        }
        for at in [3, bytes.len() / 3, bytes.len() / 2] {
            let mut flipped = bytes.clone();
            flipped[at] ^= 0x10;
            fs_err::write(&damaged, &flipped).unwrap();
            let output = command().args(["graph", "verify", &damaged]).output().unwrap();
            let message = String::from_utf8_lossy(&output.stderr);
            assert!(!message.contains("panicked"), "{message}");
            if ending == "qbb" {
                assert_eq!(output.status.code(), Some(3), "byte {at} flipped: {message}");
            }
        }
    }
}

#[test]
fn an_output_root_that_cannot_be_written() {
    let scratch = Scratch::new();
    let repository = release().display().to_string();
    let Prepared { personal, submit } = Prepared::new(&scratch, "me", &repository, "data_release");
    // A file where the run's folder must be: refused to everybody, the superuser included.
    fs_err::write(format!("{personal}/u"), b"in the way").unwrap();
    let message = qbb_fails(4, &["run", &submit]);
    contains(&message, &[&personal]);
}

#[test]
fn a_personal_repository_with_another_universe() {
    let scratch = Scratch::new();
    let (demo, submit) = (scratch.path("demo"), scratch.path("submit"));
    qbb(&["demo", &demo, "--quiet"]);
    let repository = release().display().to_string();
    let pipeline = pipeline("user");
    let mut prepare = vec!["prepare", "-b", &repository, "-p", &pipeline, "-i", RELEASED];
    let personal = format!("{demo}/personal");
    prepare.extend(["-d", WHERE, "-o", "u/me", "--personal", &personal, "--submit-dir", &submit]);
    contains(&qbb_fails(3, &prepare), &["qbb_demo version 1", "daf_butler version 8"]);
    assert!(!std::path::Path::new(&submit).exists());
}

#[test]
fn wrong_arguments_are_told_from_wrong_input() {
    qbb_fails(2, &["graph", "build"]);
    qbb_fails(2, &["frobnicate"]);
    let scratch = Scratch::new();
    contains(&qbb_fails(3, &["run", &scratch.path("nope")]), &["nope"]);
    contains(&qbb_fails(2, &["prepare", "-p", "any", "-o", ""]), &["--output"]);
    // Files that are something else.
    let garbage = scratch.path("garbage");
    fs_err::write(&garbage, [0x80; 100]).unwrap();
    contains(&qbb_fails(3, &["run", &garbage]), &[&garbage, "not a quantum graph"]);
    contains(&qbb_fails(3, &["status", &garbage]), &["not a submit directory", "it is a file"]);
    contains(&qbb_fails(3, &["query", "collections", &garbage]), &[&garbage, "UTF-8"]);
    let released = release().display().to_string();
    let query = ["query", "collections", &released, "-o"];
    let inside = format!("{garbage}/new");
    contains(&qbb_fails(4, &[&query[..], &[&inside]].concat()), &["is not a folder"]);
    contains(&qbb_fails(4, &[&query[..], &[&released]].concat()), &["it is a folder"]);
    contains(&qbb_fails(3, &["status", &scratch.path("nope")]), &["nope"]);
    contains(&qbb_fails(3, &["transfer", &scratch.path("nope")]), &["nope"]);
}
