//! The processes that wrote journal files.

use std::fs::File;
use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use uuid::Uuid;

use super::event::{RunCounts, RunOutcome};
use super::process::ProcessIdentity;
use super::time::Timestamp;

/// A file of another host whose last sign of life is older than this is of a dead process.
pub(super) const SILENCE: f64 = 60.0;

/// One run: what one process did between starting and finishing.
#[derive(Debug, Clone, PartialEq)]
pub struct RunSummary {
    /// Its file.
    pub path: Utf8PathBuf,
    /// The file's writer.
    pub writer: Uuid,
    /// Which process it was.
    pub process: ProcessIdentity,
    /// Its options, a JSON object.
    pub options: String,
    /// When it started.
    pub started: Timestamp,
    /// Time of the last event in the file.
    pub last_seen: Timestamp,
    /// Where the readable part of the file ends.
    pub end: u64,
    /// Whether it has made sure that it is alone.
    pub goes_on: bool,
    /// Whether another run has taken it for dead, so that nothing counts that it writes after that.
    pub superseded: bool,
    /// When and how it ended; `None` if it is running or was killed.
    pub finished: Option<(Timestamp, RunOutcome, RunCounts)>,
}

impl RunSummary {
    /// Whether the run seems to go on, seen from the process `here`. See "Who is running" in
    /// `docs/formats/journal.md`.
    ///
    /// This compares clocks of different hosts, so it is for people to look at. Whoever begins a
    /// run asks [`RunSummary::is_live_beside`].
    pub fn is_live(&self, here: &ProcessIdentity, now: Timestamp) -> bool {
        self.is_live_if(here, || now.seconds_since(self.last_seen) <= SILENCE)
    }

    /// Whether the run seems to go on, seen from the process `here` which has just synced its own
    /// file `beside`. Silence of another host is measured by the times of modification of both
    /// files, which are by one clock: that of the file server.
    ///
    /// # Errors
    /// If one of the files cannot be looked at.
    pub fn is_live_beside(&self, here: &ProcessIdentity, beside: &Utf8Path) -> io::Result<bool> {
        let mut result = Ok(());
        let live = self.is_live_if(here, || match silence_beside(&self.path, beside) {
            Ok(silence) => silence.is_some_and(|seconds| seconds <= SILENCE),
            Err(error) => {
                result = Err(error);
                true
            }
        });
        result.map(|()| live)
    }

    fn is_live_if(&self, here: &ProcessIdentity, speaks: impl FnOnce() -> bool) -> bool {
        if self.finished.is_some() || self.superseded {
            false
        } else if here.shares_host(&self.process) {
            self.process.exists_here()
        } else {
            // The same host after a reboot has nothing left from before it.
            here.host != self.process.host && speaks()
        }
    }
}

/// How many seconds before the file `beside` another one was modified last, if it is there; 0 if that
/// was later.
pub(super) fn silence_beside(path: &Utf8Path, beside: &Utf8Path) -> io::Result<Option<f64>> {
    // Opening a file makes network file systems ask how it is now.
    let modified = |path: &Utf8Path| File::open(path)?.metadata()?.modified();
    match modified(path) {
        Ok(theirs) => {
            let silence = modified(beside)?.duration_since(theirs);
            Ok(Some(silence.map_or(0.0, |silence| silence.as_secs_f64())))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(process: ProcessIdentity, last_seen: Timestamp) -> RunSummary {
        RunSummary {
            path: "x".into(),
            writer: Uuid::nil(),
            process,
            options: "{}".into(),
            started: Timestamp(0),
            last_seen,
            end: 0,
            goes_on: true,
            superseded: false,
            finished: None,
        }
    }

    #[test]
    fn a_run_is_live_by_its_process_here_and_by_its_signs_elsewhere() {
        let here = ProcessIdentity::current();
        let now = Timestamp(1_000_000_000);
        let long_ago = Timestamp(0);
        assert!(run(here.clone(), long_ago).is_live(&here, now));
        let dead = ProcessIdentity { start_ticks: 1, ..here.clone() };
        assert!(!run(dead, now).is_live(&here, now));

        let elsewhere = ProcessIdentity { host: "other".into(), ..here.clone() };
        assert!(run(elsewhere.clone(), now).is_live(&here, now));
        assert!(!run(elsewhere, long_ago).is_live(&here, now));

        let before_reboot = ProcessIdentity { boot: "other".into(), ..here.clone() };
        assert!(!run(before_reboot, now).is_live(&here, now));

        let finished = (now, RunOutcome::Complete, RunCounts::default());
        let ended = RunSummary { finished: Some(finished), ..run(here.clone(), now) };
        assert!(!ended.is_live(&here, now));
    }
}
