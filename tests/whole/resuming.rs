//! Runs that are killed in the middle.

use std::time::{Duration, Instant};

use crate::kit::{Prepared, Scratch, command, json, qbb, release, script};

/// After `kill -9` another run finishes the work, repeats only what was in flight, and leaves what
/// an undisturbed run leaves.
#[test]
fn killed_and_run_again() {
    let scratch = Scratch::new();
    let repository = release().display().to_string();
    let whole = Prepared::new(&scratch, "whole", &repository, "data_release");
    qbb(&["run", &whole.submit, "-j", "2"]);
    qbb(&["transfer", &whole.submit, "--inputs"]);

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
    script("compare_runs.py", &[&whole.personal, run, personal, run]);

    let report = json(&["run", submit]);
    assert_eq!(report["executed"], 0, "a finished run has nothing left to do: {report}");
}
