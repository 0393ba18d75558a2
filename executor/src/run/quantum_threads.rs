//! Threads that wait for quanta.

use std::num::NonZeroUsize;
use std::thread::JoinHandle;

use crossbeam::channel::{Receiver, Sender, unbounded};

use super::error::RunError;
use crate::python::QuantumJob;

/// Threads that all take quanta from one queue, so that a long one holds none of the others up. Not of
/// rayon's global pool, which must not be filled with waiting and which functions may want to use.
pub(super) struct QuantumThreads {
    jobs: Option<Sender<QuantumJob>>,
    threads: Vec<JoinHandle<()>>,
}

impl QuantumThreads {
    /// Starts threads for one kind of quanta. `server` makes what each of them calls with a quantum,
    /// for its number among them.
    ///
    /// # Errors
    /// If the system has no thread left.
    pub fn start<S: FnMut(QuantumJob) + Send + 'static>(
        n: NonZeroUsize,
        kind: &'static str,
        server: impl Fn(u32) -> S,
    ) -> Result<Self, RunError> {
        let (sender, jobs): (_, Receiver<QuantumJob>) = unbounded();
        let mut started = Self { jobs: Some(sender), threads: Vec::with_capacity(n.get()) };
        for number in 0..n.get() {
            let (jobs, serve) = (jobs.clone(), server(number as u32));
            let thread = std::thread::Builder::new()
                .name(format!("qbb-{kind}-{number}"))
                .spawn(move || jobs.into_iter().for_each(serve))
                .map_err(|source| RunError::System { what: "threads for quanta", source })?;
            started.threads.push(thread);
        }
        Ok(started)
    }

    /// Queues a quantum.
    pub fn run(&self, job: QuantumJob) {
        if let Some(jobs) = &self.jobs {
            // The threads live until this is dropped.
            let _ = jobs.send(job);
        }
    }
}

impl Drop for QuantumThreads {
    fn drop(&mut self) {
        self.jobs = None;
        for thread in self.threads.drain(..) {
            // A panic of a function was caught and recorded.
            let _ = thread.join();
        }
    }
}
