//! What is certain about two point sets.

use std::ops::{BitAnd, BitOr, Not};

/// Set of statements about regions A and B that certainly hold.
///
/// A missing statement means "not certain", not "false": relations of boxes and ellipses are
/// decided on bounding shapes. The bits are those of `lsst.sphgeom`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Relationship(u8);

impl Relationship {
    /// Nothing is certain.
    pub const NONE: Self = Self(0);
    /// A and B have no point in common.
    pub const DISJOINT: Self = Self(1);
    /// Every point of B is in A.
    pub const CONTAINS: Self = Self(2);
    /// Every point of A is in B.
    pub const WITHIN: Self = Self(4);

    const ALL: u8 = 7;

    /// The statements as bits: 1 disjoint, 2 contains, 4 within.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Whether all of `statements` are certain.
    #[must_use]
    pub const fn has(self, statements: Self) -> bool {
        self.0 & statements.0 == statements.0
    }

    /// The same statements about B and A.
    #[must_use]
    pub const fn inverted(self) -> Self {
        Self((self.0 & 1) | ((self.0 & 2) << 1) | ((self.0 & 4) >> 1))
    }

    /// What the statements say about overlap; `None` when they do not decide it.
    pub(super) const fn overlap(self) -> Option<bool> {
        if self.has(Self::DISJOINT) {
            Some(false)
        } else if self.0 & (Self::CONTAINS.0 | Self::WITHIN.0) != 0 {
            Some(true)
        } else {
            None
        }
    }

    /// Relation of two sets of which at least one is empty; `None` if neither is.
    pub(super) fn of_empty(a_is_empty: bool, b_is_empty: bool) -> Option<Self> {
        match (a_is_empty, b_is_empty) {
            (true, true) => Some(Self::DISJOINT | Self::CONTAINS | Self::WITHIN),
            (true, false) => Some(Self::DISJOINT | Self::WITHIN),
            (false, true) => Some(Self::DISJOINT | Self::CONTAINS),
            (false, false) => None,
        }
    }
}

impl BitOr for Relationship {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitAnd for Relationship {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl Not for Relationship {
    type Output = Self;

    fn not(self) -> Self {
        Self(!self.0 & Self::ALL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inversion_exchanges_contains_and_within() {
        assert_eq!(Relationship::CONTAINS.inverted(), Relationship::WITHIN);
        assert_eq!(Relationship::WITHIN.inverted(), Relationship::CONTAINS);
        assert_eq!(Relationship::DISJOINT.inverted(), Relationship::DISJOINT);
    }

    #[test]
    fn only_a_definite_statement_decides_overlap() {
        assert_eq!(Relationship::NONE.overlap(), None);
        assert_eq!(Relationship::CONTAINS.overlap(), Some(true));
        assert_eq!((Relationship::DISJOINT | Relationship::WITHIN).overlap(), Some(false));
    }
}
