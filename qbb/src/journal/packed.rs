//! Claims of packed datasets.

use qbb_graph::{DatasetIx, QuantumIx};
use rustc_hash::FxHashMap;

/// A block of a pack, as the journal names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackedBlock {
    /// Where its frame begins in the pack.
    pub offset: u64,
    /// Its entries.
    pub rows: Vec<PackedRow>,
}

/// An entry of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackedRow {
    /// The quantum that wrote it.
    pub quantum: QuantumIx,
    /// How many attempts came before.
    pub attempt: u32,
    /// Which dataset it is.
    pub dataset: DatasetIx,
    /// Offset in the block's content, in bytes.
    pub begin: u32,
    /// Length in bytes.
    pub length: u32,
}

/// A packed entry whose quantum has not ended as far as was read.
#[derive(Debug, Clone, Copy)]
pub(super) struct PendingRow {
    /// Number of the block among those that were seen.
    pub block: u32,
    pub row: PackedRow,
}

/// Packed entries that wait for the ends of their quanta, which follow in the same file.
#[derive(Debug, Default)]
pub(super) struct PendingRows(FxHashMap<u32, Pending>);

#[derive(Debug, Default)]
struct Pending {
    rows: Vec<PendingRow>,
    /// Rows before this one were taken.
    next: usize,
}

impl PendingRows {
    /// Adds the entries of a block, which has the given number.
    pub fn add(&mut self, writer: u32, block: u32, rows: &[PackedRow]) {
        let pending = self.0.entry(writer).or_default();
        pending.rows.drain(..pending.next);
        pending.next = 0;
        pending.rows.extend(rows.iter().map(|&row| PendingRow { block, row }));
    }

    /// Takes the entries of an attempt that ended.
    pub fn take(
        &mut self,
        writer: u32,
        quantum: QuantumIx,
        attempt: u32,
        mut each: impl FnMut(PendingRow),
    ) {
        let Some(pending) = self.0.get_mut(&writer) else { return };
        let is_own =
            |pending: &PendingRow| (pending.row.quantum, pending.row.attempt) == (quantum, attempt);
        // Ends nearly always come in the order of the entries.
        while let Some(row) = pending.rows.get(pending.next).filter(|row| is_own(row)) {
            each(*row);
            pending.next += 1;
        }
        let mut at = pending.next;
        while let Some(row) = pending.rows.get(at) {
            if is_own(row) {
                each(*row);
                pending.rows.remove(at);
            } else {
                at += 1;
            }
        }
    }
}
