//! Runs that put metadata and logs into packs.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use qbb::journal::{Event, JournalReader, RunOutcome};
use qbb::pack::{PackReader, Packs};
use qbb_executor::{Exclusivity, RunReport, TaskError};
use qbb_graph::QuantumIx;
use serde_json::Value;
use support::{Space, Witness, concatenate, functions};

fn space() -> Space {
    let mut space = Space::new();
    space.options.pack = true;
    // These tests do not kill themselves, so a killed run seems to go on in this process.
    space.options.exclusivity = Exclusivity::Forced;
    space
}

/// Metadata or log of a quantum, as packed.
fn packed(space: &Space, report: &RunReport, quantum: QuantumIx, name: &str) -> Value {
    let place = report.state.packed(space.output(quantum, name)).unwrap();
    serde_json::from_slice(&Packs::new(&space.journal()).read(place).unwrap()).unwrap()
}

fn files(space: &Space, ending: &str) -> Vec<Utf8PathBuf> {
    (space.journal().read_dir_utf8().unwrap())
        .map(|entry| entry.unwrap().into_path())
        .filter(|path| path.extension() == Some(ending))
        .collect()
}

fn products_without(space: &Space, folders: &[&str]) -> BTreeMap<String, String> {
    let mut products = space.products();
    products.retain(|path, _| !folders.iter().any(|folder| path.contains(folder)));
    products
}

#[test]
fn metadata_and_logs_are_in_one_pack_and_nothing_else_is() {
    let space = space();
    let report = space.run(concatenate).unwrap();
    assert_eq!(report.outcome, RunOutcome::Complete);
    let usual = Space::new();
    usual.run(concatenate).unwrap();
    assert_eq!(space.products(), products_without(&usual, &["_metadata/", "_log/"]));
    for quantum in space.graph.quanta.iter() {
        let metadata = packed(&space, &report, quantum, "_metadata");
        assert!(metadata["metadata"][space.label(quantum)].is_object(), "{metadata}");
        let log = packed(&space, &report, quantum, "_log");
        assert_eq!(log["version"], 2);
    }
    let [file] = &files(&space, "pack")[..] else { panic!("one process, one pack") };
    assert_eq!(file.with_extension("journal"), report.journal);
    let index = PackReader::open(file).unwrap().index().unwrap();
    assert_eq!(index.iter().map(|(_, rows)| rows.len()).sum::<usize>(), 30);
}

#[test]
fn what_a_task_reads_stays_a_file() {
    let mut space = space();
    let graph = std::sync::Arc::get_mut(&mut space.graph).unwrap();
    let isr = graph.pipeline.find_task("isr").unwrap();
    let metadata = graph.pipeline.task(isr).metadata_output.dataset_type;
    let reader = graph.pipeline.tasks.iter_mut().find(|t| t.label == "summarizeVisit").unwrap();
    // None of its quanta does, but the pipeline says that they may.
    let mut input = reader.inputs[0].clone();
    (input.dataset_type, input.minimum) = (metadata, 0);
    reader.inputs.push(input);
    let report = space.run(concatenate).unwrap();
    assert_eq!(report.outcome, RunOutcome::Complete);
    let quantum = space.quanta_of("isr")[0];
    assert!(!space.output_file(&report, quantum, "_metadata").is_empty());
    assert!(report.state.packed(space.output(quantum, "_log")).is_some());
}

#[test]
fn a_retry_finds_the_log_of_the_attempt_before_it_and_may_pack_or_not() {
    for packs in [[true, true, true], [true, false, true], [false, true, false]] {
        let mut space = space();
        let bad = space.quanta_of("isr")[0];
        let mut attempt = |pack: bool, work: Option<&'static str>| {
            space.options.pack = pack;
            let image = space.output(bad, "image");
            let report = space.run(move |context| match work {
                Some(message) if context.output("image").ok() == Some(image) => {
                    Err(TaskError::failed(message))
                }
                _ => concatenate(context),
            });
            let report = report.unwrap();
            let log = match report.state.packed(space.output(bad, "_log")) {
                Some(_) => packed(&space, &report, bad, "_log"),
                None => serde_json::from_slice(&space.output_file(&report, bad, "_log")).unwrap(),
            };
            assert_eq!(report.state.packed(space.output(bad, "_log")).is_some(), pack);
            (report, log)
        };
        let (report, _) = attempt(packs[0], Some("first"));
        assert_eq!(report.outcome, RunOutcome::WithFailures);
        attempt(packs[1], Some("second"));
        let (report, log) = attempt(packs[2], None);
        assert_eq!(report.outcome, RunOutcome::Complete);
        let said: Vec<&str> = (log["previous_attempts"].as_array().unwrap().iter())
            .map(|attempt| attempt["exception"]["message"].as_str().unwrap())
            .collect();
        assert_eq!(said, ["first", "second"], "{packs:?}");
        assert!(report.state.is_written(space.output(bad, "_metadata")));
    }
}

fn cut(file: &Utf8Path, length: u64) {
    fs_err::OpenOptions::new().write(true).open(file).unwrap().file().set_len(length).unwrap();
}

fn length(file: &Utf8Path) -> u64 {
    fs_err::metadata(file).unwrap().len()
}

fn all_are_readable(space: &Space, report: &RunReport) {
    assert_eq!(report.outcome, RunOutcome::Complete);
    for quantum in space.graph.quanta.iter() {
        packed(space, report, quantum, "_metadata");
        packed(space, report, quantum, "_log");
    }
}

/// A killed process: the journal ends anywhere, and the pack holds what it claims, and perhaps more
/// or a torn block.
#[test]
fn killed_anywhere_a_run_goes_on_where_it_was() {
    for step in 0..12 {
        let space = space();
        let report = space.run(concatenate).unwrap();
        let pack = files(&space, "pack").remove(0);
        let journal = report.journal.clone();
        cut(&journal, length(&journal) * step / 12);
        let mut reader = JournalReader::open(&journal).unwrap();
        let (mut claimed, mut done) = (0, 0);
        while let Some((_, event)) = reader.next_event().unwrap() {
            match event {
                Event::OutputsPacked { blocks, .. } => {
                    claimed = blocks.last().map_or(claimed, |block| block.offset);
                }
                Event::QuantumFinished { .. } => done += 1,
                _ => {}
            }
        }
        let index = PackReader::open(&pack).unwrap().index().unwrap();
        let after = index.iter().map(|(offset, _)| *offset).find(|&offset| offset > claimed);
        if let Some(after) = after {
            // The next block had been begun.
            cut(&pack, after + step % 3);
        }
        let report = space.run(concatenate).unwrap();
        assert_eq!(report.done_before, done, "step {step}");
        all_are_readable(&space, &report);
        assert_eq!(files(&space, "pack").len(), 2);
    }
}

/// A machine that stopped: of the pack there is less than the journal claims, and no mark says that
/// it was durable.
#[test]
fn claims_of_blocks_that_were_not_durable_are_checked() {
    for step in 0..8 {
        let space = space();
        let report = space.run(concatenate).unwrap();
        let pack = files(&space, "pack").remove(0);
        let mut reader = JournalReader::open(&report.journal).unwrap();
        let mut mark = 0;
        while let Some((offset, event)) = reader.next_event().unwrap() {
            if let Event::OutputsDurable { .. } = event {
                mark = offset;
                break;
            }
        }
        cut(&report.journal, mark);
        let index = PackReader::open(&pack).unwrap().index().unwrap();
        let lost_from = index[0].0 + (length(&pack) - index[0].0) * step / 8;
        if step % 2 == 0 {
            cut(&pack, lost_from);
        } else {
            // Files may come back with holes as well.
            let mut bytes = fs_err::read(&pack).unwrap();
            bytes[lost_from as usize..].fill(0);
            fs_err::write(&pack, bytes).unwrap();
        }
        let lost: usize = (index.iter().enumerate())
            .filter(|(i, _)| index.get(i + 1).map_or(length(&pack) + 1, |b| b.0) > lost_from)
            .map(|(_, (_, rows))| rows.len() / 2)
            .sum();
        let witness = Witness::default();
        let report = space.run_with(functions(concatenate), &witness, None).unwrap();
        assert_eq!(report.executed as usize, lost, "step {step}");
        assert!(witness.warnings.lock().unwrap()[0].contains("are not on disk"));
        all_are_readable(&space, &report);
    }
}
