//! Expressions of the `where` language against the middleware's parser and converter: the same
//! predicate, or both refuse.

use qbb_dimensions::Universe;
use qbb_dimensions::expression::{Bindings, Context, Predicate, parse};
use serde_json::Value;

use crate::kit::script;

#[test]
fn fresh_expressions_become_the_middlewares_predicates() {
    let config = include_str!("../../dimensions/tests/data/universe8.json");
    let universe = Universe::from_json(config).unwrap();
    let cases = script("where_predicates.py", &["--seed", "2026", "--number", "2500"]);
    let mut wrong = Vec::new();
    for line in cases.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let text = case["where"].as_str().unwrap();
        let names =
            |key: &str| -> Vec<String> { serde_json::from_value(case[key].clone()).unwrap() };
        let dimensions = names("dimensions");
        let group = universe.conform(dimensions.iter().map(String::as_str)).unwrap();
        let (datasets, bindings) = (names("datasets"), Bindings::new());
        let context = Context {
            dimensions: &group,
            datasets: &datasets,
            bindings: &bindings,
            constrained: &[],
        };
        let found = parse(text).and_then(|tree| Predicate::new(&tree, &context));
        let found = found.map(|predicate| predicate.to_json(&universe, &datasets));
        // The middleware leaves integers beyond 64 bits to the database to refuse.
        let same = found.as_ref().ok() == Some(&case["predicate"]).filter(|p| !p.is_null())
            || text.contains("9999999999999999999999") && found.is_err();
        if !same {
            wrong.push(format!("{text}\n  real {}\n  ours {found:?}", case["predicate"]));
        }
    }
    assert!(cases.lines().count() == 2500 && wrong.is_empty(), "{}", wrong.join("\n"));
}
