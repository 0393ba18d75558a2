//! The universe, and looking things up in it.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::build::Builder;
use super::config::UniverseConfig;
use super::element::{DimensionElement, ElementIx, TopologicalFamily};
use crate::group::DimensionGroup;
use crate::suggestion::nearest_name;

/// Why a dimension configuration, or a name looked up in it, was refused.
#[derive(Debug, thiserror::Error)]
pub enum UniverseError {
    /// The text is not a dimension configuration.
    #[error("dimension configuration cannot be read: {0}")]
    Json(#[from] serde_json::Error),
    /// An element refers to something that is not there.
    #[error("dimension configuration: element `{element}` refers to unknown `{target}`")]
    UnknownReference {
        /// The element with the reference.
        element: String,
        /// The name that does not exist.
        target: String,
    },
    /// Elements require or imply each other in a circle.
    #[error("dimension configuration: circular dependencies among {0:?}")]
    Circular(Vec<String>),
    /// A setting has a value that is not understood.
    #[error("dimension configuration: `{element}` has unsupported {field} `{value}`")]
    Unsupported {
        /// Element or pixelization system.
        element: String,
        /// The setting.
        field: &'static str,
        /// Its value.
        value: String,
    },
    /// No dimension of that name.
    #[error("unknown dimension `{name}`{}", suggestion(.similar.as_deref()))]
    UnknownDimension {
        /// The name asked for.
        name: String,
        /// The nearest name there is.
        similar: Option<String>,
    },
}

fn suggestion(similar: Option<&str>) -> String {
    similar.map_or_else(String::new, |name| format!(" (did you mean `{name}`?)"))
}

/// All dimension elements of a repository, in their defining order.
#[derive(Debug)]
pub struct Universe {
    pub(super) version: u32,
    pub(super) namespace: String,
    pub(super) config: String,
    pub(super) elements: Vec<DimensionElement>,
    pub(super) by_name: FxHashMap<String, ElementIx>,
    pub(super) spatial: Vec<TopologicalFamily>,
    pub(super) temporal: Vec<TopologicalFamily>,
    pub(super) common_skypix: ElementIx,
}

impl Universe {
    /// Reads the JSON text stored under `config:dimensions.json`.
    ///
    /// # Errors
    /// If the text is not such a configuration or contradicts itself.
    pub fn from_json(config: &str) -> Result<Arc<Self>, UniverseError> {
        let parsed: UniverseConfig = serde_json::from_str(config)?;
        Builder::new(&parsed)?.finish(config).map(Arc::new)
    }

    /// Version of the configuration.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Namespace of the configuration, usually `daf_butler`.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The configuration text this universe came from, to be carried along unchanged.
    pub fn config(&self) -> &str {
        &self.config
    }

    /// All elements in universe order.
    pub fn elements(&self) -> &[DimensionElement] {
        &self.elements
    }

    /// The element at a position.
    pub fn element(&self, ix: ElementIx) -> &DimensionElement {
        &self.elements[ix.index()]
    }

    /// The element of that name, whether dimension or combination.
    pub fn find(&self, name: &str) -> Option<&DimensionElement> {
        self.by_name.get(name).map(|&ix| self.element(ix))
    }

    /// The dimension of that name.
    ///
    /// # Errors
    /// If there is none; the error carries the nearest name.
    pub fn dimension(&self, name: &str) -> Result<&DimensionElement, UniverseError> {
        self.find(name).filter(|e| e.is_dimension()).ok_or_else(|| {
            UniverseError::UnknownDimension {
                name: name.to_owned(),
                similar: self.similar(name).map(str::to_owned),
            }
        })
    }

    /// The dimension name nearest to `name`, if one is near enough to be a likely slip.
    pub fn similar(&self, name: &str) -> Option<&str> {
        nearest_name(
            name,
            self.elements.iter().filter(|e| e.is_dimension()).map(|element| element.name.as_str()),
        )
    }

    /// Spatial families: those of the configuration, then one for each pixelization system.
    pub fn spatial_families(&self) -> &[TopologicalFamily] {
        &self.spatial
    }

    /// Temporal families.
    pub fn temporal_families(&self) -> &[TopologicalFamily] {
        &self.temporal
    }

    /// The pixel dimension through which spatial joins go, such as `htm7`.
    pub fn common_skypix(&self) -> &DimensionElement {
        self.element(self.common_skypix)
    }

    /// Closes the named dimensions under required and implied dependencies.
    ///
    /// # Errors
    /// If a name is not a dimension.
    pub fn conform<'a>(
        self: &Arc<Self>,
        names: impl IntoIterator<Item = &'a str>,
    ) -> Result<DimensionGroup, UniverseError> {
        let mut members = Vec::new();
        for name in names {
            members.push(self.dimension(name)?.ix);
        }
        Ok(DimensionGroup::conform(self, members))
    }
}

impl PartialEq for Universe {
    fn eq(&self, other: &Self) -> bool {
        self.config == other.config || self.elements == other.elements
    }
}
