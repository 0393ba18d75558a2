//! Validity ranges that are taken away, and tags.

use qbb_dimensions::{TaiNanos, Timespan};

use super::RepositoryUnderTest;
use super::sample::{Sample, id};
use crate::changes::{Association, DataIdColumns, Decertified};
use crate::error::RegistryError;
use crate::filter::Filter;

const END: i64 = TaiNanos::MAX.0;

/// All certifications of flats: the last byte of the UUID and the range.
fn certified(repository: &dyn RepositoryUnderTest, sample: &mut Sample) -> Vec<(u8, i64, i64)> {
    let mut reader = repository.reader();
    let mut snapshot = reader.snapshot().unwrap();
    let catalog = snapshot.collections().unwrap();
    let types = snapshot.dataset_types().unwrap();
    let flat = types.iter().find(|known| known.dataset_type.name == "flat").unwrap();
    let calib = catalog.require("calib").unwrap();
    let rows = snapshot
        .calibrations(flat, &catalog, &[calib], &Filter::default(), &mut sample.symbols)
        .unwrap();
    let mut found: Vec<(u8, i64, i64)> = (rows.datasets.id.iter().zip(&rows.timespan))
        .map(|(id, timespan)| (id[15], timespan.begin.0, timespan.end.0))
        .collect();
    found.sort_unstable();
    found
}

pub(super) fn check(repository: &dyn RepositoryUnderTest, mut sample: Sample) {
    let mut writer = repository.writer();
    sample.fill(&mut *writer);
    let (keys, _) = sample.flats();
    let first = keys.clone().map(|column| column[..1].to_vec());
    assert_eq!(certified(repository, &mut sample), [(30, 100, 200), (31, 0, END)]);
    let only_first = DataIdColumns { keys: &first, len: 1 };
    // Range, only the first data ID, what was there and what is left of it, all that is there.
    type Step<'a> = ((i64, i64), bool, (u64, u64), &'a [(u8, i64, i64)]);
    let steps: [Step<'_>; 6] = [
        ((200, 300), true, (0, 0), &[(30, 100, 200), (31, 0, END)]),
        ((120, 130), true, (1, 2), &[(30, 100, 120), (30, 130, 200), (31, 0, END)]),
        (
            (110, 140),
            false,
            (3, 4),
            &[(30, 100, 110), (30, 140, 200), (31, 0, 110), (31, 140, END)],
        ),
        (
            (0, 105),
            false,
            (2, 2),
            &[(30, 105, 110), (30, 140, 200), (31, 105, 110), (31, 140, END)],
        ),
        (
            (150, END),
            false,
            (2, 2),
            &[(30, 105, 110), (30, 140, 150), (31, 105, 110), (31, 140, 150)],
        ),
        ((0, END), true, (2, 0), &[(31, 105, 110), (31, 140, 150)]),
    ];
    for (range, one, (certifications, remaining), expected) in steps {
        let mut transaction = writer.begin().unwrap();
        let data_ids = one.then_some(only_first);
        let done = transaction
            .decertify("flat", "calib", Timespan::from(range), data_ids, &sample.symbols)
            .unwrap();
        transaction.commit().unwrap();
        assert_eq!(done, Decertified { certifications, remaining }, "{range:?}");
        assert_eq!(certified(repository, &mut sample), expected, "{range:?}");
    }
    // The data ID is free again.
    let again = Association {
        dataset_type: "flat",
        collection: "calib",
        keys: &first,
        id: &[id(30)],
        timespan: Some(&[Timespan::UNBOUNDED]),
    };
    assert_eq!(writer.begin().unwrap().associate(&again, &sample.symbols).unwrap(), 1);

    let mut refused = |dataset_type: &str, collection: &str, range: (i64, i64)| {
        let mut transaction = writer.begin().unwrap();
        let timespan = Timespan::from(range);
        transaction
            .decertify(dataset_type, collection, timespan, None, &sample.symbols)
            .unwrap_err()
    };
    for error in [refused("image", "calib", (1, 2)), refused("flat", "calib", (2, 2))] {
        assert!(matches!(error, RegistryError::Invalid { .. }), "{error}");
    }
    let error = refused("flat", "tag", (1, 2));
    assert!(matches!(error, RegistryError::WrongCollectionKind { .. }), "{error}");
    let error = refused("flad", "calib", (1, 2));
    assert!(error.to_string().contains("did you mean `flat`"), "{error}");

    let mut transaction = writer.begin().unwrap();
    assert_eq!(transaction.disassociate("image", "tag", &[id(20), id(21)]).unwrap(), 1);
    assert_eq!(transaction.disassociate("image", "tag", &[id(20)]).unwrap(), 0, "gone already");
    let error = transaction.disassociate("image", "run1", &[id(10)]).unwrap_err();
    assert!(matches!(error, RegistryError::WrongCollectionKind { .. }), "{error}");
}
