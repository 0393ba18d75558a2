//! Personal repositories, as the middleware sees them.

use std::process::Stdio;

use crate::kit::{Prepared, Scratch, command, qbb, real_butler, release, script, succeeded};

#[test]
fn a_new_repository_has_the_tables_that_the_middleware_makes() {
    let scratch = Scratch::new();
    let personal = scratch.path("personal");
    qbb(&["create", &personal, "--from", &release().display().to_string()]);
    script("compare_schema.py", &[&personal]);
    script("check_repository.py", &[&personal]);
}

/// After a transfer the middleware goes on writing where qbb stopped.
#[test]
fn the_middleware_goes_on_writing() {
    let scratch = Scratch::new();
    let repository = release().display().to_string();
    let Prepared { personal, submit } = Prepared::new(&scratch, "me", &repository, "user");
    qbb(&["run", &submit]);
    qbb(&["transfer", &submit, "--inputs"]);
    script("compare_schema.py", &[&personal]);
    real_butler(WRITE, &[&personal]);
    script("check_repository.py", &[&personal]);
    let again = qbb(&["transfer", &submit, "--inputs"]);
    assert!(again.contains("new: 0 datasets"), "{again}");
}

/// Puts, certifies, tags and chains beside what was transferred.
pub const WRITE: &str = "
import sys
from lsst.daf.butler import Butler, CollectionType, DatasetType, Timespan
butler = Butler.from_config(sys.argv[1], writeable=True, run='u/me/more')
kind = DatasetType(
    'note', butler.dimensions.conform(['instrument', 'detector']), 'StructuredDataDict',
    isCalibration=True,
)
butler.registry.registerDatasetType(kind)
butler.registry.insertDimensionData(
    'detector', {'instrument': 'QbbCam', 'id': 4000, 'full_name': 'another'}
)
ref = butler.put({'a': 1}, kind, instrument='QbbCam', detector=4000)
butler.collections.register('u/me/calib', CollectionType.CALIBRATION)
butler.registry.certify('u/me/calib', [ref], Timespan(None, None))
butler.collections.register('u/me/tagged', CollectionType.TAGGED)
butler.registry.associate('u/me/tagged', [ref])
butler.collections.prepend_chain('u/me/out', ['u/me/tagged', 'u/me/more'])
assert butler.get('note', instrument='QbbCam', detector=4000, collections='u/me/out') == {'a': 1}
";

/// As it happens when the last jobs of two campaigns end together: two processes, one repository.
#[test]
fn transfers_at_the_same_time_both_land() {
    let scratch = Scratch::new();
    let repository = release().display().to_string();
    let Prepared { personal, submit } = Prepared::new(&scratch, "me", &repository, "user");
    qbb(&["run", &submit]);
    let other = scratch.path("other-submit");
    Prepared::over(&other, &personal, &repository, "user", "u/me/out/run2");
    qbb(&["run", &other]);
    let begin = |submit: &str| {
        let mut transfer = command();
        transfer.args(["transfer", submit, "--inputs"]);
        transfer.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let both = [begin(&submit), begin(&other)];
    for transfer in both {
        succeeded("qbb transfer", transfer.wait_with_output().unwrap());
    }
    script("check_repository.py", &[&personal]);
    let collections = qbb(&["collections", "list", &personal]);
    for run in ["u/me/out/run1", "u/me/out/run2"] {
        assert!(collections.contains(run), "{run} is not in {collections}");
    }
}

#[test]
fn a_release_is_found_by_its_label() {
    let scratch = Scratch::new();
    let index = scratch.path("index.yaml");
    fs_err::write(&index, format!("dr1: {}\n", release().display())).unwrap();
    let create = |label: &str, name: &str| {
        let mut create = command();
        create.env("DAF_BUTLER_REPOSITORY_INDEX", &index);
        create.args(["create", &scratch.path(name), "--from", label]).output().unwrap()
    };
    succeeded("qbb create", create("dr1", "personal"));
    let unknown = create("dr2", "other");
    assert_eq!(unknown.status.code(), Some(3));
    let message = String::from_utf8_lossy(&unknown.stderr).into_owned();
    assert!(message.contains("dr1"), "{message}");
}

#[test]
fn completions_and_manual_pages_are_made() {
    let scratch = Scratch::new();
    assert!(qbb(&["completions", "bash"]).contains("prepare"));
    qbb(&["man", &scratch.path("man")]);
    let page = fs_err::read_to_string(scratch.path("man/qbb-prepare.1")).unwrap();
    assert!(page.contains("submit\\-dir"), "{page}");
}
