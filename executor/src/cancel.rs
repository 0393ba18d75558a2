//! Asking a run to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread::JoinHandle;

use crossbeam::channel::{Receiver, Sender, unbounded};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};

/// How urgently a run is asked to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// Nobody asked.
    None,
    /// Start nothing more, wait for what runs.
    Finish,
    /// Kill what runs. Rust functions cannot be killed and are waited for.
    Kill,
}

/// Stops a run from another thread. Clones stop the same run.
#[derive(Debug, Clone)]
pub struct Cancel {
    requests: Arc<AtomicU8>,
    wake: Sender<()>,
    woken: Receiver<()>,
}

impl Default for Cancel {
    fn default() -> Self {
        let (wake, woken) = unbounded();
        Self { requests: Arc::default(), wake, woken }
    }
}

impl Cancel {
    /// Nobody has asked yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks once more: first to finish, then to kill.
    pub fn request(&self) {
        // More than two requests mean no more than two.
        let _ = self.requests.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |count| {
            Some(count.saturating_add(1).min(2))
        });
        // We hold a receiver ourselves, so somebody always listens.
        let _ = self.wake.send(());
    }

    /// How urgent it is.
    pub fn urgency(&self) -> Urgency {
        match self.requests.load(Ordering::SeqCst) {
            0 => Urgency::None,
            1 => Urgency::Finish,
            _ => Urgency::Kill,
        }
    }

    pub(crate) fn woken(&self) -> &Receiver<()> {
        &self.woken
    }
}

/// Turns Ctrl-C and termination requests to this process into requests to a [`Cancel`], as long as
/// it exists.
#[derive(Debug)]
pub(crate) struct SignalWatch {
    handle: Handle,
    thread: Option<JoinHandle<()>>,
}

impl SignalWatch {
    pub fn start(cancel: &Cancel) -> std::io::Result<Self> {
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        let handle = signals.handle();
        let cancel = cancel.clone();
        let thread = std::thread::Builder::new()
            .name("qbb-signals".to_owned())
            .spawn(move || signals.forever().for_each(|_| cancel.request()))?;
        Ok(Self { handle, thread: Some(thread) })
    }
}

impl Drop for SignalWatch {
    fn drop(&mut self) {
        self.handle.close();
        if let Some(thread) = self.thread.take() {
            // It only calls `request`, which does not panic.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_request_is_more_urgent_than_the_first() {
        let cancel = Cancel::new();
        assert_eq!(cancel.urgency(), Urgency::None);
        cancel.clone().request();
        assert_eq!(cancel.urgency(), Urgency::Finish);
        cancel.request();
        cancel.request();
        assert_eq!(cancel.urgency(), Urgency::Kill);
        assert_eq!(cancel.woken().len(), 3);
    }
}
