//! Personal repositories with their files in an object store. The command and the real Butler talk
//! to the same server.

use std::process::{Command, Output, Stdio};
use std::time::Duration;

use crate::kit::{
    DEFAULTS, Prepared, RELEASED, Scratch, command, kit, python, qbb, qbb_fails, release, succeeded,
};
use crate::object_server::object_server;

/// What both need to know.
fn settings() -> [(&'static str, &'static str); 3] {
    let endpoint = object_server().endpoint.as_str();
    [("S3_ENDPOINT_URL", endpoint), ("AWS_ACCESS_KEY_ID", "kit"), ("AWS_SECRET_ACCESS_KEY", "kit")]
}

fn root(prefix: &str) -> String {
    format!("s3://{}/{prefix}/", object_server().bucket)
}

fn output(arguments: &[&str]) -> Output {
    command().args(arguments).envs(settings()).output().unwrap()
}

fn json(arguments: &[&str]) -> serde_json::Value {
    let arguments = [arguments, &["--format", "json"]].concat();
    let text = succeeded(&format!("qbb {}", arguments.join(" ")), output(&arguments));
    serde_json::from_str(&text).unwrap()
}

/// Files of a repository, of which registry and datastore must agree.
fn agreed(personal: &str) -> u64 {
    let verified = json(&["verify", personal]);
    assert_eq!(verified["findings"], serde_json::json!([]), "{verified}");
    verified["files"].as_u64().unwrap()
}

/// Begins a command and kills it, for each of these numbers of milliseconds.
fn kill_after(arguments: &[&str], times: [u64; 2]) {
    for milliseconds in times {
        let mut killed = command();
        killed.args(arguments).envs(settings()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut killed = killed.spawn().unwrap();
        std::thread::sleep(Duration::from_millis(milliseconds));
        let _ = killed.kill();
        killed.wait().unwrap();
    }
}

/// What must succeed with the middleware in the environment of the server.
fn judged(program: &std::path::Path, arguments: &[&str]) -> String {
    let mut judge = Command::new(program);
    judge.args(arguments).env("PYTHONPATH", kit()).envs(settings());
    succeeded(&format!("{}", program.display()), judge.output().unwrap())
}

/// Outputs stay below the submit directory until a transfer brings them, with inputs, to the store;
/// killed, it is completed by the next; refused by the registry, it takes back what it has brought.
#[test]
fn a_run_is_transferred_into_an_object_store() {
    let scratch = Scratch::new();
    let (release, personal) = (release().display().to_string(), scratch.path("personal"));
    let [submit, graph, other] = ["submit", "graph.qg", "other"].map(|name| scratch.path(name));
    let at = root("a run/of mine");
    let create = ["create", &personal, "--from", &release, "--datastore-root", &at];
    assert_eq!(json(&create)["created"], true);
    assert_eq!(json(&create)["created"], false);
    Prepared::over(&submit, &personal, &release, "user", Prepared::RUN);
    qbb(&["run", &submit, "-j", "2"]);
    qbb(&["graph", "convert", &submit, &graph]);

    let transfer = ["transfer", &submit, "--inputs", "copy"];
    let register = ["collections", "register", &personal, Prepared::RUN, "--type", "TAGGED"];
    json(&register);
    assert!(!output(&transfer).status.success());
    assert_eq!(agreed(&personal), 0);
    json(&["collections", "remove", &personal, Prepared::RUN, "--yes"]);
    kill_after(&transfer, [100, 250]);
    let done = json(&transfer);
    let files = agreed(&personal);
    assert_eq!(done["outputs"].as_u64().unwrap() + done["inputs"].as_u64().unwrap(), files);
    let again = json(&transfer);
    for nothing in ["datasets_inserted", "files_brought", "files_placed"] {
        assert_eq!(again[nothing], 0, "{again}");
    }
    let checker = kit().join("check_repository.py").display().to_string();
    let check = [&checker, &personal, "--graph", &graph, "--expect-all", "--inputs"];
    judged(python().as_ref(), &[&check[..], &["--true-sizes"]].concat());

    // From there into a folder, by content and by reference.
    qbb(&["create", &other, "--from", &release]);
    let direct = ["transfer-datasets", &personal, &other, "--register-dataset-types"];
    json(&[&direct[..], &["--transfer", "copy", "-d", "user_*"]].concat());
    assert!(agreed(&other) > 0);
    let uri = json(&["get-uri", &personal, "packages", "--collections", Prepared::RUN]);
    assert!(uri["uri"].as_str().unwrap().starts_with("s3://"), "{uri}");

    json(&["collections", "remove-runs", &personal, Prepared::RUN, "--force", "--yes"]);
    assert_eq!(agreed(&personal), done["inputs"].as_u64().unwrap());
}

/// Outputs get names in another run; metadata and logs of the first go into its provenance graph,
/// from what was brought before, killed or not, and stay there when the files of the run are gone.
#[test]
fn runs_get_other_names_and_provenance_graphs_in_an_object_store() {
    let scratch = Scratch::new();
    let (release, personal) = (release().display().to_string(), scratch.path("personal"));
    let [submit, renamed, out] = ["submit", "renamed.qg", "out"].map(|name| scratch.path(name));
    json(&["create", &personal, "--from", &release, "--datastore-root", &root("names")]);
    Prepared::over(&submit, &personal, &release, "parts", Prepared::RUN);
    qbb(&["run", &submit, "-j", "2"]);
    qbb(&["graph", "convert", &submit, &renamed, "--output-run", "u/me/other name"]);
    let transfer = ["transfer", &submit, "--inputs", "copy"];
    let first = json(&transfer);
    let rename = [&transfer[..], &["--output-run", "u/me/other name"]].concat();
    let other = json(&rename);
    assert!(other["files_renamed"].as_u64() >= first["outputs"].as_u64(), "{other}");
    let again = json(&rename);
    assert_eq!((&again["datasets_inserted"], &again["files_renamed"]), (&0.into(), &0.into()));
    let before = agreed(&personal);

    let packing = ["transfer", &submit, "--provenance"];
    kill_after(&packing, [60, 120]);
    json(&packing);
    let after = agreed(&personal);
    assert!(after < before, "{before} files became {after}");
    let written = scratch.path("written.qg");
    json(&["provenance", &submit, "-o", &written]);
    let wanted = ["-d", "run_provenance", "--collections", Prepared::RUN, "--no-preserve-path"];
    let retrieve = [&["retrieve-artifacts", &personal, &out], &wanted[..]].concat();
    assert_eq!(json(&retrieve)["files"], 1);
    let kept = fs_err::read_dir(&out).unwrap().map(|entry| entry.unwrap().path());
    let kept = kept.filter(|file| file.extension() == Some("qg".as_ref())).collect::<Vec<_>>();
    assert!(fs_err::read(&kept[0]).unwrap() == fs_err::read(&written).unwrap());
    for gone in ["userMeasure_metadata", "userMeasure_log"] {
        fs_err::remove_dir_all(format!("{submit}/outputs/{}/{gone}", Prepared::RUN)).unwrap();
    }
    for options in [&packing[..], &packing[..2]] {
        let again = json(options);
        assert_eq!(again["datasets_inserted"], 0, "{again}");
        assert_eq!(again["provenance"]["originals_removed"], 0, "{again}");
        // It would be refused if the object had changed.
        json(&retrieve);
    }
    assert_eq!(agreed(&personal), after);
    let checker = kit().join("check_repository.py").display().to_string();
    let check = [&checker, &personal, "--graph", &renamed, "--expect-all", "--inputs"];
    judged(python().as_ref(), &[&check[..], &["--true-sizes"]].concat());
    let dumper = kit().join("dump_products.py").display().to_string();
    let dump = [&dumper, &personal, Prepared::RUN, &scratch.path("dump"), "--in-provenance"];
    judged(python().as_ref(), &dump);
}

/// Copies of a release's datasets, composites and members of archives among them, come back out of
/// the store as the middleware brings them.
#[test]
fn artifacts_are_brought_from_an_object_store_as_by_the_middleware() {
    let scratch = Scratch::new();
    let (release, personal) = (release().display().to_string(), scratch.path("personal"));
    json(&["create", &personal, "--from", &release, "--datastore-root", &root("copies")]);
    let copy = ["reference", &personal, "--how", "copy"];
    let good = ["-d", "raw,flat", "--where", "instrument = 'QbbCam' AND detector < 2"];
    let first = json(&[&copy[..], &["--collections", DEFAULTS], &good[..]].concat());
    assert!(first["files"].as_u64().unwrap() > 10, "{first}");
    let parts = [&copy[..], &["-d", "visit_parts,skyMap", "--collections", RELEASED]].concat();
    json(&parts);
    let again = json(&parts);
    assert_eq!((&again["files"], &again["inserted"]["datasets_inserted"]), (&0.into(), &0.into()));
    agreed(&personal);

    let made = scratch.path("made");
    fs_err::create_dir(&made).unwrap();
    let checker = kit().join("check_artifacts.py").display().to_string();
    let check = [&checker, &personal, &made, "--qbb", env!("CARGO_BIN_EXE_qbb")];
    judged(python().as_ref(), &[&check[..], &["--root", &root("archives")]].concat());

    let folder = scratch.path("out");
    let retrieve = ["retrieve-artifacts", &personal, &folder, "-d", "raw", "--transfer"];
    let linked = output(&[&retrieve[..], &["symlink"]].concat());
    let message = String::from_utf8(linked.stderr).unwrap();
    assert!(message.contains("nothing can be linked"), "{message}");
    let brought = json(&[&retrieve[..], &["auto"]].concat());
    // What is there is the same by its checksum, and what differs stays.
    assert_eq!(json(&[&retrieve[..], &["auto"]].concat())["files"], brought["files"]);
}

/// Objects that are gone, other ones, and ones that nobody knows are told; sizes, locations and the
/// trash are put right.
#[test]
fn objects_and_records_that_disagree_are_found_and_repaired() {
    let scratch = Scratch::new();
    let (release, personal) = (release().display().to_string(), scratch.path("personal"));
    json(&["create", &personal, "--from", &release, "--datastore-root", &root("damaged")]);
    let settings_file = format!("{personal}/butler.yaml");
    let text = fs_err::read_to_string(&settings_file).unwrap();
    let text = text.replacen("datastore:\n", "datastore:\n  checksum: true\n", 1);
    fs_err::write(&settings_file, text).unwrap();
    json(&["reference", &personal, "--how", "copy", "-d", "flat", "--collections", DEFAULTS]);
    let database = rusqlite::Connection::open(format!("{personal}/gen3.sqlite3")).unwrap();
    let path = |number: u32| -> String {
        let plain = "SELECT path FROM file_datastore_records WHERE instr(path, char(37)) = 0 \
                     ORDER BY path LIMIT 1 OFFSET ?";
        database.query_row(plain, [number], |row| row.get(0)).unwrap()
    };
    const DAMAGE: &str = "import sys\nfrom lsst.resources import ResourcePath as P\n\
        gone, longer, other, orphan = [P(sys.argv[1]).join(p) for p in sys.argv[2:]]\n\
        content = other.read()\ngone.remove()\nlonger.write(b'x' * 5000)\n\
        other.write(content[::-1])\norphan.write(b'{}')";
    let at = root("damaged");
    let damaged = [&path(0), &path(1), &path(2), "u/orphan.json"];
    judged(python().as_ref(), &[&["-c", DAMAGE, &at], &damaged[..]].concat());
    let id = |number: u32| {
        format!("(SELECT dataset_id FROM file_datastore_records WHERE path = '{}')", path(number))
    };
    for statement in [
        format!(
            "UPDATE file_datastore_records SET file_size = -1, checksum = NULL \
                 WHERE dataset_id = {}",
            id(3)
        ),
        format!(
            "INSERT INTO dataset_location_trash (dataset_id, datastore_name) \
                 SELECT dataset_id, datastore_name FROM dataset_location WHERE dataset_id = {}",
            id(5)
        ),
        format!("DELETE FROM dataset_location WHERE dataset_id IN ({}, {})", id(4), id(5)),
    ] {
        assert!(database.execute(&statement, []).unwrap() > 0, "{statement}");
    }
    let verify = |option: &str| -> serde_json::Value {
        let found = output(&["verify", &personal, option, "--format", "json"]);
        assert_eq!(found.status.code(), Some(1));
        serde_json::from_slice(&found.stdout).unwrap()
    };
    let found = verify("--checksums");
    let expected = serde_json::json!({
        "missing-file": 1, "wrong-size": 1, "wrong-checksum": 1, "orphan": 1, "unknown-size": 1,
        "not-located": 1, "trash": 1,
    });
    assert_eq!(found["counts"], expected, "{found}");
    let named = |kind: &str| {
        let mut findings = found["findings"].as_array().unwrap().iter();
        findings.find(|finding| finding["kind"] == kind).unwrap()["path"].clone()
    };
    assert_eq!((named("orphan"), named("missing-file")), ("u/orphan.json".into(), path(0).into()));
    let repaired = verify("--repair");
    let left = serde_json::json!({ "missing-file": 1, "wrong-size": 1, "orphan": 1 });
    assert_eq!(repaired["counts"], left, "{repaired}");
    for what in ["sizes", "locations", "trashed_datasets", "files_deleted"] {
        assert_eq!(repaired["repaired"][what], 1, "{what}: {repaired}");
    }
}

/// What is missing is told before anything is made.
#[test]
fn stores_that_cannot_be_used_are_refused() {
    let scratch = Scratch::new();
    let (release, personal) = (release().display().to_string(), scratch.path("personal"));
    let at = root("refused");
    let create = ["create", &personal, "--from", &release, "--datastore-root"];
    let mut without = command();
    without.args(create).arg(&at).envs(settings()).env("AWS_SECRET_ACCESS_KEY", "");
    let without = without.env("HOME", scratch.path("nobody")).output().unwrap();
    let message = String::from_utf8(without.stderr).unwrap();
    assert_eq!(without.status.code(), Some(2), "{message}");
    assert!(message.contains("AWS_SECRET_ACCESS_KEY") && message.contains(&at), "{message}");
    let bucket = output(&[&create[..], &["s3://no-such-bucket/x"]].concat());
    let message = String::from_utf8(bucket.stderr).unwrap();
    assert!(message.contains("there is no bucket `no-such-bucket`"), "{message}");
    qbb_fails(2, &[&create[..], &["gs://bucket/x"]].concat());
    assert!(!std::path::Path::new(&personal).exists());
}
