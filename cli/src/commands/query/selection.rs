//! From arguments to questions.

use std::sync::Arc;

use qbb_dimensions::Universe;
use qbb_query::{DatasetQuery, ExistingDatasets, Selection};

use crate::arguments::{ConditionArguments, DatasetArguments, ExistingArguments};
use crate::commands::build::{bindings, list};
use crate::output::{Failure, Terminal};

/// Names and globs; everything if none is given. An empty text is given, and means nothing: a
/// script whose variable is unset does not mean everything.
pub fn all_unless_named(arguments: &[String]) -> Vec<String> {
    if arguments.is_empty() { vec!["*".to_owned()] } else { list(arguments) }
}

/// A question for datasets.
pub fn dataset_query(
    dataset_types: &[String],
    arguments: &DatasetArguments,
    universe: &Arc<Universe>,
) -> Result<DatasetQuery, Failure> {
    Ok(DatasetQuery {
        dataset_types: all_unless_named(dataset_types),
        collections: all_unless_named(&arguments.collections),
        find_first: arguments.find_first && !arguments.no_find_first,
        every_membership: false,
        selection: selection(&arguments.conditions, universe)?,
    })
}

/// Conditions and order.
pub fn selection(
    arguments: &ConditionArguments,
    universe: &Arc<Universe>,
) -> Result<Selection, Failure> {
    Ok(Selection {
        restriction: arguments.restriction.clone(),
        bindings: bindings(&arguments.bind, universe)?,
        order_by: list(&arguments.order_by),
        limit: match arguments.limit.unsigned_abs() {
            0 => None,
            limit => Some(usize::try_from(limit).unwrap_or(usize::MAX)),
        },
        ..Selection::default()
    })
}

/// Datasets that must exist.
pub fn existing(arguments: &ExistingArguments) -> ExistingDatasets {
    ExistingDatasets {
        dataset_types: list(&arguments.datasets),
        collections: all_unless_named(&arguments.collections),
    }
}

/// Says that there is more than was asked for, if that is wanted.
pub fn note_limit(terminal: Terminal, arguments: &ConditionArguments, more: bool) {
    if more && arguments.limit < 0 {
        terminal.warn(&format!(
            "there are more than {} results; use --limit to see more, --limit 0 for all",
            arguments.limit.unsigned_abs()
        ));
    }
}
