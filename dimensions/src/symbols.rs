//! Interned strings.

use std::hash::BuildHasher;

use hashbrown::HashTable;
use rustc_hash::FxBuildHasher;

/// A string of a [`Symbols`] table, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Symbol(pub u32);

impl Symbol {
    /// The symbol as a cell of a data ID table.
    pub fn cell(self) -> i64 {
        i64::from(self.0)
    }
}

/// Strings, each stored once in one block and known by number.
///
/// Numbers are dense and given in order of first appearance, so two tables filled in the same
/// order agree; the order of numbers says nothing about the order of the strings.
#[derive(Debug, Clone, Default)]
pub struct Symbols {
    text: String,
    ends: Vec<u32>,
    index: HashTable<u32>,
}

impl Symbols {
    /// An empty table.
    pub fn new() -> Self {
        Self::default()
    }

    /// Number of strings.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are no strings.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The number of `text`, given now if it is new.
    ///
    /// # Panics
    /// If the table would exceed 4 GiB of text.
    pub fn intern(&mut self, text: &str) -> Symbol {
        let hash = FxBuildHasher.hash_one(text);
        let Self { text: block, ends, index } = self;
        let found = index.find(hash, |&i| string_at(block, ends, i) == text);
        if let Some(&number) = found {
            return Symbol(number);
        }
        let number = ends.len() as u32;
        block.push_str(text);
        assert!(block.len() <= u32::MAX as usize, "interned text exceeds 4 GiB");
        ends.push(block.len() as u32);
        index.insert_unique(hash, number, |&i| FxBuildHasher.hash_one(string_at(block, ends, i)));
        Symbol(number)
    }

    /// The number of `text` if it is known.
    pub fn find(&self, text: &str) -> Option<Symbol> {
        let hash = FxBuildHasher.hash_one(text);
        self.index
            .find(hash, |&i| string_at(&self.text, &self.ends, i) == text)
            .map(|&number| Symbol(number))
    }

    /// The string with this number, or `None` if the number was not given by this table.
    pub fn get(&self, symbol: Symbol) -> Option<&str> {
        ((symbol.0 as usize) < self.ends.len()).then(|| string_at(&self.text, &self.ends, symbol.0))
    }

    /// The string a cell stands for, or `None` if the cell is not a symbol of this table.
    pub fn of_cell(&self, cell: i64) -> Option<&str> {
        self.get(Symbol(u32::try_from(cell).ok()?))
    }

    /// All strings in order of their numbers.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        (0..self.ends.len() as u32).map(|i| string_at(&self.text, &self.ends, i))
    }
}

impl<'a> FromIterator<&'a str> for Symbols {
    fn from_iter<I: IntoIterator<Item = &'a str>>(iter: I) -> Self {
        let mut symbols = Self::new();
        for text in iter {
            symbols.intern(text);
        }
        symbols
    }
}

fn string_at<'a>(text: &'a str, ends: &[u32], index: u32) -> &'a str {
    let index = index as usize;
    let begin = if index == 0 { 0 } else { ends[index - 1] as usize };
    &text[begin..ends[index] as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_string_has_one_dense_number() {
        let mut symbols = Symbols::new();
        let numbers: Vec<u32> =
            ["r", "g", "", "r", "ö"].iter().map(|text| symbols.intern(text).0).collect();
        assert_eq!(numbers, [0, 1, 2, 0, 3]);
        assert_eq!(symbols.iter().collect::<Vec<_>>(), ["r", "g", "", "ö"]);
        assert_eq!(symbols.find("g"), Some(Symbol(1)));
        assert_eq!(symbols.find("i"), None);
        assert_eq!(symbols.of_cell(3), Some("ö"));
        assert_eq!(symbols.of_cell(-1), None);
        assert_eq!(symbols.get(Symbol(4)), None);
    }
}
