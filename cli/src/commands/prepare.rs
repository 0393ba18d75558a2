//! `qbb prepare`.

use camino::{Utf8Path, Utf8PathBuf};
use qbb::GraphIdentity;
use qbb_datastore::RepositoryConfig;
use qbb_submit_dirs::{Submission, SubmitDirectory};
use serde::Serialize;

use crate::arguments::PrepareArguments;
use crate::commands::build::{Built, build};
use crate::commands::pipeline::write_whole;
use crate::commands::remembered::release_of;
use crate::output::{ExitCode, Failure, Terminal, shell_word};

#[derive(Serialize)]
struct Prepared<'a> {
    submit_dir: &'a Utf8Path,
    quanta: usize,
    datasets: usize,
    tasks: usize,
    output_run: &'a str,
    output: Option<&'a str>,
}

/// Builds a graph into a new submit directory.
pub fn execute(arguments: &PrepareArguments, terminal: Terminal) -> Result<ExitCode, Failure> {
    // What would be refused after a long build is looked at before it.
    let place = arguments.build.personal.as_deref().unwrap_or_default();
    let personal = personal_root(place)?;
    SubmitDirectory::check_free(&arguments.submit_dir)?;
    let release = release_of(arguments.build.butler_config.as_deref(), Some(place))?;
    check_universes(&release, place)?;
    let Built { build, pipeline } = build(&arguments.build, terminal)?;
    let graph = &build.graph;
    let mut submission = Submission::new(&release, &personal, arguments.build.pipeline());
    submission.graph = GraphIdentity::of(graph).to_string();
    submission.options = options(arguments);
    let directory = SubmitDirectory::create(&arguments.submit_dir, submission, |directory| {
        write_whole(&directory.root().join(pipeline.name), pipeline.text.as_bytes())?;
        Ok::<(), Failure>(qbb_graph::write_native(graph, &directory.graph())?)
    })?;
    let prepared = Prepared {
        submit_dir: directory.root(),
        quanta: graph.quanta.len(),
        datasets: graph.datasets.len(),
        tasks: build.tasks.iter().filter(|task| task.kept != 0).count(),
        output_run: &graph.header.output_run,
        output: graph.header.output.as_deref(),
    };
    terminal.result(&prepared, |prepared| {
        format!(
            "{} quanta of {} tasks are ready in {}\nnext: qbb run {}",
            prepared.quanta,
            prepared.tasks,
            prepared.submit_dir,
            shell_word(prepared.submit_dir.as_str())
        )
    })?;
    Ok(ExitCode::Success)
}

/// The folder of a personal repository, which must be local and exist.
fn personal_root(place: &str) -> Result<Utf8PathBuf, Failure> {
    let config = RepositoryConfig::open(place)?;
    config.root().ok_or_else(|| {
        Failure::input(format!("the personal repository {place} is not a local folder"))
    })
}

/// Outputs can only be registered where the dimensions are those of the release.
fn check_universes(release: &str, personal: &str) -> Result<(), Failure> {
    let open = |place| -> Result<_, Failure> {
        Ok(qbb_registry::open_reader(&RepositoryConfig::open(place)?)?)
    };
    let (release_registry, personal_registry) = (open(release)?, open(personal)?);
    let (theirs, ours) = (release_registry.universe(), personal_registry.universe());
    if theirs == ours {
        return Ok(());
    }
    let text = |u: &qbb_dimensions::Universe| format!("{} version {}", u.namespace(), u.version());
    Err(Failure::input(format!(
        "{personal} has dimension universe {}, but {release} has {}",
        text(ours),
        text(theirs)
    ))
    .with_hint(format!("make a repository for it with `qbb create REPO --from {release}`")))
}

fn options(arguments: &PrepareArguments) -> std::collections::BTreeMap<String, serde_json::Value> {
    let build = &arguments.build;
    [
        ("input", serde_json::json!(build.input)),
        ("output", serde_json::json!(build.output)),
        ("output_run", serde_json::json!(build.output_run)),
        ("data_query", serde_json::json!(build.data_query)),
        ("dataset_query_constraint", serde_json::json!(build.dataset_query_constraint)),
        ("changes", serde_json::json!(build.python.changes.exporter_options())),
        ("select_tasks", serde_json::json!(build.select_tasks)),
        ("data_id_table", serde_json::json!(build.data_id_table)),
        ("skip_existing_in", serde_json::json!(build.resume.skip_existing_in)),
        ("skip_existing", serde_json::json!(build.resume.skip_existing)),
        ("extend_run", serde_json::json!(build.resume.extend_run)),
        ("clobber_outputs", serde_json::json!(build.resume.clobber_outputs)),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}
