//! Crashes of the machine, and disks that fail.
//!
//! A run is watched: each change that it makes to the disk is noted. A crash may then happen after
//! any of them, and leaves what had been synced, and of the rest whatever file systems may leave:
//! names in the order in which they were given within each folder, or only the first of them;
//! files empty or without their ends; blocks of journals and packs missing in their middle.
//! `QBB_TEST_CRASHES` is how many to try, if not as many as are good for every day.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "support/crashing_disk.rs"]
mod crashing_disk;
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crashing_disk::{Change, Disk, Names};
use qbb::journal::{Durability, JournalFollower, ProcessIdentity, RunOutcome};
use qbb::pack::Packs;
use qbb_datastore::disk::{DiskRequest, DiskWatcher, Verdict, watch};
use qbb_executor::{Exclusivity, TaskError};
use support::{Space, Witness, concatenate, functions};

/// What is done about requests.
enum Mode {
    Nothing,
    Note(Vec<Change>),
    /// Fails requests from the given one on, so many of them, with an error of the system.
    Fail {
        after: usize,
        times: usize,
        errno: i32,
    },
}

static MODE: Mutex<Mode> = Mutex::new(Mode::Nothing);

struct Watcher;

impl DiskWatcher for Watcher {
    fn request(&self, request: DiskRequest<'_>) -> Verdict {
        match &mut *MODE.lock().unwrap() {
            Mode::Nothing => Verdict::Done,
            Mode::Note(changes) => {
                changes.push(Change::of(request));
                Verdict::Done
            }
            Mode::Fail { after, times, errno } => {
                if *after > 0 {
                    *after -= 1;
                    return Verdict::Done;
                }
                if *times == 0 {
                    return Verdict::Done;
                }
                *times -= 1;
                let part = match request {
                    DiskRequest::Append(_, bytes) => fastrand::usize(0..=bytes.len()),
                    _ => 0,
                };
                Verdict::Failed(part, io::Error::from_raw_os_error(*errno))
            }
        }
    }
}

/// One test at a time is watched.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: LazyLock<Mutex<()>> = LazyLock::new(|| {
        assert!(watch(Box::new(Watcher)));
        Mutex::new(())
    });
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn set(mode: Mode) -> Mode {
    std::mem::replace(&mut MODE.lock().unwrap(), mode)
}

fn crashes(usual: usize) -> usize {
    std::env::var("QBB_TEST_CRASHES").ok().and_then(|n| n.parse().ok()).unwrap_or(usual)
}

/// A space with what a crash has left of another one.
fn after_crash(before: &Space, names: &Names, files: &[Vec<u8>]) -> Space {
    let space = Space::new();
    for (name, file) in names {
        let Ok(inside) = name.strip_prefix(before.root()) else { continue };
        let place = space.root().join(inside);
        // A name in a folder that is lost is lost, too.
        let above = name.ancestors().skip(1).take_while(|folder| *folder != before.root());
        if !above.clone().all(|folder| names.contains_key(folder)) {
            continue;
        }
        match file {
            Some(number) => {
                fs_err::create_dir_all(place.parent().unwrap()).unwrap();
                fs_err::write(place, &files[*number]).unwrap();
            }
            None => fs_err::create_dir_all(place).unwrap(),
        }
    }
    space
}

/// Quanta that the journal says have succeeded and whose files and packed datasets are all there.
fn done(space: &Space) -> BTreeSet<u32> {
    let follower = JournalFollower::open(&space.journal(), &space.graph).unwrap();
    let state = follower.state();
    let packs = Packs::new(&space.journal());
    let intact = |dataset| {
        state.packed(dataset).is_none_or(|place| packs.read(place).is_ok())
            && state.records(dataset).all(|record| {
                fs_err::metadata(space.outputs().join(record.path))
                    .is_ok_and(|file| file.len() as i64 == record.file_size)
            })
    };
    (space.graph.quanta.iter())
        .filter(|&quantum| state.progress(quantum).is_success())
        .filter(|&q| space.graph.outputs.edges(q).all(|(_, dataset)| intact(dataset)))
        .map(|quantum| quantum.0)
        .collect()
}

/// Everything in a space is as an undisturbed run would have left it. Metadata and logs may be files
/// or packed, as each run has been told.
fn check_end(space: &Space, products: &BTreeMap<String, String>, what: &str) {
    assert_eq!(tasks_own(space.products()), tasks_own(products.clone()), "{what}");
    let packs = Packs::new(&space.journal());
    let follower = JournalFollower::open(&space.journal(), &space.graph).unwrap();
    let state = follower.state();
    for quantum in space.graph.quanta.iter() {
        assert!(state.progress(quantum).is_success(), "{what}: {quantum:?}");
        for (_, dataset) in space.graph.outputs.edges(quantum) {
            assert!(state.is_written(dataset), "{what}");
            if let Some(place) = state.packed(dataset) {
                let json = serde_json::from_slice::<serde_json::Value>(&packs.read(place).unwrap());
                assert!(json.is_ok(), "{what}: {place:?}");
                assert!(state.records(dataset).next().is_none(), "{what}: packed and a file");
                continue;
            }
            assert!(state.records(dataset).next().is_some(), "{what}");
            for record in state.records(dataset) {
                let bytes = fs_err::read(space.outputs().join(record.path)).unwrap();
                assert_eq!(bytes.len() as i64, record.file_size, "{what}: {}", record.path);
                if record.path.contains("_log/") || record.path.contains("_metadata/") {
                    let json = serde_json::from_slice::<serde_json::Value>(&bytes);
                    assert!(json.is_ok(), "{what}: {}", record.path);
                }
            }
        }
    }
}

fn tasks_own(mut products: BTreeMap<String, String>) -> BTreeMap<String, String> {
    products.retain(|path, _| !path.contains("_metadata/") && !path.contains("_log/"));
    products
}

/// Whether the next run puts metadata and logs into a pack: most do, if any may.
fn packs_next(packs: bool) -> bool {
    packs && fastrand::u8(0..4) > 0
}

/// The same host before its last start.
fn before_crash(number: usize) -> Option<ProcessIdentity> {
    Some(ProcessIdentity { boot: format!("before crash {number}"), ..ProcessIdentity::current() })
}

fn crash_again_and_again(durability: Durability, packs: bool, times: usize) {
    let _alone = alone();
    let undisturbed = Space::new();
    undisturbed.run(concatenate).unwrap();
    let products = undisturbed.products();
    let mut crashed = 0;
    let mut lost = 0;
    while crashed < times {
        let mut space = Space::new();
        // Of several crashes, each hits what was left by the one before.
        for number in 0..fastrand::usize(1..4) {
            space.options.durability = durability;
            space.options.pack = packs_next(packs);
            space.options.identity = before_crash(number);
            let folders = [space.outputs(), space.journal()];
            let mut disk = Disk::of(&folders);
            disk.names.insert(space.root().to_owned(), None);
            disk.durable_names.insert(space.root().to_owned(), None);
            set(Mode::Note(Vec::new()));
            let report = space.run(|context| {
                std::thread::sleep(Duration::from_micros(fastrand::u64(0..400)));
                concatenate(context)?;
                // What it has left, its log above all, is there for the next attempt, or lost.
                match fastrand::u8(0..16) {
                    0 => Err(TaskError::failed("bad luck")),
                    _ => Ok(()),
                }
            });
            let Mode::Note(changes) = set(Mode::Nothing) else { unreachable!() };
            report.unwrap();
            let until = fastrand::usize(0..=changes.len());
            changes[..until].iter().for_each(|change| disk.apply(change));
            let (names, files) = disk.crash();
            space = after_crash(&space, &names, &files);
            crashed += 1;
        }
        let what = format!("{durability:?}, crash {crashed}, packs {packs}");
        space.options.pack = packs_next(packs);
        let before = done(&space);
        lost += space.graph.quanta.len() - before.len();
        let witness = Witness::default();
        let report = space.run_with(functions(concatenate), &witness, None).unwrap();
        assert_eq!(report.outcome, RunOutcome::Complete, "{what}");
        let again: BTreeSet<u32> = witness.started.lock().unwrap().iter().map(|s| s.0).collect();
        let all: BTreeSet<u32> = space.graph.quanta.iter().map(|quantum| quantum.0).collect();
        assert_eq!(again, &all - &before, "{what}: what was lost, and nothing else");
        check_end(&space, &products, &what);
        assert_eq!(space.run(|_| panic!("nothing is left to do")).unwrap().executed, 0, "{what}");
    }
    assert!(lost > 0, "no crash has hit anything");
}

#[test]
fn a_crash_costs_what_was_not_synced_and_nothing_else() {
    fastrand::seed(11);
    crash_again_and_again(Durability::Batch(Duration::from_millis(1)), false, crashes(160));
}

#[test]
fn a_crash_of_a_run_that_syncs_at_its_end_is_survived() {
    fastrand::seed(12);
    crash_again_and_again(Durability::Exit, false, crashes(40));
}

#[test]
fn a_crash_of_a_run_that_syncs_each_quantum_is_survived() {
    fastrand::seed(13);
    crash_again_and_again(Durability::Quantum, false, crashes(40));
}

#[test]
fn what_was_packed_survives_a_crash_as_files_do() {
    fastrand::seed(17);
    crash_again_and_again(Durability::Batch(Duration::from_millis(1)), true, crashes(80));
    crash_again_and_again(Durability::Quantum, true, crashes(30));
    crash_again_and_again(Durability::Exit, true, crashes(30));
}

/// With this durability, whatever a run has said to have ended is there after a crash.
#[test]
fn with_the_durability_of_a_quantum_nothing_that_ended_is_lost() {
    let _alone = alone();
    fastrand::seed(14);
    for _ in 0..crashes(30) {
        let mut space = Space::new();
        space.options.durability = Durability::Quantum;
        space.options.pack = fastrand::bool();
        space.options.identity = before_crash(0);
        let mut disk = Disk::of(&[space.outputs(), space.journal()]);
        disk.names.insert(space.root().to_owned(), None);
        disk.durable_names.insert(space.root().to_owned(), None);
        // How many changes there were when a quantum was said to have ended.
        let said: Arc<Mutex<Vec<usize>>> = Arc::default();
        let say = said.clone();
        let witness = Witness {
            react: Some(Box::new(move |_| {
                let Mode::Note(changes) = &*MODE.lock().unwrap() else { return };
                say.lock().unwrap().push(changes.len());
            })),
            ..Witness::default()
        };
        set(Mode::Note(Vec::new()));
        // One at a time: successors start when the end of the one before is durable.
        space.jobs = 1;
        space.run_with(functions(concatenate), &witness, None).unwrap();
        let Mode::Note(changes) = set(Mode::Nothing) else { unreachable!() };
        let until = fastrand::usize(0..=changes.len());
        changes[..until].iter().for_each(|change| disk.apply(change));
        let (names, files) = disk.crash();
        let space = after_crash(&space, &names, &files);
        // Each end but the last of those before the crash was recorded before the next began.
        let ended = said.lock().unwrap().iter().filter(|&&count| count < until).count();
        assert!(done(&space).len() + 1 >= ended, "{} of {ended}", done(&space).len());
    }
}

/// Disks that are full, broken, read-only or not to be written by us, from any moment on.
#[test]
fn errors_of_the_disk_end_a_run_and_nothing_is_lost() {
    let _alone = alone();
    fastrand::seed(15);
    let undisturbed = Space::new();
    set(Mode::Note(Vec::new()));
    undisturbed.run(concatenate).unwrap();
    let Mode::Note(changes) = set(Mode::Nothing) else { unreachable!() };
    let products = undisturbed.products();
    let errors = [libc::ENOSPC, libc::EIO, libc::EROFS, libc::EACCES, libc::EDQUOT];
    let (mut refused, mut failed) = (0, 0);
    for number in 0..crashes(120) {
        let mut space = Space::new();
        space.options.durability = match fastrand::u8(0..3) {
            0 => Durability::Quantum,
            1 => Durability::Batch(Duration::from_millis(1)),
            _ => Durability::Exit,
        };
        space.options.pack = fastrand::bool();
        let after = fastrand::usize(0..changes.len());
        let times = if fastrand::bool() { 1 } else { usize::MAX };
        let errno = errors[fastrand::usize(0..errors.len())];
        let what = format!("{number}: error {errno} after {after}, {times} times");
        set(Mode::Fail { after, times, errno });
        let report = space.run(concatenate);
        set(Mode::Nothing);
        match report {
            Ok(report) => failed += usize::from(report.outcome != RunOutcome::Complete),
            Err(error) => {
                refused += 1;
                let text = error.to_string();
                assert!(text.contains(space.root().as_str()), "{what}: names its place: {text}");
            }
        }
        let before = done(&space);
        // The run that could not say any more that it has ended was in this process.
        space.options.exclusivity = Exclusivity::Forced;
        space.options.pack = packs_next(true);
        let witness = Witness::default();
        let report = space.run_with(functions(concatenate), &witness, None).unwrap();
        assert_eq!(report.outcome, RunOutcome::Complete, "{what}");
        let again: BTreeSet<u32> = witness.started.lock().unwrap().iter().map(|s| s.0).collect();
        let all: BTreeSet<u32> = space.graph.quanta.iter().map(|quantum| quantum.0).collect();
        assert_eq!(again, &all - &before, "{what}");
        check_end(&space, &products, &what);
    }
    assert!(refused > 0 && failed > 0, "{refused} runs refused, {failed} with failures");
}

/// A journal that was damaged after its run.
#[test]
fn a_damaged_journal_costs_what_it_has_lost() {
    let _alone = alone();
    fastrand::seed(16);
    let undisturbed = Space::new();
    undisturbed.run(concatenate).unwrap();
    let products = undisturbed.products();
    for number in 0..crashes(60) {
        let mut space = Space::new();
        space.options.pack = fastrand::bool();
        let file = space.run(concatenate).unwrap().journal;
        let mut bytes = fs_err::read(&file).unwrap();
        let place = fastrand::usize(0..bytes.len());
        match fastrand::u8(0..3) {
            0 => bytes.truncate(place),
            1 => bytes[place] ^= 1 << fastrand::u8(0..8),
            _ => {
                let end = bytes.len().min(place + 4096);
                bytes[place..end].fill(0);
            }
        }
        fs_err::write(&file, &bytes).unwrap();
        // As above.
        space.options.exclusivity = Exclusivity::Forced;
        match space.run(concatenate) {
            Ok(report) => {
                assert_eq!(report.outcome, RunOutcome::Complete, "{number}");
                check_end(&space, &products, &format!("{number}, at {place}"));
            }
            Err(error) => {
                assert!(place < 80, "{number}: only without its header a file is refused: {error}");
                assert!(error.to_string().contains(file.as_str()), "{error}");
            }
        }
    }
}
