//! A small graph by the real builder, executed with Rust functions and programs.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]
#![allow(dead_code, reason = "each test program uses some of it")]

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};

use camino::{Utf8Path, Utf8PathBuf};
use qbb::journal::QuantumOutcome;
use qbb_datastore::{ArtifactUri, RepositoryConfig};
use qbb_executor::{
    Cancel, FunctionRegistry, Progress, ProgressEvent, QuantumContext, RunError, RunOptions,
    RunReport, RunRequest, TaskError, run,
};
use qbb_graph::{DatasetIx, QuantumGraph, QuantumIx};
use qbb_pipeline::{CommandTemplate, Runner, Task};

/// Name of the function that all tasks run unless a test says otherwise.
pub const WORK: &str = "work";

/// A path of the test data, which the butler's own tests use, too.
pub fn data(name: &str) -> Utf8PathBuf {
    Utf8PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../qbb/tests/data").join(name)
}

fn is_python(task: &Task) -> bool {
    matches!(task.runner, Runner::PipelineTask(_))
}

/// A folder with inputs, an output repository, and a graph: 8 quanta of `isr`, 5 of `calibrate`
/// which read their images, and 2 of `summarizeVisit` which read those of `calibrate`.
pub struct Space {
    /// `None` if another space of the same place removes it.
    folder: Option<tempfile::TempDir>,
    root: Utf8PathBuf,
    pub graph: Arc<QuantumGraph>,
    pub repository: RepositoryConfig,
    pub options: RunOptions,
    pub jobs: usize,
    pub cancel: Cancel,
}

impl Space {
    pub fn new() -> Self {
        Self::with_runners(|_| Runner::Function(WORK.to_owned()))
    }

    /// A space in which each task is run by what `runner` gives for its label.
    pub fn with_runners(runner: impl Fn(&str) -> Runner) -> Self {
        // In memory where that is possible: a run ends by syncing its file system, and on a disk
        // that means waiting for whatever else is being written.
        let memory = Utf8Path::new("/dev/shm");
        let folder = match memory.is_dir() {
            true => tempfile::tempdir_in(memory).unwrap(),
            false => tempfile::tempdir().unwrap(),
        };
        let root = Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap();
        let space = Self::reopened(&root, runner);
        for record in 0..space.graph.records.len() {
            let path = root.join("release").join(space.graph.input_path(record).unwrap());
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(&path, format!("input {}", path.file_name().unwrap())).unwrap();
        }
        Self { folder: Some(folder), ..space }
    }

    /// A space that was made before, perhaps by another process.
    pub fn reopened(root: &Utf8Path, runner: impl Fn(&str) -> Runner) -> Self {
        let mut graph = qbb_graph::open(&data("visits.qg")).unwrap();
        for task in &mut graph.pipeline.tasks {
            task.runner = runner(&task.label);
            if !is_python(task) {
                // Only Python can write these.
                task.config_output = None;
                task.init_outputs.clear();
            }
        }
        let tasks = &graph.pipeline.tasks;
        (graph.init_quanta)
            .retain(|init| init.task().is_none_or(|task| is_python(&tasks[task.index()])));
        graph.set_missing_roots(&ArtifactUri::of_folder(&root.join("release")).unwrap());
        let repository = root.join("personal");
        if !repository.join("butler.yaml").exists() {
            fs_err::create_dir_all(&repository).unwrap();
            fs_err::write(
                repository.join("butler.yaml"),
                "datastore:\n  cls: lsst.daf.butler.datastores.fileDatastore.FileDatastore\n  \
                 root: <butlerRoot>\nregistry:\n  db: sqlite:///<butlerRoot>/gen3.sqlite3\n",
            )
            .unwrap();
        }
        let repository = RepositoryConfig::open(repository.as_str()).unwrap();
        let options = RunOptions { handle_signals: false, ..RunOptions::default() };
        let (graph, cancel) = (Arc::new(graph), Cancel::new());
        let (folder, root) = (None, root.to_owned());
        Self { folder, root, graph, repository, options, jobs: 2, cancel }
    }

    pub fn root(&self) -> &Utf8Path {
        &self.root
    }

    pub fn outputs(&self) -> Utf8PathBuf {
        self.root().join("personal")
    }

    pub fn journal(&self) -> Utf8PathBuf {
        self.root().join("journal")
    }

    /// Runs with the function [`WORK`] only.
    pub fn run(
        &self,
        work: impl Fn(&mut QuantumContext<'_>) -> Result<(), TaskError> + Send + Sync + 'static,
    ) -> Result<RunReport, RunError> {
        let mut functions = FunctionRegistry::new();
        functions.register(WORK, work);
        self.run_with(functions, &qbb_executor::Silent, None)
    }

    pub fn run_with(
        &self,
        functions: FunctionRegistry,
        progress: &dyn Progress,
        quanta: Option<&[QuantumIx]>,
    ) -> Result<RunReport, RunError> {
        run(&RunRequest {
            graph: self.graph.clone(),
            repository: &self.repository,
            journal: self.journal(),
            logs: self.root().join("logs"),
            jobs: NonZeroUsize::new(self.jobs).unwrap(),
            quanta,
            options: self.options.clone(),
            functions: Arc::new(functions),
            cancel: self.cancel.clone(),
            progress,
        })
    }

    /// Label of a quantum's task.
    pub fn label(&self, quantum: QuantumIx) -> &str {
        &self.graph.pipeline.task(self.graph.quanta.task(quantum)).label
    }

    /// Quanta of a task.
    pub fn quanta_of(&self, label: &str) -> Vec<QuantumIx> {
        self.graph.quanta.iter().filter(|&quantum| self.label(quantum) == label).collect()
    }

    /// Content of every output file by path, without metadata, logs and packages, which hold times
    /// and versions.
    pub fn products(&self) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        let mut folders = vec![self.outputs().join("u")];
        folders.retain(|folder| folder.exists());
        while let Some(folder) = folders.pop() {
            for entry in folder.read_dir_utf8().unwrap() {
                let path = entry.unwrap().into_path();
                if path.file_name().unwrap().starts_with(".qbb-") {
                    // What a killed run has left.
                } else if path.is_dir() {
                    folders.push(path);
                } else {
                    let name = path.strip_prefix(self.outputs()).unwrap().to_string();
                    let own =
                        !["_metadata/", "_log/", "/packages/"].iter().any(|s| name.contains(s));
                    let content = if own {
                        String::from_utf8_lossy(&fs_err::read(&path).unwrap()).into_owned()
                    } else {
                        String::new()
                    };
                    found.insert(name, content);
                }
            }
        }
        found
    }

    /// The only output of a quantum in a connection, as it is on disk.
    pub fn output_file(&self, report: &RunReport, quantum: QuantumIx, connection: &str) -> Vec<u8> {
        let path = self.recorded_path(report, self.output(quantum, connection)).unwrap();
        fs_err::read(self.outputs().join(path)).unwrap()
    }

    pub fn output(&self, quantum: QuantumIx, connection: &str) -> DatasetIx {
        let task = self.graph.pipeline.task(self.graph.quanta.task(quantum));
        let number = task.quantum_outputs().position(|c| c.name == connection).unwrap();
        self.graph.outputs.of_connection(quantum, number as u16).next().unwrap()
    }

    pub fn recorded_path(&self, report: &RunReport, dataset: DatasetIx) -> Option<String> {
        report.state.records(dataset).next().map(|record| record.path.to_owned())
    }
}

/// A command that runs a script with the shell.
pub fn shell(script: &str, arguments: &[&str]) -> Runner {
    let fixed = ["sh", "-c", script, "task"];
    let arguments = fixed.iter().chain(arguments).map(|&argument| argument.to_owned()).collect();
    Runner::Command(CommandTemplate { arguments, environment: BTreeMap::new() })
}

/// Reads all inputs and writes to all outputs what they were, so that any difference in what a
/// quantum saw is a difference in what it wrote.
pub fn concatenate(context: &mut QuantumContext<'_>) -> Result<(), TaskError> {
    let (inputs, outputs): (&[&str], &[&str]) = match context.label() {
        "isr" => (&["raw", "bias", "dark"], &["image"]),
        "calibrate" => (&["snaps"], &["image", "background", "stars"]),
        _ => (&["images"], &["summary"]),
    };
    let mut content = format!("{}\n", context.describe());
    for connection in inputs {
        for dataset in context.inputs(connection)? {
            content.push_str(&String::from_utf8_lossy(&context.get(dataset)?));
            content.push('\n');
        }
    }
    for connection in outputs {
        for dataset in context.outputs(connection)? {
            context.put(dataset, format!("{connection} of {content}").as_bytes())?;
        }
    }
    Ok(())
}

/// Remembers which quanta ran, and lets a test react.
#[derive(Default)]
pub struct Witness {
    pub started: Mutex<Vec<(u32, u32)>>,
    pub finished: Mutex<Vec<(u32, QuantumOutcome)>>,
    pub warnings: Mutex<Vec<String>>,
    /// Called when a quantum has finished.
    #[allow(clippy::type_complexity, reason = "named here once")]
    pub react: Option<Box<dyn Fn(usize)>>,
}

impl Progress for Witness {
    fn event(&self, event: &ProgressEvent<'_>) {
        match event {
            ProgressEvent::QuantumStarted { quantum, attempt } => {
                self.started.lock().unwrap().push((quantum.0, *attempt));
            }
            ProgressEvent::QuantumFinished { quantum, outcome, .. } => {
                let mut finished = self.finished.lock().unwrap();
                finished.push((quantum.0, (*outcome).clone()));
                if let Some(react) = &self.react {
                    react(finished.len());
                }
            }
            ProgressEvent::Warning { text } => {
                self.warnings.lock().unwrap().push((*text).to_owned());
            }
            _ => {}
        }
    }
}

/// The registry with the function [`WORK`].
pub fn functions(
    work: impl Fn(&mut QuantumContext<'_>) -> Result<(), TaskError> + Send + Sync + 'static,
) -> FunctionRegistry {
    let mut functions = FunctionRegistry::new();
    functions.register(WORK, work);
    functions
}
