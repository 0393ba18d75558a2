//! Scheduling quanta and running them; knows no databases and no release.

mod process_table;
mod products;
pub mod python;
pub mod scheduler;

pub use products::LogLevel;
