//! Configuration files as trees of values.

use std::rc::Rc;

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::{Map, Value};
use serde_saphyr::options::DuplicateKeyPolicy;
use serde_saphyr::{IncludeRequest, IncludeResolveError, InputSource, ResolvedInclude};

use crate::uri::ArtifactUri;
use crate::uri_text::normalise;

/// Why a configuration file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigTreeError {
    /// It cannot be read.
    #[error("cannot read the configuration file {path}: {source}")]
    Read {
        /// The file.
        path: Utf8PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// It is not YAML, or includes something that is not.
    #[error("{path} is not valid YAML: {message}")]
    Yaml {
        /// The file.
        path: Utf8PathBuf,
        /// What is wrong, with line and column.
        message: String,
    },
    /// Its top level is not a mapping.
    #[error("{path} must hold a mapping of settings at its top level")]
    NotAMapping {
        /// The file.
        path: Utf8PathBuf,
    },
}

/// Reads a YAML (or JSON) mapping in which `!include FILE` stands for the content of a file, given
/// as a URI or as a path relative to the file that names it.
///
/// Messages never quote the file's lines: those may hold credentials.
pub(crate) fn read_tree(path: &Utf8Path) -> Result<Map<String, Value>, ConfigTreeError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| ConfigTreeError::Read { path: path.to_owned(), source })?;
    parse_tree(&text, path)
}

/// Parses the text of a file; `path` is where it stands or seems to stand.
pub(crate) fn parse_tree(
    text: &str,
    path: &Utf8Path,
) -> Result<Map<String, Value>, ConfigTreeError> {
    // Python's loader takes the last of several equal keys.
    let options = serde_saphyr::options! {
        duplicate_keys: DuplicateKeyPolicy::LastWins,
        with_snippet: false,
    };
    let root: Rc<Utf8Path> = Rc::from(path);
    let options = options.with_include_resolver(move |request| include(&request, &root));
    let tree: Value = serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        ConfigTreeError::Yaml {
            path: path.to_owned(),
            message: error.without_snippet().to_string(),
        }
    })?;
    match tree {
        Value::Object(map) => Ok(map),
        Value::Null => Ok(Map::new()),
        _ => Err(ConfigTreeError::NotAMapping { path: path.to_owned() }),
    }
}

fn include(
    request: &IncludeRequest<'_>,
    root: &Utf8Path,
) -> Result<ResolvedInclude, IncludeResolveError> {
    let from = request.from_id.map_or(root, Utf8Path::new);
    let refused = |reason: &str| {
        IncludeResolveError::Message(format!("cannot include `{}`: {reason}", request.spec))
    };
    let target = match ArtifactUri::parse(request.spec) {
        Ok(uri) => uri.to_file_path().ok_or_else(|| refused("only local files can be included"))?,
        Err(_) => match from.parent() {
            Some(folder) => Utf8PathBuf::from(normalise(folder.join(request.spec).as_str())),
            None => Utf8PathBuf::from(request.spec),
        },
    };
    let text =
        std::fs::read_to_string(&target).map_err(|error| refused(&format!("{target}: {error}")))?;
    Ok(ResolvedInclude::new(target.as_str(), target.as_str(), InputSource::Text(text)))
}

/// Merges `overrides` into `base`, mapping by mapping; everything else is replaced.
pub(crate) fn merge(base: &mut Map<String, Value>, overrides: &Map<String, Value>) {
    for (key, value) in overrides {
        match (base.get_mut(key), value) {
            (Some(Value::Object(old)), Value::Object(new)) => merge(old, new),
            _ => {
                base.insert(key.clone(), value.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn includes_are_relative_to_the_including_file() {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap();
        fs_err::create_dir(root.join("sub")).unwrap();
        fs_err::write(root.join("a.yaml"), "x: !include sub/b.yaml\nx2: 1\n").unwrap();
        fs_err::write(root.join("sub/b.yaml"), "y: !include c.yaml\n").unwrap();
        fs_err::write(root.join("sub/c.yaml"), "[1, yes]\n").unwrap();
        let tree = read_tree(&root.join("a.yaml")).unwrap();
        assert_eq!(Value::Object(tree), serde_json::json!({"x": {"y": [1, true]}, "x2": 1}));

        fs_err::write(root.join("sub/c.yaml"), "!include ../a.yaml\n").unwrap();
        assert!(matches!(read_tree(&root.join("a.yaml")), Err(ConfigTreeError::Yaml { .. })));
        fs_err::remove_file(root.join("sub/c.yaml")).unwrap();
        let message = read_tree(&root.join("a.yaml")).unwrap_err().to_string();
        assert!(message.contains("cannot include `c.yaml`"), "{message}");
    }

    #[test]
    fn overrides_replace_all_but_mappings() {
        let parse = |text: &str| parse_tree(text, Utf8Path::new("x.yaml")).unwrap();
        let mut base = parse("a: {b: 1, c: 2}\nd: [1, 2]\ne: 3");
        merge(&mut base, &parse("a: {c: 4}\nd: [5]\ne: {f: 6}"));
        assert_eq!(base, parse("a: {b: 1, c: 4}\nd: [5]\ne: {f: 6}"));
        assert!(parse("").is_empty());
        assert!(matches!(
            parse_tree("- 1", Utf8Path::new("x.yaml")),
            Err(ConfigTreeError::NotAMapping { .. })
        ));
    }
}
