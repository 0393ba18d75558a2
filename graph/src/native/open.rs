//! Opening native graph files.

use std::borrow::Cow;

use bytemuck::{AnyBitPattern, NoUninit};
use camino::Utf8Path;
use qbb_dimensions::{Column, DataIdTable, Ragged};
use rayon::prelude::*;
use rustc_hash::FxHashMap;

use super::blocks;
use super::file_bytes::FileBytes;
use super::layout::{self, ENTRY, Encoding, Kind, Section};
use crate::error::{GraphError, Result};
use crate::mapped::MappedFile;
use crate::model::{
    Adjacency, DataIdGroupIx, DatasetTable, Datastore, GraphHeader, InputRecords, QuantumGraph,
    QuantumTable,
};
use crate::wire;

/// How much of a native file is checked when it is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Check {
    /// What it takes to map the tables; see the format's section 3. Numbers that point from one
    /// table into another are unchecked: call [`QuantumGraph::check_quantum`] before looking at
    /// a quantum through anything but the functions that return a `Result`.
    Structure,
    /// Everything: checksums, and every number that points into a table.
    #[default]
    Full,
}

/// Opens a native graph file; its big tables stay in the file.
///
/// # Errors
/// If the file cannot be mapped, is not a native graph, is of another major version, or is damaged.
pub fn open_native(path: &Utf8Path, check: Check) -> Result<QuantumGraph> {
    let file = MappedFile::open(path)?;
    let sections = layout::decode(&file, path)?;
    let reader = Reader::new(path, file, &sections);
    if check == Check::Full {
        reader.verify_bytes(&sections)?;
    }
    let graph = reader.graph()?;
    if check == Check::Full {
        graph.check_indices().map_err(|flaw| GraphError::Damaged {
            path: path.into(),
            section: format!("table `{}`", flaw.table),
            reason: format!("row {}: {}", flaw.row, flaw.reason),
        })?;
        reader.verify_order(&graph.quanta.id)?;
    }
    Ok(graph)
}

/// A file with its sections.
pub(super) struct Reader<'a, F> {
    path: &'a Utf8Path,
    file: F,
    sections: FxHashMap<(u16, u16), &'a Section>,
}

impl<'a, F: FileBytes> Reader<'a, F> {
    pub(super) fn new(path: &'a Utf8Path, file: F, sections: &'a [Section]) -> Self {
        let index = sections.iter().map(|section| ((section.kind, section.index), section));
        Self { path, file, sections: index.collect() }
    }

    pub(super) fn file(&self) -> &F {
        &self.file
    }

    /// The error of bytes that cannot be read.
    pub(super) fn unreadable(&self, error: std::io::Error) -> GraphError {
        GraphError::io("read", self.path)(error)
    }

    /// An error in a section.
    pub(super) fn damage(&self, section: &Section, reason: impl Into<String>) -> GraphError {
        let section = section.name();
        GraphError::Damaged { path: self.path.into(), section, reason: reason.into() }
    }

    /// The same by kind.
    pub(super) fn damaged(&self, kind: Kind, index: u16, reason: impl Into<String>) -> GraphError {
        let section = match self.sections.get(&(kind as u16, index)) {
            Some(section) => section.name(),
            None => format!("section `{}`", kind.name()),
        };
        GraphError::Damaged { path: self.path.into(), section, reason: reason.into() }
    }

    /// The bytes of a section, which [`layout::decode`] found inside the file.
    pub(super) fn bytes_of(&self, section: &Section) -> Result<Cow<'_, [u8]>> {
        self.file.read(section.offset..section.end()).map_err(|error| self.unreadable(error))
    }

    pub(super) fn section(
        &self,
        kind: Kind,
        index: u16,
        encoding: Encoding,
    ) -> Result<&'a Section> {
        let section = (self.sections.get(&(kind as u16, index)))
            .ok_or_else(|| self.damaged(kind, index, "it is missing"))?;
        if section.encoding != encoding {
            return Err(self.damaged(kind, index, "it has the wrong encoding"));
        }
        Ok(section)
    }

    /// That the bytes of a section are as they were written.
    pub(super) fn verify_checksum(&self, section: &Section) -> Result<()> {
        let hash = self.file.hash(section.offset..section.end());
        self.compare_checksum(section, hash.map_err(|error| self.unreadable(error))?)
    }

    fn compare_checksum(&self, section: &Section, hash: blake3::Hash) -> Result<()> {
        if hash == section.checksum {
            return Ok(());
        }
        Err(self.damage(section, "the checksum does not match"))
    }

    /// The bytes of a section, which are as they were written.
    pub(super) fn verified(&self, section: &Section) -> Result<Cow<'_, [u8]>> {
        let bytes = self.bytes_of(section)?;
        self.compare_checksum(section, blake3::hash(&bytes))?;
        Ok(bytes)
    }

    /// The bytes of a packed section.
    fn unpack(&self, kind: Kind, index: u16) -> Result<Vec<u8>> {
        let section = self.section(kind, index, Encoding::Packed)?;
        let frame = &*self.verified(section)?;
        let fail = |reason: String| self.damaged(kind, index, reason);
        match zstd::zstd_safe::get_frame_content_size(frame) {
            Ok(Some(size)) if size == section.unpacked => {}
            _ => return Err(fail("its unpacked length is not the one in the table".to_owned())),
        }
        let bytes = zstd::bulk::decompress(frame, section.unpacked as usize)
            .map_err(|error| fail(format!("it cannot be unpacked: {error}")))?;
        if bytes.len() as u64 != section.unpacked {
            return Err(fail("it is shorter than announced".to_owned()));
        }
        Ok(bytes)
    }

    pub(super) fn packed<T: wire::Packed>(&self, kind: Kind, index: u16) -> Result<T> {
        let bytes = self.unpack(kind, index)?;
        wire::decode(&bytes)
            .map_err(|reason| self.damaged(kind, index, format!("it cannot be decoded: {reason}")))
    }

    /// How many sections of dimension records there are.
    pub(super) fn record_sections(&self) -> u16 {
        let exists = |&index: &u16| self.sections.contains_key(&(Kind::Records as u16, index));
        (0..u16::MAX).take_while(exists).count() as u16
    }

    pub(super) fn count(&self, count: u64, what: &str) -> Result<usize> {
        u32::try_from(count)
            .ok()
            .filter(|&count| count < u32::MAX)
            .map(|count| count as usize)
            .ok_or_else(|| self.damaged(Kind::Origin, 0, format!("{count} {what} are too many")))
    }
}

/// What takes tables that stay in the file.
impl Reader<'_, MappedFile> {
    /// Checksums of all sections, and the zeros between them.
    fn verify_bytes(&self, sections: &[Section]) -> Result<()> {
        let begin = (ENTRY * (1 + sections.len())) as u64;
        let ends = std::iter::once(begin).chain(sections.iter().map(Section::end));
        let all = self.file.as_ref();
        for (section, end) in sections.iter().zip(ends) {
            if all[end as usize..section.offset as usize].iter().any(|&byte| byte != 0) {
                return Err(self.damage(section, "the bytes before it are not zero"));
            }
        }
        sections.par_iter().try_for_each(|section| self.verify_checksum(section))
    }

    /// A column of any length.
    fn column<T: AnyBitPattern + NoUninit>(&self, kind: Kind) -> Result<Column<T>> {
        let section = self.section(kind, 0, Encoding::InPlace)?;
        Column::shared(self.file.shared(), section.offset as usize..section.end() as usize)
            .ok_or_else(|| self.damaged(kind, 0, "it is not a whole number of values"))
    }

    /// A column of a known length.
    fn column_of<T: AnyBitPattern + NoUninit>(&self, kind: Kind, len: usize) -> Result<Column<T>> {
        let column = self.column(kind)?;
        if column.len() != len {
            let reason = format!("it has {} values instead of {len}", column.len());
            return Err(self.damaged(kind, 0, reason));
        }
        Ok(column)
    }

    fn graph(&self) -> Result<QuantumGraph> {
        let (origin, (symbols, init)) = rayon::join(
            || self.packed::<wire::Origin>(Kind::Origin, 0),
            || {
                rayon::join(
                    || self.packed::<wire::SymbolText>(Kind::Symbols, 0),
                    || self.packed::<Vec<wire::InitQuantum>>(Kind::InitQuanta, 0),
                )
            },
        );
        let (origin, symbols, init) = (origin?, symbols?, init?);
        let pipeline = blocks::unpack_pipeline(&self.packed(Kind::Pipeline, 0)?)
            .map_err(|reason| self.damaged(Kind::Pipeline, 0, reason))?;
        let universe = pipeline.universe.clone();
        let symbols = blocks::unpack_symbols(&symbols)
            .map_err(|reason| self.damaged(Kind::Symbols, 0, reason))?;
        let sections = (0..self.record_sections())
            .into_par_iter()
            .map(|index| self.packed(Kind::Records, index))
            .collect::<Result<Vec<wire::Records>>>()?;
        let dimension_records = blocks::join_records(sections)
            .into_par_iter()
            .map(|records| blocks::unpack_records(records, &universe))
            .collect::<Result<Vec<_>, String>>()
            .map_err(|reason| self.damaged(Kind::Records, 0, reason))?;
        let quanta = self.count(origin.quanta, "quanta")?;
        let datasets = self.count(origin.datasets, "datasets")?;
        let mut data_ids = Vec::with_capacity(origin.groups.len());
        for (index, (names, rows)) in origin.groups.iter().enumerate() {
            data_ids.push(self.data_ids(index, names, *rows, &universe)?);
        }
        let groups = |groups: Vec<u16>| groups.into_iter().map(DataIdGroupIx).collect();
        let graph = QuantumGraph {
            symbols,
            data_ids,
            task_groups: groups(origin.task_groups),
            dataset_type_groups: groups(origin.dataset_type_groups),
            runs: origin.runs,
            datasets: DatasetTable {
                id: self.column_of(Kind::DatasetId, datasets)?,
                dataset_type: self.column_of(Kind::DatasetType, datasets)?,
                data_id: self.column_of(Kind::DatasetDataId, datasets)?,
                run: self.column_of(Kind::DatasetRun, datasets)?,
            },
            quanta: QuantumTable {
                id: self.column_of(Kind::QuantumId, quanta)?,
                task: self.column_of(Kind::QuantumTask, quanta)?,
                data_id: self.column_of(Kind::QuantumDataId, quanta)?,
            },
            inputs: self.adjacency(
                quanta,
                Kind::InputOffsets,
                Kind::InputDataset,
                Kind::InputConnection,
            )?,
            outputs: self.adjacency(
                quanta,
                Kind::OutputOffsets,
                Kind::OutputDataset,
                Kind::OutputConnection,
            )?,
            init_quanta: blocks::unpack_init_quanta(init),
            datastores: (origin.datastores.into_iter())
                .map(|(name, root)| Datastore { name, root })
                .collect(),
            records: self.records()?,
            dimension_records,
            collections: self.collections()?,
            header: GraphHeader {
                inputs: origin.inputs,
                output: origin.output,
                output_run: origin.output_run,
                user: origin.user,
                timestamp: origin.timestamp,
                command: origin.command,
                metadata: origin.metadata,
            },
            pipeline,
            lookups: Default::default(),
        };
        graph.check_small_tables().map_err(|flaw| {
            self.damaged(Kind::Origin, 0, format!("{}, {}: {}", flaw.table, flaw.row, flaw.reason))
        })?;
        Ok(graph)
    }

    /// That the list of quanta by UUID, where there is one, is such a list.
    fn verify_order(&self, ids: &[[u8; 16]]) -> Result<()> {
        let Ok(section) = self.section(Kind::QuantumOrder, 0, Encoding::InPlace) else {
            return Ok(());
        };
        let order: Column<u32> = self.column_of(Kind::QuantumOrder, ids.len())?;
        let in_table = order.par_iter().all(|&quantum| (quantum as usize) < ids.len());
        let ascends = |pair: &[u32]| {
            let [a, b] = [pair[0] as usize, pair[1] as usize];
            (ids[a], a) < (ids[b], b)
        };
        if in_table && order.par_windows(2).all(ascends) {
            return Ok(());
        }
        Err(self.damage(section, "it is not the list of all quanta in the order of their UUIDs"))
    }

    fn data_ids(
        &self,
        index: usize,
        names: &[String],
        rows: u64,
        universe: &std::sync::Arc<qbb_dimensions::Universe>,
    ) -> Result<DataIdTable> {
        let number = u16::try_from(index)
            .map_err(|_| self.damaged(Kind::Origin, 0, "too many dimension groups"))?;
        let rows = self.count(rows, "data IDs")?;
        let fail = |reason: String| self.damaged(Kind::DataIds, number, reason);
        let group = universe
            .conform(names.iter().map(String::as_str))
            .map_err(|error| fail(error.to_string()))?;
        let section = self.section(Kind::DataIds, number, Encoding::InPlace)?;
        let keys = group.keys().len();
        if keys == 0 && rows > 1 {
            return Err(fail(format!("there is one empty data ID, not {rows}")));
        }
        if section.length != (keys * rows * size_of::<i64>()) as u64 {
            let reason = format!("it has {} bytes for {keys} × {rows} cells", section.length);
            return Err(fail(reason));
        }
        let stride = rows * size_of::<i64>();
        let columns = (0..keys)
            .map(|key| {
                let begin = section.offset as usize + key * stride;
                Column::shared(self.file.shared(), begin..begin + stride)
            })
            .collect::<Option<Vec<_>>>();
        columns
            .and_then(|columns| DataIdTable::new(group, columns, rows))
            .ok_or_else(|| fail("its columns are not aligned".to_owned()))
    }

    fn adjacency(
        &self,
        quanta: usize,
        offsets_kind: Kind,
        dataset: Kind,
        connection: Kind,
    ) -> Result<Adjacency> {
        let offsets: Column<u64> = self.column_of(offsets_kind, quanta + 1)?;
        let dataset: Column<u32> = self.column(dataset)?;
        let connection = self.column_of(connection, dataset.len())?;
        let adjacency = Adjacency { offsets, dataset, connection };
        if !adjacency.is_well_formed(quanta) {
            let reason = "it does not ascend from 0 to the number of edges";
            return Err(self.damaged(offsets_kind, 0, reason));
        }
        Ok(adjacency)
    }

    fn ragged(&self, ends: Kind, bytes: Kind, len: usize) -> Result<Ragged> {
        let ends_column = self.column_of(ends, len)?;
        Ragged::new(ends_column, self.column(bytes)?)
            .ok_or_else(|| self.damaged(ends, 0, "the ends do not ascend to the number of bytes"))
    }

    fn records(&self) -> Result<InputRecords> {
        let dataset: Column<u32> = self.column(Kind::RecordDataset)?;
        let len = dataset.len();
        Ok(InputRecords {
            dataset,
            datastore: self.column_of(Kind::RecordDatastore, len)?,
            path: self.ragged(Kind::RecordPathEnds, Kind::RecordPaths, len)?,
            formatter: self.column_of(Kind::RecordFormatter, len)?,
            storage_class: self.column_of(Kind::RecordStorageClass, len)?,
            component: self.column_of(Kind::RecordComponent, len)?,
            checksum: self.ragged(Kind::RecordChecksumEnds, Kind::RecordChecksums, len)?,
            file_size: self.column_of(Kind::RecordFileSize, len)?,
        })
    }

    fn collections(&self) -> Result<crate::model::CollectionStructure> {
        let dataset: Column<u32> = self.column(Kind::MemberDataset)?;
        let len = dataset.len();
        Ok(blocks::unpack_collections(
            self.packed(Kind::Collections, 0)?,
            dataset,
            self.column_of(Kind::MemberCollection, len)?,
            self.column_of(Kind::MemberBegin, len)?,
            self.column_of(Kind::MemberEnd, len)?,
        ))
    }
}
