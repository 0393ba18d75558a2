//! Finding the one definition of a dataset type that counts.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use qbb_dimensions::{DatasetType, DimensionGroup, Universe, nearest_name};
use rustc_hash::FxHashMap;

use crate::connection::ConnectionKind;
use crate::definition::{ConnectionDefinition, StorageClassDefinition, TaskDefinition};
use crate::error::ResolveError;
use crate::graph::Runner;

/// Dimension that stands for whatever pixelization a repository registered.
const SKYPIX_PLACEHOLDER: &str = "skypix";

/// A connection that uses a dataset type.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Use<'a> {
    pub task: &'a TaskDefinition,
    pub connection: &'a ConnectionDefinition,
    pub component: Option<&'a str>,
}

impl Use<'_> {
    /// Whether it reads, not writes.
    pub fn is_read(&self) -> bool {
        self.connection.kind.is_input()
    }
}

/// A dataset type with what its connections say about it.
pub(crate) struct ResolvedDatasetType {
    pub dataset_type: DatasetType,
    pub is_initial_query_constraint: bool,
    pub is_prerequisite: bool,
}

/// Whose definition counts.
#[derive(Debug, Clone, Copy)]
enum Origin<'a> {
    Repository,
    Writer(&'a str),
    Reader(&'a str),
}

impl fmt::Display for Origin<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Repository => f.write_str("the repository"),
            Self::Writer(task) => write!(f, "task `{task}`, which writes it,"),
            Self::Reader(task) => write!(f, "task `{task}`, which reads it too,"),
        }
    }
}

/// What is needed to resolve dataset types.
pub(crate) struct Resolver<'a> {
    pub universe: &'a Arc<Universe>,
    pub registered: &'a FxHashMap<&'a str, &'a DatasetType>,
    pub storage_classes: &'a BTreeMap<String, StorageClassDefinition>,
}

impl Resolver<'_> {
    /// Resolves the dataset type of a name from all its uses.
    pub fn resolve(
        &self,
        name: &str,
        uses: &[Use<'_>],
    ) -> Result<ResolvedDatasetType, ResolveError> {
        let mut current =
            (self.registered.get(name)).map(|&registered| (registered.clone(), Origin::Repository));
        let mut writers = uses.iter().filter(|u| !u.is_read());
        let writer = writers.next();
        if let (Some(first), Some(second)) = (writer, writers.next()) {
            return Err(ResolveError::DuplicateOutput {
                dataset_type: name.to_owned(),
                first: first.task.label.clone(),
                second: second.task.label.clone(),
            });
        }
        if let Some(writer) = writer {
            let declared = self.declared(name, writer, None)?;
            match &current {
                Some((definition, origin)) => {
                    self.check_compatible(writer, &declared, definition, *origin)?;
                }
                None => current = Some((declared, Origin::Writer(&writer.task.label))),
            }
        }
        // Readers of components, and those that take any storage class, define nothing.
        let mut readers: Vec<&Use<'_>> = uses.iter().filter(|u| u.is_read()).collect();
        readers.sort_by_key(|u| (u.component.is_some(), u.connection.storage_class.is_empty()));
        for reader in &readers {
            match &current {
                None => current = Some(self.defined_by_reader(name, reader)?),
                Some((definition, origin)) => self.check_reader(reader, definition, *origin)?,
            }
        }
        let Some((dataset_type, _)) = current else {
            return Err(ResolveError::NotRegistered {
                dataset_type: name.to_owned(),
                reason: "no task uses it".to_owned(),
            });
        };
        Ok(ResolvedDatasetType {
            dataset_type,
            is_initial_query_constraint: writer.is_none()
                && readers.iter().all(|u| !u.connection.defer_query_constraint),
            is_prerequisite: is_prerequisite(name, writer, &readers)?,
        })
    }

    /// The dataset type as one connection declares it.
    fn declared(
        &self,
        name: &str,
        use_: &Use<'_>,
        placeholder: Option<&DimensionGroup>,
    ) -> Result<DatasetType, ResolveError> {
        let wrong = |source| ResolveError::ConnectionDimensions {
            task: use_.task.label.clone(),
            connection: use_.connection.name.clone(),
            source,
        };
        let given = use_.connection.dimensions.iter().map(String::as_str);
        let dimensions = match placeholder {
            Some(registered) => {
                let skypix = registered.skypix().map(|element| element.name.as_str());
                let others = given.filter(|&dimension| dimension != SKYPIX_PLACEHOLDER);
                self.universe.conform(others.chain(skypix)).map_err(wrong)?
            }
            None => self.universe.conform(given).map_err(wrong)?,
        };
        Ok(DatasetType {
            name: name.to_owned(),
            dimensions,
            storage_class: use_.connection.storage_class.clone(),
            is_calibration: use_.connection.is_calibration,
        })
    }

    /// The definition by the first reader of a dataset type that nobody else defines.
    fn defined_by_reader<'u>(
        &self,
        name: &str,
        reader: &Use<'u>,
    ) -> Result<(DatasetType, Origin<'u>), ResolveError> {
        let task = &reader.task.label;
        let not_registered =
            |reason: String| ResolveError::NotRegistered { dataset_type: name.to_owned(), reason };
        if let Some(component) = reader.component {
            return Err(not_registered(format!(
                "task `{task}` reads its component `{component}`, which does not tell what the \
                 whole is: register the dataset type first"
            )));
        }
        if has_placeholder(reader) {
            return Err(not_registered(format!(
                "task `{task}` has it with the placeholder dimension `skypix`, which only a \
                 registration resolves: register it (reference catalogs have the catalog's name)"
            )));
        }
        if reader.connection.storage_class.is_empty() {
            return Err(not_registered(format!(
                "task `{task}` does not say its storage class: register the dataset type or add \
                 `storage_class` to input `{}`",
                reader.connection.name
            )));
        }
        Ok((self.declared(name, reader, None)?, Origin::Reader(task)))
    }

    /// Checks a reader against the definition that counts.
    fn check_reader(
        &self,
        reader: &Use<'_>,
        definition: &DatasetType,
        origin: Origin<'_>,
    ) -> Result<(), ResolveError> {
        if has_placeholder(reader) && !matches!(origin, Origin::Repository) {
            return Err(ResolveError::NotRegistered {
                dataset_type: definition.name.clone(),
                reason: format!(
                    "task `{}` has it with the placeholder dimension `skypix`, which only a \
                     registration resolves",
                    reader.task.label
                ),
            });
        }
        if let Some(component) = reader.component {
            return self.check_component(reader, component, definition, origin);
        }
        let placeholder = has_placeholder(reader).then_some(&definition.dimensions);
        let declared = self.declared(&definition.name, reader, placeholder)?;
        match origin {
            // Neither of two readers takes precedence, so they must agree.
            Origin::Reader(_)
                if !declared.storage_class.is_empty()
                    && declared.storage_class != definition.storage_class =>
            {
                Err(ResolveError::NotRegistered {
                    dataset_type: definition.name.clone(),
                    reason: format!(
                        "task `{}` reads it as `{}` and {origin} as `{}`: register it with one of \
                         these storage classes",
                        reader.task.label, declared.storage_class, definition.storage_class
                    ),
                })
            }
            _ => self.check_compatible(reader, &declared, definition, origin),
        }
    }

    /// Checks that a declared definition goes with the one that counts.
    fn check_compatible(
        &self,
        use_: &Use<'_>,
        declared: &DatasetType,
        definition: &DatasetType,
        origin: Origin<'_>,
    ) -> Result<(), ResolveError> {
        let incompatible = |declared: String, expected: String| ResolveError::Incompatible {
            dataset_type: definition.name.clone(),
            task: use_.task.label.clone(),
            declared,
            origin: origin.to_string(),
            expected,
        };
        if declared.dimensions != definition.dimensions {
            return Err(incompatible(
                format!("dimensions {}", declared.dimensions),
                definition.dimensions.to_string(),
            ));
        }
        if declared.is_calibration != definition.is_calibration {
            let shown = |flag: bool| if flag { "calibration: true" } else { "calibration: false" };
            return Err(incompatible(
                shown(declared.is_calibration).to_owned(),
                shown(definition.is_calibration).to_owned(),
            ));
        }
        let (ours, theirs) = (&declared.storage_class, &definition.storage_class);
        self.check_conversion(use_, ours, theirs, origin)
    }

    fn check_component(
        &self,
        reader: &Use<'_>,
        component: &str,
        definition: &DatasetType,
        origin: Origin<'_>,
    ) -> Result<(), ResolveError> {
        let Some(storage_class) = self.storage_classes.get(&definition.storage_class) else {
            return Ok(());
        };
        if !storage_class.has_component(component) {
            return Err(ResolveError::NoComponent {
                task: reader.task.label.clone(),
                component: component.to_owned(),
                dataset_type: definition.name.clone(),
                storage_class: definition.storage_class.clone(),
                origin: origin.to_string(),
                similar: nearest_name(component, storage_class.iter_components())
                    .map(str::to_owned),
            });
        }
        match storage_class.component_storage_classes.get(component) {
            Some(theirs) => {
                self.check_conversion(reader, &reader.connection.storage_class, theirs, origin)
            }
            None => Ok(()),
        }
    }

    /// Checks that objects convert between the storage class of a connection and the one that
    /// counts, in the direction of the connection.
    fn check_conversion(
        &self,
        use_: &Use<'_>,
        ours: &str,
        theirs: &str,
        origin: Origin<'_>,
    ) -> Result<(), ResolveError> {
        if ours == theirs || ours.is_empty() {
            return Ok(());
        }
        let (to, from) = if use_.is_read() { (ours, theirs) } else { (theirs, ours) };
        let examined = |name| self.storage_classes.get(name).filter(|class| !class.unexamined);
        let converts = match (&use_.task.runner, examined(to)) {
            // Only Python converts.
            (Runner::Command(_) | Runner::Function(_), _) => false,
            (Runner::PipelineTask(_), Some(target)) => {
                target.convertible_from.iter().any(|name| name == from) || examined(from).is_none()
            }
            (Runner::PipelineTask(_), None) => true,
        };
        if converts {
            return Ok(());
        }
        Err(ResolveError::NotConvertible {
            dataset_type: use_.connection.dataset_type.clone(),
            task: use_.task.label.clone(),
            declared: ours.to_owned(),
            direction: if use_.is_read() { "from" } else { "to" },
            expected: theirs.to_owned(),
            origin: origin.to_string().trim_end_matches(',').to_owned(),
        })
    }
}

fn has_placeholder(use_: &Use<'_>) -> bool {
    use_.connection.dimensions.iter().any(|dimension| dimension == SKYPIX_PLACEHOLDER)
}

/// Whether the dataset type is a prerequisite, on which all its connections must agree.
fn is_prerequisite(
    name: &str,
    writer: Option<&Use<'_>>,
    readers: &[&Use<'_>],
) -> Result<bool, ResolveError> {
    let is_prerequisite = |u: &Use<'_>| u.connection.kind == ConnectionKind::PrerequisiteInput;
    let Some(prerequisite) = readers.iter().find(|u| is_prerequisite(u)) else {
        return Ok(false);
    };
    let other = match (writer, readers.iter().find(|u| !is_prerequisite(u))) {
        (Some(writer), _) => format!("task `{}` writes it", writer.task.label),
        (None, Some(reader)) => format!("a regular input of task `{}`", reader.task.label),
        (None, None) => return Ok(true),
    };
    Err(ResolveError::PrerequisiteConflict {
        dataset_type: name.to_owned(),
        task: prerequisite.task.label.clone(),
        other,
    })
}
