//! Events as payloads of frames.
//!
//! Formatters and storage classes are the same few texts over and over; within a file each is
//! written once and then named by number.

mod decoder;
mod encoder;
mod kinds;
mod numbers;
#[cfg(test)]
#[path = "codec_tests.rs"]
mod tests;

pub(super) use decoder::{Decoded, Decoder};
pub(super) use encoder::{Encoder, TextNumbers};
pub(super) use kinds::{QUANTUM_FINISHED, QUANTUM_PLACED, QUANTUM_STARTED, TEXT};
pub(super) use numbers::quantum_end;
