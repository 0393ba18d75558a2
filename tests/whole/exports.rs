//! Python looks at a pipeline once, and again when anything it saw has changed.

use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::kit::{Scratch, command, kit, pipeline, python, succeeded};

/// An interpreter that says when it is started, with folders for the cache and for modules.
struct Watched {
    scratch: Scratch,
}

impl Watched {
    fn new() -> Self {
        let scratch = Scratch::new();
        let program = scratch.path("python");
        let text =
            format!("#!/bin/sh\necho started >> {}.log\nexec {} \"$@\"\n", program, python());
        fs_err::write(&program, text).expect("the scratch folder can be written");
        let permissions = std::fs::Permissions::from_mode(0o755);
        fs_err::set_permissions(&program, permissions).expect("the scratch folder can be written");
        fs_err::create_dir(scratch.path("modules")).expect("the scratch folder can be written");
        Self { scratch }
    }

    fn path(&self, name: &str) -> String {
        self.scratch.path(name)
    }

    /// Exports a pipeline; returns the export, and how often Python was started so far.
    fn export(&self, pipeline: &str, options: &[&str], variable: Option<&str>) -> (Value, usize) {
        let (program, output) = (self.path("python"), self.path("export.json"));
        let mut command = command();
        command.env("QBB_PYTHON", &program).env("XDG_CACHE_HOME", self.path("cache"));
        command.env("PYTHONPATH", format!("{}:{}", self.path("modules"), kit().display()));
        match variable {
            Some(value) => command.env("QBB_TEST_BAND", value),
            None => command.env_remove("QBB_TEST_BAND"),
        };
        command.args(["pipeline", "export", pipeline, "-o", &output]).args(options);
        let output_of = command.output().expect("the command can be run");
        succeeded("qbb pipeline export", output_of);
        let export =
            serde_json::from_slice(&fs_err::read(&output).expect("an export")).expect("JSON");
        let starts = fs_err::read_to_string(format!("{program}.log")).expect("the log of starts");
        (export, starts.lines().count())
    }
}

#[test]
fn an_unchanged_pipeline_is_not_looked_at_again() {
    let watched = Watched::new();
    let pipeline = pipeline("user");
    let (first, starts) = watched.export(&pipeline, &[], None);
    assert_eq!(starts, 1);
    assert_eq!(watched.export(&pipeline, &[], None), (first.clone(), 1));
    assert_eq!(watched.export(&pipeline, &["--fresh-export"], None), (first.clone(), 2));
    let label = first["tasks"].as_object().unwrap().keys().next().unwrap().clone();
    let selected = watched.export(&format!("{pipeline}#{label}"), &[], None);
    assert_eq!(selected.0["tasks"].as_object().unwrap().len(), 1);
    assert_eq!(selected.1, 3, "another selection is another export");
}

#[test]
fn whatever_python_saw_counts() {
    let watched = Watched::new();
    let (pipeline, imported) = (watched.path("pipeline.yaml"), watched.path("imported.yaml"));
    fs_err::write(&pipeline, format!("description: one\nimports: [{imported}]\n"))
        .expect("the scratch folder can be written");
    let write = |description: &str| {
        let text =
            format!("description: {description}\ntasks:\n  a:\n    class: extra_tasks.ExtraTask\n");
        fs_err::write(&imported, text).expect("the scratch folder can be written");
    };
    write("first");
    let module = |folder: &str, name: &str| {
        let text = format!(
            "import os\nfrom lsst.pipe.base import PipelineTask, PipelineTaskConfig\n\
             from lsst.pipe.base import PipelineTaskConnections\n\
             from lsst.pipe.base.connectionTypes import Output\n\
             BAND = os.environ.get('QBB_TEST_BAND', 'none')\n\
             class ExtraConnections(PipelineTaskConnections, dimensions=()):\n\
             \x20   made = Output(doc='', name='{name}_' + BAND, storageClass='StructuredDataDict')\n\
             class ExtraConfig(PipelineTaskConfig, pipelineConnections=ExtraConnections):\n\
             \x20   pass\n\
             class ExtraTask(PipelineTask):\n\
             \x20   ConfigClass = ExtraConfig\n    _DefaultName = 'extra'\n"
        );
        fs_err::create_dir_all(watched.path(folder)).expect("the scratch folder can be written");
        fs_err::write(format!("{}/extra_tasks.py", watched.path(folder)), text)
            .expect("the scratch folder can be written");
    };
    let made = |expected_starts: usize, variable: Option<&str>| {
        let (export, starts) = watched.export(&pipeline, &[], variable);
        assert_eq!(starts, expected_starts);
        export["tasks"]["a"]["connections"]["made"]["dataset_type"].as_str().unwrap().to_owned()
    };
    module("modules", "first");
    assert_eq!(made(1, None), "first_none");
    assert_eq!(made(1, None), "first_none");

    module("modules", "other");
    assert_eq!(made(2, None), "other_none", "a task's module was edited");
    write("second");
    assert_eq!(made(3, None), "other_none", "an imported pipeline was edited");
    assert_eq!(made(4, Some("r")), "other_r", "a variable that the module asks for was set");
    assert_eq!(made(4, Some("r")), "other_r");
    fs_err::write(format!("{}/unrelated.py", watched.path("modules")), "")
        .expect("the scratch folder can be written");
    assert_eq!(made(4, Some("r")), "other_r", "another module beside it changes nothing");
}
