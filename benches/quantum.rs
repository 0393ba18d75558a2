//! What a quantum costs besides its work: `PipelineTask`s that do nothing but write their small
//! outputs, through `qbb run` and through `pipetask run-qbb`.
//!
//! The middleware is measured in all its ways of execution: all quanta in one process (`-j 1`), a
//! process for each quantum (`-j 2`) that is forked or started anew, and a command for each quantum,
//! as batch jobs are. The floor is the same tasks called straight in a loop in one Python process.

#[allow(dead_code, unused_imports, reason = "each benchmark uses its part")]
mod support;

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::{
    DEFAULTS, Measured, Report, Result, Runs, Setting, Unit, WHERE, alternate, measure, pipeline,
    utf8,
};

/// Quanta in one run with a process for each: enough to hide the start of the command itself.
const QUANTA_IN_PROCESSES: usize = 12;

fn main() -> Result<()> {
    support::main(run)
}

fn run(setting: &Setting, report: &mut Report) -> Result<()> {
    let bench = Bench::new(setting)?;
    let n_quanta = bench.quanta.len() as f64;
    report.note(&format!("{n_quanta} quanta of {} tasks", bench.overrides.len()));
    let round = Cell::new(0);
    let [
        ours,
        ours_two,
        ours_separate,
        our_job,
        our_exchange_job,
        stock,
        forkserver,
        spawn,
        job,
        floor,
    ] = alternate(
        setting.rounds,
        [
            &mut || {
                round.set(round.get() + 1);
                bench.run_ours(round.get(), &["-j", "1"])
            },
            &mut || bench.run_ours(round.get(), &["-j", "2"]),
            &mut || bench.run_ours(round.get(), &["-j", "2", "--no-fork"]),
            &mut || bench.run_our_job(round.get()),
            &mut || bench.run_our_exchange_job(round.get()),
            &mut || bench.run_stock(round.get()),
            &mut || bench.run_in_processes(round.get(), "forkserver"),
            &mut || bench.run_in_processes(round.get(), "spawn"),
            &mut || bench.run_job(round.get()),
            &mut || bench.call_tasks(round.get()),
        ],
    )?;
    let (inside, stock_inside) =
        (ours.numbers("inside_seconds")?, stock.numbers("inside_seconds")?);
    let seconds = Unit::Seconds;
    let per = |runs: &Runs| runs.wall().per(n_quanta);
    let each = |what: &str| format!("a quantum of a whole `-j 1` run{what}");
    report.compare(&each(": wall"), seconds, &per(&ours), &per(&stock));
    report.compare(&each(": CPU"), seconds, &ours.cpu().per(n_quanta), &stock.cpu().per(n_quanta));
    let what = "the same, called straight in a loop, without start and imports";
    let floor_inside = floor.numbers("inside_seconds")?.per(n_quanta);
    report.compare_with_floor(&format!("{what}: wall"), seconds, &per(&ours), &floor_inside);
    let floor_cpu = floor.numbers("inside_cpu_seconds")?.per(n_quanta);
    let ours_cpu = ours.cpu().per(n_quanta);
    report.compare_with_floor(&format!("{what}: CPU"), seconds, &ours_cpu, &floor_cpu);
    report.compare(&each(", prepared to end of task"), seconds, &inside, &stock_inside);
    report.compare("the whole `-j 1` run: wall", seconds, &ours.wall(), &stock.wall());
    report.compare("peak memory of it", Unit::Mebibytes, &ours.peak(), &stock.peak());
    let few = |runs: &Runs| runs.wall().per(QUANTA_IN_PROCESSES as f64);
    let two = |how: &str, peer: &str| {
        format!("a quantum of a `-j 2` run{how}, peer of {QUANTA_IN_PROCESSES} quanta{peer}: wall")
    };
    report.compare(&two("", ", forkserver"), seconds, &per(&ours_two), &few(&forkserver));
    report.compare(&two("", ", spawn"), seconds, &per(&ours_two), &few(&spawn));
    report.compare(&two(" `--no-fork`", ", spawn"), seconds, &per(&ours_separate), &few(&spawn));
    let what = "a quantum as a job of its own";
    report.compare(&format!("{what}: wall"), seconds, &our_job.wall(), &job.wall());
    report.compare(&format!("{what}: CPU"), seconds, &our_job.cpu(), &job.cpu());
    let what = "the same of a `.qg`";
    report.compare(&format!("{what}: wall"), seconds, &our_exchange_job.wall(), &job.wall());
    let (ours, theirs) = (our_exchange_job.peak(), job.peak());
    report.compare(&format!("{what}: peak memory"), Unit::Mebibytes, &ours, &theirs);
    Ok(())
}

/// Both sides' graphs of the same quanta.
struct Bench<'a> {
    setting: &'a Setting,
    /// Configuration overrides that make each task a no-op.
    overrides: Vec<String>,
    /// The pipeline with them, exported.
    export: PathBuf,
    /// The middleware's graph.
    graph: PathBuf,
    /// UUIDs of its quanta; those of the first task, which need no others, come first.
    quanta: Vec<String>,
    /// A copy of the release in which quanta are run one by one.
    piecemeal: PathBuf,
    /// Another one, for our jobs of single quanta of the same graph.
    exchange: PathBuf,
}

impl<'a> Bench<'a> {
    fn new(setting: &'a Setting) -> Result<Self> {
        let yaml = pipeline("data_release");
        let mut bench = Self {
            setting,
            overrides: Vec::new(),
            export: setting.scratch("pipeline.json"),
            graph: setting.scratch("stock.qg"),
            quanta: Vec::new(),
            piecemeal: setting.copy_of_release("piecemeal")?,
            exchange: setting.copy_of_release("exchange")?,
        };
        let mut first = setting.qbb();
        first.args(["graph", "build", "-q"]).arg(setting.scratch("first.qbb"));
        bench.add_arguments(&mut first, &yaml);
        let tasks = measure(&mut first)?.json()?;
        let labels = tasks["tasks"].as_array().into_iter().flatten();
        let labels = labels.filter_map(|task| task["task"].as_str());
        bench.overrides = labels.map(|label| format!("{label}:read_inputs=False")).collect();

        let mut export = setting.qbb();
        export.args(["pipeline", "export"]).arg(&yaml).arg("-o").arg(&bench.export);
        measure(bench.add_overrides(&mut export))?;
        let mut stock = setting.middleware("pipetask");
        stock.args(["qgraph", "--qgraph-datastore-records", "-q"]).arg(&bench.graph);
        bench.add_arguments(&mut stock, &yaml);
        measure(bench.add_overrides(&mut stock))?;
        bench.quanta = quanta(&bench.graph)?;
        measure(&mut bench.stock("pre-exec-init-qbb", &bench.piecemeal))?;
        measure(bench.of_exchange_file().arg("--init-only"))?;
        Ok(bench)
    }

    fn add_overrides<'b>(&self, command: &'b mut Command) -> &'b mut Command {
        for text in &self.overrides {
            command.args(["-c", text]);
        }
        command
    }

    fn add_arguments(&self, command: &mut Command, pipeline: &Path) {
        command.arg("-b").arg(&self.setting.release).arg("-p").arg(pipeline);
        command.args(["-i", DEFAULTS, "-d", WHERE, "--output-run", "u/bench/run"]);
    }

    /// Runs all quanta into a repository of its own.
    fn run_ours(&self, round: usize, options: &[&str]) -> Result<Measured> {
        let (personal, submit) = self.prepare(&format!("{round}{}", options.concat()))?;
        let mut run = self.setting.qbb();
        let measured = measure(run.arg("run").arg(&submit).args(options))?;
        self.finish(measured, &personal)
    }

    /// Runs one quantum of a prepared directory whose init-outputs are there.
    fn run_our_job(&self, round: usize) -> Result<Measured> {
        let (_, submit) = self.prepare(&format!("{round}-job"))?;
        let mut init = self.setting.qbb();
        measure(init.arg("run").arg(&submit).arg("--init-only"))?;
        let quanta = quanta(&submit.join("graph.qbb"))?;
        let quantum = quanta.first().ok_or("the graph has no quanta")?;
        let mut run = self.setting.qbb();
        measure(run.arg("run").arg(&submit).args(["--qgraph-node-id", quantum]))
    }

    /// Runs one quantum of the middleware's graph.
    fn run_our_exchange_job(&self, round: usize) -> Result<Measured> {
        let quantum = self.some_quanta(round - 1, 1)?;
        measure(self.of_exchange_file().args(["--no-init", "--qgraph-node-id", &quantum]))
    }

    fn of_exchange_file(&self) -> Command {
        let mut command = self.setting.qbb();
        command.arg("run").arg(&self.graph).arg("--personal").arg(&self.exchange);
        command
    }

    /// Calls the tasks without anything that executes them.
    fn call_tasks(&self, round: usize) -> Result<Measured> {
        let folder = self.setting.scratch(&format!("called-{round}"));
        let mut script = self.setting.kit_script("call_tasks.py");
        measure(script.arg(&self.graph).arg(folder))
    }

    /// Makes a repository and a submit directory.
    fn prepare(&self, name: &str) -> Result<(PathBuf, PathBuf)> {
        let personal = self.setting.scratch(&format!("personal-{name}"));
        let submit = self.setting.scratch(&format!("submit-{name}"));
        let mut create = self.setting.qbb();
        measure(create.arg("create").arg(&personal).arg("--from").arg(&self.setting.release))?;
        let mut prepare = self.setting.qbb();
        prepare.arg("prepare");
        self.add_arguments(&mut prepare, &self.export);
        measure(prepare.arg("--personal").arg(&personal).arg("--submit-dir").arg(&submit))?;
        Ok((personal, submit))
    }

    /// Runs all quanta in one process of the middleware, init-outputs included, into a copy of the
    /// release.
    fn run_stock(&self, round: usize) -> Result<Measured> {
        let copy = self.setting.copy_of_release(&format!("stock-{round}"))?;
        let init = measure(&mut self.stock("pre-exec-init-qbb", &copy))?;
        let run = measure(&mut self.stock("run-qbb", &copy))?;
        let both = Measured {
            wall: init.wall + run.wall,
            cpu: init.cpu + run.cpu,
            peak: init.peak.max(run.peak),
            output: String::new(),
        };
        self.finish(both, &copy)
    }

    fn run_in_processes(&self, round: usize, start_method: &str) -> Result<Measured> {
        // The first quanta of the graph are for single jobs.
        let earlier = 2 * (round - 1) + usize::from(start_method == "spawn");
        let begin = self.setting.rounds + earlier * QUANTA_IN_PROCESSES;
        let quanta = self.some_quanta(begin, QUANTA_IN_PROCESSES)?;
        let mut command = self.stock("run-qbb", &self.piecemeal);
        command.args(["-j", "2", "--start-method", start_method]);
        measure(command.args(["--qgraph-node-id", &quanta]))
    }

    fn run_job(&self, round: usize) -> Result<Measured> {
        let quantum = self.some_quanta(round - 1, 1)?;
        let mut command = self.stock("run-qbb", &self.piecemeal);
        measure(command.args(["--qgraph-node-id", &quantum]))
    }

    /// Quanta of the first task; each can be run but once.
    fn some_quanta(&self, begin: usize, count: usize) -> Result<String> {
        let quanta = self.quanta.get(begin..begin + count);
        let quanta = quanta.ok_or("the graph has too few quanta for so many rounds")?;
        Ok(quanta.join(","))
    }

    fn stock(&self, name: &str, repository: &Path) -> Command {
        let mut command = self.setting.middleware("pipetask");
        command.arg(name).arg(repository).arg(&self.graph);
        command
    }

    /// Reads the metadata that the quanta have left. Nothing is deleted before the end: new files
    /// are slow to make on ext4 for minutes after many others were deleted.
    fn finish(&self, mut measured: Measured, repository: &Path) -> Result<Measured> {
        let mut spans = Vec::new();
        collect_spans(&repository.join("u/bench/run"), &mut spans)?;
        if spans.len() != self.quanta.len() {
            let found = format!("{} of {} quanta", spans.len(), self.quanta.len());
            return Err(format!("{found} have succeeded in {}", repository.display()).into());
        }
        let mean = spans.iter().sum::<f64>() / spans.len() as f64;
        measured.output = serde_json::json!({ "inside_seconds": mean }).to_string();
        Ok(measured)
    }
}

/// UUIDs of a graph's quanta in topological order of their tasks.
fn quanta(graph: &Path) -> Result<Vec<String>> {
    let graph = qbb_graph::open(utf8(graph)?)?;
    Ok(graph.quanta.iter().map(|quantum| graph.quanta.uuid(quantum).to_string()).collect())
}

/// Adds how long each quantum took by its own metadata, seconds.
fn collect_spans(folder: &Path, spans: &mut Vec<f64>) -> Result<()> {
    for entry in fs_err::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect_spans(&path, spans)?;
        } else if path.file_name().is_some_and(|name| name.to_string_lossy().contains("_metadata_"))
        {
            let metadata: serde_json::Value = serde_json::from_slice(&fs_err::read(&path)?)?;
            let marks = &metadata["metadata"]["quantum"]["arrays"];
            let time = |mark: &str| -> Result<f64> {
                let text = marks[mark][0].as_str().ok_or("metadata without times")?;
                Ok(text.parse::<jiff::Timestamp>()?.as_microsecond() as f64 * 1e-6)
            };
            spans.push(time("endUtc")? - time("prepUtc")?);
        }
    }
    Ok(())
}
