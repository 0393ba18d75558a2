//! What a quantum of a Rust function costs besides its work, against what its files cost anybody:
//! the same files in the same folders, each written beside its place and renamed, and synced at
//! the end.
//!
//! The middleware has no such tasks; `quantum.rs` compares with its executor. Nothing is deleted
//! before the end: new files are slow to make on ext4 for minutes after many others were deleted.

#[allow(dead_code, unused_imports, reason = "each benchmark uses its part")]
mod support;

use std::cell::{Cell, RefCell};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use qbb_datastore::RepositoryConfig;
use qbb_executor::{
    Cancel, FunctionRegistry, QuantumContext, RunOptions, RunRequest, Silent, TaskError,
};
use qbb_submit_dirs::SubmitDirectory;
use support::{
    DEFAULTS, Measured, Report, Result, Runs, Setting, Unit, WHERE, alternate, measure,
    measure_inside, utf8,
};

/// Three tasks, each of which waits for the one before.
const PIPELINE: &str = "\
qbb_pipeline: 1
description: Tasks that write something small and do nothing else.
tasks:
  detrend:
    dimensions: [exposure, detector]
    inputs:
      raw: {dataset_type: raw, dimensions: [exposure, detector]}
    outputs:
      out:
        dataset_type: detrended
        storage_class: StructuredDataDict
        dimensions: [exposure, detector]
    function: nothing
  calibrate:
    dimensions: [visit, detector]
    inputs:
      images: {dataset_type: detrended, dimensions: [exposure, detector], multiple: true}
    outputs:
      out:
        dataset_type: calibrated
        storage_class: StructuredDataDict
        dimensions: [visit, detector]
    function: nothing
  summarize:
    dimensions: [visit]
    inputs:
      images: {dataset_type: calibrated, dimensions: [visit, detector], multiple: true}
    outputs:
      out:
        dataset_type: visit_numbers
        storage_class: StructuredDataDict
        dimensions: [visit]
    function: nothing
";

/// What each task writes.
const CONTENT: &[u8] = b"answer: 42\n";

fn main() -> Result<()> {
    support::main(compare)
}

fn compare(setting: &Setting, report: &mut Report) -> Result<()> {
    let bench = Bench::new(setting)?;
    let [one, two, floor] = alternate(
        setting.rounds,
        [&mut || bench.run(1), &mut || bench.run(2), &mut || bench.write_files()],
    )?;
    let n_quanta = bench.n_quanta.get() as f64;
    report.note(&format!("{n_quanta} quanta, {} files", bench.written.borrow().len()));
    let (wall, cpu) =
        (|runs: &Runs| runs.wall().per(n_quanta), |runs: &Runs| runs.cpu().per(n_quanta));
    for (what, runs) in [("a quantum, `-j 1`", &one), ("a quantum, `-j 2`", &two)] {
        let (seconds, wall_of) = (Unit::Seconds, format!("{what}: wall"));
        report.compare_with_floor(&wall_of, seconds, &wall(runs), &wall(&floor));
        report.compare_with_floor(&format!("{what}: CPU"), seconds, &cpu(runs), &cpu(&floor));
    }
    Ok(())
}

/// A graph that is executed again and again.
struct Bench<'a> {
    setting: &'a Setting,
    pipeline: PathBuf,
    round: Cell<usize>,
    n_quanta: Cell<u32>,
    /// Paths, relative to the repository, and contents of all files that the last run has left.
    written: RefCell<Vec<(PathBuf, Vec<u8>)>>,
}

impl<'a> Bench<'a> {
    fn new(setting: &'a Setting) -> Result<Self> {
        let pipeline = setting.scratch("functions.yaml");
        fs_err::write(&pipeline, PIPELINE)?;
        let (round, n_quanta, written) = Default::default();
        Ok(Self { setting, pipeline, round, n_quanta, written })
    }

    /// A path that was not used before.
    fn fresh(&self, name: &str) -> PathBuf {
        self.round.set(self.round.get() + 1);
        self.setting.scratch(&format!("{name}-{}", self.round.get()))
    }

    /// Executes the graph into a new personal repository.
    fn run(&self, jobs: usize) -> Result<Measured> {
        let (personal, submit) = (self.fresh("personal"), self.fresh("submit"));
        let mut create = self.setting.qbb();
        measure(create.arg("create").arg(&personal).arg("--from").arg(&self.setting.release))?;
        let mut prepare = self.setting.qbb();
        prepare.arg("prepare").arg("-b").arg(&self.setting.release).arg("-p").arg(&self.pipeline);
        prepare.args(["-i", DEFAULTS, "-d", WHERE, "--output-run", "u/bench/run"]);
        measure(prepare.arg("--personal").arg(&personal).arg("--submit-dir").arg(&submit))?;

        self.sync()?;
        let measured = measure_inside(|| self.execute(&personal, &submit, jobs))?;
        let mut files = Vec::new();
        collect_files(&personal, &personal.join("u"), &mut files)?;
        self.written.replace(files);
        Ok(measured)
    }

    fn execute(&self, personal: &Path, submit: &Path, jobs: usize) -> Result<()> {
        let directory = SubmitDirectory::open(utf8(submit)?)?;
        let repository = RepositoryConfig::open(utf8(personal)?.as_str())?;
        let report = qbb_executor::run(&RunRequest {
            graph: Arc::new(qbb_graph::open(&directory.graph())?),
            repository: &repository,
            journal: directory.journal(),
            logs: directory.logs(),
            jobs: NonZeroUsize::new(jobs).ok_or("no jobs")?,
            quanta: None,
            options: RunOptions::default(),
            functions: Arc::new(functions()),
            cancel: Cancel::default(),
            progress: &Silent,
        })?;
        self.n_quanta.set(report.executed);
        match report.is_complete() {
            true => Ok(()),
            false => Err(format!("{:?}", report.failures).into()),
        }
    }

    /// Writes the files of the last run once more, somewhere else.
    fn write_files(&self) -> Result<Measured> {
        let root = self.fresh("floor");
        self.sync()?;
        measure_inside(|| {
            for (path, content) in self.written.borrow().iter() {
                let place = root.join(path);
                let beside = place.with_extension("tmp");
                // Nearly always the folder is there, so it is not looked for first.
                if fs_err::write(&beside, content).is_err() {
                    fs_err::create_dir_all(place.parent().ok_or("a file without folder")?)?;
                    fs_err::write(&beside, content)?;
                }
                fs_err::rename(&beside, &place)?;
            }
            self.sync()
        })
    }

    /// Writes all that waits to be written to the disk, so that the next measurement does not.
    fn sync(&self) -> Result<()> {
        Ok(rustix::fs::syncfs(fs_err::File::open(&self.setting.release)?)?)
    }
}

fn functions() -> FunctionRegistry {
    let mut functions = FunctionRegistry::new();
    functions.register(
        "nothing",
        |context: &mut QuantumContext<'_>| -> std::result::Result<(), TaskError> {
            Ok(context.put(context.output("out")?, CONTENT)?)
        },
    );
    functions
}

/// Adds paths, relative to a root, and contents of all files in a folder.
fn collect_files(root: &Path, folder: &Path, files: &mut Vec<(PathBuf, Vec<u8>)>) -> Result<()> {
    for entry in fs_err::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect_files(root, &path, files)?;
        } else {
            files.push((path.strip_prefix(root)?.to_owned(), fs_err::read(&path)?));
        }
    }
    Ok(())
}
