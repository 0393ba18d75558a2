//! The order in which a graph's tables come, and what moves when they are put into it.

use qbb_dimensions::{DataIdTable, KeyType, Ragged, Symbols};

use crate::model::{Adjacency, DatasetTable, InputRecords};

/// An edge of a quantum: connection and dataset.
pub(super) type Edge = (u16, u32);

/// Edges of the quanta in the order in which they came.
#[derive(Default)]
pub(super) struct EdgeLists {
    pub ends: Vec<usize>,
    pub edges: Vec<Edge>,
}

/// A datastore record under construction.
pub(super) struct RecordRow {
    pub dataset: u32,
    pub datastore: u32,
    pub path: Box<str>,
    pub formatter: u32,
    pub storage_class: u32,
    pub component: u32,
    pub checksum: Box<str>,
    pub file_size: i64,
}

/// The place of each symbol in the order of the texts.
pub(super) fn ranks(symbols: &Symbols) -> Vec<i64> {
    let texts: Vec<&str> = symbols.iter().collect();
    let order = sorted_by_key(texts.len(), |symbol| texts[symbol as usize]);
    inverse(&order).into_iter().map(i64::from).collect()
}

/// Numbers below `len` in the order of their keys.
pub(super) fn sorted_by_key<K: Ord>(len: usize, key: impl Fn(u32) -> K) -> Vec<u32> {
    let mut order: Vec<u32> = (0..len as u32).collect();
    order.sort_unstable_by_key(|&number| key(number));
    order
}

/// Where each number went.
pub(super) fn inverse(order: &[u32]) -> Vec<u32> {
    let mut places = vec![0; order.len()];
    for (place, &number) in order.iter().enumerate() {
        places[number as usize] = place as u32;
    }
    places
}

/// The table with its rows in the order of their values, and where each row went.
pub(super) fn sorted_table(table: DataIdTable, ranks: &[i64]) -> (DataIdTable, Vec<u32>) {
    let universe = table.group().universe().clone();
    let is_text: Vec<bool> = (table.group().keys().iter())
        .map(|&ix| universe.element(ix).key_type() == Some(KeyType::Text))
        .collect();
    let mut order: Vec<u32> = (0..table.len() as u32).collect();
    order.sort_unstable_by(|&a, &b| {
        for (column, &is_text) in table.columns().iter().zip(&is_text) {
            let (a, b) = (column[a as usize], column[b as usize]);
            let ordering = match is_text {
                true => ranks[a as usize].cmp(&ranks[b as usize]),
                false => a.cmp(&b),
            };
            if ordering.is_ne() {
                return ordering;
            }
        }
        std::cmp::Ordering::Equal
    });
    let columns = (table.columns().iter())
        .map(|column| order.iter().map(|&row| column[row as usize]).collect())
        .collect();
    let places = inverse(&order);
    let sorted = DataIdTable::new(table.group().clone(), columns, table.len()).unwrap_or(table);
    (sorted, places)
}

/// The edges of quanta in a new order, each quantum's sorted by connection and data ID.
pub(super) fn adjacency(
    lists: &EdgeLists,
    order: &[u32],
    dataset_map: &[u32],
    datasets: &DatasetTable,
) -> Adjacency {
    let mut offsets = Vec::with_capacity(order.len() + 1);
    offsets.push(0);
    let mut dataset = Vec::with_capacity(lists.edges.len());
    let mut connection = Vec::with_capacity(lists.edges.len());
    let mut row: Vec<(u16, u32, u32)> = Vec::new();
    for &quantum in order {
        let begin = match quantum {
            0 => 0,
            _ => lists.ends[quantum as usize - 1],
        };
        row.clear();
        row.extend(lists.edges[begin..lists.ends[quantum as usize]].iter().map(
            |&(connection, dataset)| {
                let dataset = dataset_map[dataset as usize];
                (connection, datasets.data_id[dataset as usize], dataset)
            },
        ));
        row.sort_unstable();
        dataset.extend(row.iter().map(|&(_, _, dataset)| dataset));
        connection.extend(row.iter().map(|&(connection, _, _)| connection));
        offsets.push(dataset.len() as u64);
    }
    Adjacency { offsets: offsets.into(), dataset: dataset.into(), connection: connection.into() }
}

pub(super) fn records(mut rows: Vec<RecordRow>) -> InputRecords {
    rows.sort_by_key(|row| (row.dataset, row.datastore, row.component));
    InputRecords {
        dataset: rows.iter().map(|row| row.dataset).collect(),
        datastore: rows.iter().map(|row| row.datastore).collect(),
        path: rows.iter().map(|row| row.path.as_bytes()).collect::<Ragged>(),
        formatter: rows.iter().map(|row| row.formatter).collect(),
        storage_class: rows.iter().map(|row| row.storage_class).collect(),
        component: rows.iter().map(|row| row.component).collect(),
        checksum: rows.iter().map(|row| row.checksum.as_bytes()).collect::<Ragged>(),
        file_size: rows.iter().map(|row| row.file_size).collect(),
    }
}
