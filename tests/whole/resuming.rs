//! Runs that are killed in the middle.

use std::time::{Duration, Instant};

use crate::kit::{DEFAULTS, Scratch, WHERE, command, pipeline, qbb, release, script};

/// After `kill -9` another run finishes the work, repeats only what was in flight, and leaves what
/// an undisturbed run leaves.
#[test]
fn killed_and_run_again() {
    let scratch = Scratch::new();
    let repository = release().display().to_string();
    let pipeline = pipeline("data_release");
    let prepare = |name: &str| {
        let (personal, submit) =
            (scratch.path(&format!("{name}-personal")), scratch.path(&format!("{name}-submit")));
        qbb(&["create", &personal, "--from", &repository]);
        qbb(&[
            "prepare",
            "-b",
            &repository,
            "-p",
            &pipeline,
            "-i",
            DEFAULTS,
            "-d",
            WHERE,
            "-o",
            "u/me/drp",
            "--output-run",
            "u/me/drp/run1",
            "--personal",
            &personal,
            "--submit-dir",
            &submit,
        ]);
        (personal, submit)
    };
    let (whole, undisturbed) = prepare("whole");
    qbb(&["run", &undisturbed, "-j", "2"]);
    qbb(&["transfer", &undisturbed, "--inputs"]);

    let (personal, submit) = prepare("killed");
    let mut run = command().args(["run", &submit, "-j", "2", "--quiet"]).spawn().unwrap();
    let begun = Instant::now();
    loop {
        std::thread::sleep(Duration::from_millis(50));
        let status = status(&submit);
        if status["succeeded"].as_u64().unwrap() > 40 {
            break;
        }
        assert!(run.try_wait().unwrap().is_none(), "the run ended before it could be killed");
        assert!(begun.elapsed() < Duration::from_secs(300), "the run makes no progress: {status}");
    }
    run.kill().unwrap();
    run.wait().unwrap();
    let killed = status(&submit);
    assert_ne!(killed["succeeded"], killed["quanta"], "it was killed too late to tell anything");

    qbb(&["run", &submit, "-j", "2"]);
    let finished = status(&submit);
    assert_eq!(finished["succeeded"], finished["quanta"], "{finished}");
    let repeated = finished["attempts"].as_u64().unwrap() - finished["quanta"].as_u64().unwrap();
    assert!(repeated <= 2, "{repeated} quanta were done twice, but only two were in flight");
    qbb(&["transfer", &submit, "--inputs"]);
    let run = "u/me/drp/run1";
    script("compare_runs.py", &[&whole, run, &personal, run]);

    let report: serde_json::Value =
        serde_json::from_str(&qbb(&["run", &submit, "--format", "json"])).unwrap();
    assert_eq!(report["executed"], 0, "a finished run has nothing left to do: {report}");
}

fn status(submit: &str) -> serde_json::Value {
    serde_json::from_str(&qbb(&["status", submit, "--format", "json"])).unwrap()
}
