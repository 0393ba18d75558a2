//! Native pipelines that measure raw images; what their programs do besides is each test's own.

use crate::kit::{DEFAULTS, Prepared, Scratch, qbb, release};

/// A pipeline of one task, `size`, whose quanta are executed by a script of the shell. It gets the raw
/// image as `$1`, its output as `$2`, the detector as `$3`, and exposure and detector as `$4`.
pub fn sizes(script: &str) -> String {
    // JSON texts are texts of YAML, whatever is in them.
    let script = serde_json::Value::from(script);
    format!(
        r#"
qbb_pipeline: 1
description: Sizes of raw images.
tasks:
  size:
    dimensions: [exposure, detector]
    inputs:
      raw: {{dataset_type: raw, dimensions: [exposure, detector]}}
    outputs:
      size:
        dataset_type: raw_size
        storage_class: StructuredDataDict
        dimensions: [exposure, detector]
    command:
      - sh
      - -c
      - {script}
      - size
      - "{{inputs.raw}}"
      - "{{outputs.size}}"
      - "{{data_id.detector}}"
      - "{{data_id.exposure}}-{{data_id.detector}}"
"#
    )
}

/// The same with a second task, `total`, that counts the sizes of each exposure.
pub fn sizes_and_totals(script: &str) -> String {
    sizes(script)
        + r#"
  total:
    dimensions: [exposure]
    inputs:
      sizes: {dataset_type: raw_size, dimensions: [exposure, detector], multiple: true}
    outputs:
      total:
        dataset_type: raw_total
        storage_class: StructuredDataDict
        dimensions: [exposure]
    command:
      - sh
      - -c
      - 'out="$1"; shift; echo "files: $#" > "$out"'
      - total
      - "{outputs.total}"
      - "{inputs.sizes}"
"#
}

/// Prepares [`sizes_and_totals`] for some detectors of the shared release, into `u/me/sizes/run1`.
pub fn prepare_sizes_and_totals(scratch: &Scratch, script: &str, detectors: &str) -> Prepared {
    let (pipeline, personal, submit) =
        (scratch.path("pipeline.yaml"), scratch.path("personal"), scratch.path("submit"));
    fs_err::write(&pipeline, sizes_and_totals(script)).unwrap();
    let repository = release().display().to_string();
    qbb(&["create", &personal, "--from", &repository]);
    let query = format!("instrument = 'QbbCam' AND detector IN ({detectors})");
    let mut prepare = vec!["prepare", "-b", &repository, "-p", &pipeline, "-i", DEFAULTS];
    prepare.extend(["-d", &query, "-o", "u/me/sizes", "--output-run", "u/me/sizes/run1"]);
    prepare.extend(["--personal", &personal, "--submit-dir", &submit]);
    qbb(&prepare);
    Prepared { personal, submit }
}
