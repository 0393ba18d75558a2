//! A graph file of which some quanta are wanted.

use qbb_dimensions::DimensionGroup;
use qbb_pipeline::PipelineGraph;
use uuid::Uuid;

use crate::error::Result;
use crate::native::blocks;
use crate::native::file_bytes::PositionedFile;
use crate::native::layout::{Encoding, Kind, Section};
use crate::native::open::Reader;
use crate::native::touched::{Touched, lower_bound};
use crate::quantum_name::{DataIdFilter, QuantumName, Wanted, no_such_id};
use crate::wire;

/// A file with what is small in it unpacked.
pub(super) struct Source<'a> {
    pub(super) reader: &'a Reader<'a, PositionedFile>,
    pub(super) touched: Touched<'a>,
    pub(super) origin: wire::Origin,
    pub(super) pipeline: PipelineGraph,
    pub(super) symbols: wire::SymbolText,
    pub(super) groups: Vec<DimensionGroup>,
    quanta: usize,
}

impl<'a> Source<'a> {
    /// Reads what is small.
    pub(super) fn new(
        reader: &'a Reader<'a, PositionedFile>,
        sections: &[Section],
    ) -> Result<Self> {
        let touched = Touched::new(reader, sections)?;
        let origin: wire::Origin = reader.packed(Kind::Origin, 0)?;
        let pipeline = blocks::unpack_pipeline(&reader.packed(Kind::Pipeline, 0)?)
            .map_err(|reason| reader.damaged(Kind::Pipeline, 0, reason))?;
        let symbols: wire::SymbolText = reader.packed(Kind::Symbols, 0)?;
        let mut groups = Vec::with_capacity(origin.groups.len());
        for (names, rows) in &origin.groups {
            let group = (pipeline.universe.conform(names.iter().map(String::as_str)))
                .map_err(|error| reader.damaged(Kind::Origin, 0, error.to_string()))?;
            if group.is_empty() && *rows > 1 {
                let reason = format!("there is one empty data ID, not {rows}");
                return Err(reader.damaged(Kind::Origin, 0, reason));
            }
            groups.push(group);
        }
        for (used, wanted) in [
            (&origin.task_groups, pipeline.tasks.len()),
            (&origin.dataset_type_groups, pipeline.dataset_types.len()),
        ] {
            if used.len() != wanted || used.iter().any(|&g| usize::from(g) >= groups.len()) {
                let reason = "its dimension groups are not those of the pipeline";
                return Err(reader.damaged(Kind::Origin, 0, reason));
            }
        }
        let quanta = reader.count(origin.quanta, "quanta")?;
        reader.count(origin.datasets, "datasets")?;
        Ok(Self { reader, touched, origin, pipeline, symbols, groups, quanta })
    }

    /// The number of a quantum.
    pub(super) fn find(&self, name: &QuantumName) -> Result<u32> {
        match name {
            QuantumName::Id(id) => self.find_id(*id),
            QuantumName::DataId(filter) => self.find_data_id(filter),
        }
    }

    fn find_id(&self, id: Uuid) -> Result<u32> {
        let wanted = id.into_bytes();
        let row = if self.reader.section(Kind::QuantumOrder, 0, Encoding::InPlace).is_ok() {
            let quantum = |at| self.touched.value::<u32>(Kind::QuantumOrder, at);
            let id_at = |at| -> Result<[u8; 16]> {
                self.touched.value(Kind::QuantumId, quantum(at)? as usize)
            };
            let at = lower_bound(0..self.quanta, |at| Ok(id_at(at)? < wanted))?;
            (at < self.quanta && id_at(at)? == wanted).then(|| quantum(at)).transpose()?
        } else {
            let ids: Vec<[u8; 16]> = self.touched.values(Kind::QuantumId, 0, 0..self.quanta)?;
            ids.iter().position(|id| *id == wanted).map(|row| row as u32)
        };
        row.ok_or_else(|| no_such_id(id))
    }

    fn find_data_id(&self, filter: &DataIdFilter) -> Result<u32> {
        let task = filter.task(&self.pipeline)?;
        let group = usize::from(self.origin.task_groups[task.index()]);
        let keys = filter.keys(&self.groups[group])?;
        let first = self.touched.lower_bound(Kind::QuantumTask, 0..self.quanta, |t| task.0 > t)?;
        let after = |t: u32| t <= task.0;
        let end = self.touched.lower_bound(Kind::QuantumTask, first..self.quanta, after)?;
        let quanta = first..end;
        // Tables are sorted by value, which a reader may use but must not rely on.
        if let Some(row) = self.sorted_data_id(group, &keys)? {
            let is_before = |other: u32| other < row;
            let at = self.touched.lower_bound(Kind::QuantumDataId, quanta.clone(), is_before)?;
            if at < end && self.touched.value::<u32>(Kind::QuantumDataId, at)? == row {
                return Ok(at as u32);
            }
        }
        let mut fits = vec![true; self.rows(group)?];
        for (key, wanted) in &keys {
            let cell = match wanted {
                Wanted::Int(value) => *value,
                Wanted::Text(text) => self.symbol_of(text).unwrap_or(-1),
            };
            for (fits, other) in fits.iter_mut().zip(self.column(group, *key)?) {
                *fits &= other == cell;
            }
        }
        let rows: Vec<u32> = self.touched.values(Kind::QuantumDataId, 0, quanta)?;
        let found: Vec<u32> = (rows.iter().zip(first as u32..))
            .filter(|(row, _)| fits.get(**row as usize) == Some(&true))
            .map(|(_, quantum)| quantum)
            .collect();
        filter.single(&found, &self.groups[group])
    }

    /// The row of a data ID by binary search, if all required values are given.
    fn sorted_data_id(&self, group: usize, keys: &[(usize, Wanted)]) -> Result<Option<u32>> {
        let required = self.groups[group].required().len();
        if keys.len() < required || keys[..required].iter().enumerate().any(|(i, key)| key.0 != i) {
            return Ok(None);
        }
        let compare = |row: usize, keys: &[(usize, Wanted)]| -> Result<std::cmp::Ordering> {
            for (key, wanted) in keys {
                let cell = self.cell(group, *key, row)?;
                let ordering = match wanted {
                    Wanted::Int(value) => cell.cmp(value),
                    Wanted::Text(text) => self.text_of(cell).unwrap_or_default().cmp(text.as_str()),
                };
                if ordering.is_ne() {
                    return Ok(ordering);
                }
            }
            Ok(std::cmp::Ordering::Equal)
        };
        let rows = self.rows(group)?;
        let row = lower_bound(0..rows, |row| Ok(compare(row, &keys[..required])?.is_lt()))?;
        Ok((row < rows && compare(row, keys)?.is_eq()).then_some(row as u32))
    }

    /// Number of data IDs of a group.
    fn rows(&self, group: usize) -> Result<usize> {
        let rows = self.reader.count(self.origin.groups[group].1, "data IDs")?;
        let section = self.reader.section(Kind::DataIds, group as u16, Encoding::InPlace)?;
        let keys = self.groups[group].keys().len();
        if section.length == (keys * rows * size_of::<i64>()) as u64 {
            return Ok(rows);
        }
        let reason = format!("it has {} bytes for {keys} × {rows} cells", section.length);
        Err(self.reader.damage(section, reason))
    }

    fn column(&self, group: usize, key: usize) -> Result<Vec<i64>> {
        let rows = self.rows(group)?;
        self.touched.values(Kind::DataIds, group as u16, key * rows..(key + 1) * rows)
    }

    /// A value of a data ID.
    pub(super) fn cell(&self, group: usize, key: usize, row: usize) -> Result<i64> {
        let rows = self.rows(group)?;
        if row >= rows {
            let reason = format!("data ID {row} does not exist (there are {rows})");
            return Err(self.reader.damaged(Kind::DataIds, group as u16, reason));
        }
        self.touched.value_of(Kind::DataIds, group as u16, key * rows + row)
    }

    fn text_of(&self, cell: i64) -> Option<&str> {
        self.symbols.get(u32::try_from(cell).ok()?)
    }

    fn symbol_of(&self, text: &str) -> Option<i64> {
        (0..self.symbols.ends.len() as u32)
            .find(|&number| self.symbols.get(number) == Some(text))
            .map(i64::from)
    }
}
