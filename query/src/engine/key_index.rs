//! Finding rows by the keys of their data IDs.

use rayon::prelude::*;
use rustc_hash::FxHashMap;

use crate::engine::dictionary::NONE;

/// Tables that cover all possible keys are used if they have at most so many places for each key
/// that occurs; otherwise keys are hashed or sorted.
const PLACES_PER_KEY: usize = 16;

/// Whether a table of all keys of `bits` bits is small for `n` keys.
pub fn is_dense(bits: u32, n: usize) -> bool {
    1usize.checked_shl(bits).is_some_and(|places| places <= n.saturating_mul(PLACES_PER_KEY) + 64)
}

/// Finds the row of a key; of equal keys, one.
#[derive(Debug)]
pub enum KeyIndex {
    /// By key.
    Direct(Vec<u32>),
    /// By hash of the key.
    Hash(FxHashMap<u64, u32>),
}

impl KeyIndex {
    /// Indexes keys of at most `bits` bits.
    pub fn new(keys: &[u64], bits: u32) -> Self {
        if is_dense(bits, keys.len()) {
            let mut rows = vec![NONE; 1 << bits];
            for (row, &key) in keys.iter().enumerate() {
                rows[key as usize] = row as u32;
            }
            return Self::Direct(rows);
        }
        Self::Hash(keys.iter().enumerate().map(|(row, &key)| (key, row as u32)).collect())
    }

    /// The row of a key.
    pub fn find(&self, key: u64) -> Option<u32> {
        match self {
            Self::Direct(rows) => rows.get(key as usize).copied().filter(|&row| row != NONE),
            Self::Hash(rows) => rows.get(&key).copied(),
        }
    }
}

/// Rows grouped by key.
#[derive(Debug)]
pub struct KeyGroups {
    order: Vec<u32>,
    places: Places,
}

/// Where the rows of a key are in the order.
#[derive(Debug)]
enum Places {
    /// Rows of key `k`: from `ends[k]` to `ends[k + 1]`.
    Direct(Vec<u32>),
    Hash(FxHashMap<u64, (u32, u32)>),
}

impl KeyGroups {
    /// Groups keys of at most `bits` bits.
    pub fn new(keys: &[u64], bits: u32) -> Self {
        if is_dense(bits, keys.len()) {
            return Self::direct(keys, 1 << bits);
        }
        let mut order: Vec<u32> = (0..keys.len() as u32).collect();
        order.par_sort_unstable_by_key(|&row| (keys[row as usize], row));
        let mut places = FxHashMap::default();
        let mut begin = 0;
        for chunk in order.chunk_by(|&a, &b| keys[a as usize] == keys[b as usize]) {
            let end = begin + chunk.len() as u32;
            places.insert(keys[chunk[0] as usize], (begin, end));
            begin = end;
        }
        Self { order, places: Places::Hash(places) }
    }

    fn direct(keys: &[u64], n_keys: usize) -> Self {
        let mut ends = vec![0u32; n_keys + 1];
        for &key in keys {
            ends[key as usize + 1] += 1;
        }
        for key in 0..n_keys {
            ends[key + 1] += ends[key];
        }
        let mut next = ends.clone();
        let mut order = vec![0; keys.len()];
        for (row, &key) in keys.iter().enumerate() {
            let at = &mut next[key as usize];
            order[*at as usize] = row as u32;
            *at += 1;
        }
        Self { order, places: Places::Direct(ends) }
    }

    /// Rows with a key, in their original order.
    pub fn rows(&self, key: u64) -> &[u32] {
        let range = match &self.places {
            Places::Direct(ends) => match ends.get(key as usize..=key as usize + 1) {
                Some(&[begin, end]) => Some((begin, end)),
                _ => None,
            },
            Places::Hash(places) => places.get(&key).copied(),
        };
        range.map_or(&[], |(begin, end)| &self.order[begin as usize..end as usize])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_a_key_come_in_their_order_however_keys_are_kept() {
        let keys = [5, 0, 5, 7, 0, 5];
        for bits in [3, 40] {
            let groups = KeyGroups::new(&keys, bits);
            assert_eq!(groups.rows(5), [0, 2, 5]);
            assert_eq!(groups.rows(0), [1, 4]);
            assert_eq!(groups.rows(7), [3]);
            assert!(groups.rows(6).is_empty() && groups.rows(1 << 50).is_empty());
        }
        assert!(KeyGroups::new(&[], 0).rows(0).is_empty());
    }
}
