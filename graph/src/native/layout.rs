//! Header and section table.

use camino::Utf8Path;

use super::file_bytes::FileBytes;
use crate::error::{GraphError, Result};

/// First bytes of a native graph file.
pub const MAGIC: [u8; 8] = *b"\x89QBB\r\n\x1a\n";
/// Version that a reader must know.
pub const MAJOR: u16 = 1;
/// Version within which files only gain sections.
pub const MINOR: u16 = 1;

/// Alignment of sections.
pub(super) const ALIGNMENT: u64 = 64;
/// Size of the header and of each entry of the table.
pub(super) const ENTRY: usize = 64;
/// Where the checksum stands in the header.
const CHECKSUM_AT: usize = 32;
/// Most sections of a file.
pub(super) const MAX_SECTIONS: u32 = 4096;
/// Most bytes of an unpacked section.
pub(super) const MAX_UNPACKED: u64 = 1 << 30;
/// Most bytes of all unpacked sections.
pub(super) const MAX_UNPACKED_TOTAL: u64 = 4 << 30;
/// Most bytes that all unpacked sections have besides [`MAX_PACKING`] for each byte of the file.
const UNPACKED_ALLOWANCE: u64 = 16 << 20;
/// How many times smaller than unpacked the packed sections of a big file may be: several times
/// what zstd makes of real ones, and little enough that a small file cannot claim much memory.
const MAX_PACKING: u64 = 64;
/// Bytes of a section in place that one block checksum covers.
pub const BLOCK: usize = 4 << 10;

/// What a section holds; the numbers are the file format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u16)]
pub(super) enum Kind {
    Origin = 1,
    Pipeline = 2,
    Symbols = 3,
    Records = 4,
    InitQuanta = 5,
    Collections = 6,
    DataIds = 7,
    RecordRanges = 8,
    BlockChecksums = 9,
    QuantumId = 16,
    QuantumTask = 17,
    QuantumDataId = 18,
    QuantumOrder = 19,
    DatasetId = 24,
    DatasetType = 25,
    DatasetDataId = 26,
    DatasetRun = 27,
    InputOffsets = 32,
    InputDataset = 33,
    InputConnection = 34,
    OutputOffsets = 36,
    OutputDataset = 37,
    OutputConnection = 38,
    RecordDataset = 48,
    RecordDatastore = 49,
    RecordPathEnds = 50,
    RecordPaths = 51,
    RecordFormatter = 52,
    RecordStorageClass = 53,
    RecordComponent = 54,
    RecordChecksumEnds = 55,
    RecordChecksums = 56,
    RecordFileSize = 57,
    MemberDataset = 64,
    MemberCollection = 65,
    MemberBegin = 66,
    MemberEnd = 67,
}

impl Kind {
    const ALL: [Self; 37] = [
        Self::Origin,
        Self::Pipeline,
        Self::Symbols,
        Self::Records,
        Self::InitQuanta,
        Self::Collections,
        Self::DataIds,
        Self::RecordRanges,
        Self::BlockChecksums,
        Self::QuantumId,
        Self::QuantumTask,
        Self::QuantumDataId,
        Self::QuantumOrder,
        Self::DatasetId,
        Self::DatasetType,
        Self::DatasetDataId,
        Self::DatasetRun,
        Self::InputOffsets,
        Self::InputDataset,
        Self::InputConnection,
        Self::OutputOffsets,
        Self::OutputDataset,
        Self::OutputConnection,
        Self::RecordDataset,
        Self::RecordDatastore,
        Self::RecordPathEnds,
        Self::RecordPaths,
        Self::RecordFormatter,
        Self::RecordStorageClass,
        Self::RecordComponent,
        Self::RecordChecksumEnds,
        Self::RecordChecksums,
        Self::RecordFileSize,
        Self::MemberDataset,
        Self::MemberCollection,
        Self::MemberBegin,
        Self::MemberEnd,
    ];

    /// The kind with a number, if this version knows it.
    pub(super) fn of(number: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|&kind| kind as u16 == number)
    }

    /// Name for messages.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Origin => "origin",
            Self::Pipeline => "pipeline",
            Self::Symbols => "symbols",
            Self::Records => "dimension records",
            Self::InitQuanta => "init quanta",
            Self::Collections => "collections",
            Self::DataIds => "data IDs",
            Self::RecordRanges => "ranges of dimension records",
            Self::BlockChecksums => "checksums of blocks",
            Self::QuantumId => "UUIDs of quanta",
            Self::QuantumTask => "tasks of quanta",
            Self::QuantumDataId => "data IDs of quanta",
            Self::QuantumOrder => "order of UUIDs",
            Self::DatasetId => "UUIDs of datasets",
            Self::DatasetType => "dataset types of datasets",
            Self::DatasetDataId => "data IDs of datasets",
            Self::DatasetRun => "runs of datasets",
            Self::InputOffsets => "offsets of inputs",
            Self::InputDataset => "datasets of inputs",
            Self::InputConnection => "connections of inputs",
            Self::OutputOffsets => "offsets of outputs",
            Self::OutputDataset => "datasets of outputs",
            Self::OutputConnection => "connections of outputs",
            Self::RecordDataset => "datasets of datastore records",
            Self::RecordDatastore => "datastores of datastore records",
            Self::RecordPathEnds | Self::RecordPaths => "paths of datastore records",
            Self::RecordFormatter => "formatters of datastore records",
            Self::RecordStorageClass => "storage classes of datastore records",
            Self::RecordComponent => "components of datastore records",
            Self::RecordChecksumEnds | Self::RecordChecksums => "checksums of datastore records",
            Self::RecordFileSize => "file sizes of datastore records",
            Self::MemberDataset => "datasets of memberships",
            Self::MemberCollection => "collections of memberships",
            Self::MemberBegin => "begins of memberships",
            Self::MemberEnd => "ends of memberships",
        }
    }
}

/// How a section is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    InPlace,
    Packed,
}

/// One entry of the section table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Section {
    pub kind: u16,
    pub index: u16,
    pub encoding: Encoding,
    pub offset: u64,
    pub length: u64,
    pub unpacked: u64,
    pub checksum: [u8; 32],
}

impl Section {
    /// Name and place for messages.
    pub(super) fn name(&self) -> String {
        let offset = self.offset;
        match Kind::of(self.kind) {
            Some(kind @ (Kind::Records | Kind::DataIds)) => {
                format!("section `{}` {} at offset {offset}", kind.name(), self.index)
            }
            Some(kind) => format!("section `{}` at offset {offset}", kind.name()),
            None => format!("section of kind {}.{} at offset {offset}", self.kind, self.index),
        }
    }

    /// End in the file; readers have checked that it does not overflow.
    pub(super) fn end(&self) -> u64 {
        self.offset + self.length
    }
}

/// Header and table as bytes.
pub(super) fn encode(sections: &[Section], file_length: u64) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(ENTRY * (1 + sections.len()));
    bytes.extend(MAGIC);
    bytes.extend(MAJOR.to_le_bytes());
    bytes.extend(MINOR.to_le_bytes());
    bytes.extend((sections.len() as u32).to_le_bytes());
    bytes.extend(file_length.to_le_bytes());
    bytes.resize(ENTRY, 0);
    for section in sections {
        bytes.extend(section.kind.to_le_bytes());
        bytes.extend(section.index.to_le_bytes());
        bytes.extend(u32::from(section.encoding == Encoding::Packed).to_le_bytes());
        bytes.extend(section.offset.to_le_bytes());
        bytes.extend(section.length.to_le_bytes());
        bytes.extend(section.unpacked.to_le_bytes());
        bytes.extend(section.checksum);
    }
    let checksum = checksum(&bytes);
    bytes[CHECKSUM_AT..ENTRY].copy_from_slice(&checksum);
    bytes
}

/// Checksum of a block of a section in place: the first eight bytes of its BLAKE3.
pub(super) fn block_checksum(block: &[u8]) -> u64 {
    u64_at(blake3::hash(block).as_bytes(), 0)
}

fn checksum(header_and_table: &[u8]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&header_and_table[..CHECKSUM_AT]).update(&header_and_table[ENTRY..]);
    hasher.finalize().into()
}

/// Reads and checks header and table: afterwards every section lies inside the file, aligned, in
/// order and without overlap, and the last one ends the file.
pub(super) fn decode(file: &impl FileBytes, path: &Utf8Path) -> Result<Vec<Section>> {
    let read = |end: u64| file.read(0..end).map_err(GraphError::io("read", path));
    let bytes = &*read(file.length().min(ENTRY as u64))?;
    let foreign = |reason: &str| GraphError::Foreign { path: path.into(), reason: reason.into() };
    let damaged = |section: &str, reason: String| GraphError::Damaged {
        path: path.into(),
        section: section.into(),
        reason,
    };
    if bytes.is_empty() {
        return Err(foreign("it is empty"));
    }
    if !bytes.starts_with(&MAGIC) {
        return Err(if MAGIC.starts_with(bytes) {
            damaged("header", format!("the file ends after {} bytes", bytes.len()))
        } else {
            foreign("it does not begin as a native graph does")
        });
    }
    if bytes.len() < ENTRY {
        return Err(damaged("header", format!("the file ends after {} bytes", bytes.len())));
    }
    let (major, minor) = (u16_at(bytes, 8), u16_at(bytes, 10));
    if major != MAJOR {
        return Err(GraphError::Version { path: path.into(), major, minor });
    }
    let (count, length) = (u32_at(bytes, 12), u64_at(bytes, 16));
    if length != file.length() {
        let reason = format!("the file has {} bytes instead of {length}", file.length());
        return Err(damaged("header", reason));
    }
    if count > MAX_SECTIONS {
        return Err(damaged("header", format!("{count} sections, more than {MAX_SECTIONS}")));
    }
    let table_end = ENTRY * (1 + count as usize);
    if table_end as u64 > length {
        return Err(damaged("section table", format!("{count} entries do not fit the file")));
    }
    let covered = &*read(table_end as u64)?;
    if checksum(covered) != covered[CHECKSUM_AT..ENTRY] {
        return Err(damaged("header", "the checksum does not match".to_owned()));
    }
    if covered[24..CHECKSUM_AT] != [0; 8] {
        return Err(damaged("header", "reserved bytes are not zero".to_owned()));
    }
    let mut sections = Vec::with_capacity(count as usize);
    for entry in covered[ENTRY..].chunks_exact(ENTRY) {
        sections.push(section(entry, path)?);
    }
    let mut seen = rustc_hash::FxHashSet::default();
    let (mut end, mut unpacked) = (table_end as u64, 0);
    let possible = UNPACKED_ALLOWANCE.saturating_add(length.saturating_mul(MAX_PACKING));
    let possible = possible.min(MAX_UNPACKED_TOTAL);
    for section in &sections {
        let fail = |reason: &str| damaged(&section.name(), reason.to_owned());
        if section.offset != end.next_multiple_of(ALIGNMENT) {
            return Err(fail("it does not begin where the one before ends"));
        }
        end = (section.offset.checked_add(section.length))
            .filter(|&end| end <= length)
            .ok_or_else(|| fail("it reaches beyond the file"))?;
        if !seen.insert((section.kind, section.index)) {
            return Err(fail("it occurs twice"));
        }
        match section.encoding {
            Encoding::InPlace if section.unpacked != section.length => {
                return Err(fail("it has two different lengths"));
            }
            Encoding::InPlace => {}
            Encoding::Packed => {
                unpacked += section.unpacked.min(MAX_UNPACKED_TOTAL + 1);
                if section.unpacked > MAX_UNPACKED || unpacked > possible {
                    return Err(fail("it would be too long when unpacked"));
                }
            }
        }
    }
    if end != length {
        return Err(damaged("section table", "the last section does not end the file".to_owned()));
    }
    Ok(sections)
}

fn section(entry: &[u8], path: &Utf8Path) -> Result<Section> {
    let (kind, index) = (u16_at(entry, 0), u16_at(entry, 2));
    let encoding = match u32_at(entry, 4) {
        0 => Encoding::InPlace,
        1 => Encoding::Packed,
        other => {
            return Err(GraphError::Damaged {
                path: path.into(),
                section: format!("section of kind {kind}.{index}"),
                reason: format!("unknown encoding {other}"),
            });
        }
    };
    let mut checksum = [0; 32];
    checksum.copy_from_slice(&entry[32..64]);
    Ok(Section {
        kind,
        index,
        encoding,
        offset: u64_at(entry, 8),
        length: u64_at(entry, 16),
        unpacked: u64_at(entry, 24),
        checksum,
    })
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut array = [0; 4];
    array.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(array)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut array = [0; 8];
    array.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(array)
}
