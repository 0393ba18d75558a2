//! The graph of some quanta.

use std::collections::BTreeSet;
use std::ops::Range;

use bytemuck::{AnyBitPattern, NoUninit};
use camino::Utf8Path;
use qbb_dimensions::{Column, DataIdTable, KeyType};

use super::source::Source;
use crate::error::{GraphError, Result};
use crate::model::{
    Adjacency, CollectionStructure, DataIdGroupIx, DatasetTable, Datastore, GraphHeader,
    QuantumGraph, QuantumIx, QuantumTable,
};
use crate::native::blocks;
use crate::native::file_bytes::PositionedFile;
use crate::native::layout::{self, Kind};
use crate::native::open::Reader;
use crate::native::renumbering::Renumbering;
use crate::part::GraphPart;
use crate::quantum_name::QuantumName;
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

/// Rows of a table of the file, ascending; their positions are the numbers in the part.
pub(super) type Rows = Vec<u32>;

fn position(rows: &Rows, row: u32) -> u32 {
    rows.partition_point(|&other| other < row) as u32
}

impl Source<'_> {
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

    /// Values of a column.
    pub(super) fn gather<T: AnyBitPattern + NoUninit>(
        &self,
        kind: Kind,
        rows: &Rows,
    ) -> Result<Column<T>> {
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
}
