//! Labels of repositories.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use qbb_dimensions::nearest_name;
use serde_json::{Map, Value};

use crate::config_tree::{ConfigTreeError, parse_tree, read_tree};
use crate::uri::{ArtifactUri, UriError, absolute};

/// Variable with the text of an index.
const DIRECT_VARIABLE: &str = "DAF_BUTLER_REPOSITORIES";
/// Variable with the place of an index file.
const FILE_VARIABLE: &str = "DAF_BUTLER_REPOSITORY_INDEX";

/// The index that maps labels, such as `main` or `/repo/main`, to the places of repositories.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RepositoryIndex {
    places: BTreeMap<String, String>,
}

/// Why there is no usable index.
#[derive(Debug, thiserror::Error)]
pub enum RepositoryIndexError {
    /// No variable is set.
    #[error(
        "there is no repository index: neither DAF_BUTLER_REPOSITORIES nor \
         DAF_BUTLER_REPOSITORY_INDEX is set"
    )]
    NotSet,
    /// Both variables are set.
    #[error("both DAF_BUTLER_REPOSITORIES and DAF_BUTLER_REPOSITORY_INDEX are set: unset one")]
    BothSet,
    /// The index is not at a place that can be read here.
    #[error("DAF_BUTLER_REPOSITORY_INDEX names `{0}`, but only local files can be read")]
    NotLocal(String),
    /// The place of the index is no path.
    #[error("DAF_BUTLER_REPOSITORY_INDEX: {0}")]
    Place(#[from] UriError),
    /// The text is not a mapping.
    #[error("the repository index is unusable: {0}")]
    Tree(#[from] ConfigTreeError),
    /// A place is not a text.
    #[error(
        "the repository index must map labels to paths or URIs, but `{label}` is something else"
    )]
    Format {
        /// The label.
        label: String,
    },
}

impl RepositoryIndex {
    /// Reads the index that the environment names, as every Butler client does.
    ///
    /// # Errors
    /// If none or two are named, or the one cannot be read.
    pub fn from_environment() -> Result<Self, RepositoryIndexError> {
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        Self::from_settings(
            variable(DIRECT_VARIABLE).as_deref(),
            variable(FILE_VARIABLE).as_deref(),
        )
    }

    /// Reads an index from the values of the two variables.
    fn from_settings(
        direct: Option<&str>,
        file: Option<&str>,
    ) -> Result<Self, RepositoryIndexError> {
        match (direct, file) {
            (Some(_), Some(_)) => Err(RepositoryIndexError::BothSet),
            (Some(text), None) => Self::parse(text),
            (None, Some(place)) => {
                let path: Utf8PathBuf = match ArtifactUri::parse(place) {
                    Ok(uri) => uri
                        .to_file_path()
                        .ok_or_else(|| RepositoryIndexError::NotLocal(place.to_owned()))?,
                    Err(_) => absolute(place)?,
                };
                Self::of_tree(read_tree(&path)?)
            }
            (None, None) => Err(RepositoryIndexError::NotSet),
        }
    }

    /// Reads the text of an index, YAML or JSON.
    ///
    /// # Errors
    /// If it is not a mapping from labels to places.
    pub fn parse(text: &str) -> Result<Self, RepositoryIndexError> {
        Self::of_tree(parse_tree(text, DIRECT_VARIABLE.into())?)
    }

    fn of_tree(tree: Map<String, Value>) -> Result<Self, RepositoryIndexError> {
        let places = tree
            .into_iter()
            .map(|(label, place)| match place {
                Value::String(place) => Ok((label, place)),
                _ => Err(RepositoryIndexError::Format { label }),
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { places })
    }

    /// Place of the repository with a label: a path or URI of its folder or `butler.yaml`.
    pub fn place(&self, label: &str) -> Option<&str> {
        self.places.get(label).map(String::as_str)
    }

    /// All labels, sorted.
    pub fn labels(&self) -> impl Iterator<Item = &str> {
        self.places.keys().map(String::as_str)
    }

    /// The label that `label` was probably meant to be.
    pub fn similar(&self, label: &str) -> Option<&str> {
        nearest_name(label, self.labels())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn either_variable_gives_the_index() {
        let json = r#"{"/repo/main": "/data/main/butler.yaml", "dp2": "file:///data/dp2"}"#;
        let index = RepositoryIndex::from_settings(Some(json), None).unwrap();
        assert_eq!(index.place("dp2"), Some("file:///data/dp2"));
        assert_eq!(index.similar("dp1"), Some("dp2"));

        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("index.yaml");
        fs_err::write(&file, "dp2: file:///data/dp2\n/repo/main: /data/main/butler.yaml\n")
            .unwrap();
        let named = RepositoryIndex::from_settings(None, file.to_str()).unwrap();
        assert_eq!(named, index);
        let uri = format!("file://{}", file.display());
        assert_eq!(RepositoryIndex::from_settings(None, Some(&uri)).unwrap(), index);
    }

    #[test]
    fn unusable_indexes_say_why() {
        type Error = RepositoryIndexError;
        let read = RepositoryIndex::from_settings;
        assert!(matches!(read(Some("a: b"), Some("x")), Err(Error::BothSet)));
        assert!(matches!(read(None, None), Err(Error::NotSet)));
        assert!(matches!(read(None, Some("s3://b/i.yaml")), Err(Error::NotLocal(_))));
        assert!(matches!(read(None, Some("/no/such/file")), Err(Error::Tree(_))));
        assert!(matches!(read(Some("a: [1]"), None), Err(Error::Format { .. })));
    }
}
