//! Checksums made right, so that changes behind them are seen.

use std::io::{Cursor, Read as _, Write as _};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

fn u32_at(bytes: &[u8], at: usize) -> Option<usize> {
    let bytes = bytes.get(at..at + 4)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?) as usize)
}

fn u64_at(bytes: &[u8], at: usize) -> Option<usize> {
    let bytes = bytes.get(at..at + 8)?;
    usize::try_from(u64::from_le_bytes(bytes.try_into().ok()?)).ok()
}

/// A native graph with right lengths and checksums of file, header and sections; `None` if it has no
/// header and section table.
pub(crate) fn native_graph(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = bytes.to_vec();
    let count = u32_at(&bytes, 12)?;
    let table_end = 64 * (1 + count.min(4096));
    bytes.get(..table_end)?;
    let length = bytes.len() as u64;
    bytes[16..24].copy_from_slice(&length.to_le_bytes());
    let mut blocks = Vec::new();
    for entry in (64..table_end).step_by(64) {
        let (begin, size) = (u64_at(&bytes, entry + 8)?, u64_at(&bytes, entry + 16)?);
        let Some(end) = begin.checked_add(size).filter(|&end| end <= bytes.len()) else { continue };
        // Section 9 is made of the checksums of all blocks of sections in place before it.
        if bytes[entry..entry + 2] == [9, 0] {
            let length = blocks.len().min(size);
            bytes[begin..begin + length].copy_from_slice(&blocks[..length]);
        } else if bytes[entry + 4] == 0 {
            let sums = bytes[begin..end].chunks(qbb_graph::BLOCK);
            blocks.extend(sums.flat_map(|block| blake3::hash(block).as_bytes()[..8].to_vec()));
        }
        let checksum = blake3::hash(&bytes[begin..end]);
        bytes[entry + 32..entry + 64].copy_from_slice(checksum.as_bytes());
    }
    let mut hasher = blake3::Hasher::new();
    hasher.update(&bytes[..32]).update(&bytes[64..table_end]);
    let checksum = hasher.finalize();
    bytes[32..64].copy_from_slice(checksum.as_bytes());
    Some(bytes)
}

/// An archive with the same stored members, whose directory and checksums are right.
pub(crate) fn archive(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).ok()?;
    let mut members = Vec::new();
    for index in 0..archive.len().min(16) {
        let Ok(mut member) = archive.by_index_raw(index) else { continue };
        let Ok(name) = member.name().map(|name| name.into_owned()) else { continue };
        let mut content = Vec::new();
        let _ = member.read_to_end(&mut content);
        members.push((name, content));
    }
    write_archive(&members)
}

/// An archive of stored members.
pub(crate) fn write_archive(members: &[(String, Vec<u8>)]) -> Option<Vec<u8>> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (name, content) in members {
        zip.start_file(name.as_str(), options).ok()?;
        zip.write_all(content).ok()?;
    }
    Some(zip.finish().ok()?.into_inner())
}

/// A journal of the graph with this identity, its header and as many frames as it has right.
pub(crate) fn journal(bytes: &[u8], identity: &[u8; 32]) -> Option<Vec<u8>> {
    let mut bytes = bytes.to_vec();
    bytes.get(..80)?;
    bytes[32..64].copy_from_slice(identity);
    let checksum = blake3::hash(&bytes[..72]);
    bytes[72..80].copy_from_slice(&checksum.as_bytes()[..8]);
    let mut at = 80;
    while let Some(length) = u32_at(&bytes, at + 4) {
        let end = (at + 16).saturating_add(length);
        let Some(payload) = bytes.get(at + 16..end) else { break };
        let mut hasher = blake3::Hasher::new();
        hasher.update(&(at as u64).to_le_bytes()).update(&(length as u32).to_le_bytes());
        let checksum = hasher.update(payload).finalize();
        bytes[at..at + 4].copy_from_slice(&[0xa6, 0x0d, 0x51, 0xf4]);
        bytes[at + 8..at + 16].copy_from_slice(&checksum.as_bytes()[..8]);
        at = end;
    }
    Some(bytes)
}
