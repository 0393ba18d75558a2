//! Values for bind names, as people write them.

use super::bind::{Binder, Bindings, Context, Literal, Operand};
use super::error::ExpressionError;
use super::parser::parse;
use super::syntax::Node;
use super::value::Value;
use crate::group::DimensionGroup;

impl Literal {
    /// Reads a value: a literal of the language (a number, quoted text, `T'…'`, a timespan in
    /// parentheses or `UUID('…')`), a JSON list of numbers or texts, or otherwise the text itself.
    ///
    /// # Errors
    /// If it is a literal of the language by its form, but not by its content.
    pub fn parse(text: &str, dimensions: &DimensionGroup) -> Result<Self, ExpressionError> {
        if let Ok(serde_json::Value::Array(items)) = serde_json::from_str(text)
            && let Some(list) = items.iter().map(json_literal).collect::<Option<Vec<_>>>()
        {
            return Ok(Self::List(list));
        }
        let plain = Self::Text(text.to_owned());
        let Ok(tree) = parse(text) else { return Ok(plain) };
        let Some(root) = tree.root.as_ref().filter(|root| is_literal(root)) else {
            return Ok(plain);
        };
        let (bindings, datasets) = (Bindings::new(), []);
        let context =
            Context { dimensions, datasets: &datasets, bindings: &bindings, constrained: &[] };
        let binder = Binder { text, context: &context };
        Ok(match binder.operand(root)? {
            Operand::Value(value) => match value.folded() {
                Value::Int(number) => Self::Int(number),
                Value::Float(number) => Self::Float(number),
                Value::Text(text) => Self::Text(text),
                Value::Uuid(uuid) => Self::Uuid(uuid),
                Value::Time(time) => Self::Time(time),
                Value::Timespan(timespan) => Self::Timespan(timespan),
                _ => plain,
            },
            _ => plain,
        })
    }
}

fn json_literal(value: &serde_json::Value) -> Option<Literal> {
    match value {
        serde_json::Value::Number(number) => {
            number.as_i64().map(Literal::Int).or_else(|| number.as_f64().map(Literal::Float))
        }
        serde_json::Value::String(text) => Some(Literal::Text(text.clone())),
        _ => None,
    }
}

fn is_literal(node: &Node) -> bool {
    match node {
        Node::Number(..) | Node::Text(..) | Node::Time(..) | Node::Pair(..) => true,
        Node::Signed(_, operand, _) => matches!(**operand, Node::Number(..)),
        Node::Call(name, ..) => name.eq_ignore_ascii_case("UUID"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::universe::Universe;

    #[test]
    fn literals_lists_and_anything_else() {
        let universe =
            Universe::from_json(include_str!("../../tests/data/universe8.json")).unwrap();
        let none = DimensionGroup::empty(&universe);
        let read = |text: &str| Literal::parse(text, &none).unwrap();
        let text = |text: &str| Literal::Text(text.to_owned());
        assert_eq!(read("42"), Literal::Int(42));
        assert_eq!(read("-1.5"), Literal::Float(-1.5));
        assert_eq!(read("'42'"), text("42"));
        assert_eq!(read("r 601/5#2"), text("r 601/5#2"));
        assert_eq!(read("2025-01-01"), text("2025-01-01"));
        assert_eq!(read("[1, 2]"), Literal::List(vec![Literal::Int(1), Literal::Int(2)]));
        assert_eq!(read("[\"a\"]"), Literal::List(vec![text("a")]));
        assert!(matches!(read("T'2025-01-01'"), Literal::Time(_)));
        assert!(matches!(read("(T'2025-01-01', NULL)"), Literal::Timespan(_)));
        assert!(Literal::parse("T'2025-01-32'", &none).is_err());
    }
}
