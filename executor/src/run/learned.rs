//! What was learned about the memory that tasks need, kept beside the journal.

use std::collections::BTreeMap;
use std::io::Write as _;

use camino::{Utf8Path, Utf8PathBuf};
use qbb::journal::JournalState;
use qbb_graph::QuantumGraph;
use serde::{Deserialize, Serialize};

use super::budget::shares_process;

/// Version of the file.
const VERSION: u32 = 1;

/// Name of the file beside the journal.
const NAME: &str = "resources.json";

/// Peaks of memory by task, see `docs/formats/resources.md`.
#[derive(Debug)]
pub(super) struct LearnedResources {
    path: Utf8PathBuf,
    peaks: BTreeMap<String, u64>,
    changed: bool,
}

#[derive(Debug, Serialize, Deserialize)]
struct Content {
    version: u32,
    tasks: BTreeMap<String, TaskContent>,
}

#[derive(Debug, Serialize, Deserialize)]
struct TaskContent {
    /// Bytes.
    peak_memory: u64,
}

impl LearnedResources {
    /// What is known from the file, and from the journal of the same graph. A file that cannot be
    /// understood is a warning: it is only advice.
    pub fn read(
        journal: &Utf8Path,
        graph: &QuantumGraph,
        state: &JournalState,
    ) -> (Self, Option<String>) {
        let path = journal.with_file_name(NAME);
        let (mut peaks, warning) = match read_file(&path) {
            Ok(peaks) => (peaks, None),
            Err(reason) => (BTreeMap::new(), Some(format!("{path} is not used: {reason}"))),
        };
        let from_file = peaks.clone();
        for (label, peak) in peaks_in_journal(graph, state) {
            let known = peaks.entry(label).or_default();
            *known = peak.max(*known);
        }
        let changed = peaks != from_file;
        (Self { path, peaks, changed }, warning)
    }

    /// The highest peak of a task.
    pub fn peak(&self, label: &str) -> Option<u64> {
        self.peaks.get(label).copied()
    }

    /// Takes a peak into account.
    pub fn learn(&mut self, label: &str, peak: u64) {
        let known = self.peaks.get(label).copied();
        if known.is_none_or(|known| known < peak) {
            self.peaks.insert(label.to_owned(), peak);
            self.changed = true;
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
        for (label, peak) in read_file(&self.path).unwrap_or_default() {
            let known = self.peaks.entry(label).or_default();
            *known = peak.max(*known);
        }
        let tasks = (self.peaks.iter())
            .map(|(label, &peak_memory)| (label.clone(), TaskContent { peak_memory }))
            .collect();
        let text = serde_json::to_string_pretty(&Content { version: VERSION, tasks })?;
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

fn read_file(path: &Utf8Path) -> Result<BTreeMap<String, u64>, String> {
    let text = match fs_err::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(error.to_string()),
    };
    let content: Content = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
    if content.version != VERSION {
        return Err(format!("its version is {}, this program knows {VERSION}", content.version));
    }
    Ok(content.tasks.into_iter().map(|(label, task)| (label, task.peak_memory)).collect())
}

/// Highest peaks of attempts that count, of tasks whose quanta have a process to themselves.
fn peaks_in_journal(graph: &QuantumGraph, state: &JournalState) -> Vec<(String, u64)> {
    let mut peaks = vec![0; graph.pipeline.tasks.len()];
    for quantum in graph.quanta.iter() {
        if let Some(usage) = state.finished(quantum).and_then(|finished| finished.usage) {
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
        let peaks = read_file(path).unwrap();
        LearnedResources { path: path.to_owned(), peaks, changed: false }
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
        assert_eq!(
            fs_err::read_to_string(&path).unwrap(),
            "{\n  \"version\": 1,\n  \"tasks\": {\n    \"calibrate\": {\n      \"peak_memory\": \
             6\n    },\n    \"isr\": {\n      \"peak_memory\": 10\n    }\n  }\n}\n"
        );
        assert_eq!(fs_err::read_dir(folder.path()).unwrap().count(), 1);
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
