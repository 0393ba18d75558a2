//! Deriving the universe from its configuration.

use std::collections::BTreeSet;

use rustc_hash::FxHashMap;

use super::catalog::{Universe, UniverseError};
use super::config::{ColumnConfig, ElementConfig, SkyPixConfig, StorageConfig, UniverseConfig};
use super::element::{
    DimensionElement, ElementIx, ElementKind, FieldSpec, FieldType, SkyPixLevel, Storage,
    TopologicalFamily,
};
use crate::sphere::SkyPixelization;

/// Deepest level of any pixelization; indices beyond it would not fit 64 bits.
const MAX_SKYPIX_LEVEL: u8 = 30;

/// A pixelization system and its first and last level.
struct SkyPixSystem {
    name: String,
    class: String,
    levels: std::ops::RangeInclusive<u8>,
}

/// Derives a universe.
pub(super) struct Builder<'a> {
    config: &'a UniverseConfig,
    systems: Vec<SkyPixSystem>,
    common: String,
    /// Names in universe order; pixelization systems expanded to their levels.
    order: Vec<String>,
}

impl<'a> Builder<'a> {
    /// Checks a configuration and puts its elements into their order.
    pub(super) fn new(config: &'a UniverseConfig) -> Result<Self, UniverseError> {
        let mut systems = Vec::new();
        let mut common = None;
        for (name, value) in &config.skypix {
            if name == "common" {
                common = value.as_str().map(str::to_owned);
                continue;
            }
            let config: SkyPixConfig = serde_json::from_value(value.clone())?;
            let last = (config.max_level)
                .or_else(|| SkyPixelization::default_max_level(&config.class))
                .unwrap_or(MAX_SKYPIX_LEVEL);
            if last > MAX_SKYPIX_LEVEL || config.min_level > last {
                return Err(UniverseError::Unsupported {
                    element: name.clone(),
                    field: "max_level",
                    value: last.to_string(),
                });
            }
            let levels = config.min_level..=last;
            systems.push(SkyPixSystem { name: name.clone(), class: config.class, levels });
        }
        let common = common.ok_or_else(|| UniverseError::Unsupported {
            element: "skypix".to_owned(),
            field: "common",
            value: "(absent)".to_owned(),
        })?;
        let mut builder = Self { config, systems, common, order: Vec::new() };
        builder.check_references()?;
        builder.order = builder.sorted()?;
        Ok(builder)
    }

    fn check_references(&self) -> Result<(), UniverseError> {
        for (name, element) in &self.config.elements {
            let view = element.storage.as_ref().and_then(StorageConfig::view_of);
            let references = (element.requires.iter())
                .chain(&element.implies)
                .chain(&element.populated_by)
                .chain(&element.implied_union_target)
                .chain(view);
            for target in references {
                if !self.config.elements.contains_key(target) {
                    return Err(UniverseError::UnknownReference {
                        element: name.clone(),
                        target: target.clone(),
                    });
                }
            }
        }
        Ok(())
    }

    /// Places, batch after batch, all names whose dependencies are placed, each batch sorted; the
    /// order that `daf_butler` defines for universes.
    fn sorted(&self) -> Result<Vec<String>, UniverseError> {
        let mut waiting: BTreeSet<&str> = self.config.elements.keys().map(String::as_str).collect();
        waiting.extend(self.systems.iter().map(|system| system.name.as_str()));
        let mut placed: BTreeSet<&str> = BTreeSet::new();
        let mut order = Vec::new();
        while !waiting.is_empty() {
            let batch: Vec<&str> = (waiting.iter().copied())
                .filter(|name| {
                    self.config.elements.get(*name).is_none_or(|element| {
                        (element.requires.iter().chain(&element.implies))
                            .all(|dependency| placed.contains(dependency.as_str()))
                    })
                })
                .collect();
            if batch.is_empty() {
                let names = waiting.into_iter().map(str::to_owned).collect();
                return Err(UniverseError::Circular(names));
            }
            for name in batch {
                waiting.remove(name);
                placed.insert(name);
                match self.systems.iter().find(|system| system.name == name) {
                    Some(system) => {
                        order.extend(system.levels.clone().map(|level| format!("{name}{level}")));
                    }
                    None => order.push(name.to_owned()),
                }
            }
        }
        Ok(order)
    }

    /// The universe; `text` is its configuration.
    pub(super) fn finish(self, text: &str) -> Result<Universe, UniverseError> {
        let by_name: FxHashMap<String, ElementIx> = (self.order.iter().enumerate())
            .map(|(i, name)| (name.clone(), ElementIx(i as u16)))
            .collect();
        let mut elements = Vec::with_capacity(self.order.len());
        for (i, name) in self.order.iter().enumerate() {
            let ix = ElementIx(i as u16);
            elements.push(match self.config.elements.get(name) {
                Some(config) => self.element(ix, name, config, &by_name)?,
                None => self.skypix_element(ix, name),
            });
        }
        let mut spatial = families(&self.config.topology.spatial, &by_name)?;
        for system in &self.systems {
            let members = (system.levels.clone().rev())
                .map(|level| by_name[&format!("{}{level}", system.name)])
                .collect();
            spatial.push(TopologicalFamily { name: system.name.clone(), members });
        }
        let temporal = families(&self.config.topology.temporal, &by_name)?;
        for (i, family) in spatial.iter().enumerate() {
            for member in &family.members {
                elements[member.index()].spatial = Some(i as u16);
            }
        }
        for (i, family) in temporal.iter().enumerate() {
            for member in &family.members {
                elements[member.index()].temporal = Some(i as u16);
            }
        }
        let common_skypix =
            by_name.get(&self.common).copied().ok_or_else(|| UniverseError::UnknownReference {
                element: "skypix.common".to_owned(),
                target: self.common.clone(),
            })?;
        Ok(Universe {
            version: self.config.version,
            namespace: self.config.namespace.clone(),
            config: text.to_owned(),
            elements,
            by_name,
            spatial,
            temporal,
            common_skypix,
        })
    }

    fn element(
        &self,
        ix: ElementIx,
        name: &str,
        config: &ElementConfig,
        by_name: &FxHashMap<String, ElementIx>,
    ) -> Result<DimensionElement, UniverseError> {
        let mut required = BTreeSet::new();
        let mut pending: Vec<&str> = config.requires.iter().map(String::as_str).collect();
        while let Some(dependency) = pending.pop() {
            if required.insert(by_name[dependency]) {
                pending
                    .extend(self.config.elements[dependency].requires.iter().map(String::as_str));
            }
        }
        let mut keys = Vec::new();
        for column in &config.keys {
            keys.push(field(name, column)?);
        }
        let mut keys = keys.into_iter();
        let kind = match keys.next() {
            Some(key) => {
                required.insert(ix);
                if !matches!(key.kind, FieldType::Int | FieldType::Text { .. }) {
                    return Err(UniverseError::Unsupported {
                        element: name.to_owned(),
                        field: "primary key type",
                        value: config.keys[0].kind.clone(),
                    });
                }
                ElementKind::Dimension { key, governor: config.governor || governs(config) }
            }
            None => ElementKind::Combination {
                always_join: config.always_join,
                populated_by: config.populated_by.as_ref().map(|target| by_name[target]),
            },
        };
        let mut metadata = Vec::new();
        for column in &config.metadata {
            metadata.push(field(name, column)?);
        }
        let implied: BTreeSet<ElementIx> =
            config.implies.iter().map(|target| by_name[target]).collect();
        Ok(DimensionElement {
            ix,
            name: name.to_owned(),
            kind,
            required: required.into_iter().collect(),
            implied: implied.into_iter().collect(),
            alternate_keys: keys.collect(),
            metadata,
            spatial: None,
            temporal: None,
            storage: storage(config, by_name),
        })
    }

    fn skypix_element(&self, ix: ElementIx, name: &str) -> DimensionElement {
        let system = (self.systems.iter())
            .filter(|system| name.starts_with(&system.name))
            .find(|system| system.levels.clone().any(|l| name == format!("{}{l}", system.name)));
        let level = system.map_or_else(
            || SkyPixLevel { system: name.to_owned(), class: String::new(), level: 0 },
            |system| SkyPixLevel {
                system: system.name.clone(),
                class: system.class.clone(),
                level: name[system.name.len()..].parse().unwrap_or(0),
            },
        );
        DimensionElement {
            ix,
            name: name.to_owned(),
            kind: ElementKind::SkyPix(level),
            required: vec![ix],
            implied: Vec::new(),
            alternate_keys: Vec::new(),
            metadata: Vec::new(),
            spatial: None,
            temporal: None,
            storage: Storage::Computed,
        }
    }
}

/// Older configurations mark governors only through their storage class.
fn governs(config: &ElementConfig) -> bool {
    config.storage.as_ref().is_some_and(|storage| storage.cls.contains(".governor."))
}

fn storage(config: &ElementConfig, by_name: &FxHashMap<String, ElementIx>) -> Storage {
    let view = config.storage.as_ref().and_then(StorageConfig::view_of);
    if let Some(target) = config.implied_union_target.as_ref().or(view) {
        return Storage::ViewOf(by_name[target]);
    }
    let legacy = config
        .storage
        .as_ref()
        .is_some_and(|s| s.cls.contains(".governor.") || s.cls.contains(".caching."));
    Storage::Table { cached: config.is_cached.unwrap_or(legacy) }
}

fn field(element: &str, column: &ColumnConfig) -> Result<FieldSpec, UniverseError> {
    let kind = match column.kind.as_str() {
        "int" => FieldType::Int,
        "float" => FieldType::Float,
        "bool" => FieldType::Bool,
        "string" => FieldType::Text { length: column.length },
        "hash" => FieldType::Hash { bytes: column.nbytes },
        other => {
            return Err(UniverseError::Unsupported {
                element: format!("{element}.{}", column.name),
                field: "column type",
                value: other.to_owned(),
            });
        }
    };
    Ok(FieldSpec { name: column.name.clone(), kind })
}

fn families(
    config: &std::collections::BTreeMap<String, Vec<String>>,
    by_name: &FxHashMap<String, ElementIx>,
) -> Result<Vec<TopologicalFamily>, UniverseError> {
    let mut families = Vec::new();
    for (name, members) in config {
        let mut indices = Vec::new();
        for member in members {
            indices.push(*by_name.get(member).ok_or_else(|| UniverseError::UnknownReference {
                element: name.clone(),
                target: member.clone(),
            })?);
        }
        families.push(TopologicalFamily { name: name.clone(), members: indices });
    }
    Ok(families)
}
