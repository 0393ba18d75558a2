//! From syntax trees to typed conditions.

use std::collections::BTreeMap;

use crate::group::DimensionGroup;
use crate::time::TaiNanos;
use crate::timespan::Timespan;
use crate::universe::ElementIx;

use super::condition::{Column, Comparison, Condition, Conjunct, Value, ValueType};
use super::error::{ExpressionError, ExpressionErrorKind, Span};
use super::identifier::interpret;
use super::syntax::{BinaryOperator, Expression, Item, Node, UnaryOperator};
use super::time_literal::parse_time;

/// A value given for a bind name.
#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    /// An integer.
    Int(i64),
    /// A number.
    Float(f64),
    /// Text.
    Text(String),
    /// An instant.
    Time(TaiNanos),
    /// Several values, for IN.
    List(Vec<Literal>),
}

/// Values of bind names.
pub type Bindings = BTreeMap<String, Literal>;

/// What an expression is bound to.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// Dimensions of the query; unqualified metadata is looked for in their elements.
    pub dimensions: &'a DimensionGroup,
    /// Values of bind names; a plain identifier that is a bind name is replaced too.
    pub bindings: &'a Bindings,
    /// Governor dimensions that something else constrains already.
    pub constrained: &'a [ElementIx],
}

/// Gives the names of an expression their meaning and splits it where AND joins it at the top.
///
/// # Errors
/// If a name is unknown or ambiguous, if types do not go together, if the expression refers to what
/// depends on a governor dimension that nothing constrains, or if it uses a part of the language
/// that is not supported.
pub fn bind(
    expression: &Expression,
    context: &Context<'_>,
) -> Result<Vec<Conjunct>, ExpressionError> {
    let Some(root) = &expression.root else { return Ok(Vec::new()) };
    let binder = Binder { text: &expression.text, context };
    let mut nodes = Vec::new();
    split(root, &mut nodes);
    let mut conjuncts = Vec::with_capacity(nodes.len());
    for node in nodes {
        let span = node.span();
        let condition = binder.condition(node)?;
        conjuncts.push(Conjunct { condition, text: node.to_string(), span });
    }
    binder.check_governors(&conjuncts)?;
    Ok(conjuncts)
}

fn split<'a>(node: &'a Node, nodes: &mut Vec<&'a Node>) {
    match node {
        Node::Binary(BinaryOperator::And, left, right, _) => {
            split(left, nodes);
            split(right, nodes);
        }
        _ => nodes.push(node),
    }
}

/// What an operand turned out to be.
enum Operand {
    Value(Value),
    Condition(Condition),
    List(Vec<Value>),
    Null,
}

impl Operand {
    fn type_name(&self) -> &'static str {
        match self {
            Self::Value(value) => value.value_type().name(),
            Self::Condition(_) => "a condition",
            Self::List(_) => "a list",
            Self::Null => "NULL",
        }
    }
}

struct Binder<'a> {
    text: &'a str,
    context: &'a Context<'a>,
}

impl Binder<'_> {
    fn error(&self, span: Span, kind: ExpressionErrorKind) -> ExpressionError {
        ExpressionError::new(self.text, span, kind)
    }

    fn not_supported(&self, span: Span, what: impl Into<String>) -> ExpressionError {
        self.error(span, ExpressionErrorKind::NotSupported(what.into()))
    }

    fn condition(&self, node: &Node) -> Result<Condition, ExpressionError> {
        match self.operand(node)? {
            Operand::Condition(condition) => Ok(condition),
            other => {
                Err(self.error(node.span(), ExpressionErrorKind::NotACondition(other.type_name())))
            }
        }
    }

    fn value(&self, node: &Node) -> Result<Value, ExpressionError> {
        match self.operand(node)? {
            Operand::Value(value) => Ok(value),
            Operand::Condition(_) => Err(self.error(node.span(), ExpressionErrorKind::NotAValue)),
            other => Err(self.error(
                node.span(),
                ExpressionErrorKind::Operand { operator: "value", operand: other.type_name() },
            )),
        }
    }

    fn operand(&self, node: &Node) -> Result<Operand, ExpressionError> {
        let span = node.span();
        Ok(match node {
            Node::Number(text, _) => Operand::Value(self.number(text, span)?),
            Node::Text(text, _) => Operand::Value(Value::Text(text.clone())),
            Node::Time(text, _) => Operand::Value(Value::Time(self.time(text, span)?)),
            Node::Bind(name, _) => match self.context.bindings.get(name) {
                Some(literal) => bound(literal),
                None => {
                    return Err(self.error(span, ExpressionErrorKind::Unbound(name.clone())));
                }
            },
            Node::Name(name, _) => self.name(name, span)?,
            Node::Call(name, arguments, _) => self.call(name, arguments, span)?,
            Node::Pair(begin, end, _) => {
                let (begin, end) = (self.instant(begin)?, self.instant(end)?);
                let begin = begin.unwrap_or(TaiNanos::MIN);
                let end = end.unwrap_or(TaiNanos::MAX);
                Operand::Value(Value::Timespan(Timespan::new(begin, end)))
            }
            Node::Unary(operator, operand, _) => self.unary(*operator, operand, span)?,
            Node::Binary(operator, left, right, _) => self.binary(*operator, left, right, span)?,
            Node::In { value, items, negated, .. } => {
                let condition = self.membership(value, items)?;
                Operand::Condition(if *negated {
                    Condition::Not(Box::new(condition))
                } else {
                    condition
                })
            }
        })
    }

    fn number(&self, text: &str, span: Span) -> Result<Value, ExpressionError> {
        let whole = text.bytes().all(|byte| byte.is_ascii_digit());
        let value = if whole {
            text.parse().ok().map(Value::Int)
        } else {
            text.parse().ok().map(Value::Float)
        };
        value.ok_or_else(|| self.error(span, ExpressionErrorKind::Number(text.to_owned())))
    }

    fn time(&self, text: &str, span: Span) -> Result<TaiNanos, ExpressionError> {
        parse_time(text).map_err(|error| self.error(span, ExpressionErrorKind::Time(error)))
    }

    fn name(&self, name: &str, span: Span) -> Result<Operand, ExpressionError> {
        if let Some(literal) = self.context.bindings.get(name) {
            return Ok(bound(literal));
        }
        if name.eq_ignore_ascii_case("null") {
            return Ok(Operand::Null);
        }
        let value =
            interpret(self.context.dimensions, name).map_err(|kind| self.error(span, kind))?;
        Ok(match value {
            Value::Column(column, ValueType::Bool) => Operand::Condition(Condition::Truth(column)),
            value => Operand::Value(value),
        })
    }

    fn call(&self, name: &str, arguments: &[Node], span: Span) -> Result<Operand, ExpressionError> {
        match (name.to_ascii_uppercase().as_str(), arguments) {
            ("GLOB", [value, Node::Text(pattern, _)]) => {
                let found = self.value(value)?;
                if found.value_type() != ValueType::Text {
                    return Err(self.error(
                        value.span(),
                        ExpressionErrorKind::Operand {
                            operator: "GLOB",
                            operand: found.value_type().name(),
                        },
                    ));
                }
                Ok(Operand::Condition(Condition::Glob(found, pattern.clone())))
            }
            ("GLOB", _) => Err(self.error(
                span,
                ExpressionErrorKind::Expected {
                    wanted: "GLOB(column, 'pattern')",
                    found: "other arguments".to_owned(),
                },
            )),
            (function, _) => Err(self.not_supported(span, format!("the function {function}"))),
        }
    }

    /// A bound of a timespan; `None` for NULL.
    fn instant(&self, node: &Node) -> Result<Option<TaiNanos>, ExpressionError> {
        match self.operand(node)? {
            Operand::Value(Value::Time(time)) => Ok(Some(time)),
            Operand::Null => Ok(None),
            other => Err(self.error(
                node.span(),
                ExpressionErrorKind::Expected {
                    wanted: "a time literal T'…' or NULL",
                    found: other.type_name().to_owned(),
                },
            )),
        }
    }

    fn unary(
        &self,
        operator: UnaryOperator,
        node: &Node,
        span: Span,
    ) -> Result<Operand, ExpressionError> {
        if operator == UnaryOperator::Not {
            let condition = self.condition(node)?;
            return Ok(Operand::Condition(Condition::Not(Box::new(condition))));
        }
        let value = self.value(node)?;
        let value_type = value.value_type();
        if !matches!(value_type, ValueType::Int | ValueType::Float) {
            let operator = if operator == UnaryOperator::Plus { "+" } else { "-" };
            let kind = ExpressionErrorKind::Operand { operator, operand: value_type.name() };
            return Err(self.error(span, kind));
        }
        Ok(Operand::Value(match (operator, value) {
            (UnaryOperator::Minus, Value::Int(number)) => Value::Int(-number),
            (UnaryOperator::Minus, Value::Float(number)) => Value::Float(-number),
            (UnaryOperator::Minus, value) => Value::Negative(Box::new(value)),
            (_, value) => value,
        }))
    }

    fn binary(
        &self,
        operator: BinaryOperator,
        left: &Node,
        right: &Node,
        span: Span,
    ) -> Result<Operand, ExpressionError> {
        use BinaryOperator as B;
        if matches!(operator, B::And | B::Or) {
            let mut parts = Vec::new();
            for node in [left, right] {
                match (operator, self.condition(node)?) {
                    (B::And, Condition::All(inner)) | (B::Or, Condition::Any(inner)) => {
                        parts.extend(inner);
                    }
                    (_, condition) => parts.push(condition),
                }
            }
            let condition =
                if operator == B::And { Condition::All(parts) } else { Condition::Any(parts) };
            return Ok(Operand::Condition(condition));
        }
        let operands = (self.operand(left)?, self.operand(right)?);
        let mismatch = |left: &Operand, right: &Operand| {
            self.error(
                span,
                ExpressionErrorKind::Operands {
                    operator: operator.symbol(),
                    left: left.type_name(),
                    right: right.type_name(),
                },
            )
        };
        if let (Operand::Null, other) | (other, Operand::Null) = &operands {
            let value = match other {
                Operand::Value(value) => value.clone(),
                Operand::Condition(Condition::Truth(column)) => {
                    Value::Column(*column, ValueType::Bool)
                }
                _ => return Err(mismatch(&operands.0, &operands.1)),
            };
            let is_null = Condition::IsNull(value);
            return match operator {
                B::Equal => Ok(Operand::Condition(is_null)),
                B::NotEqual => Ok(Operand::Condition(Condition::Not(Box::new(is_null)))),
                _ => Err(mismatch(&operands.0, &operands.1)),
            };
        }
        let (Operand::Value(a), Operand::Value(b)) = &operands else {
            return Err(mismatch(&operands.0, &operands.1));
        };
        let types = (a.value_type(), b.value_type());
        let (a, b) = (a.clone(), b.clone());
        match operator {
            B::Overlaps => match types {
                (ValueType::Timespan, ValueType::Timespan) => {
                    Ok(Operand::Condition(Condition::Overlap(a, b)))
                }
                (ValueType::Timespan, ValueType::Time) => {
                    Ok(Operand::Condition(Condition::Contains(a, b)))
                }
                (ValueType::Time, ValueType::Timespan) => {
                    Ok(Operand::Condition(Condition::Contains(b, a)))
                }
                (ValueType::Region, _) | (_, ValueType::Region) => {
                    Err(self.not_supported(span, "OVERLAPS of regions"))
                }
                _ => Err(mismatch(&operands.0, &operands.1)),
            },
            B::Add | B::Subtract | B::Multiply | B::Divide | B::Remainder => {
                let fits = match types {
                    (ValueType::Int, ValueType::Int) => true,
                    (ValueType::Float, ValueType::Float) => operator != B::Remainder,
                    _ => false,
                };
                if !fits {
                    return Err(mismatch(&operands.0, &operands.1));
                }
                Ok(Operand::Value(Value::Arithmetic(operator, Box::new(a), Box::new(b))))
            }
            _ => {
                let numeric = |t| matches!(t, ValueType::Int | ValueType::Float);
                let fits = (types.0 == types.1 || numeric(types.0) && numeric(types.1))
                    && !matches!(types.0, ValueType::Timespan | ValueType::Region);
                if !fits {
                    return Err(mismatch(&operands.0, &operands.1));
                }
                Ok(Operand::Condition(Condition::Compare(a, comparison(operator), b)))
            }
        }
    }

    fn membership(&self, node: &Node, items: &[Item]) -> Result<Condition, ExpressionError> {
        let value = self.value(node)?;
        let value_type = value.value_type();
        let mut parts = Vec::new();
        let (mut ints, mut texts) = (Vec::new(), Vec::new());
        let mut add = |item: Value, span: Span| {
            let numeric = |t| matches!(t, ValueType::Int | ValueType::Float);
            let item_type = item.value_type();
            if item_type != value_type && !(numeric(item_type) && numeric(value_type)) {
                let (left, right) = (value_type.name(), item_type.name());
                let kind = ExpressionErrorKind::Operands { operator: "IN", left, right };
                return Err(self.error(span, kind));
            }
            match item {
                Value::Int(number) => ints.push(number),
                Value::Text(text) => texts.push(text),
                other => {
                    parts.push(Condition::Compare(value.clone(), Comparison::Equal, other));
                }
            }
            Ok(())
        };
        let mut ranges = Vec::new();
        for item in items {
            match item {
                Item::Range { first, last, stride, span } => {
                    if value_type != ValueType::Int {
                        let left = value_type.name();
                        let kind = ExpressionErrorKind::Operands {
                            operator: "IN",
                            left,
                            right: "a range",
                        };
                        return Err(self.error(*span, kind));
                    }
                    ranges.push(Condition::InRange {
                        value: value.clone(),
                        first: *first,
                        last: *last,
                        stride: *stride,
                    });
                }
                Item::Value(item) => match self.operand(item)? {
                    Operand::Value(found) => add(found, item.span())?,
                    Operand::List(found) => {
                        for value in found {
                            add(value, item.span())?;
                        }
                    }
                    Operand::Null => ranges.push(Condition::IsNull(value.clone())),
                    Operand::Condition(_) => {
                        return Err(self.error(item.span(), ExpressionErrorKind::NotAValue));
                    }
                },
            }
        }
        parts.extend(ranges);
        if !ints.is_empty() {
            ints.sort_unstable();
            ints.dedup();
            parts.push(Condition::OneOfInts(value.clone(), ints));
        }
        if !texts.is_empty() {
            texts.sort_unstable();
            texts.dedup();
            parts.push(Condition::OneOfTexts(value, texts));
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Condition::Any(parts) })
    }

    /// A governor must be mentioned if anything that depends on it is.
    fn check_governors(&self, conjuncts: &[Conjunct]) -> Result<(), ExpressionError> {
        let universe = self.context.dimensions.universe();
        let mut mentioned: Vec<ElementIx> = self.context.constrained.to_vec();
        for conjunct in conjuncts {
            mentioned.extend(conjunct.columns().into_iter().filter_map(|column| match column {
                Column::Key(ix) | Column::Field(ix, _) => {
                    universe.element(ix).is_governor().then_some(ix)
                }
                _ => None,
            }));
        }
        for conjunct in conjuncts {
            for column in conjunct.columns() {
                let element = universe.element(column.element());
                let missing = (element.required.iter().copied())
                    .filter(|&ix| ix != element.ix && universe.element(ix).is_governor())
                    .find(|governor| !mentioned.contains(governor));
                if let Some(governor) = missing {
                    let kind = ExpressionErrorKind::Governor {
                        dimension: element.name.clone(),
                        governor: universe.element(governor).name.clone(),
                    };
                    return Err(self.error(conjunct.span, kind));
                }
            }
        }
        Ok(())
    }
}

fn bound(literal: &Literal) -> Operand {
    fn value(literal: &Literal) -> Option<Value> {
        Some(match literal {
            Literal::Int(number) => Value::Int(*number),
            Literal::Float(number) => Value::Float(*number),
            Literal::Text(text) => Value::Text(text.clone()),
            Literal::Time(time) => Value::Time(*time),
            Literal::List(_) => return None,
        })
    }
    match literal {
        Literal::List(items) => Operand::List(items.iter().filter_map(value).collect()),
        single => value(single).map_or(Operand::Null, Operand::Value),
    }
}

fn comparison(operator: BinaryOperator) -> Comparison {
    match operator {
        BinaryOperator::NotEqual => Comparison::NotEqual,
        BinaryOperator::Less => Comparison::Less,
        BinaryOperator::LessEqual => Comparison::LessEqual,
        BinaryOperator::Greater => Comparison::Greater,
        BinaryOperator::GreaterEqual => Comparison::GreaterEqual,
        _ => Comparison::Equal,
    }
}
