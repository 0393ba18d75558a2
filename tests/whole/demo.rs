//! The embedded example.

use crate::kit::{Scratch, command, qbb, qbb_fails, real_butler, script, succeeded};

/// Every dataset of the personal repository that the demo leaves can be got by the real Butler.
#[test]
fn the_real_butler_gets_every_dataset() {
    let scratch = Scratch::new();
    let folder = scratch.path("demo");
    let mut demo = command();
    demo.args(["demo", &folder, "-j", "2"]).env("PATH", "/nowhere").env_remove("QBB_PYTHON");
    let text = succeeded("qbb demo", demo.output().unwrap());
    assert!(text.contains("personal"), "{text}");
    let picture = fs_err::read(format!("{folder}/picture.png")).unwrap();
    assert!(picture.starts_with(b"\x89PNG") && picture.len() > 2000);

    script("check_repository.py", &[&format!("{folder}/personal"), "--true-sizes"]);
    let counts = real_butler(GET_ALL, &[&format!("{folder}/personal")]);
    let n: u64 = counts.lines().last().unwrap().parse().unwrap();
    assert!(n > 300, "only {n} datasets");

    let status = qbb(&["status", &format!("{folder}/submit")]);
    let (table, pace) = status.split_once("\n\n").unwrap();
    assert!(pace.contains(": complete"), "{status}");
    insta::assert_snapshot!(table, @"
    task       expected  successful  caveats  failed  blocked  wonky  cut off  waiting
    isr              96          96        0       0        0      0        0        0
    calibrate        96          96        0       0        0      0        0        0
    warp            214         214        6       0        0      0        0        0
    coadd            54          54        0       0        0      0        0        0
    detect           18          18        0       0        0      0        0        0
    mosaic            2           2        0       0        0      0        0        0
    total           480         480        6       0        0      0        0        0
    ");

    // A second demo in the same folder replaces the first; other folders are left alone.
    qbb(&["demo", &folder, "--quiet"]);
    let other = scratch.path("other");
    fs_err::create_dir(&other).unwrap();
    fs_err::write(format!("{other}/mine"), b"").unwrap();
    qbb_fails(3, &["demo", &other]);
    assert!(std::path::Path::new(&format!("{other}/mine")).exists());
}

const GET_ALL: &str = "
import sys
from lsst.daf.butler import Butler
butler = Butler.from_config(sys.argv[1])
refs = butler.query_all_datasets('*', find_first=False, limit=None)
for ref in refs:
    butler.get(ref)
print(len(refs))
";
