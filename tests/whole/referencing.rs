//! Datasets chosen by condition, brought into personal repositories.

use std::process::Stdio;
use std::time::Duration;

use crate::kit::{
    DEFAULTS, RELEASED, Scratch, command, json, postgres, qbb, qbb_fails, real_butler, release,
    script, script_output,
};

fn created(scratch: &Scratch, name: &str) -> String {
    let personal = scratch.path(name);
    qbb(&["create", &personal, "--from", &release().display().to_string()]);
    personal
}

fn inserted(report: &serde_json::Value, what: &str) -> u64 {
    report["inserted"][what].as_u64().unwrap()
}

/// All that the release's main chain holds: chains in chains, TAGGED raws, calibrations with
/// several ranges. The middleware finds in both repositories the same datasets at the same places.
#[test]
fn collections_come_as_the_release_has_them() {
    let scratch = Scratch::new();
    let (personal, from) = (created(&scratch, "personal"), release().display().to_string());
    let everything = "QbbCam/defaults,QbbCam/defaults-good";
    let reference = ["reference", &personal, "--collections", everything];
    let planned = json(&[&reference[..], &["--dry-run"]].concat());
    assert!(planned["inserted"].is_null() && planned["memberships"].as_u64().unwrap() > 0);
    let first = json(&reference);
    assert_eq!(first["dataset_types"], planned["dataset_types"]);
    let sum = |report: &serde_json::Value, key: &str| -> u64 {
        let types = report["dataset_types"].as_array().unwrap();
        types.iter().map(|count| count[key].as_u64().unwrap()).sum()
    };
    assert_eq!(inserted(&first, "datasets_inserted"), sum(&planned, "datasets"));
    assert_eq!(first["memberships"], first["inserted"]["associations_inserted"]);
    script("check_repository.py", &[&personal]);
    real_butler(SAME_COLLECTIONS, &[&personal, &from, everything]);

    let again = json(&reference);
    assert_eq!(sum(&again, "present"), sum(&again, "datasets"));
    for what in ["datasets", "records", "associations"] {
        assert_eq!(inserted(&again, &format!("{what}_inserted")), 0, "{what}");
    }
    assert_eq!(inserted(&again, "collections_registered"), 0);

    let fits = json(&["migrate-check", &personal]);
    assert_eq!((&fits["fits"], &fits["findings"]), (&true.into(), &serde_json::json!([])));
    assert!(fits["records"].as_u64().unwrap() > 20, "{fits}");
}

pub const SAME_COLLECTIONS: &str = "
import sys
from lsst.daf.butler import Butler, CollectionType
mine, release = Butler.from_config(sys.argv[1]), Butler.from_config(sys.argv[2])
for name in sys.argv[3].split(','):
    def tree(butler):
        infos = butler.collections.query_info(name, flatten_chains=True, include_chains=True)
        return {i.name: (i.type, i.children, i.doc) for i in infos}
    assert tree(mine) == tree(release), name
    for kind in release.registry.queryDatasetTypes():
        def members(butler):
            found = butler.registry.queryDatasetAssociations(kind, name, flattenChains=True)
            return sorted(
                (a.collection, str(a.ref.id), a.ref.run, str(a.ref.dataId.required), str(a.timespan))
                for a in found
            )
        expected = members(release)
        if expected:
            assert members(mine) == expected, kind
            some = release.query_datasets(kind, name, find_first=False, limit=1, explain=False)
            for ref in some:
                assert str(mine.getURIs(ref)) == str(release.getURIs(ref))
                mine.get(mine.get_dataset(ref.id))
ranges = [a.timespan for a in mine.registry.queryDatasetAssociations('bias', ..., flattenChains=True)
          if a.collection in mine.collections.query('*', collection_types=CollectionType.CALIBRATION)]
assert len(set(ranges)) > 1, ranges
";

/// What the middleware's own transfer keeps is kept: ids, data IDs, records; files are elsewhere.
#[test]
fn a_direct_transfer_has_the_records_that_the_middlewares_has() {
    let scratch = Scratch::new();
    let from = release().display().to_string();
    let (ours, theirs) = (created(&scratch, "ours"), created(&scratch, "theirs"));
    let selection = [
        ["-d", "visit_image", "-d", "sky*,visit_parts", "--collections", RELEASED].as_slice(),
        &["--where", "instrument='QbbCam' AND skymap='qbb_rings' AND detector < 3"],
    ]
    .concat();
    let refused = qbb_fails(3, &[&["transfer-datasets", &from, &ours], &selection[..]].concat());
    assert!(refused.contains("visit_image") && refused.contains("--register-dataset-types"));
    let transfer =
        [&["transfer-datasets", &from, &ours, "--register-dataset-types"], &selection[..]].concat();
    let report = json(&transfer);
    assert!(inserted(&report, "datasets_inserted") > 0, "{report}");
    let copies = created(&scratch, "copies");
    let mut copy = transfer.clone();
    copy[2] = &copies;
    copy.extend(["--transfer", "copy"]);
    assert_eq!(json(&copy)["inserted"], report["inserted"]);
    real_butler(TRANSFER, &[&from, &theirs, &ours, &copies]);
    script("check_repository.py", &[&ours]);
    script("check_repository.py", &[&copies, "--true-sizes"]);
    let again = json(&copy);
    assert_eq!((inserted(&again, "datasets_inserted"), &again["files"]), (0, &0.into()));
    assert_eq!(inserted(&json(&transfer), "datasets_inserted"), 0);
    let same = qbb_fails(3, &["transfer-datasets", &from, &from]);
    assert!(same.contains("both the source and the destination"), "{same}");
}

const TRANSFER: &str = "
import sys
from lsst.daf.butler import Butler
source = Butler.from_config(sys.argv[1])
theirs = Butler.from_config(sys.argv[2], writeable=True)
where = \"instrument='QbbCam' AND skymap='qbb_rings' AND detector < 3\"
kinds = ['visit_image', 'visit_parts'] + [t.name for t in source.registry.queryDatasetTypes('sky*')]
refs = []
for kind in kinds:
    refs += source.query_datasets(
        kind, 'releases/QR1', where=where, find_first=False, with_dimension_records=True, limit=None,
        explain=False)
theirs.transfer_from(source, refs, transfer='copy', register_dataset_types=True,
                     transfer_dimensions=True)
ours = Butler.from_config(sys.argv[3])
def contents(butler):
    found = []
    for kind in kinds:
        found += butler.query_datasets(kind, '*', find_first=False, limit=None, explain=False)
    return sorted((str(r.id), r.run, r.datasetType.name, str(r.dataId.required)) for r in found)
assert contents(ours) == contents(theirs) and contents(ours)
assert set(ours.collections.query('*')) == set(theirs.collections.query('*'))
copies = Butler.from_config(sys.argv[4])
assert contents(copies) == contents(theirs)
for ref in theirs.query_datasets('visit_image', '*', find_first=False, limit=None):
    path = lambda b: b.getURI(ref).ospath.removeprefix(b._datastore.root.ospath)
    assert path(copies) == path(theirs)
parts = copies.query_datasets('visit_parts', '*', find_first=False, limit=None)
assert len(parts) == 3
for ref in parts:
    summary = copies.get(ref.makeComponentRef('summary'))
    assert copies.get(ref) == source.get(ref) == {'counts': {'parts': 2}, 'summary': summary}
    places = {name: uri.ospath for name, uri in copies.getURIs(ref).componentURIs.items()}
    assert len(places) == 2 and all(p.startswith(sys.argv[4]) for p in places.values()), places
for element in source.dimensions.elements:
    if element.has_own_table:
        records = lambda b: set(b.query_dimension_records(element.name, limit=None, explain=False))
        missing = records(theirs) - records(ours)
        assert not missing, (element.name, missing)
";

/// What was only referred to becomes files, in the same collections.
#[test]
fn references_become_files() {
    let scratch = Scratch::new();
    let (personal, from) = (created(&scratch, "personal"), release().display().to_string());
    let reference = ["reference", &personal, "-d", "raw,bias", "--collections", DEFAULTS];
    let first = json(&reference);
    let copied = json(&[&reference[..], &["--how", "copy"]].concat());
    let datasets = inserted(&first, "datasets_inserted");
    assert_eq!(inserted(&copied, "datasets_inserted"), 0);
    assert!(copied["files"].as_u64().unwrap() >= datasets.min(1), "{copied}");
    script("check_repository.py", &[&personal, "--true-sizes"]);
    real_butler(
        "
import sys
from lsst.daf.butler import Butler
mine = Butler.from_config(sys.argv[1])
refs = [r for kind in ('raw', 'bias')
        for r in mine.query_datasets(kind, '*', find_first=False, limit=None)]
assert refs and all(mine.getURI(r).ospath.startswith(sys.argv[1]) for r in refs)
",
        &[&personal, &from],
    );
    // A reference to what is there already changes nothing, nor does another copy.
    for how in ["reference", "copy", "hardlink"] {
        let again = json(&[&reference[..], &["--how", how]].concat());
        assert_eq!((inserted(&again, "datasets_inserted"), &again["files"]), (0, &0.into()));
    }
}

#[test]
fn a_selection_can_be_limited_sorted_and_first() {
    let scratch = Scratch::new();
    let personal = created(&scratch, "personal");
    let limited = [
        ["reference", &personal, "-d", "raw", "--collections", DEFAULTS].as_slice(),
        &["--where", "instrument=:camera AND detector IN (numbers)", "--bind", "camera=QbbCam"],
        &["--bind", "numbers=[0, 1, 2]", "--limit", "3", "--order-by", "-exposure,detector"],
    ]
    .concat();
    let report = json(&limited);
    assert_eq!((&report["more"], inserted(&report, "datasets_inserted")), (&true.into(), 3));
    real_butler(
        "
import sys
from lsst.daf.butler import Butler
mine, release = Butler.from_config(sys.argv[1]), Butler.from_config(sys.argv[2])
last = max(release.query_dimension_records('exposure'), key=lambda r: r.id).id
raws = mine.query_datasets('raw', '*', find_first=False)
assert len(raws) == 3 and {r.dataId['exposure'] for r in raws} == {last}, raws
",
        &[&personal, &release().display().to_string()],
    );
    for (words, part) in [
        (["-d", "rwa", "--collections", DEFAULTS], "did you mean `raw`?"),
        (["-d", "raw", "--collections", "QbbCam/default"], "QbbCam/defaults"),
        (["-d", "raw", "--where", "detecter = 1"], "detector"),
    ] {
        let message = qbb_fails(3, &[&["reference", &personal], &words[..]].concat());
        assert!(message.contains(part), "`{part}` is not in:\n{message}");
    }
    let nothing = json(&["reference", &personal, "-d", "nothing*", "--collections", DEFAULTS]);
    assert_eq!(inserted(&nothing, "datasets_inserted"), 0);
}

/// Killed at any moment everything is there or nothing, and another call brings the rest.
#[test]
fn a_killed_reference_is_completed_by_the_next() {
    let scratch = Scratch::new();
    let personal = created(&scratch, "personal");
    let reference = ["reference", &personal, "--collections", DEFAULTS];
    let total: u64 = json(&[&reference[..], &["--dry-run"]].concat())["dataset_types"]
        .as_array()
        .unwrap()
        .iter()
        .map(|count| count["datasets"].as_u64().unwrap())
        .sum();
    let mut brought = 0;
    for delay in [10, 30, 50, 70, 90, 120] {
        let mut killed = command().args(reference).stdout(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(delay));
        killed.kill().unwrap();
        killed.wait().unwrap();
    }
    brought += inserted(&json(&reference), "datasets_inserted");
    assert!(brought == 0 || brought == total, "{brought} of {total}");
    script("check_repository.py", &[&personal]);
}

/// What changed on either side is told, and whether it matters.
#[test]
fn a_repository_that_does_not_fit_any_more_is_found_out() {
    let scratch = Scratch::new();
    let personal = created(&scratch, "personal");
    qbb(&["reference", &personal, "-d", "visit_image", "--collections", RELEASED]);
    let database = format!("{personal}/gen3.sqlite3");
    let change = |sql: &str| {
        script("run_sql.py", &[&database, sql]);
    };
    let findings = |code: i32| {
        let mut check = command();
        check.args(["migrate-check", &personal, "--format", "json"]);
        let output = check.output().unwrap();
        assert_eq!(output.status.code(), Some(code));
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        report["findings"].as_array().unwrap().clone()
    };
    assert!(findings(0).is_empty());
    // Another version with the same elements is the same tables.
    change(
        "UPDATE butler_attributes SET value = json_set(value, '$.version', 1000) \
         WHERE name LIKE 'config:dimensions%'",
    );
    let found = findings(0);
    assert_eq!((&found[0]["what"], &found[0]["matters"]), (&"universe".into(), &false.into()));
    change(
        "UPDATE butler_attributes SET value = '6.0.1' WHERE name LIKE 'version:%StaticDimension%'",
    );
    let found = findings(0);
    assert!(found.iter().any(|f| f["what"] == "schema" && f["matters"] == false), "{found:?}");
    change("UPDATE instrument SET detector_max = 7");
    change("UPDATE dataset_type SET storage_class = 'Other' WHERE name = 'visit_image'");
    let found = findings(1);
    let of = |what: &str| found.iter().find(|finding| finding["what"] == what).unwrap();
    assert_eq!(of("dimension record")["name"], "instrument (detector_max)");
    assert!(of("dataset type")["personal"].as_str().unwrap().contains("Other"));
    change("UPDATE butler_attributes SET value = '9.0.0' WHERE name LIKE 'version:%datasets%'");
    let found = findings(1);
    assert!(found.iter().any(|f| f["name"] == "reading" || f["name"] == "writing"), "{found:?}");
}

/// From SQLite into PostgreSQL and on.
#[test]
fn any_database_goes_into_any_other() {
    let scratch = Scratch::new();
    let from = release().display().to_string();
    let (server, file) = (scratch.path("server"), created(&scratch, "file"));
    let database = ["--db", &postgres().url, "--schema", "referencing"];
    qbb(&[&["create", &server, "--from", &from], &database[..]].concat());
    let report = json(&["reference", &server, "--collections", DEFAULTS]);
    script("check_repository.py", &[&server]);
    real_butler(SAME_COLLECTIONS, &[&server, &from, DEFAULTS]);
    let transfer = ["transfer-datasets", &server, &file, "--register-dataset-types"];
    let collections = ["--with-collections", "--collections", DEFAULTS];
    let back = json(&[&transfer[..], &collections].concat());
    for what in ["datasets_inserted", "records_inserted", "associations_inserted"] {
        assert_eq!(inserted(&back, what), inserted(&report, what), "{what}");
    }
    real_butler(SAME_COLLECTIONS, &[&file, &from, DEFAULTS]);
    assert!(script_output("compare_schema.py", &[&file]).status.success());
}
