//! The smallest set of constraints that leaves nothing.

use std::collections::BTreeSet;

/// Sets of this many constraints are tried one by one before smaller ones are looked for inside of
/// larger ones.
const EXHAUSTIVE: usize = 2;

/// The fewest of `n` constraints that together leave nothing, in order; all of them must.
///
/// Sets of one and two are all tried, in order, so that a set of that size is the smallest there is,
/// and the first in the order of the constraints. Otherwise constraints are left out one by one, the
/// last first, as long as nothing is left: then no constraint of the result can be spared. `empties`
/// must be monotone: more constraints never leave more.
///
/// # Errors
/// Those of `empties`.
pub(super) fn smallest<E>(
    n: usize,
    pairs: bool,
    mut empties: impl FnMut(&[usize]) -> Result<bool, E>,
) -> Result<Vec<usize>, E> {
    for one in 0..n {
        if empties(&[one])? {
            return Ok(vec![one]);
        }
    }
    if pairs && n > EXHAUSTIVE {
        for second in 1..n {
            for first in 0..second {
                if empties(&[first, second])? {
                    return Ok(vec![first, second]);
                }
            }
        }
    }
    let mut kept: BTreeSet<usize> = (0..n).collect();
    for candidate in (0..n).rev() {
        let without: Vec<usize> = kept.iter().copied().filter(|&at| at != candidate).collect();
        if empties(&without)? {
            kept.remove(&candidate);
        }
    }
    Ok(kept.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::*;

    /// Constraints that exclude rows: nothing is left if every row is excluded by one of a set.
    fn all_excluded(excluded: &[u8], set: &[usize]) -> bool {
        set.iter().fold(0u8, |rows, &at| rows | excluded[at]) == u8::MAX
    }

    proptest! {
        #[test]
        fn nothing_can_be_spared_and_small_sets_are_smallest(
            excluded in prop::collection::vec(any::<u8>(), 1..8),
        ) {
            let n = excluded.len();
            let all: Vec<usize> = (0..n).collect();
            prop_assume!(all_excluded(&excluded, &all));
            let empties = |set: &[usize]| Ok::<_, Infallible>(all_excluded(&excluded, set));
            let found = smallest(n, true, empties).unwrap();
            prop_assert!(all_excluded(&excluded, &found));
            for left_out in 0..found.len() {
                let mut fewer = found.clone();
                fewer.remove(left_out);
                prop_assert!(!all_excluded(&excluded, &fewer));
            }
            let size_of_smallest = (0u32..1 << n)
                .filter(|set| {
                    let set: Vec<usize> = (0..n).filter(|at| set >> at & 1 == 1).collect();
                    all_excluded(&excluded, &set)
                })
                .map(u32::count_ones)
                .min();
            if found.len() > 2 {
                prop_assert!(size_of_smallest > Some(2));
            } else {
                prop_assert_eq!(size_of_smallest, Some(found.len() as u32));
            }
        }
    }
}
