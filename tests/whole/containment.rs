//! Tasks that do to their process what no task should.

use crate::kit::{Prepared, Scratch, command, json, release};

/// Each of them costs its own quantum and nothing else, is named, and has a log dataset; with a
/// process that forks and without.
#[test]
fn tasks_that_misbehave_cost_their_own_quanta() {
    for (name, workers) in [("forked", &[][..]), ("separate", &["--no-fork"])] {
        let scratch = Scratch::new();
        let repository = release().display().to_string();
        let prepared = Prepared::new(&scratch, name, &repository, "misbehaving");
        let run = command()
            .args(["run", &prepared.submit, "-j", "2", "--timeout", "20"])
            .args(workers)
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&run.stderr).into_owned();
        assert_eq!(run.status.code(), Some(1), "{told}");

        let report = json(&["report", &prepared.submit]);
        let failures = report["failures"].as_array().unwrap();
        for (detector, exception, words) in [
            (0, "qbb.WorkerDied", "exited with status 3"),
            (1, "qbb.WorkerDied", "killed by signal 11"),
            (2, "qbb.TimedOut", "time limit"),
        ] {
            let of_detector = format!("detector: {detector}");
            let found: Vec<_> = (failures.iter())
                .filter(|failure| failure["data_id"].as_str().unwrap().contains(&of_detector))
                .collect();
            assert!(!found.is_empty(), "{detector}: {report}");
            for failure in found {
                assert_eq!(failure["exception"], exception, "{failure}");
                assert!(failure["message"].as_str().unwrap().contains(words), "{failure}");
            }
        }
        let total = |key: &str| report["totals"][key].as_u64().unwrap();
        assert_eq!(failures.len() as u64, total("failed"), "{report}");
        let ended = total("failed") + total("succeeded") + total("blocked");
        assert_eq!(ended, total("quanta"), "{report}");
        let logs = (report["datasets"].as_array().unwrap().iter())
            .find(|row| row["dataset_type"] == "isr_log")
            .unwrap();
        assert_eq!(logs["written"], logs["predicted"], "{logs}");
        assert!(told.contains("left a process running"), "{told}");
        let left = &report["left_running"][0];
        assert_eq!((&left["task"], &left["example"]["processes"]), (&"isr".into(), &1.into()));
        let example = left["example"]["quantum"].as_str().unwrap();
        let explained = json(&["explain", "quantum", &prepared.submit, example]);
        assert_eq!(explained["left_running"]["processes"], 1, "{explained}");
    }
}

/// As in the middleware, several at a time are refused; before anything runs, though.
#[test]
fn tasks_that_must_run_alone_are_refused_beside_others() {
    let scratch = Scratch::new();
    let repository = release().display().to_string();
    let prepared = Prepared::new(&scratch, "alone", &repository, "alone");
    let run = command().args(["run", &prepared.submit, "-j", "2"]).output().unwrap();
    let told = String::from_utf8_lossy(&run.stderr).into_owned();
    assert!(!run.status.success() && told.contains("does not support multiprocessing"), "{told}");
    assert_eq!(prepared.status()["succeeded"], 0);
    let run = command().args(["run", &prepared.submit, "-j", "1"]).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
}
