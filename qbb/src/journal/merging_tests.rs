//! Journals read in pieces and in parallel say what their events say one after the other.

use std::io::Cursor;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use qbb_graph::{DatasetIx, QuantumIx};

use super::*;
use crate::journal::strategies::{N_DATASETS, N_QUANTA, event};
use crate::journal::{
    AttemptEnd, Event, JournalReader, JournalWriter, QuantumEnd, Timestamp, WrittenRecord,
};

const IDENTITY: GraphIdentity = GraphIdentity([3; 32]);

/// What is done to some journal files.
#[derive(Debug, Clone)]
enum Step {
    /// A writer records events in one piece.
    Record(Index, Vec<Event>),
    /// A writer records once more what any has recorded.
    Repeat(Index, Index),
    /// A writer says that another one's file ends somewhere.
    Fence(Index, Index, f64),
    /// A file is cut, and nothing is written to it any more.
    Cut(Index, f64),
    /// A bit of a file changes, and nothing is written to it any more.
    Damage(Index, f64),
}

fn step() -> impl Strategy<Value = Step> {
    let record = || {
        (any::<Index>(), vec(event(), 1..6))
            .prop_map(|(writer, events)| Step::Record(writer, events))
    };
    prop_oneof![
        10 => record(),
        2 => any::<[Index; 2]>().prop_map(|[writer, which]| Step::Repeat(writer, which)),
        1 => (any::<[Index; 2]>(), 0.0..1.1f64)
            .prop_map(|([writer, other], place)| Step::Fence(writer, other, place)),
        1 => (any::<Index>(), 0.0..1.0f64).prop_map(|(file, place)| Step::Cut(file, place)),
        1 => (any::<Index>(), 0.0..1.0f64).prop_map(|(file, place)| Step::Damage(file, place)),
    ]
}

/// Files as they are after some steps.
fn written(directory: &Utf8Path, n_files: usize, steps: &[Step]) {
    let mut writers: Vec<Option<JournalWriter>> =
        (0..n_files).map(|_| Some(JournalWriter::create(directory, IDENTITY).unwrap())).collect();
    let paths: Vec<Utf8PathBuf> =
        writers.iter().flatten().map(|writer| writer.path().to_owned()).collect();
    let ids: Vec<Uuid> = writers.iter().flatten().map(JournalWriter::writer).collect();
    let mut recorded: Vec<Vec<Event>> = Vec::new();
    let place = |file: usize, share: f64| {
        let length = fs_err::metadata(&paths[file]).unwrap().len() as f64;
        (length * share) as u64
    };
    for step in steps {
        let (writer, events) = match step {
            Step::Record(writer, events) => {
                recorded.push(events.clone());
                (writer, events.clone())
            }
            Step::Repeat(writer, which) if !recorded.is_empty() => {
                (writer, recorded[which.index(recorded.len())].clone())
            }
            Step::Fence(writer, other, share) => {
                let other = other.index(n_files);
                let superseded = vec![(ids[other], place(other, *share))];
                (writer, vec![Event::RunGoesOn { time: Timestamp(1), superseded }])
            }
            Step::Cut(file, share) | Step::Damage(file, share) => {
                let file = file.index(n_files);
                writers[file] = None;
                let mut bytes = fs_err::read(&paths[file]).unwrap();
                let at = place(file, *share) as usize;
                match step {
                    Step::Cut(..) => bytes.truncate(at),
                    // A damaged header is another matter.
                    _ if at >= HEADER => bytes[at] ^= 4,
                    _ => {}
                }
                fs_err::write(&paths[file], bytes).unwrap();
                continue;
            }
            Step::Repeat(..) => continue,
        };
        if let Some(writer) = &writers[writer.index(n_files)] {
            writer.record(&events).unwrap();
        }
    }
}

/// Attempts as they were told, those of each writer in order.
#[derive(Debug, Default, PartialEq)]
struct Told(BTreeMap<Uuid, Vec<String>>, FxHashMap<u32, Uuid>);

impl Told {
    fn tell(&mut self, writer: u32, what: String) {
        self.0.entry(self.1[&writer]).or_default().push(what);
    }
}

impl AttemptSink for Told {
    fn begin_writer(&mut self, number: u32, writer: Uuid) {
        self.1.insert(number, writer);
    }

    fn started(&mut self, writer: u32, quantum: QuantumIx, attempt: u32, time: Timestamp) {
        self.tell(writer, format!("start {quantum:?} {attempt} {time:?}"));
    }

    fn placed(&mut self, writer: u32, quantum: QuantumIx, attempt: u32, place: u32) {
        self.tell(writer, format!("place {quantum:?} {attempt} {place}"));
    }

    fn ended(&mut self, writer: u32, end: AttemptEnd<'_>) {
        self.tell(writer, format!("{end:?}"));
    }

    fn start_again(&mut self) {
        *self = Self::default();
    }
}

/// The state and the attempts by definition: file after file, event after event.
fn by_definition(directory: &Utf8Path) -> (JournalState, Told) {
    let files: BTreeMap<Utf8PathBuf, Vec<u8>> = (journal_files(directory).unwrap().into_iter())
        .map(|path| (path.clone(), fs_err::read(&path).unwrap()))
        .collect();
    let events = |path: &Utf8Path, bytes: &[u8]| {
        let mut reader = JournalReader::new(path, Cursor::new(bytes)).unwrap();
        let writer = reader.header().map(|header| header.writer);
        let mut events = Vec::new();
        while let Some((_, event)) = reader.next_event().unwrap() {
            events.push(event);
        }
        (writer, events)
    };
    let mut fences: FxHashMap<Uuid, u64> = FxHashMap::default();
    for (path, bytes) in &files {
        let (writer, events) = events(path, bytes);
        for event in events {
            let Event::RunGoesOn { superseded, .. } = event else { continue };
            for (other, end) in superseded.into_iter().filter(|(other, _)| Some(*other) != writer) {
                let end = end.max(HEADER as u64);
                let fence = fences.entry(other).or_insert(end);
                *fence = end.min(*fence);
            }
        }
    }
    let mut state = JournalState::new(N_QUANTA as usize, N_DATASETS as usize);
    let mut told = Told::default();
    for (path, bytes) in &files {
        let (Some(writer), _) = events(path, bytes) else { continue };
        let fence = fences.get(&writer).map_or(bytes.len(), |&fence| fence as usize);
        let number = state.add_writer(writer);
        told.begin_writer(number, writer);
        for event in events(path, &bytes[..bytes.len().min(fence)]).1 {
            state.fold(number, &event).unwrap();
            match &event {
                Event::QuantumStarted { time, quantum, attempt } => {
                    told.started(number, *quantum, *attempt, *time);
                }
                Event::QuantumPlaced { quantum, attempt, worker, .. } => {
                    told.placed(number, *quantum, *attempt, *worker);
                }
                Event::QuantaPlaced { worker, quanta, .. } => {
                    quanta
                        .iter()
                        .for_each(|&(q, attempt)| told.placed(number, q, attempt, *worker));
                }
                Event::QuantumFinished { quantum, attempt, started, ended, outcome } => {
                    let end = AttemptEnd {
                        quantum: *quantum,
                        attempt: *attempt,
                        started: *started,
                        ended: *ended,
                        end: outcome.end,
                        memory: outcome.usage.map(|usage| usage.memory),
                        exception: outcome.exception.as_ref().map(|e| e.type_name.as_str()),
                    };
                    told.ended(number, end);
                }
                _ => {}
            }
        }
    }
    (state, told)
}

/// All that a state tells; without what is not kept if there is little detail.
fn all_of(state: &JournalState, detail: Detail) -> Vec<String> {
    let quanta = (0..N_QUANTA).map(QuantumIx).map(|quantum| {
        let mut finished = state.finished(quantum);
        if let Some(finished) = finished.as_mut().filter(|_| detail == Detail::Progress) {
            (finished.available_inputs, finished.actual_inputs) = (&[], &[]);
        }
        format!(
            "{:?} {finished:?} {:?} {:?} {:?} {:?} {}",
            state.progress(quantum),
            state.in_flight_since(quantum),
            state.placed(quantum),
            state.repeated(quantum),
            state.left_running(quantum),
            state.next_attempt(quantum),
        )
    });
    let datasets = (0..N_DATASETS).map(DatasetIx).map(|dataset| {
        let records: Vec<WrittenRecord<'_>> = match detail {
            Detail::Full => state.records(dataset).collect(),
            Detail::Progress => Vec::new(),
        };
        format!(
            "{} {} {} {records:?} {:?}",
            state.is_written(dataset),
            state.is_removed(dataset),
            state.bytes(dataset),
            state.packed(dataset),
        )
    });
    quanta.chain(datasets).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn pieces_in_parallel_say_what_events_say_in_order(
        n_files in 1..5usize,
        steps in vec(step(), 1..24),
        piece in prop_oneof![Just(1u64), 20..200u64, 200..4000u64],
        detail in prop_oneof![Just(Detail::Full), Just(Detail::Progress)],
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(folder.path()).unwrap();
        written(path, n_files, &steps);
        let (state, told) = by_definition(path);
        let (n_quanta, n_datasets) = (N_QUANTA as usize, N_DATASETS as usize);
        let graph = GraphOutline { identity: IDENTITY, n_quanta, n_datasets };
        let mut follower = JournalFollower { piece, ..JournalFollower::new(path, graph, detail) };
        let mut seen = Told::default();
        follower.poll_with(&mut seen).unwrap();
        prop_assert_eq!(all_of(follower.state(), detail), all_of(&state, detail));
        prop_assert_eq!(seen.0, told.0);
    }
}

/// Who only looks at a run still learns where the logs of failures are.
#[test]
fn records_of_failures_are_kept_for_those_who_look() {
    let folder = tempfile::tempdir().unwrap();
    let path = Utf8Path::from_path(folder.path()).unwrap();
    let journal = JournalWriter::create(path, IDENTITY).unwrap();
    let end = |quantum: u32, end: QuantumEnd| {
        let record = crate::journal::FileRecord {
            path: format!("log {quantum}"),
            formatter: "F".into(),
            storage_class: "S".into(),
            component: None,
            checksum: None,
            file_size: 7,
        };
        let (dataset, records) = (DatasetIx(quantum), vec![record]);
        let outputs = vec![crate::journal::DatasetOutput { dataset, records }];
        Event::QuantumFinished {
            quantum: QuantumIx(quantum),
            attempt: 0,
            started: Timestamp(1),
            ended: Timestamp(2),
            outcome: crate::journal::QuantumOutcome {
                outputs,
                ..crate::journal::QuantumOutcome::bare(end)
            },
        }
    };
    journal.record(&[end(0, QuantumEnd::Succeeded), end(1, QuantumEnd::Failed)]).unwrap();
    let graph = GraphOutline { identity: IDENTITY, n_quanta: 2, n_datasets: 2 };
    let mut follower = JournalFollower::new(path, graph, Detail::Progress);
    follower.poll().unwrap();
    let state = follower.state();
    assert_eq!((state.bytes(DatasetIx(0)), state.records(DatasetIx(0)).len()), (7, 0));
    assert_eq!(state.records(DatasetIx(1)).next().unwrap().path, "log 1");
}
