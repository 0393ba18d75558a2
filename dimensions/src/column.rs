//! Columns that are either owned or borrowed from a shared block of bytes.

use std::fmt;
use std::ops::{Deref, Range};
use std::sync::Arc;

use bytemuck::{AnyBitPattern, NoUninit};

/// A block of bytes that several columns look into, such as a mapped file.
pub type SharedBytes = Arc<dyn AsRef<[u8]> + Send + Sync>;

/// A vector of fixed-width values, owned or in place inside shared bytes.
///
/// Code that reads a graph cannot tell, and need not know, whether it was built in this process
/// or mapped from a file. Take the slice once outside a hot loop.
#[derive(Clone)]
pub struct Column<T>(Inner<T>);

#[derive(Clone)]
enum Inner<T> {
    Owned(Vec<T>),
    // Invariant: the range lies inside the bytes, which are aligned for T and a multiple of its
    // size; checked by `Column::shared`, and the bytes of a `SharedBytes` do not move.
    Shared { bytes: SharedBytes, range: Range<usize> },
}

impl<T: AnyBitPattern + NoUninit> Column<T> {
    /// A column over `range` of `bytes`.
    ///
    /// Returns `None` if the range is outside the bytes, misaligned for `T`, or not a whole number
    /// of values.
    pub fn shared(bytes: SharedBytes, range: Range<usize>) -> Option<Self> {
        let slice = (*bytes).as_ref().get(range.clone())?;
        bytemuck::try_cast_slice::<u8, T>(slice).ok()?;
        Some(Self(Inner::Shared { bytes, range }))
    }

    /// The values as bytes in native (little-endian) order.
    pub fn as_bytes(&self) -> &[u8] {
        bytemuck::cast_slice(self)
    }
}

impl<T: AnyBitPattern + NoUninit> Deref for Column<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match &self.0 {
            Inner::Owned(values) => values,
            Inner::Shared { bytes, range } => {
                bytemuck::cast_slice(&(**bytes).as_ref()[range.clone()])
            }
        }
    }
}

impl<T> From<Vec<T>> for Column<T> {
    fn from(values: Vec<T>) -> Self {
        Self(Inner::Owned(values))
    }
}

impl<T> Default for Column<T> {
    fn default() -> Self {
        Self(Inner::Owned(Vec::new()))
    }
}

impl<T> FromIterator<T> for Column<T> {
    fn from_iter<I: IntoIterator<Item = T>>(iter: I) -> Self {
        Self(Inner::Owned(iter.into_iter().collect()))
    }
}

impl<T: AnyBitPattern + NoUninit + fmt::Debug> fmt::Debug for Column<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.deref().fmt(f)
    }
}

impl<T: AnyBitPattern + NoUninit + PartialEq> PartialEq for Column<T> {
    fn eq(&self, other: &Self) -> bool {
        self.deref() == other.deref()
    }
}

/// Byte strings of varying length in one block: value `i` is `bytes[ends[i - 1]..ends[i]]`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ragged {
    ends: Column<u64>,
    bytes: Column<u8>,
}

impl Ragged {
    /// Joins ends and bytes; `None` unless the ends ascend and the last one is the byte count.
    pub fn new(ends: Column<u64>, bytes: Column<u8>) -> Option<Self> {
        let ascending = ends.windows(2).all(|pair| pair[0] <= pair[1]);
        let total = ends.last().copied().unwrap_or(0);
        (ascending && total == bytes.len() as u64).then_some(Self { ends, bytes })
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are no values.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Value at `index`; panics if it is out of range, as indexing does.
    pub fn get(&self, index: usize) -> &[u8] {
        let begin = if index == 0 { 0 } else { self.ends[index - 1] as usize };
        &self.bytes[begin..self.ends[index] as usize]
    }

    /// All values in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        (0..self.len()).map(|index| self.get(index))
    }

    /// The ends of the values, for writing.
    pub fn ends(&self) -> &Column<u64> {
        &self.ends
    }

    /// The joined bytes, for writing.
    pub fn bytes(&self) -> &Column<u8> {
        &self.bytes
    }
}

impl<B: AsRef<[u8]>> FromIterator<B> for Ragged {
    fn from_iter<I: IntoIterator<Item = B>>(iter: I) -> Self {
        let (mut ends, mut bytes) = (Vec::new(), Vec::new());
        for value in iter {
            bytes.extend_from_slice(value.as_ref());
            ends.push(bytes.len() as u64);
        }
        Self { ends: ends.into(), bytes: bytes.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shared_column_must_be_inside_aligned_and_whole() {
        let owner: Arc<Vec<u64>> = Arc::new(vec![1, 2, 3]);
        struct Words(Arc<Vec<u64>>);
        impl AsRef<[u8]> for Words {
            fn as_ref(&self) -> &[u8] {
                bytemuck::cast_slice(&self.0)
            }
        }
        let bytes: SharedBytes = Arc::new(Words(owner));
        let column = Column::<u64>::shared(bytes.clone(), 8..24).unwrap();
        assert_eq!(&*column, &[2, 3]);
        assert!(Column::<u64>::shared(bytes.clone(), 4..12).is_none(), "misaligned");
        assert!(Column::<u64>::shared(bytes.clone(), 8..20).is_none(), "not whole");
        assert!(Column::<u64>::shared(bytes, 16..32).is_none(), "outside");
    }

    #[test]
    fn ragged_values_keep_their_bounds() {
        let ragged: Ragged = ["ab", "", "c"].into_iter().collect();
        assert_eq!(ragged.iter().collect::<Vec<_>>(), [&b"ab"[..], b"", b"c"]);
        assert!(Ragged::new(vec![2, 1].into(), vec![0].into()).is_none());
        assert!(Ragged::new(vec![2].into(), vec![0].into()).is_none());
    }
}
