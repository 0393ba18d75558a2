//! Why a graph is empty, or smaller than expected.

use serde_json::Value;

use crate::kit::{DEFAULTS, Scratch, WHERE, command, json, pipeline, qbb, release};

/// Arguments that name what a graph is built from.
fn arguments<'a>(repository: &'a str, pipeline: &'a str, query: &'a str) -> Vec<&'a str> {
    let run = ["--output-run", "u/test/run1"];
    [&["-b", repository, "-p", pipeline, "-i", DEFAULTS, "-d", query], &run[..]].concat()
}

#[test]
fn an_empty_graph_names_the_fewest_constraints_that_leave_nothing() {
    let scratch = Scratch::new();
    let (repository, pipeline) = (release().display().to_string(), pipeline("data_release"));
    let graph = scratch.path("graph.qbb");
    let query = format!("{WHERE} AND detector < 100 AND visit = 12");
    for format in ["text", "json"] {
        let mut command = command();
        command.args(["graph", "build", "-q", &graph, "--format", format]);
        let output = command.args(arguments(&repository, &pipeline, &query)).output();
        let output = output.expect("the command can be run");
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{err}");
        if format == "text" {
            assert!(err.contains("because of: visit = 12"), "{err}");
            assert!(err.contains("* leaves nothing by itself"), "{err}");
            assert!(err.contains("values of `visit` before it"), "{err}");
        } else {
            let error: Value = serde_json::from_str(&err).expect("one JSON document");
            let part = &error["error"]["details"]["parts"][0];
            let at = part["smallest"][0].as_u64().expect("a position") as usize;
            assert_eq!(part["smallest"].as_array().map(Vec::len), Some(1));
            assert_eq!(part["constraints"][at]["constraint"], "visit = 12");
        }
    }
    assert!(!std::path::Path::new(&graph).exists());
}

/// What is counted after the last constraint is what the graph is made from.
#[test]
fn every_constraint_is_counted() {
    let scratch = Scratch::new();
    let (repository, pipeline) = (release().display().to_string(), pipeline("data_release"));
    let graph = scratch.path("graph.qbb");
    let query = format!("{WHERE} AND detector < 2 AND band = 'r'");
    let mut command = vec!["graph", "build", "-q", &graph, "--explain"];
    command.extend(arguments(&repository, &pipeline, &query));
    let built = json(&command);
    let explanation = &built["explanation"];
    let constraints = explanation["parts"][0]["constraints"].as_array().expect("a list");
    assert!(constraints.iter().any(|c| c["constraint"] == "band = 'r'"), "{constraints:?}");
    for pair in constraints.windows(2) {
        assert_eq!(pair[0]["after"], pair[1]["before"]);
    }
    let possible: u64 = explanation["tasks"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|t| t["before"].as_u64())
        .sum();
    assert_eq!(constraints.last().expect("some")["after"].as_u64(), Some(possible));
    let kept: u64 = explanation["tasks"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|t| t["after"].as_u64())
        .sum();
    assert_eq!(built["quanta"].as_u64(), Some(kept));
}

#[test]
fn a_data_id_is_explained_and_the_code_says_whether_it_has_quanta() {
    let (repository, pipeline) = (release().display().to_string(), pipeline("data_release"));
    let ask = |data_id: &str, query: &str| {
        let mut command = command();
        command.args(["explain", data_id, "--format", "json"]);
        let output = command.args(arguments(&repository, &pipeline, query)).output();
        let output = output.expect("the command can be run");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.code(), serde_json::from_str::<Value>(&text).unwrap_or_default())
    };
    let (code, there) = ask("detector=1", WHERE);
    assert_eq!(code, Some(0), "{there}");
    let (code, absent) = ask("band=r", &format!("{WHERE} AND band = 'g'"));
    assert_eq!(code, Some(1), "{absent}");
    let because = &absent["tasks"][0]["because"];
    assert_eq!(because.as_array().map(|b| b.contains(&"band = 'g'".into())), Some(true));
    let (code, _) = ask("band", WHERE);
    assert_eq!(code, Some(2));
    let text =
        qbb(&[&["explain", "detector=1"], &arguments(&repository, &pipeline, WHERE)[..]].concat());
    assert!(text.contains("isr: "), "{text}");
}
