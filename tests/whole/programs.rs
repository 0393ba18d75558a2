//! Native pipelines: steps that are ordinary programs.

use crate::kit::{Prepared, Scratch, command, json, qbb, real_butler, script};
use crate::sizes::prepare_sizes_and_totals;

/// Counts the bytes of each raw image, and fails for detector 2 when it has.
const SIZE: &str =
    r#"echo "counting $1" && echo "bytes: $(wc -c < "$1")" > "$2" && test "$3" != 2"#;

#[test]
fn programs_read_and_write_datasets() {
    execute_and_read(&[]);
}

/// With packs, the same is in the repository in the end, and nothing before the transfer.
#[test]
fn packed_metadata_and_logs_are_read_by_the_real_butler() {
    execute_and_read(&["--pack"]);
}

fn execute_and_read(options: &[&str]) {
    let scratch = Scratch::new();
    // One detector fails: what depends on it is blocked, all else is done.
    let Prepared { personal, submit } = prepare_sizes_and_totals(&scratch, SIZE, "0..2");
    let mut run = command();
    run.args(["run", &submit, "-j", "2"])
        .args(options)
        .env_remove("QBB_PYTHON")
        .env("PATH", "/usr/bin:/bin");
    let output = run.output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let report = json(&["report", &submit]);
    for task in report["tasks"].as_array().unwrap() {
        let number = |key: &str| task[key].as_u64().unwrap();
        if task["task"] == "size" {
            assert!(number("failed") > 0 && number("succeeded") > number("failed"), "{task}");
        } else {
            assert!(number("blocked") > 0 && number("failed") == 0, "{task}");
        }
    }
    let failure = &report["failures"][0];
    assert!(failure["data_id"].as_str().unwrap().contains("detector: 2"), "{failure}");
    assert_eq!(failure["exit_code"], 1);

    let failed = failure["quantum"].as_str().unwrap();
    let log = json(&["log", &submit, failed]);
    let message = log["attempts"][0]["records"][1]["message"].as_str().unwrap();
    assert!(message.starts_with("counting "), "{log}");
    assert_eq!(log["attempts"][0]["exception"]["type_name"], "CommandFailed", "{log}");
    assert!(qbb(&["log", &submit, failed]).contains("INFO    size: counting"));

    let logs = std::path::PathBuf::from(format!("{personal}/u/me/sizes/run1/size_log"));
    assert_eq!(logs.exists(), options.is_empty());
    let transferred = json(&["transfer", &submit, "--inputs"]);
    assert_eq!(transferred["unpacked"] == 0, options.is_empty(), "{transferred}");
    assert!(logs.exists());
    let again = json(&["transfer", &submit, "--inputs"]);
    assert_eq!(again["datasets_inserted"], 0, "{again}");
    script("check_repository.py", &[&personal, "--true-sizes"]);
    let log = real_butler(READ, &[&personal]);
    let (n, message) = log.trim().rsplit('\n').next().unwrap().split_once(' ').unwrap();
    assert!(n.parse::<u32>().unwrap() > 10 && message.contains("counting"), "{log}");
}

/// Reads sizes, metadata and a log as a Rubin user would.
const READ: &str = "
import sys
from lsst.daf.butler import Butler
butler = Butler.from_config(sys.argv[1])
refs = butler.query_datasets('raw_size', collections='u/me/sizes')
for ref in refs:
    assert butler.get(ref)['bytes'] > 0
    metadata = butler.get('size_metadata', ref.dataId, collections='u/me/sizes')
    assert metadata['quantum'].getScalar('startUtc')
    assert butler.getURI('size_metadata', ref.dataId, collections='u/me/sizes').exists()
log = butler.get('size_log', refs[0].dataId, collections='u/me/sizes')
print(len(refs), ' '.join(record.message for record in log))
";
