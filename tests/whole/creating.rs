//! Personal repositories, made for a release with some of its records.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use crate::kit::{
    DEFAULTS, Scratch, WHERE, command, json, pipeline, postgres, qbb, qbb_fails, real_butler,
    release, script,
};

fn hidden(folder: &Path) -> Vec<String> {
    fs_err::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with('.'))
        .collect()
}

/// Records and their overlaps are those of the release, and the middleware writes beside them.
#[test]
fn records_of_instruments_and_sky_maps_are_the_releases() {
    let scratch = Scratch::new();
    let (personal, from) = (scratch.path("personal"), release().display().to_string());
    let elsewhere = scratch.path("files elsewhere");
    let create = [
        ["create", &personal, "--from", &from].as_slice(),
        &["--instrument", "Qbb*", "--skymap", "qbb_rings", "--datastore-root", &elsewhere],
    ]
    .concat();
    let created = json(&create);
    assert_eq!(created["created"], true);
    assert!(created["records_inserted"].as_u64().unwrap() > 20, "{created}");
    script("compare_schema.py", &[&personal]);
    script("check_repository.py", &[&personal]);
    real_butler(SAME_RECORDS, &[&personal, &from, &elsewhere]);

    let again = json(&create);
    assert_eq!((&again["created"], &again["records_inserted"]), (&false.into(), &0.into()));
    assert_eq!(again["records"], created["records"]);
}

/// Whoever shares a repository with a group says so by the umask, as with other files.
#[test]
fn files_of_a_new_repository_have_the_permissions_that_the_umask_leaves() {
    let scratch = Scratch::new();
    let personal = scratch.path("shared by a group");
    let create = ["create", &personal, "--from", &release().display().to_string()];
    let program = command();
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", "umask 002; exec \"$@\"", "sh"]).arg(program.get_program()).args(create);
    assert!(shell.output().unwrap().status.success());
    for name in ["", "butler.yaml", "gen3.sqlite3"] {
        let mode = fs_err::metadata(Path::new(&personal).join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o022, 0o020, "{name}: {mode:o}");
    }
}

const SAME_RECORDS: &str = "
import sys, pathlib
from lsst.daf.butler import Butler, DatasetType
mine = Butler.from_config(sys.argv[1], writeable=True, run='u/me/notes')
release = Butler.from_config(sys.argv[2])
for element in ['instrument', 'detector', 'physical_filter', 'skymap', 'tract', 'patch']:
    ours = set(mine.query_dimension_records(element, limit=None))
    theirs = set(release.query_dimension_records(element, limit=None))
    assert ours and ours == theirs, element
assert not mine.query_dimension_records('exposure', explain=False)
query = dict(where=\"skymap='qbb_rings'\", explain=False, limit=None)
pixels = lambda butler: {tuple(d.required_values) for d in butler.query_data_ids(['patch', 'htm7'], **query)}
assert pixels(mine) == pixels(release) and pixels(mine)
kind = DatasetType('note', mine.dimensions.conform(['detector']), 'StructuredDataDict')
mine.registry.registerDatasetType(kind)
ref = mine.put({'a': 1}, kind, instrument='QbbCam', detector=0)
assert pathlib.Path(mine.getURI(ref).ospath).is_relative_to(sys.argv[3]), mine.getURI(ref)
";

/// Records of chosen data IDs with all that comes with them, and calibrations by reference.
#[test]
fn data_ids_and_calibrations_come_along() {
    let scratch = Scratch::new();
    let (personal, from) = (scratch.path("personal"), release().display().to_string());
    let create = [
        ["create", &personal, "--from", &from, "--dimensions", "visit,detector"].as_slice(),
        &["--where", "instrument='QbbCam' AND visit=2025062000003 AND detector IN (0,1)"],
        &["--calibrations", "QbbCam/calib"],
    ]
    .concat();
    let created = json(&create);
    assert!(created["calibrations"]["memberships"].as_u64().unwrap() > 0, "{created}");
    script("check_repository.py", &[&personal]);
    real_butler(CHOSEN_RECORDS, &[&personal, &from]);
    let again = json(&create);
    assert_eq!((&again["created"], &again["records_inserted"]), (&false.into(), &0.into()));
    assert_eq!(again["calibrations"]["inserted"]["datasets_inserted"], 0);
    // Without dimensions they are those that the condition names.
    let same = ["--where", "instrument='QbbCam' AND visit=2025062000003 AND detector IN (0,1)"];
    let named = json(&[&create[..4], &same].concat());
    assert_eq!((&named["records_inserted"], &named["records"]), (&0.into(), &created["records"]));
    let none = scratch.path("none");
    let message =
        qbb_fails(3, &["create", &none, "--from", &from, "--calibrations", "QbbCam/kalib"]);
    assert!(message.contains("QbbCam/calib") && !Path::new(&none).exists(), "{message}");
}

const CHOSEN_RECORDS: &str = "
import sys
from lsst.daf.butler import Butler
mine, release = Butler.from_config(sys.argv[1]), Butler.from_config(sys.argv[2])
V = 2025062000003
records = lambda b, e, **k: set(b.query_dimension_records(e, limit=None, explain=False, **k))
assert {r.id for r in records(mine, 'visit')} == {V}
assert {(r.visit, r.detector) for r in records(mine, 'visit_detector_region')} == {(V, 0), (V, 1)}
exposures = {r.exposure for r in records(release, 'visit_definition') if r.visit == V}
assert exposures <= {r.id for r in records(mine, 'exposure')} and exposures
assert records(mine, 'visit_definition') == {r for r in records(release, 'visit_definition') if r.visit == V}
for kind in ('bias', 'flat', 'dark', 'camera'):
    try:
        kind = release.get_dataset_type(kind)
    except Exception:
        continue
    ranges = lambda b: sorted((a.collection, str(a.ref.id), str(a.timespan))
        for a in b.registry.queryDatasetAssociations(kind, 'QbbCam/calib', flattenChains=True))
    assert ranges(mine) == ranges(release)
";

#[test]
fn what_contradicts_a_repository_that_is_there_is_refused() {
    let scratch = Scratch::new();
    let (personal, from) = (scratch.path("personal"), release().display().to_string());
    let other = scratch.path("other");
    let refused = |words: &[&str], part: &str| {
        let code =
            if ["--", "folders", "letters"].iter().any(|word| part.contains(word)) { 2 } else { 3 };
        let message = qbb_fails(code, &[&["create", &personal, "--from", &from], words].concat());
        assert!(message.contains(part), "`{part}` is not in:\n{message}");
    };
    refused(&["--instrument", "QbbCan"], "did you mean `QbbCam`?");
    refused(&["--skymap", "x*"], "no skymap `x*`");
    refused(&["--datastore-root", "gs://bucket/x"], "only local folders");
    refused(&["--db", "postgresql://host/db"], "--schema");
    refused(&["--db", "postgresql://host/db", "--schema", "My own"], "small letters");
    refused(&["--schema", "mine"], "--db");
    assert!(!Path::new(&personal).exists() && hidden(Path::new(&scratch.path("."))).is_empty());
    qbb(&["create", &personal, "--from", &from]);
    refused(&["--datastore-root", &other], "its datastore is");
    assert!(!Path::new(&other).exists());
    qbb(&["demo", &other, "--quiet"]);
    let theirs = format!("{other}/release");
    let message = qbb_fails(3, &["create", &personal, "--from", &theirs]);
    assert!(message.contains("its release is") && message.contains(&theirs), "{message}");
}

/// Killed at any moment there is a repository or none, and another call makes it.
#[test]
fn a_killed_create_is_completed_by_the_next() {
    let scratch = Scratch::new();
    let from = release().display().to_string();
    let folder = scratch.path("folder");
    fs_err::create_dir(&folder).unwrap();
    for (i, delay) in [2, 5, 8, 12, 16, 22, 30, 45].into_iter().enumerate() {
        let personal = format!("{folder}/{i}");
        // Every second one goes into a folder that holds something.
        if i % 2 == 1 {
            fs_err::create_dir(&personal).unwrap();
            fs_err::write(format!("{personal}/note"), "").unwrap();
        }
        let create = ["create", &personal, "--from", &from, "--instrument", "*", "--skymap", "*"];
        let mut killed = command().args(create).stdout(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(delay));
        killed.kill().unwrap();
        killed.wait().unwrap();
        if Path::new(&format!("{personal}/butler.yaml")).exists() {
            assert_eq!(json(&create)["records_inserted"], 0, "half a repository was seen");
        } else {
            assert_eq!(json(&create)["created"], true);
        }
        assert!(hidden(Path::new(&folder)).is_empty() && hidden(Path::new(&personal)).is_empty());
    }
    script("check_repository.py", &[&format!("{folder}/7")]);
}

/// The same with the registry on a server; what a killed create has left there is taken.
#[test]
fn a_repository_on_a_server_is_created_whole() {
    let scratch = Scratch::new();
    let (personal, from) = (scratch.path("personal"), release().display().to_string());
    let create = [
        ["create", &personal, "--from", &from, "--db", &postgres().url].as_slice(),
        &["--schema", "created_whole", "--instrument", "QbbCam", "--skymap", "qbb_rings"],
    ]
    .concat();
    assert_eq!(json(&create)["created"], true);
    script("check_repository.py", &[&personal]);
    real_butler(SAME_RECORDS, &[&personal, &from, &personal]);
    assert_eq!(json(&create)["records_inserted"], 0);
    let other = scratch.path("other");
    let taken = [&["create", &other], &create[2..]].concat();
    assert!(qbb_fails(3, &taken).contains("exists already"));

    // Killed after the tables were made: there is no configuration yet.
    let folder = scratch.path("killed");
    let killed = [
        ["create", &folder, "--from", &from, "--db", &postgres().url].as_slice(),
        &["--schema", "left", "--instrument", "QbbCam"],
    ]
    .concat();
    qbb(&killed[..8]);
    fs_err::remove_dir_all(&folder).unwrap();
    assert_eq!(json(&killed)["created"], true);
    script("check_repository.py", &[&folder]);
}

/// No command needs to be told the release again.
#[test]
fn the_release_is_remembered() {
    let scratch = Scratch::new();
    let from = release().display().to_string();
    let (personal, submit) = (scratch.path("personal"), scratch.path("submit"));
    qbb(&["create", &personal, "--from", &from]);
    let pipeline = pipeline("data_release");
    let build = ["-p", &pipeline, "-i", DEFAULTS, "-o", "u/me/out", "-d", WHERE];
    let prepare = [&["prepare", "--personal", &personal, "--submit-dir", &submit], &build[..]];
    let prepared = json(&prepare.concat());
    let graph = scratch.path("graph.qbb");
    let built =
        json(&[&["graph", "build", "--personal", &personal, "-q", &graph], &build[..]].concat());
    assert_eq!(prepared["quanta"], built["quanta"]);
    let message = qbb_fails(2, &[&["graph", "build", "-q", &graph], &build[..]].concat());
    assert!(message.contains("--butler-config"), "{message}");
    // A repository that was made otherwise remembers none.
    let other = scratch.path("other");
    real_butler(
        "import sys; from lsst.daf.butler import Butler; Butler.makeRepo(sys.argv[1])",
        &[&other],
    );
    let graph = scratch.path("other.qbb");
    let message = qbb_fails(
        2,
        &[&["graph", "build", "--personal", &other, "-q", &graph], &build[..]].concat(),
    );
    assert!(message.contains("-b RELEASE"), "{message}");
}
