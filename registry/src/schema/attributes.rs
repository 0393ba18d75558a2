//! The attributes by which a registry tells the versions of its schema.

use std::collections::BTreeMap;
use std::fmt;

/// Attribute that holds the dimension configuration.
const UNIVERSE: &str = "config:dimensions.json";
const MANAGER_PREFIX: &str = "config:registry.managers.";
const VERSION_PREFIX: &str = "version:";

/// What somebody means to do with a registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    Write,
}

impl Access {
    pub(crate) fn verb(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Version(u32, u32, u32);

impl Version {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.').map(str::parse);
        let version = Self(parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?);
        parts.next().is_none().then_some(version)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

/// A part of the schema with a version of its own. The class is the middleware's name for it.
struct Manager {
    role: &'static str,
    class: &'static str,
    version: Version,
    /// Versions that can be read; only the middleware's rule for datasets is to list them.
    readable: Option<&'static [Version]>,
}

const MANAGERS: [Manager; 6] = [
    Manager {
        role: "attributes",
        class: "lsst.daf.butler.registry.attributes.DefaultButlerAttributeManager",
        version: Version(1, 0, 1),
        readable: None,
    },
    Manager {
        role: "dimensions",
        class: "lsst.daf.butler.registry.dimensions.static.StaticDimensionRecordStorageManager",
        version: Version(6, 0, 2),
        readable: None,
    },
    Manager {
        role: "collections",
        class: "lsst.daf.butler.registry.collections.synthIntKey.SynthIntKeyCollectionManager",
        version: Version(2, 0, 0),
        readable: None,
    },
    Manager {
        role: "datasets",
        class: "lsst.daf.butler.registry.datasets.byDimensions._manager.\
                ByDimensionsDatasetRecordStorageManagerUUID",
        version: Version(2, 0, 0),
        // They differ in the type of `dataset.ingest_date`, which is never read.
        readable: Some(&[Version(1, 0, 0), Version(2, 0, 0)]),
    },
    Manager {
        role: "opaque",
        class: "lsst.daf.butler.registry.opaque.ByNameOpaqueTableStorageManager",
        version: Version(0, 2, 0),
        readable: None,
    },
    Manager {
        role: "datastores",
        class: "lsst.daf.butler.registry.bridge.monolithic.\
                MonolithicDatastoreRegistryBridgeManager",
        version: Version(0, 2, 1),
        readable: None,
    },
];

impl Manager {
    /// Other major versions are unknown; later minor versions are too, and earlier ones can be
    /// read. Patch versions do not matter.
    fn supports(&self, found: Version, access: Access) -> bool {
        match (self.readable, access) {
            (Some(_), Access::Write) => found == self.version,
            (Some(versions), Access::Read) => versions.contains(&found),
            (None, Access::Write) => (found.0, found.1) == (self.version.0, self.version.1),
            (None, Access::Read) => found.0 == self.version.0 && found.1 <= self.version.1,
        }
    }

    fn supported(&self, access: Access) -> String {
        match (self.readable, access) {
            (Some(versions), Access::Read) => {
                versions.iter().map(Version::to_string).collect::<Vec<_>>().join(", ")
            }
            _ => self.version.to_string(),
        }
    }
}

/// An attribute that stands in the way of an access.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AttributeProblem {
    pub(crate) what: String,
    pub(crate) found: String,
    pub(crate) supported: String,
}

/// Rows of `butler_attributes`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Attributes(pub(crate) BTreeMap<String, String>);

impl Attributes {
    /// Those of a new registry.
    pub(crate) fn of_new_registry(universe: &str) -> Self {
        let mut values = BTreeMap::from([(UNIVERSE.to_owned(), universe.to_owned())]);
        for manager in &MANAGERS {
            values.insert(format!("{MANAGER_PREFIX}{}", manager.role), manager.class.to_owned());
            values
                .insert(format!("{VERSION_PREFIX}{}", manager.class), manager.version.to_string());
        }
        Self(values)
    }

    /// Parts of the schema with their classes and versions.
    pub(crate) fn versions(&self) -> BTreeMap<String, String> {
        let parts = self.0.iter().filter_map(|(name, class)| {
            let version = self.0.get(&format!("{VERSION_PREFIX}{class}"));
            let version = version.map_or("without a version", String::as_str);
            Some((name.strip_prefix(MANAGER_PREFIX)?.to_owned(), format!("{class} {version}")))
        });
        parts.collect()
    }

    /// The dimension configuration.
    pub(crate) fn universe(&self) -> Option<&str> {
        self.0.get(UNIVERSE).map(String::as_str)
    }

    /// Checks that the schema is known well enough for an access.
    pub(crate) fn check(&self, access: Access) -> Result<(), AttributeProblem> {
        for manager in &MANAGERS {
            let what = format!("{} manager", manager.role);
            let class = self.0.get(&format!("{MANAGER_PREFIX}{}", manager.role));
            if class.is_none_or(|class| class != manager.class) {
                let found = class.map_or("(absent)", String::as_str).to_owned();
                return Err(AttributeProblem { what, found, supported: manager.class.to_owned() });
            }
            // Registries older than version rows can be read by the middleware too.
            let version = self.0.get(&format!("{VERSION_PREFIX}{}", manager.class));
            let known = match version {
                Some(text) => Version::parse(text).is_some_and(|v| manager.supports(v, access)),
                None => access == Access::Read,
            };
            if !known {
                return Err(AttributeProblem {
                    what: format!("version of the {what}"),
                    found: version.map_or("(absent)", String::as_str).to_owned(),
                    supported: manager.supported(access),
                });
            }
        }
        let extra =
            self.0.keys().filter_map(|name| name.strip_prefix(MANAGER_PREFIX)).find(|role| {
                access == Access::Write && MANAGERS.iter().all(|manager| manager.role != *role)
            });
        match extra {
            // It may keep tables that have to follow every insertion.
            Some(role) => Err(AttributeProblem {
                what: format!("{role} manager"),
                found: self.0[&format!("{MANAGER_PREFIX}{role}")].clone(),
                supported: "no such manager".to_owned(),
            }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(role: &str, version: Option<&str>) -> Attributes {
        let mut attributes = Attributes::of_new_registry("{}");
        let class = attributes.0[&format!("{MANAGER_PREFIX}{role}")].clone();
        attributes.0.remove(&format!("{VERSION_PREFIX}{class}"));
        if let Some(version) = version {
            attributes.0.insert(format!("{VERSION_PREFIX}{class}"), version.to_owned());
        }
        attributes
    }

    #[test]
    fn a_new_registry_has_thirteen_attributes_and_can_be_read_and_written() {
        let attributes = Attributes::of_new_registry("{}");
        assert_eq!(attributes.0.len(), 13);
        assert_eq!(attributes.universe(), Some("{}"));
        assert_eq!(attributes.check(Access::Read), Ok(()));
        assert_eq!(attributes.check(Access::Write), Ok(()));
    }

    #[test]
    fn versions_decide_about_each_access() {
        let cases = [
            ("datasets", Some("1.0.0"), true, false),
            ("datasets", Some("2.0.9"), false, false),
            ("datasets", Some("3.0.0"), false, false),
            ("dimensions", Some("6.0.9"), true, true),
            ("dimensions", Some("6.1.0"), false, false),
            ("dimensions", Some("7.0.2"), false, false),
            ("opaque", Some("0.1.0"), true, false),
            ("opaque", Some("0.2"), false, false),
            ("opaque", None, true, false),
        ];
        for (role, version, readable, writable) in cases {
            let attributes = with(role, version);
            assert_eq!(attributes.check(Access::Read).is_ok(), readable, "{role} {version:?}");
            assert_eq!(attributes.check(Access::Write).is_ok(), writable, "{role} {version:?}");
        }
    }

    #[test]
    fn an_unknown_manager_keeps_us_from_writing_and_another_class_from_reading() {
        let mut attributes = Attributes::of_new_registry("{}");
        attributes.0.insert(format!("{MANAGER_PREFIX}obscore"), "x.Obscore".to_owned());
        assert!(attributes.check(Access::Read).is_ok());
        assert_eq!(attributes.check(Access::Write).unwrap_err().found, "x.Obscore");
        attributes.0.insert(format!("{MANAGER_PREFIX}collections"), "x.NameKey".to_owned());
        let problem = attributes.check(Access::Read).unwrap_err();
        assert_eq!(
            (problem.what.as_str(), problem.found.as_str()),
            ("collections manager", "x.NameKey")
        );
    }
}
