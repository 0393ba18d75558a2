//! Running the command, and the kit's Python scripts.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use crate::fixtures::fixtures;
pub use crate::postgres_server::postgres;
use crate::warm_scripts::{self, Program};

/// Collections of the kit's release that hold everything.
pub const DEFAULTS: &str = "QbbCam/defaults";
/// Collection of the released products.
pub const RELEASED: &str = "releases/QR1";
/// Restriction that every query over the release needs.
pub const WHERE: &str = "instrument='QbbCam' AND skymap='qbb_rings'";

/// The repository's root.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate stands in a workspace")
}

/// The folder of the kit.
pub fn kit() -> PathBuf {
    root().join("tests/kit")
}

/// A pipeline of the kit.
pub fn pipeline(name: &str) -> String {
    kit().join("pipelines").join(format!("{name}.yaml")).display().to_string()
}

/// The interpreter of an environment with the pinned middleware, made if need be.
pub fn python() -> &'static str {
    static PYTHON: OnceLock<String> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let output = Command::new("python3")
            .arg(kit().join("setup_environment.py"))
            .output()
            .expect("python3 is needed for the tests against the real middleware");
        let text = succeeded("setup_environment.py", output);
        text.lines().last().expect("the script prints the interpreter").to_owned()
    })
}

/// A release that tests share and must not change.
pub fn release() -> &'static Path {
    static RELEASE: OnceLock<PathBuf> = OnceLock::new();
    RELEASE.get_or_init(|| {
        let path = fixtures().join("release");
        script("make_release.py", &[&path.display().to_string()]);
        path
    })
}

/// Runs a script of the kit, which must succeed; returns what it printed.
pub fn script(name: &str, arguments: &[&str]) -> String {
    succeeded(name, script_output(name, arguments))
}

/// Runs a script of the kit.
pub fn script_output(name: &str, arguments: &[&str]) -> Output {
    warm_scripts::run(&Program::Script(&kit().join(name)), arguments, None)
}

/// Runs a program of the middleware, with the kit's tasks: `pipetask` or `butler`.
pub fn middleware(program: &str, arguments: &[&str]) -> Output {
    let program = Path::new(python()).with_file_name(program);
    warm_scripts::run(&Program::Script(&program), arguments, Some(&kit()))
}

/// Runs Python code that drives the middleware, with the kit's modules; it must succeed. Returns
/// what it printed.
pub fn real_butler(code: &str, arguments: &[&str]) -> String {
    let output = warm_scripts::run(&Program::Code(code), arguments, Some(&kit()));
    succeeded("the real Butler", output)
}

/// The command, in an environment in which the kit's tasks can be imported.
pub fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_qbb"));
    command
        .env("QBB_PYTHON", python())
        .env("PYTHONPATH", kit())
        .env("XDG_CACHE_HOME", Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache"))
        .env("NO_COLOR", "1")
        .env_remove("DAF_BUTLER_REPOSITORY_INDEX")
        .env_remove("DAF_BUTLER_REPOSITORIES");
    command
}

/// Runs the command, which must succeed; returns its standard output.
pub fn qbb(arguments: &[&str]) -> String {
    let output = command().args(arguments).output().expect("the command can be run");
    succeeded(&format!("qbb {}", arguments.join(" ")), output)
}

/// Runs the command, which must fail with this code; returns its standard error.
pub fn qbb_fails(code: i32, arguments: &[&str]) -> String {
    let output = command().args(arguments).output().expect("the command can be run");
    let (out, err) = texts(&output);
    assert_eq!(output.status.code(), Some(code), "qbb {}:\n{out}\n{err}", arguments.join(" "));
    assert!(!err.contains("panicked") && !err.contains("Traceback"), "{err}");
    err
}

/// Standard output of a process that must have succeeded.
pub fn succeeded(what: &str, output: Output) -> String {
    let (out, err) = texts(&output);
    assert!(output.status.success(), "{what}: {}\n{out}\n{err}", output.status);
    out
}

fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

/// A scratch folder with a path as text.
pub struct Scratch(tempfile::TempDir);

impl Scratch {
    /// An empty folder.
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder can be made"))
    }

    /// A path in it.
    pub fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }
}

/// Copies a folder with everything in it.
pub fn copy_tree(from: &Path, to: &str) {
    succeeded("cp", Command::new("cp").arg("-a").arg(from).arg(to).output().expect("cp"));
}

/// A personal repository with a submit directory, ready to run.
pub struct Prepared {
    /// The personal repository.
    pub personal: String,
    /// The submit directory.
    pub submit: String,
}

impl Prepared {
    /// The run that the outputs go to.
    pub const RUN: &'static str = "u/me/out/run1";

    /// Creates the repository and prepares a pipeline of the kit over a release.
    pub fn new(scratch: &Scratch, name: &str, release: &str, pipeline_name: &str) -> Self {
        let personal = scratch.path(&format!("{name}-personal"));
        qbb(&["create", &personal, "--from", release]);
        let submit = scratch.path(&format!("{name}-submit"));
        Self::over(&submit, &personal, release, pipeline_name, Self::RUN);
        Self { personal, submit }
    }

    /// Prepares a pipeline of the kit over a release, for a personal repository that is there.
    pub fn over(submit: &str, personal: &str, release: &str, pipeline_name: &str, run: &str) {
        let pipeline = pipeline(pipeline_name);
        let released = matches!(pipeline_name, "user" | "parts");
        let inputs = if released { RELEASED } else { DEFAULTS };
        let mut arguments = vec!["prepare", "-b", release, "-p", &pipeline, "-i", inputs];
        arguments.extend(["-d", WHERE, "-o", "u/me/out", "--output-run", run]);
        arguments.extend(["--personal", personal, "--submit-dir", submit]);
        qbb(&arguments);
    }

    /// What `qbb status` says.
    pub fn status(&self) -> serde_json::Value {
        json(&["status", &self.submit])
    }
}

/// What the command prints as JSON.
pub fn json(arguments: &[&str]) -> serde_json::Value {
    let text = qbb(&[arguments, &["--format", "json"]].concat());
    serde_json::from_str(&text).expect("the command prints JSON")
}

/// A release like [`release`], with its registry in [`postgres`], in the schema `release`.
pub fn postgres_release() -> &'static Path {
    static RELEASE: OnceLock<PathBuf> = OnceLock::new();
    RELEASE.get_or_init(|| {
        let path = fixtures().join("postgres-release");
        let database = ["--database", &postgres().url, "--schema", "release"];
        let place = path.display().to_string();
        script("make_release.py", &[&[place.as_str()], &database[..]].concat());
        path
    })
}
