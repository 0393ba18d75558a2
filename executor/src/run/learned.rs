//! What was learned about the memory that tasks need, kept beside the journal.

use std::collections::BTreeMap;
use std::io::Write as _;

use camino::{Utf8Path, Utf8PathBuf};
use qbb::journal::{JournalState, Timestamp};
use qbb_graph::QuantumGraph;
use serde::{Deserialize, Serialize};

use super::budget::shares_process;
use crate::scheduler::RecentPeak;

/// Version of the file.
const VERSION: u32 = 1;

/// Name of the file beside the journal.
const NAME: &str = "resources.json";

/// Peaks of memory by task, see `docs/formats/resources.md`.
#[derive(Debug)]
pub(super) struct LearnedResources {
    path: Utf8PathBuf,
    peaks: BTreeMap<String, RecentPeak>,
    /// What was in the file.
    read: BTreeMap<String, u64>,
    changed: bool,
}

#[derive(Debug, Serialize, Deserialize)]
struct Content {
    version: u32,
    /// When it was written, in microseconds since 1970.
    #[serde(default)]
    as_of: i64,
    tasks: BTreeMap<String, TaskContent>,
}

#[derive(Debug, Serialize, Deserialize)]
struct TaskContent {
    /// Bytes.
    peak_memory: u64,
}

impl LearnedResources {
    /// What is known from the file, and from attempts in the journal of the same graph that have ended
    /// since it was written. A file that cannot be understood is a warning: it is only advice.
    pub fn read(
        journal: &Utf8Path,
        graph: &QuantumGraph,
        state: &JournalState,
    ) -> (Self, Option<String>) {
        let path = journal.with_file_name(NAME);
        let (content, warning) = match read_file(&path) {
            Ok(content) => (content, None),
            Err(reason) => (Content::nothing(), Some(format!("{path} is not used: {reason}"))),
        };
        let since = Timestamp(content.as_of);
        let mut learned = Self::of(path, content);
        for (label, peak) in peaks_in_journal(graph, state, since) {
            learned.learn(&label, peak);
        }
        (learned, warning)
    }

    fn of(path: Utf8PathBuf, content: Content) -> Self {
        let read: BTreeMap<String, u64> =
            content.tasks.into_iter().map(|(label, task)| (label, task.peak_memory)).collect();
        let peaks =
            read.iter().map(|(label, &peak)| (label.clone(), RecentPeak::new(peak))).collect();
        Self { path, peaks, read, changed: false }
    }

    /// The highest peak of a task lately.
    pub fn peak(&self, label: &str) -> Option<u64> {
        self.peaks.get(label).map(RecentPeak::get)
    }

    /// Takes a peak into account.
    pub fn learn(&mut self, label: &str, peak: u64) {
        match self.peaks.get_mut(label) {
            Some(known) => self.changed |= known.observe(peak),
            None => {
                let mut known = RecentPeak::new(0);
                known.observe(peak);
                self.peaks.insert(label.to_owned(), known);
                self.changed = true;
            }
        }
    }

    /// Writes what is new. What another run has written meanwhile is kept where it is higher.
    ///
    /// # Errors
    /// If the file cannot be replaced.
    pub fn write(&mut self) -> std::io::Result<()> {
        if !self.changed {
            return Ok(());
        }
        let mut tasks: BTreeMap<String, TaskContent> = (self.peaks.iter())
            .map(|(label, peak)| (label.clone(), TaskContent { peak_memory: peak.get() }))
            .collect();
        let there = read_file(&self.path).unwrap_or_else(|_| Content::nothing());
        for (label, TaskContent { peak_memory }) in there.tasks {
            // What is as it was has been taken into account, and may have been forgotten.
            if self.read.get(&label) != Some(&peak_memory) {
                let known = tasks.entry(label).or_insert(TaskContent { peak_memory });
                known.peak_memory = known.peak_memory.max(peak_memory);
            }
        }
        let as_of = Timestamp::now().0;
        let text = serde_json::to_string_pretty(&Content { version: VERSION, as_of, tasks })?;
        let folder = match self.path.parent() {
            Some(parent) if !parent.as_str().is_empty() => parent,
            _ => Utf8Path::new("."),
        };
        let mut file = tempfile::Builder::new().prefix(".resources-").tempfile_in(folder)?;
        file.write_all(text.as_bytes())?;
        file.write_all(b"\n")?;
        file.as_file().sync_data()?;
        file.persist(&self.path).map_err(|error| error.error)?;
        self.changed = false;
        Ok(())
    }
}

impl Content {
    fn nothing() -> Self {
        Self { version: VERSION, as_of: 0, tasks: BTreeMap::new() }
    }
}

fn read_file(path: &Utf8Path) -> Result<Content, String> {
    let text = match fs_err::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Content::nothing()),
        Err(error) => return Err(error.to_string()),
    };
    let content: Content = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
    if content.version != VERSION {
        return Err(format!("its version is {}, this program knows {VERSION}", content.version));
    }
    Ok(content)
}

/// Highest peaks of attempts that count and have ended since a time, of tasks whose quanta have a
/// process to themselves.
fn peaks_in_journal(
    graph: &QuantumGraph,
    state: &JournalState,
    since: Timestamp,
) -> Vec<(String, u64)> {
    let mut peaks = vec![0; graph.pipeline.tasks.len()];
    for quantum in graph.quanta.iter() {
        let finished = state.finished(quantum).filter(|finished| finished.ended > since);
        if let Some(usage) = finished.and_then(|finished| finished.usage) {
            let peak = &mut peaks[graph.quanta.task(quantum).index()];
            *peak = usage.memory.max(*peak);
        }
    }
    (graph.pipeline.tasks.iter().zip(peaks))
        .filter(|(task, peak)| *peak != 0 && !shares_process(task))
        .map(|(task, peak)| (task.label.clone(), peak))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learned(path: &Utf8Path) -> LearnedResources {
        LearnedResources::of(path.to_owned(), read_file(path).unwrap())
    }

    #[test]
    fn what_two_runs_learn_is_kept_where_it_is_higher() {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(folder.path()).unwrap().join(NAME);
        let (mut first, mut second) = (learned(&path), learned(&path));
        first.learn("isr", 10);
        first.learn("isr", 7);
        first.learn("calibrate", 5);
        second.learn("calibrate", 6);
        second.learn("isr", 9);
        first.write().unwrap();
        second.write().unwrap();
        let both = learned(&path);
        assert_eq!((both.peak("isr"), both.peak("calibrate")), (Some(10), Some(6)));
        assert_eq!(both.peak("other"), None);
        let text = fs_err::read_to_string(&path).unwrap();
        let written: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(written["tasks"]["calibrate"], serde_json::json!({"peak_memory": 6}));
        assert!(written["as_of"].as_i64().unwrap() > 1_700_000_000_000_000);
        assert_eq!(fs_err::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_peak_that_was_forgotten_stays_so() {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(folder.path()).unwrap().join(NAME);
        // Without the time, as earlier versions have written it.
        fs_err::write(&path, r#"{"version": 1, "tasks": {"isr": {"peak_memory": 90}}}"#).unwrap();
        let (mut first, mut second) = (learned(&path), learned(&path));
        (0..150).for_each(|_| first.learn("isr", 10));
        first.write().unwrap();
        assert_eq!(learned(&path).peak("isr"), Some(10));
        second.learn("isr", 95);
        second.write().unwrap();
        assert_eq!(learned(&path).peak("isr"), Some(95), "news of another run");
    }

    #[test]
    fn a_file_of_another_version_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(folder.path()).unwrap().join(NAME);
        fs_err::write(&path, r#"{"version": 2, "tasks": {}}"#).unwrap();
        assert!(read_file(&path).unwrap_err().contains("version is 2"));
        fs_err::write(&path, "nonsense").unwrap();
        assert!(read_file(&path).is_err());
    }
}
