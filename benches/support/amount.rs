//! How much a benchmark does, unless a variable of the environment says otherwise.

use std::fmt::Display;
use std::str::FromStr;

/// The number that a variable says, or the usual one.
///
/// # Errors
/// If it is no number.
pub fn amount<T>(variable: &str, usual: T) -> Result<T, String>
where
    T: FromStr<Err: Display>,
{
    match std::env::var(variable) {
        Ok(text) => text.parse().map_err(|error| format!("{variable}={text}: {error}")),
        Err(_) => Ok(usual),
    }
}
