//! Several runs of one graph in one place, on one host or several.
//!
//! The runs are processes of this test program, which executes itself. Hosts are made up.
//! `QBB_TEST_RIVALS` is how many rounds to play, if not as many as are good for every day.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::io::Write as _;
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use camino::{Utf8Path, Utf8PathBuf};
use qbb::GraphIdentity;
use qbb::journal::{
    Durability, Event, JournalError, JournalFollower, JournalWriter, ProcessIdentity, RunOutcome,
    Timestamp,
};
use qbb_executor::{Exclusivity, RunError, TaskError};
use qbb_pipeline::Runner;
use rustix::process::{Pid, Signal, kill_process};
use support::{Space, WORK, concatenate};

/// Tells a process of this program to be a run, and where.
const PLACE: &str = "QBB_TEST_RUN_IN";
/// On which host it believes to be.
const HOST: &str = "QBB_TEST_HOST";
/// How long each of its quanta takes, in milliseconds.
const PACE: &str = "QBB_TEST_PACE";

fn rounds(usual: usize) -> usize {
    std::env::var("QBB_TEST_RIVALS").ok().and_then(|n| n.parse().ok()).unwrap_or(usual)
}

fn reopened(root: &Utf8Path) -> Space {
    Space::reopened(root, |_| Runner::Function(WORK.to_owned()))
}

fn new_space() -> Space {
    let space = Space::new();
    fs_err::create_dir(space.root().join("counters")).unwrap();
    space
}

/// Not a test, but what the processes do that tests start.
#[test]
fn a_run() {
    let Ok(root) = std::env::var(PLACE) else { return };
    let root = Utf8PathBuf::from(root);
    let mut space = reopened(&root);
    if let Ok(host) = std::env::var(HOST) {
        space.options.identity = Some(ProcessIdentity { host, ..ProcessIdentity::current() });
    }
    // It looks after itself more often than usual, as nobody wants to wait for this test.
    space.options.lease = Duration::from_millis(100);
    space.options.durability = Durability::Batch(Duration::from_millis(20));
    let pace = std::env::var(PACE).map_or(0, |pace| pace.parse().unwrap());
    let counters = root.join("counters");
    let report = space.run(move |context| {
        let name = context.describe().replace(|c: char| !c.is_ascii_alphanumeric(), "_");
        let file = fs_err::OpenOptions::new().create(true).append(true).open(counters.join(name));
        file.and_then(|mut file| file.write_all(b"x\n")).map_err(TaskError::failed)?;
        sleep(Duration::from_millis(pace));
        concatenate(context)
    });
    let (code, said) = match report {
        Ok(report) if report.outcome == RunOutcome::Complete => (0, String::new()),
        Ok(report) => (1, format!("{:?}", report.failures)),
        Err(RunError::Journal(error @ JournalError::LiveRun { .. })) => (3, error.to_string()),
        // It may be the journal that says so, or the datastore.
        Err(error) if error.to_string().contains("took over") => (5, error.to_string()),
        Err(error) => (4, error.to_string()),
    };
    writeln!(std::io::stderr(), "{said}").unwrap();
    std::process::exit(code);
}

fn start(root: &Utf8Path, host: Option<&str>, pace: u64) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "a_run", "--nocapture", "--test-threads=1"])
        .env(PLACE, root)
        .env(PACE, pace.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    if let Some(host) = host {
        command.env(HOST, host);
    }
    command.spawn().unwrap()
}

/// Exit code, and what was said.
fn end(child: Child) -> (i32, String) {
    let Output { status, stderr, .. } = child.wait_with_output().unwrap();
    (status.code().unwrap_or(-1), String::from_utf8_lossy(&stderr).into_owned())
}

/// How often each quantum was executed, in no order.
fn executions(space: &Space) -> Vec<usize> {
    let counters = space.root().join("counters").read_dir_utf8().unwrap();
    counters
        .map(|entry| fs_err::read_to_string(entry.unwrap().path()).unwrap().lines().count())
        .collect()
}

fn products() -> std::collections::BTreeMap<String, String> {
    let space = Space::new();
    space.run(concatenate).unwrap();
    space.products()
}

/// All succeeded, and each file is the one that the journal claims.
fn check_end(space: &Space, what: &str) {
    let follower = JournalFollower::open(&space.journal(), &space.graph).unwrap();
    let state = follower.state();
    assert_eq!(state.warnings(), [], "{what}");
    for quantum in space.graph.quanta.iter() {
        assert!(state.progress(quantum).is_success(), "{what}: {quantum:?}");
        for (_, dataset) in space.graph.outputs.edges(quantum) {
            for record in state.records(dataset) {
                let file = fs_err::metadata(space.outputs().join(record.path)).unwrap();
                assert_eq!(file.len() as i64, record.file_size, "{what}: {}", record.path);
            }
        }
    }
}

fn start_together(hosts: &[Option<&str>]) {
    let products = products();
    for round in 0..rounds(10) {
        let space = new_space();
        let children: Vec<Child> = (hosts.iter())
            .map(|host| {
                sleep(Duration::from_micros(fastrand::u64(0..3000)));
                start(space.root(), *host, fastrand::u64(0..10))
            })
            .collect();
        let ends: Vec<(i32, String)> = children.into_iter().map(end).collect();
        let complete = ends.iter().filter(|(code, _)| *code == 0).count();
        assert!(complete >= 1, "round {round}: {ends:?}");
        for (code, said) in &ends {
            assert!([0, 3].contains(code), "round {round}: {said}");
            assert!(*code == 0 || said.contains("is executing this graph now"), "{said}");
        }
        assert!(executions(&space).iter().all(|&n| n == 1), "round {round}: {ends:?}");
        assert_eq!(space.products(), products, "round {round}");
        check_end(&space, &format!("round {round}"));
    }
}

#[test]
fn of_many_that_start_together_on_a_host_one_executes_the_graph() {
    fastrand::seed(21);
    start_together(&[None; 6]);
}

#[test]
fn of_many_that_start_together_on_several_hosts_one_executes_the_graph() {
    fastrand::seed(22);
    start_together(&[Some("a"), Some("b"), Some("a"), Some("c"), Some("d")]);
}

/// Writes the journal of a run on another host, whose clock is wrong by some seconds.
fn run_elsewhere(space: &Space, clock: i64) -> Utf8PathBuf {
    let other = JournalWriter::create(&space.journal(), GraphIdentity::of(&space.graph)).unwrap();
    let process = ProcessIdentity { host: "elsewhere".to_owned(), ..ProcessIdentity::current() };
    let time = Timestamp(Timestamp::now().0 + clock * 1_000_000);
    let options = "{}".to_owned();
    other.record([&Event::RunStarted { time, process, options }]).unwrap();
    other.go_on([], Vec::new()).unwrap();
    other.path().to_owned()
}

fn age(file: &Utf8Path, seconds: u64) {
    let time = SystemTime::now() - Duration::from_secs(seconds);
    fs_err::OpenOptions::new().append(true).open(file).unwrap().file().set_modified(time).unwrap();
}

#[test]
fn another_host_is_dead_after_silence_whatever_its_clock_says() {
    for clock in [0, -3600, 3600, 10_000_000, -10_000_000] {
        let space = Space::new();
        let file = run_elsewhere(&space, clock);
        let refused = space.run(concatenate).unwrap_err();
        assert!(matches!(refused, RunError::Journal(JournalError::LiveRun { .. })), "{refused}");
        age(&file, 50);
        assert!(space.run(concatenate).is_err(), "{clock}");
        age(&file, 75);
        assert_eq!(space.run(concatenate).unwrap().executed, 15, "{clock}");
    }
}

/// What a run that is superseded writes does not count, for nobody.
#[test]
fn nothing_counts_that_is_recorded_behind_a_fence() {
    let space = Space::new();
    let other = JournalWriter::create(&space.journal(), GraphIdentity::of(&space.graph)).unwrap();
    let process = ProcessIdentity { host: "elsewhere".to_owned(), ..ProcessIdentity::current() };
    let (time, options) = (Timestamp::now(), "{}".to_owned());
    other.record([&Event::RunStarted { time, process, options }]).unwrap();
    let quantum = space.quanta_of("isr")[0];
    let started = |attempt| Event::QuantumStarted { time, quantum, attempt };
    other.record([&started(0)]).unwrap();
    let mut following = JournalFollower::open(&space.journal(), &space.graph).unwrap();
    age(other.path(), 100);
    assert_eq!(space.run(concatenate).unwrap().executed, 15);
    other.record([&started(7)]).unwrap();
    assert!(following.poll().unwrap());
    assert_eq!(following.state().next_attempt(quantum), 2);
    let state = space.run(concatenate).unwrap().state;
    assert_eq!((state.next_attempt(quantum), state.progress(quantum).is_success()), (2, true));
}

/// A process that is suspended, taken for dead on another host, and goes on.
#[test]
fn a_run_that_was_suspended_and_replaced_gives_up() {
    fastrand::seed(23);
    let products = products();
    let mut gave_up = 0;
    for round in 0..rounds(10) {
        let space = new_space();
        let suspended = start(space.root(), Some("a"), 15);
        let pid = Pid::from_child(&suspended);
        sleep(Duration::from_millis(fastrand::u64(20..160)));
        kill_process(pid, Signal::STOP).unwrap();
        sleep(Duration::from_millis(120));
        for entry in space.journal().read_dir_utf8().into_iter().flatten() {
            age(entry.unwrap().path(), 100);
        }
        let other = start(space.root(), Some("b"), 5);
        if fastrand::bool() {
            sleep(Duration::from_millis(fastrand::u64(0..150)));
            kill_process(pid, Signal::CONT).unwrap();
        }
        let (code, said) = end(other);
        // It goes on too early to be taken for dead, or too late to have been there before.
        assert!([0, 3].contains(&code), "round {round}: {said}");
        let _ = kill_process(pid, Signal::CONT);
        let (suspended_code, said) = end(suspended);
        match suspended_code {
            5 => {
                gave_up += 1;
                assert!(said.contains("on b took over"), "round {round}: {said}");
            }
            // It was stopped before its announcement, or after its end.
            _ => assert!([0, 3].contains(&suspended_code), "round {round}: {said}"),
        }
        assert!(code == 0 || suspended_code == 0, "round {round}: one has done it");
        assert!(executions(&space).iter().all(|&n| n <= 2), "round {round}");
        let begin = Instant::now();
        assert_eq!(space.products(), products, "round {round}: {:?}", begin.elapsed());
        check_end(&space, &format!("round {round}"));
    }
    assert!(gave_up > 0);
}

/// One that is told to go on regardless takes the place of one that lives.
#[test]
fn a_run_whose_place_was_taken_by_force_stops() {
    let mut space = new_space();
    let first = start(space.root(), None, 60);
    let begin = Instant::now();
    while executions(&space).is_empty() {
        assert!(begin.elapsed() < Duration::from_secs(60));
        sleep(Duration::from_millis(2));
    }
    space.options.exclusivity = Exclusivity::Forced;
    assert_eq!(space.run(concatenate).unwrap().outcome, RunOutcome::Complete);
    let (code, said) = end(first);
    assert!(code == 5 && said.contains("took over"), "code {code}, {said}");
}
