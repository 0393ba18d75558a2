//! Writing native graph files.

use std::io::Write as _;
use std::ops::Range;

use bytemuck::{AnyBitPattern, NoUninit};
use camino::Utf8Path;
use qbb_dimensions::{Column, RecordTable};
use rayon::prelude::*;
use zstd::bulk::Compressor;

use super::blocks;
use super::layout::{self, ALIGNMENT, BLOCK, ENTRY, Encoding, Kind, Section};
use crate::error::{GraphError, Result};
use crate::model::QuantumGraph;
use crate::publish::publish;
use crate::wire;

// Columns are written as they lie in memory.
const _: () = assert!(cfg!(target_endian = "little"), "native graphs need a little-endian machine");

/// Level of zstd for packed sections; higher ones make regions, which are most of it, a fiftieth
/// smaller in five times the time.
const LEVEL: i32 = 3;

/// Fewest bytes whose hashing is shared among threads: below, handing it over takes longer.
const PARALLEL: usize = 128 << 10;

/// Fewest dimension records of a section that is not the last of its element: few enough that a
/// single record is unpacked quickly, enough that they are packed well.
const RECORDS_PER_SECTION: usize = 512;
/// About how many sections of dimension records there are at most.
const RECORD_SECTIONS: usize = 2048;

/// A section to be written.
struct Draft<'a> {
    kind: Kind,
    index: u16,
    body: Body<'a>,
}

enum Body<'a> {
    InPlace(Vec<&'a [u8]>),
    Packed { frame: Vec<u8>, unpacked: u64 },
}

impl<'a> Draft<'a> {
    fn in_place<T: AnyBitPattern + NoUninit>(kind: Kind, column: &'a Column<T>) -> Self {
        Self { kind, index: 0, body: Body::InPlace(vec![column.as_bytes()]) }
    }

    fn chunks(&self) -> &[&'a [u8]] {
        match &self.body {
            Body::InPlace(chunks) => chunks,
            Body::Packed { .. } => &[],
        }
    }

    fn frame(&self) -> &[u8] {
        match &self.body {
            Body::InPlace(_) => &[],
            Body::Packed { frame, .. } => frame,
        }
    }

    fn bytes(&self) -> impl Iterator<Item = &[u8]> {
        self.chunks().iter().copied().chain([self.frame()])
    }

    fn len(&self) -> u64 {
        self.bytes().map(|chunk| chunk.len() as u64).sum()
    }

    /// Checksums of the blocks of a section in place.
    fn blocks(&self) -> Vec<u64> {
        if let [bytes] = self.chunks() {
            return bytes.par_chunks(BLOCK).map(layout::block_checksum).collect();
        }
        self.chunks().concat().par_chunks(BLOCK).map(layout::block_checksum).collect()
    }

    fn section(&self, offset: u64) -> Section {
        let mut hasher = blake3::Hasher::new();
        for chunk in self.bytes() {
            match chunk.len() {
                ..PARALLEL => hasher.update(chunk),
                _ => hasher.update_rayon(chunk),
            };
        }
        let length = self.len();
        let (encoding, unpacked) = match &self.body {
            Body::InPlace(_) => (Encoding::InPlace, length),
            Body::Packed { unpacked, .. } => (Encoding::Packed, *unpacked),
        };
        Section {
            kind: self.kind as u16,
            index: self.index,
            encoding,
            offset,
            length,
            unpacked,
            checksum: hasher.finalize().into(),
        }
    }
}

/// Writes a native graph file, replacing any file at that path once the new one is complete.
///
/// # Errors
/// If the system refuses, or a packed section exceeds the limits of the format.
pub fn write_native(graph: &QuantumGraph, path: &Utf8Path) -> Result<()> {
    let mut drafts = packed(graph).map_err(|(kind, reason)| GraphError::TooBig {
        path: path.into(),
        section: format!("section `{}`", kind.name()),
        reason,
    })?;
    let order = quantum_order(graph);
    drafts.extend(in_place(graph));
    drafts.push(Draft::in_place(Kind::QuantumOrder, &order));
    let block_checksums: Vec<u64> = drafts.par_iter().flat_map_iter(Draft::blocks).collect();
    let block_checksums = Column::from(block_checksums);
    drafts.push(Draft::in_place(Kind::BlockChecksums, &block_checksums));
    if drafts.len() > layout::MAX_SECTIONS as usize {
        return Err(GraphError::TooBig {
            path: path.into(),
            section: "section table".to_owned(),
            reason: format!("{} sections, more than {}", drafts.len(), layout::MAX_SECTIONS),
        });
    }
    let mut end = (ENTRY * (1 + drafts.len())) as u64;
    let offsets = drafts.iter().map(|draft| {
        let offset = end.next_multiple_of(ALIGNMENT);
        end = offset + draft.len();
        offset
    });
    let offsets: Vec<u64> = offsets.collect();
    let sections: Vec<Section> =
        (drafts.par_iter().zip(&offsets)).map(|(draft, &offset)| draft.section(offset)).collect();
    publish(path, |file| {
        let mut put = |bytes: &[u8]| file.write_all(bytes).map_err(GraphError::io("write", path));
        put(&layout::encode(&sections, end))?;
        let mut at = (ENTRY * (1 + drafts.len())) as u64;
        for (draft, section) in drafts.iter().zip(&sections) {
            put(&[0; ALIGNMENT as usize][..(section.offset - at) as usize])?;
            draft.bytes().try_for_each(&mut put)?;
            at = section.end();
        }
        Ok(())
    })
}

/// Quanta in the order of their UUIDs.
fn quantum_order(graph: &QuantumGraph) -> Column<u32> {
    let ids = &*graph.quanta.id;
    let mut order: Vec<u32> = (0..ids.len() as u32).collect();
    order.par_sort_unstable_by_key(|&quantum| (ids[quantum as usize], quantum));
    order.into()
}

/// Gives the unpacked bytes of a section.
type Encoder<'a> = Box<dyn Fn() -> Result<Vec<u8>, String> + Send + Sync + 'a>;

/// Sections that are encoded and compressed, each by one thread.
fn packed(graph: &QuantumGraph) -> Result<Vec<Draft<'_>>, (Kind, String)> {
    let mut parts: Vec<(Kind, usize, Encoder<'_>)> = vec![
        (Kind::Origin, 0, Box::new(|| wire::encode(&blocks::origin(graph)))),
        (Kind::Pipeline, 0, Box::new(|| wire::encode(&blocks::pack_pipeline(&graph.pipeline)?))),
        (Kind::Symbols, 0, Box::new(|| wire::encode(&blocks::pack_symbols(&graph.symbols)))),
        (
            Kind::InitQuanta,
            0,
            Box::new(|| wire::encode(&blocks::pack_init_quanta(&graph.init_quanta))),
        ),
        (
            Kind::Collections,
            0,
            Box::new(|| wire::encode(&blocks::pack_collections(&graph.collections))),
        ),
    ];
    let universe = graph.universe();
    let total: usize = graph.dimension_records.iter().map(RecordTable::len).sum();
    let step = total.div_ceil(RECORD_SECTIONS).max(RECORDS_PER_SECTION);
    let pieces: Vec<(&RecordTable, Range<usize>)> = (graph.dimension_records.iter())
        .flat_map(|table| {
            // A table without rows is a section, too.
            let begins = (0..table.len().max(1)).step_by(step);
            begins.map(move |begin| (table, begin..table.len().min(begin + step)))
        })
        .collect();
    let ranges: Vec<wire::RecordRange> = (pieces.iter())
        .map(|(table, rows)| blocks::record_range(table, rows.clone(), universe))
        .collect();
    parts.push((Kind::RecordRanges, 0, Box::new(move || wire::encode(&ranges))));
    for (index, (table, rows)) in pieces.into_iter().enumerate() {
        let encode = move || wire::encode(&blocks::pack_records(table, rows.clone(), universe));
        parts.push((Kind::Records, index, Box::new(encode)));
    }
    (parts.into_par_iter())
        .map_init(
            || Compressor::new(LEVEL),
            |compressor, (kind, index, encode)| {
                let compressor = compressor.as_mut().map_err(|error| error.to_string());
                let draft = compressor.and_then(|packer| pack(kind, index, &encode, packer));
                draft.map_err(|reason| (kind, reason))
            },
        )
        .collect()
}

fn pack<'a>(
    kind: Kind,
    index: usize,
    encode: &Encoder<'_>,
    compressor: &mut Compressor<'_>,
) -> Result<Draft<'a>, String> {
    let index = u16::try_from(index).map_err(|_| "there are too many sections of this kind")?;
    let bytes = encode()?;
    let unpacked = bytes.len() as u64;
    if unpacked > layout::MAX_UNPACKED {
        return Err(format!("{unpacked} bytes unpacked, more than {}", layout::MAX_UNPACKED));
    }
    let frame = compressor.compress(&bytes).map_err(|error| error.to_string())?;
    Ok(Draft { kind, index, body: Body::Packed { frame, unpacked } })
}

fn in_place(graph: &QuantumGraph) -> Vec<Draft<'_>> {
    let QuantumGraph { quanta, datasets, inputs, outputs, records, collections, .. } = graph;
    let mut drafts: Vec<Draft<'_>> = (graph.data_ids.iter().enumerate())
        .map(|(index, table)| Draft {
            kind: Kind::DataIds,
            index: index as u16,
            body: Body::InPlace(table.columns().iter().map(Column::as_bytes).collect()),
        })
        .collect();
    drafts.extend([
        Draft::in_place(Kind::QuantumId, &quanta.id),
        Draft::in_place(Kind::QuantumTask, &quanta.task),
        Draft::in_place(Kind::QuantumDataId, &quanta.data_id),
        Draft::in_place(Kind::DatasetId, &datasets.id),
        Draft::in_place(Kind::DatasetType, &datasets.dataset_type),
        Draft::in_place(Kind::DatasetDataId, &datasets.data_id),
        Draft::in_place(Kind::DatasetRun, &datasets.run),
        Draft::in_place(Kind::InputOffsets, &inputs.offsets),
        Draft::in_place(Kind::InputDataset, &inputs.dataset),
        Draft::in_place(Kind::InputConnection, &inputs.connection),
        Draft::in_place(Kind::OutputOffsets, &outputs.offsets),
        Draft::in_place(Kind::OutputDataset, &outputs.dataset),
        Draft::in_place(Kind::OutputConnection, &outputs.connection),
        Draft::in_place(Kind::RecordDataset, &records.dataset),
        Draft::in_place(Kind::RecordDatastore, &records.datastore),
        Draft::in_place(Kind::RecordPathEnds, records.path.ends()),
        Draft::in_place(Kind::RecordPaths, records.path.bytes()),
        Draft::in_place(Kind::RecordFormatter, &records.formatter),
        Draft::in_place(Kind::RecordStorageClass, &records.storage_class),
        Draft::in_place(Kind::RecordComponent, &records.component),
        Draft::in_place(Kind::RecordChecksumEnds, records.checksum.ends()),
        Draft::in_place(Kind::RecordChecksums, records.checksum.bytes()),
        Draft::in_place(Kind::RecordFileSize, &records.file_size),
        Draft::in_place(Kind::MemberDataset, &collections.dataset),
        Draft::in_place(Kind::MemberCollection, &collections.collection),
        Draft::in_place(Kind::MemberBegin, &collections.begin),
        Draft::in_place(Kind::MemberEnd, &collections.end),
    ]);
    drafts
}
