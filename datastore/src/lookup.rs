//! Settings by dataset type, dimensions, storage class or instrument.

use std::sync::Arc;

use qbb_dimensions::{DatasetType, DimensionGroup, Universe};
use serde_json::{Map, Value};

/// A dataset type, or a component of it, whose setting is wanted.
#[derive(Debug, Clone, Copy)]
pub struct LookupTarget<'a> {
    /// The dataset type.
    pub dataset_type: &'a DatasetType,
    /// Name and storage class of the component.
    pub component: Option<(&'a str, &'a str)>,
    /// The instrument of the data ID, if it has one.
    pub instrument: Option<&'a str>,
}

impl<'a> From<&'a DatasetType> for LookupTarget<'a> {
    fn from(dataset_type: &'a DatasetType) -> Self {
        Self { dataset_type, component: None, instrument: None }
    }
}

/// Values by lookup key.
///
/// Keys are names of dataset types (with component) or storage classes, or dimensions joined by
/// `+`; a key `instrument<NAME>` holds a mapping of keys for one instrument. Keys of the instrument
/// come first; then those of dataset type, dimensions, storage class, in this order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Lookup<T> {
    entries: Vec<Entry<T>>,
}

#[derive(Debug, Clone, PartialEq)]
struct Entry<T> {
    key: Key,
    instrument: Option<String>,
    value: T,
}

#[derive(Debug, Clone, PartialEq)]
enum Key {
    Name(String),
    Dimensions(DimensionGroup),
}

impl<T> Default for Lookup<T> {
    fn default() -> Self {
        Self { entries: Vec::new() }
    }
}

impl<T> Lookup<T> {
    /// Reads a section of a configuration. `read` makes a value of an entry; it gets the path of
    /// keys for its messages.
    pub fn read<E>(
        section: &Map<String, Value>,
        universe: &Arc<Universe>,
        mut read: impl FnMut(&str, &Value) -> Result<T, E>,
    ) -> Result<Self, E> {
        let mut lookup = Self::default();
        for (key, value) in section {
            match (instrument_of(key), value) {
                (Some(instrument), Value::Object(inner)) => {
                    for (inner_key, value) in inner {
                        let value = read(&format!("{key}.{inner_key}"), value)?;
                        lookup.insert(inner_key, Some(instrument), value, universe);
                    }
                }
                _ => {
                    let value = read(key, value)?;
                    lookup.insert(key, None, value, universe);
                }
            }
        }
        Ok(lookup)
    }

    /// Adds an entry; one with an equal key is replaced.
    pub fn insert(
        &mut self,
        key: &str,
        instrument: Option<&str>,
        value: T,
        universe: &Arc<Universe>,
    ) {
        let names = key.split('+').filter(|name| !name.is_empty());
        // Dimensions that the universe does not have make the key a name that matches nothing.
        let key = match key.contains('+').then(|| universe.conform(names)) {
            Some(Ok(group)) => Key::Dimensions(group),
            _ => Key::Name(key.to_owned()),
        };
        let instrument = instrument.map(str::to_owned);
        match self.entries.iter_mut().find(|e| e.key == key && e.instrument == instrument) {
            Some(entry) => entry.value = value,
            None => self.entries.push(Entry { key, instrument, value }),
        }
    }

    /// The value for a target; the key `default` is not looked at.
    pub fn get(&self, target: LookupTarget<'_>) -> Option<&T> {
        let dataset_type = target.dataset_type;
        let full_name =
            target.component.map(|(component, _)| format!("{}.{component}", dataset_type.name));
        let names = [full_name.as_deref(), Some(dataset_type.name.as_str())];
        let storage_classes =
            [target.component.map(|(_, class)| class), Some(dataset_type.storage_class.as_str())];
        let instruments = [target.instrument.map(Some), Some(None)];
        instruments.into_iter().flatten().find_map(|instrument| {
            let find = |wanted: &dyn Fn(&Key) -> bool| {
                let mut entries = self.entries.iter();
                entries
                    .find(|e| e.instrument.as_deref() == instrument && wanted(&e.key))
                    .map(|e| &e.value)
            };
            let by_name = |names: &[Option<&str>]| {
                names.iter().flatten().find_map(|&name| {
                    find(&|key| matches!(key, Key::Name(n) if n == name && n != "default"))
                })
            };
            by_name(&names)
                .or_else(|| {
                    let group = &dataset_type.dimensions;
                    find(&|key| matches!(key, Key::Dimensions(g) if g == group && !g.is_empty()))
                })
                .or_else(|| by_name(&storage_classes))
        })
    }

    /// The value of the key `default`.
    pub fn default_value(&self) -> Option<&T> {
        let is_default = |key: &Key| matches!(key, Key::Name(name) if name == "default");
        self.entries.iter().find(|e| e.instrument.is_none() && is_default(&e.key)).map(|e| &e.value)
    }

    /// Whether some keys hold for one instrument only.
    pub fn depends_on_instrument(&self) -> bool {
        self.entries.iter().any(|entry| entry.instrument.is_some())
    }
}

/// The name in `instrument<NAME>`.
fn instrument_of(key: &str) -> Option<&str> {
    key.strip_prefix("instrument<")?.strip_suffix('>')
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::json;

    use super::*;

    pub(crate) fn universe() -> Arc<Universe> {
        let text = include_str!("../../dimensions/tests/data/universe8.json");
        Universe::from_json(text).unwrap()
    }

    pub(crate) fn dataset_type(name: &str, dimensions: &str, storage_class: &str) -> DatasetType {
        DatasetType {
            name: name.to_owned(),
            dimensions: universe().conform(dimensions.split_whitespace()).unwrap(),
            storage_class: storage_class.to_owned(),
            is_calibration: false,
        }
    }

    #[test]
    fn the_order_of_keys() {
        let section = json!({
            "default": "default",
            "raw": "type",
            "raw.wcs": "component type",
            "exposure+detector": "dimensions",
            "Exposure": "class",
            "Wcs": "component class",
            "nonsense+detector": "never",
            "instrument<Cam>": {"detector+exposure": "Cam's dimensions", "raw": "Cam's type"},
        });
        let lookup = Lookup::read(section.as_object().unwrap(), &universe(), |_, value| {
            value.as_str().map(str::to_owned).ok_or(())
        })
        .unwrap();
        let get = |name: &str, dimensions: &str, class: &str, component, instrument| {
            let dataset_type = dataset_type(name, dimensions, class);
            let target = LookupTarget { dataset_type: &dataset_type, component, instrument };
            lookup.get(target).map_or("none", String::as_str).to_owned()
        };
        let wcs = Some(("wcs", "Wcs"));
        assert_eq!(get("raw", "exposure detector", "Exposure", None, None), "type");
        assert_eq!(get("raw", "exposure detector", "Exposure", wcs, None), "component type");
        assert_eq!(get("raw2", "exposure detector", "Exposure", None, None), "dimensions");
        assert_eq!(get("x", "visit detector", "Exposure", None, None), "class");
        assert_eq!(get("x", "visit detector", "Exposure", wcs, None), "component class");
        assert_eq!(get("x", "visit", "Catalog", None, None), "none");
        assert_eq!(get("raw", "exposure detector", "X", None, Some("Cam")), "Cam's type");
        assert_eq!(get("x", "exposure detector", "X", None, Some("Cam")), "Cam's dimensions");
        assert_eq!(get("raw", "exposure detector", "X", None, Some("Other")), "type");
        assert_eq!(lookup.default_value().map(String::as_str), Some("default"));
        assert!(lookup.depends_on_instrument());
    }
}
