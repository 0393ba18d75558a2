//! The collections that a transfer leaves in the personal repository.

use std::collections::BTreeMap;

use qbb_dimensions::Timespan;
use qbb_graph::{DatasetIx, QuantumGraph};
use qbb_pipeline::DatasetTypeIx;
use qbb_registry::{CollectionKind, NewCollection, Transaction};
use rustc_hash::FxHashSet;

use crate::contents::MemberColumns;
use crate::error::TransferError;

/// The RUN of the outputs.
pub(crate) fn output_run(graph: &QuantumGraph) -> NewCollection {
    NewCollection {
        name: graph.header.output_run.clone(),
        kind: CollectionKind::Run,
        doc: None,
        children: Vec::new(),
    }
}

/// The collections in which the inputs were found, and the RUNs of inputs if the graph does not
/// tell (as one made by other software does not).
pub(crate) fn of_inputs(graph: &QuantumGraph) -> Vec<NewCollection> {
    let mut collections: Vec<NewCollection> = (graph.collections.collections.iter())
        .map(|entry| NewCollection {
            name: entry.name.clone(),
            kind: kind(&entry.kind),
            doc: entry.doc.clone(),
            children: entry.children.clone(),
        })
        .collect();
    for run in &graph.runs {
        if *run != graph.header.output_run && !collections.iter().any(|c| c.name == *run) {
            collections.push(NewCollection {
                name: run.clone(),
                kind: CollectionKind::Run,
                doc: None,
                children: Vec::new(),
            });
        }
    }
    collections
}

fn kind(name: &str) -> CollectionKind {
    match name {
        "TAGGED" => CollectionKind::Tagged,
        "CHAINED" => CollectionKind::Chained,
        "CALIBRATION" => CollectionKind::Calibration,
        _ => CollectionKind::Run,
    }
}

/// Puts the run into its CHAINED output collection, in front of what is there.
///
/// A new chain also gets the input collections, as with `pipetask`, where they are registered.
/// A chain that has the run already stays as it is: later runs may have come in front of it.
pub(crate) fn update_output_chain(
    graph: &QuantumGraph,
    transaction: &mut dyn Transaction,
    with_inputs: bool,
) -> Result<(), TransferError> {
    let Some(output) = &graph.header.output else { return Ok(()) };
    let run = &graph.header.output_run;
    match transaction.chain_children(output)? {
        Some(children) if children.contains(run) => Ok(()),
        Some(_) => Ok(transaction.prepend_to_chain(output, std::slice::from_ref(run))?),
        None => {
            let mut children = vec![run.clone()];
            if with_inputs {
                let registered = of_inputs(graph);
                children.extend(
                    (graph.header.inputs.iter())
                        .filter(|input| registered.iter().any(|c| c.name == **input))
                        .cloned(),
                );
            }
            let chain = NewCollection {
                name: output.clone(),
                kind: CollectionKind::Chained,
                doc: None,
                children,
            };
            transaction.register_collections(&[chain])?;
            Ok(())
        }
    }
}

/// The TAGGED and CALIBRATION memberships through which inputs were found, by collection and dataset
/// type; only of the given ones, if there are any.
pub(crate) fn members_of_inputs(
    graph: &QuantumGraph,
    only: Option<FxHashSet<[u8; 16]>>,
) -> Vec<MemberColumns> {
    let structure = &graph.collections;
    let mut groups: BTreeMap<(u32, DatasetTypeIx), MemberColumns> = BTreeMap::new();
    for (i, (&dataset, &collection)) in
        structure.dataset.iter().zip(structure.collection.iter()).enumerate()
    {
        let dataset = DatasetIx(dataset);
        let id = graph.datasets.id[dataset.index()];
        if only.as_ref().is_some_and(|only| !only.contains(&id)) {
            continue;
        }
        let dataset_type = graph.datasets.dataset_type(dataset);
        let entry = &structure.collections[collection as usize];
        let data_ids = graph.dataset_type_data_ids(dataset_type);
        let members = groups.entry((collection, dataset_type)).or_insert_with(|| {
            let name = &graph.pipeline.dataset_type(dataset_type).dataset_type.name;
            MemberColumns::new(name, &entry.name, data_ids.group().required().len())
        });
        let timespan = (kind(&entry.kind) == CollectionKind::Calibration)
            .then(|| Timespan::from((structure.begin[i], structure.end[i])));
        let cells = data_ids.row(graph.datasets.data_id[dataset.index()]);
        members.push(id, cells, timespan);
    }
    groups.into_values().collect()
}
