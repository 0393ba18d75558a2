//! Collections, removal and verification mean what they mean for the real `butler`.

use rusqlite::Connection;
use serde_json::Value;

use crate::kit::{
    Scratch, command, copy_tree, postgres, qbb, qbb_fails, real_butler, release, script,
};

/// Wider with `QBB_SEQUENCES=20 QBB_STEPS=200`, for as long as that takes.
fn sequences_agree(seed: u32, sequences: u32, options: &[&str]) {
    let setting = |name: &str| std::env::var(name).ok();
    let wider = setting("QBB_SEQUENCES").is_some() || setting("QBB_STEPS").is_some();
    let sequences = setting("QBB_SEQUENCES").unwrap_or_else(|| sequences.to_string());
    let steps = setting("QBB_STEPS").unwrap_or_else(|| "40".to_owned());
    let seed = setting("QBB_SEED").unwrap_or_else(|| seed.to_string());
    let seconds = if wider { "1e9" } else { "15" };
    let verdict = script(
        "agree_collections.py",
        &[
            &["--qbb", env!("CARGO_BIN_EXE_qbb"), "--seed", &seed][..],
            &["--sequences", &sequences, "--steps", &steps, "--seconds", seconds],
            options,
        ]
        .concat(),
    );
    assert!(verdict.trim_end().ends_with("sequences agree"), "{verdict}");
}

#[test]
fn random_sequences_agree() {
    sequences_agree(0, 2, &[]);
}

#[test]
fn random_sequences_agree_in_postgresql() {
    sequences_agree(100, 1, &["--database", &postgres().url]);
}

/// A repository with files of all sorts, and the folder of those that are not its own.
fn small_repository(scratch: &Scratch) -> String {
    let (root, elsewhere) = (scratch.path("repository"), scratch.path("elsewhere"));
    real_butler(
        &format!(
            "from pathlib import Path\nfrom repository_twins import make_repository\n\
         make_repository(Path('{root}'), Path('{elsewhere}'))"
        ),
        &[],
    );
    root
}

/// Counts of findings, and the exit code.
fn verify(root: &str, options: &[&str]) -> (i32, Value) {
    let arguments = [&["verify", root, "--format", "json"], options].concat();
    let output = command().args(&arguments).output().unwrap();
    let value = serde_json::from_slice(&output.stdout).expect("verify prints JSON");
    (output.status.code().unwrap(), value)
}

fn database(root: &str) -> Connection {
    Connection::open(format!("{root}/gen3.sqlite3")).unwrap()
}

#[test]
fn what_disagrees_is_found_and_what_is_safe_is_repaired() {
    let scratch = Scratch::new();
    let root = small_repository(&scratch);
    let (code, sound) = verify(&root, &[]);
    assert_eq!((code, &sound["counts"]), (0, &serde_json::json!({})), "{sound}");
    assert_eq!(sound["referenced"], 1);

    let database = database(&root);
    let path = |number: u32| -> String {
        let own = "SELECT path FROM file_datastore_records WHERE path LIKE 'r/one/image%' \
                   ORDER BY path LIMIT 1 OFFSET ?";
        database.query_row(own, [number], |row| row.get(0)).unwrap()
    };
    let file = |number: u32| format!("{root}/{}", path(number));
    fs_err::remove_file(file(0)).unwrap();
    fs_err::write(file(1), "longer than it was, by far, and so of another size").unwrap();
    fs_err::write(format!("{root}/r/one/orphan.json"), "{}").unwrap();
    fs_err::write(format!("{root}/r/one/.qbb-00-1.tmp"), "unfinished").unwrap();
    let flats = "(SELECT dataset_id FROM file_datastore_records WHERE path LIKE 'r/one/flat%' \
                 ORDER BY path";
    let dark = "(SELECT dataset_id FROM file_datastore_records WHERE path LIKE 'r/one/dark%' \
                ORDER BY path LIMIT 1)";
    let twin = dark.replace("LIMIT 1", "LIMIT 1 OFFSET 1");
    for statement in [
        format!(
            "UPDATE file_datastore_records SET file_size = -1, checksum = NULL \
             WHERE dataset_id IN {flats} LIMIT 2)"
        ),
        format!("DELETE FROM dataset_location WHERE dataset_id IN {flats} LIMIT 1)"),
        format!(
            "INSERT INTO dataset_location_trash (dataset_id, datastore_name) \
             SELECT dataset_id, datastore_name FROM dataset_location WHERE dataset_id IN {dark}"
        ),
        format!("DELETE FROM dataset_location WHERE dataset_id IN {dark}"),
        format!("UPDATE file_datastore_records SET checksum = 'abc' WHERE dataset_id IN {twin}"),
    ] {
        assert!(database.execute(&statement, []).unwrap() > 0, "{statement}");
    }
    let (code, broken) = verify(&root, &["--checksums"]);
    let expected = serde_json::json!({
        "missing-file": 1, "wrong-size": 1, "orphan": 1, "unknown-size": 2, "not-located": 1,
        "trash": 1, "wrong-checksum": 1,
    });
    assert_eq!((code, &broken["counts"]), (1, &expected), "{broken}");
    let text = command().args(["verify", &root]).output().unwrap();
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains("orphan r/one/orphan.json"), "{text}");
    assert!(text.contains("they do not agree"), "{text}");

    let (code, repaired) = verify(&root, &["--repair"]);
    let expected = serde_json::json!({ "missing-file": 1, "wrong-size": 1, "orphan": 1 });
    assert_eq!((code, &repaired["counts"]), (1, &expected), "{repaired}");
    for (what, number) in
        [("sizes", 2), ("locations", 1), ("trashed_datasets", 1), ("files_deleted", 1)]
    {
        assert_eq!(repaired["repaired"][what], number, "{repaired}");
    }
    assert_eq!(repaired["repaired"]["findings"].as_array().unwrap().len(), 4, "{repaired}");
}

#[test]
fn whoever_empties_the_trash_finishes_what_another_began() {
    for finisher in ["qbb", "butler"] {
        let scratch = Scratch::new();
        let root = small_repository(&scratch);
        let database = database(&root);
        let path: String = database
            .query_row(
                "SELECT path FROM file_datastore_records WHERE path LIKE 'r/one/note%'",
                [],
                |row| row.get(0),
            )
            .unwrap();
        // A folder that is not empty is in the way of deleting the file.
        let file = format!("{root}/{path}");
        fs_err::remove_file(&file).unwrap();
        fs_err::create_dir(&file).unwrap();
        fs_err::write(format!("{file}/x"), "").unwrap();
        let arguments = ["collections", "remove-runs", &root, "r/one", "--yes", "--force"];
        qbb(&[&arguments[..], &["--dry-run"]].concat());
        let output = command().args(arguments).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(4), "{text}");
        assert!(text.contains("stays in the trash"), "{text}");
        let left = |table: &str| -> u32 {
            database.query_row(&format!("SELECT count(*) FROM {table}"), [], |r| r.get(0)).unwrap()
        };
        assert_eq!(left("dataset_location_trash"), 1);

        fs_err::remove_dir_all(&file).unwrap();
        fs_err::write(&file, "{}").unwrap();
        let (code, found) = verify(&root, &[]);
        assert_eq!((code, &found["counts"]), (1, &serde_json::json!({ "trash": 1 })), "{found}");
        match finisher {
            "qbb" => {
                assert_eq!(verify(&root, &["--repair"]).0, 0);
            }
            _ => {
                real_butler(
                    &format!(
                        "from lsst.daf.butler import Butler\n\
                     Butler.from_config('{root}', writeable=True)._datastore.emptyTrash()"
                    ),
                    &[],
                );
            }
        }
        assert_eq!(left("dataset_location_trash"), 0, "{finisher}");
        assert_eq!(verify(&root, &[]).0, 0, "{finisher}");
        assert!(!std::path::Path::new(&file).exists(), "{finisher}");
    }
}

#[test]
fn shared_and_referenced_files_stay() {
    let scratch = Scratch::new();
    let root = small_repository(&scratch);
    let prune = |condition: &str, datasets: &str| {
        let arguments = ["collections", "prune", &root, "--purge", "r/two", "--yes"];
        let more = ["--datasets", datasets, "--where", condition];
        qbb(&[&arguments[..], &more].concat())
    };
    let text = prune("detector = 1 AND instrument = 'Cam'", "image");
    assert!(text.contains("1 stay because they are referenced"), "{text}");
    assert!(std::path::Path::new(&scratch.path("elsewhere/referenced.json")).exists());
    let text = prune("detector = 2 AND instrument = 'Cam'", "*");
    // A file of two datasets, and an archive of three.
    assert!(text.contains("0 files deleted; 2 stay because other datasets"), "{text}");
    assert_eq!(verify(&root, &[]).0, 0);
    let text = prune("instrument = 'Cam'", "*");
    assert!(text.contains("2 files deleted"), "{text}");
    assert_eq!(verify(&root, &[]).0, 0);
    let text = prune("instrument = 'Cam'", "*");
    assert!(text.contains("there are no such datasets"), "{text}");
}

#[test]
fn mistakes_change_nothing() {
    let scratch = Scratch::new();
    let root = scratch.path("release");
    copy_tree(release(), &root);
    let before = fs_err::read(format!("{root}/gen3.sqlite3")).unwrap();
    for (words, message) in [
        ("chain REPO QbbCam/default x --mode remove", "did you mean `QbbCam/defaults`"),
        ("chain REPO new skymap", "did you mean `skymaps`"),
        ("chain REPO QbbCam/calib QbbCam/defaults --mode extend", "form a cycle"),
        ("chain REPO skymaps QbbCam/defaults", "is RUN"),
        ("chain REPO QbbCam/defaults 9 --mode pop", "children, counted from 0"),
        ("remove-runs REPO skymaps --yes", "in the chain"),
        ("certify REPO skymaps new nothing", "unknown dataset type"),
        ("prune REPO --purge QbbCam/defaults", "is CHAINED"),
        ("associate REPO skymaps -d skyMap --collections skymaps", "skymaps"),
    ] {
        let words: Vec<&str> = words
            .split(' ')
            .map(|word| if word == "REPO" { root.as_str() } else { word })
            .collect();
        let said = qbb_fails(3, &[&["collections"], words.as_slice()].concat());
        assert!(said.contains(message), "{words:?}: {said}");
        assert_eq!(fs_err::read(format!("{root}/gen3.sqlite3")).unwrap(), before, "{words:?}");
    }
    let plan = qbb(&["collections", "remove-runs", &root, "*"]);
    assert!(plan.contains("could be removed"), "{plan}");
    let plan = qbb(&["collections", "prune", &root, "skymaps", "--unstore"]);
    assert!(plan.contains("do it with --yes"), "{plan}");
    assert_eq!(fs_err::read(format!("{root}/gen3.sqlite3")).unwrap(), before);
}
