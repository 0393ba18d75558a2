//! The one place of this crate that speaks bincode.
//!
//! bincode is pinned and unmaintained; keeping it behind these two functions makes it replaceable.

use bincode::config::{Configuration, Limit, LittleEndian, Varint};
use bincode::{BorrowDecode, Decode, Encode};

/// Longest encoded value, also a bound on what a hostile length can make us allocate.
pub(crate) const LIMIT: usize = 64 << 20;

type Config = Configuration<LittleEndian, Varint, Limit<LIMIT>>;

fn config() -> Config {
    // Named so that a change of the crate's default would not change our files.
    bincode::config::standard()
        .with_little_endian()
        .with_variable_int_encoding()
        .with_limit::<LIMIT>()
}

/// Appends the encoding of a value.
pub(crate) fn encode<T: Encode>(value: &T, into: &mut Vec<u8>) -> Result<(), String> {
    bincode::encode_into_std_write(value, into, config())
        .map(drop)
        .map_err(|error| error.to_string())
}

/// Decodes a value that must use up all bytes.
pub(crate) fn decode<T: Decode<()>>(bytes: &[u8]) -> Result<T, String> {
    match bincode::decode_from_slice(bytes, config()) {
        Ok((value, used)) if used == bytes.len() => Ok(value),
        Ok((_, used)) => Err(format!("{} bytes are left over", bytes.len() - used)),
        Err(error) => Err(error.to_string()),
    }
}

/// Decodes one field after another, borrowing texts from the bytes.
pub(crate) struct Fields<'b> {
    rest: &'b [u8],
}

impl<'b> Fields<'b> {
    pub fn of(bytes: &'b [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The next field.
    pub fn next<T: BorrowDecode<'b, ()>>(&mut self) -> Result<T, String> {
        let (value, used) = bincode::borrow_decode_from_slice(self.rest, config())
            .map_err(|error| error.to_string())?;
        self.rest = &self.rest[used..];
        Ok(value)
    }

    /// Number of elements of a list, each of which is then a field or several.
    pub fn count(&mut self) -> Result<u64, String> {
        self.next()
    }

    /// All bytes must have been used.
    pub fn finish(self) -> Result<(), String> {
        match self.rest.len() {
            0 => Ok(()),
            left => Err(format!("{left} bytes are left over")),
        }
    }
}
