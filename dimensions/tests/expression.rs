//! Conditions of the `where` language against the universe of real repositories and a few records.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on must stop")]

use std::sync::Arc;

use qbb_dimensions::expression::{
    Bindings, Conjunct, Context, Literal, Restriction, RowSource, bind, parse,
};
use qbb_dimensions::{DataValue, ElementIx, RecordTable, Symbols, Universe};
use serde_json::{Value, json};

fn universe() -> Arc<Universe> {
    Universe::from_json(include_str!("data/universe8.json")).unwrap()
}

/// Visit–detector rows: each visit with each detector.
struct Rows {
    universe: Arc<Universe>,
    symbols: Symbols,
    visits: RecordTable,
    detectors: RecordTable,
}

impl Rows {
    fn new() -> Self {
        let universe = universe();
        let mut symbols = Symbols::new();
        let mut table = |name: &str, rows: &[Value]| {
            let mut table = RecordTable::new(universe.find(name).unwrap());
            for row in rows {
                table.push_json(row.as_array().unwrap(), &universe, &mut symbols).unwrap();
            }
            table
        };
        let span = |day: i64| json!([day * 1000, day * 1000 + 500]);
        let visits = table(
            "visit",
            &[
                json!([
                    "Cam",
                    1001,
                    20250101,
                    "g1",
                    "v1",
                    1,
                    30.0,
                    "field",
                    null,
                    null,
                    10.0,
                    null,
                    null,
                    span(1)
                ]),
                json!([
                    "Cam", 1002, 20250101, "r1", "v2", 2, 15.5, null, null, null, null, 30.5, null,
                    null
                ]),
            ],
        );
        let detectors = table(
            "detector",
            &[
                json!(["Cam", 0, "D0", "a", "A", "SCIENCE"]),
                json!(["Cam", 1, "D1", "b", "A", null]),
            ],
        );
        Self { universe, symbols, visits, detectors }
    }

    /// Rows that a condition keeps, as `visit:detector`.
    fn kept(&self, text: &str) -> Vec<String> {
        let conjuncts = bound(&self.universe, text).unwrap();
        (0..4)
            .filter(|&row| conjuncts.iter().all(|c| c.condition.holds(self, row) == Some(true)))
            .map(|row| format!("{}:{}", self.visits.keys[1][row as usize / 2], row % 2))
            .collect()
    }
}

impl RowSource for Rows {
    fn universe(&self) -> &Universe {
        &self.universe
    }

    fn symbols(&self) -> &Symbols {
        &self.symbols
    }

    fn key(&self, dimension: ElementIx, row: u32) -> Option<i64> {
        for (table, record) in [(&self.visits, row / 2), (&self.detectors, row % 2)] {
            let element = self.universe.element(table.element);
            if let Some(i) = element.required.iter().position(|&ix| ix == dimension) {
                return Some(table.keys[i][record as usize]);
            }
            if let Some(i) = element.implied.iter().position(|&ix| ix == dimension) {
                return Some(table.implied[i][record as usize]);
            }
        }
        None
    }

    fn record(&self, element: ElementIx, row: u32) -> Option<(&RecordTable, u32)> {
        match self.universe.element(element).name.as_str() {
            "visit" => Some((&self.visits, row / 2)),
            "detector" => Some((&self.detectors, row % 2)),
            _ => None,
        }
    }
}

fn bound(universe: &Arc<Universe>, text: &str) -> Result<Vec<Conjunct>, String> {
    let bindings = Bindings::from([
        ("ids".to_owned(), Literal::List(vec![Literal::Int(1002), Literal::Int(5)])),
        ("wanted".to_owned(), Literal::Text("D1".to_owned())),
        ("mixed".to_owned(), Literal::List(vec![Literal::Int(1), Literal::Float(1.0)])),
        ("cameras".to_owned(), Literal::List(vec![Literal::Text("Cam".to_owned())])),
    ]);
    let dimensions = universe.conform(["visit", "detector"]).unwrap();
    let context = Context {
        dimensions: &dimensions,
        datasets: &["raw".to_owned(), "flat".to_owned()],
        bindings: &bindings,
        constrained: &[],
    };
    let expression = parse(text).map_err(|error| error.to_string())?;
    bind(&expression, &context).map_err(|error| error.to_string())
}

#[test]
fn conditions_keep_the_rows_that_the_middleware_keeps() {
    let rows = Rows::new();
    for (text, expected) in [
        ("", "1001:0 1001:1 1002:0 1002:1"),
        ("instrument='Cam' AND visit=1001", "1001:0 1001:1"),
        ("instrument='Cam' AND visit IN (1..2000:1000)", "1001:0 1001:1"),
        ("instrument='Cam' AND visit IN (2..2000:1000)", "1002:0 1002:1"),
        ("instrument='Cam' AND detector IN (1, 2, 5..7)", "1001:1 1002:1"),
        ("instrument='Cam' AND detector % 2 = 1", "1001:1 1002:1"),
        ("instrument='Cam' AND detector / 2 = 0.5", "1001:1 1002:1"),
        ("instrument='Cam' AND NOT detector=1", "1001:0 1002:0"),
        ("instrument='Cam' AND detector.full_name IN ('D1','D2')", "1001:1 1002:1"),
        ("instrument='Cam' AND full_name = :wanted", "1001:1 1002:1"),
        ("instrument='Cam' AND visit IN (:ids)", "1002:0 1002:1"),
        ("instrument='Cam' AND visit.id IN (ids) AND visit.instrument = 'Cam'", "1002:0 1002:1"),
        ("instrument='Cam' AND exposure_time < 20", "1002:0 1002:1"),
        ("instrument='Cam' AND (visit=1001 OR detector=1)", "1001:0 1001:1 1002:1"),
        ("instrument='Dog' OR visit=1002", "1002:0 1002:1"),
        ("instrument='Cam' AND GLOB(physical_filter, 'g*')", "1001:0 1001:1"),
        ("instrument='Cam' AND -visit < -1001", "1002:0 1002:1"),
        (
            "instrument='Cam' AND visit.timespan.begin < T'1970-01-02/tai'",
            "1001:0 1001:1 1002:0 1002:1",
        ),
        ("instrument='Cam' AND visit.timespan OVERLAPS (T'1970-01-01/tai', NULL)", "1001:0 1001:1"),
    ] {
        assert_eq!(rows.kept(text).join(" "), expected, "{text}");
    }
}

#[test]
fn nulls_are_unknown_in_both_directions() {
    let rows = Rows::new();
    for (text, expected) in [
        ("instrument='Cam' AND target_name = 'field'", "1001:0 1001:1"),
        ("instrument='Cam' AND target_name != 'field'", ""),
        ("instrument='Cam' AND NOT target_name = 'field'", ""),
        ("instrument='Cam' AND target_name = NULL", "1002:0 1002:1"),
        ("instrument='Cam' AND target_name != NULL", "1001:0 1001:1"),
        ("instrument='Cam' AND (target_name = 'x' OR detector = 0)", "1001:0 1002:0"),
        ("instrument='Cam' AND NOT (target_name = 'x' AND detector = 0)", "1001:0 1001:1 1002:1"),
        ("instrument='Cam' AND azimuth NOT IN (3.5)", "1001:0 1001:1"),
        ("instrument='Cam' AND visit.timespan = NULL", "1002:0 1002:1"),
    ] {
        assert_eq!(rows.kept(text).join(" "), expected, "{text}");
    }
}

#[test]
fn errors_name_the_place_and_the_nearest_name() {
    let universe = universe();
    let errors: Vec<String> = [
        "instrument='Cam' AND vist=1",
        "INSTRUMENT='Cam'",
        "instrument='Cam' AND detector.ful_name='D1'",
        "instrument='Cam' AND name='x'",
        "visit=1001",
        "instrument='Cam' AND visit='v1'",
        "instrument='Cam' AND visit + 1.5 = 3",
        "instrument='Cam' AND visit",
        "instrument='Cam' AND visit=1=1",
        "instrument='Cam' AND visit IN (:nothing)",
        "instrument='Cam' AND visit.timespan OVERLAPS ('x', NULL)",
        "instrument='Cam' AND POINT(10) OVERLAPS visit.region",
        "instrument='Cam' AND POINTS(10,0) OVERLAPS visit.region",
        "NOT visit.region OVERLAPS patch.region",
        "visit.region OVERLAPS visit_detector_region.region",
        "visit.timespan OVERLAPS exposure.timespan",
        "visit.timespan = (NULL, NULL)",
        "visit.timespan OVERLAPS (NULL, T'1970-01-01/tai')",
        "visit.region OVERLAPS CIRCLE(1, 2, 'x')",
        "raw.sizes = 3",
        "flot.run = 'x'",
        "physical_filter = 'g' AND visit.seq_num IN (9..1)",
        "visit.seq_num IN (POINT(1, 2))",
        "instrument IN (:mixed) AND visit = 1",
        "instrument IN (:cameras) AND visit = 1",
        "instrument='Cam' AND rew.run='x'",
        "instrument='Cam' AND visit.timespan.begin > T'never'",
    ]
    .iter()
    .map(|text| bound(&universe, text).unwrap_err())
    .collect();
    if std::env::var_os("QBB_UPDATE").is_some() {
        std::fs::write("tests/data/expression_errors.txt", errors.join("\n") + "\n").unwrap();
        return;
    }
    assert_eq!(errors.join("\n"), include_str!("data/expression_errors.txt").trim_end());
}

#[test]
fn single_dimensions_are_restricted_before_reading() {
    let universe = universe();
    let restriction = |text: &str| {
        let conjuncts = bound(&universe, text).unwrap();
        let (dimension, restriction) = conjuncts.last().unwrap().condition.restriction()?;
        Some((universe.element(dimension).name.clone(), restriction))
    };
    let int = |values: &[i64]| Restriction::Values(values.iter().map(|&v| v.into()).collect());
    let cases = [
        ("instrument='Cam'", "instrument", Restriction::Values(vec![DataValue::from("Cam")])),
        ("instrument='Cam' AND visit = 7", "visit", int(&[7])),
        ("instrument='Cam' AND (visit=7 OR visit IN (5,6))", "visit", int(&[5, 6, 7])),
    ];
    for (text, dimension, expected) in cases {
        assert_eq!(restriction(text), Some((dimension.to_owned(), expected)), "{text}");
    }
    let Some((_, Restriction::Intervals(intervals))) =
        restriction("instrument='Cam' AND (3 < visit OR visit IN (1, -4..-2:2))")
    else {
        panic!("intervals expected")
    };
    let mut bounds: Vec<(i64, i64)> = intervals.iter().map(|i| (i.first, i.last)).collect();
    bounds.sort_unstable();
    assert_eq!(bounds, [(-4, -2), (1, 1), (4, i64::MAX)]);
    for text in [
        "instrument='Cam' AND (visit=7 OR detector=1)",
        "instrument='Cam' AND visit != 7",
        "instrument='Cam' AND visit + 1 = 7",
        "instrument='Cam' AND NOT visit = 7",
    ] {
        assert_eq!(restriction(text), None, "{text}");
    }
}
