//! Runs that were killed, on this disk or with the machine, and run again.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use qbb::journal::{Event, JournalError, JournalReader, JournalWriter, ProcessIdentity, Timestamp};
use qbb::{GraphIdentity, journal::RunOutcome};
use qbb_executor::{Exclusivity, RunError};
use support::{Space, Witness, concatenate, functions};

/// The only journal file of a space.
fn journal_file(space: &Space) -> Utf8PathBuf {
    let mut files = space.journal().read_dir_utf8().unwrap();
    let file = files.next().unwrap().unwrap().into_path();
    assert!(files.next().is_none());
    file
}

/// Offsets at which frames begin, with their events.
fn frames(file: &Utf8Path) -> Vec<(u64, Event)> {
    let mut reader = JournalReader::open(file).unwrap();
    let mut frames = Vec::new();
    while let Some(frame) = reader.next_event().unwrap() {
        frames.push(frame);
    }
    frames
}

/// Quanta that ended in a list of events.
fn ended(frames: &[(u64, Event)]) -> Vec<u32> {
    let quantum = |event: &Event| match event {
        Event::QuantumFinished { quantum, .. } => Some(quantum.0),
        _ => None,
    };
    frames.iter().filter_map(|(_, event)| quantum(event)).collect()
}

/// A space whose runs take the place of others that were killed. These tests do not kill
/// themselves, so the killed run seems to go on in this process.
fn space() -> Space {
    let mut space = Space::new();
    space.options.exclusivity = Exclusivity::Forced;
    space
}

fn cut(file: &Utf8Path, length: u64) {
    fs_err::OpenOptions::new().write(true).open(file).unwrap().file().set_len(length).unwrap();
}

/// For every point at which the process may have been killed: what had ended is not done again, all
/// else is, and the result is that of an undisturbed run.
#[test]
fn killed_anywhere_a_run_goes_on_where_it_was() {
    let undisturbed = Space::new();
    undisturbed.run(concatenate).unwrap();
    let all = undisturbed.products();
    let length = fs_err::metadata(journal_file(&undisturbed)).unwrap().len();
    // Byte by byte would prove no more and take long.
    for cut_at in (0..length).step_by(299) {
        let space = space();
        space.run(concatenate).unwrap();
        let file = journal_file(&space);
        cut(&file, cut_at.min(fs_err::metadata(&file).unwrap().len()));
        let done = ended(&frames(&file));
        let witness = Witness::default();
        let report = space.run_with(functions(concatenate), &witness, None).unwrap();
        assert_eq!(report.outcome, RunOutcome::Complete, "cut at {cut_at}");
        assert_eq!(report.done_before as usize, done.len(), "cut at {cut_at}");
        let again: BTreeMap<u32, u32> = witness.started.lock().unwrap().iter().copied().collect();
        assert!(done.iter().all(|quantum| !again.contains_key(quantum)), "cut at {cut_at}");
        assert_eq!(space.products(), all, "cut at {cut_at}");
    }
}

/// A killed quantum leaves metadata but no log, or half of its outputs; none of it survives.
#[test]
fn what_a_killed_quantum_left_is_replaced() {
    let space = space();
    let report = space.run(concatenate).unwrap();
    let file = journal_file(&space);
    let all = frames(&file);
    let last_end =
        all.iter().rposition(|(_, event)| matches!(event, Event::QuantumFinished { .. }));
    let (offset, Event::QuantumFinished { quantum, .. }) = all[last_end.unwrap()] else {
        panic!("the search was for an end");
    };
    cut(&file, offset);
    let path = |name| {
        let path = space.recorded_path(&report, space.output(quantum, name)).unwrap();
        space.outputs().join(path)
    };
    fs_err::remove_file(path("_log")).unwrap();
    fs_err::write(path("summary"), "half a summ").unwrap();
    let report = space.run(concatenate).unwrap();
    assert_eq!((report.executed, report.done_before), (1, 14));
    assert_eq!(report.state.finished(quantum).unwrap().attempt, 1);
    assert!(path("_log").exists());
    let summary = fs_err::read_to_string(path("summary")).unwrap();
    assert!(summary.starts_with("summary of"), "{summary}");
}

/// After a crash of the machine the journal may claim files that never reached the disk. Claims
/// before the last durable mark are trusted, those after it are checked.
#[test]
fn claims_that_were_not_durable_are_checked() {
    let space = space();
    let report = space.run(concatenate).unwrap();
    let file = journal_file(&space);
    let victim = space.quanta_of("isr")[2];
    let image = space.recorded_path(&report, space.output(victim, "image")).unwrap();
    let image = space.outputs().join(image);

    // As if the crash had emptied the file, which the durable mark denies.
    fs_err::write(&image, "").unwrap();
    let trusting = space.run(|_| panic!("nothing should run")).unwrap();
    assert_eq!(trusting.executed, 0);
    fs_err::remove_file(&trusting.journal).unwrap();

    let mark = frames(&file)
        .into_iter()
        .find(|(_, event)| matches!(event, Event::OutputsDurable { .. }))
        .unwrap();
    cut(&file, mark.0);
    let witness = Witness::default();
    let report = space.run_with(functions(concatenate), &witness, None).unwrap();
    assert_eq!(*witness.started.lock().unwrap(), [(victim.0, 1)]);
    assert!(witness.warnings.lock().unwrap()[0].contains("1 recorded results are not on disk"));
    assert_eq!(report.outcome, RunOutcome::Complete);
    assert!(!fs_err::read(&image).unwrap().is_empty());
}

#[test]
fn two_runs_do_not_mix_unless_told_to() {
    let mut space = Space::new();
    let identity = GraphIdentity::of(&space.graph);
    let announce = |process: ProcessIdentity| {
        let other = JournalWriter::create(&space.journal(), identity).unwrap();
        let (time, options) = (Timestamp::now(), "{}".to_owned());
        other.record([&Event::RunStarted { time, process, options }]).unwrap();
    };
    // Another host, as this process would count as the same one.
    let host = "elsewhere".to_owned();
    announce(ProcessIdentity { host, ..ProcessIdentity::current() });
    let error = space.run(concatenate).unwrap_err();
    assert!(matches!(error, RunError::Journal(JournalError::LiveRun { .. })), "{error}");
    assert!(error.to_string().contains("on elsewhere is executing this graph"), "{error}");
    let files = space.journal().read_dir_utf8().unwrap().count();
    assert_eq!(files, 1, "the refused run leaves no file");

    space.options.exclusivity = Exclusivity::Forced;
    assert_eq!(space.run(concatenate).unwrap().executed, 15);
}

#[test]
fn a_dead_process_is_no_obstacle() {
    let space = Space::new();
    let other = JournalWriter::create(&space.journal(), GraphIdentity::of(&space.graph)).unwrap();
    let process = ProcessIdentity { start_ticks: 1, ..ProcessIdentity::current() };
    let (time, options) = (Timestamp::now(), "{}".to_owned());
    other.record([&Event::RunStarted { time, process, options }]).unwrap();
    assert_eq!(space.run(concatenate).unwrap().executed, 15);
}

#[test]
fn the_journal_of_another_graph_is_refused() {
    let space = Space::new();
    JournalWriter::create(&space.journal(), GraphIdentity([1; 32])).unwrap();
    let error = space.run(concatenate).unwrap_err();
    assert!(matches!(error, RunError::Journal(JournalError::OtherGraph { .. })), "{error}");
}
