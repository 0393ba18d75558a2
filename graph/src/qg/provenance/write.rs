//! Writing provenance graphs: blocks made in parallel, memory bounded whatever the size.

use std::fs::File;
use std::io::{BufReader, BufWriter, Seek, SeekFrom, Write};

use camino::Utf8Path;
use rayon::prelude::*;
use zip::ZipWriter;

use super::super::addresses::AddressRows;
use super::super::compression::{Blocks, Compression, Worker, Workers};
use super::super::write::{start_member, write_member};
use super::attempt::{Attempt, ProvenanceSource, SourceError};
use super::places::Places;
use super::text::{self, InitEdges};
use super::{ADDRESSES, DATASETS, LOGS, METADATA, NODES, PACKAGES, QUANTA};
use crate::error::{GraphError, Result};
use crate::model::{DatasetIx, QuantumGraph, QuantumIx};
use crate::publish::publish;

/// Compression level of metadata and logs, and of all that is no block.
const LEVEL: i32 = 10;
/// That of quanta and datasets: they are mostly UUIDs, of which the dictionary knows nothing, so
/// searching longer for matches takes four times the time and finds less.
const LEVEL_OF_NAMES: i32 = 3;
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
    write_limited(graph, source, path, u32::MAX.into(), progress)
}

/// The same with integers of eight bytes as soon as a member has more than `most`.
pub(super) fn write_limited(
    graph: &QuantumGraph,
    source: &dyn ProvenanceSource,
    path: &Utf8Path,
    most: u64,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<ProvenanceWritten> {
    graph.check_indices()?;
    let left_out = text::is_left_out(graph);
    let init = InitEdges::new(graph);
    let mut writer = Writer { graph, source, path, init, left_out, int_size: 4, most };
    let written = match writer.write(progress) {
        // Rare, so that beginning anew costs less than room in each address of all other files.
        Err(GraphError::TooBig { .. }) => {
            (writer.int_size, writer.most) = (8, u64::MAX);
            writer.write(progress)
        }
        written => written,
    };
    let mut written = written?;
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
    /// Bytes of the integers in multi-block and address files, and of most members that these can
    /// address.
    int_size: usize,
    most: u64,
}

/// Blocks of some quanta.
#[derive(Default)]
struct Chunk {
    quanta: Blocks,
    logs: Blocks,
    metadata: Blocks,
    attempts: u64,
}

/// Who makes blocks.
struct Makers<'c> {
    /// Of metadata and logs.
    texts: Workers<'c>,
    /// Of quanta and datasets.
    names: Workers<'c>,
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
    fn compression(&self) -> Result<Compression> {
        let quanta = self.graph.quanta.len();
        let n = if quanta < MIN_QUANTA { 0 } else { DICTIONARY_SAMPLES.min(quanta) };
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
        Compression::new(LEVEL, (&bytes, &sizes), DICTIONARY_SIZE)
            .map_err(GraphError::io("prepare compression of", self.path))
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
            (super::super::HEADER, text::header(self.graph, self.int_size)),
            (super::super::PIPELINE_GRAPH, pipeline),
            (PACKAGES, packages),
            (super::super::INIT_QUANTA, text::init_quanta(self.graph)),
        ];
        let compression = self.compression()?;
        let names = compression.with_level(LEVEL_OF_NAMES);
        let names = names.map_err(GraphError::io("prepare compression of", self.path))?;
        let workers = Makers {
            texts: Workers::new(&compression, self.int_size),
            names: Workers::new(&names, self.int_size),
        };
        let mut written = ProvenanceWritten::default();
        publish(self.path, |file| {
            let mut zip = ZipWriter::new(file);
            for (name, text) in &texts {
                let frame = compression.frame(text).map_err(self.failed())?;
                write_member(&mut zip, self.path, name, &frame)?;
                if *name == super::super::HEADER {
                    let dictionary = compression.dictionary();
                    write_member(&mut zip, self.path, super::super::DICTIONARY, dictionary)?;
                }
            }
            let mut places = Places::default();
            written.attempts = self.quanta(&mut zip, &workers, &mut places, progress)?;
            self.datasets(&mut zip, &workers.names, &mut places)?;
            (written.quanta, written.datasets) = self.addresses(&mut zip, &places)?;
            let file = zip.finish().map_err(|error| self.failed()(error.into()))?;
            file.flush().map_err(self.failed())
        })?;
        Ok(written)
    }

    /// That the addresses have room in the integers of this file.
    fn check_room(&self, places: &Places) -> Result<()> {
        match places.longest() > self.most {
            true => Err(GraphError::TooBig {
                path: self.path.into(),
                section: "a multi-block member".to_owned(),
                reason: format!("it has more than {} bytes", self.most),
            }),
            false => Ok(()),
        }
    }

    /// A file without a name beside the archive, where there is room for the archive too.
    fn aside(&self) -> Result<BufWriter<File>> {
        let folder = match self.path.parent() {
            Some(parent) if !parent.as_str().is_empty() => parent,
            _ => Utf8Path::new("."),
        };
        let file = tempfile::tempfile_in(folder);
        let file = file.map_err(GraphError::io("make a file in", folder))?;
        Ok(BufWriter::with_capacity(1 << 18, file))
    }

    /// Writes logs, metadata and quanta; returns the number of attempts.
    fn quanta<W: Write + Seek>(
        &self,
        zip: &mut ZipWriter<W>,
        workers: &Makers<'_>,
        places: &mut Places,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<u64> {
        // Each of a quantum's texts goes into another member, and an archive takes one after the
        // other. Logs, the largest, go there directly.
        let (mut metadata, mut quanta) = (self.aside()?, self.aside()?);
        let (mut attempts, mut done) = (0, 0);
        let all: Vec<QuantumIx> = self.graph.quanta.iter().collect();
        start_member(zip, self.path, LOGS, true)?;
        for batch in all.chunks(BATCH) {
            let chunks: Vec<Chunk> = (batch.par_chunks(CHUNK))
                .map(|quanta| {
                    let make = |texts: &mut Worker<'_>| {
                        workers.names.with(|names| self.chunk(quanta, names, texts), self.failed())
                    };
                    workers.texts.with(make, self.failed())
                })
                .collect::<Result<_>>()?;
            for chunk in &chunks {
                attempts += chunk.attempts;
                zip.write_all(&chunk.logs.bytes).map_err(self.failed())?;
                places.logs.add(&chunk.logs);
                for (aside, blocks, places) in [
                    (&mut metadata, &chunk.metadata, &mut places.metadata),
                    (&mut quanta, &chunk.quanta, &mut places.quanta),
                ] {
                    aside.write_all(&blocks.bytes).map_err(self.failed())?;
                    places.add(blocks);
                }
            }
            self.check_room(places)?;
            done += batch.len() as u64;
            progress(done, all.len() as u64);
        }
        for (name, aside) in [(METADATA, metadata), (QUANTA, quanta)] {
            start_member(zip, self.path, name, true)?;
            let file = aside.into_inner().map_err(std::io::IntoInnerError::into_error);
            let mut file = file.map_err(self.failed())?;
            file.seek(SeekFrom::Start(0)).map_err(self.failed())?;
            let copied = std::io::copy(&mut BufReader::with_capacity(1 << 18, file), zip);
            copied.map_err(self.failed())?;
        }
        Ok(attempts)
    }

    fn chunk(
        &self,
        quanta: &[QuantumIx],
        names: &mut Worker<'_>,
        texts: &mut Worker<'_>,
    ) -> Result<Chunk> {
        let mut chunk = Chunk::default();
        for &quantum in quanta {
            let attempts = self.attempts(quantum)?;
            chunk.attempts += attempts.len() as u64;
            text::quantum(self.graph, quantum, &attempts, &mut names.text);
            names.block(&mut chunk.quanta).map_err(self.failed())?;
            if attempts.is_empty() {
                chunk.metadata.sizes.push(0);
                chunk.logs.sizes.push(0);
                continue;
            }
            text::by_attempt(attempts.iter().map(|a| a.metadata.as_ref()), &mut texts.text);
            texts.block(&mut chunk.metadata).map_err(self.failed())?;
            text::by_attempt(attempts.iter().map(|a| a.logs.as_ref()), &mut texts.text);
            texts.block(&mut chunk.logs).map_err(self.failed())?;
        }
        Ok(chunk)
    }

    fn datasets<W: Write + Seek>(
        &self,
        zip: &mut ZipWriter<W>,
        workers: &Workers<'_>,
        places: &mut Places,
    ) -> Result<()> {
        start_member(zip, self.path, DATASETS, true)?;
        let all: Vec<DatasetIx> = self.graph.datasets.iter().collect();
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
                            self.dataset(dataset, &mut own.text);
                            own.block(&mut blocks).map_err(self.failed())?;
                        }
                        Ok(blocks)
                    };
                    workers.with(make, self.failed())
                })
                .collect::<Result<_>>()?;
            for blocks in &chunks {
                zip.write_all(&blocks.bytes).map_err(self.failed())?;
                places.datasets.add(blocks);
            }
            self.check_room(places)?;
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
        start_member(zip, self.path, NODES, nodes.len() > u32::MAX as usize / 88)?;
        let mut rows = AddressRows::new(self.int_size, nodes.len(), ADDRESSES);
        for &node in &nodes {
            match node.checked_sub(n) {
                None => {
                    let addresses = places.of_quantum(QuantumIx(node));
                    rows.push(&graph.quanta.id[node as usize], &addresses);
                }
                Some(dataset) => {
                    let addresses = places.of_dataset(graph, DatasetIx(dataset));
                    rows.push(&graph.datasets.id[dataset as usize], &addresses);
                }
            }
            if rows.bytes.len() >= 1 << 18 {
                zip.write_all(&rows.bytes).map_err(self.failed())?;
                rows.bytes.clear();
            }
        }
        zip.write_all(&rows.bytes).map_err(self.failed())?;
        Ok((n.into(), nodes.len() as u64 - u64::from(n)))
    }
}
