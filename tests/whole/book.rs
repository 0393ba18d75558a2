//! The book's tutorial does what it says.

use std::process::Command;

use crate::kit::{Scratch, command, root, succeeded};

#[test]
fn the_tutorial_runs() {
    let scratch = Scratch::new();
    let text = fs_err::read_to_string(root().join("docs/tutorial.md")).unwrap();
    let program = std::path::Path::new(command().get_program()).parent().unwrap().to_owned();
    let path = std::env::var("PATH").unwrap();
    let mut run = Command::new("bash");
    run.args([
        "-euo",
        "pipefail",
        "-c",
        &script(&text).replace("/tmp/tutorial", &scratch.path("t")),
    ])
    .current_dir(root())
    .env("PATH", format!("{}:{path}", program.display()))
    .env_remove("QBB_PYTHON")
    .env("NO_COLOR", "1");
    let said = succeeded("the tutorial", run.output().unwrap());
    assert!(said.contains("complete: ") && said.contains("skymap: 'qbb_rings'"), "{said}");
}

/// The blocks of shell commands as they are, and those of Python as input of the interpreter.
fn script(text: &str) -> String {
    let mut script = String::new();
    let mut language = None;
    for line in text.lines() {
        match (language, line.strip_prefix("```")) {
            (None, Some("sh")) => language = Some("sh"),
            (None, Some("python")) => {
                language = Some("python");
                script.push_str("\"$QBB_PYTHON\" - <<'END'\n");
            }
            (None, Some(_)) => language = Some("other"),
            (Some(ended), Some(_)) => {
                if ended == "python" {
                    script.push_str("END\n");
                }
                language = None;
            }
            (Some("sh" | "python"), None) => script.push_str(&format!("{line}\n")),
            _ => {}
        }
    }
    script
}
