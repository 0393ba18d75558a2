//! Some quanta of a graph file, without reading the rest of it.

use camino::Utf8Path;

use crate::error::Result;
use crate::model::{QuantumGraph, QuantumIx};
use crate::native::open_native_quanta;
use crate::open::{ZIP, beginning};
use crate::qg::read_qg_quanta;
use crate::quantum_name::QuantumName;

/// A graph of nothing but the quanta asked for, with all that executing them needs: their datasets
/// with data IDs and runs, the datastore records of their overall inputs, the dimension records of
/// all these data IDs, and all init quanta.
///
/// Positions are those within the part. What other quanta read or write is not known here, so
/// [`QuantumGraph::producer`], [`QuantumGraph::dataset_roles`] and the collections in which inputs
/// were found must be asked of the whole graph.
#[derive(Debug, Clone)]
pub struct GraphPart {
    /// The graph of these quanta.
    pub graph: QuantumGraph,
    /// The quantum of each name, in the order of the names.
    pub quanta: Vec<QuantumIx>,
}

/// Opens some quanta of a graph file of either kind.
///
/// Time and memory go with the quanta asked for and with what is small in any graph. In a native
/// file, the blocks that are read are compared with their checksums; of a `.qg`, the blocks of
/// these quanta are unpacked, and its dimension records are looked through without being kept.
///
/// # Errors
/// If the file is of no known kind, what is read of it is damaged, or there is no such quantum.
pub fn open_quanta(path: &Utf8Path, names: &[QuantumName]) -> Result<GraphPart> {
    if beginning(path)?.starts_with(ZIP) {
        read_qg_quanta(path, names)
    } else {
        open_native_quanta(path, names)
    }
}
