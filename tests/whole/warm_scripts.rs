//! Python scripts without the time that imports take: see `tests/kit/warm_scripts.py`.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::OnceLock;

use serde_json::{Value, json};

use crate::kit::{kit, python};

/// Where scripts of the kit, and the Python package's tests, find the server.
pub const VARIABLE: &str = "QBB_KIT_WARM";

/// A process that has imported the middleware, for all tests of this one. It ends when this one
/// does, however that ends, as its input ends then.
struct WarmScripts {
    /// The server, with the pipe that keeps it going.
    _server: Child,
    socket: String,
}

fn server() -> &'static WarmScripts {
    static SERVER: OnceLock<WarmScripts> = OnceLock::new();
    SERVER.get_or_init(|| {
        let mut server = Command::new(python())
            .arg(kit().join("warm_scripts.py"))
            // Some compare files that show the order of sets.
            .env("PYTHONHASHSEED", "0")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the interpreter can be run");
        let mut socket = String::new();
        let output = server.stdout.as_mut().expect("the output is a pipe");
        BufReader::new(output).read_line(&mut socket).expect("the server says where it is");
        let socket = socket.trim_end().to_owned();
        assert!(!socket.is_empty(), "the server of warm scripts has ended; see above");
        WarmScripts { _server: server, socket }
    })
}

/// Where the server is, which is started if need be.
pub fn socket() -> &'static str {
    &server().socket
}

/// What to run.
pub enum Program<'a> {
    /// A file.
    Script(&'a Path),
    /// Python itself, as after `-c`.
    Code(&'a str),
}

/// Runs Python in the middleware's environment to its end, with the modules in `path`.
pub fn run(program: &Program<'_>, arguments: &[&str], path: Option<&Path>) -> Output {
    let server = server();
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let [output, errors] = ["output", "errors"].map(|name| folder.path().join(name));
    let mut environment: BTreeMap<String, String> = std::env::vars().collect();
    environment.insert(VARIABLE.to_owned(), server.socket.clone());
    environment.extend(path.map(|path| ("PYTHONPATH".to_owned(), path.display().to_string())));
    let (kind, program) = match program {
        Program::Script(script) => ("script", script.display().to_string()),
        Program::Code(code) => ("code", (*code).to_owned()),
    };
    let request = json!({
        kind: program,
        "arguments": arguments,
        "environment": environment,
        "directory": std::env::current_dir().expect("there is a working directory"),
        "output": output,
        "errors": errors,
    });
    let mut stream = UnixStream::connect(&server.socket).expect("the server listens");
    writeln!(stream, "{request}").expect("the server reads");
    let mut reply = String::new();
    BufReader::new(stream).read_line(&mut reply).expect("the server answers");
    let reply: Value = serde_json::from_str(&reply)
        .unwrap_or_else(|error| panic!("{program}: {error}: `{reply}`"));
    let status = reply["status"].as_i64().and_then(|status| i32::try_from(status).ok());
    let read = |path| fs_err::read(path).expect("the script's output was written");
    Output {
        status: ExitStatus::from_raw(status.expect("the reply has a status")),
        stdout: read(output),
        stderr: read(errors),
    }
}
