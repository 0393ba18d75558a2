//! A private object store for tests.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

/// A server for all tests of the process. It ends with the process, however that ends, because the
/// script that runs it waits for the end of its input.
pub struct ObjectServer {
    /// The script, with the pipe that keeps it going.
    _script: Child,
    /// URL of the server.
    pub endpoint: String,
    /// A bucket, empty to begin with.
    pub bucket: String,
}

/// The server, started if need be.
pub fn object_server() -> &'static ObjectServer {
    static SERVER: OnceLock<ObjectServer> = OnceLock::new();
    SERVER.get_or_init(|| {
        let kit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/kit");
        let mut script = Command::new("python3")
            .arg(kit.join("object_server.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("python3 is needed for tests with an object store");
        let mut line = String::new();
        let output = script.stdout.as_mut().expect("the output is a pipe");
        BufReader::new(output).read_line(&mut line).expect("the script says where the server is");
        let place: serde_json::Value =
            serde_json::from_str(&line).expect("tests/kit/object_server.py can be run");
        let text = |key: &str| place[key].as_str().expect("the script prints it").to_owned();
        ObjectServer { endpoint: text("endpoint"), bucket: text("bucket"), _script: script }
    })
}
