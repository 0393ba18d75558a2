//! Packing the codes of several dimensions into one key.

use qbb_dimensions::{DimensionGroup, ElementIx};

use crate::dictionary::Dictionary;
use crate::error::BuildError;

/// How codes of a group's generators are packed into 64 bits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) generators: Vec<ElementIx>,
    /// Bits of each generator's code.
    pub(crate) bits: Vec<u32>,
}

impl Layout {
    /// The layout for the dictionary as it is now; values added later may not fit.
    pub(crate) fn new(dictionary: &Dictionary, group: &DimensionGroup) -> Result<Self, BuildError> {
        let generators = dictionary.generators(group);
        let bits: Vec<u32> = (generators.iter())
            .map(|&ix| usize::BITS - dictionary.len(ix).saturating_sub(1).leading_zeros())
            .collect();
        let total = bits.iter().sum();
        if total > u64::BITS - 1 {
            return Err(BuildError::TooWide { group: group.to_string(), bits: total });
        }
        Ok(Self { generators, bits })
    }

    /// Bits of a whole key.
    pub(crate) fn total_bits(&self) -> u32 {
        self.bits.iter().sum()
    }

    pub(crate) fn pack(&self, codes: impl Iterator<Item = u32>) -> u64 {
        codes.zip(&self.bits).fold(0, |key, (code, &bits)| key << bits | u64::from(code))
    }

    /// Takes keys apart into one column for each generator.
    pub(crate) fn unpack(&self, keys: &[u64]) -> Vec<Vec<u32>> {
        let mut shift = self.total_bits();
        (self.bits.iter())
            .map(|&bits| {
                shift -= bits;
                let mask = (1u64 << bits) - 1;
                keys.iter().map(|&key| (key >> shift & mask) as u32).collect()
            })
            .collect()
    }
}
