//! Noticing that another run has taken over.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use camino::{Utf8Path, Utf8PathBuf};
use rustc_hash::FxHashSet;
use uuid::Uuid;

use super::directory::journal_files;
use super::error::JournalError;
use super::event::Event;
use super::process::ProcessIdentity;
use super::reader::JournalReader;
use super::runs::{SILENCE, silence_beside};
use super::writer::EXTENSION;

/// A writer that has given no sign of life for this long must make sure that nobody has taken its
/// place before it records anything more. Half of what makes it count as dead elsewhere.
pub(super) const LEASE: Duration = Duration::from_secs(30);

/// How long to wait for a run that has announced itself to say whether it goes on.
const UNDECIDED: Duration = Duration::from_secs(10);

/// The announcements are among the first events of a file.
const FIRST_EVENTS: usize = 8;

/// Looks for runs that have begun since this one did, and have declared it dead.
#[derive(Debug)]
pub(super) struct Guard {
    directory: Utf8PathBuf,
    writer: Uuid,
    pub(super) lease: Duration,
    seen: Mutex<Seen>,
}

#[derive(Debug)]
struct Seen {
    /// Files that say nothing about this run.
    harmless: FxHashSet<Utf8PathBuf>,
    last_sign: (Instant, SystemTime),
}

/// What a file says of this run.
enum Said {
    Nothing,
    TakenOver(ProcessIdentity),
    /// It has announced a run and not said yet whether that goes on.
    Undecided(Option<ProcessIdentity>),
}

impl Guard {
    pub fn new(directory: &Utf8Path, writer: Uuid) -> Self {
        let last_sign = (Instant::now(), SystemTime::now());
        let seen = Mutex::new(Seen { harmless: FxHashSet::default(), last_sign });
        Self { directory: directory.to_owned(), writer, lease: LEASE, seen }
    }

    /// Notes that a sign of life has reached the disk, which was given at the time of `begin` or
    /// later. A silence before it is not made good by that: others may have taken note of it.
    pub fn signed(&self, begin: (Instant, SystemTime)) {
        if !self.was_silent() {
            self.seen().last_sign = begin;
        }
    }

    /// Notes that this process has given a sign of life at the time of `begin` and has looked
    /// around after it. `false` if that took so long that it must look again.
    pub fn looked(&self, begin: (Instant, SystemTime)) -> bool {
        self.seen().last_sign = begin;
        !self.was_silent()
    }

    /// Whether this process was silent so long that others may think it dead: it was suspended,
    /// with or without its machine, or the disk made it wait.
    pub fn was_silent(&self) -> bool {
        let (instant, time) = self.seen().last_sign;
        // One of the two clocks stands still while the machine is suspended, the other may be set.
        instant.elapsed() > self.lease || time.elapsed().is_ok_and(|elapsed| elapsed > self.lease)
    }

    /// Notes that this run goes on, having looked at some files. No others: one that has come
    /// since may be of a run that takes this one for dead.
    pub fn goes_on(&self, beside: impl IntoIterator<Item = Utf8PathBuf>) {
        self.seen().harmless.extend(beside);
    }

    /// Looks at files that were not seen before.
    ///
    /// # Errors
    /// [`JournalError::TakenOver`], or if the directory cannot be read.
    pub fn look(&self, after_silence: bool) -> Result<(), JournalError> {
        let begin = Instant::now();
        let mut undecided = self.look_once()?;
        while let Some(by) = undecided {
            if !after_silence {
                // It sees our signs of life and will give up.
                return Ok(());
            }
            if begin.elapsed() > UNDECIDED {
                return Err(JournalError::TakenOver { directory: self.directory.clone(), by });
            }
            sleep(Duration::from_millis(50));
            undecided = self.look_once()?;
        }
        Ok(())
    }

    /// Gives who is undecided, if anybody.
    fn look_once(&self) -> Result<Option<Option<ProcessIdentity>>, JournalError> {
        let mut undecided = None;
        for path in journal_files(&self.directory)? {
            if self.seen().harmless.contains(&path) {
                continue;
            }
            match self.said(&path)? {
                Said::Nothing => {
                    self.seen().harmless.insert(path);
                }
                Said::TakenOver(by) => {
                    let (directory, by) = (self.directory.clone(), Some(by));
                    return Err(JournalError::TakenOver { directory, by });
                }
                Said::Undecided(by) => {
                    if self.is_fresh(&path)? {
                        undecided = Some(by);
                    }
                }
            }
        }
        Ok(undecided)
    }

    /// Whether a file was modified not long before our own, which was synced just now.
    fn is_fresh(&self, path: &Utf8Path) -> Result<bool, JournalError> {
        let own = self.directory.join(format!("{}.{EXTENSION}", self.writer));
        silence_beside(path, &own)
            .map(|silence| silence.is_some_and(|seconds| seconds <= SILENCE))
            .map_err(JournalError::io("look at", path))
    }

    fn said(&self, path: &Utf8Path) -> Result<Said, JournalError> {
        let mut reader = match JournalReader::open(path) {
            Err(JournalError::Io { source, .. })
                if source.kind() == std::io::ErrorKind::NotFound =>
            {
                return Ok(Said::Nothing);
            }
            // What cannot be read as a journal declares nothing.
            Err(JournalError::Io { .. }) => return Ok(Said::Undecided(None)),
            Err(_) => return Ok(Said::Nothing),
            Ok(reader) => reader,
        };
        match reader.header() {
            Some(header) if header.writer == self.writer => return Ok(Said::Nothing),
            Some(_) => {}
            None => return Ok(Said::Undecided(None)),
        }
        let mut announced = None;
        for _ in 0..FIRST_EVENTS {
            match reader.next_event()? {
                Some((_, Event::RunStarted { process, .. })) => announced = Some(process),
                Some((_, Event::RunGoesOn { superseded, .. })) => {
                    let names_us = superseded.iter().any(|&(writer, _)| writer == self.writer);
                    return Ok(match announced {
                        Some(by) if names_us => Said::TakenOver(by),
                        _ => Said::Nothing,
                    });
                }
                Some((_, Event::RunFinished { .. })) => return Ok(Said::Nothing),
                Some(_) => {}
                None => return Ok(Said::Undecided(announced)),
            }
        }
        // A writer that does not announce itself.
        Ok(Said::Nothing)
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        // Both fields are whole between any two statements.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
