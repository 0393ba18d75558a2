//! The debugger at a terminal.

use std::process::Command;

use crate::kit::{Prepared, Scratch, command, python, release};

/// With `--pdb` a quantum that fails is looked at by somebody at a terminal, here a pseudo-terminal;
/// then the run goes on.
#[test]
fn a_failed_quantum_is_debugged_at_the_terminal() {
    let scratch = Scratch::new();
    let repository = release().display().to_string();
    let prepared = Prepared::new(&scratch, "debugged", &repository, "failing");
    let mut session = Command::new(python());
    session.args(["-c", TERMINAL, env!("CARGO_BIN_EXE_qbb")]);
    session.args(["run", &prepared.submit, "--pdb", "--max-failures", "1"]);
    for (name, value) in command().get_envs() {
        match value {
            Some(value) => session.env(name, value),
            None => session.env_remove(name),
        };
    }
    let output = session.output().unwrap();
    let shown = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "quanta have failed: {shown}");
    assert!(shown.contains("RuntimeError: configured to fail for"), "{shown}");
    assert!(shown.contains("this is the debugger"), "{shown}");
    assert!(shown.contains("('the detector is', 3)"), "{shown}");
    assert_eq!(prepared.status()["failed"], 1);
}

/// Runs a command at a terminal of its own and types something at each prompt of the debugger. Whatever
/// happens, it is over after two minutes.
const TERMINAL: &str = r#"
import os, pty, select, signal, sys, time

pid, terminal = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], sys.argv[1:])
to_type = [b"p 'the detector is', data_id['detector']\n"]
shown, prompts, end = b"", 0, time.monotonic() + 120
while True:
    if time.monotonic() > end:
        os.kill(pid, signal.SIGKILL)
        break
    if not select.select([terminal], [], [], 1)[0]:
        continue
    try:
        chunk = os.read(terminal, 1 << 16)
    except OSError:
        break
    if not chunk:
        break
    shown += chunk
    while shown.count(b"(Pdb) ") > prompts:
        prompts += 1
        os.write(terminal, to_type.pop(0) if to_type else b"c\n")
sys.stdout.buffer.write(shown)
sys.stdout.flush()
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"#;
