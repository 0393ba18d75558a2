//! Writing `.qg` files that the middleware reads and runs.

use std::io::{Seek, Write};
use std::sync::{Mutex, PoisonError};

use camino::Utf8Path;
use qbb_pipeline::{Runner, TaskIx};
use rayon::prelude::*;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};
use zstd::bulk::Compressor;
use zstd::dict::EncoderDictionary;

use super::blocks::RecordPaths;
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
pub(super) const INT_SIZE: u64 = 8;

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

/// Where a block stands.
#[derive(Debug, Clone, Copy)]
struct Address {
    id: [u8; 16],
    offset: u64,
    size: u64,
}

impl Writer<'_> {
    fn failed(&self) -> impl FnOnce(std::io::Error) -> GraphError {
        GraphError::io("write", self.path)
    }

    /// Trains the dictionary, if there are enough quanta; without one, blocks are only longer.
    fn dictionary(&self) -> Result<Vec<u8>> {
        if self.graph.quanta.len() < DICTIONARY_SAMPLES {
            return Ok(Vec::new());
        }
        // The first quanta of the file are all of the first tasks; samples from everywhere serve
        // the whole file better.
        let quanta = self.graph.quanta.len();
        let mut samples = Vec::new();
        let mut sizes = Vec::new();
        for sample in 0..DICTIONARY_SAMPLES {
            let quantum = QuantumIx((sample * quanta / DICTIONARY_SAMPLES) as u32);
            let begin = samples.len();
            let init = self.graph.init_quantum(Some(self.graph.quanta.task(quantum)));
            self.graph.write_quantum(quantum, self.paths, init, &mut samples)?;
            sizes.push(samples.len() - begin);
        }
        Ok(zstd::dict::from_continuous(&samples, &sizes, DICTIONARY_SIZE).unwrap_or_default())
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
        let (dictionary, texts) = rayon::join(|| self.dictionary(), || self.texts());
        let (dictionary, texts) = (dictionary?, texts?);
        let prepared = EncoderDictionary::try_copy(&dictionary, LEVEL)
            .map_err(GraphError::io("prepare compression of", self.path))?;
        let compressor = || {
            match dictionary.is_empty() {
                true => Compressor::new(LEVEL),
                false => Compressor::with_prepared_dictionary(&prepared),
            }
            .map_err(self.failed())
        };
        let frames: Vec<(&str, Vec<u8>)> = (texts.into_par_iter())
            .map(|(name, text)| Ok((name, compressor()?.compress(&text).map_err(self.failed())?)))
            .collect::<Result<_>>()?;
        publish(self.path, |file| {
            let mut zip = ZipWriter::new(file);
            for (name, frame) in &frames {
                write_member(&mut zip, self.path, name, frame)?;
                if *name == super::HEADER && !dictionary.is_empty() {
                    write_member(&mut zip, self.path, super::DICTIONARY, &dictionary)?;
                }
            }
            let addresses = self.quanta(&mut zip, &compressor)?;
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
    fn quanta<'c, W: Write + Seek>(
        &self,
        zip: &mut ZipWriter<W>,
        compressor: &(impl Fn() -> Result<Compressor<'c>> + Sync),
    ) -> Result<Vec<Address>> {
        start_member(zip, self.path, super::QUANTUM_DATASETS, true)?;
        let mut addresses = Vec::with_capacity(self.graph.quanta.len());
        let mut offset = 0;
        // Preparing a compressor takes as long as compressing many blocks, so each thread keeps
        // its own.
        let workers: Vec<Mutex<Option<Worker<'c>>>> =
            (0..rayon::current_num_threads()).map(|_| Mutex::new(None)).collect();
        let quanta: Vec<QuantumIx> = self.graph.quanta.iter().collect();
        // A quantum's block also has the records of what its task is constructed from.
        let tasks = 0..self.graph.pipeline.tasks.len() as u32;
        let inits: Vec<_> = tasks.map(|at| self.graph.init_quantum(Some(TaskIx(at)))).collect();
        for batch in quanta.chunks(BATCH) {
            let chunks: Vec<Chunk> = (batch.par_chunks(CHUNK))
                .map(|quanta| {
                    let thread = rayon::current_thread_index().unwrap_or(0) % workers.len();
                    let worker = &workers[thread];
                    let mut worker = worker.lock().unwrap_or_else(PoisonError::into_inner);
                    let mut own = match worker.take() {
                        Some(own) => own,
                        None => Worker { compressor: compressor()?, text: Vec::new() },
                    };
                    let chunk = self.chunk(quanta, &inits, &mut own);
                    *worker = Some(own);
                    chunk
                })
                .collect::<Result<_>>()?;
            for (quanta, chunk) in batch.chunks(CHUNK).zip(&chunks) {
                zip.write_all(&chunk.blocks).map_err(self.failed())?;
                for (&quantum, &size) in quanta.iter().zip(&chunk.sizes) {
                    let id = self.graph.quanta.id[quantum.index()];
                    addresses.push(Address { id, offset, size });
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
        worker: &mut Worker<'_>,
    ) -> Result<Chunk> {
        let (mut blocks, mut sizes) = (Vec::new(), Vec::with_capacity(quanta.len()));
        for &quantum in quanta {
            let Worker { compressor, text } = worker;
            text.clear();
            let init = inits[self.graph.quanta.task(quantum).index()];
            self.graph.write_quantum(quantum, self.paths, init, text)?;
            let begin = blocks.len();
            let frame = begin + INT_SIZE as usize;
            blocks.resize(frame + zstd::zstd_safe::compress_bound(text.len()), 0);
            let length = compressor.compress_to_buffer(text, &mut blocks[frame..]);
            let length = length.map_err(self.failed())?;
            blocks[begin..frame].copy_from_slice(&(length as u64).to_be_bytes());
            blocks.truncate(frame + length);
            sizes.push((INT_SIZE as usize + length) as u64);
        }
        Ok(Chunk { blocks, sizes })
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

/// What a thread needs to make blocks.
struct Worker<'c> {
    compressor: Compressor<'c>,
    text: Vec<u8>,
}

/// Blocks one after another, and the size of each with its length.
struct Chunk {
    blocks: Vec<u8>,
    sizes: Vec<u64>,
}

/// The address file: rows sorted by UUID, one address each, all integers big-endian.
fn address_file(mut addresses: Vec<Address>) -> Vec<u8> {
    addresses.par_sort_unstable_by_key(|address| address.id);
    let mut out = Vec::with_capacity(17 + 40 * addresses.len());
    out.push(INT_SIZE as u8);
    out.extend((addresses.len() as u64).to_be_bytes());
    out.extend(1_u64.to_be_bytes());
    for (row, address) in addresses.iter().enumerate() {
        out.extend(address.id);
        out.extend((row as u64).to_be_bytes());
        out.extend(address.offset.to_be_bytes());
        out.extend(address.size.to_be_bytes());
    }
    out
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_sorted_by_uuid_and_numbered() {
        let address = |id, offset| Address { id: [id; 16], offset, size: 9 };
        let bytes = address_file(vec![address(2, 0), address(1, 9)]);
        assert_eq!(bytes[..17], [8, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(bytes[17..33], [1; 16]);
        assert_eq!(bytes[40], 0, "row index");
        assert_eq!(bytes[48], 9, "offset");
        assert_eq!(bytes[57 + 23], 1, "row index of the second");
    }
}
