//! From the arguments of `qbb run` to the options of a run.

use std::num::NonZeroU32;

use qbb_executor::{Exclusivity, InitOutputs, RunOptions};
use qbb_graph::{QuantumGraph, QuantumIx};

use crate::arguments::{RunArguments, RunQbbArguments, StartMethod};
use crate::output::Failure;

/// The options that arguments ask for.
pub fn of(arguments: &RunArguments) -> RunOptions {
    let RunQbbArguments {
        timeout,
        fail_fast,
        raise_on_partial_outputs,
        no_raise_on_partial_outputs,
        no_existing_outputs,
        cores_per_quantum,
        memory_per_quantum,
        ref config_search_path,
        ref profile,
        pdb,
        debug,
        enable_implicit_threading,
        init_only,
        no_init,
        ref qgraph_node_id,
        summary: _,
        start_method,
    } = arguments.middleware;
    RunOptions {
        max_failures: if fail_fast { 1 } else { arguments.max_failures.unwrap_or(0) },
        raise_on_partial_outputs: raise_on_partial_outputs && !no_raise_on_partial_outputs,
        assume_no_existing_outputs: no_existing_outputs,
        timeout,
        cores_per_quantum,
        max_memory: memory_per_quantum.and_then(|memory| memory.0),
        python: arguments.python.clone(),
        exclusivity: if arguments.force {
            Exclusivity::Forced
        } else if qgraph_node_id.is_empty() {
            Exclusivity::Exclusive
        } else {
            // Whoever names quanta gives others to other processes.
            Exclusivity::Shared
        },
        init_outputs: match (init_only, no_init) {
            (true, _) => InitOutputs::Only,
            (false, true) => InitOutputs::Never,
            (false, false) => InitOutputs::IfMissing,
        },
        config_search_path: config_search_path.clone(),
        implicit_threading: enable_implicit_threading,
        debug,
        profile: profile.clone(),
        pdb,
        python_log_levels: arguments.python_log_levels.clone(),
        pack: arguments.pack,
        fork: !arguments.workers.no_fork && start_method != Some(StartMethod::Spawn),
        worker_max_quanta: arguments.workers.worker_max_quanta.map(NonZeroU32::get),
        worker_max_memory: arguments.workers.worker_max_memory.and_then(|memory| memory.0),
        durability: arguments.durability.into(),
        ..RunOptions::default()
    }
}

/// The quanta that arguments name; `None` if they name none, which means all.
pub fn quanta(
    graph: &QuantumGraph,
    arguments: &RunQbbArguments,
) -> Result<Option<Vec<QuantumIx>>, Failure> {
    if arguments.qgraph_node_id.is_empty() {
        return Ok(None);
    }
    let mut quanta = Vec::with_capacity(arguments.qgraph_node_id.len());
    for &id in &arguments.qgraph_node_id {
        let quantum = graph.find_quantum(id).ok_or_else(|| {
            Failure::input(format!("the graph has no quantum {id}"))
                .with_hint("`qbb graph quanta GRAPH` lists the UUIDs of its quanta")
        })?;
        quanta.push(quantum);
    }
    quanta.sort_unstable();
    quanta.dedup();
    Ok(Some(quanta))
}
