//! Runs that are killed in the middle.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::fixtures::fixtures;
use crate::kit::{Prepared, Scratch, command, json, qbb, release, script};

/// A personal repository with the outputs of a run that nobody has disturbed.
fn undisturbed() -> &'static str {
    static PERSONAL: OnceLock<String> = OnceLock::new();
    PERSONAL.get_or_init(|| {
        let folder = fixtures().join("undisturbed");
        fs_err::create_dir_all(&folder).unwrap();
        let [personal, submit] =
            ["personal", "submit"].map(|name| folder.join(name).display().to_string());
        let repository = release().display().to_string();
        qbb(&["create", &personal, "--from", &repository]);
        Prepared::over(&submit, &personal, &repository, "data_release", Prepared::RUN);
        qbb(&["run", &submit, "-j", "2"]);
        qbb(&["transfer", &submit, "--inputs"]);
        personal
    })
}

/// After `kill -9` another run finishes the work, repeats only what was in flight, and leaves what
/// an undisturbed run leaves.
#[test]
fn killed_and_run_again() {
    let scratch = Scratch::new();
    let repository = release().display().to_string();
    let prepared = Prepared::new(&scratch, "killed", &repository, "data_release");
    let Prepared { personal, submit } = &prepared;
    let mut run = command().args(["run", submit, "-j", "2", "--quiet"]).spawn().unwrap();
    let begun = Instant::now();
    loop {
        std::thread::sleep(Duration::from_millis(50));
        let status = prepared.status();
        if status["succeeded"].as_u64().unwrap() > 40 {
            break;
        }
        assert!(run.try_wait().unwrap().is_none(), "the run ended before it could be killed");
        assert!(begun.elapsed() < Duration::from_secs(300), "the run makes no progress: {status}");
    }
    run.kill().unwrap();
    run.wait().unwrap();
    let killed = prepared.status();
    assert_ne!(killed["succeeded"], killed["quanta"], "it was killed too late to tell anything");

    qbb(&["run", submit, "-j", "2"]);
    let finished = prepared.status();
    assert_eq!(finished["succeeded"], finished["quanta"], "{finished}");
    let repeated = finished["attempts"].as_u64().unwrap() - finished["quanta"].as_u64().unwrap();
    assert!(repeated <= 2, "{repeated} quanta were done twice, but only two were in flight");
    qbb(&["transfer", submit, "--inputs"]);
    let run = Prepared::RUN;
    script("compare_runs.py", &[undisturbed(), run, personal, run]);

    let report = json(&["run", submit]);
    assert_eq!(report["executed"], 0, "a finished run has nothing left to do: {report}");
}

/// Runs of Python tasks whose processes are killed one after the other, the run itself and its
/// workers, and finally one that is left alone.
#[test]
fn killed_again_and_again() {
    let scratch = Scratch::new();
    let repository = release().display().to_string();
    let prepared = Prepared::new(&scratch, "killed", &repository, "data_release");
    let Prepared { personal, submit } = &prepared;
    let (mut done, mut strikes) = (0, 0);
    for round in 0..6u64 {
        let mut run = command().args(["run", submit, "-j", "2", "--quiet"]).spawn().unwrap();
        // Some quanta on, at a moment that differs from round to round.
        let begun = Instant::now();
        while run.try_wait().unwrap().is_none() && begun.elapsed() < Duration::from_secs(300) {
            if prepared.status()["succeeded"].as_u64().unwrap() > done + 3 {
                std::thread::sleep(Duration::from_millis(37 * round));
                let victim = match round % 2 {
                    0 => Some(run.id()),
                    _ => descendants(run.id()).pop(),
                };
                let killed = victim.is_some_and(|pid| {
                    let status = std::process::Command::new("kill")
                        .args(["-s", "KILL", &pid.to_string()])
                        .status();
                    status.is_ok_and(|status| status.success())
                });
                strikes += u32::from(killed);
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        run.wait().unwrap();
        done = prepared.status()["succeeded"].as_u64().unwrap();
    }
    assert!(strikes >= 3, "{strikes} of 6 strikes hit anything");
    qbb(&["run", submit, "-j", "2"]);
    let finished = prepared.status();
    assert_eq!(finished["succeeded"], finished["quanta"], "{finished}");
    qbb(&["transfer", submit, "--inputs"]);
    let run = Prepared::RUN;
    script("compare_runs.py", &[undisturbed(), run, personal, run]);
}

/// Processes that a process has started, and those that they have.
fn descendants(pid: u32) -> Vec<u32> {
    let threads = fs_err::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let mut found: Vec<u32> = threads
        .filter_map(|thread| fs_err::read_to_string(thread.path().join("children")).ok())
        .flat_map(|text| {
            text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<u32>>()
        })
        .collect();
    let theirs: Vec<u32> = found.iter().flat_map(|&child| descendants(child)).collect();
    found.extend(theirs);
    // Not the one that looks after the others.
    found.retain(|pid| {
        let command = fs_err::read_to_string(format!("/proc/{pid}/cmdline"));
        command.is_ok_and(|command| command.contains("python"))
    });
    found
}
