//! The packed values of native graph files: the only place that uses bincode.
//!
//! The structures here are the file format (docs/formats/native-graph.md, section 2), kept apart
//! from those in memory so that neither changes the other by accident.

use bincode::config::{self, Configuration, LittleEndian, Varint};
use bincode::{Decode, Encode};

/// Kind 1.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(crate) struct Origin {
    pub inputs: Vec<String>,
    pub output: Option<String>,
    pub output_run: String,
    pub user: String,
    pub timestamp: String,
    pub command: String,
    pub metadata: String,
    pub quanta: u64,
    pub datasets: u64,
    pub groups: Vec<(Vec<String>, u64)>,
    pub task_groups: Vec<u16>,
    pub dataset_type_groups: Vec<u16>,
    pub runs: Vec<String>,
    pub datastores: Vec<(String, String)>,
}

/// Kind 2.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(crate) struct Pipeline {
    pub graph: String,
}

/// Kind 3.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(crate) struct SymbolText {
    pub text: String,
    pub ends: Vec<u32>,
}

impl SymbolText {
    /// The text of a symbol; `None` if there is none, or its bounds are impossible.
    pub(crate) fn get(&self, symbol: u32) -> Option<&str> {
        let at = symbol as usize;
        let begin = match at.checked_sub(1) {
            None => 0,
            Some(before) => *self.ends.get(before)? as usize,
        };
        self.text.get(begin..*self.ends.get(at)? as usize)
    }
}

/// Kind 4.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(crate) struct Records {
    pub element: String,
    pub rows: u64,
    pub keys: Vec<Vec<i64>>,
    pub implied: Vec<Vec<i64>>,
    pub fields: Vec<Field>,
    pub regions: Option<(Vec<u32>, Vec<u8>)>,
    pub timespans: Option<Vec<Option<(i64, i64)>>>,
}

impl Records {
    /// Adds the rows of another section of the same element. Columns without a counterpart are
    /// left as they are, so that the result has columns of different lengths.
    pub(crate) fn append(&mut self, other: Self) {
        self.rows = self.rows.saturating_add(other.rows);
        for (into, from) in self.keys.iter_mut().zip(other.keys) {
            into.extend(from);
        }
        for (into, from) in self.implied.iter_mut().zip(other.implied) {
            into.extend(from);
        }
        for (into, from) in self.fields.iter_mut().zip(other.fields) {
            into.append(from);
        }
        if let (Some(into), Some(from)) = (&mut self.regions, other.regions) {
            into.0.extend(from.0);
            into.1.extend(from.1);
        }
        if let (Some(into), Some(from)) = (&mut self.timespans, other.timespans) {
            into.extend(from);
        }
    }
}

impl Field {
    fn append(&mut self, other: Self) {
        match (self, other) {
            (Self::Int(into), Self::Int(from)) => into.extend(from),
            (Self::Float(into), Self::Float(from)) => into.extend(from),
            (Self::Bool(into), Self::Bool(from)) => into.extend(from),
            (Self::Text(into), Self::Text(from)) => into.extend(from),
            (Self::Bytes(into), Self::Bytes(from)) => into.extend(from),
            _ => {}
        }
    }
}

/// An item of kind 8: what is in a section of kind 4.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(crate) struct RecordRange {
    pub element: String,
    pub rows: u64,
    /// Smallest and largest cell of each key; empty if there are no rows.
    pub keys: Vec<(i64, i64)>,
}

/// A column of [`Records`].
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(crate) enum Field {
    Int(Vec<Option<i64>>),
    Float(Vec<Option<f64>>),
    Bool(Vec<Option<bool>>),
    Text(Vec<Option<u32>>),
    Bytes(Vec<Option<Vec<u8>>>),
}

/// An item of kind 5.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(crate) struct InitQuantum {
    pub id: [u8; 16],
    pub task: Option<u32>,
    pub inputs: Vec<(String, u32)>,
    pub outputs: Vec<(String, u32)>,
}

/// Kind 6.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(crate) struct Collections {
    pub inputs: Vec<String>,
    pub entries: Vec<CollectionEntry>,
}

/// A collection.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(crate) struct CollectionEntry {
    pub name: String,
    pub kind: String,
    pub doc: Option<String>,
    pub children: Vec<String>,
}

/// What a packed section can hold.
pub(crate) trait Packed: Encode + Decode<()> {}

impl<T: Encode + Decode<()>> Packed for T {}

/// No item of a packed value takes more memory than this many times its shortest encoding (that of
/// a string or a list is one byte), so a decoder that may claim no more than this cannot be made to
/// allocate out of proportion.
const MEMORY_PER_BYTE: usize = 32;

/// The encoding of a value.
pub(crate) fn encode<T: Packed>(value: &T) -> Result<Vec<u8>, String> {
    let config: Configuration<LittleEndian, Varint> = config::standard();
    bincode::encode_to_vec(value, config).map_err(|error| error.to_string())
}

/// The value of an encoding, which must use all bytes.
///
/// Memory claimed while decoding is limited in proportion to the number of bytes, whatever
/// lengths they pretend.
pub(crate) fn decode<T: Packed>(bytes: &[u8]) -> Result<T, String> {
    let needed = bytes.len().saturating_mul(MEMORY_PER_BYTE);
    // The limit is part of the decoder's type, so there is one for each power of four.
    macro_rules! with_least_limit {
        ($($exponent:literal)*) => {
            $(if needed <= 1 << $exponent {
                let config = config::standard().with_limit::<{ 1 << $exponent }>();
                bincode::decode_from_slice(bytes, config)
            } else)* {
                return Err(format!("{} bytes are too many", bytes.len()));
            }
        };
    }
    let decoded = with_least_limit!(14 16 18 20 22 24 26 28 30 32 34 36);
    let (value, used) = decoded.map_err(|error| error.to_string())?;
    if used != bytes.len() {
        return Err(format!("{} bytes follow the value", bytes.len() - used));
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_little_endian_of_variable_length() {
        let value = InitQuantum {
            id: [7; 16],
            task: Some(300),
            inputs: vec![],
            outputs: vec![("ab".into(), 5)],
        };
        let mut expected = vec![7; 16];
        expected.extend([1, 251, 0x2c, 0x01, 0, 1, 2, b'a', b'b', 5]);
        assert_eq!(encode(&value).unwrap(), expected);
        assert_eq!(decode::<InitQuantum>(&expected).unwrap(), value);
    }

    #[test]
    fn a_pretended_length_is_an_error_before_it_is_an_allocation() {
        // 253 announces eight bytes of length: 2^56 items.
        let hostile = [253, 0, 0, 0, 0, 0, 0, 0, 1];
        assert!(decode::<Vec<u64>>(&hostile).is_err());
        let a_million = [252, 0x40, 0x42, 0x0f, 0];
        assert!(decode::<Vec<u64>>(&a_million).unwrap_err().contains("imit"));
    }

    #[test]
    fn bytes_left_over_are_an_error() {
        assert_eq!(decode::<u8>(&[1, 2]).unwrap_err(), "1 bytes follow the value");
    }
}
