//! The `qbb` command.
fn main() {}
