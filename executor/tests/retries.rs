//! Attempts that fail and are repeated, memory that runs out, and what is learned from it.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use qbb::journal::{Event, JournalReader, QuantumEnd, RepeatReason, RunOutcome};
use qbb_executor::scheduler::RetryPolicy;
use qbb_executor::{ResourceOptions, RunError, TaskError, TaskResources};
use qbb_pipeline::Runner;
use serde_json::Value;
use support::{Space, WORK, Witness, concatenate, functions, shell};

fn policy(retries: u32, on: &str) -> RetryPolicy {
    RetryPolicy {
        retries,
        delay: Duration::from_millis(5),
        on: on.parse().unwrap(),
        ..RetryPolicy::default()
    }
}

/// A space in which `isr` is a program.
fn space(script: &str, arguments: &[&str]) -> Space {
    Space::with_runners(|label| match label {
        "isr" => shell(script, arguments),
        _ => Runner::Function(WORK.to_owned()),
    })
}

fn events(space: &Space) -> Vec<Event> {
    let mut events = Vec::new();
    for file in space.journal().read_dir_utf8().unwrap() {
        let mut reader = JournalReader::open(file.unwrap().path()).unwrap();
        while let Some((_, event)) = reader.next_event().unwrap() {
            events.push(event);
        }
    }
    events
}

#[test]
fn a_program_that_fails_twice_succeeds_at_the_third_attempt() {
    // Each attempt must find that nothing is left of the one before.
    let script = "test ! -e \"$2\" || exit 9; n=$(cat \"$3.n\" 2>/dev/null || echo 0); \
                  echo $((n + 1)) > \"$3.n\"; echo \"attempt $n\" > \"$2\"; test $n = 2 || exit 75";
    let arguments = ["{quantum}", "{outputs.image}", "{inputs.raw}"];
    let mut space = space(script, &arguments);
    space.options.retries = policy(2, "75");
    let witness = Witness::default();
    let report = space.run_with(functions(concatenate), &witness, None).unwrap();
    assert_eq!(report.outcome, RunOutcome::Complete);
    assert!(report.failures.is_empty(), "they are not failures in the end");
    let quantum = space.quanta_of("isr")[0];
    assert_eq!(report.state.finished(quantum).unwrap().attempt, 2);
    let image = space.output_file(&report, quantum, "image");
    assert_eq!(String::from_utf8(image).unwrap(), "attempt 2\n");
    let log: Value = serde_json::from_slice(&space.output_file(&report, quantum, "_log")).unwrap();
    let previous = &log["previous_attempts"];
    assert_eq!(previous.as_array().unwrap().len(), 2, "{previous}");

    let repeats: Vec<(u32, RepeatReason)> = (events(&space).iter())
        .filter_map(|event| match event {
            Event::AttemptRepeated { quantum: q, attempt, reason, .. } if *q == quantum => {
                Some((*attempt, *reason))
            }
            _ => None,
        })
        .collect();
    assert_eq!(repeats, [(0, RepeatReason::ExitCode), (1, RepeatReason::ExitCode)]);
}

#[test]
fn what_is_not_listed_is_not_repeated() {
    let mut space = space("exit 3", &[]);
    space.options.retries = policy(5, "75,signal");
    let report = space.run(concatenate).unwrap();
    assert_eq!((report.executed, report.counts.failed, report.counts.blocked), (8, 8, 7));
}

#[test]
fn functions_are_repeated_with_any() {
    let mut space = Space::new();
    space.options.retries = policy(1, "any");
    let calls = Arc::new(AtomicU32::new(0));
    let counted = calls.clone();
    let report = space
        .run(move |context| {
            concatenate(context)?;
            match counted.fetch_add(1, Ordering::SeqCst) {
                0 => Err(TaskError::failed("once")),
                _ => Ok(()),
            }
        })
        .unwrap();
    assert_eq!((report.outcome, report.executed), (RunOutcome::Complete, 16));
    assert_eq!(calls.load(Ordering::SeqCst), 16);
}

#[test]
fn a_run_stopped_while_a_quantum_waits_goes_on_with_the_next_attempt() {
    let mut space = space(
        "test -e \"$1.go\" || exit 75; echo x > \"$2\"",
        &["{inputs.raw}", "{outputs.image}"],
    );
    space.options.retries = RetryPolicy { delay: Duration::from_secs(100), ..policy(3, "75") };
    let cancel = space.cancel.clone();
    let witness = Witness {
        react: Some(Box::new(move |n| {
            if n == 8 {
                cancel.request()
            }
        })),
        ..Default::default()
    };
    let report = space.run_with(functions(concatenate), &witness, None).unwrap();
    drop(witness);
    assert_eq!(report.outcome, RunOutcome::Interrupted);
    assert_eq!(report.counts.delayed, 8);
    for record in 0..space.graph.records.len() {
        let path = space.root().join("release").join(space.graph.input_path(record).unwrap());
        fs_err::write(format!("{path}.go"), "").unwrap();
    }
    space.cancel = qbb_executor::Cancel::new();
    let report = space.run(concatenate).unwrap();
    assert_eq!((report.outcome, report.executed), (RunOutcome::Complete, 15));
    assert_eq!(report.state.finished(space.quanta_of("isr")[0]).unwrap().attempt, 1);
}

/// Takes as many megabytes as it is told, and is killed for it like by the kernel if that is more
/// than was set aside for it.
const HOG: &str = "import os, signal, sys
need = int(sys.argv[1])
block = bytearray(need * 1_000_000)
block[:: 4096] = b'x' * len(block[:: 4096])
if int(os.environ['QBB_MEMORY']) < need * 1_000_000:
    os.kill(os.getpid(), signal.SIGKILL)
open(sys.argv[2], 'w').write('made')
";

#[test]
fn lack_of_memory_is_recognised_and_repeated_with_more() {
    let mut space = Space::with_runners(|label| match label {
        "isr" => {
            let fixed = ["python3", "-c", HOG, "100", "{outputs.image}"];
            Runner::Command(qbb_pipeline::CommandTemplate {
                arguments: fixed.map(str::to_owned).to_vec(),
                ..Default::default()
            })
        }
        _ => Runner::Function(WORK.to_owned()),
    });
    space.options.retries = policy(3, "oom");
    let memory = Some(30_000_000);
    let declared = TaskResources { memory, ..TaskResources::default() };
    space.options.resources = ResourceOptions {
        memory: Some(200_000_000),
        tasks: [("isr".to_owned(), declared)].into(),
        ..ResourceOptions::default()
    };
    let report = space.run(concatenate).unwrap();
    assert_eq!(report.outcome, RunOutcome::Complete);
    let quantum = space.quanta_of("isr")[0];
    let finished = report.state.finished(quantum).unwrap();
    assert_eq!(finished.end, QuantumEnd::Succeeded);
    let (mut given, mut exceptions) = (Vec::new(), Vec::new());
    for event in events(&space) {
        match event {
            Event::QuantumPlaced { quantum: q, memory, .. } if q == quantum => {
                given.push(memory.unwrap());
            }
            Event::QuantumFinished { quantum: q, outcome, .. } if q == quantum => {
                exceptions.extend(outcome.exception.map(|e| (e.type_name, e.message)));
            }
            Event::AttemptRepeated { quantum: q, reason, .. } if q == quantum => {
                assert_eq!(reason, RepeatReason::OutOfMemory);
            }
            _ => {}
        }
    }
    assert_eq!(given[0], 30_000_000);
    assert!(given[1] >= 200_000_000, "twice its peak, but not more than there is: {given:?}");
    let (type_name, message) = &exceptions[0];
    assert_eq!(type_name, "OutOfMemory");
    assert!(message.starts_with("it ran out of memory with a peak of 1"), "{message}");

    // It is known to a later run that declares nothing.
    let learned = fs_err::read(space.journal().with_file_name("resources.json")).unwrap();
    let learned: Value = serde_json::from_slice(&learned).unwrap();
    assert!(learned["tasks"]["isr"]["peak_memory"].as_u64().unwrap() > 100_000_000, "{learned}");
}

#[test]
fn peaks_are_kept_for_the_next_run() {
    let space = space("echo x > \"$1\"", &["{outputs.image}"]);
    let one = &space.quanta_of("isr")[..1];
    space.run_with(functions(concatenate), &qbb_executor::Silent, Some(one)).unwrap();
    let path = space.journal().with_file_name("resources.json");
    let learned: Value = serde_json::from_slice(&fs_err::read(&path).unwrap()).unwrap();
    let peak = learned["tasks"]["isr"]["peak_memory"].as_u64().unwrap();
    assert!(peak > 100_000, "{learned}");
    assert_eq!(learned["tasks"].as_object().unwrap().len(), 1, "functions share our process");
    space.run(concatenate).unwrap();
    let set_aside = events(&space).into_iter().filter_map(|event| match event {
        Event::QuantumPlaced { quantum, memory, .. } if quantum == space.quanta_of("isr")[1] => {
            memory
        }
        _ => None,
    });
    let set_aside: Vec<u64> = set_aside.collect();
    assert!(set_aside[0] > peak && set_aside[0] < 2 * peak, "{set_aside:?} for {peak}");
}

/// Counts how many run at the same time.
#[test]
fn admission_keeps_within_memory_and_named_resources() {
    let most_at_once = |resources: ResourceOptions| {
        let mut space = Space::new();
        space.jobs = 4;
        space.options.resources = resources;
        let (running, most) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
        let seen = most.clone();
        let report = space
            .run(move |context| {
                if context.label() == "isr" {
                    let now = running.fetch_add(1, Ordering::SeqCst) + 1;
                    most.fetch_max(now, Ordering::SeqCst);
                    std::thread::sleep(Duration::from_millis(20));
                    running.fetch_sub(1, Ordering::SeqCst);
                }
                concatenate(context)
            })
            .unwrap();
        assert_eq!(report.outcome, RunOutcome::Complete);
        seen.load(Ordering::SeqCst)
    };
    let with = |needs: TaskResources| ResourceOptions {
        memory: Some(1000),
        named: [("gpu".to_owned(), 1)].into(),
        scratch: Some(50),
        tasks: [("isr".to_owned(), needs)].into(),
    };
    let nothing = TaskResources::default;
    assert_eq!(most_at_once(with(TaskResources { memory: Some(400), ..nothing() })), 2);
    assert_eq!(most_at_once(with(TaskResources { cores: Some(3), ..nothing() })), 1);
    assert_eq!(most_at_once(with(TaskResources { scratch: Some(20), ..nothing() })), 2);
    assert_eq!(most_at_once(with(TaskResources { memory: Some(5000), ..nothing() })), 1);
    let named = [("gpu".to_owned(), 1)].into();
    assert_eq!(most_at_once(with(TaskResources { named, ..nothing() })), 1);
}

#[test]
fn resources_that_are_not_there_are_told() {
    let refusal = |label: &str, name: &str| {
        let mut space = Space::new();
        space.jobs = NonZeroUsize::MIN.get();
        let needs =
            TaskResources { named: [(name.to_owned(), 2)].into(), ..TaskResources::default() };
        space.options.resources.tasks = [(label.to_owned(), needs)].into();
        space.options.resources.named = [("gpu".to_owned(), 1)].into();
        match space.run(concatenate).unwrap_err() {
            RunError::Resources { reason } => reason,
            other => panic!("{other}"),
        }
    };
    assert!(refusal("isr", "gpu").contains("--resource gpu=N"));
    assert!(refusal("isr", "tape").contains("of which there are 0"));
    assert!(refusal("isrr", "gpu").contains("is it `isr`?"));
}
