//! Errors of the `where` language.

use std::fmt;

use crate::time::TimeError;

/// Part of an expression's text, as byte offsets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// First byte.
    pub begin: usize,
    /// First byte after.
    pub end: usize,
}

impl Span {
    /// The smallest span that covers both.
    #[must_use]
    pub fn to(self, other: Self) -> Self {
        Self { begin: self.begin.min(other.begin), end: self.end.max(other.end) }
    }
}

/// Why an expression was refused, and where in its text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("in `{text}`, column {}: {kind}", self.column())]
pub struct ExpressionError {
    /// What is wrong.
    pub kind: ExpressionErrorKind,
    /// Where.
    pub span: Span,
    /// The whole expression.
    pub text: String,
}

impl ExpressionError {
    pub(super) fn new(text: &str, span: Span, kind: ExpressionErrorKind) -> Self {
        Self { kind, span, text: text.to_owned() }
    }

    /// Column of the first wrong character, counted from 1 in characters.
    #[must_use]
    pub fn column(&self) -> usize {
        let before = self.text.char_indices().take_while(|(at, _)| *at < self.span.begin);
        before.count() + 1
    }
}

/// What is wrong with an expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExpressionErrorKind {
    /// A character that begins nothing in the language.
    #[error("unexpected character `{0}`")]
    Character(char),
    /// A quote without its partner.
    #[error("the quoted text does not end")]
    UnterminatedText,
    /// Something else should stand here.
    #[error("expected {wanted}, found {found}")]
    Expected {
        /// What may stand here.
        wanted: &'static str,
        /// What stands here.
        found: String,
    },
    /// A number too large, or a range that is none.
    #[error("`{0}` is out of range")]
    Number(String),
    /// Parentheses nested beyond any sense.
    #[error("nested too deeply")]
    TooDeep,
    /// A predicate that would grow beyond any sense.
    #[error("too many conditions once AND inside OR is multiplied out")]
    TooManyConditions,
    /// A time literal that is none.
    #[error("{0}")]
    Time(TimeError),
    /// A name that means nothing here.
    #[error("unknown identifier `{name}`{}", DidYouMean(.similar.as_deref()))]
    UnknownIdentifier {
        /// The name.
        name: String,
        /// The nearest name that there is.
        similar: Option<String>,
    },
    /// A field that the element does not have.
    #[error("`{element}` has no field `{field}`{}", DidYouMean(.similar.as_deref()))]
    UnknownField {
        /// The dimension element.
        element: String,
        /// The field.
        field: String,
        /// The nearest field that there is.
        similar: Option<String>,
    },
    /// A field name that several elements have.
    #[error("`{name}` is ambiguous: write one of {}", .candidates.join(", "))]
    Ambiguous {
        /// The name.
        name: String,
        /// The qualified names it may stand for.
        candidates: Vec<String>,
    },
    /// A field of datasets of a type that the query does not join.
    #[error(
        "`{name}`: `{dataset_type}` is neither a dimension element nor a dataset type whose \
             existence the query asks for{}", DidYouMean(.similar.as_deref())
    )]
    UnknownDataset {
        /// The whole name.
        name: String,
        /// Its first part.
        dataset_type: String,
        /// The nearest name that there is.
        similar: Option<String>,
    },
    /// A function that there is not.
    #[error("unknown function `{name}`{}", DidYouMean(.similar.as_deref()))]
    UnknownFunction {
        /// The name.
        name: String,
        /// The nearest name that there is.
        similar: Option<String>,
    },
    /// Arguments that a function does not take.
    #[error("wrong arguments, or values that are not possible; write {usage}")]
    Arguments {
        /// How the function is called.
        usage: &'static str,
    },
    /// A function that gives no member of an IN list.
    #[error("this cannot be an item of IN")]
    NotAnItem,
    /// Values for one bind name that differ in type.
    #[error("the values given for `:{0}` are not of one type")]
    MixedList(String),
    /// A timespan that begins where it ends, at the beginning or the end of time.
    #[error("the timespan is empty: it begins and ends at the end of what can be stored")]
    InstantaneousTimespan,
    /// A join of two elements that are joined already.
    #[error("`{0}` and `{1}` need no OVERLAPS: their {2} nest")]
    NeedlessJoin(String, String, &'static str),
    /// A `:name` without a value.
    #[error("no value was given for `:{0}`")]
    Unbound(String),
    /// Operands that do not go together.
    #[error("`{operator}` does not apply to {left} and {right}")]
    Operands {
        /// The operator.
        operator: &'static str,
        /// Type of the left operand.
        left: &'static str,
        /// Type of the right operand.
        right: &'static str,
    },
    /// An operand that the operator does not take.
    #[error("`{operator}` does not apply to {operand}")]
    Operand {
        /// The operator.
        operator: &'static str,
        /// Type of the operand.
        operand: &'static str,
    },
    /// A value where a condition must stand.
    #[error("this is {0}, not a condition")]
    NotACondition(&'static str),
    /// A condition where a value must stand.
    #[error("this is a condition, not a value")]
    NotAValue,
    /// A dimension that depends on a governor which nothing constrains.
    #[error(
        "`{dimension}` depends on `{governor}`, which must be constrained too: add \
             `{governor} = '…'`"
    )]
    Governor {
        /// The dimension, or element, that was named.
        dimension: String,
        /// The governor dimension.
        governor: String,
    },
    /// What neither the middleware nor this program can evaluate.
    #[error("{0} is not supported")]
    NotSupported(String),
}

/// Appends a suggestion, if there is one.
struct DidYouMean<'a>(Option<&'a str>);

impl fmt::Display for DidYouMean<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(name) => write!(f, " (did you mean `{name}`?)"),
            None => Ok(()),
        }
    }
}
