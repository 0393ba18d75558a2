//! Writing provenance graphs: blocks made in parallel, memory bounded whatever the size.

use std::fs::File;
use std::io::{BufReader, BufWriter, Seek, SeekFrom, Write};
use std::sync::{Mutex, PoisonError};

use camino::Utf8Path;
use rayon::prelude::*;
use zip::ZipWriter;
use zstd::bulk::Compressor;
use zstd::dict::EncoderDictionary;

use super::super::write::{INT_SIZE, start_member, write_member};
use super::attempt::{Attempt, ProvenanceSource, SourceError};
use super::text::{self, InitEdges};
use super::{ADDRESSES, DATASETS, LOGS, METADATA, NODES, PACKAGES, QUANTA};
use crate::error::{GraphError, Result};
use crate::model::{DatasetIx, QuantumGraph, QuantumIx};
use crate::publish::publish;

/// Compression level of the middleware.
const LEVEL: i32 = 10;
/// Size of the dictionary, and how many quanta it is trained on at most.
const DICTIONARY_SIZE: usize = 65_536;
const DICTIONARY_SAMPLES: usize = 512;
/// Most bytes of one sample's log, so that a few long ones do not crowd out all others.
const MAX_SAMPLE: usize = 16_384;
/// Fewer quanta than this are not worth a dictionary.
const MIN_QUANTA: usize = 64;
/// Quanta or datasets whose blocks one thread makes in one go, and chunks that are made at once.
const CHUNK: usize = 32;
const BATCH: usize = 64 * CHUNK;

/// What a provenance graph that was written holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ProvenanceWritten {
    /// Quanta.
    pub quanta: u64,
    /// Datasets; the one of the package versions is not among them.
    pub datasets: u64,
    /// Attempts of all quanta together.
    pub attempts: u64,
    /// Size of the file in bytes.
    pub bytes: u64,
}

/// Writes what happened to a graph as a provenance graph that the middleware reads, replacing any
/// file at that path once the new one is complete. `progress` is told how many of how many quanta
/// are done.
///
/// # Errors
/// If the source fails, if the graph contradicts itself, or if the system refuses.
pub fn write_provenance(
    graph: &QuantumGraph,
    source: &dyn ProvenanceSource,
    path: &Utf8Path,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<ProvenanceWritten> {
    graph.check_indices()?;
    let left_out = text::is_left_out(graph);
    let init = InitEdges::new(graph);
    let mut written = Writer { graph, source, path, init, left_out }.write(progress)?;
    let metadata = fs_err::metadata(path).map_err(GraphError::io("inspect", path))?;
    written.bytes = metadata.len();
    Ok(written)
}

struct Writer<'a> {
    graph: &'a QuantumGraph,
    source: &'a dyn ProvenanceSource,
    path: &'a Utf8Path,
    init: InitEdges,
    left_out: Vec<bool>,
}

/// Where a block stands: offset of its length, and size with that length; (0, 0) is nowhere.
type Address = (u64, u64);

/// Addresses of all blocks.
#[derive(Default)]
struct Places {
    /// One for each dataset.
    datasets: Vec<Address>,
    /// One for each quantum, of each kind.
    quanta: Vec<Address>,
    logs: Vec<Address>,
    metadata: Vec<Address>,
}

/// A multi-block file under construction outside of the archive.
struct Aside {
    file: BufWriter<File>,
    length: u64,
}

/// Blocks one after another, with the size of each; 0 is no block.
#[derive(Default)]
struct Blocks {
    bytes: Vec<u8>,
    sizes: Vec<u64>,
}

/// Blocks of some quanta.
#[derive(Default)]
struct Chunk {
    quanta: Blocks,
    logs: Blocks,
    metadata: Blocks,
    attempts: u64,
}

/// What a thread needs to make blocks.
struct Worker<'c> {
    compressor: Compressor<'c>,
    text: Vec<u8>,
}

impl Worker<'_> {
    /// Compresses the text into a block behind its length.
    fn block(&mut self, blocks: &mut Blocks) -> std::io::Result<()> {
        let begin = blocks.bytes.len();
        let frame = begin + INT_SIZE as usize;
        blocks.bytes.resize(frame + zstd::zstd_safe::compress_bound(self.text.len()), 0);
        let length = self.compressor.compress_to_buffer(&self.text, &mut blocks.bytes[frame..])?;
        blocks.bytes[begin..frame].copy_from_slice(&(length as u64).to_be_bytes());
        blocks.bytes.truncate(frame + length);
        blocks.sizes.push(INT_SIZE + length as u64);
        Ok(())
    }
}

/// Workers of all threads. Preparing a compressor takes as long as compressing many blocks, so
/// each thread keeps its own.
struct Workers<'c>(Vec<Mutex<Option<Worker<'c>>>>);

impl<'c> Workers<'c> {
    fn new() -> Self {
        Self((0..rayon::current_num_threads()).map(|_| Mutex::new(None)).collect())
    }

    fn with<T>(
        &self,
        make: impl FnOnce() -> std::io::Result<Compressor<'c>>,
        work: impl FnOnce(&mut Worker<'c>) -> Result<T>,
        failed: impl FnOnce(std::io::Error) -> GraphError,
    ) -> Result<T> {
        let thread = rayon::current_thread_index().unwrap_or(0) % self.0.len();
        // Taken out, so that no lock is held while working.
        let mut slot = self.0[thread].lock().unwrap_or_else(PoisonError::into_inner);
        let taken = slot.take();
        drop(slot);
        let mut own = match taken {
            Some(own) => own,
            None => Worker { compressor: make().map_err(failed)?, text: Vec::new() },
        };
        let result = work(&mut own);
        *self.0[thread].lock().unwrap_or_else(PoisonError::into_inner) = Some(own);
        result
    }
}

impl Writer<'_> {
    fn failed(&self) -> impl FnOnce(std::io::Error) -> GraphError {
        GraphError::io("write", self.path)
    }

    fn told(&self, what: impl FnOnce() -> String) -> impl FnOnce(SourceError) -> GraphError {
        let path = self.path.to_owned();
        move |source| GraphError::Provenance { path, what: what(), source }
    }

    fn attempts(&self, quantum: QuantumIx) -> Result<Vec<Attempt>> {
        let name = || self.graph.quanta.uuid(quantum).to_string();
        self.source.attempts(quantum).map_err(self.told(|| format!("quantum {}", name())))
    }

    /// Trains the dictionary on quanta from everywhere, if there are enough of them.
    fn dictionary(&self) -> Result<Vec<u8>> {
        let quanta = self.graph.quanta.len();
        if quanta < MIN_QUANTA {
            return Ok(Vec::new());
        }
        let n = DICTIONARY_SAMPLES.min(quanta);
        let samples: Vec<Vec<Vec<u8>>> = (0..n)
            .into_par_iter()
            .map(|sample| self.samples(QuantumIx((sample * quanta / n) as u32)))
            .collect::<Result<_>>()?;
        let (mut bytes, mut sizes) = (Vec::new(), Vec::new());
        for mut sample in samples.into_iter().flatten() {
            sample.truncate(MAX_SAMPLE);
            sizes.push(sample.len());
            bytes.extend(sample);
        }
        Ok(zstd::dict::from_continuous(&bytes, &sizes, DICTIONARY_SIZE).unwrap_or_default())
    }

    fn samples(&self, quantum: QuantumIx) -> Result<Vec<Vec<u8>>> {
        let attempts = self.attempts(quantum)?;
        let mut samples = vec![Vec::new(); 3];
        text::quantum(self.graph, quantum, &attempts, &mut samples[0]);
        text::by_attempt(attempts.iter().map(|a| a.metadata.as_ref()), &mut samples[1]);
        text::by_attempt(attempts.iter().map(|a| a.logs.as_ref()), &mut samples[2]);
        for (_, dataset) in self.graph.outputs.edges(quantum) {
            let mut sample = Vec::new();
            self.dataset(dataset, &mut sample);
            samples.push(sample);
        }
        Ok(samples)
    }

    fn dataset(&self, dataset: DatasetIx, out: &mut Vec<u8>) {
        let is_produced = |dataset| self.source.is_produced(dataset);
        text::dataset(self.graph, &self.init, dataset, is_produced, out);
    }

    fn write(&self, progress: &mut dyn FnMut(u64, u64)) -> Result<ProvenanceWritten> {
        let packages = self.source.packages();
        let packages = packages.map_err(self.told(|| "package versions".to_owned()))?;
        let pipeline = serde_json::to_vec(&self.graph.pipeline.to_json())
            .map_err(|error| self.failed()(error.into()))?;
        let texts = [
            (super::super::HEADER, text::header(self.graph)),
            (super::super::PIPELINE_GRAPH, pipeline),
            (PACKAGES, packages),
            (super::super::INIT_QUANTA, text::init_quanta(self.graph)),
        ];
        let dictionary = self.dictionary()?;
        let prepared = EncoderDictionary::try_copy(&dictionary, LEVEL)
            .map_err(GraphError::io("prepare compression of", self.path))?;
        let compressor = || match dictionary.is_empty() {
            true => Compressor::new(LEVEL),
            false => Compressor::with_prepared_dictionary(&prepared),
        };
        let workers = Workers::new();
        let mut written = ProvenanceWritten::default();
        publish(self.path, |file| {
            let mut zip = ZipWriter::new(file);
            for (name, text) in &texts {
                let frame = compressor().and_then(|mut own| own.compress(text));
                write_member(&mut zip, self.path, name, &frame.map_err(self.failed())?)?;
                if *name == super::super::HEADER {
                    write_member(&mut zip, self.path, super::super::DICTIONARY, &dictionary)?;
                }
            }
            let mut places = Places::default();
            let quanta = self.quanta(&mut zip, &compressor, &workers, &mut places, progress)?;
            written.attempts = quanta;
            self.datasets(&mut zip, &compressor, &workers, &mut places)?;
            (written.quanta, written.datasets) = self.addresses(&mut zip, &places)?;
            let file = zip.finish().map_err(|error| self.failed()(error.into()))?;
            file.flush().map_err(self.failed())
        })?;
        Ok(written)
    }

    /// A file without a name beside the archive, where there is room for the archive too.
    fn aside(&self) -> Result<Aside> {
        let folder = match self.path.parent() {
            Some(parent) if !parent.as_str().is_empty() => parent,
            _ => Utf8Path::new("."),
        };
        let file = tempfile::tempfile_in(folder);
        let file = file.map_err(GraphError::io("make a file in", folder))?;
        Ok(Aside { file: BufWriter::with_capacity(1 << 18, file), length: 0 })
    }

    /// Writes logs, metadata and quanta; returns the number of attempts.
    fn quanta<'c, W: Write + Seek>(
        &self,
        zip: &mut ZipWriter<W>,
        compressor: &(impl Fn() -> std::io::Result<Compressor<'c>> + Sync),
        workers: &Workers<'c>,
        places: &mut Places,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<u64> {
        // Each of a quantum's texts goes into another member, and an archive takes one after the
        // other. Logs, the largest, go there directly.
        let (mut metadata, mut quanta) = (self.aside()?, self.aside()?);
        let (mut attempts, mut done, mut logs_end) = (0, 0, 0);
        let all: Vec<QuantumIx> = self.graph.quanta.iter().collect();
        start_member(zip, self.path, LOGS, true)?;
        for batch in all.chunks(BATCH) {
            let chunks: Vec<Chunk> = (batch.par_chunks(CHUNK))
                .map(|quanta| {
                    workers.with(compressor, |own| self.chunk(quanta, own), self.failed())
                })
                .collect::<Result<_>>()?;
            for chunk in &chunks {
                attempts += chunk.attempts;
                zip.write_all(&chunk.logs.bytes).map_err(self.failed())?;
                place(&chunk.logs, &mut logs_end, &mut places.logs);
                for (aside, blocks, places) in [
                    (&mut metadata, &chunk.metadata, &mut places.metadata),
                    (&mut quanta, &chunk.quanta, &mut places.quanta),
                ] {
                    aside.file.write_all(&blocks.bytes).map_err(self.failed())?;
                    place(blocks, &mut aside.length, places);
                }
            }
            done += batch.len() as u64;
            progress(done, all.len() as u64);
        }
        for (name, aside) in [(METADATA, metadata), (QUANTA, quanta)] {
            start_member(zip, self.path, name, true)?;
            let file = aside.file.into_inner().map_err(std::io::IntoInnerError::into_error);
            let mut file = file.map_err(self.failed())?;
            file.seek(SeekFrom::Start(0)).map_err(self.failed())?;
            let copied = std::io::copy(&mut BufReader::with_capacity(1 << 18, file), zip);
            copied.map_err(self.failed())?;
        }
        Ok(attempts)
    }

    fn chunk(&self, quanta: &[QuantumIx], own: &mut Worker<'_>) -> Result<Chunk> {
        let mut chunk = Chunk::default();
        for &quantum in quanta {
            let attempts = self.attempts(quantum)?;
            chunk.attempts += attempts.len() as u64;
            own.text.clear();
            text::quantum(self.graph, quantum, &attempts, &mut own.text);
            own.block(&mut chunk.quanta).map_err(self.failed())?;
            if attempts.is_empty() {
                chunk.metadata.sizes.push(0);
                chunk.logs.sizes.push(0);
                continue;
            }
            own.text.clear();
            text::by_attempt(attempts.iter().map(|a| a.metadata.as_ref()), &mut own.text);
            own.block(&mut chunk.metadata).map_err(self.failed())?;
            own.text.clear();
            text::by_attempt(attempts.iter().map(|a| a.logs.as_ref()), &mut own.text);
            own.block(&mut chunk.logs).map_err(self.failed())?;
        }
        Ok(chunk)
    }

    fn datasets<'c, W: Write + Seek>(
        &self,
        zip: &mut ZipWriter<W>,
        compressor: &(impl Fn() -> std::io::Result<Compressor<'c>> + Sync),
        workers: &Workers<'c>,
        places: &mut Places,
    ) -> Result<()> {
        start_member(zip, self.path, DATASETS, true)?;
        let all: Vec<DatasetIx> = self.graph.datasets.iter().collect();
        let mut end = 0;
        for batch in all.chunks(4 * BATCH) {
            let chunks: Vec<Blocks> = (batch.par_chunks(4 * CHUNK))
                .map(|datasets| {
                    let make = |own: &mut Worker<'_>| {
                        let mut blocks = Blocks::default();
                        for &dataset in datasets {
                            if self.left_out[dataset.index()] {
                                blocks.sizes.push(0);
                                continue;
                            }
                            own.text.clear();
                            self.dataset(dataset, &mut own.text);
                            own.block(&mut blocks).map_err(self.failed())?;
                        }
                        Ok(blocks)
                    };
                    workers.with(compressor, make, self.failed())
                })
                .collect::<Result<_>>()?;
            for blocks in &chunks {
                zip.write_all(&blocks.bytes).map_err(self.failed())?;
                place(blocks, &mut end, &mut places.datasets);
            }
        }
        Ok(())
    }

    /// Writes the address file; returns the numbers of quanta and datasets in it.
    fn addresses<W: Write + Seek>(
        &self,
        zip: &mut ZipWriter<W>,
        places: &Places,
    ) -> Result<(u64, u64)> {
        let (graph, n) = (self.graph, self.graph.quanta.len() as u32);
        // Quanta first, datasets after them.
        let datasets = (0..graph.datasets.len() as u32).filter(|&d| !self.left_out[d as usize]);
        let mut nodes: Vec<u32> = (0..n).chain(datasets.map(|dataset| n + dataset)).collect();
        nodes.par_sort_unstable_by_key(|&node| match node.checked_sub(n) {
            None => graph.quanta.id[node as usize],
            Some(dataset) => graph.datasets.id[dataset as usize],
        });
        let large = nodes.len() > u32::MAX as usize / 88;
        start_member(zip, self.path, NODES, large)?;
        let mut out = vec![INT_SIZE as u8];
        out.extend((nodes.len() as u64).to_be_bytes());
        out.extend((ADDRESSES as u64).to_be_bytes());
        for (row, &node) in nodes.iter().enumerate() {
            let (id, addresses) = match node.checked_sub(n) {
                None => {
                    let at = node as usize;
                    let own = [(0, 0), places.quanta[at], places.logs[at], places.metadata[at]];
                    (&graph.quanta.id[at], own)
                }
                Some(dataset) => {
                    let (logs, metadata) = self.shared_blocks(DatasetIx(dataset), places);
                    let own = [places.datasets[dataset as usize], (0, 0), logs, metadata];
                    (&graph.datasets.id[dataset as usize], own)
                }
            };
            out.extend(id);
            out.extend((row as u64).to_be_bytes());
            for (offset, size) in addresses {
                out.extend(offset.to_be_bytes());
                out.extend(size.to_be_bytes());
            }
            if out.len() >= 1 << 18 {
                zip.write_all(&out).map_err(self.failed())?;
                out.clear();
            }
        }
        zip.write_all(&out).map_err(self.failed())?;
        Ok((n.into(), nodes.len() as u64 - u64::from(n)))
    }

    /// Blocks of logs and of metadata that a dataset has in common with its quantum.
    fn shared_blocks(&self, dataset: DatasetIx, places: &Places) -> (Address, Address) {
        let nowhere = ((0, 0), (0, 0));
        let Some(quantum) = self.graph.producer(dataset) else { return nowhere };
        let task = self.graph.pipeline.task(self.graph.quanta.task(quantum));
        let dataset_type = self.graph.datasets.dataset_type(dataset);
        if dataset_type == task.metadata_output.dataset_type {
            ((0, 0), places.metadata[quantum.index()])
        } else if task.log_output.as_ref().is_some_and(|log| log.dataset_type == dataset_type) {
            (places.logs[quantum.index()], (0, 0))
        } else {
            nowhere
        }
    }
}

/// Addresses of blocks that come next in a member.
fn place(blocks: &Blocks, end: &mut u64, places: &mut Vec<Address>) {
    for &size in &blocks.sizes {
        places.push(if size == 0 { (0, 0) } else { (*end, size) });
        *end += size;
    }
}
