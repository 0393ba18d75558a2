//! A private PostgreSQL server for tests.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

/// A server for all tests of the process. It ends with the process, however that ends, because the
/// script that runs it waits for the end of its input.
pub struct PostgresServer {
    /// The script, with the pipe that keeps it going.
    _script: Child,
    /// URL for the account that owns the database.
    pub url: String,
    /// Port on 127.0.0.1.
    pub port: u64,
    /// Password of the account `reader`, which may only read.
    pub reader_password: String,
    /// Certificate of the authority that has signed the server's, which is for `localhost`.
    pub authority: String,
}

/// The server, started if need be.
pub fn postgres() -> &'static PostgresServer {
    static SERVER: OnceLock<PostgresServer> = OnceLock::new();
    SERVER.get_or_init(|| {
        let kit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/kit");
        let mut script = Command::new("python3")
            .arg(kit.join("postgres_server.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 is needed for tests with a database server");
        let mut line = String::new();
        let output = script.stdout.as_mut().expect("the output is a pipe");
        BufReader::new(output).read_line(&mut line).expect("the script says where the server is");
        let place: serde_json::Value =
            serde_json::from_str(&line).expect("a PostgreSQL server can be started; see above");
        let text = |key: &str| place[key].as_str().expect("the script prints it").to_owned();
        PostgresServer {
            url: text("url"),
            port: place["port"].as_u64().expect("the script prints it"),
            reader_password: text("reader_password"),
            authority: text("authority"),
            _script: script,
        }
    })
}
