//! Conditions in the form in which a remote butler receives them.
//!
//! The middleware's predicate is a conjunction of disjunctions of leaves. Its client brings an
//! expression into that form without simplifying anything, and so does this module: the same
//! expression gives the same predicate, down to the order of leaves.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value as Json, json};

use crate::universe::Universe;

use super::bind::{Binder, Context};
use super::condition::Condition;
use super::error::{ExpressionError, ExpressionErrorKind};
use super::operator::{ArithmeticOperator, Comparison};
use super::syntax::Expression;
use super::value::{Column, Value};

/// More leaves than this are refused; conjunctions inside disjunctions multiply them.
const MAX_LEAVES: usize = 100_000;

/// A conjunction of disjunctions of leaves.
#[derive(Debug, Clone, PartialEq)]
pub struct Predicate {
    operands: Vec<Vec<Leaf>>,
}

/// A condition that is no combination of others, or its negation.
#[derive(Debug, Clone, PartialEq)]
struct Leaf {
    negated: bool,
    condition: Condition,
}

impl Predicate {
    /// The predicate that an expression means. What only the execution of a query would refuse is
    /// not refused here.
    ///
    /// # Errors
    /// As for [`super::bind`], except for what the database must know; or if the predicate would
    /// have too many leaves.
    pub fn new(expression: &Expression, context: &Context<'_>) -> Result<Self, ExpressionError> {
        let Some(root) = &expression.root else { return Ok(Self { operands: Vec::new() }) };
        let binder = Binder { text: &expression.text, context };
        let condition = binder.condition(root)?;
        normal_form(&condition, false)
            .map(|operands| Self { operands })
            .ok_or_else(|| binder.error(root.span(), ExpressionErrorKind::TooManyConditions))
    }

    /// The predicate as JSON; `datasets` are the dataset types of the context.
    #[must_use]
    pub fn to_json(&self, universe: &Universe, datasets: &[String]) -> Json {
        let names = Names { universe, datasets };
        let operands: Vec<Vec<Json>> = (self.operands.iter())
            .map(|group| group.iter().map(|leaf| names.leaf(leaf)).collect())
            .collect();
        json!({ "operands": operands })
    }
}

/// The disjunctions that a condition, or its negation, is the conjunction of.
fn normal_form(condition: &Condition, negated: bool) -> Option<Vec<Vec<Leaf>>> {
    match (condition, negated) {
        (Condition::Not(part), _) => normal_form(part, !negated),
        (Condition::All(parts), false) => {
            let mut operands = Vec::new();
            for part in parts {
                operands.extend(normal_form(part, false)?);
                if size(&operands) > MAX_LEAVES {
                    return None;
                }
            }
            Some(operands)
        }
        (Condition::Any(parts), false) => {
            let mut operands = vec![Vec::new()];
            for part in parts {
                operands = distribute(&operands, &normal_form(part, false)?)?;
            }
            Some(operands)
        }
        (Condition::All(_) | Condition::Any(_), true) => negate(&normal_form(condition, false)?),
        (leaf, negated) => Some(vec![vec![Leaf { negated, condition: leaf.clone() }]]),
    }
}

/// Either of two conjunctions.
fn distribute(a: &[Vec<Leaf>], b: &[Vec<Leaf>]) -> Option<Vec<Vec<Leaf>>> {
    if size(a).max(1).saturating_mul(size(b).max(1)) > MAX_LEAVES.saturating_mul(8)
        || a.len().saturating_mul(b.len()) > MAX_LEAVES
    {
        return None;
    }
    let pairs = a.iter().flat_map(|first| b.iter().map(move |second| (first, second)));
    Some(pairs.map(|(first, second)| first.iter().chain(second).cloned().collect()).collect())
}

fn negate(operands: &[Vec<Leaf>]) -> Option<Vec<Vec<Leaf>>> {
    let mut result = vec![Vec::new()];
    for group in operands {
        let inverted: Vec<Vec<Leaf>> = (group.iter())
            .map(|leaf| vec![Leaf { negated: !leaf.negated, condition: leaf.condition.clone() }])
            .collect();
        result = distribute(&result, &inverted)?;
    }
    Some(result)
}

fn size(operands: &[Vec<Leaf>]) -> usize {
    operands.iter().map(Vec::len).sum()
}

struct Names<'a> {
    universe: &'a Universe,
    datasets: &'a [String],
}

impl Names<'_> {
    fn leaf(&self, leaf: &Leaf) -> Json {
        let json = self.condition(&leaf.condition);
        if leaf.negated { json!({ "predicate_type": "not", "operand": json }) } else { json }
    }

    fn condition(&self, condition: &Condition) -> Json {
        let compare = |a: &Value, operator: &str, b: Json| {
            json!({
                "predicate_type": "comparison", "a": self.value(a), "b": b, "operator": operator
            })
        };
        match condition {
            Condition::Truth(column) => {
                json!({ "predicate_type": "boolean_wrapper", "operand": self.column(*column) })
            }
            Condition::IsNull(value) => {
                json!({ "predicate_type": "is_null", "operand": self.value(value) })
            }
            Condition::Compare(a, comparison, b) => {
                compare(a, comparison_name(*comparison), self.value(b))
            }
            Condition::Glob(value, glob) => {
                let pattern = json!({ "expression_type": "string", "value": glob.text() });
                compare(value, "glob", pattern)
            }
            Condition::OneOf(value, items) => json!({
                "predicate_type": "in_container",
                "member": self.value(value),
                "container": items.iter().map(|item| self.value(item)).collect::<Vec<_>>(),
            }),
            Condition::InRange { value, first, last, stride } => json!({
                "predicate_type": "in_range",
                "member": self.value(value),
                "start": first,
                "stop": i128_json(i128::from(*last) + 1),
                "step": stride,
            }),
            // Combinations are taken apart before; the rest exists only in simplified conditions.
            _ => Json::Null,
        }
    }

    fn value(&self, value: &Value) -> Json {
        let unary = |operator: &str, operand: &Value| {
            json!({
                "expression_type": "unary", "operand": self.value(operand), "operator": operator
            })
        };
        let literal = |kind: &str, value: Json| json!({ "expression_type": kind, "value": value });
        match value {
            Value::Column(column, _) => self.column(*column),
            Value::Int(number) => literal("int", json!(number)),
            Value::Float(number) => literal("float", json!(number)),
            Value::Text(text) => literal("string", json!(text)),
            Value::Uuid(uuid) => literal("uuid", json!(uuid.hyphenated().to_string())),
            Value::Time(time) => json!({ "expression_type": "datetime", "nsec": time.0 }),
            Value::Timespan(timespan) => json!({
                "expression_type": "timespan",
                "begin_nsec": timespan.begin.0,
                "end_nsec": timespan.end.0,
            }),
            Value::Region(region) => json!({
                "expression_type": "region", "encoded": STANDARD.encode(region.encoded())
            }),
            Value::Negative(operand) => unary("-", operand),
            Value::Begin(operand) => unary("begin_of", operand),
            Value::End(operand) => unary("end_of", operand),
            Value::Arithmetic(operator, a, b) => json!({
                "expression_type": "binary",
                "a": self.value(a),
                "b": self.value(b),
                "operator": arithmetic_name(*operator),
            }),
        }
    }

    fn column(&self, column: Column) -> Json {
        let field = |element, field: &str| {
            json!({
                "expression_type": "dimension_field",
                "element": self.universe.element(element).name,
                "field": field,
            })
        };
        match column {
            Column::Key(ix) => json!({
                "expression_type": "dimension_key", "dimension": self.universe.element(ix).name
            }),
            Column::Field(ix, position) => {
                let element = self.universe.element(ix);
                let mut fields = element.alternate_keys.iter().chain(&element.metadata);
                let spec = fields.nth(usize::from(position));
                field(ix, spec.map_or("", |spec| &spec.name))
            }
            Column::Timespan(ix) => field(ix, "timespan"),
            Column::Region(ix) => field(ix, "region"),
            Column::Dataset(dataset, field) => {
                let mut json = Map::new();
                json.insert("expression_type".to_owned(), "dataset_field".into());
                let name = self.datasets.get(usize::from(dataset));
                json.insert("dataset_type".to_owned(), name.cloned().into());
                json.insert("field".to_owned(), field.name().into());
                Json::Object(json)
            }
        }
    }
}

/// Integers up to one beyond 64 bits.
fn i128_json(number: i128) -> Json {
    match (i64::try_from(number), u64::try_from(number)) {
        (Ok(number), _) => number.into(),
        (_, Ok(number)) => number.into(),
        _ => Json::Null,
    }
}

const fn comparison_name(comparison: Comparison) -> &'static str {
    match comparison {
        Comparison::Equal => "==",
        Comparison::Overlaps => "overlaps",
        other => other.symbol(),
    }
}

const fn arithmetic_name(operator: ArithmeticOperator) -> &'static str {
    operator.symbol()
}
