//! Personal repositories in PostgreSQL.

use camino::Utf8Path;
use qbb_datastore::{DatabaseUrl, RepositoryConfig};
use qbb_registry::{NewDatabase, create, open_reader};
use serde_json::Value;

use crate::faults::Runs;
use crate::kit::{
    Prepared, Scratch, command, json, middleware, postgres, postgres_release, qbb, real_butler,
    release, script, succeeded,
};
use crate::repository::WRITE;

/// Creates an empty repository with the universe of the shared release.
fn create_personal(root: &str, schema: &str) {
    let release = postgres_release().display().to_string();
    let release = open_reader(&RepositoryConfig::open(&release).unwrap()).unwrap();
    let url = DatabaseUrl::new(&postgres().url);
    let database = NewDatabase::Postgres { url: &url, schema };
    create(Utf8Path::new(root), database, release.universe()).unwrap();
}

/// Release and personal repository are two schemas of one database, as they are where people work.
#[test]
fn a_run_is_transferred_and_the_middleware_goes_on() {
    let scratch = Scratch::new();
    let personal = scratch.path("personal");
    create_personal(&personal, "me");
    let release = postgres_release().display().to_string();
    let submit = scratch.path("submit");
    Prepared::over(&submit, &personal, &release, "user", Prepared::RUN);
    qbb(&["run", &submit]);
    let first = qbb(&["transfer", &submit, "--inputs"]);
    assert!(!first.contains("new: 0 datasets"), "{first}");
    script("compare_schema.py", &[&personal]);
    script("check_repository.py", &[&personal]);
    real_butler(WRITE, &[&personal]);
    script("check_repository.py", &[&personal]);
    let again = qbb(&["transfer", &submit, "--inputs"]);
    assert!(again.contains("new: 0 datasets"), "{again}");
}

/// What campaigns do with a repository, in one that either side has made, by the commands of both.
#[test]
fn commands_of_both_sides_go_on_where_the_other_stopped() {
    for maker in ["butler", "qbb"] {
        both_sides(&Runs::over(|personal| {
            let (from, url) = (release().display().to_string(), &postgres().url);
            let schema = format!("made_by_{maker}");
            if maker == "butler" {
                real_butler(MAKE, &[personal, url, &schema]);
            } else {
                qbb(&["create", personal, "--from", &from, "--db", url, "--schema", &schema]);
            }
        }));
    }
}

const MAKE: &str = "
import sys
from lsst.daf.butler import Butler, Config
config = Config()
config['registry', 'db'], config['registry', 'namespace'] = sys.argv[2:]
Butler.makeRepo(sys.argv[1], config=config)
";

fn both_sides(runs: &Runs) {
    let personal = runs.personal.as_str();
    let [one, other] = Runs::NAMES;
    let butler = |words: &[&str]| {
        let words = [&words[..1], &[personal], &words[1..]].concat();
        succeeded(words[0], middleware("butler", &words))
    };
    let transfer = |submit: &str| json(&["transfer", submit, "--inputs", "copy"]);
    let is_zero = |report: &Value, what: &str| assert_eq!(report[what], 0, "{what}: {report}");
    let findings = || -> Value {
        let output = command().args(["verify", personal, "--format", "json"]).output().unwrap();
        let report: Value = serde_json::from_slice(&output.stdout).expect("verify prints JSON");
        report["counts"].clone()
    };
    let first = transfer(&runs.submit[0]);
    is_zero(&first, "outputs_missing");
    let outputs = first["outputs"].as_u64().unwrap();

    // Both find the same.
    let wanted = ["raw_size", "--collections", "u/me/sizes"];
    let query = [&["query", "datasets", personal][..], &wanted].concat();
    let ours = json(&query)["datasets"].as_array().unwrap().len();
    let theirs = butler(&[&["query-datasets"][..], &wanted].concat());
    assert_eq!(theirs.lines().filter(|line| line.contains(one)).count(), ours, "{theirs}");
    assert!(ours > 2 && butler(&["query-collections", "u/*"]).contains(one));

    // What the middleware changes, we understand.
    butler(&["associate", "u/me/tagged", "--collections", one, "--dataset-type", "raw_size"]);
    butler(&["collection-chain", "u/me/all", "u/me/tagged", one]);
    let condition = "instrument = 'QbbCam' AND detector = 0";
    let unstore = ["prune-datasets", one, "--unstore", "--no-confirm", "--datasets", "raw_size"];
    butler(&[&unstore[..], &["--where", condition]].concat());
    let tree = qbb(&["collections", "list", personal, "u/me/all"]);
    assert!(tree.contains("u/me/tagged") && tree.contains(one), "{tree}");
    let before = findings();
    assert!(before.get("missing-file").is_none(), "{before}");

    // Deleted outputs are not registered as if they were there.
    let again = transfer(&runs.submit[0]);
    is_zero(&again, "datasets_inserted");
    let missing = again["outputs_missing"].as_u64().unwrap();
    assert!(missing > 0 && missing < outputs, "{again}");
    assert_eq!(findings(), before);
    qbb(&["collections", "remove", personal, "u/me/all", "u/me/tagged", "--yes"]);
    qbb(&["collections", "remove-runs", personal, one, "--force", "--yes"]);
    let removed = transfer(&runs.submit[0]);
    assert_eq!((&removed["outputs"], &removed["outputs_missing"]), (&0.into(), &outputs.into()));
    is_zero(&removed, "datasets_inserted");

    is_zero(&transfer(&runs.submit[1]), "outputs_missing");
    script("check_repository.py", &[personal]);
    butler(&["remove-runs", other, "--force", "--no-confirm"]);
    assert_eq!(findings(), serde_json::json!({}));
}
