//! A small release in memory and pipelines to build on it, for tests.

mod pipeline;
mod release;
mod snapshot;

pub(crate) use pipeline::{connection, pipeline, task, with};
pub(crate) use release::{DAY, MemoryRelease};
