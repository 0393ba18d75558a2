//! Tests of [`super::JournalFollower`].

use std::io::Write as _;

use proptest::collection::vec;
use proptest::prelude::*;
use qbb_graph::{DatasetIx, QuantumIx};

use super::*;
use crate::journal::strategies::{N_DATASETS, N_QUANTA, event};
use crate::journal::{Event, JournalReader, JournalWriter, QuantumEnd, QuantumOutcome, Timestamp};

const IDENTITY: GraphIdentity = GraphIdentity([3; 32]);

fn follower(directory: &Utf8Path) -> JournalFollower {
    let (n_quanta, n_datasets) = (N_QUANTA as usize, N_DATASETS as usize);
    let graph = GraphOutline { identity: IDENTITY, n_quanta, n_datasets };
    JournalFollower::new(directory, graph, Detail::Full)
}

fn directory() -> (tempfile::TempDir, Utf8PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap();
    (folder, path)
}

fn started(time: i64) -> Event {
    Event::QuantumStarted { time: Timestamp(time), quantum: QuantumIx(0), attempt: 0 }
}

fn ended() -> Event {
    let (started, ended) = (Timestamp(1), Timestamp(2));
    let outcome = QuantumOutcome::bare(QuantumEnd::Succeeded);
    Event::QuantumFinished { quantum: QuantumIx(0), attempt: 0, started, ended, outcome }
}

/// All that a state tells.
fn told(state: &JournalState) -> Vec<String> {
    let quanta = (0..N_QUANTA).map(QuantumIx).map(|quantum| {
        format!(
            "{:?} {:?} {:?} {}",
            state.progress(quantum),
            state.finished(quantum),
            state.in_flight_since(quantum),
            state.next_attempt(quantum)
        )
    });
    let datasets = (0..N_DATASETS).map(DatasetIx).map(|dataset| {
        format!("{} {:?}", state.is_written(dataset), state.records(dataset).collect::<Vec<_>>())
    });
    let rest = format!("{:?} {:?} {:?}", state.runs, state.unproven, state.warnings);
    quanta.chain(datasets).chain([rest]).collect()
}

/// The state by the reader of events, one file and one event after the other.
fn folded(files: &[&Utf8Path]) -> Vec<String> {
    let mut state = JournalState::new(N_QUANTA as usize, N_DATASETS as usize);
    for path in files {
        let mut reader = JournalReader::open(path).unwrap();
        let writer = state.add_writer(reader.header().unwrap().writer);
        while let Some((_, event)) = reader.next_event().unwrap() {
            state.fold(writer, &event).unwrap();
        }
    }
    let mut told = told(&state);
    told.pop();
    told
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// However a journal came to be, reading it in steps and at once give the same, which is what
    /// its events say one by one.
    #[test]
    fn steps_do_not_matter(
        events in vec(event(), 0..24),
        step in 1..6usize,
        files in 1..3usize,
    ) {
        let (_folder, path) = directory();
        let mut writers: Vec<JournalWriter> =
            (0..files).map(|_| JournalWriter::create(&path, IDENTITY).unwrap()).collect();
        writers.sort_by_key(|writer| writer.path().to_owned());
        // One file after the other, as several causes of blocking depend on the order.
        let mut following = follower(&path);
        for (number, events) in events.chunks(step).enumerate() {
            writers[(number * step * files / events.len().max(24)).min(files - 1)]
                .record(events)
                .unwrap();
            prop_assert!(following.poll().unwrap());
            prop_assert!(!following.poll().unwrap());
        }
        following.poll().unwrap();
        let mut at_once = follower(&path);
        at_once.poll().unwrap();
        let told = told(following.state());
        prop_assert_eq!(&told, &tests::told(at_once.state()));
        let paths: Vec<&Utf8Path> = writers.iter().map(JournalWriter::path).collect();
        prop_assert_eq!(&told[..told.len() - 1], folded(&paths));
    }
}

#[test]
fn a_frame_that_is_half_written_is_taken_when_it_is_whole() {
    let (_folder, path) = directory();
    let journal = JournalWriter::create(&path, IDENTITY).unwrap();
    journal.record([&started(5)]).unwrap();
    let before = journal.end();
    journal.record([&ended()]).unwrap();
    let bytes = fs_err::read(journal.path()).unwrap();
    let cut = |length| {
        let mut file = fs_err::File::create(journal.path()).unwrap();
        file.write_all(&bytes[..length as usize]).unwrap();
    };
    cut(before + 7);
    let mut following = follower(&path);
    assert!(following.poll().unwrap());
    assert_eq!(following.state().in_flight_since(QuantumIx(0)), Some(Timestamp(5)));
    assert!(!following.poll().unwrap());
    // Of a length, but not of the content yet, as network file systems may show it.
    let mut hole = bytes[..before as usize].to_vec();
    hole.resize(bytes.len(), 0);
    fs_err::write(journal.path(), &hole).unwrap();
    assert!(!following.poll().unwrap());
    fs_err::write(journal.path(), &bytes).unwrap();
    assert!(following.poll().unwrap());
    assert!(following.state().progress(QuantumIx(0)).is_success());
}

#[test]
fn files_come_and_go() {
    let (_folder, path) = directory();
    let mut following = follower(&path.join("later"));
    assert!(following.poll().unwrap(), "the first time everything is new");
    assert!(!following.poll().unwrap());
    let process = crate::journal::ProcessIdentity::current();
    let gave_up = JournalWriter::create(&path.join("later"), IDENTITY).unwrap();
    let options = "{}".to_owned();
    gave_up.record([&Event::RunStarted { time: Timestamp(1), process, options }]).unwrap();
    assert!(following.poll().unwrap());
    assert_eq!(following.state().runs().len(), 1);
    fs_err::remove_file(gave_up.path()).unwrap();
    assert!(following.poll().unwrap());
    assert_eq!(following.state().runs().len(), 0);

    // One that had said more is forgotten with all it said.
    let journal = JournalWriter::create(&path.join("later"), IDENTITY).unwrap();
    journal.record([&ended()]).unwrap();
    following.poll().unwrap();
    assert!(following.state().progress(QuantumIx(0)).is_success());
    fs_err::remove_file(journal.path()).unwrap();
    assert!(following.poll().unwrap());
    assert!(!following.state().progress(QuantumIx(0)).is_success());
}

/// Long enough for several pieces, with frames that are longer than a piece.
#[test]
fn pieces_fit_together() {
    let (_folder, path) = directory();
    let journal = JournalWriter::create(&path, IDENTITY).unwrap();
    let long = |n: usize| {
        let outcome = QuantumOutcome::failure("E", "x".repeat(n));
        let (started, ended) = (Timestamp(1), Timestamp(n as i64));
        Event::QuantumFinished { quantum: QuantumIx(1), attempt: 0, started, ended, outcome }
    };
    let piece = PIECE as usize;
    for n in [10, 3 * piece, 700_000, piece - 123, 17] {
        for attempt in 0..2 {
            journal.record([&long(n), &started(i64::from(attempt)), &long(n + 1)]).unwrap();
        }
    }
    journal.record([&ended()]).unwrap();
    let mut following = follower(&path);
    following.poll().unwrap();
    assert_eq!(following.state().warnings(), []);
    assert!(following.state().progress(QuantumIx(0)).is_success());
    assert_eq!(following.files.values().next().unwrap().offset, journal.end());

    // Damage far from the next frame.
    let mut bytes = fs_err::read(journal.path()).unwrap();
    bytes[5 * piece] ^= 1;
    fs_err::write(journal.path(), &bytes).unwrap();
    let mut reader = JournalReader::open(journal.path()).unwrap();
    while reader.next_event().unwrap().is_some() {}
    let mut following = follower(&path);
    following.poll().unwrap();
    let file = following.files.values().next().unwrap();
    assert_eq!(file.tail, reader.tail().unwrap());
    assert_eq!(following.state().warnings().len(), 1);
    assert!(!following.state().progress(QuantumIx(0)).is_success());
}

#[test]
fn a_writer_is_known_by_its_header() {
    let (_folder, path) = directory();
    let journal = JournalWriter::create(&path, IDENTITY).unwrap();
    let copy = path.join(format!("{}.journal", Uuid::nil()));
    fs_err::copy(journal.path(), copy).unwrap();
    let mut following = follower(&path);
    following.poll().unwrap();
    assert_eq!(following.files.len(), 2);
    let other = JournalWriter::create(&path, GraphIdentity([4; 32])).unwrap();
    let refused = following.poll().unwrap_err();
    assert!(matches!(refused, JournalError::OtherGraph { path, .. } if path == other.path()));
}
