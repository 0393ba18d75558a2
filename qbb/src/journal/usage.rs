//! What a quantum cost.

use bincode::{Decode, Encode};

/// Resources that one attempt at a quantum took, as the middleware's provenance counts them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Encode, Decode)]
pub struct ResourceUsage {
    /// Peak resident memory of the process, in bytes.
    pub memory: u64,
    /// Seconds before the task was constructed: checking inputs and outputs.
    pub prep_time: f64,
    /// Seconds in which the task was constructed.
    pub init_time: f64,
    /// Seconds in which the quantum ran.
    pub run_time: f64,
    /// CPU seconds in which the quantum ran; not a number if that is not known, as of a process that
    /// died where the system does not tell.
    pub run_time_cpu: f64,
}

impl ResourceUsage {
    /// CPU seconds in which the quantum ran, if known.
    pub fn cpu_seconds(&self) -> Option<f64> {
        Some(self.run_time_cpu).filter(|seconds| !seconds.is_nan())
    }
}
