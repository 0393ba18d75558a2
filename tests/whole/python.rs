//! The Python package's own tests, in the environment with the pinned middleware.

use std::process::Command;

use crate::kit::{python, root};
use crate::warm_scripts;

#[test]
fn worker_and_exporter() {
    let output = Command::new(python())
        .args(["-m", "unittest", "discover", "-s", "tests", "-t", "."])
        .current_dir(root().join("python"))
        .env(warm_scripts::VARIABLE, warm_scripts::socket())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("\nOK"), "{text}");
}
