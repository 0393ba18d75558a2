//! What a quantum did with its datasets.

use qbb_graph::DatasetIx;
use rustc_hash::FxHashSet;

use crate::journal::{DatasetOutput, FileRecord};

/// How often and how long datasets were read and written.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct IoMetrics {
    /// Datasets read.
    pub n_get: u32,
    /// Datasets written.
    pub n_put: u32,
    /// Seconds spent reading.
    pub time_in_get: f64,
    /// Seconds spent writing.
    pub time_in_put: f64,
}

/// Inputs seen and read, and outputs written.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AccessSummary {
    /// Inputs whose existence was seen, ascending.
    pub available_inputs: Vec<DatasetIx>,
    /// Inputs that were read, ascending; those that turned out to be missing are left out.
    pub actual_inputs: Vec<DatasetIx>,
    /// Outputs written, ascending, with their records.
    pub outputs: Vec<DatasetOutput>,
    /// Counts and times.
    pub metrics: IoMetrics,
}

/// The same while it is being collected.
#[derive(Debug, Default)]
pub(super) struct Access {
    available: FxHashSet<u32>,
    actual: FxHashSet<u32>,
    unavailable: FxHashSet<u32>,
    outputs: Vec<DatasetOutput>,
    pub metrics: IoMetrics,
}

impl Access {
    /// An input was looked for.
    pub fn seen(&mut self, input: DatasetIx, exists: bool) {
        let set = if exists { &mut self.available } else { &mut self.unavailable };
        set.insert(input.0);
    }

    /// An input was read.
    pub fn read(&mut self, input: DatasetIx) {
        self.available.insert(input.0);
        self.actual.insert(input.0);
    }

    /// An input was handed to somebody who will read it.
    pub fn handed_over(&mut self, input: DatasetIx) {
        self.actual.insert(input.0);
    }

    /// An input does not count as read after all.
    pub fn unused(&mut self, input: DatasetIx) {
        self.actual.remove(&input.0);
    }

    /// An output was written.
    pub fn written(&mut self, output: DatasetIx, record: FileRecord) {
        let output = DatasetOutput { dataset: output, records: vec![record] };
        match self.outputs.iter_mut().find(|known| known.dataset == output.dataset) {
            Some(known) => *known = output,
            None => self.outputs.push(output),
        }
    }

    pub fn is_written(&self, output: DatasetIx) -> bool {
        self.outputs.iter().any(|known| known.dataset == output)
    }

    pub fn summary(&self) -> AccessSummary {
        let sorted = |set: &FxHashSet<u32>, without: &FxHashSet<u32>| {
            let mut datasets: Vec<DatasetIx> =
                set.iter().filter(|d| !without.contains(d)).copied().map(DatasetIx).collect();
            datasets.sort_unstable();
            datasets
        };
        let mut outputs = self.outputs.clone();
        outputs.sort_by_key(|output| output.dataset);
        AccessSummary {
            available_inputs: sorted(&self.available, &self.unavailable),
            actual_inputs: sorted(&self.actual, &self.unavailable),
            outputs,
            metrics: self.metrics,
        }
    }
}
