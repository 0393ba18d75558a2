//! The YAML form of pipelines of ordinary programs.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_saphyr::Spanned;

/// The only version so far.
pub(crate) const VERSION: u32 = 1;

/// A whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NativeFile {
    pub qbb_pipeline: Spanned<u32>,
    #[serde(default)]
    pub description: String,
    pub tasks: BTreeMap<String, NativeTask>,
    #[serde(default)]
    pub subsets: BTreeMap<String, NativeSubset>,
    /// Data ID values that hold for the whole pipeline.
    #[serde(default)]
    pub data_id: BTreeMap<String, Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NativeTask {
    pub dimensions: Spanned<Vec<String>>,
    #[serde(default)]
    pub inputs: BTreeMap<String, NativeInput>,
    #[serde(default)]
    pub outputs: BTreeMap<String, NativeOutput>,
    #[serde(default)]
    pub command: Option<Spanned<Vec<Spanned<Argument>>>>,
    #[serde(default)]
    pub function: Option<Spanned<String>>,
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NativeInput {
    pub dataset_type: Spanned<String>,
    #[serde(default)]
    pub storage_class: String,
    pub dimensions: Vec<String>,
    #[serde(default)]
    pub multiple: bool,
    #[serde(default)]
    pub minimum: Option<u32>,
    #[serde(default)]
    pub prerequisite: bool,
    #[serde(default)]
    pub calibration: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NativeOutput {
    pub dataset_type: Spanned<String>,
    pub storage_class: String,
    pub dimensions: Vec<String>,
    #[serde(default)]
    pub multiple: bool,
    #[serde(default)]
    pub calibration: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NativeSubset {
    #[serde(default)]
    pub description: String,
    pub tasks: Vec<Spanned<String>>,
}

/// An argument of a command line, or what YAML makes of one without quotes.
#[derive(Debug, PartialEq)]
pub(crate) enum Argument {
    /// Text, or a number as it is written.
    Text(String),
    /// `{…}` without quotes is a mapping to YAML.
    Mapping,
    /// `[…]` without quotes is a list to YAML.
    List,
}

impl<'de> Deserialize<'de> for Argument {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ArgumentVisitor;

        impl<'de> Visitor<'de> for ArgumentVisitor {
            type Value = Argument;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an argument of a command line")
            }

            fn visit_str<E>(self, text: &str) -> Result<Argument, E> {
                Ok(Argument::Text(text.to_owned()))
            }

            fn visit_bool<E>(self, value: bool) -> Result<Argument, E> {
                Ok(Argument::Text(value.to_string()))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Argument, E> {
                Ok(Argument::Text(value.to_string()))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Argument, E> {
                Ok(Argument::Text(value.to_string()))
            }

            fn visit_f64<E>(self, value: f64) -> Result<Argument, E> {
                Ok(Argument::Text(value.to_string()))
            }

            fn visit_unit<E>(self) -> Result<Argument, E> {
                Ok(Argument::Text(String::new()))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Argument, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Argument::Mapping)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Argument, A::Error> {
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Argument::List)
            }
        }

        deserializer.deserialize_any(ArgumentVisitor)
    }
}
