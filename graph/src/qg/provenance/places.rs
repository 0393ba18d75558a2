//! Where the blocks of a provenance graph stand.

use super::super::addresses::Address;
use super::super::compression::Blocks;
use super::ADDRESSES;
use crate::model::{DatasetIx, QuantumGraph, QuantumIx};

/// Addresses of the blocks of one member, in their order.
#[derive(Default)]
pub(super) struct MemberPlaces {
    addresses: Vec<Address>,
    end: u64,
}

impl MemberPlaces {
    /// Blocks that come next; without any, the address is [`Address::NOWHERE`].
    pub fn add(&mut self, blocks: &Blocks) {
        for &size in &blocks.sizes {
            self.addresses.push(match size {
                0 => Address::NOWHERE,
                size => Address { offset: self.end, size },
            });
            self.end += size;
        }
    }
}

/// Addresses of all blocks.
#[derive(Default)]
pub(super) struct Places {
    /// One for each dataset.
    pub datasets: MemberPlaces,
    /// One for each quantum, of each kind.
    pub quanta: MemberPlaces,
    /// Log records.
    pub logs: MemberPlaces,
    /// Task metadata.
    pub metadata: MemberPlaces,
}

impl Places {
    /// Bytes of the longest member so far.
    pub fn longest(&self) -> u64 {
        let members = [&self.datasets, &self.quanta, &self.logs, &self.metadata];
        members.map(|member| member.end).into_iter().max().unwrap_or(0)
    }

    /// The addresses in a quantum's row.
    pub fn of_quantum(&self, quantum: QuantumIx) -> [Address; ADDRESSES] {
        let [quanta, logs, metadata] = [&self.quanta, &self.logs, &self.metadata]
            .map(|member| member.addresses[quantum.index()]);
        [Address::NOWHERE, quanta, logs, metadata]
    }

    /// Those in a dataset's row: a metadata or log dataset has the block of its quantum.
    pub fn of_dataset(&self, graph: &QuantumGraph, dataset: DatasetIx) -> [Address; ADDRESSES] {
        let nowhere = Address::NOWHERE;
        let own = self.datasets.addresses[dataset.index()];
        let Some(quantum) = graph.producer(dataset) else {
            return [own, nowhere, nowhere, nowhere];
        };
        let task = graph.pipeline.task(graph.quanta.task(quantum));
        let dataset_type = graph.datasets.dataset_type(dataset);
        let is_log = task.log_output.as_ref().is_some_and(|log| log.dataset_type == dataset_type);
        if dataset_type == task.metadata_output.dataset_type {
            [own, nowhere, nowhere, self.metadata.addresses[quantum.index()]]
        } else if is_log {
            [own, nowhere, self.logs.addresses[quantum.index()], nowhere]
        } else {
            [own, nowhere, nowhere, nowhere]
        }
    }
}
