//! Data ID values at the borders of the program.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One value of a data ID: JSON integers and strings, nothing else.
///
/// Inside tables a value is an `i64` cell; this type exists where data IDs are read or shown.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum DataValue {
    /// Value of a dimension whose primary key is an integer.
    Int(i64),
    /// Value of a dimension whose primary key is a string.
    Text(String),
}

impl fmt::Display for DataValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(value) => value.fmt(f),
            Self::Text(value) => value.fmt(f),
        }
    }
}

impl From<i64> for DataValue {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<&str> for DataValue {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}
