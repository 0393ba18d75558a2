//! Compressed frames and blocks, made by many threads with one dictionary.

use std::sync::{Mutex, PoisonError};

use zstd::bulk::Compressor;
use zstd::dict::EncoderDictionary;

/// How the frames of a file are compressed.
pub(super) struct Compression {
    level: i32,
    dictionary: Vec<u8>,
    prepared: EncoderDictionary<'static>,
}

impl Compression {
    /// Trains a dictionary of up to `size` bytes on samples that stand one after another; without
    /// samples, or where training fails, there is none and frames are only longer.
    ///
    /// # Errors
    /// If there is no memory.
    pub(super) fn new(
        level: i32,
        (samples, sizes): (&[u8], &[usize]),
        size: usize,
    ) -> std::io::Result<Self> {
        let dictionary = match sizes {
            [] => Vec::new(),
            _ => zstd::dict::from_continuous(samples, sizes, size).unwrap_or_default(),
        };
        Self::prepare(level, dictionary)
    }

    /// The same with another level.
    ///
    /// # Errors
    /// If there is no memory.
    pub(super) fn with_level(&self, level: i32) -> std::io::Result<Self> {
        Self::prepare(level, self.dictionary.clone())
    }

    fn prepare(level: i32, dictionary: Vec<u8>) -> std::io::Result<Self> {
        let prepared = EncoderDictionary::try_copy(&dictionary, level)?;
        Ok(Self { level, dictionary, prepared })
    }

    /// The dictionary; empty if there is none.
    pub(super) fn dictionary(&self) -> &[u8] {
        &self.dictionary
    }

    /// Compresses a text into one frame.
    pub(super) fn frame(&self, text: &[u8]) -> std::io::Result<Vec<u8>> {
        self.compressor()?.compress(text)
    }

    fn compressor(&self) -> std::io::Result<Compressor<'_>> {
        match self.dictionary.is_empty() {
            true => Compressor::new(self.level),
            false => Compressor::with_prepared_dictionary(&self.prepared),
        }
    }
}

/// Blocks one after another, and the size of each with its length; 0 is no block.
#[derive(Default)]
pub(super) struct Blocks {
    pub bytes: Vec<u8>,
    pub sizes: Vec<u64>,
}

/// What a thread needs to make blocks.
pub(super) struct Worker<'c> {
    compressor: Compressor<'c>,
    int_size: usize,
    /// Text of the next block.
    pub text: Vec<u8>,
}

impl Worker<'_> {
    /// Compresses the text into a block behind its length, and clears it.
    pub(super) fn block(&mut self, blocks: &mut Blocks) -> std::io::Result<()> {
        let begin = blocks.bytes.len();
        let frame = begin + self.int_size;
        blocks.bytes.resize(frame + zstd::zstd_safe::compress_bound(self.text.len()), 0);
        let length = self.compressor.compress_to_buffer(&self.text, &mut blocks.bytes[frame..])?;
        let digits = (length as u64).to_be_bytes();
        let (unused, digits) = digits.split_at(digits.len() - self.int_size);
        if unused.iter().any(|&digit| digit != 0) {
            return Err(std::io::ErrorKind::FileTooLarge.into());
        }
        blocks.bytes[begin..frame].copy_from_slice(digits);
        blocks.bytes.truncate(frame + length);
        blocks.sizes.push((self.int_size + length) as u64);
        self.text.clear();
        Ok(())
    }
}

/// Workers of all threads. Preparing a compressor takes as long as compressing many blocks, so
/// each thread keeps its own.
pub(super) struct Workers<'c> {
    compression: &'c Compression,
    int_size: usize,
    slots: Vec<Mutex<Option<Worker<'c>>>>,
}

impl<'c> Workers<'c> {
    /// Workers that make blocks whose lengths have `int_size` bytes.
    pub(super) fn new(compression: &'c Compression, int_size: usize) -> Self {
        let slots = (0..rayon::current_num_threads()).map(|_| Mutex::new(None)).collect();
        Self { compression, int_size, slots }
    }

    /// Has the present thread's worker work.
    ///
    /// # Errors
    /// Those of the work, or what `failed` makes of it that there is no memory.
    pub(super) fn with<T, E>(
        &self,
        work: impl FnOnce(&mut Worker<'c>) -> Result<T, E>,
        failed: impl FnOnce(std::io::Error) -> E,
    ) -> Result<T, E> {
        let thread = rayon::current_thread_index().unwrap_or(0) % self.slots.len();
        let slot = || self.slots[thread].lock().unwrap_or_else(PoisonError::into_inner);
        // Taken out, so that no lock is held while working.
        let taken = slot().take();
        let mut own = match taken {
            Some(own) => own,
            None => {
                let compressor = self.compression.compressor().map_err(failed)?;
                Worker { compressor, int_size: self.int_size, text: Vec::new() }
            }
        };
        own.text.clear();
        let result = work(&mut own);
        *slot() = Some(own);
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_have_as_many_bytes_as_asked_for() {
        let compression = Compression::new(3, (&[], &[]), 1024).unwrap();
        for int_size in [2, 4, 8] {
            let workers = Workers::new(&compression, int_size);
            let mut blocks = Blocks::default();
            let make = |own: &mut Worker<'_>| {
                own.text.extend(b"some text");
                own.block(&mut blocks)
            };
            workers.with(make, |error| error).unwrap();
            let frame = compression.frame(b"some text").unwrap();
            let length = (frame.len() as u64).to_be_bytes();
            assert_eq!(blocks.bytes, [&length[8 - int_size..], &frame].concat());
            assert_eq!(blocks.sizes, [blocks.bytes.len() as u64]);
        }
    }

    #[test]
    fn a_length_that_has_no_room_is_refused() {
        let compression = Compression::new(1, (&[], &[]), 1024).unwrap();
        let noise: Vec<u8> =
            (0..300_u32).flat_map(|n| n.wrapping_mul(0x9e37_79b9).to_le_bytes()).collect();
        let make = |own: &mut Worker<'_>| {
            own.text.extend(&noise);
            own.block(&mut Blocks::default())
        };
        let error = Workers::new(&compression, 1).with(make, |error| error).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::FileTooLarge);
    }
}
