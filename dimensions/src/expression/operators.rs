//! Typing operators, comparisons and IN lists.

use super::bind::{Binder, Operand};
use super::condition::{Comparison, Condition, Value, ValueType};
use super::error::{ExpressionError, ExpressionErrorKind, Span};
use super::syntax::{BinaryOperator, Item, Node, UnaryOperator};

impl Binder<'_> {
    pub(super) fn unary(
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

    pub(super) fn binary(
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

    pub(super) fn membership(
        &self,
        node: &Node,
        items: &[Item],
    ) -> Result<Condition, ExpressionError> {
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
