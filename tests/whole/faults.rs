//! What is left when our commands are killed, meet each other, or are failed by disks and servers.
//!
//! Moments are chosen at random, from seeds. `QBB_TEST_KILLS`, `QBB_TEST_FAULTS` and `QBB_TEST_RIVALS`
//! are how many to try of each sort, if not as many as are good for every day; 0 is all there are.

use crate::kit::{DEFAULTS, Scratch, postgres, qbb, release, script};
use crate::sizes::sizes;

pub fn number(setting: &str, usual: u32) -> String {
    std::env::var(setting).unwrap_or_else(|_| usual.to_string())
}

/// Runs a script of the kit that has our command fail.
pub fn agrees(name: &str, arguments: &[&str], verdict: &str) {
    let said = script(name, &[&["--qbb", env!("CARGO_BIN_EXE_qbb")], arguments].concat());
    assert!(said.trim_end().ends_with(verdict), "{said}");
}

/// Each command that changes collections, on a repository of the middleware.
fn killed(usual: u32, options: &[&str]) {
    let kills = number("QBB_TEST_KILLS", usual);
    let arguments = [&["--kills", kills.as_str()], options].concat();
    agrees("kill_changes.py", &arguments, "kills leave nothing in between");
}

#[test]
fn killed_changes_are_completed_by_the_next() {
    killed(2, &[]);
}

#[test]
fn killed_changes_are_completed_by_the_next_in_postgresql() {
    killed(1, &["--database", &postgres().url]);
}

/// Two runs that are done, and their repository, into which nothing was transferred.
pub struct Runs {
    _scratch: Scratch,
    pub personal: String,
    pub submit: [String; 2],
    /// Options that tell the scripts where the registry is.
    options: Vec<String>,
}

impl Runs {
    pub const NAMES: [&str; 2] = ["u/me/sizes/run1", "u/me/sizes/run2"];

    /// In a schema of [`postgres`], or in SQLite.
    fn new(schema: Option<&str>) -> Self {
        // The scripts know our connections by this name.
        let url = schema.map(|_| format!("{}?application_name=qbb-fault", postgres().url));
        let repository = release().display().to_string();
        let mut runs = Self::over(|personal| {
            let mut create = vec!["create", personal, "--from", &repository];
            if let (Some(schema), Some(url)) = (schema, &url) {
                create.extend(["--db", url, "--schema", schema]);
            }
            qbb(&create);
        });
        if let Some(schema) = schema {
            let words = ["--database", &postgres().url, "--schema", schema];
            runs.options = words.map(str::to_owned).to_vec();
        }
        runs
    }

    /// In a repository that is made by `make`.
    pub fn over(make: impl FnOnce(&str)) -> Self {
        let scratch = Scratch::new();
        let (personal, pipeline) = (scratch.path("personal"), scratch.path("pipeline.yaml"));
        let repository = release().display().to_string();
        make(&personal);
        fs_err::write(&pipeline, sizes(r#"echo "bytes: 1" > "$2""#)).unwrap();
        let submit = ["submit1", "submit2"].map(|name| scratch.path(name));
        for (submit, run) in submit.iter().zip(Self::NAMES) {
            let mut prepare = vec!["prepare", "-b", &repository, "-p", &pipeline, "-i", DEFAULTS];
            prepare.extend(["-d", "instrument = 'QbbCam' AND detector IN (0..1)"]);
            prepare.extend(["-o", "u/me/sizes", "--output-run", run]);
            prepare.extend(["--personal", &personal, "--submit-dir", submit]);
            qbb(&prepare);
            qbb(&["run", submit, "-j", "2"]);
        }
        Self { _scratch: scratch, personal, submit, options: Vec::new() }
    }

    fn transfers_fail(&self, usual: u32) {
        let (faults, port) = (number("QBB_TEST_FAULTS", usual), postgres().port.to_string());
        let mut arguments = vec![self.submit[0].as_str(), &self.personal, "--chain", "u/me/sizes"];
        arguments.extend(["--faults", &faults, "--port", &port]);
        arguments.extend(self.options.iter().map(String::as_str));
        agrees("fault_transfers.py", &arguments, "faults leave nothing in between");
    }

    fn meet(&self, usual: u32) {
        let rounds = number("QBB_TEST_RIVALS", usual);
        let [one, other] = &self.submit;
        let mut arguments = vec![one.as_str(), other, &self.personal, "--rounds", &rounds];
        arguments.extend(["--run", Self::NAMES[0], "--other-run", Self::NAMES[1]]);
        arguments.extend(self.options.iter().map(String::as_str));
        agrees("rival_changes.py", &arguments, "rounds end as one after the other");
    }
}

#[test]
fn failed_transfers_leave_nothing_and_are_completed_by_the_next() {
    Runs::new(None).transfers_fail(2);
}

#[test]
fn failed_transfers_leave_nothing_and_are_completed_by_the_next_in_postgresql() {
    Runs::new(Some("faults")).transfers_fail(1);
}

#[test]
fn commands_that_meet_end_as_one_after_the_other() {
    Runs::new(None).meet(1);
}

#[test]
fn commands_that_meet_end_as_one_after_the_other_in_postgresql() {
    Runs::new(Some("rivals")).meet(1);
}
