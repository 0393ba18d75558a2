//! Reading all of the sample.

use qbb_dimensions::sphere::{Region, SkyPixelization};
use qbb_dimensions::{DataValue, ElementIx, Symbols, Timespan, Universe};
use serde_json::{Value, json};

use super::sample::{Sample, id};
use crate::collection::{CollectionCatalog, CollectionIx, CollectionKind};
use crate::error::RegistryError;
use crate::filter::{CellRange, CellSet, Filter};
use crate::reader::{RegisteredDatasetType, RegistryReader, Snapshot};

/// Checks that a repository filled by [`Sample::fill`] reads as it should.
///
/// # Panics
/// If it does not.
pub fn check_reading(reader: &mut dyn RegistryReader) {
    assert_eq!(**reader.universe(), **Sample::new().universe());
    let universe = reader.universe().clone();
    let mut snapshot = reader.snapshot().unwrap();
    let catalog = check_collections(&mut *snapshot);
    check_records(&mut *snapshot, &universe);
    check_overlaps(&mut *snapshot, &universe);
    let mut expected = Sample::new().dataset_types();
    for dataset_type in &mut expected {
        // Groups belong to the universe they were read with.
        let names: Vec<&str> = dataset_type.dimensions.iter_names().collect();
        dataset_type.dimensions = universe.conform(names).unwrap();
    }
    let types = snapshot.dataset_types().unwrap();
    assert_eq!(types.iter().map(|t| t.dataset_type.clone()).collect::<Vec<_>>(), expected);
    check_summaries(&mut *snapshot, &catalog);
    check_datasets(&mut *snapshot, &universe, &catalog, &types);
    check_calibrations(&mut *snapshot, &catalog, &types);
    check_datastore_records(&mut *snapshot, &universe, &catalog, &types);
}

fn only(universe: &Universe, dimension: &str, cells: CellSet) -> Filter {
    Filter { restrictions: vec![(universe.find(dimension).unwrap().ix, cells)] }
}

fn values<V: Into<DataValue> + Copy>(values: &[V]) -> CellSet {
    CellSet::Values(values.iter().map(|&value| value.into()).collect())
}

fn ix(catalog: &CollectionCatalog, names: &[&str]) -> Vec<CollectionIx> {
    names.iter().map(|name| catalog.require(name).unwrap()).collect()
}

fn find<'a>(types: &'a [RegisteredDatasetType], name: &str) -> &'a RegisteredDatasetType {
    types.iter().find(|t| t.dataset_type.name == name).unwrap()
}

fn check_collections(snapshot: &mut dyn Snapshot) -> CollectionCatalog {
    let catalog = snapshot.collections().unwrap();
    let names: Vec<&str> = catalog.iter().map(|(_, c)| c.name.as_str()).collect();
    assert_eq!(names, ["calib", "chain", "run1", "run2", "tag", "top"]);
    let kinds: Vec<CollectionKind> = catalog.iter().map(|(_, c)| c.kind).collect();
    use CollectionKind::{Calibration, Chained, Run, Tagged};
    assert_eq!(kinds, [Calibration, Chained, Run, Run, Tagged, Chained]);
    let top = catalog.get(catalog.require("top").unwrap());
    assert_eq!(top.children, ix(&catalog, &["run1", "chain"]));
    let chain = catalog.get(catalog.require("chain").unwrap());
    assert_eq!(chain.children, ix(&catalog, &["tag", "run2", "calib"]));
    catalog
}

/// Records of an element as rows of JSON.
fn rows(snapshot: &mut dyn Snapshot, universe: &Universe, element: &str, filter: &Filter) -> Value {
    // Symbols that are taken already show mix-ups of cells and values.
    let mut symbols: Symbols = ["x", "T2", "y"].into_iter().collect();
    let element: ElementIx = universe.find(element).unwrap().ix;
    let table = snapshot.records(element, filter, &mut symbols).unwrap();
    (0..table.len() as u32).map(|row| Value::from(table.to_json(row, universe, &symbols))).collect()
}

fn check_records(snapshot: &mut dyn Snapshot, universe: &Universe) {
    let all = Filter::default();
    for (element, expected) in Sample::rows() {
        assert_eq!(rows(snapshot, universe, element, &all), expected, "{element}");
    }
    assert_eq!(rows(snapshot, universe, "band", &all), json!([["g"], ["r"]]), "distinct");
    let mut keys = |element: &str, dimension: &str, cells: CellSet| {
        rows(snapshot, universe, element, &only(universe, dimension, cells))
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row.as_array().unwrap()[..2].to_vec())
            .collect::<Vec<_>>()
    };
    // Implementations may return more rows, but must not lose any; these can do no other than
    // filter by columns of the element's own.
    let ranges = |ranges: &[(i64, i64)]| {
        CellSet::Ranges(ranges.iter().map(|&(first, last)| CellRange { first, last }).collect())
    };
    let lost = |found: &[Vec<Value>], wanted: &[Value]| {
        wanted.iter().any(|wanted| !found.iter().any(|row| row[1] == *wanted))
    };
    assert!(!lost(&keys("order", "order", values(&[10, 12, 99])), &[json!(10), json!(12)]));
    assert!(!lost(&keys("order", "order", ranges(&[(11, 40), (0, 10)])), &[json!(10), json!(12)]));
    assert!(!lost(&keys("order", "filter", values(&["g1"])), &[json!(11), json!(12)]));
    assert!(!lost(&keys("filter", "band", values(&["r", "i"])), &[json!("r1"), json!("r2")]));
    assert!(!lost(&keys("sensor", "telescope", values(&["T2"])), &[json!(0)]));

    let pixels = universe.common_skypix().ix;
    let error = snapshot.records(pixels, &all, &mut Symbols::new()).unwrap_err();
    assert!(matches!(error, RegistryError::NotStored { .. }), "{error}");
}

fn check_overlaps(snapshot: &mut dyn Snapshot, universe: &Universe) {
    let htm5 = SkyPixelization::new("htm", 5).unwrap();
    let all = Filter::default();
    for (element, expected) in Sample::rows() {
        let element = universe.find(element).unwrap();
        let mut symbols = Symbols::new();
        let found = snapshot.overlaps(element.ix, &all, &mut symbols);
        if !element.is_spatial() {
            assert!(matches!(found, Err(RegistryError::NotStored { .. })));
            continue;
        }
        let found = found.unwrap();
        let width = element.required.len();
        let mut wanted = Vec::new();
        for row in expected.as_array().unwrap() {
            let row = row.as_array().unwrap();
            let region = element.required.len()
                + element.implied.len()
                + element.alternate_keys.len()
                + element.metadata.len();
            let Some(hex) = row[region].as_str() else { continue };
            let bytes: Vec<u8> = (0..hex.len() / 2)
                .map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap())
                .collect();
            let region = Region::decode(&bytes).unwrap();
            for pixel in htm5.envelope(&region, None).indexes() {
                wanted.push((row[..width].to_vec(), pixel as i64));
            }
        }
        let got: Vec<(Vec<Value>, i64)> = (0..found.pixel.len())
            .map(|row| {
                let cells = element.required.iter().zip(&found.keys);
                let key =
                    cells.map(|(&ix, column)| json!(universe.value(ix, column[row], &symbols)));
                (key.collect(), found.pixel[row])
            })
            .collect();
        assert!(!wanted.is_empty());
        assert_eq!(got, wanted, "{}", element.name);
    }
}

fn check_summaries(snapshot: &mut dyn Snapshot, catalog: &CollectionCatalog) {
    let collections = ix(catalog, &["run1", "run2", "tag", "calib", "chain"]);
    let found = snapshot.summaries(catalog, &collections).unwrap();
    let expected: [&[&str]; 5] =
        [&["image", "note"], &["flat", "image"], &["image"], &["flat"], &["flat", "image"]];
    assert_eq!(found, expected);
}

fn check_datasets(
    snapshot: &mut dyn Snapshot,
    universe: &Universe,
    catalog: &CollectionCatalog,
    types: &[RegisteredDatasetType],
) {
    let mut symbols = Symbols::new();
    let all = Filter::default();
    // A chain and a CALIBRATION collection have no rows of this sort, but keep their ranks.
    let search = ix(catalog, &["chain", "run2", "calib", "tag", "run1"]);
    let image = find(types, "image");
    let found = snapshot.datasets(image, catalog, &search, &all, &mut symbols).unwrap();
    let telescope = symbols.find("T1").unwrap().cell();
    let mut got: Vec<_> = (0..found.id.len())
        .map(|row| {
            assert_eq!(found.keys[0][row], telescope);
            let run = catalog.get(found.run[row]).name.as_str();
            (found.rank[row], found.keys[1][row], found.keys[2][row], found.id[row][15], run)
        })
        .collect();
    got.sort_unstable();
    assert_eq!(
        got,
        [
            (1, 0, 10, 20, "run2"),
            (1, 0, 11, 22, "run2"),
            (1, 1, 10, 21, "run2"),
            (3, 0, 10, 20, "run2"),
            (4, 0, 10, 10, "run1"),
            (4, 0, 11, 12, "run1"),
            (4, 1, 10, 11, "run1"),
        ]
    );
    let run1 = ix(catalog, &["run1"]);
    let sensor = only(universe, "sensor", values(&[1]));
    let found = snapshot.datasets(image, catalog, &run1, &sensor, &mut symbols).unwrap();
    assert!(found.id.contains(&id(11)));
    assert_eq!((&found.rank[0], &found.run[0]), (&0, &run1[0]));

    let note = snapshot.datasets(find(types, "note"), catalog, &run1, &all, &mut symbols).unwrap();
    assert_eq!((note.keys.len(), note.id), (0, vec![id(1)]));
    let stars = find(types, "stars");
    let none = snapshot.datasets(stars, catalog, &search, &all, &mut symbols).unwrap();
    assert_eq!((none.keys.len(), none.id.len()), (1, 0));
    let before = snapshot.statements();
    let none = snapshot.datasets(image, catalog, &[], &all, &mut symbols).unwrap();
    assert_eq!((none.keys.len(), none.id.len()), (3, 0));
    assert_eq!(snapshot.statements(), before, "no collections, no statement");
}

fn check_calibrations(
    snapshot: &mut dyn Snapshot,
    catalog: &CollectionCatalog,
    types: &[RegisteredDatasetType],
) {
    let mut symbols = Symbols::new();
    let (all, flat) = (Filter::default(), find(types, "flat"));
    let search = ix(catalog, &["run2", "calib"]);
    let found = snapshot.calibrations(flat, catalog, &search, &all, &mut symbols).unwrap();
    assert_eq!(found.datasets.id, [id(30), id(31)]);
    assert_eq!(found.datasets.keys[2], [0, 1]);
    assert_eq!(found.datasets.rank, [1, 1]);
    assert_eq!(found.datasets.run, [search[0], search[0]]);
    assert_eq!(found.timespan, [Timespan::from((100, 200)), Timespan::UNBOUNDED]);
    let none =
        snapshot.calibrations(find(types, "image"), catalog, &search, &all, &mut symbols).unwrap();
    assert!(none.timespan.is_empty(), "images are no calibrations");
}

fn check_datastore_records(
    snapshot: &mut dyn Snapshot,
    universe: &Universe,
    catalog: &CollectionCatalog,
    types: &[RegisteredDatasetType],
) {
    let mut symbols = Symbols::new();
    let (all, image) = (Filter::default(), find(types, "image"));
    let run1 = ix(catalog, &["run1"]);
    let of_run = snapshot.datastore_records(image, catalog, &run1, &all, &mut symbols).unwrap();
    let few = [id(10), id(12), id(99)];
    let of_datasets = snapshot.datastore_records_of(&few, &mut symbols).unwrap();
    let sensor = only(universe, "sensor", values(&[1]));
    let of_sensor =
        snapshot.datastore_records(image, catalog, &run1, &sensor, &mut symbols).unwrap();
    assert!(of_sensor.id.contains(&id(11)));

    let text = |symbol| symbols.get(symbol).unwrap();
    let list = |rows: &crate::DatastoreRecordRows| {
        let mut list: Vec<String> = (0..rows.id.len())
            .map(|row| {
                assert_eq!(text(rows.datastore[row]), "FileDatastore@<butlerRoot>");
                assert_eq!(text(rows.formatter[row]), "x.JsonFormatter");
                assert_eq!(text(rows.storage_class[row]), "StructuredDataDict");
                format!(
                    "{} {} {:?} {:?} {}",
                    rows.id[row][15],
                    rows.path[row],
                    rows.component[row].map(text),
                    rows.checksum[row],
                    rows.file_size[row]
                )
            })
            .collect();
        list.sort_unstable();
        list
    };
    let components = [
        "10 run1/a.pixels Some(\"pixels\") Some(\"0badcafe\") 12",
        "10 run1/a.wcs Some(\"wcs\") None 3",
    ];
    assert_eq!(list(&of_datasets), components, "datasets without records have no rows");
    let external = "11 file:///archive/b None None -1";
    assert_eq!(list(&of_run), [components[0], components[1], external]);
}
