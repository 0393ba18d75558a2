//! Builds with methods that answer from tables.

use qbb_dimensions::{DataValue, RecordTable, Symbols};
use qbb_graph::QuantumGraph;
use qbb_pipeline::{ConnectionKind as Kind, PipelineDefinition};
use serde_json::json;
use uuid::Uuid;

use super::*;
use crate::testing::{MemoryRelease, connection, pipeline, task, with};
use crate::{BuildError, BuildRequest, build_with_hooks};

const EXPOSURE: [&str; 3] = ["instrument", "exposure", "detector"];
const VISIT: [&str; 2] = ["instrument", "visit"];

/// A dataset and a detector that the release's input collections know nothing of.
const FOREIGN: Uuid = Uuid::from_u128(0xf0);

/// Answers without a process, and remembers what it was asked.
#[derive(Default)]
struct TableHooks {
    asked: Vec<String>,
    raises: bool,
}

impl TableHooks {
    fn describe(&mut self, what: &str, batch: &QuantumBatch<'_>) {
        let count = |lists: &[NumberLists<'_>]| {
            let lists = lists.iter().map(|l| format!("{} {:?}", l.dataset_type, l.ends));
            lists.collect::<Vec<_>>().join(", ")
        };
        let told: usize = batch.datasets.iter().map(|datasets| datasets.number.len()).sum();
        let (inputs, outputs) = (count(&batch.inputs), count(&batch.outputs));
        self.asked.push(format!("{what} {told} datasets; {inputs}; {outputs}"));
    }
}

impl TaskHooks for TableHooks {
    fn start(&mut self, session: &HookSession<'_>) -> Result<(), HookError> {
        self.asked.push(format!("start {:?} for {}", session.tasks, session.output_run));
        Ok(())
    }

    fn add_records(&mut self, tables: &[RecordTable], _: &Symbols) -> Result<(), HookError> {
        let rows: usize = tables.iter().map(RecordTable::len).sum();
        self.asked.push(format!("{rows} records"));
        Ok(())
    }

    fn look_up(
        &mut self,
        task: &str,
        connection: &str,
        quanta: &DataIdBatch<'_>,
    ) -> Result<FoundPrerequisites, HookError> {
        self.asked.push(format!("look up {task}.{connection} for {}", quanta.len()));
        if self.raises {
            return Err(HookError::Raised {
                hook: format!("look-up function of `{connection}`"),
                type_name: "LookupError".to_owned(),
                message: "nothing there".to_owned(),
                quantum: Some(1),
            });
        }
        let data_id: Vec<DataValue> = vec!["Cam".into(), 7.into()];
        let run = "elsewhere".to_owned();
        let detector = vec![json!("Cam"), json!(7), json!("D7"), json!("b"), json!("B"), json!("")];
        Ok(FoundPrerequisites {
            datasets: vec![FoundDataset { id: FOREIGN, run, data_id }],
            of_quantum: (0..quanta.len()).map(|_| vec![0, 0]).collect(),
            records: [("detector".to_owned(), vec![detector])].into(),
        })
    }

    /// Removes the first quantum and gives its output to the second.
    fn adjust_all_quanta(
        &mut self,
        batch: &QuantumBatch<'_>,
    ) -> Result<TogetherAdjusted, HookError> {
        self.describe("adjust all", batch);
        let of = |lists: &[NumberLists<'_>], quanta: std::ops::Range<usize>| -> AdjustedLists {
            let part = |l: &NumberLists<'_>| {
                let begin = quanta.start.checked_sub(1).map_or(0, |at| l.ends[at] as usize);
                l.numbers[begin..l.ends[quanta.end - 1] as usize].to_vec()
            };
            lists.iter().map(|l| (l.dataset_type.to_owned(), part(l))).collect()
        };
        let mut outputs = of(&batch.outputs, 1..2);
        outputs.insert("post".to_owned(), of(&batch.outputs, 0..2)["post"].clone());
        let mut gone = of(&batch.outputs, 0..1);
        gone.remove("post");
        let changed = vec![(1, of(&batch.inputs, 0..2), outputs)];
        Ok(TogetherAdjusted { removed: vec![0], changed, gone })
    }

    /// Drops the first quantum, and all inputs but one of the others.
    fn adjust_quanta(&mut self, batch: &QuantumBatch<'_>) -> Result<Adjustments, HookError> {
        self.describe("adjust", batch);
        let dropped =
            vec![DroppedQuantum { quantum: 0, connection: None, reason: "too early".to_owned() }];
        let first = |list: &NumberLists<'_>, quantum: usize| {
            let begin = list.ends[quantum - 1] as usize;
            (list.dataset_type.to_owned(), vec![list.numbers[begin]])
        };
        let changed = (1..batch.quanta.len()).map(|quantum| {
            let inputs = batch.inputs.iter().map(|list| first(list, quantum)).collect();
            (quantum as u32, Some(inputs), None)
        });
        Ok(Adjustments { dropped, changed: changed.collect() })
    }
}

fn hooked() -> PipelineDefinition {
    let mut bias = connection(Kind::PrerequisiteInput, "bias", &["instrument", "detector"]);
    bias.lookup_function = true;
    let mut isr = with(
        task("isr", &EXPOSURE),
        vec![
            connection(Kind::Input, "raw", &EXPOSURE),
            bias,
            connection(Kind::Output, "post", &EXPOSURE),
        ],
    );
    isr.hooks.overridden = vec!["adjust_all_quanta".to_owned(), "buildDatasetRefs".to_owned()];
    let mut summarize = with(
        task("summarize", &VISIT),
        vec![
            connection(Kind::Input, "post", &EXPOSURE),
            connection(Kind::Output, "summary", &VISIT),
        ],
    );
    summarize.hooks.overridden = vec!["adjustQuantum".to_owned()];
    let last = with(task("last", &VISIT), vec![connection(Kind::Input, "summary", &VISIT)]);
    pipeline(vec![isr, summarize, last])
}

fn release() -> MemoryRelease {
    let mut release = MemoryRelease::new(2);
    release.collections.push(("elsewhere", qbb_registry::CollectionKind::Run, vec![]));
    release
}

fn build(hooks: &mut TableHooks) -> Result<crate::Build, BuildError> {
    let request = BuildRequest {
        pipeline: hooked(),
        inputs: vec!["defaults".to_owned()],
        output_run: Some("u/run".to_owned()),
        data_query: "instrument='Cam' AND detector < 2".to_owned(),
        ..Default::default()
    };
    build_with_hooks(&request, &mut release(), Some(hooks), &mut |_| {})
}

fn inputs(graph: &QuantumGraph) -> Vec<String> {
    (graph.quanta.iter())
        .map(|quantum| {
            let task = &graph.pipeline.task(graph.quanta.task(quantum)).label;
            let inputs = graph.inputs.edges(quantum).map(|(_, dataset)| {
                let ix = graph.datasets.dataset_type(dataset);
                let row = graph.datasets.data_id[dataset.index()];
                let values = graph.dataset_type_data_ids(ix).values(row, &graph.symbols);
                let run = &graph.runs[graph.datasets.run[dataset.index()] as usize];
                let values: Vec<String> = values.iter().map(ToString::to_string).collect();
                let name = &graph.pipeline.dataset_type(ix).dataset_type.name;
                format!("{name}({})@{run}", values.join(","))
            });
            format!("{task} <- {}", inputs.collect::<Vec<_>>().join(" "))
        })
        .collect()
}

#[test]
fn answers_change_quanta_inputs_and_outputs_and_all_that_follows() {
    let mut hooks = TableHooks::default();
    let build = build(&mut hooks).unwrap();
    let mut lines = hooks.asked;
    lines.extend(inputs(&build.graph));
    lines.extend(build.tasks.iter().map(|task| format!("{task:?}")));
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn datasets_that_were_not_read_come_with_dimension_and_datastore_records() {
    let graph = build(&mut TableHooks::default()).unwrap().graph;
    let at = graph.datasets.id.iter().position(|id| *id == FOREIGN.into_bytes()).unwrap();
    assert!(graph.records.dataset.iter().any(|&dataset| dataset as usize == at));
    let universe = &graph.pipeline.universe;
    let detectors = (graph.dimension_records.iter())
        .find(|table| universe.element(table.element).name == "detector")
        .unwrap();
    let mut numbers = detectors.keys[1].clone();
    numbers.sort_unstable();
    assert_eq!(numbers, [0, 1, 7]);
    assert_eq!(graph.datasets.id.iter().filter(|id| **id == FOREIGN.into_bytes()).count(), 1);
}

#[test]
fn exceptions_name_task_method_and_data_id() {
    let error = build(&mut TableHooks { raises: true, ..Default::default() }).unwrap_err();
    assert_eq!(
        error.to_string(),
        "task `isr`: look-up function of `bias` raised LookupError for quantum \
         {instrument: Cam, detector: 0, exposure: 20}: nothing there"
    );
}

#[test]
fn needs_are_known_before_anything_is_read() {
    let need = HookNeed::of(&hooked()).unwrap();
    assert_eq!((need.task.as_str(), need.hook.as_str()), ("isr", "its own `adjust_all_quanta`"));
    let mut harmless = hooked();
    for task in &mut harmless.tasks {
        task.hooks.overridden = vec!["getSpatialBoundsConnections".to_owned()];
        task.connections.iter_mut().for_each(|connection| connection.lookup_function = false);
    }
    assert_eq!(HookNeed::of(&harmless), None);
}
