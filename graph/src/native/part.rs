//! Some quanta of a native graph file, without reading the rest of it.

use std::collections::BTreeSet;
use std::ops::Range;

use bytemuck::{AnyBitPattern, NoUninit};
use camino::Utf8Path;
use qbb_dimensions::{
    Column, DataIdTable, DimensionGroup, ElementIx, KeyType, Ragged, RecordTable, Universe,
};
use qbb_pipeline::PipelineGraph;
use rayon::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};
use uuid::Uuid;

use super::blocks;
use super::file_bytes::PositionedFile;
use super::layout::{self, Encoding, Kind, Section};
use super::open::Reader;
use super::renumbering::Renumbering;
use super::touched::{Touched, lower_bound};
use crate::error::{GraphError, Result};
use crate::expansion::wanted_keys;
use crate::model::{
    Adjacency, CollectionStructure, DataIdGroupIx, DatasetTable, Datastore, GraphHeader,
    InputRecords, QuantumGraph, QuantumIx, QuantumTable,
};
use crate::part::GraphPart;
use crate::quantum_name::{DataIdFilter, QuantumName, Wanted, no_such_id};
use crate::wire;

/// Opens some quanta; see [`crate::open_quanta`].
pub(crate) fn open_native_quanta(path: &Utf8Path, names: &[QuantumName]) -> Result<GraphPart> {
    let file = PositionedFile::open(path)?;
    let sections = layout::decode(&file, path)?;
    let reader = Reader::new(path, file, &sections);
    let source = Source::new(&reader, &sections)?;
    let wanted = names.iter().map(|name| source.find(name)).collect::<Result<Vec<u32>>>()?;
    let mut rows = wanted.clone();
    rows.sort_unstable();
    rows.dedup();
    let graph = source.extract(&rows)?;
    graph.check_indices().map_err(|flaw| GraphError::Damaged {
        path: path.into(),
        section: format!("table `{}` of the quanta that were read", flaw.table),
        reason: format!("row {}: {}", flaw.row, flaw.reason),
    })?;
    let place = |row: &u32| QuantumIx(rows.partition_point(|other| other < row) as u32);
    Ok(GraphPart { graph, quanta: wanted.iter().map(place).collect() })
}

/// A file with what is small in it unpacked.
struct Source<'a> {
    reader: &'a Reader<'a, PositionedFile>,
    touched: Touched<'a>,
    origin: wire::Origin,
    pipeline: PipelineGraph,
    symbols: wire::SymbolText,
    groups: Vec<DimensionGroup>,
    quanta: usize,
}

/// Rows of a table of the file, ascending; their positions are the numbers in the part.
type Rows = Vec<u32>;

fn position(rows: &Rows, row: u32) -> u32 {
    rows.partition_point(|&other| other < row) as u32
}

impl<'a> Source<'a> {
    fn new(reader: &'a Reader<'a, PositionedFile>, sections: &[Section]) -> Result<Self> {
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

    fn find(&self, name: &QuantumName) -> Result<u32> {
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
        filter.single(&found)
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

    fn cell(&self, group: usize, key: usize, row: usize) -> Result<i64> {
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

    fn extract(&self, quanta: &Rows) -> Result<QuantumGraph> {
        let [inputs, outputs] = [
            (Kind::InputOffsets, Kind::InputDataset, Kind::InputConnection),
            (Kind::OutputOffsets, Kind::OutputDataset, Kind::OutputConnection),
        ]
        .map(|kinds| self.edges(quanta, kinds));
        let (mut inputs, mut outputs) = (inputs?, outputs?);
        let init: Vec<wire::InitQuantum> = self.reader.packed(Kind::InitQuanta, 0)?;
        let mut init = blocks::unpack_init_quanta(init);
        let of_init = || {
            init.iter().flat_map(|init| init.inputs.iter().chain(&init.outputs)).map(|&(_, d)| d)
        };
        let edges = inputs.dataset.iter().chain(outputs.dataset.iter()).copied();
        let mut datasets: Rows = edges.chain(of_init()).collect();
        datasets.sort_unstable();
        datasets.dedup();
        for adjacency in [&mut inputs, &mut outputs] {
            let renumbered = adjacency.dataset.iter().map(|&d| position(&datasets, d));
            adjacency.dataset = renumbered.collect();
        }
        for init in &mut init {
            for (_, dataset) in init.inputs.iter_mut().chain(&mut init.outputs) {
                *dataset = position(&datasets, *dataset);
            }
        }
        let mut quantum_table = QuantumTable {
            id: self.gather(Kind::QuantumId, quanta)?,
            task: self.gather(Kind::QuantumTask, quanta)?,
            data_id: self.gather(Kind::QuantumDataId, quanta)?,
        };
        let mut dataset_table = DatasetTable {
            id: self.gather(Kind::DatasetId, &datasets)?,
            dataset_type: self.gather(Kind::DatasetType, &datasets)?,
            data_id: self.gather(Kind::DatasetDataId, &datasets)?,
            run: self.gather(Kind::DatasetRun, &datasets)?,
        };
        let of_quanta = self.group_of(Kind::QuantumTask, &quantum_table.task, true)?;
        let of_datasets = self.group_of(Kind::DatasetType, &dataset_table.dataset_type, false)?;
        let mut used = vec![BTreeSet::new(); self.groups.len()];
        for (&group, &row) in (of_quanta.iter().zip(quantum_table.data_id.iter()))
            .chain(of_datasets.iter().zip(dataset_table.data_id.iter()))
        {
            used[group].insert(row);
        }
        let used: Vec<Rows> = used.into_iter().map(|rows| rows.into_iter().collect()).collect();
        let renumbered = |groups: &[usize], rows: &Column<u32>| -> Column<u32> {
            groups.iter().zip(rows.iter()).map(|(&g, &row)| position(&used[g], row)).collect()
        };
        quantum_table.data_id = renumbered(&of_quanta, &quantum_table.data_id);
        dataset_table.data_id = renumbered(&of_datasets, &dataset_table.data_id);

        let cells = (used.iter().enumerate())
            .map(|(group, rows)| {
                (0..self.groups[group].keys().len())
                    .map(|key| rows.iter().map(|&r| self.cell(group, key, r as usize)).collect())
                    .collect()
            })
            .collect::<Result<Vec<Vec<Vec<i64>>>>>()?;
        let mut dimension_records = self.dimension_records(&cells)?;
        let mut renumbering = Renumbering::new(&self.symbols);
        let records = self.records(&datasets, &mut renumbering)?;
        let damaged = |reason| self.reader.damaged(Kind::Symbols, 0, reason);
        let data_ids = (cells.into_iter().zip(&self.groups).zip(&used))
            .map(|((mut columns, group), rows)| {
                let universe = group.universe();
                for (column, &ix) in columns.iter_mut().zip(group.keys()) {
                    if universe.element(ix).key_type() == Some(KeyType::Text) {
                        renumbering.cells(column)?;
                    }
                }
                let columns = columns.into_iter().map(Column::from).collect();
                DataIdTable::new(group.clone(), columns, rows.len())
                    .ok_or_else(|| "data IDs do not fit their dimensions".to_owned())
            })
            .collect::<Result<Vec<_>, String>>()
            .map_err(damaged)?;
        for table in &mut dimension_records {
            renumbering.records(table, &self.pipeline.universe).map_err(damaged)?;
        }
        let collections: wire::Collections = self.reader.packed(Kind::Collections, 0)?;
        let origin = &self.origin;
        let groups = |groups: &[u16]| groups.iter().copied().map(DataIdGroupIx).collect();
        Ok(QuantumGraph {
            header: GraphHeader {
                inputs: origin.inputs.clone(),
                output: origin.output.clone(),
                output_run: origin.output_run.clone(),
                user: origin.user.clone(),
                timestamp: origin.timestamp.clone(),
                command: origin.command.clone(),
                metadata: origin.metadata.clone(),
            },
            pipeline: self.pipeline.clone(),
            symbols: renumbering.finish(),
            data_ids,
            task_groups: groups(&origin.task_groups),
            dataset_type_groups: groups(&origin.dataset_type_groups),
            runs: origin.runs.clone(),
            datasets: dataset_table,
            quanta: quantum_table,
            inputs,
            outputs,
            init_quanta: init,
            datastores: (origin.datastores.iter().cloned())
                .map(|(name, root)| Datastore { name, root })
                .collect(),
            records,
            dimension_records,
            collections: CollectionStructure {
                inputs: collections.inputs,
                ..CollectionStructure::default()
            },
            lookups: Default::default(),
        })
    }

    fn edges(&self, quanta: &Rows, kinds: (Kind, Kind, Kind)) -> Result<Adjacency> {
        let (mut offsets, mut datasets, mut connections) = (vec![0], Vec::new(), Vec::new());
        for &quantum in quanta {
            let at = quantum as usize;
            let bounds: Vec<u64> = self.touched.values(kinds.0, 0, at..at + 2)?;
            let range: Range<usize> = match bounds[..] {
                [begin, end] if begin <= end => begin as usize..end as usize,
                _ => {
                    let reason = format!("those of quantum {quantum} do not ascend");
                    return Err(self.reader.damaged(kinds.0, 0, reason));
                }
            };
            datasets.extend(self.touched.values::<u32>(kinds.1, 0, range.clone())?);
            connections.extend(self.touched.values::<u16>(kinds.2, 0, range)?);
            offsets.push(datasets.len() as u64);
        }
        Ok(Adjacency {
            offsets: offsets.into(),
            dataset: datasets.into(),
            connection: connections.into(),
        })
    }

    fn gather<T: AnyBitPattern + NoUninit>(&self, kind: Kind, rows: &Rows) -> Result<Column<T>> {
        rows.iter().map(|&row| self.touched.value(kind, row as usize)).collect()
    }

    /// The dimension group of each row by its task or dataset type.
    fn group_of(&self, kind: Kind, numbers: &[u32], tasks: bool) -> Result<Vec<usize>> {
        let groups =
            if tasks { &self.origin.task_groups } else { &self.origin.dataset_type_groups };
        (numbers.iter())
            .map(|&number| match groups.get(number as usize) {
                Some(&group) => Ok(usize::from(group)),
                None => {
                    let reason = format!("{number} does not exist (there are {})", groups.len());
                    Err(self.reader.damaged(kind, 0, reason))
                }
            })
            .collect()
    }

    /// Datastore records of datasets.
    fn records(&self, datasets: &Rows, symbols: &mut Renumbering<'_>) -> Result<InputRecords> {
        let all = self.touched.len::<u32>(Kind::RecordDataset)?;
        let (mut rows, mut dataset) = (Rows::new(), Vec::new());
        for (number, &of) in datasets.iter().enumerate() {
            let mut row = self.touched.lower_bound(Kind::RecordDataset, 0..all, |d: u32| d < of)?;
            while row < all && self.touched.value::<u32>(Kind::RecordDataset, row)? == of {
                rows.push(row as u32);
                dataset.push(number as u32);
                row += 1;
            }
        }
        let mut texts = |kind| -> Result<Column<u32>> {
            let numbers: Column<u32> = self.gather(kind, &rows)?;
            (numbers.iter())
                .map(|&number| match number {
                    InputRecords::WHOLE if kind == Kind::RecordComponent => Ok(number),
                    _ => symbols.number(number),
                })
                .collect::<Result<_, String>>()
                .map_err(|reason| self.reader.damaged(kind, 0, reason))
        };
        Ok(InputRecords {
            formatter: texts(Kind::RecordFormatter)?,
            storage_class: texts(Kind::RecordStorageClass)?,
            component: texts(Kind::RecordComponent)?,
            dataset: dataset.into(),
            datastore: self.gather(Kind::RecordDatastore, &rows)?,
            path: self.ragged(Kind::RecordPathEnds, Kind::RecordPaths, &rows)?,
            checksum: self.ragged(Kind::RecordChecksumEnds, Kind::RecordChecksums, &rows)?,
            file_size: self.gather(Kind::RecordFileSize, &rows)?,
        })
    }

    fn ragged(&self, ends: Kind, bytes: Kind, rows: &Rows) -> Result<Ragged> {
        let value = |&row: &u32| -> Result<Vec<u8>> {
            let row = row as usize;
            let begin = match row {
                0 => 0,
                _ => self.touched.value::<u64>(ends, row - 1)?,
            };
            let end = self.touched.value::<u64>(ends, row)?;
            if begin > end {
                let reason = format!("that of value {row} is before the one before");
                return Err(self.reader.damaged(ends, 0, reason));
            }
            self.touched.values(bytes, 0, begin as usize..end as usize)
        };
        let values = rows.iter().map(value).collect::<Result<Vec<Vec<u8>>>>()?;
        Ok(values.iter().map(Vec::as_slice).collect())
    }

    /// The records that expand data IDs, given as columns for each group.
    fn dimension_records(&self, data_ids: &[Vec<Vec<i64>>]) -> Result<Vec<RecordTable>> {
        let universe = &self.pipeline.universe;
        let wanted = wanted_keys(universe, &self.groups, data_ids);
        let sections = self.record_sections(universe, &wanted)?;
        let unpack = |&index: &u16| -> Result<(u16, wire::Records)> {
            Ok((index, self.reader.packed(Kind::Records, index)?))
        };
        // For a few sections, handing the work to other threads takes longer than doing it.
        let unpacked: Vec<(u16, wire::Records)> = match sections.len() {
            ..16 => sections.iter().map(unpack).collect::<Result<_>>()?,
            _ => sections.par_iter().map(unpack).collect::<Result<_>>()?,
        };
        let mut tables: Vec<RecordTable> = Vec::new();
        for (index, records) in unpacked {
            let table = blocks::unpack_records(records, universe)
                .map_err(|reason| self.reader.damaged(Kind::Records, index, reason))?;
            let Some(keys) = wanted.get(&table.element) else { continue };
            let element = universe.element(table.element);
            let known = tables.iter().position(|known| known.element == table.element);
            let known = known.unwrap_or_else(|| {
                tables.push(RecordTable::new(element));
                tables.len() - 1
            });
            let mut key = Vec::new();
            for row in 0..table.len() {
                key.clear();
                key.extend(table.keys.iter().map(|column| column[row]));
                if keys.contains(&key) {
                    tables[known].push_from(&table, row as u32);
                }
            }
        }
        Ok(tables)
    }

    /// The sections that may hold wanted records; all of them in a file that does not say.
    fn record_sections(
        &self,
        universe: &Universe,
        wanted: &FxHashMap<ElementIx, FxHashSet<Vec<i64>>>,
    ) -> Result<Vec<u16>> {
        let count = self.reader.record_sections();
        if self.reader.section(Kind::RecordRanges, 0, Encoding::Packed).is_err() {
            return Ok((0..count).collect());
        }
        let ranges: Vec<wire::RecordRange> = self.reader.packed(Kind::RecordRanges, 0)?;
        if ranges.len() != usize::from(count) {
            let reason = format!("it tells of {} sections instead of {count}", ranges.len());
            return Err(self.reader.damaged(Kind::RecordRanges, 0, reason));
        }
        let may_hold = |range: &wire::RecordRange| {
            let keys = universe.find(&range.element).and_then(|element| wanted.get(&element.ix));
            let inside = |key: &Vec<i64>| {
                let bounds = key.iter().zip(&range.keys);
                bounds.clone().count() == key.len()
                    && bounds.clone().all(|(cell, (min, max))| min <= cell && cell <= max)
            };
            keys.is_some_and(|keys| keys.iter().any(inside))
        };
        let numbered = (0..count).zip(&ranges);
        Ok(numbered.filter(|(_, range)| may_hold(range)).map(|(index, _)| index).collect())
    }
}
