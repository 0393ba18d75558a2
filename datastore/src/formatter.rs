//! Formatters: which Python class reads and writes a storage class, and the extension of its files.

use std::collections::BTreeMap;
use std::sync::Arc;

use qbb_dimensions::{DatasetType, Universe};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::formatter_table::{extension_of_class, known_formatters};
use crate::lookup::{Lookup, LookupTarget};

/// How datasets are written.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Formatter {
    /// Path of the Python class, as in datastore records.
    pub class: String,
    /// Extension of the files, with its dot.
    pub extension: String,
}

/// The formatters of a datastore.
///
/// From weak to strong: a table of the middleware's own formatters, what the exporter of the
/// pipeline found out from Python, what the repository configures.
#[derive(Debug, Clone, PartialEq)]
pub struct Formatters {
    lookup: Lookup<Formatter>,
}

/// Why the file of a dataset type cannot be named.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormatterError {
    /// Nothing is known of a storage class.
    #[error(
        "no formatter is known for storage class `{storage_class}` of dataset type \
         `{dataset_type}`: add one to `datastore.formatters` in the repository's butler.yaml"
    )]
    Unknown {
        /// The storage class.
        storage_class: String,
        /// The dataset type.
        dataset_type: String,
    },
    /// A formatter is configured whose extension only Python knows.
    #[error(
        "setting `datastore.formatters.{key}`: the file extension of formatter `{class}` is not \
         known; only formatters of the middleware, or of the exported pipeline, can be used"
    )]
    UnknownExtension {
        /// The key.
        key: String,
        /// The formatter's class.
        class: String,
    },
    /// An entry is neither a class nor a mapping with one.
    #[error(
        "setting `datastore.formatters.{key}` must be the path of a class, or a mapping with \
         `formatter` and `parameters`"
    )]
    Entry {
        /// The key.
        key: String,
    },
}

impl Formatters {
    /// Joins the middleware's table, the formatters of an exported pipeline by storage class, and
    /// the `formatters` section of a repository ([`crate::DatastoreConfig::formatters`]).
    ///
    /// # Errors
    /// If the section is wrong, or configures a formatter whose extension is not known.
    pub fn new(
        exported: &BTreeMap<String, Formatter>,
        section: &Map<String, Value>,
        universe: &Arc<Universe>,
    ) -> Result<Self, FormatterError> {
        let mut lookup = Lookup::default();
        for (storage_class, class, extension) in known_formatters() {
            let formatter = Formatter { class: class.to_owned(), extension: extension.to_owned() };
            lookup.insert(storage_class, None, formatter, universe);
        }
        for (storage_class, formatter) in exported {
            lookup.insert(storage_class, None, formatter.clone(), universe);
        }
        for (key, value) in section {
            // Parameters and recipes by class, not lookup keys.
            if key == "default" || key == "write_recipes" {
                continue;
            }
            match (key.strip_prefix("instrument<").and_then(|k| k.strip_suffix('>')), value) {
                (Some(instrument), Value::Object(inner)) => {
                    for (inner_key, value) in inner {
                        let place = format!("{key}.{inner_key}");
                        let formatter = read_entry(&place, value, exported)?;
                        lookup.insert(inner_key, Some(instrument), formatter, universe);
                    }
                }
                _ => lookup.insert(key, None, read_entry(key, value, exported)?, universe),
            }
        }
        Ok(Self { lookup })
    }

    /// The formatter for a dataset type, or for a component of it.
    ///
    /// # Errors
    /// If none is known for its storage class.
    pub fn find<'t>(
        &self,
        target: impl Into<LookupTarget<'t>>,
    ) -> Result<&Formatter, FormatterError> {
        let target = target.into();
        self.lookup.get(target).ok_or_else(|| unknown(target.dataset_type, target.component))
    }

    /// Whether the formatter of a dataset type may differ between instruments.
    pub fn depends_on_instrument(&self) -> bool {
        self.lookup.depends_on_instrument()
    }
}

fn unknown(dataset_type: &DatasetType, component: Option<(&str, &str)>) -> FormatterError {
    match component {
        Some((component, storage_class)) => FormatterError::Unknown {
            storage_class: storage_class.to_owned(),
            dataset_type: format!("{}.{component}", dataset_type.name),
        },
        None => FormatterError::Unknown {
            storage_class: dataset_type.storage_class.clone(),
            dataset_type: dataset_type.name.clone(),
        },
    }
}

fn read_entry(
    key: &str,
    value: &Value,
    exported: &BTreeMap<String, Formatter>,
) -> Result<Formatter, FormatterError> {
    let wrong = || FormatterError::Entry { key: key.to_owned() };
    let (class, format) = match value {
        Value::String(class) => (class.as_str(), None),
        Value::Object(entry) => {
            let class = entry.get("formatter").and_then(Value::as_str).ok_or_else(wrong)?;
            let parameters = entry.get("parameters").and_then(Value::as_object);
            (class, parameters.and_then(|p| p.get("format")).and_then(Value::as_str))
        }
        _ => return Err(wrong()),
    };
    let extension = extension_of_class(class, format)
        .or_else(|| exported.values().find(|f| f.class == class).map(|f| f.extension.clone()))
        .ok_or_else(|| FormatterError::UnknownExtension {
            key: key.to_owned(),
            class: class.to_owned(),
        })?;
    Ok(Formatter { class: class.to_owned(), extension })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::lookup::tests::{dataset_type, universe};

    fn formatters(section: Value) -> Result<Formatters, FormatterError> {
        let exported = BTreeMap::from([(
            "Special".to_owned(),
            Formatter { class: "my.Formatter".to_owned(), extension: ".bin".to_owned() },
        )]);
        Formatters::new(&exported, section.as_object().unwrap(), &universe())
    }

    #[test]
    fn the_repository_wins_over_the_pipeline_over_the_table() {
        let formatters = formatters(json!({
            "default": {"my.Formatter": {"quality": 1}},
            "write_recipes": {"my.Formatter": {}},
            "Wcs": "my.Formatter",
            "StructuredDataDict": "lsst.daf.butler.formatters.json.JsonFormatter",
            "Packages": {
                "formatter": "lsst.daf.butler.formatters.packages.PackagesFormatter",
                "parameters": {"format": "json"},
            },
            "instrument<Cam>": {"raw": "lsst.daf.butler.formatters.yaml.YamlFormatter"},
        }))
        .unwrap();
        for (storage_class, extension) in [
            ("TaskMetadata", ".json"),
            ("ArrowAstropy", ".parq"),
            ("ExposureF", ".fits"),
            ("Config", ".py"),
            ("Special", ".bin"),
            ("Wcs", ".bin"),
            ("StructuredDataDict", ".json"),
            ("Packages", ".json"),
        ] {
            let dataset_type = dataset_type("x", "", storage_class);
            assert_eq!(formatters.find(&dataset_type).unwrap().extension, extension);
        }
        let raw = dataset_type("raw", "exposure", "ExposureF");
        let target = LookupTarget { instrument: Some("Cam"), ..LookupTarget::from(&raw) };
        assert_eq!(formatters.find(target).unwrap().extension, ".yaml");
    }

    #[test]
    fn what_is_unknown_is_named() {
        let none = formatters(json!({})).unwrap();
        let odd = dataset_type("odd", "", "Odd");
        let component = LookupTarget { component: Some(("part", "OddPart")), ..(&odd).into() };
        insta::assert_snapshot!(
            [
                none.find(&odd).unwrap_err(),
                none.find(component).unwrap_err(),
                formatters(json!({"Odd": "other.Formatter"})).unwrap_err(),
                formatters(json!({"instrument<Cam>": {"Odd": 5}})).unwrap_err(),
            ]
            .map(|error| error.to_string())
            .join("\n")
        );
    }
}
