//! Reading one journal file.

use std::fs::File;
use std::io::{BufReader, ErrorKind, Read, Seek, SeekFrom};

use camino::{Utf8Path, Utf8PathBuf};

use super::codec::{Decoded, Decoder};
use super::error::JournalError;
use super::event::Event;
use super::frame::{FRAME_HEADER, FrameHeader, find_frame};
use super::header::{HEADER, JournalHeader};

/// How the readable part of a file ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tail {
    /// With the file.
    Clean,
    /// With a frame that was not written completely, as a killed process leaves it.
    Torn {
        /// Where that frame begins.
        offset: u64,
    },
    /// With a damaged frame that valid ones follow.
    Damaged {
        /// Where the damaged frame begins.
        offset: u64,
        /// Where the next valid frame begins.
        next_valid: u64,
        /// Length of the file.
        length: u64,
    },
}

/// Delivers the events of a journal file in order.
///
/// A file that is still being written may be read; what is appended after opening is not seen.
#[derive(Debug)]
pub struct JournalReader<R = BufReader<File>> {
    path: Utf8PathBuf,
    source: R,
    /// `None` if the file has no whole header.
    header: Option<JournalHeader>,
    offset: u64,
    length: u64,
    tail: Option<Tail>,
    decoder: Decoder,
    payload: Vec<u8>,
    unknown: u64,
}

impl JournalReader {
    /// Opens a file.
    ///
    /// # Errors
    /// If it cannot be read, is not a journal, or has a damaged header.
    pub fn open(path: &Utf8Path) -> Result<Self, JournalError> {
        let file = File::open(path).map_err(JournalError::io("open", path))?;
        Self::new(path, BufReader::with_capacity(1 << 16, file))
    }
}

impl<R: Read + Seek> JournalReader<R> {
    /// Reads from anything; `path` is for messages.
    ///
    /// # Errors
    /// As for [`JournalReader::open`].
    pub fn new(path: &Utf8Path, mut source: R) -> Result<Self, JournalError> {
        let length = source.seek(SeekFrom::End(0)).map_err(JournalError::io("read", path))?;
        source.rewind().map_err(JournalError::io("read", path))?;
        let header = JournalHeader::of_file(length, path, |bytes| source.read_exact(bytes))?;
        let tail = header.is_none().then_some(Tail::Torn { offset: 0 });
        Ok(Self {
            path: path.to_owned(),
            source,
            header,
            offset: HEADER as u64,
            length,
            tail,
            decoder: Decoder::default(),
            payload: Vec::new(),
            unknown: 0,
        })
    }

    /// The header, unless the file ends before it is whole.
    pub fn header(&self) -> Option<&JournalHeader> {
        self.header.as_ref()
    }

    /// How the readable part ends; known after the last event.
    pub fn tail(&self) -> Option<Tail> {
        self.tail
    }

    /// Number of events skipped so far because a newer version wrote them.
    pub fn unknown_events(&self) -> u64 {
        self.unknown
    }

    /// The next event and the offset of its frame.
    ///
    /// # Errors
    /// If reading fails, or if a frame is valid but cannot be understood, which is a defect of the
    /// program that wrote it.
    pub fn next_event(&mut self) -> Result<Option<(u64, Event)>, JournalError> {
        loop {
            if self.tail.is_some() || !self.next_payload()? {
                return Ok(None);
            }
            let offset = self.offset;
            self.offset += (FRAME_HEADER + self.payload.len()) as u64;
            match self.decoder.payload(&self.payload) {
                Ok(Decoded::Event(event)) => return Ok(Some((offset, event))),
                Ok(Decoded::Text) => {}
                Ok(Decoded::Unknown) => self.unknown += 1,
                Err(reason) => {
                    let path = self.path.clone();
                    return Err(JournalError::Content { path, offset, reason });
                }
            }
        }
    }

    /// Reads the frame at `offset`; at the end of what is valid, sets the tail.
    fn next_payload(&mut self) -> Result<bool, JournalError> {
        if self.offset == self.length {
            self.tail = Some(Tail::Clean);
            return Ok(false);
        }
        if self.try_payload().map_err(JournalError::io("read", &self.path))? {
            return Ok(true);
        }
        self.tail = Some(self.judge_tail().map_err(JournalError::io("read", &self.path))?);
        Ok(false)
    }

    fn try_payload(&mut self) -> std::io::Result<bool> {
        let left = self.length - self.offset;
        if left <= FRAME_HEADER as u64 {
            return Ok(false);
        }
        let mut bytes = [0; FRAME_HEADER];
        if !filled(self.source.read_exact(&mut bytes))? {
            return Ok(false);
        }
        // The length is not trusted with an allocation until the file is known to be that long.
        let Some(header) = FrameHeader::parse(&bytes)
            .filter(|header| header.length as u64 <= left - FRAME_HEADER as u64)
        else {
            return Ok(false);
        };
        self.payload.resize(header.length, 0);
        Ok(filled(self.source.read_exact(&mut self.payload))?
            && header.accepts(self.offset, &self.payload))
    }

    fn judge_tail(&mut self) -> std::io::Result<Tail> {
        let offset = self.offset;
        self.source.seek(SeekFrom::Start(offset))?;
        let mut rest = Vec::new();
        self.source.by_ref().take(self.length - offset).read_to_end(&mut rest)?;
        Ok(match find_frame(&rest, offset) {
            Some(next_valid) => Tail::Damaged { offset, next_valid, length: self.length },
            None => Tail::Torn { offset },
        })
    }
}

/// Whether a read got all its bytes; fewer mean that the file was cut since it was opened.
fn filled(result: std::io::Result<()>) -> std::io::Result<bool> {
    match result {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::GraphIdentity;
    use crate::journal::JournalWriter;
    use crate::journal::strategies::event;

    const GRAPH: GraphIdentity = GraphIdentity([3; 32]);

    /// The bytes of a journal with these events, written in calls of `step` events.
    fn written(events: &[Event], step: usize) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let folder = Utf8Path::from_path(folder.path()).unwrap();
        let journal = JournalWriter::create(folder, GRAPH).unwrap();
        for events in events.chunks(step) {
            journal.record(events).unwrap();
        }
        let bytes = fs_err::read(journal.path()).unwrap();
        assert_eq!(bytes.len() as u64, journal.end());
        bytes
    }

    fn read(bytes: &[u8]) -> Result<(Vec<Event>, Tail), JournalError> {
        let mut reader = JournalReader::new("test".into(), Cursor::new(bytes))?;
        let mut events = Vec::new();
        while let Some((_, event)) = reader.next_event()? {
            events.push(event);
        }
        Ok((events, reader.tail().unwrap()))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn what_was_recorded_is_read(events in vec(event(), 0..12), step in 1..4usize) {
            let (read, tail) = read(&written(&events, step)).unwrap();
            prop_assert_eq!(read, events);
            prop_assert_eq!(tail, Tail::Clean);
        }

        #[test]
        fn a_cut_file_yields_a_prefix(events in vec(event(), 1..8), cut in 0.0..1.0f64) {
            let bytes = written(&events, 3);
            let cut = (bytes.len() as f64 * cut) as usize;
            let (read, tail) = read(&bytes[..cut]).unwrap();
            prop_assert!(read.len() < events.len() && events.starts_with(&read));
            prop_assert!(!matches!(tail, Tail::Damaged { .. }), "nothing follows a cut");
        }

        #[test]
        fn a_flipped_bit_costs_what_follows_and_is_noticed(
            events in vec(event(), 1..8),
            place in 0.0..1.0f64,
            bit in 0..8u8,
        ) {
            let mut bytes = written(&events, 3);
            let place = (bytes.len() as f64 * place) as usize;
            bytes[place] ^= 1 << bit;
            match read(&bytes) {
                Ok((read, tail)) => {
                    prop_assert!(read.len() < events.len() && events.starts_with(&read));
                    prop_assert_ne!(tail, Tail::Clean);
                }
                Err(_) => prop_assert!(place < HEADER, "only a header's damage is an error"),
            }
        }

        #[test]
        fn arbitrary_bytes_after_a_header_do_no_harm(
            events in vec(event(), 0..3),
            garbage in vec(any::<u8>(), 1..200),
        ) {
            let mut bytes = written(&events, 3);
            bytes.extend(garbage);
            let (read, _) = read(&bytes).unwrap();
            prop_assert_eq!(read, events);
        }
    }

    #[test]
    fn damage_before_valid_frames_is_told_apart_from_a_torn_tail() {
        let event = |time| Event::QuantumStarted {
            time: crate::journal::Timestamp(time),
            quantum: qbb_graph::QuantumIx(0),
            attempt: 0,
        };
        let mut bytes = written(&[event(0), event(1), event(2)], 1);
        let frame = (bytes.len() - HEADER) / 3;
        let (second, third) = (HEADER + frame, HEADER + 2 * frame);
        bytes[second + FRAME_HEADER] ^= 1;
        let (read_events, tail) = read(&bytes).unwrap();
        assert_eq!(read_events, [event(0)]);
        let length = bytes.len() as u64;
        let (offset, next_valid) = (second as u64, third as u64);
        assert_eq!(tail, Tail::Damaged { offset, next_valid, length });

        let (_, tail) = read(&bytes[..third]).unwrap();
        assert_eq!(tail, Tail::Torn { offset });
    }

    #[test]
    fn a_length_beyond_the_file_allocates_nothing() {
        let mut bytes = written(&[], 1);
        bytes.extend([0xA6, 0x0D, 0x51, 0xF4, 0xFF, 0xFF, 0xFF, 0x03]);
        bytes.extend([0; 32]);
        let (events, tail) = read(&bytes).unwrap();
        assert!(events.is_empty());
        assert_eq!(tail, Tail::Torn { offset: HEADER as u64 });
    }
}
