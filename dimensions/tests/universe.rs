//! The universe of version 8 as its tables in real repositories show it.

use std::sync::Arc;

use qbb_dimensions::{DimensionGroup, Storage, Universe, UniverseError};

fn universe() -> Arc<Universe> {
    Universe::from_json(include_str!("data/universe8.json")).expect("the fixture is a universe")
}

fn names(group: &DimensionGroup, indices: &[qbb_dimensions::ElementIx]) -> Vec<String> {
    indices.iter().map(|&ix| group.universe().element(ix).name.clone()).collect()
}

#[test]
fn elements_stand_in_the_defining_order() {
    let universe = universe();
    let names: Vec<&str> = (universe.elements().iter())
        .filter(|element| element.skypix().is_none())
        .map(|element| element.name.as_str())
        .collect();
    assert_eq!(
        names.join(" "),
        "band instrument skymap ssp_hypothesis_table day_obs detector group physical_filter \
         ssp_balanced_index ssp_hypothesis_bundle subfilter tract visit_system exposure patch \
         visit visit_definition visit_detector_region visit_system_membership"
    );
    assert_eq!(universe.elements().len(), 60);
    assert_eq!(universe.elements()[1].name, "healpix1");
    assert_eq!(universe.common_skypix().name, "htm7");
    assert_eq!((universe.version(), universe.namespace()), (8, "daf_butler"));
}

#[test]
fn groups_close_under_dependencies() {
    let universe = universe();
    for (given, all, required) in [
        (
            "visit detector",
            "band instrument day_obs detector physical_filter visit",
            "instrument detector visit",
        ),
        ("patch band", "band skymap tract patch", "band skymap tract patch"),
        (
            "patch visit",
            "band instrument skymap day_obs physical_filter tract patch visit",
            "instrument skymap tract patch visit",
        ),
        ("physical_filter", "band instrument physical_filter", "instrument physical_filter"),
        (
            "exposure detector",
            "band instrument day_obs detector group physical_filter exposure",
            "instrument detector exposure",
        ),
        (
            "visit exposure",
            "band instrument day_obs group physical_filter exposure visit",
            "instrument exposure visit",
        ),
        (
            "htm7 visit",
            "band htm7 instrument day_obs physical_filter visit",
            "htm7 instrument visit",
        ),
        ("band", "band", "band"),
        ("", "", ""),
    ] {
        let group = universe.conform(given.split_whitespace()).unwrap();
        assert_eq!(group.iter_names().collect::<Vec<_>>().join(" "), all, "{given}");
        assert_eq!(names(&group, group.required()).join(" "), required, "{given}");
    }
}

#[test]
fn keys_are_required_then_implied() {
    let group = universe().conform(["visit", "detector"]).unwrap();
    assert_eq!(
        group.iter_key_names().collect::<Vec<_>>(),
        ["instrument", "detector", "visit", "band", "day_obs", "physical_filter"]
    );
    assert_eq!(group.to_string(), "{band, instrument, day_obs, detector, physical_filter, visit}");
}

#[test]
fn records_are_looked_up_after_what_defines_them() {
    let group = universe().conform(["visit", "detector"]).unwrap();
    assert_eq!(
        names(&group, &group.lookup_order()),
        [
            "instrument",
            "detector",
            "visit",
            "day_obs",
            "physical_filter",
            "band",
            "visit_detector_region"
        ]
    );
}

#[test]
fn the_finest_element_stands_for_its_family() {
    let universe = universe();
    let group = universe.conform(["patch", "visit", "detector"]).unwrap();
    assert_eq!(names(&group, &group.spatial()), ["visit_detector_region", "patch"]);
    assert_eq!(names(&group, &group.temporal()), ["visit"]);
    let group = universe.conform(["htm7", "tract"]).unwrap();
    assert_eq!(names(&group, &group.spatial()), ["tract", "htm7"]);
}

#[test]
fn storage_and_relationships_follow_the_configuration() {
    let universe = universe();
    let defining: Vec<&str> = (universe.elements().iter())
        .filter(|element| element.defines_relationships())
        .map(|element| element.name.as_str())
        .collect();
    assert_eq!(
        defining,
        ["physical_filter", "exposure", "visit", "visit_definition", "visit_system_membership"]
    );
    let physical_filter = universe.find("physical_filter").unwrap().ix;
    assert_eq!(universe.find("band").unwrap().storage, Storage::ViewOf(physical_filter));
    assert_eq!(universe.find("detector").unwrap().storage, Storage::Table { cached: true });
    assert_eq!(universe.find("visit").unwrap().storage, Storage::Table { cached: false });
    assert_eq!(universe.find("htm7").unwrap().storage, Storage::Computed);
    let governors: Vec<&str> = (universe.elements().iter())
        .filter(|element| element.is_governor())
        .map(|element| element.name.as_str())
        .collect();
    assert_eq!(governors, ["instrument", "skymap"]);
}

#[test]
fn an_unknown_dimension_names_the_nearest() {
    let error = universe().conform(["detecter"]).unwrap_err();
    assert_eq!(error.to_string(), "unknown dimension `detecter` (did you mean `detector`?)");
    let error = universe().conform(["xyzzy"]).unwrap_err();
    assert_eq!(error.to_string(), "unknown dimension `xyzzy`");
    assert!(universe().conform(["visit_definition"]).is_err(), "a combination is no dimension");
}

#[test]
fn a_configuration_that_contradicts_itself_is_refused() {
    let circular = r#"{"version": 1, "skypix": {"common": "htm7", "htm": {"class": "lsst.sphgeom.HtmPixelization", "max_level": 7}},
        "elements": {"a": {"keys": [{"name": "id", "type": "int"}], "requires": ["b"]},
                     "b": {"keys": [{"name": "id", "type": "int"}], "implies": ["a"]}}}"#;
    assert!(matches!(Universe::from_json(circular), Err(UniverseError::Circular(_))));
    let dangling = r#"{"version": 1, "skypix": {"common": "htm7", "htm": {"class": "lsst.sphgeom.HtmPixelization", "max_level": 7}},
        "elements": {"a": {"keys": [{"name": "id", "type": "int"}], "requires": ["nope"]}}}"#;
    assert!(matches!(Universe::from_json(dangling), Err(UniverseError::UnknownReference { .. })));
    let no_common = r#"{"version": 1, "skypix": {"htm": {"class": "lsst.sphgeom.HtmPixelization", "max_level": 7}}, "elements": {}}"#;
    assert!(Universe::from_json(no_common).is_err());
    assert!(Universe::from_json("[").is_err());
}
