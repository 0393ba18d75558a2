use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::defaults::TEMPLATES;
use crate::lookup::tests::{dataset_type, universe};

/// Values by field, as `visit` or `detector.full_name`.
struct Row<'a> {
    template: &'a CompiledTemplate,
    values: BTreeMap<&'a str, FieldValue<'a>>,
}

impl TemplateRow for Row<'_> {
    fn dimension(&self, slot: usize) -> Option<FieldValue<'_>> {
        let universe = universe();
        let name = &universe.element(self.template.dimensions()[slot]).name;
        self.values.get(name.as_str()).copied()
    }

    fn record_field(&self, slot: usize) -> Option<FieldValue<'_>> {
        let field = &self.template.record_fields()[slot];
        let universe = universe();
        let name = format!("{}.{}", universe.element(field.element).name, field.name);
        self.values.get(name.as_str()).copied()
    }
}

const RUN: &str = "u/a b/r.1#x";

fn values() -> BTreeMap<&'static str, FieldValue<'static>> {
    use FieldValue::{Float, Int, Text};
    BTreeMap::from([
        ("instrument", Text("Cam")),
        ("visit", Int(1001)),
        ("exposure", Int(1001)),
        ("detector", Int(1)),
        ("group", Text("G1")),
        ("day_obs", Int(20_250_101)),
        ("band", Text("g")),
        ("physical_filter", Text("Cam-g")),
        ("skymap", Text("sm")),
        ("tract", Int(0)),
        ("patch", Int(3)),
        ("htm7", Int(131_200)),
        ("detector.full_name", Text("D1")),
        ("exposure.obs_id", Text("o1")),
        ("visit.day_obs", Int(20_250_101)),
        ("exposure.day_obs", Int(20_250_101)),
        ("visit.exposure_time", Float(30.0)),
        ("exposure.target_name", FieldValue::Null),
        ("exposure.can_see_sky", FieldValue::Bool(true)),
    ])
}

fn expand(
    template: &str,
    name: &str,
    dimensions: &str,
    component: Option<&str>,
) -> Result<String, TemplateError> {
    let dataset_type = dataset_type(name, dimensions, "X");
    let template = PathTemplate::parse(template)?.compile(&dataset_type, component)?;
    let row = Row { template: &template, values: values() };
    let mut path = "kept|".to_owned();
    template.expand(RUN, "01a1f819-20fa-753b-8ec5-37cea45f5dc5", &row, &mut path)?;
    Ok(path.strip_prefix("kept|").unwrap().to_owned())
}

#[test]
fn default_templates_give_the_paths_of_real_repositories() {
    let [(_, default), (_, raw)] = TEMPLATES;
    for (template, name, dimensions, expected) in [
        (
            default,
            "calexp",
            "visit detector",
            "calexp/20250101/g/Cam-g/1001/calexp_Cam_g_Cam-g_1001_D1",
        ),
        (raw, "raw", "exposure detector", "raw/20250101/o1/raw_Cam_Cam-g_o1_D1"),
        (default, "raw", "exposure detector", "raw/20250101/g/Cam-g/o1/raw_Cam_g_Cam-g_o1_D1"),
        (default, "co", "patch band", "co/0/3/g/co_0_3_g_sm"),
        (
            default,
            "warp",
            "visit patch",
            "warp/0/3/20250101/g/Cam-g/1001/warp_Cam_0_3_g_Cam-g_1001_sm",
        ),
        (default, "ref", "htm7", "ref/ref_131200"),
        (default, "g", "group detector", "g/G1/g_Cam_G1_D2"),
        (default, "cfg", "", "cfg/cfg"),
    ] {
        let expected = format!("u/a_b/r.1#x/{}_u_a_b_r_1HASHx", expected.replace("D2", "D1"));
        assert_eq!(expand(template, name, dimensions, None).unwrap(), expected);
    }
}

#[test]
fn rules_of_expansion() {
    for (template, expected) in [
        ("{run:/}/{detector:03d}_{visit:08d}_{datasetType}", "u/a_b/r.1#x/001_00001001_t"),
        ("{run}/{visit}", "u_a_b_r.1#x/1001"),
        ("x_{run}{visit}", "x_u_a_b_r_1HASHx1001"),
        ("{run:/}//./{visit!s:>6}", "u/a_b/r.1#x/  1001"),
        ("{tract:?}/{run:/}/{visit}", "u/a_b/r.1#x/1001"),
        ("{run:/}/a_{tract:?}_{visit}_{patch:?}b", "u/a_b/r.1#x/a__1001b"),
        ("{run:/}/{group|detector.full_name|visit}", "u/a_b/r.1#x/D1"),
        ("{run:/}/{group|tract:?}{visit}", "u/a_b/r.1#x/1001"),
        ("{run:/}/{visit.nothing:?}{visit}", "u/a_b/r.1#x/1001"),
        ("{run:/}/{{{visit}}}", "u/a_b/r.1#x/{1001}"),
        ("{run:/}/{datasetType:*>4}{visit}", "u/a_b/r.1#x/***t1001"),
        ("{run:/}/{visit.exposure_time}{visit}/", "u/a_b/r.1#x/30.01001"),
        ("{visit}_{id}", "1001_01a1f819-20fa-753b-8ec5-37cea45f5dc5"),
        ("{run:/}/{instrument:.2}{visit}", "u/a_b/r.1#x/Ca1001"),
    ] {
        assert_eq!(expand(template, "t", "visit detector", None).unwrap(), expected, "{template}");
    }
    let exposure = "{run:/}/{exposure.target_name}_{exposure.can_see_sky}";
    assert_eq!(expand(exposure, "t", "exposure", None).unwrap(), "u/a_b/r.1#x/None_True");
    let skypix = "{run:/}/{skypix:08d}_{htm7}_{skypix.id}";
    let mut with_record = values();
    with_record.insert("htm7.id", FieldValue::Int(5));
    let dataset_type = dataset_type("t", "htm7", "X");
    let template = PathTemplate::parse(skypix).unwrap().compile(&dataset_type, None).unwrap();
    let mut path = String::new();
    let row = Row { template: &template, values: with_record };
    template.expand(RUN, "", &row, &mut path).unwrap();
    assert_eq!(path, "u/a_b/r.1#x/00131200_131200_5");
}

#[test]
fn components_must_be_used() {
    let template = "{run:/}/{datasetType}.{component:?}/{visit}_{component:?}";
    assert_eq!(expand(template, "m", "visit", Some("wcs")).unwrap(), "u/a_b/r.1#x/m.wcs/1001_wcs");
    assert_eq!(expand(template, "m", "visit", None).unwrap(), "u/a_b/r.1#x/m/1001");
    let error = expand("{run}/{visit}", "m", "visit", Some("wcs")).unwrap_err();
    assert!(matches!(error.problem, TemplateProblem::NoComponent { .. }));
}

#[test]
fn templates_that_do_not_fit_are_explained() {
    let message = |template: &str, dimensions: &str| {
        expand(template, "t", dimensions, None).unwrap_err().to_string()
    };
    insta::assert_snapshot!(
        [
            message("{run}/{tract}", "visit"),
            message("{run}/{visit.nothing}", "visit"),
            message("{run}/{visit:>3s}", "visit"),
            message("{run}/{instrument:03d}", "visit"),
            message("{run}/{visit.name}", "visit"),
            message("{run}/{ssp_hypothesis_table}", "ssp_hypothesis_table"),
        ]
        .join("\n")
    );
}

#[test]
fn numbers_are_written_as_python_does() {
    for (value, text) in [
        (30.0, "30.0"),
        (0.1, "0.1"),
        (-0.0, "-0.0"),
        (1e16, "1e+16"),
        (1.5e-5, "1.5e-05"),
        (0.0001, "0.0001"),
        (123_456_789.125, "123456789.125"),
        (1e22, "1e+22"),
        (2.5e-300, "2.5e-300"),
        (f64::NAN, "nan"),
        (f64::NEG_INFINITY, "-inf"),
    ] {
        let mut out = String::new();
        write_float(value, &mut out);
        assert_eq!(out, text);
    }
}

proptest! {
    /// No value can lead out of the root, make an absolute path or a hidden extension.
    #[test]
    fn values_stay_inside(group in "\\PC{0,20}", visit: i64) {
        let dataset_type = dataset_type("t", "group", "X");
        let template = PathTemplate::parse("{run:/}/{group}/{instrument}_{group}").unwrap();
        let template = template.compile(&dataset_type, None).unwrap();
        let mut values = values();
        values.insert("group", FieldValue::Text(&group));
        values.insert("instrument", FieldValue::Int(visit));
        let mut path = String::new();
        template.expand("run", "", &Row { template: &template, values }, &mut path).unwrap();
        let inside = path.starts_with("run/") || group == "..";
        prop_assert!(inside, "{}", path);
        prop_assert!(!path.rsplit('/').next().unwrap().contains(['.', '#']));
    }
}
