//! Processes that are killed at any moment, and runs that go on after it.
//!
//! The runs are processes of this test program, which executes itself. `QBB_TEST_KILLS` is how
//! often each test kills, if not as often as is good for every day.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use qbb::journal::{JournalFollower, JournalState, RunOutcome};
use qbb_executor::{QuantumContext, RunError, TaskError};
use qbb_graph::{DatasetIx, QuantumIx};
use qbb_pipeline::Runner;
use rustix::process::{Pid, Signal, kill_process};
use support::{Space, WORK, concatenate, shell};

/// Tells a process of this program to be a run, and where.
const PLACE: &str = "QBB_TEST_RUN_IN";
/// What its tasks are.
const TASKS: &str = "QBB_TEST_TASKS";

/// How often to kill.
fn kills(usual: usize) -> usize {
    std::env::var("QBB_TEST_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(usual)
}

/// A program that does what [`counted`] does; only `isr` is one.
fn program(counters: &Utf8Path) -> Runner {
    let script = "echo x >> \"$1/$(echo \"$2\" | tr -c 'a-zA-Z0-9\\n' _)\"; sleep 0.00$(($$ % 9));\
                  cat \"$3\" \"$4\" > \"$5\"";
    let quantum = "isr {data_id.exposure} {data_id.detector}";
    let files = ["{inputs.raw}", "{inputs.flat}", "{outputs.image}"];
    shell(script, &[counters.as_str(), quantum, files[0], files[1], files[2]])
}

fn space(root: Option<&Utf8Path>, tasks: &str) -> Space {
    let counters = |root: &Utf8Path| root.join("counters");
    let runner = |root: &Utf8Path, label: &str| match (tasks, label) {
        ("programs", "isr") => program(&counters(root)),
        ("sleepers", "isr") => shell("sleep 60; exit 1", &[]),
        _ => Runner::Function(WORK.to_owned()),
    };
    match root {
        Some(root) => Space::reopened(root, |label| runner(root, label)),
        None => {
            // The place is not known before it is made.
            let space = Space::new();
            fs_err::create_dir(counters(space.root())).unwrap();
            space
        }
    }
}

/// Notes that a quantum is executed, takes a moment, and does the work.
fn counted(counters: &Utf8Path, context: &mut QuantumContext<'_>) -> Result<(), TaskError> {
    let name = context.describe().replace(|c: char| !c.is_ascii_alphanumeric(), "_");
    let file = fs_err::OpenOptions::new().create(true).append(true).open(counters.join(name));
    file.and_then(|mut file| file.write_all(b"x\n")).map_err(TaskError::failed)?;
    sleep(Duration::from_micros(fastrand::u64(0..3000)));
    concatenate(context)
}

/// Not a test, but what the processes do that tests start and kill.
#[test]
fn a_run() {
    let Ok(root) = std::env::var(PLACE) else { return };
    let root = Utf8PathBuf::from(root);
    let space = space(Some(&root), &std::env::var(TASKS).unwrap());
    let counters = root.join("counters");
    let report = space.run(move |context| counted(&counters, context));
    std::process::exit(match report {
        Ok(report) if report.outcome == RunOutcome::Complete => 0,
        Ok(_) => 1,
        Err(RunError::Journal(error)) => {
            writeln!(std::io::stderr(), "{error}").unwrap();
            3
        }
        Err(error) => {
            writeln!(std::io::stderr(), "{error}").unwrap();
            4
        }
    });
}

/// Starts a run as a process.
fn start(root: &Utf8Path, tasks: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_run", "--nocapture", "--test-threads=1"])
        .env(PLACE, root)
        .env(TASKS, tasks)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// What an undisturbed run leaves.
fn undisturbed(tasks: &str) -> (BTreeMap<String, String>, Duration) {
    let space = space(None, tasks);
    let begin = Instant::now();
    let output = start(space.root(), tasks).wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    (space.products(), begin.elapsed())
}

/// What must stay true of a place, whatever happens to runs in it.
struct Witnessed<'a> {
    space: &'a Space,
    products: &'a BTreeMap<String, String>,
    /// How often quanta had been executed when they were first seen to have succeeded.
    done: BTreeMap<String, usize>,
}

impl<'a> Witnessed<'a> {
    fn new(space: &'a Space, products: &'a BTreeMap<String, String>) -> Self {
        Self { space, products, done: BTreeMap::new() }
    }

    /// How often each quantum was executed.
    fn counts(&self) -> BTreeMap<String, usize> {
        let folder = self.space.root().join("counters");
        (folder.read_dir_utf8().unwrap())
            .map(|entry| {
                let path = entry.unwrap().into_path();
                let count = fs_err::read_to_string(&path).unwrap().lines().count();
                (path.file_name().unwrap().to_owned(), count)
            })
            .collect()
    }

    /// Looks at the place while nothing runs.
    fn check(&mut self, what: &str) -> JournalState {
        let journal = JournalFollower::open(&self.space.journal(), &self.space.graph).unwrap();
        let state = journal.into_state();
        assert_eq!(state.warnings(), [], "{what}");
        let counts = self.counts();
        for (name, count) in &self.done {
            assert_eq!(counts[name], *count, "{what}: {name} was executed again");
        }
        for quantum in self.space.graph.quanta.iter() {
            if !state.progress(quantum).is_success() {
                continue;
            }
            for name in self.names(quantum) {
                if let Some(&count) = counts.get(&name) {
                    self.done.insert(name, count);
                }
            }
            for (_, dataset) in self.space.graph.outputs.edges(quantum) {
                self.check_claim(&state, dataset, what);
            }
        }
        for (name, content) in self.space.products() {
            // Whatever has its final name is whole.
            assert_eq!(self.products.get(&name), Some(&content), "{what}: {name}");
            if content.is_empty() {
                let bytes = fs_err::read(self.space.outputs().join(&name)).unwrap();
                let whole = name.contains("/packages/")
                    || serde_json::from_slice::<serde_json::Value>(&bytes).is_ok();
                assert!(whole && !bytes.is_empty(), "{what}: {name}");
            }
        }
        state
    }

    /// Names under which executions of a quantum are counted, by functions and by programs.
    fn names(&self, quantum: QuantumIx) -> Vec<String> {
        let graph = &self.space.graph;
        let data_ids = graph.task_data_ids(graph.quanta.task(quantum));
        let data_id = data_ids.describe(graph.quanta.data_id[quantum.index()], &graph.symbols);
        let described = format!("{} {data_id}", self.space.label(quantum));
        let value = |dimension: &str| {
            let found = data_id.split(&format!("{dimension}: ")).nth(1)?;
            found.split(|c: char| !c.is_ascii_alphanumeric()).next()
        };
        let name = |text: &str| text.replace(|c: char| !c.is_ascii_alphanumeric(), "_");
        let mut names = vec![name(&described)];
        if let (Some(exposure), Some(detector)) = (value("exposure"), value("detector")) {
            names.push(name(&format!("isr {exposure} {detector}")));
        }
        names
    }

    fn check_claim(&self, state: &JournalState, dataset: DatasetIx, what: &str) {
        for record in state.records(dataset) {
            let found = fs_err::metadata(self.space.outputs().join(record.path)).unwrap();
            assert_eq!(found.len() as i64, record.file_size, "{what}: {}", record.path);
        }
    }

    /// Looks at the place after a run that was not disturbed.
    fn check_end(&mut self, what: &str) {
        let state = self.check(what);
        assert!(self.space.graph.quanta.iter().all(|q| state.progress(q).is_success()), "{what}");
        assert_eq!(self.space.products(), *self.products, "{what}");
        assert_eq!(self.done.len(), self.space.graph.quanta.len(), "{what}: counters");
    }
}

/// Kills runs with `strike` until one comes to its end, in place after place.
fn campaign(tasks: &str, times: usize, mut strike: impl FnMut(&mut Child, Duration) -> bool) {
    let (products, longest) = undisturbed(tasks);
    let (mut struck, mut midway) = (0, 0);
    while struck < times {
        let space = space(None, tasks);
        let mut witnessed = Witnessed::new(&space, &products);
        let mut here = 0;
        loop {
            let mut child = start(space.root(), tasks);
            // Every place comes to an end some time.
            if here < 10 && strike(&mut child, longest) {
                child.wait().unwrap();
                here += 1;
                struck += 1;
                witnessed.check(&format!("strike {struck}, {here} in {}", space.root()));
                midway +=
                    usize::from((1..space.graph.quanta.len()).contains(&witnessed.done.len()));
                continue;
            }
            let output = child.wait_with_output().unwrap();
            if output.status.success() {
                break;
            }
            // A strike may hit a child, which then has failed.
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(1), "{said}");
            witnessed.check(&format!("failure after strike {struck}"));
        }
        witnessed.check_end(&format!("strike {struck}"));
    }
    assert!(4 * midway >= struck, "only {midway} of {struck} strikes hit a run in its middle");
}

/// Kills the process after a random time, unless it has ended by then.
fn kill_run(child: &mut Child, longest: Duration) -> bool {
    sleep(longest.mul_f64(fastrand::f64() * 1.1));
    if child.try_wait().unwrap().is_some() {
        return false;
    }
    child.kill().unwrap();
    true
}

#[test]
fn a_killed_run_of_functions_goes_on() {
    fastrand::seed(1);
    campaign("functions", kills(80), kill_run);
}

#[test]
fn a_killed_run_of_programs_goes_on() {
    fastrand::seed(2);
    campaign("programs", kills(25), kill_run);
}

/// Kills programs of a run, at most one for each of three in a row.
#[test]
fn killed_programs_are_repeated_by_the_next_run() {
    fastrand::seed(3);
    let mut killed = 0;
    campaign("programs", kills(20), |child, longest| {
        let deadline = Instant::now() + longest.mul_f64(fastrand::f64());
        while child.try_wait().unwrap().is_none() {
            if Instant::now() >= deadline
                && let Some(program) = children(child.id()).first()
            {
                killed += usize::from(kill_process(*program, Signal::KILL).is_ok());
                return true;
            }
            sleep(Duration::from_micros(300));
        }
        false
    });
    assert!(killed > 0);
}

/// Processes whose parent is one of the threads of a process.
fn children(pid: u32) -> Vec<Pid> {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    (threads.flatten())
        .filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok())
        .flat_map(|text| {
            text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<i32>>()
        })
        .filter_map(Pid::from_raw)
        .filter(|pid| {
            let command = std::fs::read_to_string(format!("/proc/{pid}/cmdline"));
            // The one that looks after the others is none of them.
            command.is_ok_and(|command| !command.contains("qbb-guardian"))
        })
        .collect()
}

/// Programs of a killed run end with it, rather than go on beside those of the next run.
#[test]
fn a_killed_run_leaves_no_program_behind() {
    for _ in 0..4 {
        let space = space(None, "sleepers");
        let mut child = start(space.root(), "sleepers");
        let begin = Instant::now();
        let mut programs = Vec::new();
        while programs.is_empty() && begin.elapsed() < Duration::from_secs(60) {
            sleep(Duration::from_millis(1));
            programs = children(child.id());
        }
        sleep(Duration::from_millis(fastrand::u64(5..30)));
        programs.extend(children(child.id()));
        assert!(!programs.is_empty());
        child.kill().unwrap();
        child.wait().unwrap();
        let begin = Instant::now();
        let lives = |pid: &Pid| {
            let path = format!("/proc/{}/stat", pid.as_raw_nonzero());
            std::fs::read_to_string(path).is_ok_and(|text| {
                !text.rsplit(')').next().unwrap_or_default().trim_start().starts_with(['Z', 'X'])
            })
        };
        while programs.iter().any(lives) {
            assert!(begin.elapsed() < Duration::from_secs(20), "{programs:?} still run");
            sleep(Duration::from_millis(5));
        }
    }
}
