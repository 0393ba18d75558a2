//! The processes that wrote journal files.

use camino::Utf8PathBuf;
use uuid::Uuid;

use super::event::{RunCounts, RunOutcome};
use super::process::ProcessIdentity;
use super::time::Timestamp;

/// A file of another host whose last sign of life is older than this is of a dead process.
const SILENCE: f64 = 60.0;

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
    /// When and how it ended; `None` if it is running or was killed.
    pub finished: Option<(Timestamp, RunOutcome, RunCounts)>,
}

impl RunSummary {
    /// Whether the run seems to go on, seen from the process `here`. See "Who is running" in
    /// `docs/formats/journal.md`.
    pub fn is_live(&self, here: &ProcessIdentity, now: Timestamp) -> bool {
        if self.finished.is_some() {
            false
        } else if here.shares_host(&self.process) {
            self.process.exists_here()
        } else {
            // The same host after a reboot has nothing left from before it.
            here.host != self.process.host && now.seconds_since(self.last_seen) <= SILENCE
        }
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
