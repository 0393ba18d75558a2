//! Numbers of the kinds of events, and their fields.

use crate::journal::time::Timestamp;
use crate::journal::usage::ResourceUsage;

pub const TEXT: u8 = 1;
pub const RUN_STARTED: u8 = 2;
pub const RUN_FINISHED: u8 = 3;
pub const INIT_OUTPUTS_WRITTEN: u8 = 4;
pub const QUANTUM_STARTED: u8 = 5;
pub const QUANTUM_FINISHED: u8 = 6;
pub const QUANTA_BLOCKED: u8 = 7;
pub const OUTPUTS_DURABLE: u8 = 8;
pub const QUANTUM_PLACED: u8 = 9;
pub const ATTEMPT_REPEATED: u8 = 10;
pub const DATASETS_REMOVED: u8 = 11;
pub const OUTPUTS_PACKED: u8 = 12;
pub const RUN_GOES_ON: u8 = 13;
pub const QUANTA_RESET: u8 = 14;
pub const QUANTA_PLACED: u8 = 15;
pub const LEFT_RUNNING: u8 = 16;

// bincode encodes a tuple as it does a struct of the same fields, so these are the field lists of
// the document. The borrowed forms are for writing, the owned ones for reading.
pub type RecordRef<'a> = (&'a str, u32, u32, Option<u32>, Option<&'a str>, i64);
pub type RecordOwned = (String, u32, u32, Option<u32>, Option<String>, i64);
pub type Outputs<R> = Vec<(u32, Vec<R>)>;
pub type Packed = (Timestamp, [u8; 16], Vec<(u64, Vec<(u32, u32, u32, u32, u32)>)>);
pub type Finished<R, T> = (
    (u32, u32, Timestamp, Timestamp),
    (u8, Option<u32>, Option<(T, T)>, Option<i32>, Option<ResourceUsage>),
    (Outputs<R>, Vec<u32>, Vec<u32>),
);
