//! From syntax trees to typed conditions.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::group::DimensionGroup;
use crate::time::TaiNanos;
use crate::timespan::Timespan;
use crate::universe::ElementIx;

use super::condition::Condition;
use super::error::{ExpressionError, ExpressionErrorKind, Span};
use super::identifier::interpret;
use super::operator::{ArithmeticOperator, Comparison, Sign};
use super::syntax::{Item, Node};
use super::time_literal::parse_time;
use super::value::{Value, ValueType};

/// A value given for a bind name.
#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    /// An integer.
    Int(i64),
    /// A number.
    Float(f64),
    /// Text.
    Text(String),
    /// A UUID.
    Uuid(Uuid),
    /// An instant.
    Time(TaiNanos),
    /// An interval of time.
    Timespan(Timespan),
    /// Several values, for IN.
    List(Vec<Literal>),
}

/// Values of bind names.
pub type Bindings = BTreeMap<String, Literal>;

/// What an expression is bound to.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// Dimensions of the query; unqualified fields are looked for in their elements.
    pub dimensions: &'a DimensionGroup,
    /// Names of the dataset types that the query joins, whose fields may be named.
    pub datasets: &'a [String],
    /// Values of bind names; a plain identifier that is a bind name is replaced too.
    pub bindings: &'a Bindings,
    /// Governor dimensions that need not be mentioned: something else constrains them.
    pub constrained: &'a [ElementIx],
}

/// What an operand turned out to be.
#[derive(Debug)]
pub(super) enum Operand {
    Value(Value),
    Condition(Condition),
    List(Vec<Value>),
    Null,
}

impl Operand {
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Value(value) => value.value_type().name(),
            Self::Condition(_) => "a condition",
            Self::List(_) => "a list",
            Self::Null => "NULL",
        }
    }
}

pub(super) struct Binder<'a> {
    pub(super) text: &'a str,
    pub(super) context: &'a Context<'a>,
}

impl Binder<'_> {
    pub(super) fn error(&self, span: Span, kind: ExpressionErrorKind) -> ExpressionError {
        ExpressionError::new(self.text, span, kind)
    }

    pub(super) fn condition(&self, node: &Node) -> Result<Condition, ExpressionError> {
        match self.operand(node)? {
            Operand::Condition(condition) => Ok(condition),
            other => {
                Err(self.error(node.span(), ExpressionErrorKind::NotACondition(other.type_name())))
            }
        }
    }

    fn conditions(&self, nodes: &[Node]) -> Result<Vec<Condition>, ExpressionError> {
        nodes.iter().map(|node| self.condition(node)).collect()
    }

    fn value(&self, node: &Node, operator: &'static str) -> Result<Value, ExpressionError> {
        match self.operand(node)? {
            Operand::Value(value) => Ok(value),
            Operand::Condition(_) => Err(self.error(node.span(), ExpressionErrorKind::NotAValue)),
            other => Err(self.error(
                node.span(),
                ExpressionErrorKind::Operand { operator, operand: other.type_name() },
            )),
        }
    }

    pub(super) fn operand(&self, node: &Node) -> Result<Operand, ExpressionError> {
        let span = node.span();
        Ok(match node {
            Node::Number(text, _) => Operand::Value(self.number(text, span)?),
            Node::Text(text, _) => Operand::Value(Value::Text(text.clone())),
            Node::Time(text, _) => Operand::Value(Value::Time(self.time(text, span)?)),
            Node::Bind(name, _) => match self.context.bindings.get(name) {
                Some(literal) => self.bound(name, literal, span)?,
                None => {
                    return Err(self.error(span, ExpressionErrorKind::Unbound(name.clone())));
                }
            },
            Node::Name(name, _) => self.name(name, span)?,
            Node::Call(name, arguments, _) => self.call(name, arguments, span)?,
            Node::Pair(begin, end, _) => {
                let (begin, end) = (self.instant(begin)?, self.instant(end)?);
                let timespan = Timespan::literal(begin, end)
                    .ok_or_else(|| self.error(span, ExpressionErrorKind::InstantaneousTimespan))?;
                Operand::Value(Value::Timespan(timespan))
            }
            Node::Any(parts) => Operand::Condition(Condition::Any(self.conditions(parts)?)),
            Node::All(parts) => Operand::Condition(Condition::All(self.conditions(parts)?)),
            Node::Not(operand, _) => {
                Operand::Condition(Condition::Not(Box::new(self.condition(operand)?)))
            }
            Node::Compare(comparison, left, right) => {
                Operand::Condition(self.comparison(*comparison, left, right, span)?)
            }
            Node::In { value, items, negated, .. } => {
                let condition = self.membership(value, items)?;
                Operand::Condition(if *negated {
                    Condition::Not(Box::new(condition))
                } else {
                    condition
                })
            }
            Node::Arithmetic(operator, left, right) => {
                Operand::Value(self.arithmetic(*operator, left, right, span)?)
            }
            Node::Signed(sign, operand, _) => {
                let value = self.value(operand, sign.symbol())?;
                if !value.value_type().is_numeric() {
                    let operand = value.value_type().name();
                    let kind = ExpressionErrorKind::Operand { operator: sign.symbol(), operand };
                    return Err(self.error(span, kind));
                }
                Operand::Value(match sign {
                    Sign::Plus => value,
                    Sign::Minus => Value::Negative(Box::new(value)),
                })
            }
            Node::Parentheses(inner, _) => self.operand(inner)?,
        })
    }

    fn number(&self, text: &str, span: Span) -> Result<Value, ExpressionError> {
        let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
        let whole = digits.bytes().all(|byte| byte.is_ascii_digit());
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
            return self.bound(name, literal, span);
        }
        if name.eq_ignore_ascii_case("null") {
            return Ok(Operand::Null);
        }
        let value = interpret(self.context, name).map_err(|kind| self.error(span, kind))?;
        Ok(match value {
            Value::Column(column, ValueType::Bool) => Operand::Condition(Condition::Truth(column)),
            value => Operand::Value(value),
        })
    }

    fn bound(&self, name: &str, literal: &Literal, span: Span) -> Result<Operand, ExpressionError> {
        let Literal::List(items) = literal else {
            return Ok(Operand::Value(literal_value(literal)));
        };
        let values: Vec<Value> = items.iter().map(literal_value).collect();
        let alike = values.windows(2).all(|pair| pair[0].value_type() == pair[1].value_type());
        if !alike || items.iter().any(|item| matches!(item, Literal::List(_))) {
            return Err(self.error(span, ExpressionErrorKind::MixedList(name.to_owned())));
        }
        Ok(Operand::List(values))
    }

    fn comparison(
        &self,
        comparison: Comparison,
        left: &Node,
        right: &Node,
        span: Span,
    ) -> Result<Condition, ExpressionError> {
        let operands = (self.operand(left)?, self.operand(right)?);
        let mismatch = || {
            self.error(
                span,
                ExpressionErrorKind::Operands {
                    operator: comparison.symbol(),
                    left: operands.0.type_name(),
                    right: operands.1.type_name(),
                },
            )
        };
        match &operands {
            (Operand::Null, other) | (other, Operand::Null) => {
                let value = match other {
                    Operand::Value(value) => value.clone(),
                    Operand::Condition(Condition::Truth(column)) => {
                        Value::Column(*column, ValueType::Bool)
                    }
                    _ => return Err(mismatch()),
                };
                match comparison {
                    Comparison::Equal => Ok(Condition::IsNull(value)),
                    Comparison::NotEqual => Ok(Condition::Not(Box::new(Condition::IsNull(value)))),
                    _ => Err(mismatch()),
                }
            }
            (Operand::Value(a), Operand::Value(b)) if compares(a, comparison, b) => {
                Ok(Condition::Compare(a.clone(), comparison, b.clone()))
            }
            _ => Err(mismatch()),
        }
    }

    fn arithmetic(
        &self,
        operator: ArithmeticOperator,
        left: &Node,
        right: &Node,
        span: Span,
    ) -> Result<Value, ExpressionError> {
        let symbol = operator.symbol();
        let (a, b) = (self.value(left, symbol)?, self.value(right, symbol)?);
        let fits = match (a.value_type(), b.value_type()) {
            (ValueType::Int, ValueType::Int) => true,
            (ValueType::Float, ValueType::Float) => operator != ArithmeticOperator::Remainder,
            _ => false,
        };
        if !fits {
            let (left, right) = (a.value_type().name(), b.value_type().name());
            let kind = ExpressionErrorKind::Operands { operator: symbol, left, right };
            return Err(self.error(span, kind));
        }
        Ok(Value::Arithmetic(operator, Box::new(a), Box::new(b)))
    }

    fn membership(&self, node: &Node, items: &[Item]) -> Result<Condition, ExpressionError> {
        let value = self.value(node, "IN")?;
        let value_type = value.value_type();
        let mismatch = |span, right| {
            let kind =
                ExpressionErrorKind::Operands { operator: "IN", left: value_type.name(), right };
            self.error(span, kind)
        };
        let mut parts = Vec::with_capacity(items.len());
        for item in items {
            parts.push(match item {
                Item::Range { first, last, stride, span } => {
                    if value_type != ValueType::Int {
                        return Err(mismatch(*span, "a range"));
                    }
                    // A range may be empty by one, but not more.
                    if last.checked_add(1).is_some_and(|end| end < *first) {
                        let kind = ExpressionErrorKind::Number(format!("{first}..{last}"));
                        return Err(self.error(*span, kind));
                    }
                    let (value, first, last, stride) = (value.clone(), *first, *last, *stride);
                    Condition::InRange { value, first, last, stride }
                }
                Item::Value(item) => match self.operand(item)? {
                    Operand::Value(_)
                        if !matches!(
                            item,
                            Node::Number(..)
                                | Node::Text(..)
                                | Node::Time(..)
                                | Node::Name(..)
                                | Node::Bind(..)
                        ) && !is_uuid_call(item) =>
                    {
                        return Err(self.error(item.span(), ExpressionErrorKind::NotAnItem));
                    }
                    Operand::Value(found) if compares(&value, Comparison::Equal, &found) => {
                        Condition::Compare(value.clone(), Comparison::Equal, found)
                    }
                    Operand::List(found)
                        if !matches!(value_type, ValueType::Timespan | ValueType::Region)
                            && found.iter().all(|item| item.value_type() == value_type) =>
                    {
                        Condition::OneOf(value.clone(), found)
                    }
                    Operand::Value(found) => {
                        return Err(mismatch(item.span(), found.value_type().name()));
                    }
                    Operand::List(_) => return Err(mismatch(item.span(), "such a list")),
                    Operand::Null => Condition::IsNull(value.clone()),
                    Operand::Condition(_) => {
                        return Err(self.error(item.span(), ExpressionErrorKind::NotAValue));
                    }
                },
            });
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Condition::Any(parts) })
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
}

fn is_uuid_call(node: &Node) -> bool {
    matches!(node, Node::Call(name, ..) if name.eq_ignore_ascii_case("UUID"))
}

/// Whether a comparison applies to two values.
fn compares(a: &Value, comparison: Comparison, b: &Value) -> bool {
    use ValueType as T;
    let equality = matches!(comparison, Comparison::Equal | Comparison::NotEqual);
    let overlap = comparison == Comparison::Overlaps;
    match (a.value_type(), b.value_type()) {
        (T::Timespan, T::Time | T::IngestDate) | (T::Time | T::IngestDate, T::Timespan) => overlap,
        (T::Time, T::IngestDate) | (T::IngestDate, T::Time) => !overlap,
        (a, b) if a.is_numeric() && b.is_numeric() => !overlap,
        (a, b) if a != b => false,
        (T::Region, _) if overlap => {
            matches!(a, Value::Column(..)) || matches!(b, Value::Column(..))
        }
        (T::Timespan, _) if overlap => true,
        (T::Text | T::Time, _) => !overlap,
        _ => equality,
    }
}

fn literal_value(literal: &Literal) -> Value {
    match literal {
        Literal::Int(number) => Value::Int(*number),
        Literal::Float(number) => Value::Float(*number),
        Literal::Text(text) => Value::Text(text.clone()),
        Literal::Uuid(uuid) => Value::Uuid(*uuid),
        Literal::Time(time) => Value::Time(*time),
        Literal::Timespan(timespan) => Value::Timespan(*timespan),
        // Lists in lists are refused by the caller.
        Literal::List(_) => Value::Text(String::new()),
    }
}
