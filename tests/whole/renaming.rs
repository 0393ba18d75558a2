//! Outputs that come into a RUN of another name, and what else a transfer may bring on request.

use crate::kit::{
    Prepared, RELEASED, Scratch, json, middleware, python, qbb, qbb_fails, release, script,
    succeeded,
};

const NAME: &str = "u/me/another name";

/// The graph is what `pipetask update-graph-run` makes, the repository what such a graph predicts,
/// and the run that was executed does not matter any more.
#[test]
fn outputs_come_into_a_run_of_another_name() {
    let scratch = Scratch::new();
    let repository = release().display().to_string();
    let Prepared { personal, submit } = Prepared::new(&scratch, "me", &repository, "user");
    qbb(&["run", &submit, "-j", "2"]);
    let [graph, ours, theirs] = ["a.qg", "b.qg", "c.qg"].map(|name| scratch.path(name));
    qbb(&["graph", "convert", &submit, &graph]);
    qbb(&["graph", "convert", &submit, &ours, "--output-run", NAME]);
    succeeded("update", middleware("pipetask", &["update-graph-run", &graph, NAME, &theirs]));
    script("compare_graphs.py", &[&theirs, &ours]);

    // Sizes and checksums are those of the files, whoever wrote them.
    let settings = format!("{personal}/butler.yaml");
    let text = fs_err::read_to_string(&settings).unwrap();
    fs_err::write(&settings, text.replacen("datastore:\n", "datastore:\n  checksum: true\n", 1))
        .unwrap();
    let renamed = ["transfer", &submit, "--inputs", "--output-run", NAME];
    let first = json(&renamed);
    let outputs = first["outputs"].as_u64().unwrap();
    assert!(outputs > 0 && first["files_renamed"].as_u64() >= Some(outputs), "{first}");
    let check = ["--graph", &ours, "--expect-all", "--inputs", "--true-sizes"];
    script("check_repository.py", &[&[personal.as_str()], &check[..]].concat());
    let again = json(&renamed);
    assert_eq!((&again["datasets_inserted"], &again["files_renamed"]), (&0.into(), &0.into()));

    // Under its own name, too; each without the other.
    let executed = json(&["transfer", &submit]);
    assert_eq!(executed["datasets_inserted"], outputs, "{executed}");
    assert_eq!(json(&["transfer", &submit])["datasets_inserted"], 0);
    qbb(&["verify", &personal, "--checksums"]);
    let registry = rusqlite::Connection::open(format!("{personal}/gen3.sqlite3")).unwrap();
    let without: i64 = registry
        .query_row(
            "SELECT count(*) FROM file_datastore_records WHERE checksum IS NULL AND path LIKE 'u/%'",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(without, 0);
    let remove = ["collections", "remove-runs", &personal, Prepared::RUN, "--force", "--yes"];
    qbb(&remove);
    qbb(&["verify", &personal, "--checksums"]);

    // Nothing can get a name any more, and what has one keeps it.
    assert_eq!(json(&renamed)["outputs_missing"], 0);
    let late = json(&["transfer", &submit, "--output-run", "u/me/late"]);
    assert_eq!((&late["outputs"], &late["outputs_missing"]), (&0.into(), &outputs.into()));
    let input = format!("{RELEASED}/run/1");
    let refused = qbb_fails(3, &["transfer", &submit, "--output-run", &input]);
    assert!(refused.contains(&format!("inputs of the graph are in {input}")), "{refused}");
}

/// Whole collections have everything that the release has in them.
#[test]
fn whole_collections_come_with_the_inputs() {
    let scratch = Scratch::new();
    let repository = release().display().to_string();
    let Prepared { personal, submit } = Prepared::new(&scratch, "me", &repository, "user");
    let whole = ["transfer", &submit, "--whole-collections"];
    assert!(qbb_fails(2, &whole).contains("--inputs"));
    let whole = [&whole[..], &["--inputs"]].concat();
    let nowhere = qbb_fails(3, &[&whole[..], &["--from", "/nowhere"]].concat());
    assert!(nowhere.contains("/nowhere") && nowhere.contains("--whole-collections"), "{nowhere}");
    let restricted = json(&["transfer", &submit, "--inputs"]);
    let first = json(&whole);
    let inserted = |report: &serde_json::Value| {
        report["whole_collections"]["inserted"]["datasets_inserted"].as_u64().unwrap()
    };
    assert!(inserted(&first) > 0 && first["inputs"] == restricted["inputs"], "{first}");
    let again = json(&whole);
    assert_eq!((inserted(&again), &again["datasets_inserted"]), (0, &0.into()));
    let mut same = std::process::Command::new(python());
    same.args(["-c", crate::referencing::SAME_COLLECTIONS, &personal, &repository, RELEASED]);
    succeeded("the real Butler", same.output().unwrap());
}
