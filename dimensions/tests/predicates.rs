//! Expressions become the predicates that the middleware's own client makes of them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on must stop")]

use qbb_dimensions::Universe;
use qbb_dimensions::expression::{Bindings, Context, Predicate, parse};
use serde_json::Value;

/// `data/where_predicates.jsonl` is a sample of what `tests/kit/where_predicates.py` prints.
#[test]
fn predicates_are_those_of_the_middleware() {
    let universe = Universe::from_json(include_str!("data/universe8.json")).unwrap();
    for line in include_str!("data/where_predicates.jsonl").lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let text = case["where"].as_str().unwrap();
        let names = |key: &str| -> Vec<String> {
            let list = case[key].as_array().unwrap();
            list.iter().map(|name| name.as_str().unwrap().to_owned()).collect()
        };
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
        match (&case["predicate"], found) {
            (Value::Null, found) => assert!(found.is_err(), "{text}"),
            (expected, found) => {
                let found = found.unwrap().to_json(&universe, &datasets);
                assert_eq!(*expected, found, "{text}");
            }
        }
    }
}

#[test]
fn what_would_multiply_beyond_measure_is_refused() {
    let universe = Universe::from_json(include_str!("data/universe8.json")).unwrap();
    let group = universe.conform(["band"]).unwrap();
    let context =
        Context { dimensions: &group, datasets: &[], bindings: &Bindings::new(), constrained: &[] };
    let pair = "(band = 'g' AND band = 'r')";
    let text = [pair; 64].join(" OR ");
    let tree = parse(&text).unwrap();
    assert!(Predicate::new(&tree, &context).is_err());
}
