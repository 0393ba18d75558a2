//! Choosing dataset types by name.

use qbb_dimensions::{nearest_name, split_component};
use qbb_registry::{Glob, RegisteredDatasetType, is_glob};

use crate::error::QueryError;

/// The registered dataset types that names and shell globs mean, sorted by name; all of them come
/// from `registered`, which is sorted too.
///
/// # Errors
/// If a name without wildcards is not registered. A glob may match nothing.
pub fn choose_dataset_types<'a>(
    registered: &'a [RegisteredDatasetType],
    expressions: &[String],
) -> Result<Vec<&'a RegisteredDatasetType>, QueryError> {
    let mut chosen = vec![false; registered.len()];
    for expression in expressions {
        if is_glob(expression) {
            let glob = Glob::new(expression);
            for (chosen, candidate) in chosen.iter_mut().zip(registered) {
                *chosen |= glob.matches(&candidate.dataset_type.name);
            }
            continue;
        }
        let order = |t: &RegisteredDatasetType| t.dataset_type.name.as_str().cmp(expression);
        match registered.binary_search_by(order) {
            Ok(at) => chosen[at] = true,
            Err(_) => return Err(unknown(registered, expression)),
        }
    }
    Ok(registered.iter().zip(&chosen).filter(|(_, chosen)| **chosen).map(|(t, _)| t).collect())
}

fn unknown(registered: &[RegisteredDatasetType], name: &str) -> QueryError {
    let names = || registered.iter().map(|t| t.dataset_type.name.as_str());
    let (parent, component) = split_component(name);
    let similar = match component {
        // Components are stored with their composite.
        Some(_) if names().any(|known| known == parent) => Some(parent),
        _ => nearest_name(name, names()),
    };
    QueryError::UnknownDatasetType { name: name.to_owned(), similar: similar.map(str::to_owned) }
}
