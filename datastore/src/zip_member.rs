//! Artifacts that are members of zip archives.

use std::io::{Read, Seek, Write};
use std::ops::Range;

use zip::ZipArchive;

use crate::store_error::StoreError;

/// Opens an archive.
pub(crate) fn open<R: Read + Seek>(archive: R, place: &str) -> Result<ZipArchive<R>, StoreError> {
    ZipArchive::new(archive).map_err(|e| error(place, "", e.to_string()))
}

/// Copies a member to somewhere else; its checksum is verified.
pub(crate) fn copy(
    archive: &mut ZipArchive<impl Read + Seek>,
    place: &str,
    member: &str,
    to: &mut impl Write,
) -> Result<(), StoreError> {
    let failed = |reason: String| error(place, member, reason);
    let mut file = archive.by_name(member).map_err(|e| failed(e.to_string()))?;
    std::io::copy(&mut file, to).map_err(|e| failed(e.to_string()))?;
    Ok(())
}

/// Reads a member; its checksum is verified.
pub(crate) fn read(
    archive: impl Read + Seek,
    place: &str,
    member: &str,
) -> Result<Vec<u8>, StoreError> {
    let failed = |reason: String| error(place, member, reason);
    let mut archive = ZipArchive::new(archive).map_err(|e| failed(e.to_string()))?;
    let mut file = archive.by_name(member).map_err(|e| failed(e.to_string()))?;
    // The size in the archive is not to be trusted with an allocation.
    let mut content = Vec::new();
    file.read_to_end(&mut content).map_err(|e| failed(e.to_string()))?;
    Ok(content)
}

/// Size of a member, as the archive's directory has it.
pub(crate) fn size(
    archive: impl Read + Seek,
    place: &str,
    member: &str,
) -> Result<u64, StoreError> {
    let failed = |reason: String| error(place, member, reason);
    let mut archive = ZipArchive::new(archive).map_err(|e| failed(e.to_string()))?;
    match archive.by_name(member) {
        Ok(file) => Ok(file.size()),
        Err(zip::result::ZipError::FileNotFound) => {
            Err(StoreError::NotFound { place: format!("{place}#zip-path={member}") })
        }
        Err(e) => Err(failed(e.to_string())),
    }
}

/// Names and sizes of all members, as the archive's directory has them.
pub(crate) fn members(
    archive: impl Read + Seek,
    place: &str,
) -> Result<Vec<(String, u64)>, StoreError> {
    let mut archive = open(archive, place)?;
    let failed = |e: zip::result::ZipError| error(place, "", e.to_string());
    let mut found = Vec::new();
    for at in 0..archive.len() {
        let file = archive.by_index_raw(at).map_err(failed)?;
        found.push((file.name().map_err(failed)?.into_owned(), file.size()));
    }
    Ok(found)
}

/// The part of a content that a range covers.
pub(crate) fn cut(mut content: Vec<u8>, range: &Range<u64>) -> Vec<u8> {
    let clamp = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(content.len());
    let (start, end) = (clamp(range.start), clamp(range.end));
    content.truncate(end);
    content.drain(..start.min(end));
    content
}

fn error(archive: &str, member: &str, reason: String) -> StoreError {
    StoreError::Zip { archive: archive.to_owned(), member: member.to_owned(), reason }
}
