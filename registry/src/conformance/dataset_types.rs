//! Dataset types and the tables they share.

use super::RepositoryUnderTest;
use super::sample::Sample;
use crate::changes::DatasetBatch;
use crate::error::{ConflictKind, RegistryError};

pub(super) fn check(repository: &dyn RepositoryUnderTest, sample: Sample) {
    let wanted = sample.dataset_types();
    let mut writer = repository.writer();
    let mut transaction = writer.begin().unwrap();
    // A calibration may come later than other types of the same dimensions.
    let mut early = wanted[1].clone();
    early.name = "bias".to_owned();
    early.is_calibration = false;
    assert_eq!(transaction.register_dataset_types(&[early.clone()]).unwrap(), 1);
    assert_eq!(transaction.register_dataset_types(&wanted).unwrap(), 6);
    assert_eq!(transaction.register_dataset_types(&wanted).unwrap(), 0, "nothing is new");
    transaction.commit().unwrap();

    let mut reader = repository.reader();
    let found = reader.snapshot().unwrap().dataset_types().unwrap();
    let mut expected = wanted.clone();
    expected.insert(0, early);
    assert_eq!(found.iter().map(|t| t.dataset_type.clone()).collect::<Vec<_>>(), expected);
    drop(reader);
    let tables = |name: &str| {
        let found = found.iter().find(|t| t.dataset_type.name == name).unwrap();
        (found.tags_table.clone(), found.calibs_table.clone())
    };
    assert_eq!(tables("image"), tables("mask"), "types of the same dimensions share tables");
    assert_eq!(tables("bias").0, tables("flat").0);
    assert!(tables("bias").1.is_none() && tables("flat").1.is_some());
    assert_ne!(tables("image").0, tables("flat").0);

    let mut refused = |change: &dyn Fn(&mut qbb_dimensions::DatasetType)| {
        let mut changed = wanted[2].clone();
        change(&mut changed);
        writer.begin().unwrap().register_dataset_types(&[changed]).unwrap_err()
    };
    let dimensions = wanted[0].dimensions.clone();
    for error in [
        refused(&|t| t.storage_class = "Other".to_owned()),
        refused(&|t| t.is_calibration = true),
        refused(&|t| t.dimensions = dimensions.clone()),
    ] {
        match error {
            RegistryError::Conflict(conflict) => {
                assert_eq!(conflict.kind, ConflictKind::DatasetType);
                assert!(conflict.existing.starts_with("StructuredDataDict {"), "{conflict}");
            }
            other => panic!("{other}"),
        }
    }
    for name in ["two words", "a.b", "", "1st"] {
        let error = refused(&|t| t.name = name.to_owned());
        assert!(matches!(error, RegistryError::Invalid { .. }), "{error}");
    }
    let unknown = DatasetBatch { dataset_type: "imgae", run: "r", keys: &[], id: &[], files: &[] };
    match writer.begin().unwrap().insert_datasets(&unknown, &sample.symbols).unwrap_err() {
        RegistryError::UnknownDatasetType { similar, .. } => {
            assert_eq!(similar.as_deref(), Some("image"));
        }
        other => panic!("{other}"),
    }
}
