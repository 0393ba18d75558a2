//! Ctrl-C, once and twice, and what is left behind.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use libc::{SIGINT, kill};

use crate::kit::{Scratch, command, json, qbb, qbb_fails, release};
use crate::sizes::sizes;

/// Each quantum notes that it was begun, takes as long as the environment says, and writes a file.
const SIZE: &str = r#"
echo begun >> "$COUNTERS/$4"; echo half > "$2"; sleep "$PACE"; echo "bytes: $(wc -c < "$1")" > "$2"
"#;

/// A submit directory whose quanta are counted.
struct Slow {
    scratch: Scratch,
    submit: String,
    personal: String,
}

impl Slow {
    fn new() -> Self {
        let scratch = Scratch::new();
        let (pipeline, personal, submit) =
            (scratch.path("pipeline.yaml"), scratch.path("personal"), scratch.path("submit"));
        let repository = release().display().to_string();
        fs_err::write(&pipeline, sizes(SIZE)).unwrap();
        fs_err::create_dir(scratch.path("counters")).unwrap();
        qbb(&["create", &personal, "--from", &repository]);
        let mut prepare =
            vec!["prepare", "-b", &repository, "-p", &pipeline, "-i", "QbbCam/defaults"];
        prepare.extend(["-d", "instrument = 'QbbCam' AND detector IN (0..1)"]);
        prepare.extend(["-o", "u/me/sizes", "--output-run", "u/me/sizes/run1"]);
        prepare.extend(["--personal", &personal, "--submit-dir", &submit]);
        qbb(&prepare);
        Self { scratch, submit, personal }
    }

    fn start(&self, pace: &str) -> Child {
        let mut run = command();
        run.args(["run", &self.submit, "-j", "2"]).env_remove("QBB_PYTHON");
        run.env("PACE", pace).env("COUNTERS", self.scratch.path("counters"));
        run.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// How often quanta were begun, all together.
    fn begun(&self) -> usize {
        let counters = fs_err::read_dir(self.scratch.path("counters")).unwrap();
        counters
            .map(|file| fs_err::read_to_string(file.unwrap().path()).unwrap().lines().count())
            .sum()
    }

    fn wait_for(&self, begun: usize) {
        let begin = Instant::now();
        while self.begun() < begun {
            assert!(begin.elapsed() < Duration::from_secs(120), "nothing begins");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn number(&self, key: &str) -> usize {
        json(&["status", &self.submit])[key].as_u64().unwrap() as usize
    }

    /// Finishes the work.
    fn finish(&self) {
        assert_eq!(self.start("0").wait().unwrap().code(), Some(0));
        assert_eq!(self.number("succeeded"), self.number("quanta"));
    }
}

fn interrupt(run: &Child) {
    let pid = i32::try_from(run.id()).unwrap();
    // SAFETY: it is a child of this process that was not waited for, so the number is its own.
    assert_eq!(unsafe { kill(pid, SIGINT) }, 0);
}

#[test]
fn interrupted_once_a_run_finishes_what_it_has_begun() {
    let slow = Slow::new();
    let mut run = slow.start("0.4");
    slow.wait_for(3);
    interrupt(&run);
    assert_eq!(run.wait().unwrap().code(), Some(130));
    let begun = slow.begun();
    assert!(begun < slow.number("quanta"), "it was interrupted too late to tell anything");
    assert_eq!((slow.number("succeeded"), slow.number("in_flight")), (begun, 0));
    assert_eq!(json(&["clean", &slow.submit])["leftovers"].as_array().unwrap().len(), 0);
    slow.finish();
    assert_eq!(slow.begun(), slow.number("quanta"), "nothing was done twice");
}

#[test]
fn interrupted_twice_a_run_ends_at_once() {
    let slow = Slow::new();
    let mut run = slow.start("60");
    slow.wait_for(2);
    interrupt(&run);
    std::thread::sleep(Duration::from_millis(200));
    assert!(run.try_wait().unwrap().is_none(), "it finishes what it has begun");
    let begin = Instant::now();
    interrupt(&run);
    assert_eq!(run.wait().unwrap().code(), Some(130));
    assert!(begin.elapsed() < Duration::from_secs(40), "programs were not waited for");
    assert_eq!(slow.number("succeeded"), 0);
    assert_eq!(json(&["clean", &slow.submit])["leftovers"].as_array().unwrap().len(), 0);
    slow.finish();
    assert_eq!(slow.begun(), slow.number("quanta") + 2, "only what was in flight");
}

#[test]
fn what_a_killed_run_leaves_is_listed_and_removed() {
    let slow = Slow::new();
    let mut run = slow.start("60");
    slow.wait_for(2);
    let refused = qbb_fails(3, &["clean", &slow.submit]);
    assert!(refused.contains("is executing this graph now"), "{refused}");
    qbb_fails(3, &["clean", &slow.submit, "--yes"]);
    run.kill().unwrap();
    run.wait().unwrap();

    // What is not ours, or of another graph.
    let foreign = format!("{}/.qbb-another.tmp", slow.personal);
    fs_err::create_dir(&foreign).unwrap();
    let (mine, twin) = (format!("{foreign}/mine"), format!("{}/.qbb-notes.txt", slow.personal));
    fs_err::write(&mine, "mine").unwrap();
    fs_err::write(&twin, "mine, too").unwrap();

    let listed = json(&["clean", &slow.submit]);
    let leftovers = listed["leftovers"].as_array().unwrap();
    assert_eq!((leftovers.len(), &listed["removed"]), (2, &false.into()), "{listed}");
    for leftover in leftovers {
        assert_eq!(leftover["kind"], "program folder");
        assert_eq!(leftover["bytes"], "half\n".len(), "{leftover}");
        assert!(fs_err::metadata(leftover["path"].as_str().unwrap()).is_ok(), "a dry run");
    }
    let removed = json(&["clean", &slow.submit, "--yes"]);
    assert_eq!(removed["leftovers"], listed["leftovers"]);
    assert!(leftovers.iter().all(|l| fs_err::metadata(l["path"].as_str().unwrap()).is_err()));
    assert!(qbb(&["clean", &slow.submit]).contains("nothing is left over"));
    assert_eq!(slow.number("runs"), 1, "cleaning is no run");

    slow.finish();
    let all = || {
        let mut paths = Vec::new();
        let mut folders = vec![std::path::PathBuf::from(&slow.personal)];
        while let Some(folder) = folders.pop() {
            for entry in fs_err::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { folders.push(path) } else { paths.push(path) }
            }
        }
        paths.sort();
        paths
    };
    let before = all();
    qbb(&["clean", &slow.submit, "--yes", "--logs"]);
    assert_eq!(all(), before, "no result is left over, and nothing of others");
    assert!(fs_err::metadata(mine).is_ok() && fs_err::metadata(twin).is_ok());
}
