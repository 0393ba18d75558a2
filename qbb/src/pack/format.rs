//! Bytes of headers and blocks.

use camino::Utf8Path;
use qbb_graph::{DatasetIx, QuantumIx};
use uuid::Uuid;

use super::error::PackError;
use crate::GraphIdentity;

const MAGIC: [u8; 8] = *b"QBBP\r\n\x1a\n";
const MAJOR: u16 = 1;
const MINOR: u16 = 0;

/// Ending of packs.
pub(super) const EXTENSION: &str = "pack";

/// Bytes of the header.
pub(super) const HEADER: usize = 72;

/// Kinds of frames.
pub(super) const DICTIONARY_FRAME: u8 = 1;
pub(super) const BLOCK_FRAME: u8 = 2;

/// Longest dictionary in bytes.
const MAX_DICTIONARY: usize = 64 << 10;

/// Longest content of a block in bytes, before compression.
pub(super) const MAX_CONTENT: usize = 64 << 20;

/// Longest entry in bytes; what is longer must be a file.
pub const MAX_ENTRY: usize = 8 << 20;

const ROW: usize = 16;

/// Who wrote a pack, about which graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PackHeader {
    pub writer: Uuid,
    pub graph: GraphIdentity,
}

impl PackHeader {
    pub fn to_bytes(self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..10].copy_from_slice(&MAJOR.to_le_bytes());
        bytes[10..12].copy_from_slice(&MINOR.to_le_bytes());
        bytes[12..16].copy_from_slice(&(HEADER as u32).to_le_bytes());
        bytes[16..32].copy_from_slice(self.writer.as_bytes());
        bytes[32..64].copy_from_slice(&self.graph.0);
        let checksum = checksum(&bytes);
        bytes[64..].copy_from_slice(&checksum);
        bytes
    }

    pub fn from_bytes(bytes: &[u8; HEADER], path: &Utf8Path) -> Result<Self, PackError> {
        if bytes[..8] != MAGIC {
            return Err(PackError::NotAPack { path: path.to_owned() });
        }
        let found = u16::from_le_bytes([bytes[8], bytes[9]]);
        if found != MAJOR {
            return Err(PackError::Version { path: path.to_owned(), found, known: MAJOR });
        }
        let length = u32::from_le_bytes([bytes[12], bytes[13], bytes[14], bytes[15]]);
        if bytes[64..] != checksum(bytes) || length as usize != HEADER {
            return Err(PackError::damaged(path, 0, "the checksum of the header is wrong"));
        }
        let (mut writer, mut graph) = ([0; 16], [0; 32]);
        writer.copy_from_slice(&bytes[16..32]);
        graph.copy_from_slice(&bytes[32..64]);
        Ok(Self { writer: Uuid::from_bytes(writer), graph: GraphIdentity(graph) })
    }
}

fn checksum(bytes: &[u8; HEADER]) -> [u8; 8] {
    let mut first = [0; 8];
    first.copy_from_slice(&blake3::hash(&bytes[..64]).as_bytes()[..8]);
    first
}

/// One entry of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockRow {
    /// The quantum that wrote it.
    pub quantum: QuantumIx,
    /// How many attempts came before.
    pub attempt: u32,
    /// Which dataset it is.
    pub dataset: DatasetIx,
    /// Length in bytes.
    pub length: u32,
}

/// Appends all of a block's payload that comes before the compressed content.
pub(super) fn append_block_start(rows: &[BlockRow], content: usize, payload: &mut Vec<u8>) {
    payload.push(BLOCK_FRAME);
    payload.extend_from_slice(&(content as u32).to_le_bytes());
    payload.extend_from_slice(&(rows.len() as u32).to_le_bytes());
    for row in rows {
        for cell in [row.quantum.0, row.attempt, row.dataset.0, row.length] {
            payload.extend_from_slice(&cell.to_le_bytes());
        }
    }
}

/// A frame's payload, checked as far as that is possible without decompressing.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Payload<'a> {
    Dictionary(&'a [u8]),
    Block {
        rows: Vec<BlockRow>,
        /// Length of the content in bytes; the sum of all rows.
        content: usize,
        compressed: &'a [u8],
    },
    /// From a newer version.
    Unknown,
}

/// Takes a payload apart.
pub(super) fn parse(payload: &[u8]) -> Result<Payload<'_>, &'static str> {
    let Some((&kind, rest)) = payload.split_first() else {
        return Err("a frame is empty");
    };
    match kind {
        DICTIONARY_FRAME if (1..=MAX_DICTIONARY).contains(&rest.len()) => {
            Ok(Payload::Dictionary(rest))
        }
        DICTIONARY_FRAME => Err("the dictionary has an impossible length"),
        BLOCK_FRAME => parse_block(rest).ok_or("the lengths in a block do not add up"),
        _ => Ok(Payload::Unknown),
    }
}

fn parse_block(bytes: &[u8]) -> Option<Payload<'_>> {
    let (content, bytes) = number(bytes)?;
    let (n_rows, bytes) = number(bytes)?;
    let content = content as usize;
    // Compared with what is there before anything is allocated.
    let (rows, compressed) = bytes.split_at_checked((n_rows as usize).checked_mul(ROW)?)?;
    let rows: Vec<BlockRow> = rows.chunks_exact(ROW).map_while(row).collect();
    let sum: u64 = rows.iter().map(|row| u64::from(row.length)).sum();
    (n_rows > 0 && content <= MAX_CONTENT && sum == content as u64).then_some(Payload::Block {
        rows,
        content,
        compressed,
    })
}

fn row(bytes: &[u8]) -> Option<BlockRow> {
    let (quantum, bytes) = number(bytes)?;
    let (attempt, bytes) = number(bytes)?;
    let (dataset, bytes) = number(bytes)?;
    let (length, _) = number(bytes)?;
    Some(BlockRow { quantum: QuantumIx(quantum), attempt, dataset: DatasetIx(dataset), length })
}

fn number(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (first, rest) = bytes.split_first_chunk()?;
    Some((u32::from_le_bytes(*first), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_are_those_of_the_document() {
        let writer = Uuid::from_u128(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef);
        let header = PackHeader { writer, graph: GraphIdentity([7; 32]) };
        let bytes = header.to_bytes();
        let start = b"QBBP\r\n\x1a\n\x01\x00\x00\x00\x48\x00\x00\x00\x01\x23\x45\x67";
        assert_eq!(bytes[..20], start[..]);
        assert_eq!(bytes[32..64], [7; 32]);
        assert_eq!(PackHeader::from_bytes(&bytes, "x".into()).unwrap(), header);
        for bit in 0..HEADER * 8 {
            let mut other = bytes;
            other[bit / 8] ^= 1 << (bit % 8);
            assert!(PackHeader::from_bytes(&other, "x".into()).is_err(), "bit {bit}");
        }

        let row =
            BlockRow { quantum: QuantumIx(1), attempt: 2, dataset: DatasetIx(3), length: 260 };
        let mut payload = Vec::new();
        append_block_start(&[row], 260, &mut payload);
        payload.extend(b"zz");
        assert_eq!(
            payload,
            [2, 4, 1, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 1, 0, 0, 122, 122]
        );
        let parsed = parse(&payload).unwrap();
        assert_eq!(parsed, Payload::Block { rows: vec![row], content: 260, compressed: b"zz" });
    }

    #[test]
    fn hostile_numbers_are_refused_before_anything_is_allocated() {
        let block = |content: u32, n: u32, lengths: &[u32]| {
            let mut payload = vec![BLOCK_FRAME];
            payload.extend(content.to_le_bytes());
            payload.extend(n.to_le_bytes());
            for &length in lengths {
                payload.extend([0; 12]);
                payload.extend(length.to_le_bytes());
            }
            payload
        };
        assert!(parse(&block(5, 2, &[2, 3])).is_ok());
        assert!(parse(&block(5, u32::MAX, &[2, 3])).is_err(), "more rows than bytes");
        assert!(parse(&block(6, 2, &[2, 3])).is_err(), "lengths do not add up");
        assert!(parse(&block(0, 0, &[])).is_err(), "no rows");
        assert!(parse(&block(u32::MAX, 1, &[u32::MAX])).is_err(), "too long");
        assert!(parse(&block(1, 2, &[u32::MAX, 2])).is_err(), "sums are not cut to 32 bits");
        assert!(parse(&[]).is_err());
        assert!(parse(&[DICTIONARY_FRAME]).is_err());
        assert!(parse(&[BLOCK_FRAME, 1]).is_err());
        assert_eq!(parse(&[99, 1]), Ok(Payload::Unknown));
    }
}
