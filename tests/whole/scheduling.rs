//! Retries, selections, deleted intermediates and explanations, from the command line.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::kit::{Prepared, Scratch, command, json, qbb, real_butler, script, succeeded};
use crate::sizes::prepare_sizes_and_totals;

/// Fails each first attempt with a code that is worth another one, and detector 2 for good until a
/// file says otherwise.
const SIZE: &str = r#"
if test "$3" = 2 && ! test -e FLAGS/good; then echo "detector 2 is broken" >&2; exit 3; fi
if ! test -e "FLAGS/$4"; then touch "FLAGS/$4"; exit 75; fi
echo "bytes: $(wc -c < "$1")" > "$2"
"#;

/// Runs with options; returns the exit code and the result.
fn run(submit: &str, options: &[&str]) -> (Option<i32>, Value) {
    let mut run = command();
    run.args(["run", submit, "-j", "2", "--format", "json"]).args(options);
    let output = run.output().expect("the command can be run");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let result = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{said}"));
    (output.status.code(), result)
}

fn explain(submit: &str, quantum: &str) -> Value {
    let output =
        command().args(["explain", "quantum", submit, quantum, "--format", "json"]).output();
    let output = output.expect("the command can be run");
    serde_json::from_slice(&output.stdout).expect("the command prints JSON")
}

#[test]
fn failures_are_repeated_selected_explained_and_made_good() {
    let scratch = Scratch::new();
    let flags = scratch.path("flags");
    fs_err::create_dir(&flags).unwrap();
    let Prepared { personal, submit } =
        prepare_sizes_and_totals(&scratch, &SIZE.replace("FLAGS", &flags), "0..2");

    let forecast = json(&["run", &submit, "--until", "size", "--dry-run"]);
    let quanta = forecast["tasks"][0]["quanta"].as_u64().unwrap();
    assert_eq!((&forecast["run"], &forecast["tasks"][1]["run"]), (&quanta.into(), &0.into()));

    let retries = ["--retries", "1", "--retry-on", "75", "--retry-delay", "0.01"];
    let until = [&["--until", "size"], &retries[..]].concat();
    let (code, result) = run(&submit, &until);
    assert_eq!(code, Some(1), "{result}");
    let (failed, succeeded_quanta) =
        (result["failed"].as_u64().unwrap(), result["succeeded"].as_u64().unwrap());
    assert_eq!(failed + succeeded_quanta, quanta);
    assert!(failed > 0 && succeeded_quanta > failed, "{result}");
    assert_eq!(result["executed"], failed + 2 * succeeded_quanta, "each was repeated once");

    let listed = qbb(&["graph", "quanta", &submit, "--task", "total", "--format", "json"]);
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let total = listed["quanta"][0]["quantum"].as_str().unwrap().to_owned();
    let waiting = explain(&submit, &total);
    assert_eq!(waiting["state"], "waiting", "{waiting}");
    assert_eq!(waiting["waiting_for"].as_array().unwrap().len(), 1);
    assert_eq!(waiting["waiting_for"][0]["state"], "failed");

    let (_, result) = run(&submit, &["--delete-intermediates", "all"]);
    assert!(result["blocked"].as_u64().unwrap() > 0, "{result}");
    let blocked = explain(&submit, &total);
    assert_eq!(blocked["state"], "blocked", "{blocked}");
    let cause = &blocked["failed_ancestor"];
    assert_eq!(cause["task"], "size");
    let message = cause["last_attempt"]["message"].as_str().unwrap();
    assert!(message.contains("detector 2 is broken"), "{message}");
    let log = cause["last_attempt"]["log"].as_str().unwrap();
    assert!(std::path::Path::new(&personal).join(log).exists(), "{log}");
    let text = command().args(["explain", "quantum", &submit, &total]).output().unwrap();
    assert_eq!(text.status.code(), Some(1), "it has not succeeded");
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains("blocked by size {") && text.contains("CommandFailed: "), "{text}");

    fs_err::write(format!("{flags}/good"), "").unwrap();
    let good = [&["--only", "failed,blocked", "--delete-intermediates", "all"], &retries[..]];
    let (code, result) = run(&submit, &good.concat());
    assert_eq!(code, Some(0), "{result}");
    assert_eq!(explain(&submit, &total)["state"], "succeeded");
    let count = |name: &str| -> usize {
        let mut find = Command::new("find");
        find.args([&personal, "-name", name, "-type", "f"]);
        succeeded("find", find.output().unwrap()).lines().count()
    };
    assert_eq!((count("raw_size_*"), count("size_log_*")), (0, quanta as usize));

    // What is done again needs what was deleted, so that is made again, too, and goes again.
    let again = json(&["run", &submit, "--rerun", &total, "--dry-run"]);
    assert_eq!(
        (&again["tasks"][1]["again"], &again["tasks"][0]["restored"]),
        (&1.into(), &3.into())
    );
    let (code, result) = run(&submit, &["--rerun", &total, "--delete-intermediates", "raw_size"]);
    assert_eq!((code, &result["executed"]), (Some(0), &4.into()), "{result}");
    assert_eq!(count("raw_size_*"), 0);

    qbb(&["transfer", &submit, "--inputs"]);
    script("check_repository.py", &[&personal, "--true-sizes"]);
    let read = real_butler(READ, &[&personal]);
    let totals = forecast["tasks"][1]["quanta"].as_u64().unwrap();
    assert_eq!(read.trim(), format!("0 {totals} {quanta}"));
}

/// Begins, and waits until a file says that it may end, or for a minute.
const WAITS: &str = r#"
touch "FLAGS/$4"
n=0
while ! test -e FLAGS/go && test $n -lt 600; do sleep 0.1; n=$((n + 1)); done
echo "bytes: 1" > "$2"
"#;

/// Another process tells where quanta of a run stand that goes on, and does not disturb it.
#[test]
fn quanta_of_a_run_that_goes_on_are_explained() {
    let scratch = Scratch::new();
    let flags = scratch.path("flags");
    fs_err::create_dir(&flags).unwrap();
    let Prepared { submit, .. } =
        prepare_sizes_and_totals(&scratch, &WAITS.replace("FLAGS", &flags), "0..1");

    let mut run = command();
    run.args(["run", &submit, "-j", "1", "--memory", "2GB"]);
    let mut run = run.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let begun = || {
        let entry = fs_err::read_dir(&flags).unwrap().next()?;
        Some(entry.unwrap().file_name().into_string().unwrap())
    };
    let end = Instant::now() + Duration::from_secs(60);
    let begun = loop {
        match begun() {
            Some(begun) => break begun,
            None if Instant::now() > end => panic!("nothing has begun: {:?}", run.try_wait()),
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    let (exposure, detector) = begun.split_once('-').unwrap();
    let name = |detector: &str| format!("size,exposure={exposure},detector={detector}");
    let running = explain(&submit, &name(detector));
    assert_eq!(running["state"], "running", "{running}");
    assert_eq!((&running["attempts"], &running["place"]["worker"]), (&1.into(), &0.into()));
    assert_eq!((&running["run"]["running"], &running["run"]["jobs"]), (&1.into(), &1.into()));
    assert_eq!(running["run"]["memory"], 2_000_000_000u64, "{running}");
    assert_eq!(running["run"]["memory_taken"], running["place"]["memory"], "{running}");
    let other = if detector == "0" { "1" } else { "0" };
    let ready = explain(&submit, &name(other));
    assert_eq!((&ready["state"], &ready["attempts"]), (&"ready".into(), &0.into()), "{ready}");
    let waiting = explain(&submit, &format!("total,exposure={exposure}"));
    assert_eq!(waiting["state"], "waiting", "{waiting}");
    let mut states: Vec<&str> = (waiting["waiting_for"].as_array().unwrap().iter())
        .map(|other| other["state"].as_str().unwrap())
        .collect();
    states.sort_unstable();
    assert_eq!(states, ["ready", "running"]);
    let text = command().args(["explain", "quantum", &submit, &name(detector)]).output().unwrap();
    assert_eq!(text.status.code(), Some(1), "it has not succeeded yet");
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains("\nruns"), "{text}");

    fs_err::write(format!("{flags}/go"), "").unwrap();
    assert!(run.wait().unwrap().success(), "nobody has disturbed it");
    let done = explain(&submit, &name(detector));
    assert_eq!((&done["state"], &done["run"]), (&"succeeded".into(), &Value::Null), "{done}");
}

/// How many sizes and totals a Rubin user finds.
const READ: &str = "
import sys
from lsst.daf.butler import Butler
butler = Butler.from_config(sys.argv[1])
def count(name):
    return len(butler.query_datasets(name, collections='u/me/sizes', explain=False))
totals = butler.query_datasets('raw_total', collections='u/me/sizes')
files = sum(butler.get(ref)['files'] for ref in totals)
try:
    sizes = count('raw_size')
except Exception:
    # Not even the dataset type is known.
    sizes = 0
print(sizes, len(totals), files)
";
