//! Packing the codes of several dimensions into one key.

use std::sync::Mutex;

use qbb_dimensions::{DimensionGroup, ElementIx};
use rustc_hash::FxHashMap;

use crate::engine::dictionary::Dictionary;

/// Bits of the number of a key's beginning.
const NUMBER_BITS: u32 = u32::BITS;

/// How codes of a group's generators are packed into 64 bits.
///
/// Where they do not fit, the beginnings of keys are numbered: a key is then the number of its
/// beginning followed by the remaining codes. Numbers are given by the dictionary, so that keys of
/// one layout can be compared wherever they come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// Dimensions whose codes are packed.
    pub generators: Vec<ElementIx>,
    /// Bits of each generator's code.
    bits: Vec<u32>,
    /// Generators before which the key so far is replaced by its number, ascending.
    numbered: Vec<usize>,
    total_bits: u32,
}

/// Generators and bits of a part of a layout.
type Beginning = Vec<(ElementIx, u32)>;

impl Layout {
    /// The layout for the dictionary as it is now; values added later may not fit.
    pub fn new(dictionary: &Dictionary, group: &DimensionGroup) -> Self {
        let generators = dictionary.generators(group);
        let bits: Vec<u32> = (generators.iter())
            .map(|&ix| usize::BITS - dictionary.len(ix).saturating_sub(1).leading_zeros())
            .collect();
        let mut numbered = Vec::new();
        let mut total_bits = 0;
        for (at, &bits) in bits.iter().enumerate() {
            if at > 0 && total_bits + bits > dictionary.numbers.key_bits {
                numbered.push(at);
                total_bits = NUMBER_BITS;
            }
            total_bits += bits;
        }
        Self { generators, bits, numbered, total_bits }
    }

    /// Bits of a whole key.
    pub fn total_bits(&self) -> u32 {
        self.total_bits
    }

    /// Bits of each generator's code, and whether the key before it is replaced by its number.
    pub fn parts(&self) -> impl Iterator<Item = (ElementIx, u32, Option<Beginning>)> + '_ {
        (0..self.generators.len()).map(|at| {
            let beginning = self.numbered.contains(&at).then(|| self.beginning(at));
            (self.generators[at], self.bits[at], beginning)
        })
    }

    fn beginning(&self, at: usize) -> Beginning {
        self.generators[..at].iter().copied().zip(self.bits[..at].iter().copied()).collect()
    }

    /// The key of one row, given codes by generator; `None` if one has none.
    pub fn key(
        &self,
        dictionary: &Dictionary,
        code: impl Fn(ElementIx) -> Option<u32>,
    ) -> Option<u64> {
        let mut key = 0;
        for (at, (&generator, &bits)) in self.generators.iter().zip(&self.bits).enumerate() {
            if !self.numbered.is_empty() && self.numbered.contains(&at) {
                dictionary.numbers.number(&self.beginning(at), std::slice::from_mut(&mut key));
            }
            key = key << bits | u64::from(code(generator)?);
        }
        Some(key)
    }

    /// Takes keys apart into one column for each generator.
    pub fn unpack(&self, dictionary: &Dictionary, keys: &[u64]) -> Vec<Vec<u32>> {
        let mut columns: Vec<Vec<u32>> = vec![Vec::new(); self.bits.len()];
        let mut beginnings: Vec<u64>;
        let mut keys = keys;
        let mut end = self.bits.len();
        for &at in self.numbered.iter().rev() {
            self.unpack_part(at..end, keys, &mut columns);
            let shift: u32 = self.bits[at..end].iter().sum();
            beginnings = keys.iter().map(|key| key.checked_shr(shift).unwrap_or(0)).collect();
            dictionary.numbers.resolve(&self.beginning(at), &mut beginnings);
            keys = &beginnings;
            end = at;
        }
        self.unpack_part(0..end, keys, &mut columns);
        columns
    }

    fn unpack_part(&self, part: std::ops::Range<usize>, keys: &[u64], columns: &mut [Vec<u32>]) {
        let mut shift = 0;
        for at in part.rev() {
            let mask = (1u64 << self.bits[at]) - 1;
            columns[at] = keys.iter().map(|&key| (key >> shift & mask) as u32).collect();
            shift += self.bits[at];
        }
    }
}

/// Numbers of the beginnings of keys that do not fit 64 bits.
#[derive(Debug)]
pub struct KeyNumbers {
    /// Longest key whose beginning is not numbered.
    pub key_bits: u32,
    known: Mutex<FxHashMap<Beginning, Numbers>>,
}

#[derive(Debug, Default)]
struct Numbers {
    number: FxHashMap<u64, u32>,
    /// The beginning with each number.
    key: Vec<u64>,
}

impl Default for KeyNumbers {
    fn default() -> Self {
        Self { key_bits: u64::BITS, known: Mutex::default() }
    }
}

impl KeyNumbers {
    fn with<T>(&self, beginning: &Beginning, act: impl FnOnce(&mut Numbers) -> T) -> T {
        // Nothing panics between changes that belong together, so a poisoned lock is as good.
        let mut known = self.known.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(numbers) = known.get_mut(beginning) {
            return act(numbers);
        }
        act(known.entry(beginning.clone()).or_default())
    }

    /// Replaces beginnings of keys by their numbers, given now to those that are new.
    pub fn number(&self, beginning: &Beginning, keys: &mut [u64]) {
        self.with(beginning, |numbers| {
            for key in keys {
                let next = numbers.key.len() as u32;
                let number = *numbers.number.entry(*key).or_insert(next);
                if number == next {
                    numbers.key.push(*key);
                }
                *key = u64::from(number);
            }
        });
    }

    fn resolve(&self, beginning: &Beginning, keys: &mut [u64]) {
        self.with(beginning, |numbers| {
            for key in keys {
                *key = numbers.key.get(*key as usize).copied().unwrap_or_default();
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use qbb_dimensions::{RecordTable, Universe};
    use serde_json::json;

    use super::*;
    use crate::engine::relation::Relation;

    /// Values of each dimension: five times 14 bits do not fit 64.
    const VALUES: u32 = 1 << 14;
    const NAMES: [&str; 5] = ["detector", "day_obs", "visit_system", "group", "physical_filter"];

    fn dictionary() -> Dictionary {
        let universe =
            Universe::from_json(include_str!("../../../dimensions/tests/data/universe8.json"))
                .unwrap();
        let mut dictionary = Dictionary::new(&universe);
        let mut add = |name: &str, rows: &mut dyn Iterator<Item = serde_json::Value>| {
            let mut table = RecordTable::new(universe.find(name).unwrap());
            for row in rows {
                let row = row.as_array().unwrap();
                table.push_json(row, &universe, &mut dictionary.symbols).unwrap();
            }
            dictionary.add_records(table);
        };
        add("instrument", &mut std::iter::once(json!(["C", 1, 1, 1, 1, "x"])));
        for name in NAMES {
            add(
                name,
                &mut (0..VALUES).map(|value| match name {
                    "detector" => json!(["C", value, value.to_string(), null, null, null]),
                    "day_obs" => json!(["C", value, null]),
                    "visit_system" => json!(["C", value, value.to_string()]),
                    "physical_filter" => json!(["C", value.to_string(), "r"]),
                    _ => json!(["C", value.to_string()]),
                }),
            );
        }
        dictionary
    }

    #[test]
    fn any_number_of_values_fits() {
        let dictionary = dictionary();
        let group = dictionary.universe().conform(NAMES).unwrap();
        let layout = Layout::new(&dictionary, &group);
        assert_eq!((layout.bits.iter().sum::<u32>(), layout.numbered.as_slice()), (70, &[4][..]));
        let n = 5000;
        // The second half repeats the first.
        let columns: Vec<Vec<u32>> = (0..5)
            .map(|at| (0..n).map(|row| row % (n / 2) / (at + 1) * 7919 % VALUES).collect())
            .collect();
        let relation = Relation::new(&dictionary, group.clone(), columns.clone(), n as usize);
        let keys = relation.keys(&dictionary, &layout);
        assert_eq!(layout.unpack(&dictionary, &keys), columns);
        let rows: std::collections::BTreeSet<Vec<u32>> =
            (0..n as usize).map(|row| columns.iter().map(|column| column[row]).collect()).collect();
        let projected = relation.project(&dictionary, &group);
        assert_eq!(projected.len, rows.len());
        let code = |row: usize| {
            let (dictionary, relation) = (&dictionary, &relation);
            move |ix| Some(relation.code_column(dictionary, ix)?.get(row))
        };
        assert_eq!(layout.key(&dictionary, code(4)), Some(keys[4]));
    }
}
