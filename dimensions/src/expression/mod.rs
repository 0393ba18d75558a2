//! The `where` language: conditions on dimension values and their metadata.
//!
//! Text becomes a syntax tree ([`parse`]), the tree becomes a typed condition against a universe
//! ([`bind`]), and the condition is evaluated row by row over columns ([`Condition::holds`]). The
//! language is that of `daf_butler`, with SQL's three-valued treatment of nulls. Errors carry the
//! place in the text.

mod bind;
mod condition;
mod error;
mod evaluate;
mod identifier;
mod lexer;
mod operators;
mod parser;
mod pushdown;
mod syntax;
mod time_literal;

pub use bind::{Bindings, Context, Literal, bind};
pub use condition::{Column, Comparison, Condition, Conjunct, Value, ValueType};
pub use error::{ExpressionError, ExpressionErrorKind, Span};
pub use evaluate::{Cell, RowSource};
pub use parser::parse;
pub use pushdown::{Interval, Restriction};
pub use syntax::{BinaryOperator, Expression, Item, Node, UnaryOperator};
