//! Graphs of any size, made without a repository: a small survey of visits with some detectors
//! each, calibrated, gathered by visit and measured.
//!
//! Equal arguments give equal graphs.
#![allow(clippy::unwrap_used, reason = "a helper of tests")]

use qbb_dimensions::{
    Column, DataIdIndex, DimensionGroup, ElementIx, FieldColumn, Ragged, RecordTable, Symbols,
    TaiNanos, Timespan,
};
use qbb_graph::{
    Adjacency, CollectionEntry, CollectionStructure, DataIdGroupIx, DatasetTable, Datastore,
    GraphHeader, InitQuantum, InputRecords, QuantumGraph, QuantumTable,
};
use qbb_pipeline::PipelineGraph;
use serde_json::{Value, json};
use uuid::Uuid;

const INSTRUMENT: &str = "Cam";

fn edge(dataset_type: &str, storage_class: &str, dimensions: &[&str]) -> Value {
    json!({
        "dataset_type_name": dataset_type,
        "storage_class": storage_class,
        "raw_dimensions": dimensions,
    })
}

fn task(label: &str, dimensions: &[&str], inputs: Value, outputs: Value) -> Value {
    let automatic = |suffix: &str, class: &str, dimensions: &[&str]| {
        edge(&format!("{label}_{suffix}"), class, dimensions)
    };
    let full: &[&str] = match dimensions.contains(&"detector") {
        true => &["band", "day_obs", "detector", "instrument", "physical_filter", "visit"],
        false => &["band", "day_obs", "instrument", "physical_filter", "visit"],
    };
    json!({
        "task_class": format!("survey.tasks.{label}"),
        "init": {"inputs": {}, "outputs": {}, "config_output": automatic("config", "Config", &[])},
        "config_str": "config.threshold = 5\n",
        "prerequisite_inputs": {},
        "inputs": inputs,
        "outputs": outputs,
        "metadata_output": automatic("metadata", "TaskMetadata", dimensions),
        "log_output": automatic("log", "ButlerLogRecords", dimensions),
        "dimensions": full,
    })
}

/// The pipeline of the survey.
pub fn pipeline() -> PipelineGraph {
    let universe: Value =
        serde_json::from_str(include_str!("../../../dimensions/tests/data/universe8.json"))
            .unwrap();
    let detector = &["detector", "instrument", "visit"][..];
    let visit = &["instrument", "visit"][..];
    let mut calibrate = task(
        "calibrate",
        detector,
        json!({"image": edge("raw", "Image", detector)}),
        json!({"calibrated": edge("calibrated", "Image", detector)}),
    );
    calibrate["prerequisite_inputs"] = json!({"camera": edge("camera", "Camera", &["instrument"])});
    let gather = task(
        "gather",
        visit,
        json!({"images": edge("calibrated", "Image", detector)}),
        json!({"summary": edge("summary", "Table", visit)}),
    );
    let mut measure = task(
        "measure",
        detector,
        json!({
            "image": edge("calibrated", "Image", detector),
            "summary": edge("summary", "Table", visit),
        }),
        json!({"sources": edge("sources", "Table", detector)}),
    );
    measure["init"]["outputs"] = json!({"schema": edge("sources_schema", "Schema", &[])});
    let mut types = serde_json::Map::new();
    let mut add = |name: &str, dimensions: &[&str], class: &str, prerequisite: bool| {
        types.insert(
            name.to_owned(),
            json!({
                "dimensions": dimensions,
                "storage_class": class,
                "is_calibration": false,
                "is_initial_query_constraint": name == "raw",
                "is_prerequisite": prerequisite,
            }),
        );
    };
    add("raw", detector, "Image", false);
    add("camera", &["instrument"], "Camera", true);
    add("calibrated", detector, "Image", false);
    add("summary", visit, "Table", false);
    add("sources", detector, "Table", false);
    add("sources_schema", &[], "Schema", false);
    for (label, dimensions) in [("calibrate", detector), ("gather", visit), ("measure", detector)] {
        add(&format!("{label}_config"), &[], "Config", false);
        add(&format!("{label}_metadata"), dimensions, "TaskMetadata", false);
        add(&format!("{label}_log"), dimensions, "ButlerLogRecords", false);
    }
    let graph = json!({
        "version": "0.0.1",
        "description": "A small survey.",
        "tasks": {"calibrate": calibrate, "gather": gather, "measure": measure},
        "dataset_types": types,
        "task_subsets": {},
        "dimensions": universe,
        "data_id": {},
        "step_labels": [],
        "steps_verified": true,
    });
    PipelineGraph::from_json(&graph).unwrap()
}

/// UUIDs that look random and are not.
struct Ids(u64);

impl Ids {
    fn next(&mut self) -> [u8; 16] {
        let mut word = || {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        };
        uuid::Builder::from_random_bytes(
            ((u128::from(word()) << 64) | u128::from(word())).to_be_bytes(),
        )
        .into_uuid()
        .into_bytes()
    }
}

/// Datasets under construction, in their final order.
#[derive(Default)]
struct Datasets {
    id: Vec<[u8; 16]>,
    dataset_type: Vec<u32>,
    data_id: Vec<u32>,
    run: Vec<u32>,
    /// First dataset of each dataset type.
    first: Vec<u32>,
}

/// Edges under construction.
struct Edges {
    offsets: Vec<u64>,
    dataset: Vec<u32>,
    connection: Vec<u16>,
}

impl Edges {
    fn new() -> Self {
        Self { offsets: vec![0], dataset: Vec::new(), connection: Vec::new() }
    }

    fn add(&mut self, connection: u16, datasets: impl IntoIterator<Item = u32>) {
        for dataset in datasets {
            self.dataset.push(dataset);
            self.connection.push(connection);
        }
    }

    fn close(&mut self) {
        self.offsets.push(self.dataset.len() as u64);
    }

    fn finish(self) -> Adjacency {
        Adjacency {
            offsets: self.offsets.into(),
            dataset: self.dataset.into(),
            connection: self.connection.into(),
        }
    }
}

/// A graph of `visits × (2 × detectors + 1)` quanta.
pub fn survey(visits: u32, detectors: u32) -> QuantumGraph {
    let pipeline = pipeline();
    let universe = pipeline.universe.clone();
    let mut symbols = Symbols::new();
    let cells: Vec<i64> =
        [INSTRUMENT, "g", "Cam-g"].iter().map(|text| symbols.intern(text).cell()).collect();
    let group = |names: &[&str]| universe.conform(names.iter().copied()).unwrap();
    let groups: [DimensionGroup; 4] =
        [group(&[]), group(&["instrument"]), group(&["visit"]), group(&["visit", "detector"])];
    let cell = |ix: ElementIx, visit: u32, detector: u32| match &*universe.element(ix).name {
        "instrument" => cells[0],
        "band" => cells[1],
        "physical_filter" => cells[2],
        "day_obs" => 20_250_101 + i64::from(visit / 1000),
        "visit" => 1_000_000 + i64::from(visit),
        "detector" => i64::from(detector),
        other => panic!("{other}"),
    };
    let mut tables: Vec<DataIdIndex> = groups.iter().cloned().map(DataIdIndex::new).collect();
    let row = |group: &DimensionGroup, visit, detector| -> Vec<i64> {
        group.keys().iter().map(|&ix| cell(ix, visit, detector)).collect()
    };
    tables[0].insert(&[]);
    tables[1].insert(&row(&groups[1], 0, 0));
    for visit in 0..visits {
        tables[2].insert(&row(&groups[2], visit, 0));
    }
    for detector in 0..detectors {
        for visit in 0..visits {
            tables[3].insert(&row(&groups[3], visit, detector));
        }
    }
    let number = |group: &DimensionGroup| {
        DataIdGroupIx(groups.iter().position(|other| other == group).unwrap() as u16)
    };
    let dataset_type_groups: Vec<DataIdGroupIx> =
        (pipeline.dataset_types.iter()).map(|node| number(&node.dataset_type.dimensions)).collect();
    let mut ids = Ids(1);
    let mut datasets = Datasets::default();
    for (dataset_type, group) in dataset_type_groups.iter().enumerate() {
        datasets.first.push(datasets.id.len() as u32);
        let is_input =
            ["raw", "camera"].contains(&&*pipeline.dataset_types[dataset_type].dataset_type.name);
        for row in 0..tables[group.index()].len() as u32 {
            datasets.id.push(ids.next());
            datasets.dataset_type.push(dataset_type as u32);
            datasets.data_id.push(row);
            datasets.run.push(u32::from(!is_input));
        }
    }
    let dataset = |name: &str, row: u32| {
        datasets.first[pipeline.find_dataset_type(name).unwrap().index()] + row
    };
    let mut quanta = (Vec::new(), Vec::new(), Vec::new());
    let (mut inputs, mut outputs) = (Edges::new(), Edges::new());
    for (position, task) in pipeline.tasks.iter().enumerate() {
        let rows = tables[number(&task.dimensions).index()].len() as u32;
        for row in 0..rows {
            quanta.0.push(ids.next());
            quanta.1.push(position as u32);
            quanta.2.push(row);
            let visit = row % visits;
            let name = |c: &qbb_pipeline::Connection| {
                pipeline.dataset_type(c.dataset_type).dataset_type.name.clone()
            };
            for (number, connection) in task.quantum_inputs().enumerate() {
                let name = name(connection);
                let rows: Vec<u32> = match (&*task.label, &*name) {
                    (_, "camera") => vec![0],
                    ("gather", _) => (0..detectors).map(|d| d * visits + visit).collect(),
                    (_, "summary") => vec![visit],
                    _ => vec![row],
                };
                inputs.add(number as u16, rows.into_iter().map(|row| dataset(&name, row)));
            }
            inputs.close();
            for (number, connection) in task.quantum_outputs().enumerate() {
                outputs.add(number as u16, [dataset(&name(connection), row)]);
            }
            outputs.close();
        }
    }
    let mut init_quanta = vec![InitQuantum {
        id: Uuid::from_bytes(ids.next()),
        task: None,
        inputs: vec![],
        outputs: vec![("packages".to_owned(), dataset("packages", 0))],
    }];
    for (position, task) in pipeline.tasks.iter().enumerate() {
        let outputs = task.all_init_outputs().map(|connection| {
            let name = &pipeline.dataset_type(connection.dataset_type).dataset_type.name;
            (connection.name.clone(), dataset(name, 0))
        });
        init_quanta.push(InitQuantum {
            id: Uuid::from_bytes(ids.next()),
            task: Some(position as u32),
            inputs: vec![],
            outputs: outputs.collect(),
        });
    }
    let camera = dataset("camera", 0);
    let raws = dataset("raw", 0)..dataset("raw", visits * detectors);
    let stored: Vec<u32> = std::iter::once(camera).chain(raws).collect();
    assert!(stored.is_sorted());
    let formatter = symbols.intern("lsst.daf.butler.formatters.json.JsonFormatter").0;
    let classes = [symbols.intern("Camera").0, symbols.intern("Image").0];
    let paths: Ragged = (stored.iter())
        .map(|&dataset| match dataset == camera {
            true => "calib/camera/camera_Cam.json".to_owned(),
            false => format!("raw/all/raw/20250101/raw_Cam_g_{dataset:010}_raw_all.json"),
        })
        .collect();
    let records = InputRecords {
        datastore: stored.iter().map(|_| 0).collect(),
        formatter: stored.iter().map(|_| formatter).collect(),
        storage_class: stored.iter().map(|&d| classes[usize::from(d != camera)]).collect(),
        component: stored.iter().map(|_| InputRecords::WHOLE).collect(),
        checksum: stored.iter().map(|_| "").collect(),
        file_size: stored.iter().map(|&dataset| i64::from(dataset)).collect(),
        path: paths,
        dataset: stored.into(),
    };
    let mut dimension_records = Vec::new();
    for name in ["instrument", "band", "day_obs", "detector", "physical_filter", "visit"] {
        let element = universe.find(name).unwrap().ix;
        dimension_records.push((element, visits.max(1), detectors));
    }
    dimension_records.sort_unstable();
    let mut tables_of_records: Vec<RecordTable> = Vec::new();
    for (element, visits, detectors) in dimension_records {
        let mut table = RecordTable::new(universe.element(element));
        let keys = universe.element(element).required.clone();
        let mut seen = DataIdIndex::new(DimensionGroup::of_elements(&universe, [element]));
        let has = |name: &str| keys.iter().any(|&ix| universe.element(ix).name == name);
        let implied = universe.element(element).implied.clone();
        for visit in 0..if has("visit") || has("day_obs") { visits } else { 1 } {
            for detector in 0..if has("detector") { detectors } else { 1 } {
                let data_id = row(seen.group(), visit, detector);
                let rows = seen.len();
                if seen.insert(&data_id) as usize != rows {
                    continue;
                }
                for (column, &ix) in table.keys.iter_mut().zip(&keys) {
                    column.push(cell(ix, visit, detector));
                }
                for (column, &ix) in table.implied.iter_mut().zip(&implied) {
                    column.push(cell(ix, visit, detector));
                }
                for field in &mut table.fields {
                    fill(field, visit, detector, &mut symbols);
                }
                if let Some(regions) = &mut table.regions {
                    regions.push(visit.to_be_bytes().repeat(25).into());
                }
                if let Some(timespans) = &mut table.timespans {
                    let begin = TaiNanos(1_735_732_800_000_000_000 + i64::from(visit) * 1_000_000);
                    let end = TaiNanos(begin.0 + 500_000);
                    timespans.push((visit % 7 != 6).then_some(Timespan { begin, end }));
                }
                table.finish_row().unwrap();
            }
        }
        tables_of_records.push(table);
    }
    let data_ids = tables.into_iter().map(DataIdIndex::into_table).collect();
    let task_groups = pipeline.tasks.iter().map(|task| number(&task.dimensions)).collect();
    QuantumGraph {
        header: GraphHeader {
            inputs: vec!["raw/all".into(), "calib".into()],
            output: Some("u/someone/survey".into()),
            output_run: "u/someone/survey/run1".into(),
            user: "someone".into(),
            timestamp: "2025-01-01T12:00:00.000000".into(),
            command: "survey".into(),
            metadata: r#"{"data_query":"instrument='Cam'"}"#.into(),
        },
        symbols,
        data_ids,
        task_groups,
        dataset_type_groups,
        runs: vec!["raw/all".into(), "u/someone/survey/run1".into()],
        datasets: DatasetTable {
            id: datasets.id.into(),
            dataset_type: datasets.dataset_type.into(),
            data_id: datasets.data_id.into(),
            run: datasets.run.into(),
        },
        quanta: QuantumTable {
            id: quanta.0.into(),
            task: quanta.1.into(),
            data_id: quanta.2.into(),
        },
        inputs: inputs.finish(),
        outputs: outputs.finish(),
        init_quanta,
        datastores: vec![Datastore {
            name: "FileDatastore@<butlerRoot>".into(),
            root: "file:///data/release/".into(),
        }],
        records,
        dimension_records: tables_of_records,
        collections: CollectionStructure {
            inputs: vec!["raw/all".into(), "calib".into()],
            collections: vec![
                CollectionEntry {
                    name: "calib".into(),
                    kind: "CALIBRATION".into(),
                    doc: Some("All of it".into()),
                    children: vec![],
                },
                CollectionEntry {
                    name: "raw/all".into(),
                    kind: "RUN".into(),
                    doc: None,
                    children: vec![],
                },
            ],
            dataset: Column::from(vec![camera]),
            collection: Column::from(vec![0]),
            begin: Column::from(vec![0]),
            end: Column::from(vec![TaiNanos::MAX.0]),
        },
        lookups: Default::default(),
        pipeline,
    }
}

fn fill(field: &mut FieldColumn, visit: u32, detector: u32, symbols: &mut Symbols) {
    let some = (visit + detector) % 5 != 4;
    match field {
        FieldColumn::Int(values) => values.push(some.then_some(i64::from(visit))),
        FieldColumn::Float(values) => values.push(some.then_some(f64::from(visit) / 8.0)),
        FieldColumn::Bool(values) => values.push(some.then_some(true)),
        FieldColumn::Text(values) => {
            values.push(Some(symbols.intern(&format!("v{visit}d{detector}"))));
        }
        FieldColumn::Bytes(values) => values.push(some.then(|| vec![1, 2, 3].into())),
    }
}
