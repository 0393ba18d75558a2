//! Sets of pixel indexes.

use std::fmt;

/// Ranges kept without allocation. The envelope of a patch or detector at the level of the
/// common skypix dimension seldom has more.
const INLINE: usize = 6;

/// A half-open range of pixel indexes, never empty inside a [`RangeSet`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct IndexRange {
    /// First index of the range.
    pub begin: u64,
    /// One more than the last index of the range.
    pub end: u64,
}

impl IndexRange {
    /// Number of indexes in the range.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.end.saturating_sub(self.begin)
    }

    /// Whether the range holds no index.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.begin >= self.end
    }
}

/// A set of pixel indexes as ascending half-open ranges that neither overlap nor touch.
///
/// The largest `u64` cannot be a member; no pixelization has so many pixels.
#[derive(Clone)]
pub struct RangeSet {
    storage: Storage,
}

#[derive(Clone)]
enum Storage {
    Inline { len: usize, ranges: [IndexRange; INLINE] },
    Heap(Vec<IndexRange>),
}

impl RangeSet {
    /// The set without members.
    #[must_use]
    pub const fn new() -> Self {
        let ranges = [IndexRange { begin: 0, end: 0 }; INLINE];
        Self { storage: Storage::Inline { len: 0, ranges } }
    }

    /// The ranges in ascending order.
    #[must_use]
    pub fn as_slice(&self) -> &[IndexRange] {
        match &self.storage {
            Storage::Inline { len, ranges } => &ranges[..*len],
            Storage::Heap(ranges) => ranges,
        }
    }

    fn as_mut_slice(&mut self) -> &mut [IndexRange] {
        match &mut self.storage {
            Storage::Inline { len, ranges } => &mut ranges[..*len],
            Storage::Heap(ranges) => ranges,
        }
    }

    /// Whether there are no members.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.as_slice().is_empty()
    }

    /// Number of members, not of ranges.
    #[must_use]
    pub fn cardinality(&self) -> u64 {
        self.as_slice().iter().map(IndexRange::len).sum()
    }

    /// Whether an index is a member.
    #[must_use]
    pub fn contains(&self, index: u64) -> bool {
        let ranges = self.as_slice();
        let after = ranges.partition_point(|r| r.begin <= index);
        after > 0 && index < ranges[after - 1].end
    }

    /// All members in ascending order.
    pub fn indexes(&self) -> impl Iterator<Item = u64> + '_ {
        self.as_slice().iter().flat_map(|r| r.begin..r.end)
    }

    /// Removes all members and keeps the memory.
    pub fn clear(&mut self) {
        self.truncate(0);
    }

    /// Adds the indexes from `begin` up to, not including, `end`.
    pub fn insert(&mut self, begin: u64, end: u64) {
        if begin >= end {
            return;
        }
        let ranges = self.as_mut_slice();
        // Producers work in ascending order, so the last range is nearly always the right one.
        match ranges.last_mut() {
            Some(last) if begin < last.begin => {}
            Some(last) if begin <= last.end => {
                last.end = last.end.max(end);
                return;
            }
            _ => return self.push(IndexRange { begin, end }),
        }
        let first = ranges.partition_point(|r| r.end < begin);
        let after = ranges.partition_point(|r| r.begin <= end);
        if first < after {
            ranges[first] = IndexRange {
                begin: begin.min(ranges[first].begin),
                end: end.max(ranges[after - 1].end),
            };
            ranges.copy_within(after.., first + 1);
            let len = ranges.len() - (after - first - 1);
            self.truncate(len);
        } else {
            self.push(IndexRange { begin, end });
            self.as_mut_slice()[first..].rotate_right(1);
        }
    }

    fn push(&mut self, range: IndexRange) {
        match &mut self.storage {
            Storage::Inline { len, ranges } if *len < INLINE => {
                ranges[*len] = range;
                *len += 1;
            }
            Storage::Inline { ranges, .. } => {
                let mut heap = Vec::with_capacity(4 * INLINE);
                heap.extend_from_slice(ranges);
                heap.push(range);
                self.storage = Storage::Heap(heap);
            }
            Storage::Heap(ranges) => ranges.push(range),
        }
    }

    fn truncate(&mut self, new_len: usize) {
        match &mut self.storage {
            Storage::Inline { len, .. } => *len = new_len.min(*len),
            Storage::Heap(ranges) => ranges.truncate(new_len),
        }
    }

    /// The indexes that are in either set.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let (mut a, mut b) = (self.as_slice(), other.as_slice());
        let mut result = Self::new();
        loop {
            let next = match (a, b) {
                ([x, rest @ ..], [y, ..]) if x.begin <= y.begin => {
                    a = rest;
                    x
                }
                ([x, rest @ ..], []) => {
                    a = rest;
                    x
                }
                (_, [y, rest @ ..]) => {
                    b = rest;
                    y
                }
                ([], []) => return result,
            };
            result.insert(next.begin, next.end);
        }
    }

    /// The indexes that are in both sets.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let mut result = Self::new();
        let common = Overlaps { a: self.as_slice(), b: other.as_slice() };
        for range in common {
            result.insert(range.begin, range.end);
        }
        result
    }

    /// Whether the sets have a member in common.
    #[must_use]
    pub fn intersects(&self, other: &Self) -> bool {
        Overlaps { a: self.as_slice(), b: other.as_slice() }.next().is_some()
    }

    /// Number of ranges.
    pub(super) fn range_count(&self) -> usize {
        self.as_slice().len()
    }

    /// Widens every range to multiples of 2^`bits` and joins those that then touch.
    pub(super) fn widen(&mut self, bits: u32) {
        let mask = (1u64 << bits) - 1;
        self.rewrite(|r| IndexRange { begin: r.begin & !mask, end: (r.end + mask) & !mask });
    }

    /// Narrows every range to multiples of 2^`bits` and drops those that vanish.
    pub(super) fn narrow(&mut self, bits: u32) {
        let mask = (1u64 << bits) - 1;
        self.rewrite(|r| IndexRange { begin: (r.begin + mask) & !mask, end: r.end & !mask });
    }

    /// The set at a level `levels` finer: all descendants of the members, four per level.
    #[must_use]
    pub fn refined(&self, levels: u8) -> Self {
        let bits = 2 * u32::from(levels);
        let mut result = self.clone();
        result.rewrite(|r| IndexRange { begin: r.begin << bits, end: r.end << bits });
        result
    }

    /// The set at a level `levels` coarser: all ancestors of the members.
    #[must_use]
    pub fn coarsened(&self, levels: u8) -> Self {
        let bits = 2 * u32::from(levels);
        let mut result = self.clone();
        result.rewrite(|r| IndexRange { begin: r.begin >> bits, end: ((r.end - 1) >> bits) + 1 });
        result
    }

    /// Replaces every range; `change` must keep the order of both bounds. Ranges that become
    /// empty are dropped, ranges that come to touch are joined.
    fn rewrite(&mut self, change: impl Fn(IndexRange) -> IndexRange) {
        let ranges = self.as_mut_slice();
        let mut kept = 0;
        for i in 0..ranges.len() {
            let range = change(ranges[i]);
            if range.is_empty() {
                continue;
            }
            if kept > 0 && range.begin <= ranges[kept - 1].end {
                ranges[kept - 1].end = range.end;
            } else {
                ranges[kept] = range;
                kept += 1;
            }
        }
        self.truncate(kept);
    }
}

/// Common parts of two ascending lists of ranges.
struct Overlaps<'a> {
    a: &'a [IndexRange],
    b: &'a [IndexRange],
}

impl Iterator for Overlaps<'_> {
    type Item = IndexRange;

    fn next(&mut self) -> Option<IndexRange> {
        while let ([x, rest_a @ ..], [y, rest_b @ ..]) = (self.a, self.b) {
            if x.end <= y.end {
                self.a = rest_a;
            } else {
                self.b = rest_b;
            }
            let common = IndexRange { begin: x.begin.max(y.begin), end: x.end.min(y.end) };
            if !common.is_empty() {
                return Some(common);
            }
        }
        None
    }
}

impl Default for RangeSet {
    fn default() -> Self {
        Self::new()
    }
}

impl PartialEq for RangeSet {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for RangeSet {}

impl fmt::Debug for RangeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.as_slice().iter().map(|r| r.begin..r.end)).finish()
    }
}

impl FromIterator<(u64, u64)> for RangeSet {
    /// Collects half-open ranges in any order.
    fn from_iter<T: IntoIterator<Item = (u64, u64)>>(ranges: T) -> Self {
        let mut set = Self::new();
        for (begin, end) in ranges {
            set.insert(begin, end);
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn members(ranges: &[(u64, u64)]) -> BTreeSet<u64> {
        ranges.iter().flat_map(|&(begin, end)| begin..end).collect()
    }

    fn is_canonical(set: &RangeSet) -> bool {
        set.as_slice().iter().all(|r| r.begin < r.end)
            && set.as_slice().windows(2).all(|w| w[0].end < w[1].begin)
    }

    fn any_ranges() -> impl Strategy<Value = Vec<(u64, u64)>> {
        prop::collection::vec((0u64..300, 0u64..12).prop_map(|(b, n)| (b, b + n)), 0..24)
    }

    #[test]
    fn touching_ranges_become_one() {
        let set: RangeSet = [(4, 6), (8, 9), (6, 8)].into_iter().collect();
        assert_eq!(set.as_slice(), [IndexRange { begin: 4, end: 9 }]);
    }

    #[test]
    fn levels_differ_by_two_bits() {
        let set: RangeSet = [(8, 9), (10, 11)].into_iter().collect();
        assert_eq!(set.refined(1), [(32, 36), (40, 44)].into_iter().collect());
        assert_eq!(set.refined(3).coarsened(3), set);
        assert_eq!(set.coarsened(1), [(2, 3)].into_iter().collect());
    }

    proptest! {
        #[test]
        fn set_operations_agree_with_a_tree_of_members(a in any_ranges(), b in any_ranges()) {
            let (sa, sb): (RangeSet, RangeSet) =
                (a.iter().copied().collect(), b.iter().copied().collect());
            let (ta, tb) = (members(&a), members(&b));
            prop_assert!(is_canonical(&sa));
            prop_assert_eq!(sa.indexes().collect::<BTreeSet<_>>(), ta.clone());
            prop_assert_eq!(sa.cardinality(), ta.len() as u64);
            prop_assert!((0..320).all(|i| sa.contains(i) == ta.contains(&i)));
            let (union, intersection) = (sa.union(&sb), sa.intersection(&sb));
            prop_assert!(is_canonical(&union) && is_canonical(&intersection));
            prop_assert_eq!(union.indexes().collect::<BTreeSet<_>>(), &ta | &tb);
            prop_assert_eq!(intersection.indexes().collect::<BTreeSet<_>>(), &ta & &tb);
            prop_assert_eq!(sa.intersects(&sb), !ta.is_disjoint(&tb));
        }

        #[test]
        fn widening_and_narrowing_enclose_the_set(a in any_ranges(), bits in 0u32..6) {
            let set: RangeSet = a.iter().copied().collect();
            let (mut wide, mut narrow) = (set.clone(), set.clone());
            wide.widen(bits);
            narrow.narrow(bits);
            prop_assert!(is_canonical(&wide) && is_canonical(&narrow));
            let cell = |i: u64| i >> bits;
            let touched: BTreeSet<u64> = set.indexes().map(cell).collect();
            prop_assert!((0..320).all(|i| wide.contains(i) == touched.contains(&cell(i))));
            let whole = |c: u64| (c << bits..(c + 1) << bits).all(|i| set.contains(i));
            prop_assert!((0..320).all(|i| narrow.contains(i) == whole(cell(i))));
        }
    }
}
