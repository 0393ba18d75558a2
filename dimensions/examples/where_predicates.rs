//! Reads expressions, one JSON object a line, and prints the predicate of each, or why it has none.
//!
//! Objects have `where`, `dimensions` and `datasets`, and are what `tests/kit/where_predicates.py`
//! prints; with the middleware's answers in them, differences are printed instead.

use std::io::{BufRead, Write};

use qbb_dimensions::Universe;
use qbb_dimensions::expression::{Bindings, Context, Predicate, parse};
use serde_json::{Value, json};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let universe = Universe::from_json(include_str!("../tests/data/universe8.json"))?;
    let mut output = std::io::stdout().lock();
    let (mut lines, mut differences, mut accepted) = (0, 0, 0);
    for line in std::io::stdin().lock().lines() {
        let case: Value = serde_json::from_str(&line?)?;
        let text = case["where"].as_str().unwrap_or_default();
        let names = |key: &str| -> Vec<String> {
            let list = case[key].as_array().map_or(&[][..], Vec::as_slice);
            list.iter().filter_map(Value::as_str).map(str::to_owned).collect()
        };
        let group = universe.conform(names("dimensions").iter().map(String::as_str))?;
        let (datasets, bindings) = (names("datasets"), Bindings::new());
        let context = Context {
            dimensions: &group,
            datasets: &datasets,
            bindings: &bindings,
            constrained: &[],
        };
        let found = parse(text).and_then(|tree| Predicate::new(&tree, &context));
        let found = match found {
            Ok(predicate) => predicate.to_json(&universe, &datasets),
            Err(error) => json!({ "error": error.to_string() }),
        };
        lines += 1;
        accepted += usize::from(found.get("error").is_none());
        let expected = &case["predicate"];
        if *expected != found && !(expected.is_null() && found.get("error").is_some()) {
            differences += 1;
            writeln!(output, "{text}\n  expected {expected}\n  found    {found}")?;
        }
    }
    writeln!(output, "{lines} expressions, {accepted} accepted, {differences} differences")?;
    Ok(())
}
