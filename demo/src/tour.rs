//! The whole demo: release, graph, execution, transfer, picture.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};
use qbb::GraphIdentity;
use qbb::journal::{JournalState, read_state};
use qbb_builder::{BuildRequest, build};
use qbb_datastore::RepositoryConfig;
use qbb_executor::{Cancel, Progress, RunOptions, RunReport, RunRequest, run};
use qbb_graph::{Check, DatasetIx, QuantumGraph};
use qbb_pipeline::PipelineDefinition;
use qbb_registry::SqliteRegistry;
use qbb_submit_dirs::{Submission, SubmitDirectory};
use qbb_transfer::{InputMode, Inputs, Outputs, TransferPlan, TransferReport, transfer};

use crate::error::DemoError;
use crate::image::Image;
use crate::picture::colour_png;
use crate::release::{DEFAULTS, INSTRUMENT, ReleaseSummary, SKYMAP, make_release};
use crate::tasks::{Mosaic, functions};

const PIPELINE: &str = include_str!("../data/pipeline.yaml");
/// The run of the demo's outputs.
const RUN: &str = "u/you/stars/run1";
/// File that tells a demo's folder from others.
const MARKER: &str = "MADE-BY-QBB-DEMO";
/// The chain of the demo's outputs.
const OUTPUT: &str = "u/you/stars";

/// Where everything of the demo is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DemoFolders {
    /// The release.
    pub release: Utf8PathBuf,
    /// The personal repository.
    pub personal: Utf8PathBuf,
    /// The submit directory.
    pub submit: Utf8PathBuf,
    /// The picture.
    pub picture: Utf8PathBuf,
    /// The pipeline file.
    pub pipeline: Utf8PathBuf,
}

impl DemoFolders {
    /// The layout of a demo below a folder.
    pub fn below(folder: &Utf8Path) -> Self {
        Self {
            release: folder.join("release"),
            personal: folder.join("personal"),
            submit: folder.join("submit"),
            picture: folder.join("picture.png"),
            pipeline: folder.join("pipeline.yaml"),
        }
    }

    fn remove(&self) -> Result<(), DemoError> {
        for folder in [&self.release, &self.personal, &self.submit] {
            if folder.exists() {
                fs_err::remove_dir_all(folder)?;
            }
        }
        for file in [&self.picture, &self.pipeline] {
            if file.exists() {
                fs_err::remove_file(file)?;
            }
        }
        Ok(())
    }
}

/// A demo, stage by stage, so that whoever shows it can say what comes next.
#[derive(Debug)]
pub struct Demo {
    folders: DemoFolders,
}

impl Demo {
    /// A demo in a folder that does not exist yet, is empty, or was made by a demo before; what an
    /// earlier demo left is removed.
    ///
    /// # Errors
    /// If something else is there, or the folder cannot be made.
    pub fn new(folder: &Utf8Path) -> Result<Self, DemoError> {
        fs_err::create_dir_all(folder)?;
        // What the submit directory says of its repository must hold wherever it is called from.
        let folder = folder.canonicalize_utf8()?;
        let folders = DemoFolders::below(&folder);
        let marker = folder.join(MARKER);
        if marker.exists() {
            folders.remove()?;
        } else if fs_err::read_dir(&folder)?.next().is_some() {
            return Err(DemoError::Occupied { folder });
        }
        fs_err::write(&marker, "Made by `qbb demo`, which removes and makes it anew.\n")?;
        Ok(Self { folders })
    }

    /// Where everything is.
    pub fn folders(&self) -> &DemoFolders {
        &self.folders
    }

    /// Makes the release, and an empty personal repository with its universe.
    ///
    /// # Errors
    /// If a repository cannot be written.
    pub fn make_repositories(&self) -> Result<ReleaseSummary, DemoError> {
        let summary = make_release(&self.folders.release)?;
        let release = RepositoryConfig::open(self.folders.release.as_str())?;
        let registry = qbb_registry::open_reader(&release)?;
        SqliteRegistry::create(&self.folders.personal, registry.universe())?;
        prefer_json(&self.folders.personal)?;
        fs_err::write(&self.folders.pipeline, PIPELINE)?;
        Ok(summary)
    }

    /// Builds the quantum graph into the submit directory.
    ///
    /// # Errors
    /// If the graph cannot be built or written.
    pub fn prepare(&self) -> Result<(), DemoError> {
        let release = RepositoryConfig::open(self.folders.release.as_str())?;
        let mut registry = qbb_registry::open_reader(&release)?;
        let root = release.datastore.root.to_string();
        let request = BuildRequest {
            pipeline: PipelineDefinition::from_native(PIPELINE, &self.folders.pipeline)?,
            inputs: vec![DEFAULTS.to_owned()],
            output: Some(OUTPUT.to_owned()),
            output_run: Some(RUN.to_owned()),
            data_query: format!("instrument = '{INSTRUMENT}' AND skymap = '{SKYMAP}'"),
            datastore_roots: BTreeMap::from([(release.datastore.name.clone(), root)]),
            user: "you".to_owned(),
            command: "qbb demo".to_owned(),
            ..BuildRequest::default()
        };
        let graph = build(&request, &mut *registry, &mut |_| {})?.graph;
        let mut submission = Submission::new(
            self.folders.release.as_str(),
            &self.folders.personal,
            self.folders.pipeline.as_str(),
        );
        submission.graph = GraphIdentity::of(&graph).to_string();
        SubmitDirectory::create(&self.folders.submit, submission, |directory| {
            fs_err::write(directory.root().join("pipeline.yaml"), PIPELINE)?;
            Ok::<(), DemoError>(qbb_graph::write_native(&graph, &directory.graph())?)
        })?;
        Ok(())
    }

    /// Opens the graph that was prepared.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn graph(&self) -> Result<Arc<QuantumGraph>, DemoError> {
        let directory = SubmitDirectory::open(&self.folders.submit)?;
        Ok(Arc::new(qbb_graph::open_with(&directory.graph(), Check::Full)?))
    }

    /// Executes the quanta.
    ///
    /// # Errors
    /// If the run cannot begin; quanta that fail are in the report.
    pub fn run(
        &self,
        graph: &Arc<QuantumGraph>,
        jobs: NonZeroUsize,
        progress: &dyn Progress,
    ) -> Result<RunReport, DemoError> {
        let directory = SubmitDirectory::open(&self.folders.submit)?;
        let repository = RepositoryConfig::open(self.folders.personal.as_str())?;
        Ok(run(&RunRequest {
            graph: graph.clone(),
            repository: &repository,
            journal: directory.journal(),
            logs: directory.logs(),
            jobs,
            quanta: None,
            options: RunOptions::default(),
            functions: Arc::new(functions()),
            cancel: Cancel::default(),
            progress,
        })?)
    }

    /// Puts outputs and inputs into the personal repository.
    ///
    /// # Errors
    /// If the registry refuses.
    pub fn transfer(&self, graph: &QuantumGraph) -> Result<TransferReport, DemoError> {
        let repository = RepositoryConfig::open(self.folders.personal.as_str())?;
        let mut registry = qbb_registry::open_writer(&repository)?;
        let journal = self.journal(graph)?;
        let mut known = qbb_registry::open_reader(&repository)?;
        let (mode, datastore) = (InputMode::Reference, &repository.datastore);
        let inputs = Inputs::prepare(graph, mode, &mut *known, datastore, &|_, _| {})?;
        let plan = TransferPlan {
            outputs: Outputs::in_place(),
            inputs,
            storage_classes: &[],
            output_chain: true,
            packed: None,
        };
        Ok(transfer(graph, &journal, &mut *registry, plan, &mut |_, _| {})?)
    }

    /// Draws the mosaics side by side; returns the number of stars in them.
    ///
    /// # Errors
    /// If there are no mosaics, or the picture cannot be written.
    pub fn draw(&self, graph: &QuantumGraph) -> Result<usize, DemoError> {
        let journal = self.journal(graph)?;
        let mosaics = (graph.pipeline.find_dataset_type("mosaic"))
            .ok_or_else(|| DemoError::internal("the mosaic"))?;
        let mut stars = 0;
        let mut bands: Vec<Vec<Image>> = vec![Vec::new(); 3];
        for dataset in (0..graph.datasets.len() as u32).map(DatasetIx) {
            if graph.datasets.dataset_type(dataset) != mosaics {
                continue;
            }
            for record in journal.records(dataset) {
                let bytes = fs_err::read(self.folders.personal.join(record.path))?;
                let mosaic: Mosaic = serde_json::from_slice(&bytes)?;
                stars += mosaic.stars;
                for (images, image) in bands.iter_mut().zip(mosaic.bands) {
                    images.push(image);
                }
            }
        }
        let planes: Vec<Image> = bands.iter().map(|images| side_by_side(images)).collect();
        let picture = match planes.as_slice() {
            [blue, green, red] => colour_png(blue, green, red),
            _ => None,
        };
        let picture = picture.ok_or_else(|| DemoError::internal("the picture"))?;
        fs_err::write(&self.folders.picture, picture)?;
        Ok(stars)
    }

    fn journal(&self, graph: &QuantumGraph) -> Result<JournalState, DemoError> {
        let directory = SubmitDirectory::open(&self.folders.submit)?;
        Ok(read_state(&directory.journal(), graph, GraphIdentity::of(graph))?)
    }
}

/// The demo's datasets are JSON; the middleware would choose YAML, which is slower to read.
fn prefer_json(repository: &Utf8Path) -> Result<(), DemoError> {
    let path = repository.join("butler.yaml");
    let text = fs_err::read_to_string(&path)?;
    let formatters = "datastore:\n  formatters:\n    \
        StructuredDataDict: lsst.daf.butler.formatters.json.JsonFormatter\n";
    Ok(fs_err::write(&path, text.replacen("datastore:\n", formatters, 1))?)
}

/// Images of one height in a row, with a dark line between them, east to the left.
fn side_by_side(images: &[Image]) -> Image {
    const GAP: usize = 4;
    let height = images.iter().map(|image| image.height).max().unwrap_or(0);
    let width = images.iter().map(|image| image.width + GAP).sum::<usize>().saturating_sub(GAP);
    let mut starts = Vec::new();
    let mut next = 0;
    for image in images.iter().rev() {
        starts.push((next, image));
        next += image.width + GAP;
    }
    Image::from_fn(width, height, |x, y| {
        let &(start, image) = starts.iter().rev().find(|(start, _)| *start <= x)?;
        let column = (image.width).checked_sub(1 + x - start)?;
        image.pixel(column, y)
    })
}
