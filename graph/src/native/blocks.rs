//! Between the structures in memory and the packed values of the file.

use std::ops::Range;
use std::sync::Arc;

use qbb_dimensions::{
    Column, FieldColumn, RecordTable, Symbol, Symbols, TaiNanos, Timespan, Universe,
};
use qbb_pipeline::PipelineGraph;
use uuid::Uuid;

use crate::model::{CollectionEntry, CollectionStructure, InitQuantum, QuantumGraph};
use crate::wire;

pub(super) fn origin(graph: &QuantumGraph) -> wire::Origin {
    let header = &graph.header;
    wire::Origin {
        inputs: header.inputs.clone(),
        output: header.output.clone(),
        output_run: header.output_run.clone(),
        user: header.user.clone(),
        timestamp: header.timestamp.clone(),
        command: header.command.clone(),
        metadata: header.metadata.clone(),
        quanta: graph.quanta.len() as u64,
        datasets: graph.datasets.len() as u64,
        groups: (graph.data_ids.iter())
            .map(|table| {
                let universe = table.group().universe();
                let names = table.group().required().iter();
                let names = names.map(|&ix| universe.element(ix).name.clone()).collect();
                (names, table.len() as u64)
            })
            .collect(),
        task_groups: graph.task_groups.iter().map(|group| group.0).collect(),
        dataset_type_groups: graph.dataset_type_groups.iter().map(|group| group.0).collect(),
        runs: graph.runs.clone(),
        datastores: (graph.datastores.iter())
            .map(|datastore| (datastore.name.clone(), datastore.root.clone()))
            .collect(),
    }
}

pub(super) fn pack_pipeline(pipeline: &PipelineGraph) -> Result<wire::Pipeline, String> {
    let graph = pipeline.to_extended_text().map_err(|error| error.to_string())?;
    Ok(wire::Pipeline { graph })
}

pub(super) fn unpack_pipeline(packed: &wire::Pipeline) -> Result<PipelineGraph, String> {
    let value = serde_json::from_str(&packed.graph).map_err(|error| error.to_string())?;
    PipelineGraph::from_extended_json(&value).map_err(|error| error.to_string())
}

pub(super) fn pack_symbols(symbols: &Symbols) -> wire::SymbolText {
    let (mut text, mut ends) = (String::new(), Vec::with_capacity(symbols.len()));
    for symbol in symbols.iter() {
        text.push_str(symbol);
        ends.push(text.len() as u32);
    }
    wire::SymbolText { text, ends }
}

pub(super) fn unpack_symbols(packed: &wire::SymbolText) -> Result<Symbols, String> {
    let mut symbols = Symbols::new();
    let mut begin = 0;
    for (number, &end) in packed.ends.iter().enumerate() {
        let text = packed.text.get(begin..end as usize);
        let text = text.ok_or_else(|| format!("symbol {number} has impossible bounds"))?;
        if symbols.intern(text).0 as usize != number {
            return Err(format!("symbol {number} occurs twice"));
        }
        begin = end as usize;
    }
    if begin != packed.text.len() {
        return Err("text follows the last symbol".to_owned());
    }
    Ok(symbols)
}

/// Some rows of a table.
pub(super) fn pack_records(
    table: &RecordTable,
    rows: Range<usize>,
    universe: &Universe,
) -> wire::Records {
    let cells = |columns: &[Vec<i64>]| -> Vec<Vec<i64>> {
        columns.iter().map(|column| column[rows.clone()].to_vec()).collect()
    };
    wire::Records {
        element: universe.element(table.element).name.clone(),
        rows: rows.len() as u64,
        keys: cells(&table.keys),
        implied: cells(&table.implied),
        fields: table.fields.iter().map(|field| pack_field(field, rows.clone())).collect(),
        regions: table.regions.as_ref().map(|regions| {
            let regions = &regions[rows.clone()];
            (regions.iter().map(|region| region.len() as u32).collect(), regions.concat())
        }),
        timespans: table.timespans.as_ref().map(|timespans| {
            timespans[rows].iter().map(|timespan| timespan.map(Into::into)).collect()
        }),
    }
}

/// The keys of some rows of a table.
pub(super) fn record_range(
    table: &RecordTable,
    rows: Range<usize>,
    universe: &Universe,
) -> wire::RecordRange {
    let bounds = |column: &Vec<i64>| {
        let cells = &column[rows.clone()];
        Some((*cells.iter().min()?, *cells.iter().max()?))
    };
    wire::RecordRange {
        element: universe.element(table.element).name.clone(),
        rows: rows.len() as u64,
        keys: table.keys.iter().filter_map(bounds).collect(),
    }
}

fn pack_field(column: &FieldColumn, rows: Range<usize>) -> wire::Field {
    match column {
        FieldColumn::Int(values) => wire::Field::Int(values[rows].to_vec()),
        FieldColumn::Float(values) => wire::Field::Float(values[rows].to_vec()),
        FieldColumn::Bool(values) => wire::Field::Bool(values[rows].to_vec()),
        FieldColumn::Text(values) => wire::Field::Text(
            values[rows].iter().map(|value| value.map(|symbol| symbol.0)).collect(),
        ),
        FieldColumn::Bytes(values) => wire::Field::Bytes(
            values[rows].iter().map(|value| value.as_ref().map(|bytes| bytes.to_vec())).collect(),
        ),
    }
}

/// Joins consecutive sections of the same element. Columns that do not match are noticed when the
/// result is unpacked.
pub(super) fn join_records(sections: Vec<wire::Records>) -> Vec<wire::Records> {
    let mut tables: Vec<wire::Records> = Vec::new();
    for section in sections {
        match tables.last_mut() {
            Some(table) if table.element == section.element => table.append(section),
            _ => tables.push(section),
        }
    }
    tables
}

fn unpack_field(packed: wire::Field) -> FieldColumn {
    match packed {
        wire::Field::Int(values) => FieldColumn::Int(values),
        wire::Field::Float(values) => FieldColumn::Float(values),
        wire::Field::Bool(values) => FieldColumn::Bool(values),
        wire::Field::Text(values) => {
            FieldColumn::Text(values.into_iter().map(|value| value.map(Symbol)).collect())
        }
        wire::Field::Bytes(values) => {
            FieldColumn::Bytes(values.into_iter().map(|value| value.map(Into::into)).collect())
        }
    }
}

pub(super) fn unpack_records(
    packed: wire::Records,
    universe: &Arc<Universe>,
) -> Result<RecordTable, String> {
    let element = universe
        .find(&packed.element)
        .ok_or_else(|| format!("the universe has no element `{}`", packed.element))?;
    let empty = RecordTable::new(element);
    let fields: Vec<FieldColumn> = packed.fields.into_iter().map(unpack_field).collect();
    let kinds_fit = fields.len() == empty.fields.len()
        && (fields.iter().zip(&empty.fields))
            .all(|(a, b)| std::mem::discriminant(a) == std::mem::discriminant(b));
    if !kinds_fit {
        return Err(format!("columns are not those of element `{}`", packed.element));
    }
    let regions = packed.regions.map(|(lengths, bytes)| unpack_regions(&lengths, &bytes));
    let timespans = packed.timespans.map(|timespans| {
        let timespan = |(begin, end)| Timespan { begin: TaiNanos(begin), end: TaiNanos(end) };
        timespans.into_iter().map(|value| value.map(timespan)).collect::<Vec<_>>()
    });
    let table = RecordTable::from_columns(
        element,
        packed.keys,
        packed.implied,
        fields,
        regions.transpose()?,
        timespans,
    );
    table
        .filter(|table| table.len() as u64 == packed.rows)
        .ok_or_else(|| format!("columns of element `{}` do not fit together", packed.element))
}

fn unpack_regions(lengths: &[u32], bytes: &[u8]) -> Result<Vec<Box<[u8]>>, String> {
    let mut rest = bytes;
    let mut regions = Vec::with_capacity(lengths.len());
    for &length in lengths {
        let (region, tail) =
            rest.split_at_checked(length as usize).ok_or("regions are longer than their bytes")?;
        regions.push(region.into());
        rest = tail;
    }
    if rest.is_empty() { Ok(regions) } else { Err("bytes follow the last region".to_owned()) }
}

pub(super) fn pack_init_quanta(quanta: &[InitQuantum]) -> Vec<wire::InitQuantum> {
    (quanta.iter())
        .map(|quantum| wire::InitQuantum {
            id: quantum.id.into_bytes(),
            task: quantum.task,
            inputs: quantum.inputs.clone(),
            outputs: quantum.outputs.clone(),
        })
        .collect()
}

pub(super) fn unpack_init_quanta(packed: Vec<wire::InitQuantum>) -> Vec<InitQuantum> {
    (packed.into_iter())
        .map(|quantum| InitQuantum {
            id: Uuid::from_bytes(quantum.id),
            task: quantum.task,
            inputs: quantum.inputs,
            outputs: quantum.outputs,
        })
        .collect()
}

pub(super) fn pack_collections(collections: &CollectionStructure) -> wire::Collections {
    wire::Collections {
        inputs: collections.inputs.clone(),
        entries: (collections.collections.iter())
            .map(|entry| wire::CollectionEntry {
                name: entry.name.clone(),
                kind: entry.kind.clone(),
                doc: entry.doc.clone(),
                children: entry.children.clone(),
            })
            .collect(),
    }
}

/// Collections and their memberships.
pub(super) fn unpack_collections(
    packed: wire::Collections,
    dataset: Column<u32>,
    collection: Column<u32>,
    begin: Column<i64>,
    end: Column<i64>,
) -> CollectionStructure {
    CollectionStructure {
        inputs: packed.inputs,
        collections: (packed.entries.into_iter())
            .map(|entry| CollectionEntry {
                name: entry.name,
                kind: entry.kind,
                doc: entry.doc,
                children: entry.children,
            })
            .collect(),
        dataset,
        collection,
        begin,
        end,
    }
}
