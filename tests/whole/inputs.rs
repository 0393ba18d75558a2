//! Inputs that come into the personal repository with the outputs.

use std::os::unix::fs::MetadataExt as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::kit::{Prepared, Scratch, command, copy_tree, json, qbb, release, script};

/// A run over a release of its own, and the personal registry before any transfer.
struct Run {
    _scratch: Scratch,
    release: String,
    personal: String,
    submit: String,
    graph: String,
    saved: String,
}

impl Run {
    fn new() -> Self {
        let scratch = Scratch::new();
        let [release, graph, saved] =
            ["release", "graph.qg", "saved.sqlite3"].map(|name| scratch.path(name));
        copy_tree(crate::kit::release(), &release);
        let Prepared { personal, submit } = Prepared::new(&scratch, "me", &release, "parts");
        qbb(&["run", &submit, "-j", "2"]);
        qbb(&["graph", "convert", &submit, &graph]);
        fs_err::copy(format!("{personal}/gen3.sqlite3"), &saved).unwrap();
        Self { _scratch: scratch, release, personal, submit, graph, saved }
    }

    /// Undoes all transfers.
    fn restore(&self) {
        fs_err::copy(&self.saved, format!("{}/gen3.sqlite3", self.personal)).unwrap();
        for entry in fs_err::read_dir(&self.personal).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() && entry.file_name() != "u" {
                fs_err::remove_dir_all(entry.path()).unwrap();
            }
        }
    }

    fn transfer(&self, how: &str) -> serde_json::Value {
        json(&["transfer", &self.submit, "--inputs", how])
    }

    fn check(&self) {
        let with_inputs = ["--graph", &self.graph, "--expect-all", "--inputs", "--true-sizes"];
        script("check_repository.py", &[&[self.personal.as_str()], &with_inputs[..]].concat());
    }

    /// Files of inputs in the personal repository: links to others, further names, all.
    fn files(&self) -> [usize; 3] {
        let mut counts = [0; 3];
        let mut folders = vec![std::path::PathBuf::from(&self.personal)];
        while let Some(folder) = folders.pop() {
            for entry in fs_err::read_dir(folder).unwrap().map(Result::unwrap) {
                let (path, kind) = (entry.path(), entry.file_type().unwrap());
                if kind.is_dir() && entry.file_name() != "u" {
                    folders.push(path);
                } else if !kind.is_dir() && path.parent().unwrap() != self.personal.as_str() {
                    counts[0] += usize::from(kind.is_symlink());
                    counts[1] +=
                        usize::from(!kind.is_symlink() && entry.metadata().unwrap().nlink() > 1);
                    counts[2] += 1;
                }
            }
        }
        counts
    }
}

/// In each way all inputs are there for the real Butler, a second transfer changes nothing, and
/// what was copied or linked hard outlives the release.
#[test]
fn inputs_become_files_of_the_personal_repository() {
    let run = Run::new();
    for how in ["reference", "symlink", "hardlink", "copy"] {
        run.restore();
        let first = run.transfer(how);
        let number = |key: &str| first[key].as_u64().unwrap() as usize;
        let (inputs, placed) = (number("inputs"), number("files_placed"));
        assert!(inputs > 0 && number("inputs_missing") == 0, "{first}");
        let [links, names, all] = run.files();
        assert_eq!(all, placed, "{how}");
        assert_eq!(links, if how == "symlink" { placed } else { 0 });
        assert_eq!(names, if how == "hardlink" { placed } else { 0 });
        assert_eq!(placed > 0, how != "reference");
        if how != "reference" {
            let again = run.transfer("copy");
            assert_eq!(
                (&again["datasets_inserted"], &again["files_placed"]),
                (&0.into(), &0.into())
            );
            assert_eq!(run.files(), [links, names, all]);
        }
        if how == "copy" {
            fs_err::rename(&run.release, format!("{}-gone", run.release)).unwrap();
        }
        run.check();
    }
}

/// What is only referred to becomes a file when that is wanted.
#[test]
fn references_become_copies_and_killed_transfers_are_completed() {
    let run = Run::new();
    let referenced = run.transfer("reference");
    let copied = run.transfer("copy");
    assert_eq!(copied["datasets_inserted"], 0, "{copied}");
    assert!(copied["files_placed"].as_u64() > Some(0), "{copied}");
    fs_err::rename(&run.release, format!("{}-gone", run.release)).unwrap();
    run.check();
    fs_err::rename(format!("{}-gone", run.release), &run.release).unwrap();

    // Killed at any time, the registry has all or nothing, and every file that it names.
    for milliseconds in [2, 10, 30, 60, 90, 120, 200, 400] {
        run.restore();
        let mut transfer = command();
        transfer.args(["transfer", &run.submit, "--inputs", "copy"]);
        let mut child = transfer.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(milliseconds));
        let _ = child.kill();
        child.wait().unwrap();
        let output = Command::new("python3").args(["-c", COUNT, &run.personal]).output().unwrap();
        let counted = String::from_utf8(output.stdout).unwrap();
        assert!(counted == "0\n" || counted == "all\n", "{milliseconds} ms: {counted}");
        let completed = run.transfer("copy");
        let again = run.transfer("copy");
        assert_eq!(completed["inputs"], referenced["inputs"]);
        assert_eq!(again["datasets_inserted"], 0);
        assert_eq!(again["files_placed"], 0);
    }
    run.check();
    assert!(release().exists());
}

/// Prints whether the registry has no dataset or all that files were made for, and their files.
const COUNT: &str = "
import os, sqlite3, sys
root = sys.argv[1]
database = sqlite3.connect(root + '/gen3.sqlite3')
paths = [path for path, in database.execute('SELECT path FROM file_datastore_records')]
missing = [path for path in paths if not os.path.exists(os.path.join(root, path))]
(n,) = database.execute('SELECT count(*) FROM dataset').fetchone()
# A dataset that was taken apart has several.
(stored,) = database.execute('SELECT count(DISTINCT dataset_id) FROM file_datastore_records').fetchone()
chains = database.execute('SELECT count(*) FROM collection WHERE type = 3').fetchone()
print(missing or (0 if n == 0 else 'all' if n == stored and chains[0] else (n, stored)))
";
