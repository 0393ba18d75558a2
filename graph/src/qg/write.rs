//! Writing `.qg` files that the middleware reads and runs.

use std::io::{Seek, Write};

use camino::Utf8Path;
use qbb_pipeline::{Runner, TaskIx};
use rayon::prelude::*;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::addresses::{Address, AddressRows};
use super::blocks::RecordPaths;
use super::compression::{Blocks, Compression, Worker, Workers};
use super::json;
use crate::error::{GraphError, Result};
use crate::model::{InitQuantum, QuantumGraph, QuantumIx};
use crate::publish::publish;

/// Compression level of the middleware.
const LEVEL: i32 = 10;
/// Size of the dictionary, and how many quanta it is trained on.
const DICTIONARY_SIZE: usize = 32_768;
const DICTIONARY_SAMPLES: usize = 512;
/// Quanta whose blocks are made at once.
const BATCH: usize = 4096;
/// Quanta whose blocks one thread makes in one go.
const CHUNK: usize = 64;
/// Size of the integers in multi-block and address files.
const INT_SIZE: usize = 8;

/// How a `.qg` is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QgOptions {
    /// How the paths of the overall inputs are written.
    pub record_paths: RecordPaths,
}

/// Writes a graph as a `.qg` of format version 1, replacing any file at that path once the new one
/// is complete.
///
/// # Errors
/// If a task is not a Python one, if a path has no absolute URI although one is asked for, if the
/// graph contradicts itself, or if the system refuses.
pub fn write_qg(graph: &QuantumGraph, path: &Utf8Path, options: &QgOptions) -> Result<()> {
    for task in &graph.pipeline.tasks {
        if !matches!(task.runner, Runner::PipelineTask(_)) {
            return Err(GraphError::NoTaskClass { task: task.label.clone() });
        }
    }
    graph.check_indices()?;
    Writer { graph, path, paths: options.record_paths }.write()
}

struct Writer<'a> {
    graph: &'a QuantumGraph,
    path: &'a Utf8Path,
    paths: RecordPaths,
}

impl Writer<'_> {
    fn failed(&self) -> impl FnOnce(std::io::Error) -> GraphError {
        GraphError::io("write", self.path)
    }

    /// Trains the dictionary, if there are enough quanta; without one, blocks are only longer.
    fn compression(&self) -> Result<Compression> {
        // The first quanta of the file are all of the first tasks; samples from everywhere serve
        // the whole file better.
        let quanta = self.graph.quanta.len();
        let n = if quanta < DICTIONARY_SAMPLES { 0 } else { DICTIONARY_SAMPLES };
        let mut samples = Vec::new();
        let mut sizes = Vec::new();
        for sample in 0..n {
            let quantum = QuantumIx((sample * quanta / n) as u32);
            let begin = samples.len();
            let init = self.graph.init_quantum(Some(self.graph.quanta.task(quantum)));
            self.graph.write_quantum(quantum, self.paths, init, &mut samples)?;
            sizes.push(samples.len() - begin);
        }
        Compression::new(LEVEL, (&samples, &sizes), DICTIONARY_SIZE)
            .map_err(GraphError::io("prepare compression of", self.path))
    }

    /// The members that are one frame each, not yet compressed, in the order of the file.
    fn texts(&self) -> Result<Vec<(&'static str, Vec<u8>)>> {
        let texts: [(&str, Text<'_>); 5] = [
            (super::HEADER, Box::new(|| Ok(self.graph.header_json()))),
            (super::PIPELINE_GRAPH, Box::new(|| self.pipeline_graph())),
            (super::THIN_GRAPH, Box::new(|| Ok(thin_graph(self.graph)))),
            (super::DIMENSION_DATA, Box::new(|| Ok(self.graph.all_dimension_data_json()))),
            (super::INIT_QUANTA, Box::new(|| self.graph.init_quanta_json(self.paths))),
        ];
        texts.into_par_iter().map(|(name, text)| Ok((name, text()?))).collect()
    }

    fn write(&self) -> Result<()> {
        let (compression, texts) = rayon::join(|| self.compression(), || self.texts());
        let (compression, texts) = (compression?, texts?);
        let frames: Vec<(&str, Vec<u8>)> = (texts.into_par_iter())
            .map(|(name, text)| Ok((name, compression.frame(&text).map_err(self.failed())?)))
            .collect::<Result<_>>()?;
        publish(self.path, |file| {
            let mut zip = ZipWriter::new(file);
            for (name, frame) in &frames {
                write_member(&mut zip, self.path, name, frame)?;
                let dictionary = compression.dictionary();
                if *name == super::HEADER && !dictionary.is_empty() {
                    write_member(&mut zip, self.path, super::DICTIONARY, dictionary)?;
                }
            }
            let addresses = self.quanta(&mut zip, &compression)?;
            write_member(&mut zip, self.path, super::ADDRESSES, &address_file(addresses))?;
            let file = zip.finish().map_err(|error| self.failed()(error.into()))?;
            file.flush().map_err(self.failed())
        })
    }

    fn pipeline_graph(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(&self.graph.pipeline.to_json())
            .map_err(|error| self.failed()(error.into()))
    }

    /// The blocks of all quanta, compressed in parallel and written in order.
    fn quanta<W: Write + Seek>(
        &self,
        zip: &mut ZipWriter<W>,
        compression: &Compression,
    ) -> Result<Vec<([u8; 16], Address)>> {
        start_member(zip, self.path, super::QUANTUM_DATASETS, true)?;
        let mut addresses = Vec::with_capacity(self.graph.quanta.len());
        let mut offset = 0;
        let workers = Workers::new(compression, INT_SIZE);
        let quanta: Vec<QuantumIx> = self.graph.quanta.iter().collect();
        // A quantum's block also has the records of what its task is constructed from.
        let tasks = 0..self.graph.pipeline.tasks.len() as u32;
        let inits: Vec<_> = tasks.map(|at| self.graph.init_quantum(Some(TaskIx(at)))).collect();
        for batch in quanta.chunks(BATCH) {
            let chunks: Vec<Blocks> = (batch.par_chunks(CHUNK))
                .map(|quanta| workers.with(|own| self.chunk(quanta, &inits, own), self.failed()))
                .collect::<Result<_>>()?;
            for (quanta, chunk) in batch.chunks(CHUNK).zip(&chunks) {
                zip.write_all(&chunk.bytes).map_err(self.failed())?;
                for (&quantum, &size) in quanta.iter().zip(&chunk.sizes) {
                    let id = self.graph.quanta.id[quantum.index()];
                    addresses.push((id, Address { offset, size }));
                    offset += size;
                }
            }
        }
        Ok(addresses)
    }

    /// The blocks of some quanta, each behind its length.
    fn chunk(
        &self,
        quanta: &[QuantumIx],
        inits: &[Option<&InitQuantum>],
        own: &mut Worker<'_>,
    ) -> Result<Blocks> {
        let mut blocks = Blocks::default();
        for &quantum in quanta {
            let init = inits[self.graph.quanta.task(quantum).index()];
            self.graph.write_quantum(quantum, self.paths, init, &mut own.text)?;
            own.block(&mut blocks).map_err(self.failed())?;
        }
        Ok(blocks)
    }
}

/// Begins a member of the archive that becomes `path`, stored as it is. All carry the zip epoch, so that
/// the same graph gives the same bytes.
pub(super) fn start_member<W: Write + Seek>(
    zip: &mut ZipWriter<W>,
    path: &Utf8Path,
    name: &str,
    large: bool,
) -> Result<()> {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .last_modified_time(zip::DateTime::default())
        .large_file(large);
    zip.start_file(name, options).map_err(|error| GraphError::io("write", path)(error.into()))
}

/// Writes a member as [`start_member`] begins it.
pub(super) fn write_member<W: Write + Seek>(
    zip: &mut ZipWriter<W>,
    path: &Utf8Path,
    name: &str,
    bytes: &[u8],
) -> Result<()> {
    start_member(zip, path, name, bytes.len() >= u32::MAX as usize)?;
    zip.write_all(bytes).map_err(GraphError::io("write", path))
}

/// Makes the text of a member.
type Text<'a> = Box<dyn Fn() -> Result<Vec<u8>> + Send + Sync + 'a>;

/// The address file: rows sorted by UUID, one address each.
fn address_file(mut addresses: Vec<([u8; 16], Address)>) -> Vec<u8> {
    addresses.par_sort_unstable_by_key(|&(id, _)| id);
    let mut rows = AddressRows::new(INT_SIZE, addresses.len(), 1);
    for (id, address) in &addresses {
        rows.push(id, &[*address]);
    }
    rows.bytes
}

/// Quanta by task, and the pairs of quanta of which the second reads what the first writes.
fn thin_graph(graph: &QuantumGraph) -> Vec<u8> {
    let mut out = b"{\"quanta\":{".to_vec();
    let mut first = true;
    let mut quanta: Vec<QuantumIx> = graph.quanta.iter().collect();
    quanta.sort_by_key(|&quantum| graph.quanta.task(quantum));
    let mut next = 0;
    for (position, task) in graph.pipeline.tasks.iter().enumerate() {
        json::key(&mut out, &mut first, &task.label);
        let end = next
            + quanta[next..]
                .partition_point(|&quantum| graph.quanta.task(quantum).index() <= position);
        json::list(&mut out, &quanta[next..end], |out, &quantum| {
            out.extend_from_slice(b"{\"quantum_id\":");
            json::uuid(out, &graph.quanta.id[quantum.index()]);
            out.extend_from_slice(b",\"data_coordinate\":");
            graph.write_quantum_data_id(quantum, out);
            out.push(b'}');
        });
        next = end;
    }
    out.extend_from_slice(b"},\"edges\":");
    json::list(&mut out, graph.flow().edges(), |out, (from, to)| {
        json::list(out, [from, to], |out, quantum| {
            json::uuid(out, &graph.quanta.id[quantum.index()]);
        });
    });
    out.push(b'}');
    out
}
