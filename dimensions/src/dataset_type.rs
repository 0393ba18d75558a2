//! Dataset types.

use crate::group::DimensionGroup;

/// A dataset type as registered in a repository or defined by a pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatasetType {
    /// Name without component.
    pub name: String,
    /// Dimensions of its data IDs.
    pub dimensions: DimensionGroup,
    /// Name of the storage class. Definitions belong to the middleware, so unknown names are
    /// carried through untouched.
    pub storage_class: String,
    /// Whether datasets may be certified with validity ranges in CALIBRATION collections.
    pub is_calibration: bool,
}

/// A name that no dataset type may have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a dataset type name: letters, digits and underscores are allowed, not starting \
     with a digit"
)]
pub struct DatasetTypeError(pub String);

/// Checks the name of a dataset type, without component.
///
/// # Errors
/// If it is not an identifier in the middleware's sense.
pub fn check_dataset_type_name(name: &str) -> Result<(), DatasetTypeError> {
    let mut bytes = name.bytes();
    let starts = bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    if starts && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        Ok(())
    } else {
        Err(DatasetTypeError(name.to_owned()))
    }
}

/// Splits `parent.component`.
pub fn split_component(name: &str) -> (&str, Option<&str>) {
    match name.split_once('.') {
        Some((parent, component)) => (parent, Some(component)),
        None => (name, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_identifiers() {
        for name in ["raw", "_x", "calexp2"] {
            check_dataset_type_name(name).unwrap();
        }
        for name in ["", "2raw", "a-b", "a b", "a.b"] {
            assert!(check_dataset_type_name(name).is_err(), "{name}");
        }
        assert_eq!(split_component("cat.columns"), ("cat", Some("columns")));
        assert_eq!(split_component("cat"), ("cat", None));
    }
}
