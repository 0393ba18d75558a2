//! A journal that was made up, so that every time and every number in it is known.
//!
//! Shared by the tests of all views. The graph has 8 quanta of `isr`, 5 of `calibrate` and 2 of
//! `summarizeVisit`.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use camino::{Utf8Path, Utf8PathBuf};
use qbb::GraphIdentity;
use qbb::journal::{
    DatasetOutput, Event, FileRecord, JournalWriter, ProcessIdentity, QuantumEnd, QuantumOutcome,
    ResourceUsage, RunCounts, RunOutcome, Timestamp,
};
use qbb_graph::{QuantumGraph, QuantumIx};

use crate::status::Viewpoint;
use crate::watch::History;

/// When the story begins: 2026-01-02T03:04:05Z.
pub const BEGIN: i64 = 1_767_323_045_000_000;

/// A folder with a journal, and its graph.
#[derive(Debug)]
pub struct Story {
    _folder: tempfile::TempDir,
    folder: Utf8PathBuf,
    /// Its graph.
    pub graph: QuantumGraph,
}

impl Default for Story {
    fn default() -> Self {
        Self::new()
    }
}

impl Story {
    /// A graph, and no journal yet.
    pub fn new() -> Self {
        let data = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("../qbb/tests/data/visits.qg");
        let graph = qbb_graph::open(&data).unwrap();
        let tempdir = tempfile::tempdir().unwrap();
        let folder = Utf8PathBuf::from_path_buf(tempdir.path().to_owned()).unwrap();
        Self { _folder: tempdir, folder, graph }
    }

    /// A story of a run that two processes made, one of which was killed: retries, failures of two
    /// kinds, caveats, blocked quanta. A third process goes on, unless `over`.
    pub fn told(over: bool) -> Self {
        let story = Self::new();
        let isr = story.quanta("isr");
        let calibrate = story.quanta("calibrate");
        let summarize = story.quanta("summarizeVisit");
        let mut killed = story.process("node1", 2, -100);
        for (i, &quantum) in isr[..4].iter().enumerate() {
            let begin = i as f64 / 2.0 - 99.0;
            killed.attempt(quantum, 0, begin, begin + 2.0, story.success(quantum, 300));
        }
        killed.start(isr[4], 0, -96.0);
        let mut second = story.process("node2", 3, 10);
        let lost = QuantumOutcome::failure("OSError", "[Errno 5] no /data/raw/17.fits");
        second.attempt(isr[4], 1, 11.0, 12.0, lost);
        second.attempt(isr[4], 2, 12.0, 15.0, story.success(isr[4], 280));
        for (i, &quantum) in isr[5..].iter().enumerate() {
            let begin = 11.0 + i as f64;
            second.attempt(quantum, 0, begin, begin + 3.0, story.success(quantum, 310));
        }
        for (i, &quantum) in calibrate[..2].iter().enumerate() {
            let message = format!("fit failed: only {} sources <of> {{visit: {i}}}", 3 + i);
            let failure = story.failure(quantum, "lsst.FitError", &message);
            let begin = 16.0 + i as f64;
            second.attempt(quantum, 0, begin, begin + 8.0, failure);
        }
        let blocked = vec![summarize[0]];
        second.write(&Event::QuantaBlocked {
            time: at(24.0),
            cause: calibrate[0],
            quanta: blocked,
        });
        let mut no_work = story.success(calibrate[2], 900);
        (no_work.end, no_work.caveats) = (QuantumEnd::NoWork, Some(15));
        second.attempt(calibrate[2], 0, 25.0, 25.5, no_work);
        second.start(calibrate[3], 0, 26.0);
        if over {
            second.attempt(calibrate[3], 0, 26.0, 70.0, story.success(calibrate[3], 1200));
            second.start(calibrate[4], 0, 70.0);
            let crash =
                QuantumOutcome { exit_code: Some(-9), ..QuantumOutcome::bare(QuantumEnd::Failed) };
            second.attempt(calibrate[4], 0, 70.0, 75.0, crash);
            let blocked = vec![summarize[1]];
            let (time, cause) = (at(75.0), calibrate[4]);
            second.write(&Event::QuantaBlocked { time, cause, quanta: blocked });
            let counts = RunCounts { succeeded: 10, failed: 3, blocked: 2, not_attempted: 0 };
            let outcome = RunOutcome::WithFailures;
            second.write(&Event::RunFinished { time: at(80.0), outcome, counts });
        }
        story
    }

    /// Begins a run.
    pub fn process(&self, host: &str, jobs: u32, seconds: i32) -> Process {
        let journal =
            JournalWriter::create(&self.journal(), GraphIdentity::of(&self.graph)).unwrap();
        let mut process = Process { journal };
        process.write(&Event::RunStarted {
            time: at(f64::from(seconds)),
            process: ProcessIdentity {
                host: host.to_owned(),
                boot: "made up".to_owned(),
                pid: 1,
                start_ticks: 1,
            },
            options: format!("{{\"jobs\": {jobs}}}"),
        });
        process
    }

    /// Folder of the journal.
    pub fn journal(&self) -> Utf8PathBuf {
        self.folder.join("journal")
    }

    /// A path for a file.
    pub fn path(&self, name: &str) -> Utf8PathBuf {
        self.folder.join(name)
    }

    /// Quanta of a task.
    pub fn quanta(&self, label: &str) -> Vec<QuantumIx> {
        let of = |quantum: &QuantumIx| {
            self.graph.pipeline.task(self.graph.quanta.task(*quantum)).label == label
        };
        self.graph.quanta.iter().filter(of).collect()
    }

    /// An attempt that wrote everything and needed some megabytes.
    pub fn success(&self, quantum: QuantumIx, megabytes: u64) -> QuantumOutcome {
        QuantumOutcome {
            caveats: Some(0),
            usage: Some(ResourceUsage { memory: megabytes * 1_000_000, ..Default::default() }),
            outputs: self.outputs(quantum, |_| true),
            ..QuantumOutcome::bare(QuantumEnd::Succeeded)
        }
    }

    /// An attempt that wrote its log only.
    pub fn failure(&self, quantum: QuantumIx, type_name: &str, message: &str) -> QuantumOutcome {
        QuantumOutcome {
            outputs: self.outputs(quantum, |name| name.ends_with("_log")),
            ..QuantumOutcome::failure(type_name, message)
        }
    }

    fn outputs(&self, quantum: QuantumIx, wanted: impl Fn(&str) -> bool) -> Vec<DatasetOutput> {
        let graph = &self.graph;
        let name = |dataset| {
            let dataset_type = graph.datasets.dataset_type(dataset);
            graph.pipeline.dataset_type(dataset_type).dataset_type.name.clone()
        };
        (graph.outputs.edges(quantum))
            .filter(|&(_, dataset)| wanted(&name(dataset)))
            .map(|(_, dataset)| DatasetOutput {
                dataset,
                records: vec![FileRecord {
                    path: format!("u/run/{}/{}.x", name(dataset), dataset.0),
                    formatter: "F".into(),
                    storage_class: "S".into(),
                    component: None,
                    checksum: None,
                    file_size: 1000,
                }],
            })
            .collect()
    }

    /// What the journal tells.
    pub fn history(&self) -> History {
        History::read(&self.journal(), &self.graph).unwrap()
    }
}

/// A process that writes a journal file.
#[derive(Debug)]
pub struct Process {
    journal: JournalWriter,
}

impl Process {
    /// Writes any event.
    pub fn write(&mut self, event: &Event) {
        self.journal.record([event]).unwrap();
    }

    /// An attempt begins, seconds after the story.
    pub fn start(&mut self, quantum: QuantumIx, attempt: u32, begin: f64) {
        self.write(&Event::QuantumStarted { time: at(begin), quantum, attempt });
    }

    /// An attempt from start to end.
    pub fn attempt(
        &mut self,
        quantum: QuantumIx,
        attempt: u32,
        begin: f64,
        end: f64,
        outcome: QuantumOutcome,
    ) {
        self.start(quantum, attempt, begin);
        let (started, ended) = (at(begin), at(end));
        self.write(&Event::QuantumFinished { quantum, attempt, started, ended, outcome });
    }
}

/// A time of the story.
pub fn at(seconds: f64) -> Timestamp {
    Timestamp(BEGIN + (seconds * 1e6) as i64)
}

/// Looking from another host, seconds after the story began.
pub fn viewpoint(seconds: f64) -> Viewpoint {
    let here =
        ProcessIdentity { host: "here".to_owned(), boot: "now".to_owned(), pid: 1, start_ticks: 1 };
    Viewpoint { here, now: at(seconds) }
}
