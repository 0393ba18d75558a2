//! Frames: length, checksum, payload.

/// Begins every frame, so that a reader can find the next one after damage.
pub(super) const MARKER: [u8; 4] = [0xA6, 0x0D, 0x51, 0xF4];

/// Bytes before the payload.
pub(crate) const FRAME_HEADER: usize = 16;

/// Longest payload.
pub(crate) const MAX_PAYLOAD: usize = crate::wire::LIMIT;

/// First bytes of a frame, before its payload is known to be valid.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FrameHeader {
    /// Bytes of payload.
    pub length: usize,
    checksum: u64,
}

impl FrameHeader {
    /// Reads the header of a frame; `None` if there is none.
    pub fn parse(bytes: &[u8; FRAME_HEADER]) -> Option<Self> {
        let (marker, rest) = bytes.split_at(4);
        let (length, checksum) = rest.split_at(4);
        let length = u32::from_le_bytes(length.try_into().ok()?) as usize;
        let checksum = u64::from_le_bytes(checksum.try_into().ok()?);
        (marker == MARKER && (1..=MAX_PAYLOAD).contains(&length))
            .then_some(Self { length, checksum })
    }

    /// Whether this is the payload of the frame at `offset`.
    pub fn accepts(&self, offset: u64, payload: &[u8]) -> bool {
        payload.len() == self.length && checksum(offset, payload) == self.checksum
    }
}

fn checksum(offset: u64, payload: &[u8]) -> u64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&offset.to_le_bytes());
    hasher.update(&(payload.len() as u32).to_le_bytes());
    hasher.update(payload);
    let mut first = [0; 8];
    first.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    u64::from_le_bytes(first)
}

/// Appends a frame to `block`, which will be written at `block_offset`. The payload must have a
/// length of 1 to [`MAX_PAYLOAD`].
pub(crate) fn append_frame(block: &mut Vec<u8>, block_offset: u64, payload: &[u8]) {
    let offset = block_offset + block.len() as u64;
    block.extend_from_slice(&MARKER);
    block.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    block.extend_from_slice(&checksum(offset, payload).to_le_bytes());
    block.extend_from_slice(payload);
}

/// Leaves room for the header of a frame whose payload will be appended to `frame`, which is empty.
pub(crate) fn start_frame(frame: &mut Vec<u8>) {
    frame.extend_from_slice(&[0; FRAME_HEADER]);
}

/// Fills in the header of a frame that [`start_frame`] began and that will be written at `offset`.
pub(crate) fn seal_frame(frame: &mut [u8], offset: u64) {
    if let Some((header, payload)) = frame.split_at_mut_checked(FRAME_HEADER) {
        header[..4].copy_from_slice(&MARKER);
        header[4..8].copy_from_slice(&(payload.len() as u32).to_le_bytes());
        header[8..].copy_from_slice(&checksum(offset, payload).to_le_bytes());
    }
}

/// Offset of the first valid frame in `rest`, which begins at `offset` of the file.
pub(crate) fn find_frame(rest: &[u8], offset: u64) -> Option<u64> {
    let mut begin = 0;
    while let Some(step) = rest[begin..].windows(MARKER.len()).position(|four| four == MARKER) {
        begin += step;
        let at = offset + begin as u64;
        let (head, tail) = rest[begin..].split_first_chunk::<FRAME_HEADER>()?;
        if let Some(header) = FrameHeader::parse(head)
            && tail.get(..header.length).is_some_and(|payload| header.accepts(at, payload))
        {
            return Some(at);
        }
        begin += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_valid_at_its_own_place_only() {
        let mut block = Vec::new();
        append_frame(&mut block, 80, b"first");
        append_frame(&mut block, 80, b"second");
        assert_eq!(find_frame(&block, 80), Some(80));
        assert_eq!(find_frame(&block[1..], 81), Some(80 + 16 + 5));
        assert_eq!(find_frame(&block, 81), None, "moved by one byte");

        let mut frame = Vec::new();
        start_frame(&mut frame);
        frame.extend(b"first");
        seal_frame(&mut frame, 80);
        assert_eq!(frame, block[..frame.len()]);
    }
}
