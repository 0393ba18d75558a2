//! Certifications: repeated, adjacent and overlapping.

use qbb_dimensions::Timespan;

use super::RepositoryUnderTest;
use super::sample::{Sample, id};
use crate::changes::Association;
use crate::error::{ConflictKind, RegistryError};

pub(super) fn check(repository: &dyn RepositoryUnderTest, mut sample: Sample) {
    let mut writer = repository.writer();
    sample.fill(&mut *writer);
    let (keys, _) = sample.flats();
    let first = keys.clone().map(|column| vec![column[0]; 2]);
    let mut certify = |collection: &str, id: &[[u8; 16]], ranges: &[(i64, i64)]| {
        let timespans: Vec<Timespan> = ranges.iter().copied().map(Timespan::from).collect();
        let keys = first.clone().map(|column| column[..ranges.len()].to_vec());
        let association = Association {
            dataset_type: "flat",
            collection,
            keys: &keys,
            id,
            timespan: Some(&timespans),
        };
        let mut transaction = writer.begin()?;
        let new = transaction.associate(&association, &sample.symbols)?;
        transaction.commit()?;
        Ok::<u64, RegistryError>(new)
    };
    let flat = id(30);
    // The sample certifies it from 100 to 200.
    assert_eq!(certify("calib", &[flat], &[(100, 200)]).unwrap(), 0, "nothing is new");
    assert_eq!(certify("calib", &[flat, flat], &[(50, 100), (200, 300)]).unwrap(), 2, "adjacent");
    assert_eq!(certify("calib", &[flat, flat], &[(50, 100), (400, 500)]).unwrap(), 1);
    for ranges in [&[(299, 301)][..], &[(0, 4_102_444_800_000_000_000)], &[(600, 700), (650, 651)]]
    {
        let ids = vec![flat; ranges.len()];
        match certify("calib", &ids, ranges).unwrap_err() {
            RegistryError::Conflict(conflict) => {
                assert_eq!(conflict.kind, ConflictKind::Certification);
                assert!(conflict.key.contains("in `calib`"), "{conflict}");
            }
            other => panic!("{other}"),
        }
    }
    assert_eq!(certify("calib", &[flat, flat], &[(600, 700), (600, 700)]).unwrap(), 1, "twice");
    let empty = certify("calib", &[flat], &[(300, 300)]).unwrap_err();
    assert!(matches!(empty, RegistryError::Invalid { .. }), "{empty}");
    for collection in ["run2", "tag", "chain"] {
        let error = certify(collection, &[flat], &[(800, 900)]).unwrap_err();
        assert!(matches!(error, RegistryError::WrongCollectionKind { .. }), "{error}");
    }

    let images = sample.image_keys().map(|column| column[..1].to_vec());
    let association = Association {
        dataset_type: "image",
        collection: "calib",
        keys: &images,
        id: &[id(10)],
        timespan: Some(&[Timespan::UNBOUNDED]),
    };
    let error = writer.begin().unwrap().associate(&association, &sample.symbols).unwrap_err();
    assert!(matches!(error, RegistryError::Invalid { .. }), "no calibration: {error}");
}
