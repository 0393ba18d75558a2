//! What the benchmarks share: the release and the middleware, measured processes, and the report.

mod process;
mod report;
mod samples;
mod scaled;
mod setting;
mod statements;

pub use process::{Measured, Runs, alternate, measure, measure_inside};
pub use report::Report;
pub use samples::{Samples, Unit};
pub use setting::{DEFAULTS, Setting, WHERE, pipeline, utf8};
pub use statements::{run_statements, statements};

/// Anything that ends a benchmark.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Runs a benchmark, but only for `cargo bench`: commands that run every target must not wait for
/// one.
pub fn main(body: impl FnOnce(&Setting, &mut Report) -> Result<()>) -> Result<()> {
    if !std::env::args().any(|argument| argument == "--bench") {
        return Ok(());
    }
    let setting = Setting::new()?;
    let mut report = Report::new(&setting);
    body(&setting, &mut report)?;
    report.end();
    Ok(())
}
