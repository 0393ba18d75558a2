//! Checks that every registry must pass, whatever database or server is behind it.
//!
//! An implementation offers a way to make empty repositories ([`RepositoryUnderTest`]) and calls
//! [`check_all`] from a test. One that only reads is served a repository filled by [`Sample`] and
//! calls [`check_reading`]. A failed check panics, as tests do.
//!
//! The universe of the checks is none of the middleware's: it has other elements, names that are
//! keywords of SQL and another common pixelization, so that nothing known about the usual
//! universes can stand in for what the configuration says.

mod associations;
mod batches;
mod chains;
mod collections;
mod dataset_types;
mod datasets;
mod decertification;
mod reading;
mod records;
mod removal;
mod sample;
mod transactions;

use std::sync::Arc;

use qbb_dimensions::Universe;

pub use reading::check_reading;
pub use sample::Sample;

use crate::reader::RegistryReader;
use crate::writer::RegistryWriter;

/// An empty repository that lives as long as this value.
pub trait RepositoryUnderTest {
    /// Opens it for reading, apart from all that is open already.
    fn reader(&self) -> Box<dyn RegistryReader>;

    /// Opens it for writing.
    fn writer(&self) -> Box<dyn RegistryWriter>;
}

/// Makes empty repositories with a given universe.
pub type MakeRepository<'a> = &'a dyn Fn(&Arc<Universe>) -> Box<dyn RepositoryUnderTest>;

/// Runs all checks, each with a repository of its own.
///
/// # Panics
/// If one fails.
pub fn check_all(make: MakeRepository<'_>) {
    let checks: [fn(&dyn RepositoryUnderTest, Sample); 10] = [
        records::check,
        dataset_types::check,
        collections::check,
        datasets::check,
        batches::check,
        associations::check,
        chains::check,
        decertification::check,
        removal::check,
        transactions::check,
    ];
    for check in checks {
        let sample = Sample::new();
        let repository = make(sample.universe());
        check(&*repository, sample);
    }
    let mut sample = Sample::new();
    let repository = make(sample.universe());
    sample.fill(&mut *repository.writer());
    check_reading(&mut *repository.reader());
}
