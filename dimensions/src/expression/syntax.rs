//! The syntax tree of an expression, and its text.

use std::fmt;

use super::error::Span;
use super::operator::{ArithmeticOperator, Comparison, Sign};

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
    /// A number as written; with its sign only as an item of an IN list.
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
    /// Any of at least two conditions joined by OR.
    Any(Vec<Node>),
    /// All of at least two conditions joined by AND.
    All(Vec<Node>),
    /// The negation of a condition.
    Not(Box<Node>, Span),
    /// A comparison.
    Compare(Comparison, Box<Node>, Box<Node>),
    /// `value [NOT] IN (items)`.
    In {
        /// The value looked for.
        value: Box<Node>,
        /// What it is looked for in; not empty.
        items: Vec<Item>,
        /// Whether it must be absent.
        negated: bool,
        /// Place in the text.
        span: Span,
    },
    /// Arithmetic.
    Arithmetic(ArithmeticOperator, Box<Node>, Box<Node>),
    /// A sign and its operand.
    Signed(Sign, Box<Node>, Span),
    /// An expression in parentheses, with their place. They matter to a few functions, which take
    /// expressions but not parentheses.
    Parentheses(Box<Node>, Span),
}

/// A member of an IN list.
#[derive(Debug, Clone)]
pub enum Item {
    /// A literal, a simple name or a function call.
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

/// How strongly constructs bind: each level may stand as an operand of those below it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Any,
    All,
    Not,
    Compare,
    In,
    Sum,
    Product,
    Simple,
}

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
            | Self::Not(_, span)
            | Self::Signed(_, _, span)
            | Self::Parentheses(_, span)
            | Self::In { span, .. } => *span,
            Self::Any(parts) | Self::All(parts) => match (parts.first(), parts.last()) {
                (Some(first), Some(last)) => first.span().to(last.span()),
                _ => Span::default(),
            },
            Self::Compare(_, left, right) | Self::Arithmetic(_, left, right) => {
                left.span().to(right.span())
            }
        }
    }

    /// The expression inside any parentheses.
    #[must_use]
    pub fn inside(&self) -> &Self {
        match self {
            Self::Parentheses(inner, _) => inner.inside(),
            other => other,
        }
    }

    fn level(&self) -> Level {
        match self {
            Self::Any(_) => Level::Any,
            Self::All(_) => Level::All,
            Self::Not(..) => Level::Not,
            Self::Compare(..) => Level::Compare,
            Self::In { .. } => Level::In,
            Self::Arithmetic(operator, ..) if operator.is_product() => Level::Product,
            Self::Arithmetic(..) => Level::Sum,
            _ => Level::Simple,
        }
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, at_least: Level) -> fmt::Result {
        if self.level() < at_least { write!(f, "({self})") } else { write!(f, "{self}") }
    }
}

/// Trees are equal if they mean the same: places and superfluous parentheses do not count.
impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        match (self.inside(), other.inside()) {
            (Self::Number(a, _), Self::Number(b, _))
            | (Self::Text(a, _), Self::Text(b, _))
            | (Self::Time(a, _), Self::Time(b, _))
            | (Self::Name(a, _), Self::Name(b, _))
            | (Self::Bind(a, _), Self::Bind(b, _)) => a == b,
            (Self::Call(a, x, _), Self::Call(b, y, _)) => a == b && x == y,
            (Self::Pair(a, x, _), Self::Pair(b, y, _)) => a == b && x == y,
            (Self::Any(a), Self::Any(b)) | (Self::All(a), Self::All(b)) => a == b,
            (Self::Not(a, _), Self::Not(b, _)) => a == b,
            (Self::Compare(a, x, u), Self::Compare(b, y, v)) => a == b && x == y && u == v,
            (Self::Arithmetic(a, x, u), Self::Arithmetic(b, y, v)) => a == b && x == y && u == v,
            (Self::Signed(a, x, _), Self::Signed(b, y, _)) => a == b && x == y,
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
            Self::Any(parts) => write_joined(f, parts, " OR ", Level::All),
            Self::All(parts) => write_joined(f, parts, " AND ", Level::Not),
            Self::Not(operand, _) => {
                f.write_str("NOT ")?;
                operand.write(f, Level::Not)
            }
            Self::Compare(operator, left, right) => {
                left.write(f, Level::Compare)?;
                write!(f, " {} ", operator.symbol())?;
                right.write(f, Level::In)
            }
            Self::In { value, items, negated, .. } => {
                value.write(f, Level::Sum)?;
                f.write_str(if *negated { " NOT IN (" } else { " IN (" })?;
                write_list(f, items)?;
                f.write_str(")")
            }
            Self::Arithmetic(operator, left, right) => {
                let (own, above) = if operator.is_product() {
                    (Level::Product, Level::Simple)
                } else {
                    (Level::Sum, Level::Product)
                };
                left.write(f, own)?;
                write!(f, " {} ", operator.symbol())?;
                right.write(f, above)
            }
            Self::Signed(sign, operand, _) => {
                write!(f, "{} ", sign.symbol())?;
                operand.write(f, Level::Simple)
            }
            Self::Parentheses(inner, _) => write!(f, "({inner})"),
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

fn write_joined(
    f: &mut fmt::Formatter<'_>,
    parts: &[Node],
    operator: &str,
    at_least: Level,
) -> fmt::Result {
    for (i, part) in parts.iter().enumerate() {
        if i != 0 {
            f.write_str(operator)?;
        }
        part.write(f, at_least)?;
    }
    Ok(())
}
