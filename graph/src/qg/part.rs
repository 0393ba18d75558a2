//! Some quanta of a `.qg` file, by their addresses.

use std::collections::BTreeMap;

use camino::Utf8Path;
use qbb_dimensions::{DimensionGroup, KeyType};
use serde::Deserialize;
use uuid::Uuid;

use super::addresses::{Address, Addresses};
use super::assembly::Assembly;
use super::container::{Block, Container};
use super::items::for_each_item;
use super::models::Value;
use super::read::{add_init_quanta, add_quanta, check, read_header, read_pipeline};
use crate::error::Result;
use crate::mapped::MappedFile;
use crate::part::GraphPart;
use crate::quantum_name::{QuantumName, Wanted, no_such_id};

/// Opens some quanta; see [`crate::open_quanta`].
pub(crate) fn read_qg_quanta(path: &Utf8Path, names: &[QuantumName]) -> Result<GraphPart> {
    let file = MappedFile::open(path)?;
    let mut container = Container::open(path, file.as_ref())?;
    let header = read_header(&mut container)?;
    let mut assembly = Assembly::new(read_pipeline(&mut container)?)
        .map_err(|reason| container.fail(super::PIPELINE_GRAPH, reason))?;
    let ids = identify(&mut container, &assembly, names)?;
    let member = container.unchecked_member(super::ADDRESSES)?;
    let addresses = Addresses::new(&member, header.int_size, 1)
        .map_err(|reason| container.fail(super::ADDRESSES, reason))?;
    let mut unique = ids.clone();
    unique.sort_unstable();
    unique.dedup();
    let found = unique.iter().map(|&id| addresses.find(id).ok_or_else(|| no_such_id(id)));
    let found = found.collect::<Result<Vec<Address>>>()?;
    let member = container.unchecked_member(super::QUANTUM_DATASETS)?;
    let blocks = (found.iter())
        .map(|address| {
            Block::at(&member, header.int_size, address.offset, address.size)
                .map_err(|reason| container.fail(super::QUANTUM_DATASETS, reason))
        })
        .collect::<Result<Vec<_>>>()?;
    add_init_quanta(&mut container, &mut assembly)?;
    add_quanta(&container, &mut assembly, &blocks)?;
    add_records(&mut container, &mut assembly)?;
    let graph = assembly.finish(header.header);
    check(path, &graph)?;
    let quanta = (ids.iter().zip(ids.iter().map(|&id| graph.find_quantum(id))))
        .map(|(id, quantum)| {
            quantum.ok_or_else(|| {
                let reason = format!("the block at the address of {id} is that of another quantum");
                container.fail(super::QUANTUM_DATASETS, reason)
            })
        })
        .collect::<Result<_>>()?;
    Ok(GraphPart { graph, quanta })
}

/// What the thin graph says of a quantum.
#[derive(Deserialize)]
struct ThinQuantum<'a> {
    quantum_id: Uuid,
    #[serde(borrow)]
    data_coordinate: Vec<Value<'a>>,
}

/// Positions among the keys of a data ID, and the values wanted there.
type WantedKeys = Vec<(usize, Wanted)>;

/// UUIDs of all names. The thin graph is looked through only if there is a name that is none.
fn identify(
    container: &mut Container<'_>,
    assembly: &Assembly,
    names: &[QuantumName],
) -> Result<Vec<Uuid>> {
    // Positions of names with the values wanted, by task.
    let mut wanted: BTreeMap<&str, Vec<(usize, WantedKeys)>> = BTreeMap::new();
    for (position, name) in names.iter().enumerate() {
        if let QuantumName::DataId(filter) = name {
            let task = filter.task(assembly.pipeline())?;
            let group: &DimensionGroup = &assembly.pipeline().task(task).dimensions;
            wanted.entry(&filter.task).or_default().push((position, filter.keys(group)?));
        }
    }
    let mut found = vec![Vec::new(); names.len()];
    if !wanted.is_empty() {
        let frame = container.required_member(super::THIN_GRAPH)?;
        let fail = |reason: String| container.fail(super::THIN_GRAPH, reason);
        let reader = container.stream(&frame).map_err(fail)?;
        let mut look = |path: &[String], item: &[u8]| -> Result<(), String> {
            let [quanta, label] = path else { return Ok(()) };
            let Some(wanted) = wanted.get(label.as_str()).filter(|_| quanta == "quanta") else {
                return Ok(());
            };
            let quantum: ThinQuantum<'_> =
                serde_json::from_slice(item).map_err(|error| error.to_string())?;
            for (position, keys) in wanted {
                if keys.iter().all(|(key, value)| {
                    quantum.data_coordinate.get(*key).is_some_and(|other| other.is(value))
                }) {
                    found[*position].push(quantum.quantum_id);
                }
            }
            Ok(())
        };
        for_each_item(reader, &mut look).map_err(fail)?;
    }
    (names.iter().zip(&found))
        .map(|(name, found)| match name {
            QuantumName::Id(id) => Ok(*id),
            QuantumName::DataId(filter) => {
                let task = filter.task(assembly.pipeline())?;
                filter.single(found, &assembly.pipeline().task(task).dimensions)
            }
        })
        .collect()
}

impl Value<'_> {
    fn is(&self, wanted: &Wanted) -> bool {
        match (self, wanted) {
            (Value::Int(value), Wanted::Int(wanted)) => value == wanted,
            (Value::Text(text), Wanted::Text(wanted)) => text == wanted,
            _ => false,
        }
    }
}

/// The first values of a record; the others are only passed over.
struct Keys<'a>(Vec<Value<'a>>);

struct KeysSeed(usize);

impl<'de> serde::de::DeserializeSeed<'de> for KeysSeed {
    type Value = Keys<'de>;

    fn deserialize<D: serde::Deserializer<'de>>(self, from: D) -> Result<Keys<'de>, D::Error> {
        from.deserialize_seq(self)
    }
}

impl<'de> serde::de::Visitor<'de> for KeysSeed {
    type Value = Keys<'de>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a list that begins with {} values of dimensions", self.0)
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut items: A) -> Result<Keys<'de>, A::Error> {
        let mut keys = Vec::with_capacity(self.0);
        for position in 0..self.0 {
            let key = items.next_element()?;
            keys.push(key.ok_or_else(|| serde::de::Error::invalid_length(position, &self))?);
        }
        while items.next_element::<serde::de::IgnoredAny>()?.is_some() {}
        Ok(Keys(keys))
    }
}

/// Adds those dimension records that expand the data IDs that were added.
fn add_records(container: &mut Container<'_>, assembly: &mut Assembly) -> Result<()> {
    let wanted = assembly.wanted_records();
    let universe = assembly.pipeline().universe.clone();
    let frame = container.required_member(super::DIMENSION_DATA)?;
    let fail = |reason: String| container.fail(super::DIMENSION_DATA, reason);
    let reader = container.stream(&frame).map_err(fail)?;
    let mut key = Vec::new();
    let mut look = |path: &[String], item: &[u8]| -> Result<(), String> {
        let [name] = path else { return Err("a list is not that of an element".to_owned()) };
        let element =
            (universe.find(name)).ok_or_else(|| format!("the universe has no element `{name}`"))?;
        let Some(keys) = wanted.get(&element.ix) else { return Ok(()) };
        let mut parser = serde_json::Deserializer::from_slice(item);
        let seed = KeysSeed(element.required.len());
        let values = serde::de::DeserializeSeed::deserialize(seed, &mut parser);
        let Keys(values) = values.map_err(|error| format!("a record of `{name}`: {error}"))?;
        key.clear();
        for (&ix, value) in element.required.iter().zip(&values) {
            key.push(match (universe.element(ix).key_type(), value) {
                // A text that is not known yet is that of no data ID.
                (Some(KeyType::Text), Value::Text(text)) => match assembly.symbols().find(text) {
                    Some(symbol) => symbol.cell(),
                    None => return Ok(()),
                },
                (Some(KeyType::Int), Value::Int(value)) => *value,
                _ => return Err(format!("a record of `{name}`: {value:?} is no key")),
            });
        }
        if keys.contains(&key) { assembly.add_dimension_record(element, item) } else { Ok(()) }
    };
    for_each_item(reader, &mut look).map_err(fail)
}
