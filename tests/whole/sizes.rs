//! Native pipelines that measure raw images; what their programs do besides is each test's own.

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
