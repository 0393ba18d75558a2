//! The dimension configuration as it stands in `config:dimensions.json`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

#[derive(Debug, Deserialize)]
pub(super) struct UniverseConfig {
    pub version: u32,
    #[serde(default = "default_namespace")]
    pub namespace: String,
    pub skypix: BTreeMap<String, Value>,
    pub elements: BTreeMap<String, ElementConfig>,
    #[serde(default)]
    pub topology: TopologyConfig,
}

fn default_namespace() -> String {
    "daf_butler".to_owned()
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct TopologyConfig {
    #[serde(default)]
    pub spatial: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    pub temporal: BTreeMap<String, Vec<String>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ElementConfig {
    #[serde(default)]
    pub keys: Vec<ColumnConfig>,
    #[serde(default)]
    pub requires: Vec<String>,
    #[serde(default)]
    pub implies: Vec<String>,
    #[serde(default)]
    pub metadata: Vec<ColumnConfig>,
    #[serde(default)]
    pub governor: bool,
    #[serde(default)]
    pub always_join: bool,
    pub populated_by: Option<String>,
    pub storage: Option<StorageConfig>,
    pub is_cached: Option<bool>,
    pub implied_union_target: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ColumnConfig {
    pub name: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub length: Option<u32>,
    pub nbytes: Option<u32>,
}

#[derive(Debug, Deserialize)]
pub(super) struct StorageConfig {
    #[serde(default)]
    pub cls: String,
    pub view_of: Option<String>,
    pub nested: Option<Box<StorageConfig>>,
}

impl StorageConfig {
    /// The dimension whose table holds the values, looked for through all layers of caching.
    pub fn view_of(&self) -> Option<&String> {
        self.view_of.as_ref().or_else(|| self.nested.as_ref()?.view_of())
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct SkyPixConfig {
    #[serde(default = "default_min_level")]
    pub min_level: u8,
    pub max_level: Option<u8>,
    pub class: String,
}

fn default_min_level() -> u8 {
    1
}
