//! Graphs of any size, made without a repository: a small survey of visits with some detectors
//! each, calibrated, gathered by visit and measured.
//!
//! Equal arguments give equal graphs.
#![allow(clippy::unwrap_used, reason = "a helper of tests")]

use qbb_dimensions::{
    Column, DataIdIndex, DataIdTable, DimensionGroup, ElementIx, FieldColumn, RecordTable, Symbols,
    TaiNanos, Timespan,
};
use qbb_graph::{
    Adjacency, CollectionEntry, CollectionStructure, DataIdGroupIx, DatasetTable, Datastore,
    GraphHeader, InitQuantum, InputRecords, QuantumGraph, QuantumTable,
};
use qbb_pipeline::{Connection, PACKAGES, PipelineGraph};
use uuid::Uuid;

#[path = "survey_pipeline.rs"]
mod survey_pipeline;

pub use survey_pipeline::pipeline;

const INSTRUMENT: &str = "Cam";

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

impl Datasets {
    /// The dataset of a type with the data ID of a row.
    fn of(&self, pipeline: &PipelineGraph, dataset_type: &str, row: u32) -> u32 {
        self.first[pipeline.find_dataset_type(dataset_type).unwrap().index()] + row
    }

    fn finish(self) -> DatasetTable {
        DatasetTable {
            id: self.id.into(),
            dataset_type: self.dataset_type.into(),
            data_id: self.data_id.into(),
            run: self.run.into(),
        }
    }
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
    make(visits, detectors, &ELEMENTS)
}

/// The same with a region for each detector of each visit, as releases have them: the biggest of
/// the tables of dimension records.
pub fn survey_with_regions(visits: u32, detectors: u32) -> QuantumGraph {
    make(visits, detectors, &[&ELEMENTS[..], &["visit_detector_region"]].concat())
}

/// Elements with records.
const ELEMENTS: [&str; 6] =
    ["instrument", "band", "day_obs", "detector", "physical_filter", "visit"];

fn make(visits: u32, detectors: u32, elements: &[&str]) -> QuantumGraph {
    let mut survey = Survey::new(visits, detectors);
    let data_ids = survey.data_ids();
    let mut ids = Ids(1);
    let datasets = survey.datasets(&data_ids, &mut ids);
    let (quanta, inputs, outputs) = survey.quanta(&datasets, &data_ids, &mut ids);
    let init_quanta = survey.init_quanta(&datasets, &mut ids);
    let records = survey.records(&datasets);
    let dimension_records = survey.dimension_records(elements);
    let groups = |group: &DimensionGroup| survey.group(group);
    QuantumGraph {
        header: GraphHeader {
            inputs: vec!["raw/all".into(), "calib".into()],
            output: Some("u/someone/survey".into()),
            output_run: RUNS[1].into(),
            user: "someone".into(),
            timestamp: "2025-01-01T12:00:00.000000".into(),
            command: "survey".into(),
            metadata: r#"{"data_query":"instrument='Cam'"}"#.into(),
        },
        data_ids,
        task_groups: survey.pipeline.tasks.iter().map(|task| groups(&task.dimensions)).collect(),
        dataset_type_groups: (survey.pipeline.dataset_types.iter())
            .map(|node| groups(&node.dataset_type.dimensions))
            .collect(),
        runs: RUNS.map(str::to_owned).into(),
        quanta,
        inputs,
        outputs,
        init_quanta,
        datastores: vec![Datastore {
            name: "FileDatastore@<butlerRoot>".into(),
            root: "file:///data/release/".into(),
        }],
        records,
        dimension_records,
        collections: collections(datasets.of(&survey.pipeline, "camera", 0)),
        datasets: datasets.finish(),
        lookups: Default::default(),
        symbols: survey.symbols,
        pipeline: survey.pipeline,
    }
}

/// Collections of the inputs and of the outputs.
const RUNS: [&str; 2] = ["raw/all", "u/someone/survey/run1"];

fn collections(camera: u32) -> CollectionStructure {
    let entry = |name: &str, kind: &str, doc: Option<&str>| CollectionEntry {
        name: name.into(),
        kind: kind.into(),
        doc: doc.map(str::to_owned),
        children: vec![],
    };
    CollectionStructure {
        inputs: vec!["raw/all".into(), "calib".into()],
        collections: vec![
            entry("calib", "CALIBRATION", Some("All of it")),
            entry("raw/all", "RUN", None),
        ],
        dataset: vec![camera].into(),
        collection: vec![0].into(),
        begin: vec![0].into(),
        end: vec![TaiNanos::MAX.0].into(),
    }
}

/// What all tables are made from.
struct Survey {
    visits: u32,
    detectors: u32,
    pipeline: PipelineGraph,
    symbols: Symbols,
    /// Cells of the instrument, the band and the physical filter.
    names: [i64; 3],
    /// Dimension groups: none, instrument, visit, visit and detector.
    groups: [DimensionGroup; 4],
}

impl Survey {
    fn new(visits: u32, detectors: u32) -> Self {
        let pipeline = pipeline();
        let mut symbols = Symbols::new();
        let names = [INSTRUMENT, "g", "Cam-g"].map(|text| symbols.intern(text).cell());
        let groups = [&[][..], &["instrument"], &["visit"], &["visit", "detector"]]
            .map(|names| pipeline.universe.conform(names.iter().copied()).unwrap());
        Self { visits, detectors, pipeline, symbols, names, groups }
    }

    fn group(&self, group: &DimensionGroup) -> DataIdGroupIx {
        DataIdGroupIx(self.groups.iter().position(|other| other == group).unwrap() as u16)
    }

    fn cell(&self, dimension: ElementIx, visit: u32, detector: u32) -> i64 {
        match &*self.pipeline.universe.element(dimension).name {
            "instrument" => self.names[0],
            "band" => self.names[1],
            "physical_filter" => self.names[2],
            "day_obs" => 20_250_101 + i64::from(visit / 1000),
            "visit" => 1_000_000 + i64::from(visit),
            "detector" => i64::from(detector),
            other => panic!("{other}"),
        }
    }

    /// Rows by detector and then by visit, as their values sort.
    fn data_ids(&self) -> Vec<DataIdTable> {
        (self.groups.iter())
            .map(|group| {
                let count = |dimension: &str, n: u32| {
                    if group.iter_names().any(|name| name == dimension) { n } else { 1 }
                };
                let mut index = DataIdIndex::new(group.clone());
                for detector in 0..count("detector", self.detectors) {
                    for visit in 0..count("visit", self.visits) {
                        let keys = group.keys().iter();
                        let cells: Vec<i64> =
                            keys.map(|&ix| self.cell(ix, visit, detector)).collect();
                        index.insert(&cells);
                    }
                }
                index.into_table()
            })
            .collect()
    }

    fn datasets(&self, data_ids: &[DataIdTable], ids: &mut Ids) -> Datasets {
        let mut datasets = Datasets::default();
        for (dataset_type, node) in self.pipeline.dataset_types.iter().enumerate() {
            datasets.first.push(datasets.id.len() as u32);
            let is_input = ["raw", "camera"].contains(&&*node.dataset_type.name);
            let group = self.group(&node.dataset_type.dimensions);
            for row in 0..data_ids[group.index()].len() as u32 {
                datasets.id.push(ids.next());
                datasets.dataset_type.push(dataset_type as u32);
                datasets.data_id.push(row);
                datasets.run.push(u32::from(!is_input));
            }
        }
        datasets
    }

    fn quanta(
        &self,
        datasets: &Datasets,
        data_ids: &[DataIdTable],
        ids: &mut Ids,
    ) -> (QuantumTable, Adjacency, Adjacency) {
        let (mut id, mut tasks, mut rows) = (Vec::new(), Vec::new(), Vec::new());
        let (mut inputs, mut outputs) = (Edges::new(), Edges::new());
        let name = |connection: &Connection| {
            &*self.pipeline.dataset_type(connection.dataset_type).dataset_type.name
        };
        for (position, task) in self.pipeline.tasks.iter().enumerate() {
            let group = self.group(&task.dimensions);
            for row in 0..data_ids[group.index()].len() as u32 {
                id.push(ids.next());
                tasks.push(position as u32);
                rows.push(row);
                let visit = row % self.visits;
                for (number, connection) in (0..).zip(task.quantum_inputs()) {
                    let name = name(connection);
                    let of = |row| datasets.of(&self.pipeline, name, row);
                    match (&*task.label, name) {
                        (_, "camera") => inputs.add(number, [of(0)]),
                        ("gather", _) => {
                            let all = (0..self.detectors).map(|d| of(d * self.visits + visit));
                            inputs.add(number, all);
                        }
                        (_, "summary") => inputs.add(number, [of(visit)]),
                        _ => inputs.add(number, [of(row)]),
                    }
                }
                inputs.close();
                for (number, connection) in (0..).zip(task.quantum_outputs()) {
                    outputs.add(number, [datasets.of(&self.pipeline, name(connection), row)]);
                }
                outputs.close();
            }
        }
        let quanta = QuantumTable { id: id.into(), task: tasks.into(), data_id: rows.into() };
        (quanta, inputs.finish(), outputs.finish())
    }

    fn init_quanta(&self, datasets: &Datasets, ids: &mut Ids) -> Vec<InitQuantum> {
        let mut init = |task, outputs| InitQuantum {
            id: Uuid::from_bytes(ids.next()),
            task,
            inputs: vec![],
            outputs,
        };
        let packages = datasets.of(&self.pipeline, PACKAGES, 0);
        let mut quanta = vec![init(None, vec![(PACKAGES.to_owned(), packages)])];
        for (position, task) in (0..).zip(&self.pipeline.tasks) {
            let outputs = task.all_init_outputs().map(|connection| {
                let dataset_type = self.pipeline.dataset_type(connection.dataset_type);
                let name = &dataset_type.dataset_type.name;
                (connection.name.clone(), datasets.of(&self.pipeline, name, 0))
            });
            quanta.push(init(Some(position), outputs.collect()));
        }
        quanta
    }

    fn records(&mut self, datasets: &Datasets) -> InputRecords {
        let camera = datasets.of(&self.pipeline, "camera", 0);
        let first_raw = datasets.of(&self.pipeline, "raw", 0);
        let raws = first_raw..first_raw + self.visits * self.detectors;
        let stored: Vec<u32> = std::iter::once(camera).chain(raws).collect();
        let formatter = self.symbols.intern("lsst.daf.butler.formatters.json.JsonFormatter").0;
        let classes = ["Camera", "Image"].map(|class| self.symbols.intern(class).0);
        let each = |value: u32| -> Column<u32> { stored.iter().map(|_| value).collect() };
        InputRecords {
            datastore: each(0),
            path: (stored.iter())
                .map(|&dataset| match dataset == camera {
                    true => "calib/camera/camera_Cam.json".to_owned(),
                    false => format!("raw/all/raw/20250101/raw_Cam_g_{dataset:010}_raw_all.json"),
                })
                .collect(),
            formatter: each(formatter),
            storage_class: stored.iter().map(|&d| classes[usize::from(d != camera)]).collect(),
            component: each(InputRecords::WHOLE),
            checksum: stored.iter().map(|_| "").collect(),
            file_size: stored.iter().map(|&dataset| i64::from(dataset)).collect(),
            dataset: stored.into(),
        }
    }

    fn dimension_records(&mut self, elements: &[&str]) -> Vec<RecordTable> {
        let universe = self.pipeline.universe.clone();
        let mut elements: Vec<ElementIx> =
            elements.iter().map(|name| universe.find(name).unwrap().ix).collect();
        elements.sort_unstable();
        elements.into_iter().map(|element| self.records_of(element)).collect()
    }

    fn records_of(&mut self, element: ElementIx) -> RecordTable {
        let universe = self.pipeline.universe.clone();
        let element = universe.element(element);
        let mut table = RecordTable::new(element);
        let mut seen = DataIdIndex::new(DimensionGroup::of_elements(&universe, [element.ix]));
        let keys: Vec<ElementIx> = seen.group().keys().to_vec();
        let has = |name: &str| element.required.iter().any(|&ix| universe.element(ix).name == name);
        let visits = if has("visit") || has("day_obs") { self.visits } else { 1 };
        let detectors = if has("detector") { self.detectors } else { 1 };
        for visit in 0..visits {
            for detector in 0..detectors {
                let data_id: Vec<i64> =
                    keys.iter().map(|&ix| self.cell(ix, visit, detector)).collect();
                let rows = seen.len();
                if seen.insert(&data_id) as usize != rows {
                    continue;
                }
                let dimensions = element.required.iter().chain(&element.implied);
                for (&ix, column) in dimensions.zip(table.keys.iter_mut().chain(&mut table.implied))
                {
                    column.push(self.cell(ix, visit, detector));
                }
                for field in &mut table.fields {
                    fill(field, visit, detector, &mut self.symbols);
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
        table
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
