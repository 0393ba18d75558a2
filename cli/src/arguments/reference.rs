//! The command reference of the book, made from the definition of the command line.

use clap::{Command, CommandFactory as _};

use super::Arguments;

const HEAD: &str = "# Command reference\n\n\
    This page is made from the program; `UPDATE_REFERENCE=1 cargo test -p qbb-cli reference` writes \
    it.\n";

fn reference() -> String {
    let mut text = HEAD.to_owned();
    let mut command = Arguments::command().term_width(96);
    command.build();
    describe(&mut command, "qbb", &mut text);
    text
}

fn describe(command: &mut Command, name: &str, text: &mut String) {
    let help = command.render_long_help().to_string();
    let help: Vec<&str> = help.lines().map(str::trim_end).collect();
    text.push_str(&format!("\n## `{name}`\n\n```text\n{}\n```\n", help.join("\n").trim_end()));
    for child in command.get_subcommands_mut().filter(|child| child.get_name() != "help") {
        let name = format!("{name} {}", child.get_name());
        describe(child, &name, text);
    }
}

#[test]
fn the_reference_of_the_book_is_that_of_the_program() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/commands.md");
    let reference = reference();
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        fs_err::write(path, &reference).unwrap();
    }
    let written = fs_err::read_to_string(path).unwrap();
    assert!(written == reference, "docs/commands.md is not up to date; its first lines say how to");
}
