//! What a benchmark prints: one Markdown table, each of whose rows has a ratio.
#![expect(clippy::print_stdout, reason = "the report is what benchmarks are for")]

use super::samples::{Samples, Unit};
use super::setting::Setting;

/// Prints comparisons as they are made.
#[derive(Debug)]
pub struct Report {
    /// Whether the head of a table has been printed.
    in_table: bool,
}

impl Report {
    /// Prints the circumstances.
    pub fn new(setting: &Setting) -> Self {
        println!("release of size {}, {} rounds; median (from–to)", setting.size, setting.rounds);
        println!("{}", load("before"));
        Self { in_table: false }
    }

    /// Prints a remark.
    pub fn note(&mut self, text: &str) {
        println!("{}{text}", if std::mem::take(&mut self.in_table) { "\n" } else { "" });
    }

    /// Prints what we and somebody else needed for the same, and how many times as much that is.
    pub fn compare(&mut self, what: &str, unit: Unit, ours: &Samples, theirs: &Samples) {
        let ratio = theirs.median() / ours.median();
        self.row(what, &ours.text(unit), &theirs.text(unit), "middleware", ratio);
    }

    /// Prints what we needed, what nobody can do without, and how many times that we needed.
    pub fn compare_with_floor(&mut self, what: &str, unit: Unit, ours: &Samples, floor: &Samples) {
        let ratio = floor.median() / ours.median();
        self.row(what, &ours.text(unit), &floor.text(unit), "floor", ratio);
    }

    /// Prints what we needed where nobody else is there to compare with.
    pub fn alone(&mut self, what: &str, unit: Unit, ours: &Samples) {
        self.begin_table();
        println!("| {what} | {} | | |", ours.text(unit));
    }

    fn begin_table(&mut self) {
        if !std::mem::replace(&mut self.in_table, true) {
            println!("\n| what | qbb | peer | ratio |\n|---|---|---|---|");
        }
    }

    fn row(&mut self, what: &str, ours: &str, theirs: &str, whose: &str, ratio: f64) {
        self.begin_table();
        let digits = if ratio < 10.0 { 2 } else { usize::from(ratio < 100.0) };
        println!("| {what} | {ours} | {whose} {theirs} | {ratio:.digits$} |");
    }

    /// Prints the circumstances at the end.
    pub fn end(&mut self) {
        self.note(&load("after"));
    }
}

/// What else the machine does.
fn load(when: &str) -> String {
    let load = fs_err::read_to_string("/proc/loadavg").unwrap_or_default();
    let minutes = load.split(' ').take(3).collect::<Vec<_>>().join(" ");
    format!("load of the machine {when} (1, 5, 15 minutes): {minutes}")
}
