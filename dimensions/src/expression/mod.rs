//! The `where` language: conditions on dimension values, their metadata and datasets.
//!
//! Text becomes a syntax tree ([`parse`]), the tree becomes typed conditions against a universe
//! ([`bind`]) or the predicate that a remote butler is sent ([`Predicate`]), and conditions are
//! evaluated row by row over columns ([`Condition::holds`]). The language is that of `daf_butler`,
//! with SQL's three-valued treatment of nulls. Errors carry the place in the text.

mod bind;
mod condition;
mod conjunct;
mod error;
mod evaluate;
mod function;
mod glob;
mod identifier;
mod julian;
mod lexer;
mod literal;
mod operator;
mod order;
mod parser;
#[cfg(test)]
mod parser_tests;
mod predicate;
mod pushdown;
mod syntax;
mod time_literal;
mod value;

pub use bind::{Bindings, Context, Literal};
pub use condition::Condition;
pub use conjunct::{Conjunct, TemporalOperand, bind};
pub use error::{ExpressionError, ExpressionErrorKind, Span};
pub use evaluate::{Cell, RowSource};
pub use glob::Glob;
pub use operator::{ArithmeticOperator, Comparison, Sign};
pub use order::OrderKey;
pub use parser::parse;
pub use predicate::Predicate;
pub use pushdown::{Interval, Restriction};
pub use syntax::{Expression, Item, Node};
pub use value::{Column, DatasetField, RegionLiteral, Value, ValueType};
