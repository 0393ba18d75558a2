//! Questions to a small repository whose universe is none of the middleware's.

use std::sync::Arc;

use camino::Utf8Path;
use qbb_datastore::RepositoryConfig;
use qbb_dimensions::Universe;
use qbb_registry::conformance::Sample;
use qbb_registry::{Snapshot, SqliteRegistry, open_reader, open_writer};

use crate::{
    DataIdQuery, DatasetQuery, ExistingDatasets, FoundDatasets, QueryError, RecordQuery, Selection,
    data_ids, datasets, dimension_records, files,
};

fn with_sample(check: impl FnOnce(&Arc<Universe>, &mut dyn Snapshot)) {
    let folder = tempfile::tempdir().unwrap();
    let root = Utf8Path::from_path(folder.path()).unwrap().join("me");
    let mut sample = Sample::new();
    SqliteRegistry::create(&root, sample.universe()).unwrap();
    let config = RepositoryConfig::open(root.as_str()).unwrap();
    sample.fill(&mut *open_writer(&config).unwrap());
    let mut reader = open_reader(&config).unwrap();
    let universe = reader.universe().clone();
    let mut snapshot = reader.snapshot().unwrap();
    check(&universe, &mut *snapshot);
}

fn texts(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

fn of(dataset_types: &[&str], collections: &[&str]) -> DatasetQuery {
    DatasetQuery {
        dataset_types: texts(dataset_types),
        collections: texts(collections),
        ..DatasetQuery::default()
    }
}

/// The last bytes of the UUIDs, by which the sample numbers datasets.
fn numbers(found: &FoundDatasets) -> Vec<u8> {
    found.tables.iter().flat_map(|table| table.id.iter().map(|id| id[15])).collect()
}

#[test]
fn each_dataset_is_told_once_or_wherever_it_is_or_only_if_it_is_first() {
    with_sample(|universe, snapshot| {
        let mut query = of(&["image"], &["top"]);
        let mut found = numbers(&datasets(universe, snapshot, &query).unwrap());
        found.sort_unstable();
        assert_eq!(found, [10, 11, 12, 20, 21, 22]);
        query.every_membership = true;
        let all = datasets(universe, snapshot, &query).unwrap();
        assert_eq!(all.len(), 7, "one is tagged too");
        query.every_membership = false;
        query.find_first = true;
        let mut found = numbers(&datasets(universe, snapshot, &query).unwrap());
        found.sort_unstable();
        assert_eq!(found, [10, 11, 12], "the run comes before the chain");
        let first =
            datasets(universe, snapshot, &DatasetQuery { collections: texts(&["chain"]), ..query });
        let first = first.unwrap();
        let table = &first.tables[0];
        let name = |row: usize| {
            let ix = first.collections.flat[table.rank[row] as usize];
            (table.id[row][15], first.collections.catalog.get(ix).name.as_str())
        };
        let mut found: Vec<_> = (0..table.len()).map(name).collect();
        found.sort_unstable();
        assert_eq!(found, [(20, "tag"), (21, "run2"), (22, "run2")]);
    });
}

#[test]
fn statements_depend_on_the_question_alone() {
    with_sample(|universe, snapshot| {
        let mut sent = |collections: &[&str], with_records| {
            let before = snapshot.statements();
            let mut query = of(&["image", "note"], collections);
            query.selection.with_records = with_records;
            let found = datasets(universe, snapshot, &query).unwrap();
            (found.len(), snapshot.statements() - before)
        };
        let ((few, once), (many, twice)) = (sent(&["run1"], false), sent(&["run*", "tag"], false));
        assert_eq!((few, many), (4, 7));
        assert_eq!(once, twice);
    });
}

#[test]
fn results_are_sorted_and_limited() {
    with_sample(|universe, snapshot| {
        let mut query = of(&["image"], &["run1"]);
        query.selection.order_by = texts(&["-order", "-sensor"]);
        assert_eq!(numbers(&datasets(universe, snapshot, &query).unwrap()), [12, 11, 10]);
        query.selection.limit = Some(2);
        let found = datasets(universe, snapshot, &query).unwrap();
        assert_eq!((numbers(&found), found.more), (vec![12, 11], true));
        query.selection.limit = Some(3);
        assert!(!datasets(universe, snapshot, &query).unwrap().more);
        query.selection.order_by = texts(&["cell"]);
        let error = datasets(universe, snapshot, &query).unwrap_err();
        assert!(matches!(error, QueryError::OrderBeyondResults { .. }), "{error}");
    });
}

#[test]
fn calibrations_have_validity_ranges_and_composites_several_files() {
    with_sample(|universe, snapshot| {
        let flats = datasets(universe, snapshot, &of(&["flat"], &["calib"])).unwrap();
        let validity: Vec<_> =
            flats.tables[0].validity.iter().map(|v| v.unwrap().begin.0).collect();
        assert_eq!(validity, [100, 0]);
        let mut images = datasets(universe, snapshot, &of(&["image"], &["run1"])).unwrap();
        let rows = files(snapshot, &mut images).unwrap();
        let mut found: Vec<_> =
            rows.id.iter().zip(&rows.path).map(|(id, p)| (id[15], &**p)).collect();
        found.sort_unstable();
        let expected = [(10, "run1/a.pixels"), (10, "run1/a.wcs"), (11, "file:///archive/b")];
        assert_eq!(found, expected, "one image is not stored");
    });
}

#[test]
fn data_ids_and_records_follow_conditions_and_datasets() {
    with_sample(|universe, snapshot| {
        let mut query =
            DataIdQuery { dimensions: texts(&["order", "sensor"]), ..DataIdQuery::default() };
        assert_eq!(data_ids(universe, snapshot, &query).unwrap().data_ids.len(), 3);
        query.selection.restriction = "telescope = 'T1' AND sensor = 1".to_owned();
        assert_eq!(data_ids(universe, snapshot, &query).unwrap().data_ids.len(), 1);
        query.selection.restriction.clear();
        query.existing =
            ExistingDatasets { dataset_types: texts(&["image"]), collections: texts(&["tag"]) };
        assert_eq!(data_ids(universe, snapshot, &query).unwrap().data_ids.len(), 1);
        let query = RecordQuery {
            element: "order".to_owned(),
            selection: Selection { order_by: texts(&["-order"]), ..Selection::default() },
            ..RecordQuery::default()
        };
        let found = dimension_records(universe, snapshot, &query).unwrap();
        assert_eq!(found.records.keys[1], [12, 11, 10]);
    });
}

#[test]
fn wrong_names_are_answered_with_similar_ones() {
    with_sample(|universe, snapshot| {
        let mut refused =
            |query: &DatasetQuery| datasets(universe, snapshot, query).unwrap_err().to_string();
        let messages = [
            refused(&of(&["imgae"], &["run1"])),
            refused(&of(&["image.pixels"], &["run1"])),
            refused(&of(&["image"], &["run3"])),
            refused(&DatasetQuery { find_first: true, ..of(&["image"], &["run*"]) }),
        ];
        let query = DataIdQuery { dimensions: texts(&["sensors"]), ..DataIdQuery::default() };
        let unknown = data_ids(universe, snapshot, &query).unwrap_err().to_string();
        assert_eq!(
            [&messages[..], &[unknown]].concat().join("\n"),
            "unknown dataset type `imgae` (did you mean `image`?)\n\
             unknown dataset type `image.pixels` (did you mean `image`?)\n\
             unknown collection `run3` (did you mean `run1`?)\n\
             what `run*` matches has no order, so there is no first dataset to be found: name the \
             collections in the order in which they are to be searched\n\
             unknown dimension `sensors` (did you mean `sensor`?)"
        );
    });
}
