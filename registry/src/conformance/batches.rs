//! Datasets of several types in several RUNs at once: all of them, or a precise reason why not.

use qbb_dimensions::Timespan;

use super::RepositoryUnderTest;
use super::sample::{Sample, file, id};
use crate::changes::{Association, DatasetBatch, NewCollection, StoredFile};
use crate::collection::CollectionKind;
use crate::error::{ConflictKind, RegistryError};
use crate::writer::RegistryWriter;

/// Datasets of a type in a RUN, each with a file.
#[derive(Clone)]
struct Group {
    dataset_type: &'static str,
    run: &'static str,
    keys: Vec<Vec<i64>>,
    id: Vec<[u8; 16]>,
    files: Vec<(u32, StoredFile)>,
}

impl Group {
    fn new(dataset_type: &'static str, run: &'static str, keys: &[Vec<i64>], first: u8) -> Self {
        let len = keys.first().map_or(1, Vec::len) as u8;
        let id = (first..first + len).map(id).collect();
        let stored = |at: u8| file(&format!("{run}/{dataset_type}{at}"), None, None, 5);
        let files = (0..len).map(|at| (u32::from(at), stored(at))).collect();
        Self { dataset_type, run, keys: keys.to_vec(), id, files }
    }
}

fn insert(
    writer: &mut dyn RegistryWriter,
    sample: &Sample,
    groups: &[Group],
    commit: bool,
) -> Result<u64, RegistryError> {
    let batches: Vec<DatasetBatch<'_>> = (groups.iter())
        .map(|group| DatasetBatch {
            dataset_type: group.dataset_type,
            run: group.run,
            keys: &group.keys,
            id: &group.id,
            files: &group.files,
        })
        .collect();
    let mut transaction = writer.begin()?;
    let new = transaction.insert_dataset_batches(&batches, &sample.symbols)?;
    if commit {
        transaction.commit()?;
    }
    Ok(new)
}

/// What a refusal is about, and what it says.
fn refused(
    writer: &mut dyn RegistryWriter,
    sample: &Sample,
    groups: &[Group],
) -> (ConflictKind, String) {
    match insert(writer, sample, groups, true).unwrap_err() {
        RegistryError::Conflict(conflict) => (conflict.kind, conflict.to_string()),
        other => panic!("{other}"),
    }
}

pub(super) fn check(repository: &dyn RepositoryUnderTest, mut sample: Sample) {
    let mut writer = repository.writer();
    sample.fill(&mut *writer);
    let run = |name: &str| NewCollection {
        name: name.to_owned(),
        kind: CollectionKind::Run,
        doc: None,
        children: Vec::new(),
    };
    let mut transaction = writer.begin().unwrap();
    assert_eq!(transaction.register_collections(&["a", "b", "c"].map(run)).unwrap(), 3);
    transaction.commit().unwrap();

    let keys = sample.image_keys();
    let groups = [
        Group::new("image", "a", &keys, 100),
        Group::new("image", "b", &keys, 110),
        Group::new("mask", "b", &keys, 120),
        Group::new("note", "b", &[], 130),
        Group::new("stars", "c", &[vec![8192, 8193]], 140),
        Group::new("image", "run1", &[], 0).without_datasets(),
    ];
    assert_eq!(insert(&mut *writer, &sample, &groups, true).unwrap(), 3 + 3 + 3 + 1 + 2);
    assert_eq!(insert(&mut *writer, &sample, &groups, true).unwrap(), 0, "nothing is new");
    assert_eq!(insert(&mut *writer, &sample, &[], true).unwrap(), 0);
    let mut more = groups.to_vec();
    more.push(Group::new("mask", "a", &keys, 150));
    more[4] = Group::new("stars", "c", &[vec![8192, 8193, 8194]], 140);
    assert_eq!(insert(&mut *writer, &sample, &more, true).unwrap(), 3 + 1);
    check_stored(repository, &mut sample, &more);

    check_refusals(&mut *writer, &sample, &more);
    check_stored(repository, &mut sample, &more);
    check_associations(&mut *writer, &mut sample, &groups);
}

impl Group {
    fn without_datasets(self) -> Self {
        Self { keys: vec![Vec::new(); 3], id: Vec::new(), files: Vec::new(), ..self }
    }

    /// The same data IDs with other UUIDs.
    fn renumbered(&self, first: u8) -> Self {
        Self::new(self.dataset_type, self.run, &self.keys, first)
    }
}

/// Every dataset has its file, and no other.
fn check_stored(repository: &dyn RepositoryUnderTest, sample: &mut Sample, groups: &[Group]) {
    let mut reader = repository.reader();
    let mut snapshot = reader.snapshot().unwrap();
    for group in groups {
        let found = snapshot.datastore_records_of(&group.id, &mut sample.symbols).unwrap();
        let mut found: Vec<_> = found.id.iter().zip(found.path.iter().map(|p| &**p)).collect();
        found.sort_unstable();
        let given: Vec<_> =
            group.files.iter().map(|(at, file)| (&group.id[*at as usize], &*file.path)).collect();
        assert_eq!(found, given);
    }
}

/// One of several batches stands against what is there: nothing of any is inserted.
fn check_refusals(writer: &mut dyn RegistryWriter, sample: &Sample, groups: &[Group]) {
    let new = Group::new("stars", "a", &[vec![8200]], 200);
    // A data ID that another dataset has, in one RUN of several.
    let other = groups[2].renumbered(210);
    for groups in [vec![new.clone(), other.clone()], [groups, &[other]].concat()] {
        let (kind, text) = refused(writer, sample, &groups);
        assert_eq!(kind, ConflictKind::DataId, "{text}");
        for part in ["mask {telescope: 'T1', sensor: 0, order: 10} in `b`", "000000000078"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
    // The same within what is given.
    let twice = [new.clone(), new.renumbered(201)];
    let (kind, text) = refused(writer, sample, &twice);
    assert_eq!(kind, ConflictKind::DataId, "{text}");
    assert!(text.contains("stars {htm5: 8200} in `a`"), "{text}");
    // A UUID of something else.
    let moved = Group { run: "a", ..groups[1].clone() };
    let moved = Group { keys: vec![moved.keys[0].clone(), vec![0, 1, 1], vec![12; 3]], ..moved };
    let (kind, text) = refused(writer, sample, &[new.clone(), moved]);
    assert_eq!(kind, ConflictKind::Dataset, "{text}");
    for part in ["image {telescope: 'T1', sensor: 0, order: 10} in `b`", "order: 12", "in `a`"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    // Another file than is recorded.
    let mut elsewhere = groups[0].clone();
    elsewhere.files[1].1.path = "elsewhere".to_owned();
    let (kind, text) = refused(writer, sample, &[groups[1].clone(), elsewhere, new.clone()]);
    assert_eq!(kind, ConflictKind::DatastoreRecord, "{text}");
    assert!(text.contains("'a/image1'") && text.contains("'elsewhere'"), "{text}");

    let mut lost = groups[2].renumbered(220);
    lost.run = "c";
    lost.keys[1][1] = 99;
    match insert(writer, sample, &[new.clone(), lost], true).unwrap_err() {
        RegistryError::MissingRecord { what, data_id, .. } => {
            assert!(what.contains("mask {telescope: 'T1', sensor: 99, order: 10}"), "{what}");
            assert!(data_id.contains("99"), "{data_id}");
        }
        other => panic!("{other}"),
    }
    let error = insert(writer, sample, &[new.clone(), Group { run: "tag", ..new.clone() }], true);
    assert!(
        matches!(&error, Err(RegistryError::WrongCollectionKind { name, .. }) if name == "tag"),
        "{error:?}"
    );
    let error = insert(writer, sample, &[new.clone(), Group { run: "rum1", ..new.clone() }], true);
    assert!(
        matches!(&error, Err(RegistryError::UnknownCollection { name, .. }) if name == "rum1"),
        "{error:?}"
    );
    assert_eq!(insert(writer, sample, &[new], false).unwrap(), 1, "nothing of it was inserted");
}

/// Memberships of several types in several collections.
fn check_associations(writer: &mut dyn RegistryWriter, sample: &mut Sample, groups: &[Group]) {
    let (flat_keys, flats) = sample.flats();
    // The sample certifies the first from 100 to 200 and the second for all time.
    let (first, flat) = (flat_keys.map(|column| column[..1].to_vec()), [flats[0]]);
    let [later, overlapping] = [(1_000, 2_000), (150, 160)].map(|range| [Timespan::from(range)]);
    let certify = |timespan| Association {
        dataset_type: "flat",
        collection: "calib",
        keys: &first,
        id: &flat,
        timespan: Some(timespan),
    };
    let tag = |at: usize| Association {
        dataset_type: groups[at].dataset_type,
        collection: "tag",
        keys: &groups[at].keys,
        id: &groups[at].id,
        timespan: None,
    };
    let mut associate = |associations: &[Association<'_>]| {
        let mut transaction = writer.begin()?;
        let new = transaction.associate_all(associations, &sample.symbols)?;
        transaction.commit()?;
        Ok::<u64, RegistryError>(new)
    };
    let all = [tag(2), certify(&later), tag(3), tag(4)];
    assert_eq!(associate(&all).unwrap(), 3 + 1 + 1 + 2);
    assert_eq!(associate(&all).unwrap(), 0, "nothing is new");
    assert_eq!(associate(&[]).unwrap(), 0);
    // One dataset type and collection, twice.
    let [once, again] = [(3_000, 4_000), (3_500, 3_600)].map(|range| [Timespan::from(range)]);
    for (associations, kind, key) in [
        (vec![certify(&once), certify(&again)], ConflictKind::Certification, "of flat"),
        (vec![tag(4), certify(&overlapping), tag(3)], ConflictKind::Certification, "in `calib`"),
        // The sample has tagged an image with the first data ID.
        (vec![tag(3), tag(0), tag(2)], ConflictKind::DataId, "image {telescope: 'T1', sensor: 0"),
    ] {
        match associate(&associations).unwrap_err() {
            RegistryError::Conflict(found) => {
                assert_eq!(found.kind, kind, "{found}");
                assert!(found.key.contains(key), "{found}");
            }
            other => panic!("{other}"),
        }
    }
}
