//! Tests of [`super::Scheduler`].

use qbb::journal::QuantumEnd;

use super::super::model_tests::{Links, NoPast, PastOf, Recorder};
use super::super::resources::{Amounts, MemoryRequest, Request};
use super::*;

const NOW: Duration = Duration::ZERO;

/// A failure that is not worth repeating.
const FAILURE: FailureCause =
    FailureCause { kind: RepeatReason::Failure, exit_code: Some(1), peak_memory: None };

/// 0 → 2, 1 → 2, 2 → 3, 1 → 4.
fn links() -> Links {
    Links::new(5, &[(0, 2), (1, 2), (2, 3), (1, 4)])
}

fn scheduler(links: &Links, max_failures: u32) -> Scheduler {
    let limits = Limits { max_failures, ..Limits::default() };
    Scheduler::new(links, &NoPast, |_| true, limits, &mut Recorder::default())
}

fn starts(scheduler: &mut Scheduler, free: usize) -> Vec<(u32, u32)> {
    let mut recorder = Recorder::default();
    scheduler.on_capacity(free, NOW, &mut recorder);
    recorder.started
}

#[test]
fn quanta_start_in_order_when_all_predecessors_have_succeeded() {
    let links = links();
    let mut scheduler = scheduler(&links, 0);
    assert_eq!(starts(&mut scheduler, 9), [(0, 0), (1, 0)]);
    scheduler.on_succeeded(&links, QuantumIx(1));
    assert_eq!(starts(&mut scheduler, 9), [(4, 0)], "2 still waits for 0");
    scheduler.on_succeeded(&links, QuantumIx(0));
    assert_eq!(starts(&mut scheduler, 9), [(2, 0)]);
    scheduler.on_succeeded(&links, QuantumIx(4));
    scheduler.on_succeeded(&links, QuantumIx(2));
    assert_eq!(starts(&mut scheduler, 9), [(3, 0)]);
    assert!(!scheduler.is_finished());
    scheduler.on_succeeded(&links, QuantumIx(3));
    assert!(scheduler.is_finished());
    assert_eq!(scheduler.counts(), QuantumCounts { succeeded: 5, ..Default::default() });
}

#[test]
fn capacity_limits_what_starts() {
    let links = Links::new(3, &[]);
    let mut scheduler = scheduler(&links, 0);
    assert_eq!(starts(&mut scheduler, 1), [(0, 0)]);
    assert_eq!(starts(&mut scheduler, 0), []);
    assert_eq!(starts(&mut scheduler, 2), [(1, 0), (2, 0)]);
}

#[test]
fn a_failure_blocks_all_that_depends_on_it_and_nothing_else() {
    let links = links();
    let mut scheduler = scheduler(&links, 0);
    starts(&mut scheduler, 9);
    let mut recorder = Recorder::default();
    scheduler.on_failed(&links, QuantumIx(0), &FAILURE, NOW, &mut recorder);
    assert_eq!(recorder.blocked, [(0, vec![2, 3])]);
    scheduler.on_succeeded(&links, QuantumIx(1));
    assert_eq!(starts(&mut scheduler, 9), [(4, 0)]);
    let mut recorder = Recorder::default();
    scheduler.on_failed(&links, QuantumIx(4), &FAILURE, NOW, &mut recorder);
    assert_eq!(recorder.blocked, []);
    assert!(scheduler.is_finished());
    let counts = QuantumCounts { succeeded: 1, failed: 2, blocked: 2, ..Default::default() };
    assert_eq!(scheduler.counts(), counts);
    let blocked = QuantumState::Blocked { cause: QuantumIx(0) };
    assert_eq!(scheduler.state(QuantumIx(3)), blocked);
}

#[test]
fn at_the_limit_of_failures_nothing_more_starts() {
    let links = Links::new(4, &[]);
    let mut scheduler = scheduler(&links, 2);
    starts(&mut scheduler, 3);
    scheduler.on_failed(&links, QuantumIx(0), &FAILURE, NOW, &mut Recorder::default());
    assert_eq!(scheduler.stop_reason(), None);
    scheduler.on_failed(&links, QuantumIx(1), &FAILURE, NOW, &mut Recorder::default());
    assert_eq!(scheduler.stop_reason(), Some(StopReason::TooManyFailures));
    assert_eq!(starts(&mut scheduler, 9), []);
    assert!(!scheduler.is_finished(), "2 still runs");
    scheduler.on_succeeded(&links, QuantumIx(2));
    assert!(scheduler.is_finished());
}

#[test]
fn after_cancellation_what_runs_may_end_or_be_interrupted() {
    let links = Links::new(3, &[]);
    let mut scheduler = scheduler(&links, 0);
    starts(&mut scheduler, 2);
    scheduler.on_cancelled();
    assert_eq!(starts(&mut scheduler, 9), []);
    scheduler.on_succeeded(&links, QuantumIx(0));
    scheduler.on_interrupted(QuantumIx(1));
    assert!(scheduler.is_finished());
    assert_eq!(scheduler.counts().ready, 2);
}

#[test]
fn a_resumed_run_repeats_nothing_that_succeeded() {
    let links = links();
    let past = PastOf(vec![
        (QuantumProgress::Ended(QuantumEnd::Succeeded), 1),
        (QuantumProgress::Ended(QuantumEnd::Failed), 1),
        (QuantumProgress::Blocked { cause: QuantumIx(1) }, 0),
        (QuantumProgress::NotStarted, 0),
        (QuantumProgress::Ended(QuantumEnd::NoWork), 1),
    ]);
    let mut scheduler =
        Scheduler::new(&links, &past, |_| true, Limits::default(), &mut Recorder::default());
    assert_eq!(starts(&mut scheduler, 9), [(1, 1)], "the failure is tried again");
    scheduler.on_succeeded(&links, QuantumIx(1));
    assert_eq!(starts(&mut scheduler, 9), [(2, 0)]);
}

#[test]
fn a_selection_waits_for_itself_and_fails_with_others() {
    let links = links();
    let selected = |quantum: QuantumIx| [2, 3, 4].contains(&quantum.0);
    let mut recorder = Recorder::default();
    let mut ours = Scheduler::new(&links, &NoPast, selected, Limits::default(), &mut recorder);
    assert_eq!(starts(&mut ours, 9), [(2, 0), (4, 0)]);

    let mut past = PastOf(vec![(QuantumProgress::NotStarted, 0); 5]);
    past.0[0] = (QuantumProgress::Ended(QuantumEnd::Failed), 1);
    let mut ours = Scheduler::new(&links, &past, selected, Limits::default(), &mut recorder);
    assert_eq!(recorder.blocked, [(0, vec![2, 3])]);
    assert_eq!(starts(&mut ours, 9), [(4, 0)]);
}

/// A budget of 4 cores and 100 bytes, and tasks that ask for 10 and for 60 bytes.
fn scarce(retries: RetryPolicy) -> Limits {
    let request = |memory| Request {
        amounts: Amounts::new(1, memory, 0, []),
        memory: MemoryRequest::Learned,
    };
    Limits {
        budget: Amounts::new(4, 100, u64::MAX, []),
        requests: vec![request(10), request(60)],
        retries,
        ..Limits::default()
    }
}

fn policy(retries: u32, on: &str) -> RetryPolicy {
    let delay = Duration::from_secs(2);
    RetryPolicy { retries, delay, on: on.parse().unwrap(), ..RetryPolicy::default() }
}

#[test]
fn what_has_no_room_waits_and_what_has_goes_ahead() {
    let links = Links::new(4, &[]).with_classes(&[1, 1, 0, 0]);
    let limits = scarce(RetryPolicy::default());
    let mut scheduler = Scheduler::new(&links, &NoPast, |_| true, limits, &mut Recorder::default());
    assert_eq!(starts(&mut scheduler, 9), [(0, 0), (2, 0), (3, 0)]);
    scheduler.on_succeeded(&links, QuantumIx(2));
    assert_eq!(starts(&mut scheduler, 9), []);
    scheduler.on_succeeded(&links, QuantumIx(0));
    assert_eq!(starts(&mut scheduler, 9), [(1, 0)]);
}

#[test]
fn what_needs_more_than_there_is_runs_alone() {
    let links = Links::new(3, &[]).with_classes(&[0, 1, 0]);
    let mut limits = scarce(RetryPolicy::default());
    limits.budget = Amounts::new(4, 50, u64::MAX, []);
    let mut scheduler = Scheduler::new(&links, &NoPast, |_| true, limits, &mut Recorder::default());
    assert_eq!(starts(&mut scheduler, 9), [(0, 0), (2, 0)]);
    scheduler.on_succeeded(&links, QuantumIx(0));
    assert_eq!(starts(&mut scheduler, 9), []);
    scheduler.on_succeeded(&links, QuantumIx(2));
    assert_eq!(starts(&mut scheduler, 9), [(1, 0)]);
    scheduler.on_succeeded(&links, QuantumIx(1));
    assert!(scheduler.is_finished());
}

#[test]
fn a_big_quantum_is_not_passed_over_for_ever() {
    let n = 3 * PATIENCE;
    let classes: Vec<usize> = (0..n).map(|quantum| usize::from(quantum == 2)).collect();
    let links = Links::new(n as usize, &[]).with_classes(&classes);
    let mut limits = scarce(RetryPolicy::default());
    limits.requests[0].amounts = Amounts::new(1, 30, 0, []);
    limits.budget = Amounts::new(4, 85, u64::MAX, []);
    let mut scheduler = Scheduler::new(&links, &NoPast, |_| true, limits, &mut Recorder::default());
    let mut running: Vec<u32> = starts(&mut scheduler, 2).iter().map(|(q, _)| *q).collect();
    assert_eq!(running, [0, 1]);
    let mut before = 0;
    while !running.contains(&2) {
        before += 1;
        scheduler.on_succeeded(&links, QuantumIx(running.remove(0)));
        running.extend(starts(&mut scheduler, 2 - running.len()).iter().map(|(q, _)| *q));
        assert!(before < n, "it starts last of all");
    }
    assert!((PATIENCE..PATIENCE + 5).contains(&before), "{before}");
}

#[test]
fn a_failure_is_repeated_after_a_while_and_counts_once() {
    let links = Links::new(2, &[(0, 1)]);
    let limits = Limits { retries: policy(2, "any"), max_failures: 1, ..Limits::default() };
    let mut recorder = Recorder::default();
    let mut scheduler = Scheduler::new(&links, &NoPast, |_| true, limits, &mut recorder);
    let seconds = Duration::from_secs;
    let mut now = seconds(10);
    for (attempt, wait) in [(0, seconds(2)), (1, seconds(4))] {
        scheduler.on_capacity(9, now, &mut recorder);
        assert_eq!(recorder.started.pop(), Some((0, attempt)));
        scheduler.on_failed(&links, QuantumIx(0), &FAILURE, now, &mut recorder);
        let (quantum, reason, memory) = (QuantumIx(0), RepeatReason::Failure, None);
        let repetition = Repetition { quantum, attempt, reason, wait, memory };
        assert_eq!(recorder.repeated.pop(), Some(repetition));
        assert_eq!(scheduler.next_wakeup(), Some(now + wait));
        assert!(!scheduler.is_finished());
        scheduler.on_capacity(9, now + wait / 2, &mut recorder);
        assert_eq!(recorder.started, []);
        now += wait;
    }
    scheduler.on_capacity(9, now, &mut recorder);
    assert_eq!(recorder.started.pop(), Some((0, 2)));
    assert_eq!(scheduler.stop_reason(), None);
    scheduler.on_failed(&links, QuantumIx(0), &FAILURE, now, &mut recorder);
    assert_eq!(recorder.blocked, [(0, vec![1])]);
    assert_eq!(scheduler.stop_reason(), Some(StopReason::TooManyFailures));
}

#[test]
fn lack_of_memory_is_repeated_with_twice_as_much_until_there_is_no_more() {
    let links = Links::new(2, &[]);
    let mut recorder = Recorder::default();
    let limits = scarce(policy(9, "oom"));
    let mut scheduler = Scheduler::new(&links, &NoPast, |_| true, limits, &mut recorder);
    let killed = FailureCause { kind: RepeatReason::OutOfMemory, ..FAILURE };
    let mut now = NOW;
    let mut given = Vec::new();
    scheduler.on_capacity(1, now, &mut recorder);
    while scheduler.state(QuantumIx(0)) != QuantumState::Failed {
        given.push(recorder.memory.pop().unwrap().unwrap());
        scheduler.on_failed(&links, QuantumIx(0), &killed, now, &mut recorder);
        now = scheduler.next_wakeup().unwrap_or(now);
        scheduler.on_capacity(1, now, &mut recorder);
        if recorder.started.pop().is_some_and(|(quantum, _)| quantum == 1) {
            break;
        }
    }
    assert_eq!(given, [10, 20, 40, 80, 100]);
    assert_eq!(scheduler.state(QuantumIx(0)), QuantumState::Failed);
    assert_eq!(recorder.memory.pop(), Some(Some(10)), "others still ask for what they did");
}

#[test]
fn a_quantum_that_waits_for_another_attempt_does_not_hold_up_the_end() {
    let links = Links::new(1, &[]);
    let limits = Limits { retries: policy(1, "any"), ..Limits::default() };
    let mut recorder = Recorder::default();
    let mut scheduler = Scheduler::new(&links, &NoPast, |_| true, limits, &mut recorder);
    scheduler.on_capacity(1, NOW, &mut recorder);
    scheduler.on_failed(&links, QuantumIx(0), &FAILURE, NOW, &mut recorder);
    scheduler.on_cancelled();
    assert!(scheduler.is_finished());
    assert_eq!((scheduler.next_wakeup(), scheduler.counts().delayed), (None, 1));
}
