//! The path templates of a datastore.

use std::sync::Arc;

use qbb_dimensions::Universe;
use serde_json::{Map, Value};

use crate::lookup::{Lookup, LookupTarget};
use crate::template::{PathTemplate, TemplateError};

/// All path templates of a datastore, by what they are for.
#[derive(Debug, Clone, PartialEq)]
pub struct PathTemplates {
    lookup: Lookup<Option<PathTemplate>>,
}

/// Why a `templates` section is wrong, or has nothing for a dataset type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathTemplatesError {
    /// A template is wrong.
    #[error("setting `datastore.templates.{key}`: {source}")]
    Template {
        /// The key.
        key: String,
        /// What is wrong.
        source: TemplateError,
    },
    /// An entry is no text.
    #[error("setting `datastore.templates.{key}` must be a path template, which is a text")]
    NotText {
        /// The key.
        key: String,
    },
    /// There is none for a dataset type.
    #[error(
        "no path template for dataset type `{dataset_type}`: `datastore.templates` has no entry \
         for it and its default is turned off"
    )]
    Missing {
        /// The dataset type.
        dataset_type: String,
    },
}

impl PathTemplates {
    /// Reads a `templates` section, as in [`crate::DatastoreConfig::templates`].
    ///
    /// # Errors
    /// If a template is wrong.
    pub fn new(
        section: &Map<String, Value>,
        universe: &Arc<Universe>,
    ) -> Result<Self, PathTemplatesError> {
        let lookup = Lookup::read(section, universe, |key, value| match value {
            Value::String(text) if !text.is_empty() => PathTemplate::parse(text)
                .map(Some)
                .map_err(|source| PathTemplatesError::Template { key: key.to_owned(), source }),
            // The default can be turned off.
            Value::String(_) | Value::Bool(false) | Value::Null if key == "default" => Ok(None),
            _ => Err(PathTemplatesError::NotText { key: key.to_owned() }),
        })?;
        Ok(Self { lookup })
    }

    /// The template for a dataset type.
    ///
    /// # Errors
    /// If there is none.
    pub fn find<'t>(
        &self,
        target: impl Into<LookupTarget<'t>>,
    ) -> Result<&PathTemplate, PathTemplatesError> {
        let target = target.into();
        (self.lookup.get(target))
            .or_else(|| self.lookup.default_value())
            .and_then(Option::as_ref)
            .ok_or_else(|| PathTemplatesError::Missing {
                dataset_type: target.dataset_type.name.clone(),
            })
    }

    /// Whether the template of a dataset type may differ between instruments; if not, one
    /// [`PathTemplates::find`] per dataset type is enough.
    pub fn depends_on_instrument(&self) -> bool {
        self.lookup.depends_on_instrument()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::lookup::tests::{dataset_type, universe};

    #[test]
    fn defaults_can_be_turned_off() {
        let section = json!({"default": false, "raw": "{run}/{exposure}"});
        let templates = PathTemplates::new(section.as_object().unwrap(), &universe()).unwrap();
        let raw = dataset_type("raw", "exposure", "X");
        assert_eq!(templates.find(&raw).unwrap().text(), "{run}/{exposure}");
        let other = dataset_type("other", "exposure", "X");
        assert!(matches!(templates.find(&other), Err(PathTemplatesError::Missing { .. })));
    }

    #[test]
    fn wrong_entries_are_named() {
        let message = |section: Value| {
            PathTemplates::new(section.as_object().unwrap(), &universe()).unwrap_err().to_string()
        };
        insta::assert_snapshot!(
            [
                message(json!({"raw": false})),
                message(json!({"instrument<Cam>": {"raw": "{exposure}"}})),
            ]
            .join("\n")
        );
    }
}
