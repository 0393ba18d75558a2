//! The symbols of a part of a graph.

use qbb_dimensions::{FieldColumn, KeyType, RecordTable, Symbol, Symbols, Universe};
use rustc_hash::FxHashMap;

use crate::wire;

/// Gives numbers to those symbols of a file that a part of its graph uses.
pub(super) struct Renumbering<'a> {
    source: &'a wire::SymbolText,
    numbers: FxHashMap<u32, u32>,
    symbols: Symbols,
}

impl<'a> Renumbering<'a> {
    pub(super) fn new(source: &'a wire::SymbolText) -> Self {
        Self { source, numbers: FxHashMap::default(), symbols: Symbols::new() }
    }

    /// The new number of a symbol.
    pub(super) fn number(&mut self, symbol: u32) -> Result<u32, String> {
        if let Some(&number) = self.numbers.get(&symbol) {
            return Ok(number);
        }
        let text = self.source.get(symbol).ok_or_else(|| format!("there is no symbol {symbol}"))?;
        let number = self.symbols.intern(text).0;
        self.numbers.insert(symbol, number);
        Ok(number)
    }

    /// Renumbers the cells of a string dimension.
    pub(super) fn cells(&mut self, cells: &mut [i64]) -> Result<(), String> {
        for cell in cells {
            let symbol = u32::try_from(*cell).map_err(|_| format!("{cell} is no symbol"))?;
            *cell = i64::from(self.number(symbol)?);
        }
        Ok(())
    }

    /// Renumbers the text of dimension records.
    pub(super) fn records(
        &mut self,
        table: &mut RecordTable,
        universe: &Universe,
    ) -> Result<(), String> {
        let element = universe.element(table.element);
        let dimensions = element.required.iter().chain(&element.implied);
        for (&ix, column) in dimensions.zip(table.keys.iter_mut().chain(&mut table.implied)) {
            if universe.element(ix).key_type() == Some(KeyType::Text) {
                self.cells(column)?;
            }
        }
        for field in &mut table.fields {
            if let FieldColumn::Text(values) = field {
                for symbol in values.iter_mut().flatten() {
                    *symbol = Symbol(self.number(symbol.0)?);
                }
            }
        }
        Ok(())
    }

    /// The symbols in use.
    pub(super) fn finish(self) -> Symbols {
        self.symbols
    }
}
