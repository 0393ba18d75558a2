//! Codes of the data IDs that rows of cells hold.

use qbb_dimensions::ElementIx;

use super::Dictionary;

/// Finds the codes of generators in rows of required cells.
pub struct RowCoder {
    /// For each generator, the positions of its required dimensions among the columns.
    parts: Vec<(ElementIx, Vec<usize>)>,
    /// Cells of one part.
    cells: Vec<i64>,
}

impl RowCoder {
    /// Columns are those of `required`, which must hold everything the generators require.
    pub fn new(dictionary: &Dictionary, required: &[ElementIx], generators: &[ElementIx]) -> Self {
        let universe = dictionary.universe();
        let parts = (generators.iter())
            .map(|&generator| {
                let positions = (universe.element(generator).required.iter())
                    .filter_map(|ix| required.iter().position(|other| other == ix))
                    .collect();
                (generator, positions)
            })
            .collect();
        Self { parts, cells: Vec::new() }
    }

    /// Puts the codes of a row into `codes`; false if one is unknown.
    pub fn codes(
        &mut self,
        dictionary: &Dictionary,
        columns: &[Vec<i64>],
        row: usize,
        codes: &mut Vec<u32>,
    ) -> bool {
        codes.clear();
        for (generator, positions) in &self.parts {
            self.cells.clear();
            self.cells.extend(positions.iter().map(|&position| columns[position][row]));
            match dictionary.code(*generator, &self.cells) {
                Some(code) => codes.push(code),
                None => return false,
            }
        }
        true
    }
}
