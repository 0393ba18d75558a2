//! Putting small datasets into the pack before the ends of their quanta are recorded.

use std::io;

use camino::Utf8Path;
use qbb::GraphIdentity;
use qbb::journal::{Event, JournalWriter, Timestamp};
use qbb::pack::{PackError, PackWriter};
use qbb_graph::QuantumGraph;

use crate::local::Parcel;
use crate::python::QuantumJob;

/// The pack of this run, if it has one.
#[derive(Debug, Default)]
pub(super) struct RunPack(Option<PackWriter>);

impl RunPack {
    /// A pack beside the journal file of the run.
    pub fn create(
        directory: &Utf8Path,
        journal: &JournalWriter,
        graph: &QuantumGraph,
    ) -> Result<Self, PackError> {
        let identity = GraphIdentity::of(graph);
        Ok(Self(Some(PackWriter::create(directory, journal.writer(), identity)?)))
    }

    /// What makes durable all that was sealed.
    pub fn syncer(&self) -> Result<impl Fn() -> io::Result<()> + Send + Sync + 'static, PackError> {
        let sync = self.0.as_ref().map(PackWriter::syncer).transpose()?;
        Ok(move || sync.as_ref().map_or(Ok(()), |sync| sync()))
    }

    /// Takes what a quantum has left.
    pub fn stage(&mut self, job: QuantumJob, parcel: &Parcel) -> Result<(), PackError> {
        if let Some(pack) = &mut self.0 {
            for (dataset, bytes) in parcel.entries() {
                pack.stage(job.quantum, job.attempt, dataset, bytes)?;
            }
        }
        Ok(())
    }

    /// Hands what was taken to the operating system. The event says where it is and must be recorded
    /// before the ends of the quanta.
    pub fn seal(&mut self, time: Timestamp) -> Result<Option<Event>, PackError> {
        let Some(pack) = &mut self.0 else { return Ok(None) };
        let blocks = pack.seal()?;
        let pack = pack.writer();
        Ok((!blocks.is_empty()).then_some(Event::OutputsPacked { time, pack, blocks }))
    }
}
