//! From syntax trees to typed conditions.

use std::collections::BTreeMap;

use crate::group::DimensionGroup;
use crate::time::TaiNanos;
use crate::timespan::Timespan;
use crate::universe::ElementIx;

use super::condition::{Column, Condition, Conjunct, Value, ValueType};
use super::error::{ExpressionError, ExpressionErrorKind, Span};
use super::identifier::interpret;
use super::syntax::{BinaryOperator, Expression, Node};
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
    text: &'a str,
    context: &'a Context<'a>,
}

impl Binder<'_> {
    pub(super) fn error(&self, span: Span, kind: ExpressionErrorKind) -> ExpressionError {
        ExpressionError::new(self.text, span, kind)
    }

    pub(super) fn not_supported(&self, span: Span, what: impl Into<String>) -> ExpressionError {
        self.error(span, ExpressionErrorKind::NotSupported(what.into()))
    }

    pub(super) fn condition(&self, node: &Node) -> Result<Condition, ExpressionError> {
        match self.operand(node)? {
            Operand::Condition(condition) => Ok(condition),
            other => {
                Err(self.error(node.span(), ExpressionErrorKind::NotACondition(other.type_name())))
            }
        }
    }

    pub(super) fn value(&self, node: &Node) -> Result<Value, ExpressionError> {
        match self.operand(node)? {
            Operand::Value(value) => Ok(value),
            Operand::Condition(_) => Err(self.error(node.span(), ExpressionErrorKind::NotAValue)),
            other => Err(self.error(
                node.span(),
                ExpressionErrorKind::Operand { operator: "value", operand: other.type_name() },
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
