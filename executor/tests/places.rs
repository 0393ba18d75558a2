//! Which thread ran which quantum.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;
#[path = "../../benches/support/tiled.rs"]
mod tiled;

use std::collections::BTreeMap;
use std::sync::Arc;

use qbb::journal::{
    AttemptEnd, AttemptSink, Detail, Event, GraphOutline, JournalFollower, JournalReader,
    RunOutcome, Timestamp,
};
use qbb_graph::QuantumIx;
use support::Space;
use uuid::Uuid;

/// The last place of each attempt that was told before its end, and when it ran.
#[derive(Default)]
struct Timeline {
    places: BTreeMap<u32, u32>,
    by_place: BTreeMap<u32, Vec<(Timestamp, Timestamp)>>,
    homeless: usize,
}

impl AttemptSink for Timeline {
    fn begin_writer(&mut self, _: u32, _: Uuid) {}

    fn started(&mut self, _: u32, _: QuantumIx, _: u32, _: Timestamp) {}

    fn placed(&mut self, _: u32, quantum: QuantumIx, _: u32, place: u32) {
        self.places.insert(quantum.0, place);
    }

    fn ended(&mut self, _: u32, end: AttemptEnd<'_>) {
        match self.places.get(&end.quantum.0) {
            Some(&place) => self.by_place.entry(place).or_default().push((end.started, end.ended)),
            None => self.homeless += 1,
        }
    }

    fn start_again(&mut self) {}
}

#[test]
fn quanta_that_were_handed_out_ahead_have_the_place_of_their_thread() {
    let mut space = Space::new();
    let graph = Arc::get_mut(&mut space.graph).unwrap();
    for task in &mut graph.pipeline.tasks {
        for input in task.inputs.iter_mut().chain(&mut task.prerequisite_inputs) {
            input.minimum = 0;
        }
    }
    *graph = tiled::tiled(graph, 100);
    // Without files, so that they take microseconds.
    space.options.pack = true;
    let report = space.run(|_| Ok(())).unwrap();
    assert_eq!(report.outcome, RunOutcome::Complete);
    let mut reader = JournalReader::open(&report.journal).unwrap();
    let mut most_at_once = 0;
    while let Some((_, event)) = reader.next_event().unwrap() {
        if let Event::QuantaPlaced { quanta, .. } = event {
            most_at_once = quanta.len().max(most_at_once);
        }
    }
    assert!(most_at_once > 1, "none was handed out ahead");
    let mut timeline = Timeline::default();
    let graph = GraphOutline::of(&space.graph);
    JournalFollower::open_with(&space.journal(), graph, Detail::Full, &mut timeline).unwrap();
    assert_eq!((timeline.homeless, timeline.places.len()), (0, 1500));
    assert!(timeline.by_place.keys().all(|&place| place < space.jobs as u32));
    for (place, mut times) in timeline.by_place {
        times.sort_unstable();
        for pair in times.windows(2) {
            assert!(pair[0].1 <= pair[1].0, "two at a time in place {place}: {pair:?}");
        }
    }
}
