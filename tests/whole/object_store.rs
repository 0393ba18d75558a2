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
    for milliseconds in [100, 250] {
        let mut killed = command();
        killed.args(transfer).envs(settings()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut killed = killed.spawn().unwrap();
        std::thread::sleep(Duration::from_millis(milliseconds));
        let _ = killed.kill();
        killed.wait().unwrap();
    }
    let done = json(&transfer);
    let files = agreed(&personal);
    assert_eq!(done["outputs"].as_u64().unwrap() + done["inputs"].as_u64().unwrap(), files);
    let again = json(&transfer);
    for nothing in ["datasets_inserted", "files_brought", "files_placed"] {
        assert_eq!(again[nothing], 0, "{again}");
    }
    let mut check = Command::new(python());
    check.arg(kit().join("check_repository.py")).arg(&personal);
    check.args(["--graph", &graph, "--expect-all", "--inputs", "--true-sizes"]);
    succeeded("check_repository.py", check.envs(settings()).output().unwrap());

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
    let mut check = Command::new(python());
    check.arg(kit().join("check_artifacts.py")).args([&personal, &made]);
    check.args(["--qbb", env!("CARGO_BIN_EXE_qbb"), "--root", &root("archives")]).envs(settings());
    succeeded("check_artifacts.py", check.output().unwrap());

    let folder = scratch.path("out");
    let retrieve = ["retrieve-artifacts", &personal, &folder, "-d", "raw", "--transfer"];
    let linked = output(&[&retrieve[..], &["symlink"]].concat());
    let message = String::from_utf8(linked.stderr).unwrap();
    assert!(message.contains("nothing can be linked"), "{message}");
    let brought = json(&[&retrieve[..], &["auto"]].concat());
    // What is there is the same by its checksum, and what differs stays.
    assert_eq!(json(&[&retrieve[..], &["auto"]].concat())["files"], brought["files"]);
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
