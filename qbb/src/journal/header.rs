//! The first bytes of a journal file.

use camino::Utf8Path;
use uuid::Uuid;

use super::error::JournalError;
use super::time::Timestamp;
use crate::GraphIdentity;

const MAGIC: [u8; 8] = *b"QBBJ\r\n\x1a\n";
const MAJOR: u16 = 1;
const MINOR: u16 = 3;

/// Bytes of the header.
pub(super) const HEADER: usize = 80;

/// Who wrote a journal file, about which graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JournalHeader {
    /// Identifies the file among those of its directory.
    pub writer: Uuid,
    /// The graph.
    pub graph: GraphIdentity,
    /// When the file was made.
    pub created: Timestamp,
}

impl JournalHeader {
    pub(super) fn to_bytes(self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..10].copy_from_slice(&MAJOR.to_le_bytes());
        bytes[10..12].copy_from_slice(&MINOR.to_le_bytes());
        bytes[12..16].copy_from_slice(&(HEADER as u32).to_le_bytes());
        bytes[16..32].copy_from_slice(self.writer.as_bytes());
        bytes[32..64].copy_from_slice(&self.graph.0);
        bytes[64..72].copy_from_slice(&self.created.0.to_le_bytes());
        let checksum = checksum(&bytes);
        bytes[72..].copy_from_slice(&checksum);
        bytes
    }

    /// The header of a file of `length` bytes, whose first ones `read` gives; `None` as long as it is not
    /// whole.
    ///
    /// A writer syncs the header before it appends. So what is wrong in a file that holds nothing else was
    /// left by a crash before that, and nothing was ever recorded there.
    pub(super) fn of_file(
        length: u64,
        path: &Utf8Path,
        read: impl FnOnce(&mut [u8; HEADER]) -> std::io::Result<()>,
    ) -> Result<Option<Self>, JournalError> {
        if length < HEADER as u64 {
            return Ok(None);
        }
        let mut bytes = [0; HEADER];
        read(&mut bytes).map_err(JournalError::io("read", path))?;
        match Self::from_bytes(&bytes, path) {
            Err(JournalError::Version { found, known, path }) if found != 0 => {
                Err(JournalError::Version { found, known, path })
            }
            Err(_) if length == HEADER as u64 => Ok(None),
            header => header.map(Some),
        }
    }

    fn from_bytes(bytes: &[u8; HEADER], path: &Utf8Path) -> Result<Self, JournalError> {
        if bytes[..8] != MAGIC {
            return Err(JournalError::NotAJournal { path: path.to_owned() });
        }
        let found = u16::from_le_bytes([bytes[8], bytes[9]]);
        if found != MAJOR {
            return Err(JournalError::Version { path: path.to_owned(), found, known: MAJOR });
        }
        let length = [bytes[12], bytes[13], bytes[14], bytes[15]];
        if bytes[72..] != checksum(bytes) || u32::from_le_bytes(length) as usize != HEADER {
            return Err(JournalError::DamagedHeader { path: path.to_owned() });
        }
        let mut writer = [0; 16];
        writer.copy_from_slice(&bytes[16..32]);
        let mut graph = [0; 32];
        graph.copy_from_slice(&bytes[32..64]);
        let mut created = [0; 8];
        created.copy_from_slice(&bytes[64..72]);
        Ok(Self {
            writer: Uuid::from_bytes(writer),
            graph: GraphIdentity(graph),
            created: Timestamp(i64::from_le_bytes(created)),
        })
    }
}

fn checksum(bytes: &[u8; HEADER]) -> [u8; 8] {
    let mut first = [0; 8];
    first.copy_from_slice(&blake3::hash(&bytes[..72]).as_bytes()[..8]);
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> JournalHeader {
        JournalHeader {
            writer: Uuid::from_u128(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef),
            graph: GraphIdentity([7; 32]),
            created: Timestamp(1_700_000_000_000_000),
        }
    }

    #[test]
    fn the_bytes_are_those_of_the_document() {
        let bytes = header().to_bytes();
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            hex,
            "5142424a0d0a1a0a010003005000000001234567\
             89abcdef0123456789abcdef0707070707070707\
             0707070707070707070707070707070707070707\
             0707070700401e18240a0600"
                .to_owned()
                + &hex[144..]
        );
        assert_eq!(JournalHeader::from_bytes(&bytes, "x".into()).unwrap(), header());
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let bytes = header().to_bytes();
        for bit in 0..HEADER * 8 {
            let mut other = bytes;
            other[bit / 8] ^= 1 << (bit % 8);
            assert!(JournalHeader::from_bytes(&other, "x".into()).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_header_that_a_crash_has_left_in_pieces_holds_nothing() {
        let whole = header().to_bytes();
        let of_file = |bytes: [u8; HEADER], length: usize| {
            JournalHeader::of_file(length as u64, "x".into(), |to| {
                *to = bytes;
                Ok(())
            })
        };
        assert_eq!(of_file(whole, HEADER).unwrap(), Some(header()));
        assert_eq!(of_file(whole, HEADER - 1).unwrap(), None);
        for (from, to) in [(0, HEADER), (0, 8), (8, 10), (20, 40), (72, HEADER)] {
            let mut holed = whole;
            holed[from..to].fill(0);
            assert_eq!(of_file(holed, HEADER).unwrap(), None, "{from} to {to}");
            assert!(of_file(holed, HEADER + 30).is_err(), "what follows was recorded");
        }
        let mut newer = whole;
        newer[8] = 2;
        assert!(matches!(of_file(newer, HEADER), Err(JournalError::Version { found: 2, .. })));
    }
}
