//! Telling what happened to a graph: `qbb provenance` against `butler aggregate-graph --complete -o`,
//! of the same quanta with the same metadata and logs.
//!
//! The stock command also registers the outputs, which is a transfer of ours; so it is compared with
//! both together, too. It works in a copy of the release, whose registry has the dimension records.

#[allow(dead_code, unused_imports, reason = "each benchmark uses its part")]
mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use support::{
    DEFAULTS, Measured, Report, Result, Runs, Samples, Setting, Unit, WHERE, alternate, measure,
    pipeline,
};

/// Registry of a repository.
const DATABASE: &str = "gen3.sqlite3";

fn main() -> Result<()> {
    support::main(run)
}

fn run(setting: &Setting, report: &mut Report) -> Result<()> {
    let bench = Bench::new(setting)?;
    let [ours, both, theirs] = alternate(
        setting.rounds,
        [&mut || bench.provenance(), &mut || bench.with_transfer(), &mut || bench.aggregate()],
    )?;
    let mut compare = setting.kit_script("compare_provenance.py");
    measure(compare.arg(&bench.ours).arg(&bench.theirs))?;
    let quanta = ours.numbers("quanta")?.median();
    report.note(&format!(
        "{quanta} quanta of one attempt each; the kit finds both files to tell the same"
    ));
    let seconds = Unit::Seconds;
    report.compare("process: wall", seconds, &ours.wall(), &theirs.wall());
    report.compare("process: CPU", seconds, &ours.cpu(), &theirs.cpu());
    report.compare("process: peak memory", Unit::Mebibytes, &ours.peak(), &theirs.peak());
    let per = |runs: &Runs| runs.wall().per(quanta);
    report.compare("per quantum: wall", seconds, &per(&ours), &per(&theirs));
    let what = "with a transfer, which the peer does meanwhile: wall";
    report.compare(what, seconds, &both.wall(), &theirs.wall());
    let size = |file: &Path| Ok::<_, std::io::Error>(fs_err::metadata(file)?.len() as f64);
    let sizes = [size(&bench.ours)?, size(&bench.theirs)?].map(Samples::from);
    report.compare("the file", Unit::Bytes, &sizes[0], &sizes[1]);
    let [ours, theirs] = sizes.map(|size| size.per(quanta));
    report.compare("the file, per quantum", Unit::Bytes, &ours, &theirs);
    Ok(())
}

/// A run whose outputs are in a personal repository and in a copy of the release.
struct Bench<'a> {
    setting: &'a Setting,
    personal: PathBuf,
    submit: PathBuf,
    /// The graph for the middleware.
    graph: PathBuf,
    copy: PathBuf,
    ours: PathBuf,
    theirs: PathBuf,
}

impl<'a> Bench<'a> {
    fn new(setting: &'a Setting) -> Result<Self> {
        let place = |name: &str| setting.scratch(name);
        let (personal, submit, graph) = (place("personal"), place("submit"), place("graph.qg"));
        measure(setting.qbb().arg("create").arg(&personal).arg("--from").arg(&setting.release))?;
        let mut prepare = setting.qbb();
        prepare.args(["prepare", "-i", DEFAULTS, "-d", WHERE, "-o", "u/bench"]);
        prepare.args(["--output-run", "u/bench/run"]);
        prepare.arg("-b").arg(&setting.release).arg("-p").arg(pipeline("data_release"));
        measure(prepare.arg("--personal").arg(&personal).arg("--submit-dir").arg(&submit))?;
        measure(setting.qbb().arg("run").arg(&submit).args(["-j", "2"]))?;
        measure(setting.qbb().args(["graph", "convert"]).arg(&submit).arg(&graph))?;
        let copy = setting.copy_of_release("copy")?;
        measure(Command::new("cp").arg("-a").arg(personal.join("u")).arg(&copy))?;
        for repository in [&personal, &copy] {
            fs_err::copy(repository.join(DATABASE), repository.join("before"))?;
        }
        let (ours, theirs) = (place("ours.qg"), place("theirs.qg"));
        Ok(Self { setting, personal, submit, graph, copy, ours, theirs })
    }

    fn provenance(&self) -> Result<Measured> {
        let mut command = self.setting.qbb();
        measure(command.arg("provenance").arg(&self.submit).arg("-o").arg(&self.ours))
    }

    fn with_transfer(&self) -> Result<Measured> {
        fs_err::copy(self.personal.join("before"), self.personal.join(DATABASE))?;
        let provenance = self.provenance()?;
        let transfer = measure(self.setting.qbb().arg("transfer").arg(&self.submit))?;
        Ok(Measured {
            wall: provenance.wall + transfer.wall,
            cpu: provenance.cpu + transfer.cpu,
            peak: provenance.peak.max(transfer.peak),
            output: String::new(),
        })
    }

    fn aggregate(&self) -> Result<Measured> {
        fs_err::copy(self.copy.join("before"), self.copy.join(DATABASE))?;
        if self.theirs.exists() {
            fs_err::remove_file(&self.theirs)?;
        }
        let mut command = self.setting.middleware("butler");
        command.args(["aggregate-graph", "--complete", "--register-dataset-types", "-o"]);
        measure(command.arg(&self.theirs).arg(&self.graph).arg(&self.copy))
    }
}
