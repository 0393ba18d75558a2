//! Dataset types that the personal repository has with another storage class.

use std::process::Command;

use crate::kit::{
    DEFAULTS, Prepared, RELEASED, Scratch, command, json, kit, python, qbb_fails, release, script,
    succeeded,
};

fn butler(code: &str, arguments: &[&str]) {
    let output = Command::new(python()).args(["-c", code]).args(arguments).output().unwrap();
    succeeded("the real Butler", output);
}

/// What converts in both directions comes, and is read as what is registered, as after the
/// middleware's own transfer; what does not is refused by run transfer, reference and direct
/// transfer alike.
#[test]
fn storage_classes_that_convert_are_no_conflict() {
    let scratch = Scratch::new();
    let from = release().display().to_string();
    let Prepared { personal, submit } = Prepared::new(&scratch, "me", &from, "user");
    butler(REGISTER, &[&from, &personal]);
    let expected = serde_json::json!([
        {"dataset_type": "release_object", "registered": "ArrowTable", "written": "ArrowAstropy"}
    ]);
    let objects = ["-d", "release_object", "--collections", RELEASED];
    let referenced = json(&[&["reference", &personal], &objects[..]].concat());
    assert_eq!(referenced["storage_classes"], expected);
    assert!(referenced["inserted"]["datasets_inserted"].as_u64() > Some(0), "{referenced}");
    butler(READ, &[&from, &personal]);

    // visit_image is registered as something else altogether.
    let images = ["-d", "visit_image", "--collections", RELEASED];
    for command in [
        &["transfer", &submit, "--inputs"][..],
        &[&["reference", &personal], &images[..]].concat(),
        &[&["transfer-datasets", &from, &personal], &images[..]].concat(),
    ] {
        let refused = qbb_fails(3, command);
        let words = refused.split_whitespace().collect::<Vec<_>>().join(" ").replace("│ ", "");
        for part in ["`visit_image`", "ArrowTable", "StructuredDataDict", "connections.NAME"] {
            assert!(words.contains(part), "{part} is not in {words}");
        }
    }
    let nobody = [&["reference", &personal], &objects[..], &["--python", "/no/python"]].concat();
    assert!(qbb_fails(3, &nobody).contains("/no/python"));

    // Without its inputs the run has nothing to do with them.
    assert_eq!(json(&["transfer", &submit])["storage_classes"], serde_json::json!([]));
}

/// Tasks may use what only the release's configuration defines, as with the middleware, which knows it
/// from then on that it opens the release.
#[test]
fn storage_classes_of_the_release_are_known_to_pipelines() {
    let scratch = Scratch::new();
    let [folder, pipeline] = ["", "own.yaml"].map(|name| scratch.path(name));
    fs_err::write(scratch.path("own_tasks.py"), OWN_TASKS).unwrap();
    let text = "description: Own.\ntasks: {own: {class: own_tasks.OwnTask}}\n";
    fs_err::write(&pipeline, text).unwrap();
    let [ours, theirs] = ["ours.qg", "theirs.qg"].map(|name| scratch.path(name));
    let from = release().display().to_string();
    let common = ["-b", &from, "-p", &pipeline, "-i", DEFAULTS, "-d", "instrument='QbbCam'"];
    let run = ["--output-run", "u/me/own"];
    let mut build = command();
    build.args(["graph", "build", "-q", &ours]).args(common).args(run);
    build.env("PYTHONPATH", format!("{}:{folder}", kit().display()));
    succeeded("qbb graph build", build.output().unwrap());
    let mut real = Command::new(std::path::Path::new(python()).with_file_name("pipetask"));
    real.args(["qgraph", "-q", &theirs]).args(common).args(run);
    real.env("PYTHONPATH", format!("{}:{folder}", kit().display()));
    succeeded("pipetask qgraph", real.output().unwrap());
    script("compare_graphs.py", &[&theirs, &ours]);
}

const OWN_TASKS: &str = r#"
import lsst.pipe.base.connectionTypes as cT
from lsst.pipe.base import PipelineTask, PipelineTaskConfig, PipelineTaskConnections

DIMENSIONS = ("instrument", "detector")

class OwnConnections(PipelineTaskConnections, dimensions=DIMENSIONS):
    own = cT.Output(doc="Own.", name="own", storageClass="KitParts", dimensions=DIMENSIONS)

class OwnConfig(PipelineTaskConfig, pipelineConnections=OwnConnections):
    pass

class OwnTask(PipelineTask):
    ConfigClass = OwnConfig
    _DefaultName = "own"
"#;

const REGISTER: &str = "
import sys
from lsst.daf.butler import Butler
release, mine = Butler.from_config(sys.argv[1]), Butler.from_config(sys.argv[2], writeable=True)
for name in ('release_object', 'visit_image'):
    mine.registry.registerDatasetType(
        release.get_dataset_type(name).overrideStorageClass('ArrowTable')
        if name == 'release_object'
        else type(release.get_dataset_type(name))(
            name, release.get_dataset_type(name).dimensions, 'ArrowTable'))
";

const READ: &str = "
import sys
import pyarrow
from lsst.daf.butler import Butler
release, mine = Butler.from_config(sys.argv[1]), Butler.from_config(sys.argv[2])
found = mine.query_datasets('release_object', '*', find_first=False, limit=None)
assert found
for ref in found:
    table = mine.get(ref)
    assert isinstance(table, pyarrow.Table), type(table)
    original = release.get(release.get_dataset(ref.id))
    assert table['id'].to_pylist() == list(original['id'])
    assert mine.get(ref, storageClass='ArrowAstropy').colnames == original.colnames
";
