//! `qbb demo`.

use qbb_demo::{Demo, DemoFolders};
use qbb_executor::{Progress, ProgressEvent};
use qbb_submit_dirs::{Report, Watch};
use serde::Serialize;

use crate::arguments::DemoArguments;
use crate::commands::report;
use crate::commands::run::jobs;
use crate::output::{ExitCode, Failure, ProgressBars, Terminal};

#[derive(Serialize)]
struct DemoResult<'a> {
    release: &'a str,
    personal: &'a str,
    submit_dir: &'a str,
    picture: &'a str,
    stars: usize,
    transferred: u64,
    #[serde(flatten)]
    report: Report,
}

/// Makes a release, processes it and shows the result.
pub fn execute(arguments: &DemoArguments, terminal: Terminal) -> Result<ExitCode, Failure> {
    let demo = Demo::new(&arguments.folder)?;
    let bars = ProgressBars::new(terminal);
    bars.stage("making a release");
    let release = demo.make_repositories()?;
    bars.line(&format!(
        "made a release of {} raw images in {} visits",
        release.raws, release.visits
    ));
    bars.stage("building the quantum graph");
    demo.prepare()?;
    let graph = demo.graph()?;
    bars.line(&format!("built a graph of {} quanta", graph.quanta.len()));
    bars.count("processing pixels", 0, graph.quanta.len() as u64);
    let run = demo.run(&graph, jobs(arguments.jobs), &Counter(&bars))?;
    bars.stage("transferring");
    let transferred = demo.transfer(&graph)?.datasets_inserted;
    let stars = if run.is_complete() { demo.draw(&graph)? } else { 0 };
    drop(bars);
    let folders = demo.folders();
    let watch = Watch::open(&folders.submit)?;
    let result = DemoResult {
        release: folders.release.as_str(),
        personal: folders.personal.as_str(),
        submit_dir: folders.submit.as_str(),
        picture: folders.picture.as_str(),
        stars,
        transferred,
        report: report::of_watch(&watch, None),
    };
    terminal.result(&result, |result| describe(result, folders))?;
    Ok(if run.is_complete() { ExitCode::Success } else { ExitCode::Incomplete })
}

fn describe(result: &DemoResult<'_>, folders: &DemoFolders) -> String {
    let program = std::env::args().next().unwrap_or_else(|| "qbb".to_owned());
    let mut text = report::describe(&result.report, 20);
    text.push_str(&format!(
        "\n{} stars found; {} datasets are in the personal repository\n\n\
         picture     {}\nrelease     {}\npersonal    {}\nsubmit dir  {}\n\n\
         look further:\n  {program} graph show {submit}\n  \
         {program} graph dot {submit} | dot -Tsvg -o graph.svg\n  {program} status {submit}\n  \
         butler query-collections {personal}   (with the middleware installed)",
        result.stars,
        result.transferred,
        folders.picture,
        folders.release,
        folders.personal,
        folders.submit,
        submit = folders.submit,
        personal = folders.personal,
    ));
    text
}

struct Counter<'a>(&'a ProgressBars);

impl Progress for Counter<'_> {
    fn event(&self, event: &ProgressEvent<'_>) {
        if let ProgressEvent::QuantumFinished { counts, .. } = event {
            self.0.position(u64::from(counts.succeeded + counts.failed + counts.blocked));
        }
    }
}
