//! The syntax tree of an expression.

use std::fmt;

use super::error::Span;

/// A parsed expression; empty text is the condition that always holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Expression {
    /// The text it came from.
    pub text: String,
    /// The tree, unless the text was blank.
    pub root: Option<Node>,
}

/// One construct and its place in the text.
#[derive(Debug, Clone)]
pub enum Node {
    /// A number as written.
    Number(String, Span),
    /// Quoted text.
    Text(String, Span),
    /// A time literal without `T` and quotes.
    Time(String, Span),
    /// An identifier of one to three parts.
    Name(String, Span),
    /// A bind name without its colon.
    Bind(String, Span),
    /// A function call.
    Call(String, Vec<Node>, Span),
    /// A timespan: two instants in parentheses.
    Pair(Box<Node>, Box<Node>, Span),
    /// An operator before its operand.
    Unary(UnaryOperator, Box<Node>, Span),
    /// An operator between its operands.
    Binary(BinaryOperator, Box<Node>, Box<Node>, Span),
    /// `value [NOT] IN (items)`.
    In {
        /// The value looked for.
        value: Box<Node>,
        /// What it is looked for in.
        items: Vec<Item>,
        /// Whether it must be absent.
        negated: bool,
        /// Place in the text.
        span: Span,
    },
}

/// A member of an IN list.
#[derive(Debug, Clone)]
pub enum Item {
    /// A value.
    Value(Node),
    /// Integers from `first` to `last`, both included, `stride` apart.
    Range {
        /// First integer.
        first: i64,
        /// Last integer.
        last: i64,
        /// Distance, at least 1.
        stride: u64,
        /// Place in the text.
        span: Span,
    },
}

/// Operators with one operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnaryOperator {
    /// Negation of a condition.
    Not,
    /// No change.
    Plus,
    /// Change of sign.
    Minus,
}

/// Operators with two operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BinaryOperator {
    /// Either condition.
    Or,
    /// Both conditions.
    And,
    /// Regions or timespans with something in common.
    Overlaps,
    /// Equal.
    Equal,
    /// Not equal.
    NotEqual,
    /// Less.
    Less,
    /// Less or equal.
    LessEqual,
    /// Greater.
    Greater,
    /// Greater or equal.
    GreaterEqual,
    /// Sum.
    Add,
    /// Difference.
    Subtract,
    /// Product.
    Multiply,
    /// True division, of integers too.
    Divide,
    /// Remainder.
    Remainder,
}

impl BinaryOperator {
    /// How strongly it binds; higher binds first.
    #[must_use]
    pub const fn precedence(self) -> u8 {
        match self {
            Self::Or => 1,
            Self::And => 2,
            Self::Overlaps => 4,
            Self::Equal | Self::NotEqual => 5,
            Self::Less | Self::LessEqual | Self::Greater | Self::GreaterEqual => 6,
            Self::Add | Self::Subtract => 8,
            Self::Multiply | Self::Divide | Self::Remainder => 9,
        }
    }

    /// The operator as written.
    #[must_use]
    pub const fn symbol(self) -> &'static str {
        match self {
            Self::Or => "OR",
            Self::And => "AND",
            Self::Overlaps => "OVERLAPS",
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessEqual => "<=",
            Self::Greater => ">",
            Self::GreaterEqual => ">=",
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Remainder => "%",
        }
    }
}

/// Precedence of NOT: it takes a whole comparison, but not a conjunction.
pub(super) const NOT: u8 = 3;
/// Precedence of IN: above comparisons, below arithmetic.
pub(super) const IN: u8 = 7;
/// Precedence of signs.
pub(super) const SIGN: u8 = 10;

impl Node {
    /// Place in the text.
    #[must_use]
    pub fn span(&self) -> Span {
        match self {
            Self::Number(_, span)
            | Self::Text(_, span)
            | Self::Time(_, span)
            | Self::Name(_, span)
            | Self::Bind(_, span)
            | Self::Call(_, _, span)
            | Self::Pair(_, _, span)
            | Self::Unary(_, _, span)
            | Self::Binary(_, _, _, span)
            | Self::In { span, .. } => *span,
        }
    }

    fn precedence(&self) -> u8 {
        match self {
            Self::Binary(operator, ..) => operator.precedence(),
            Self::Unary(UnaryOperator::Not, ..) => NOT,
            Self::Unary(..) => SIGN,
            Self::In { .. } => IN,
            _ => u8::MAX,
        }
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, at_least: u8) -> fmt::Result {
        if self.precedence() < at_least {
            return write!(f, "({self})");
        }
        write!(f, "{self}")
    }
}

/// Trees are equal if they mean the same; places do not count.
impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Number(a, _), Self::Number(b, _))
            | (Self::Text(a, _), Self::Text(b, _))
            | (Self::Time(a, _), Self::Time(b, _))
            | (Self::Name(a, _), Self::Name(b, _))
            | (Self::Bind(a, _), Self::Bind(b, _)) => a == b,
            (Self::Call(a, x, _), Self::Call(b, y, _)) => a == b && x == y,
            (Self::Pair(a, x, _), Self::Pair(b, y, _)) => a == b && x == y,
            (Self::Unary(a, x, _), Self::Unary(b, y, _)) => a == b && x == y,
            (Self::Binary(a, x, u, _), Self::Binary(b, y, v, _)) => a == b && x == y && u == v,
            (
                Self::In { value, items, negated, .. },
                Self::In { value: value_b, items: items_b, negated: negated_b, .. },
            ) => value == value_b && items == items_b && negated == negated_b,
            _ => false,
        }
    }
}

impl PartialEq for Item {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Value(a), Self::Value(b)) => a == b,
            (
                Self::Range { first, last, stride, .. },
                Self::Range { first: f, last: l, stride: s, .. },
            ) => (first, last, stride) == (f, l, s),
            _ => false,
        }
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.root {
            Some(root) => root.fmt(f),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(text, _) | Self::Name(text, _) => f.write_str(text),
            Self::Text(text, _) => write!(f, "'{text}'"),
            Self::Time(text, _) => write!(f, "T'{text}'"),
            Self::Bind(name, _) => write!(f, ":{name}"),
            Self::Call(name, arguments, _) => {
                write!(f, "{name}(")?;
                write_list(f, arguments)?;
                f.write_str(")")
            }
            Self::Pair(begin, end, _) => write!(f, "({begin}, {end})"),
            Self::Unary(operator, operand, _) => {
                let (text, precedence) = match operator {
                    UnaryOperator::Not => ("NOT ", NOT),
                    UnaryOperator::Plus => ("+ ", SIGN),
                    UnaryOperator::Minus => ("- ", SIGN),
                };
                f.write_str(text)?;
                operand.write(f, precedence)
            }
            Self::Binary(operator, left, right, _) => {
                left.write(f, operator.precedence())?;
                write!(f, " {} ", operator.symbol())?;
                right.write(f, operator.precedence() + 1)
            }
            Self::In { value, items, negated, .. } => {
                value.write(f, IN + 1)?;
                f.write_str(if *negated { " NOT IN (" } else { " IN (" })?;
                write_list(f, items)?;
                f.write_str(")")
            }
        }
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(node) => node.fmt(f),
            Self::Range { first, last, stride: 1, .. } => write!(f, "{first}..{last}"),
            Self::Range { first, last, stride, .. } => write!(f, "{first}..{last}:{stride}"),
        }
    }
}

fn write_list(f: &mut fmt::Formatter<'_>, items: &[impl fmt::Display]) -> fmt::Result {
    for (i, item) in items.iter().enumerate() {
        if i != 0 {
            f.write_str(", ")?;
        }
        item.fmt(f)?;
    }
    Ok(())
}
