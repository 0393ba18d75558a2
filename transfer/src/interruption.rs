//! Ending transfers early because somebody asked for it.
//!
//! A process that is told to end could do so at once: the database undoes what was not committed.
//! But files that were placed and are not registered yet would stay, so whoever receives the signal
//! asks here first.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::error::TransferError;

/// Whether transfers are to end.
static ASKED: AtomicBool = AtomicBool::new(false);
/// Number of [`Unregistered`]s that exist.
static UNREGISTERED: AtomicUsize = AtomicUsize::new(0);

/// Asks all transfers of this process, those that begin later included, to remove what they have
/// placed and to end with [`TransferError::Interrupted`]. Returns whether one is about to; if not,
/// the process can end at once. A transfer that is being committed takes no notice.
pub fn interrupt() -> bool {
    ASKED.store(true, Ordering::SeqCst);
    UNREGISTERED.load(Ordering::SeqCst) != 0
}

/// Whether [`interrupt`] was called.
pub fn is_interrupted() -> bool {
    ASKED.load(Ordering::Relaxed)
}

/// An error if [`interrupt`] was called.
pub(crate) fn check_interruption() -> Result<(), TransferError> {
    match is_interrupted() {
        true => Err(TransferError::Interrupted),
        false => Ok(()),
    }
}

/// Exists as long as there may be files that were placed and are not registered.
#[derive(Debug)]
pub(crate) struct Unregistered(());

impl Unregistered {
    pub fn new() -> Self {
        UNREGISTERED.fetch_add(1, Ordering::SeqCst);
        Self(())
    }
}

impl Drop for Unregistered {
    fn drop(&mut self) {
        UNREGISTERED.fetch_sub(1, Ordering::SeqCst);
    }
}
