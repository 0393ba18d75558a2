//! What the views say of a story whose truth is known.

use qbb::journal::{Event, LeftRunning, RepeatReason};

use crate::report::{Report, ReportLimits};
use crate::status::Status;
use crate::synthetic::{Story, at, viewpoint};

fn status(story: &Story, seconds: f64) -> Status {
    Status::of(&story.graph, &story.history(), &viewpoint(seconds), 3)
}

#[test]
fn a_run_that_goes_on_has_a_rate_and_a_time_left() {
    let status = status(&Story::told(false), 30.0);
    assert!(status.running);
    assert_eq!((status.runs, status.slots), (2, 3), "only the second process lives");
    assert_eq!(status.elapsed_seconds, Some(20.0));
    // 1 + 1 + 3 of isr and 3 of calibrate in the 20 seconds since it began.
    assert_eq!(status.rate, Some(8.0 / 20.0));
    // Calibrate took (8 + 8 + 0.5) / 3 s and has two left, one of which runs for 4 s. No quantum
    // of summarizeVisit ended, so they are like all: (4·2 + 1 + 3 + 3·3 + 16.5) / 12.
    let left = 2.0 * 5.5 - 4.0 + 37.5 / 12.0;
    assert_eq!(status.seconds_left, Some(left / 3.0));
    assert_eq!(status.peak_memory, Some(900_000_000));
    let told: Vec<_> = (status.running_quanta.iter())
        .map(|running| (running.task.as_str(), running.attempt, running.seconds))
        .collect();
    assert_eq!(status.running_quanta_count, 1);
    assert_eq!(told, [("calibrate", 1, 4.0)], "what was cut off does not run");
    assert_eq!(status.newest_failures.len(), 2);
    assert_eq!(status.newest_failures[0].seconds_ago, 5.0);
    assert_eq!(status.slowest.len(), 3);
    assert_eq!(status.slowest[0].seconds, 8.0);
    let totals = status.totals;
    assert_eq!((totals.in_flight, totals.waiting, totals.blocked), (1, 2, 1));
    assert_eq!(totals.ended() + totals.unknown(), 15);
}

#[test]
fn a_run_that_is_over_says_how_it_ended() {
    let status = status(&Story::told(true), 10_000.0);
    assert!(!status.running && status.running_quanta.is_empty());
    assert_eq!((status.outcome, status.seconds_left), (Some("with failures"), None));
    assert_eq!(status.elapsed_seconds, Some(70.0));
    assert_eq!(status.rate, Some(10.0 / 70.0));
}

#[test]
fn before_anything_happened_nothing_is_guessed() {
    let story = Story::new();
    let status = status(&story, 0.0);
    assert_eq!((status.rate, status.seconds_left, status.elapsed_seconds), (None, None, None));
    assert_eq!(status.totals.waiting, 15);
    let first = Story::new();
    let _process = first.process("node", 4, 0);
    let status = self::status(&first, 5.0);
    assert_eq!((status.running, status.rate, status.seconds_left), (true, Some(0.0), None));
}

#[test]
fn what_will_be_tried_again_waits_and_has_not_failed() {
    let story = Story::new();
    let quantum = story.quanta("isr")[0];
    let mut process = story.process("node", 1, 0);
    process.attempt(quantum, 0, 0.0, 1.0, story.failure(quantum, "OSError", "no"));
    assert_eq!(status(&story, 1.0).totals.failed, 1);
    process.write(&Event::AttemptRepeated {
        time: at(1.0),
        quantum,
        attempt: 0,
        reason: RepeatReason::Failure,
        not_before: at(9.0),
        memory: None,
    });
    let status = status(&story, 1.0);
    assert_eq!((status.totals.failed, status.totals.waiting), (0, 15));
    assert!(status.newest_failures.is_empty());
}

#[test]
fn a_success_without_its_log_is_wonky() {
    let story = Story::new();
    let quantum = story.quanta("isr")[0];
    let mut success = story.success(quantum, 1);
    success.outputs.pop();
    story.process("node", 1, 0).attempt(quantum, 0, 0.0, 1.0, success);
    let totals = status(&story, 1.0).totals;
    assert_eq!((totals.wonky, totals.succeeded, totals.waiting), (1, 0, 14));
}

#[test]
fn the_report_of_a_story() {
    let story = Story::told(true);
    let quantum = story.quanta("calibrate")[2];
    let left = LeftRunning::new(0, vec!["Thread-1".to_owned()]);
    let left = Event::LeftRunning { time: at(25.0), quantum, attempt: 0, left };
    story.process("node3", 1, 81).write(&left);
    let root = camino::Utf8Path::new("/me");
    let limits = ReportLimits { failures: 2, longest: 2 };
    let report = Report::of(&story.graph, &story.history(), Some(root), limits);
    insta::assert_json_snapshot!(report, { ".**.quantum" => "[uuid]" });
}
