//! Metadata, logs and configurations that a transfer moves into the provenance graph of the run: from
//! packs, and with `kill -9` at any moment.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::faults::{agrees, number};
use crate::kit::{
    Prepared, Scratch, command, copy_tree, json, middleware, qbb, qbb_fails, release, script,
    succeeded,
};

/// A submit directory in whose run much has failed.
struct Troubled {
    scratch: Scratch,
    personal: String,
    submit: String,
    /// Its RUN.
    name: &'static str,
}

impl Troubled {
    fn new() -> Self {
        let scratch = Scratch::new();
        let repository = release().display().to_string();
        let Prepared { personal, submit } = Prepared::new(&scratch, "me", &repository, "failing");
        Self { scratch, personal, submit, name: Prepared::RUN }
    }

    /// Executes what has not succeeded; what KIT_HEALED describes succeeds this time.
    fn run(&self, healed: &str, options: &[&str]) {
        let mut command = command();
        command.args(["run", &self.submit, "-j", "2"]).args(options).env("KIT_HEALED", healed);
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
    }

    fn transfer(&self, options: &[&str]) -> serde_json::Value {
        json(&[&["transfer", &self.submit, "--inputs"], options].concat())
    }

    /// Metadata, logs and configurations as the Butler reads them.
    fn dump(&self, options: &[&str]) -> String {
        let file = self.scratch.path("dump.json");
        let arguments = [&[&*self.personal, self.name, &file], options].concat();
        script("dump_products.py", &arguments);
        fs_err::read_to_string(file).unwrap()
    }

    /// Files of the run whose names end so.
    fn files(&self, end: &str) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut folders = vec![PathBuf::from(format!("{}/{}", self.personal, self.name))];
        while let Some(folder) = folders.pop() {
            for entry in fs_err::read_dir(folder).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.to_string_lossy().ends_with(end) {
                    found.push(path);
                }
            }
        }
        found
    }

    /// Files of metadata and logs, which are JSON with the type in the names of their folders.
    fn originals(&self) -> usize {
        let is_original = |path: &PathBuf| {
            let path = path.to_string_lossy();
            path.contains("_metadata/") || path.contains("_log/")
        };
        self.files(".json").into_iter().filter(is_original).count()
    }

    /// The provenance graph in its place.
    fn provenance(&self) -> Option<PathBuf> {
        let mut graphs = self.files(".qg");
        graphs.retain(|path| !is_unfinished(path));
        assert!(graphs.len() <= 1, "{graphs:?}");
        graphs.into_iter().next()
    }

    /// Files that are being written, or were when a transfer was killed.
    fn unfinished(&self) -> Vec<PathBuf> {
        let mut files = self.files("");
        files.retain(|path| is_unfinished(path));
        files
    }

    /// What is recorded is there, with the size that is recorded if one is.
    fn assert_agreement(&self) {
        let registry = Connection::open(format!("{}/gen3.sqlite3", self.personal)).unwrap();
        let mut files = registry
            .prepare("SELECT path, file_size FROM file_datastore_records WHERE path LIKE 'u/%'")
            .unwrap();
        let mut rows = files.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let (path, size): (String, i64) = (row.get(0).unwrap(), row.get(1).unwrap());
            let found = fs_err::metadata(format!("{}/{path}", self.personal)).unwrap().len();
            assert!(size == -1 || size as u64 == found, "{path}: {size} recorded, {found} found");
        }
    }
}

fn is_unfinished(path: &Path) -> bool {
    path.to_string_lossy().contains("/.qbb-")
}

/// Of a packed run, provenance is written from the packs, and what a transfer keeps in the datastore
/// is the same file; nothing is unpacked for it.
#[test]
fn packed_products_go_from_packs_to_the_provenance_graph() {
    let run = Troubled::new();
    run.run("", &["--pack"]);
    run.run("exposure=2025062000003&detector=3", &["--pack"]);
    let written = run.scratch.path("written.qg");
    let report = json(&["provenance", &run.submit, "-o", &written]);
    assert_eq!(report["missing"], 0, "{report}");
    let isr = &json(&["graph", "show", &written])["tasks"][0];
    assert!(isr["attempts"].as_u64() > isr["quanta"].as_u64(), "{isr}");
    assert_eq!(run.originals(), 0);

    let transferred = run.transfer(&["--provenance"]);
    assert_eq!((&transferred["unpacked"], run.originals()), (&0.into(), 0), "{transferred}");
    let kept = run.provenance().unwrap();
    assert!(fs_err::read(&written).unwrap() == fs_err::read(&kept).unwrap());
    let dump = run.dump(&["--in-provenance"]);
    assert!(dump.contains("RuntimeError"));
    script("check_repository.py", &[&run.personal, "--true-sizes"]);
    let report = middleware("butler", &["provenance-report", &run.personal, Prepared::RUN]);
    assert!(succeeded("butler provenance-report", report).contains("RuntimeError"));

    let again = run.transfer(&[]);
    assert_eq!(again["datasets_inserted"], 0, "{again}");
    assert!(fs_err::read(&written).unwrap() == fs_err::read(&kept).unwrap());
    run.assert_agreement();
}

/// A moment at which a transfer is killed: what is seen then in the repository.
type Moment = (&'static str, fn(&Troubled, &Before) -> bool);

/// The repository before a transfer.
struct Before {
    originals: usize,
    provenance: Option<(u64, u64)>,
}

impl Before {
    fn of(run: &Troubled) -> Self {
        Self { originals: run.originals(), provenance: identity(run) }
    }
}

fn identity(run: &Troubled) -> Option<(u64, u64)> {
    let metadata = fs_err::metadata(run.provenance()?).ok()?;
    Some((metadata.ino(), metadata.len()))
}

const MOMENTS: [Moment; 4] = [
    ("while the provenance graph is written", |run, _| !run.unfinished().is_empty()),
    ("when it is in its place", |run, before| identity(run) != before.provenance),
    ("while the registry is written", |run, before| {
        identity(run) != before.provenance
            && Path::new(&format!("{}/gen3.sqlite3-journal", run.personal)).exists()
    }),
    ("when the first original is removed", |run, before| run.originals() < before.originals),
];

/// Kills a process at a moment; false if it ended before.
fn kill_at(child: &mut Child, mut moment: impl FnMut() -> bool) -> bool {
    let begun = Instant::now();
    while !moment() {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        assert!(begun.elapsed() < Duration::from_secs(120), "it neither ends nor goes on");
    }
    let _ = child.kill();
    !child.wait().unwrap().success()
}

/// Kills a transfer at each moment, from the same state each time, has it go on, and returns how many
/// were met.
fn kill_transfers(run: &Troubled, check: impl Fn(&str)) -> usize {
    let saved = run.scratch.path("saved");
    copy_tree(Path::new(&run.personal), &saved);
    let mut met = 0;
    for (what, is_now) in MOMENTS {
        let before = Before::of(run);
        let mut command = command();
        command.args(["transfer", &run.submit, "--inputs", "--provenance", "--quiet"]);
        let mut child = command.stdout(std::process::Stdio::null()).spawn().unwrap();
        met += usize::from(kill_at(&mut child, || is_now(run, &before)));
        run.assert_agreement();
        check(what);
        run.transfer(&["--provenance"]);
        run.assert_agreement();
        assert_eq!(run.originals(), 0, "{what}");
        assert_eq!(run.unfinished().len(), 0, "{what}");
        fs_err::remove_dir_all(&run.personal).unwrap();
        copy_tree(Path::new(&saved), &run.personal);
    }
    fs_err::remove_dir_all(saved).unwrap();
    met
}

/// Transfers of one run that would write the same provenance graph wait for each other, and so do
/// those that only register files; each one lands.
fn transfers_at_the_same_time_land(run: &Troubled) {
    let rounds = number("QBB_TEST_RIVALS", 1);
    let mut arguments = vec![&*run.submit, &run.submit, &run.personal, "--rounds", &rounds];
    arguments.extend(["--run", Prepared::RUN, "--other-run", Prepared::RUN, "--provenance"]);
    agrees("rival_changes.py", &arguments, "rounds end as one after the other");
}

/// A run whose metadata and logs are in its provenance graph gets a further name: what is there goes
/// over into the provenance graph of that name.
fn moved_products_get_another_name(run: &mut Troubled) {
    const NAME: &str = "u/me/renamed";
    // UUIDs are others.
    let products = |run: &Troubled| {
        let text = run.dump(&["--in-provenance"]);
        let products: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(&text).unwrap();
        let named = |(key, value): (String, _)| (key.rsplit_once(' ').unwrap().0.to_owned(), value);
        products.into_iter().map(named).collect::<serde_json::Map<_, _>>()
    };
    let before = products(run);
    let renamed = ["transfer", &run.submit, "--output-run", NAME];
    let refused = qbb_fails(3, &renamed);
    assert!(refused.contains("give --provenance, too"), "{refused}");
    let renamed = [&renamed[..], &["--provenance"]].concat();
    json(&renamed);
    assert_eq!(json(&renamed)["datasets_inserted"], 0);
    qbb(&["collections", "remove-runs", &run.personal, Prepared::RUN, "--force", "--yes"]);
    run.name = NAME;
    assert!(products(run) == before, "products differ");
    let report = middleware("butler", &["provenance-report", &run.personal, NAME]);
    assert!(succeeded("butler provenance-report", report).contains("RuntimeError"));
}

/// A transfer into the provenance graph, and one that replaces it by a later one, may be killed at any
/// moment: what the registry tells is there then, the Butler reads what it read before, and the next
/// transfer completes it. Nor does another one harm that comes at the same time.
#[test]
fn killed_at_any_moment_artifact_and_registry_agree() {
    let mut run = Troubled::new();
    run.run("", &[]);
    transfers_at_the_same_time_land(&run);
    assert!(kill_transfers(&run, |_| {}) > 0);
    run.transfer(&["--provenance"]);
    let before = run.dump(&["--in-provenance"]);

    run.run("exposure=2025062000003&detector=3", &[]);
    let met = kill_transfers(&run, |what| {
        if what == "when it is in its place" {
            // Files whose size is not known are read, too.
            let report = middleware("butler", &["provenance-report", &run.personal, Prepared::RUN]);
            succeeded("butler provenance-report", report);
            let [now, before] = [&run.dump(&[]), &before]
                .map(|text| serde_json::from_str::<serde_json::Map<_, _>>(text).unwrap());
            // The log of what was tried again is that of the last attempt.
            for (key, value) in before.iter().filter(|(key, _)| !key.contains("_log ")) {
                assert_eq!(now.get(key), Some(value), "{key}");
            }
        }
    });
    assert!(met > 0);
    run.transfer(&[]);
    moved_products_get_another_name(&mut run);
    script("check_repository.py", &[&run.personal, "--true-sizes"]);
}
