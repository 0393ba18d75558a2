//! Reading `.qg` files.

use camino::Utf8Path;
use qbb_pipeline::PipelineGraph;
use rayon::prelude::*;
use zstd::bulk::Decompressor;

use super::assembly::Assembly;
use super::container::{Block, Container, blocks, unpack_block};
use super::models::{DimensionData, Header, Quantum};
use crate::error::{GraphError, Result};
use crate::mapped::MappedFile;
use crate::model::{GraphHeader, QuantumGraph};

/// Blocks that are unpacked and parsed at once.
const BATCH: usize = 2048;

/// Reads a predicted quantum graph of format version 1.
///
/// Edges between quanta follow from the datasets; what the file says about them is not read. The
/// roots of the datastores are unknown afterwards, see [`QuantumGraph::set_missing_roots`], and so
/// is where the inputs were found.
///
/// # Errors
/// If the file is no such graph, is damaged, or uses what is not supported.
pub fn read_qg(path: &Utf8Path) -> Result<QuantumGraph> {
    let file = MappedFile::open(path)?;
    let mut container = Container::open(path, file.as_ref())?;
    let header = read_header(&mut container)?;
    let mut assembly = Assembly::new(read_pipeline(&mut container)?)
        .map_err(|reason| container.fail(super::PIPELINE_GRAPH, reason))?;
    let text = container.unpacked_member(super::DIMENSION_DATA)?;
    let data: DimensionData<'_> = parse(&container, super::DIMENSION_DATA, &text)?;
    assembly
        .add_dimension_data(data)
        .map_err(|reason| container.fail(super::DIMENSION_DATA, reason))?;
    drop(text);
    add_init_quanta(&mut container, &mut assembly)?;
    let member = container.required_member(super::QUANTUM_DATASETS)?;
    let blocks = blocks(&member, header.int_size)
        .map_err(|reason| container.fail(super::QUANTUM_DATASETS, reason))?;
    // A header that does not say how many quanta there are is accepted with any number.
    if header.n_quanta != 0 && header.n_quanta != blocks.len() {
        let reason = format!("there are {} blocks for {} quanta", blocks.len(), header.n_quanta);
        return Err(container.fail(super::QUANTUM_DATASETS, reason));
    }
    add_quanta(&container, &mut assembly, &blocks)?;
    let graph = assembly.finish(header.header);
    check(path, &graph)?;
    Ok(graph)
}

/// A digest that differs if anything in the file does: of where its members stand, how long they are
/// and their checksums. Only the directory of the archive and the compression dictionary are read.
///
/// # Errors
/// If the file is no archive.
pub(crate) fn fingerprint(path: &Utf8Path) -> Result<[u8; 32]> {
    let file = MappedFile::open(path)?;
    Container::open(path, file.as_ref())?.fingerprint()
}

/// What the header says.
pub(super) struct ReadHeader {
    /// Origin and destination.
    pub header: GraphHeader,
    /// Bytes of each integer in multi-block and address files, 1 to 8.
    pub int_size: usize,
    /// Number of quanta; 0 is unknown.
    pub n_quanta: usize,
}

/// Reads the header and refuses what is no predicted graph of version 1.
pub(super) fn read_header(container: &mut Container<'_>) -> Result<ReadHeader> {
    read_header_of(container, "predicted")
}

/// Reads the header of a graph that must be of a type, and of version 1.
pub(super) fn read_header_of(
    container: &mut Container<'_>,
    graph_type: &str,
) -> Result<ReadHeader> {
    let text = container.unpacked_member(super::HEADER)?;
    let header: Header<'_> = parse(container, super::HEADER, &text)?;
    if header.graph_type != graph_type {
        let reason = match graph_type {
            "predicted" => format!(
                "the graph is of type `{}`; only `predicted` graphs can be executed",
                header.graph_type
            ),
            _ => format!("the graph is of type `{}`, not `{graph_type}`", header.graph_type),
        };
        return Err(container.fail(super::HEADER, reason));
    }
    if header.version == 0 {
        let reason = "format version 0 identifies quanta by position; rebuild the graph or have \
                      the middleware rewrite it";
        return Err(container.fail(super::HEADER, reason));
    }
    if !(1..=8).contains(&header.int_size) {
        let reason = format!("int_size {} is not between 1 and 8", header.int_size);
        return Err(container.fail(super::HEADER, reason));
    }
    let metadata = header.metadata.map_or_else(|| "{}".to_owned(), |raw| raw.get().to_owned());
    Ok(ReadHeader {
        int_size: header.int_size,
        n_quanta: header.n_quanta,
        header: GraphHeader {
            inputs: header.inputs,
            output: header.output,
            output_run: header.output_run,
            user: header.user,
            timestamp: header.timestamp,
            command: header.command,
            metadata,
        },
    })
}

pub(super) fn read_pipeline(container: &mut Container<'_>) -> Result<PipelineGraph> {
    let text = container.unpacked_member(super::PIPELINE_GRAPH)?;
    let value: serde_json::Value = parse(container, super::PIPELINE_GRAPH, &text)?;
    PipelineGraph::from_json(&value)
        .map_err(|error| container.fail(super::PIPELINE_GRAPH, error.to_string()))
}

pub(super) fn add_init_quanta(
    container: &mut Container<'_>,
    assembly: &mut Assembly,
) -> Result<()> {
    let text = container.unpacked_member(super::INIT_QUANTA)?;
    let quanta: Vec<Quantum<'_>> = parse(container, super::INIT_QUANTA, &text)?;
    (quanta.into_iter())
        .try_for_each(|quantum| assembly.add_init_quantum(quantum))
        .map_err(|reason| container.fail(super::INIT_QUANTA, reason))
}

/// That every number of a graph points into its table.
pub(super) fn check(path: &Utf8Path, graph: &QuantumGraph) -> Result<()> {
    graph.check_indices().map_err(|flaw| GraphError::Exchange {
        path: path.into(),
        member: format!("table `{}`", flaw.table),
        reason: format!("row {}: {}", flaw.row, flaw.reason),
    })
}

fn parse<'t, T: serde::Deserialize<'t>>(
    container: &Container<'_>,
    member: &str,
    text: &'t [u8],
) -> Result<T> {
    serde_json::from_slice(text).map_err(|error| container.fail(member, error.to_string()))
}

/// Unpacks and parses blocks in parallel, some at a time, so that memory is bounded.
pub(super) fn add_quanta(
    container: &Container<'_>,
    assembly: &mut Assembly,
    blocks: &[Block<'_>],
) -> Result<()> {
    let fail = |block: &Block<'_>, reason: String| {
        let place = format!("block at offset {}", block.offset);
        container.fail(super::QUANTUM_DATASETS, format!("{place}: {reason}"))
    };
    for batch in blocks.chunks(BATCH) {
        let unpack = |decompressor: &mut Result<Decompressor<'_>, String>, block: &Block<'_>| {
            let decompressor = decompressor.as_mut().map_err(|e| fail(block, e.clone()))?;
            unpack_block(decompressor, block.frame).map_err(|e| fail(block, e))
        };
        let texts: Vec<Vec<u8>> = match batch {
            // Handing a single block to another thread takes longer than unpacking it.
            [block] => vec![unpack(&mut container.decompressor(), block)?],
            _ => (batch.par_iter())
                .map_init(|| container.decompressor(), unpack)
                .collect::<Result<_>>()?,
        };
        let quanta: Vec<Quantum<'_>> = (texts.par_iter().zip(batch))
            .map(|(text, block)| {
                serde_json::from_slice(text).map_err(|e| fail(block, e.to_string()))
            })
            .collect::<Result<_>>()?;
        for (quantum, block) in quanta.into_iter().zip(batch) {
            assembly.add_quantum(quantum).map_err(|e| fail(block, e))?;
        }
    }
    Ok(())
}
