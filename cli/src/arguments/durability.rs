//! Arguments about what survives, and what is left over.

use camino::Utf8PathBuf;
use clap::{Args, ValueEnum};
use qbb::journal::Durability;

/// When results reach the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DurabilityChoice {
    /// Before a quantum counts as ended: a crash of the machine costs what was in flight.
    Quantum,
    /// Every five seconds: a crash of the machine costs what ended since.
    Batch,
    /// At the end of the run: a crash of the machine may cost all of it.
    Exit,
}

impl From<DurabilityChoice> for Durability {
    fn from(choice: DurabilityChoice) -> Self {
        match choice {
            DurabilityChoice::Quantum => Self::Quantum,
            DurabilityChoice::Batch => Self::DEFAULT,
            DurabilityChoice::Exit => Self::Exit,
        }
    }
}

/// Arguments of `qbb clean`.
#[derive(Debug, Args)]
pub struct CleanArguments {
    /// Submit directory.
    pub submit_dir: Utf8PathBuf,
    /// Remove what is listed.
    #[arg(long)]
    pub yes: bool,
    /// What Python workers have said counts as left over, too.
    #[arg(long)]
    pub logs: bool,
}
