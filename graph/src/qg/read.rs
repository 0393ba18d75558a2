//! Reading `.qg` files.

use camino::Utf8Path;
use qbb_pipeline::PipelineGraph;
use rayon::prelude::*;

use super::assembly::Assembly;
use super::container::{Container, blocks, unpack_block};
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
    let text = container.unpacked_member(super::HEADER)?;
    let header: Header<'_> = parse(&container, super::HEADER, &text)?;
    if header.graph_type != "predicted" {
        let reason = format!(
            "the graph is of type `{}`; only `predicted` graphs can be executed",
            header.graph_type
        );
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
    let text = container.unpacked_member(super::PIPELINE_GRAPH)?;
    let value: serde_json::Value = parse(&container, super::PIPELINE_GRAPH, &text)?;
    drop(text);
    let pipeline = PipelineGraph::from_json(&value)
        .map_err(|error| container.fail(super::PIPELINE_GRAPH, error.to_string()))?;
    drop(value);
    let mut assembly =
        Assembly::new(pipeline).map_err(|reason| container.fail(super::PIPELINE_GRAPH, reason))?;
    let text = container.unpacked_member(super::DIMENSION_DATA)?;
    let data: DimensionData<'_> = parse(&container, super::DIMENSION_DATA, &text)?;
    assembly
        .add_dimension_data(data)
        .map_err(|reason| container.fail(super::DIMENSION_DATA, reason))?;
    let text = container.unpacked_member(super::INIT_QUANTA)?;
    let quanta: Vec<Quantum<'_>> = parse(&container, super::INIT_QUANTA, &text)?;
    for quantum in quanta {
        assembly
            .add_init_quantum(quantum)
            .map_err(|reason| container.fail(super::INIT_QUANTA, reason))?;
    }
    let member = container.required_member(super::QUANTUM_DATASETS)?;
    let frames = blocks(&member, header.int_size)
        .map_err(|reason| container.fail(super::QUANTUM_DATASETS, reason))?;
    // A header that does not say how many quanta there are is accepted with any number.
    if header.n_quanta != 0 && header.n_quanta != frames.len() {
        let reason = format!("there are {} blocks for {} quanta", frames.len(), header.n_quanta);
        return Err(container.fail(super::QUANTUM_DATASETS, reason));
    }
    add_quanta(&container, &mut assembly, &frames)?;
    let graph = assembly.finish(GraphHeader {
        inputs: header.inputs,
        output: header.output,
        output_run: header.output_run,
        user: header.user,
        timestamp: header.timestamp,
        command: header.command,
        metadata: header.metadata.map_or_else(|| "{}".to_owned(), |raw| raw.get().to_owned()),
    });
    graph.check_indices().map_err(|flaw| GraphError::Exchange {
        path: path.into(),
        member: format!("table `{}`", flaw.table),
        reason: format!("row {}: {}", flaw.row, flaw.reason),
    })?;
    Ok(graph)
}

fn parse<'t, T: serde::Deserialize<'t>>(
    container: &Container<'_>,
    member: &str,
    text: &'t [u8],
) -> Result<T> {
    serde_json::from_slice(text).map_err(|error| container.fail(member, error.to_string()))
}

fn add_quanta(container: &Container<'_>, assembly: &mut Assembly, frames: &[&[u8]]) -> Result<()> {
    let fail = |block: usize, reason: String| {
        container.fail(super::QUANTUM_DATASETS, format!("block {block}: {reason}"))
    };
    for (batch, frames) in frames.chunks(BATCH).enumerate() {
        let first = batch * BATCH;
        let texts: Vec<Vec<u8>> = (frames.par_iter().enumerate())
            .map_init(
                || container.decompressor(),
                |decompressor, (position, frame)| {
                    let decompressor =
                        decompressor.as_mut().map_err(|e| fail(first + position, e.clone()))?;
                    unpack_block(decompressor, frame).map_err(|e| fail(first + position, e))
                },
            )
            .collect::<Result<_>>()?;
        let quanta: Vec<Quantum<'_>> = (texts.par_iter().enumerate())
            .map(|(position, text)| {
                serde_json::from_slice(text).map_err(|e| fail(first + position, e.to_string()))
            })
            .collect::<Result<_>>()?;
        for (position, quantum) in quanta.into_iter().enumerate() {
            assembly.add_quantum(quantum).map_err(|e| fail(first + position, e))?;
        }
    }
    Ok(())
}
