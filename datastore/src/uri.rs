//! URIs of artifacts, quoted and normalised as the middleware does it.

use std::fmt;

use camino::{Utf8Path, Utf8PathBuf};

use crate::uri_text::{
    cut_fragment, decode_local, decode_record, normalise, quote, quote_into, unquote,
};

/// Absolute URI of an artifact or a folder.
///
/// The text is what Python's `str(ResourcePath(…))` gives for the same place: paths of local files
/// are percent-encoded in UTF-8, with letters, digits and `_.-~/` left as they are; other schemes
/// are expected to be encoded already. Folders end in `/`. A fragment, such as `zip-path=member`,
/// is kept as it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ArtifactUri {
    text: String,
    /// Where the path starts: after the authority.
    path_at: usize,
    /// Where `#` stands, or the length of the text.
    fragment_at: usize,
}

/// Why a text is no URI of an artifact, or no path inside a datastore.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UriError {
    /// A relative path where an absolute one is needed.
    #[error("`{0}` is not absolute: give a full path or a URI with a scheme")]
    Relative(String),
    /// A path that leaves the folder to which it is relative.
    #[error("`{path}` leads out of `{root}`: paths inside a datastore may not do that")]
    Escapes {
        /// The relative path.
        path: String,
        /// The folder.
        root: String,
    },
    /// The current directory is needed and unusable.
    #[error("cannot tell the current directory, which the relative path `{path}` needs: {reason}")]
    CurrentDirectory {
        /// The relative path.
        path: String,
        /// The system's message.
        reason: String,
    },
}

impl ArtifactUri {
    /// Reads a URI with a scheme, or an absolute path of a local file with an optional fragment.
    ///
    /// # Errors
    /// If it is a relative path.
    pub fn parse(text: &str) -> Result<Self, UriError> {
        if let Some((scheme, rest)) = text.split_once("://")
            && is_scheme(scheme)
        {
            let authority = rest.find(['/', '#']).unwrap_or(rest.len());
            return Ok(Self::split(text.to_owned(), scheme.len() + 3 + authority));
        }
        let (path, fragment) = match text.strip_prefix("file:") {
            Some(path) => {
                let (path, fragment) = cut_fragment(path);
                (path.to_owned(), fragment)
            }
            None => {
                let (path, fragment) = decode_local(text);
                (quote(&normalise(&path)), fragment)
            }
        };
        if !path.starts_with('/') {
            return Err(UriError::Relative(text.to_owned()));
        }
        Ok(Self::split(format!("file://{path}{fragment}"), "file://".len()))
    }

    /// The URI of a local file; every character of the path belongs to its name.
    ///
    /// # Errors
    /// If the path is relative.
    pub fn of_file(path: &Utf8Path) -> Result<Self, UriError> {
        if !path.is_absolute() {
            return Err(UriError::Relative(path.to_string()));
        }
        let text = format!("file://{}", quote(&normalise(path.as_str())));
        Ok(Self::split(text, "file://".len()))
    }

    /// The URI of a local folder.
    ///
    /// # Errors
    /// If the path is relative.
    pub fn of_folder(path: &Utf8Path) -> Result<Self, UriError> {
        Ok(Self::of_file(path)?.into_folder())
    }

    fn split(text: String, path_at: usize) -> Self {
        let fragment_at = text[path_at..].find('#').map_or(text.len(), |at| path_at + at);
        Self { text, path_at, fragment_at }
    }

    /// The same place as a folder: its path ends in `/`.
    pub fn into_folder(mut self) -> Self {
        if !self.path().ends_with('/') {
            self.text.insert(self.fragment_at, '/');
            self.fragment_at += 1;
        }
        self
    }

    /// The whole text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The scheme, such as `file` or `s3`.
    pub fn scheme(&self) -> &str {
        self.text.split("://").next().unwrap_or_default()
    }

    /// The authority: host or bucket; empty for local files.
    pub fn authority(&self) -> &str {
        let start = self.scheme().len() + "://".len();
        self.text.get(start..self.path_at).unwrap_or_default()
    }

    /// The path, still percent-encoded.
    pub fn path(&self) -> &str {
        &self.text[self.path_at..self.fragment_at]
    }

    /// The path with its percent escapes decoded.
    pub fn unquoted_path(&self) -> String {
        unquote(self.path())
    }

    /// What stands behind `#`.
    pub fn fragment(&self) -> Option<&str> {
        self.text.get(self.fragment_at + 1..)
    }

    /// The URI without what stands behind `#`.
    pub fn without_fragment(&self) -> Self {
        Self::split(self.text[..self.fragment_at].to_owned(), self.path_at)
    }

    /// Name of the member if the artifact is inside a zip archive.
    pub fn zip_member(&self) -> Option<String> {
        self.fragment()?.strip_prefix("zip-path=").map(unquote)
    }

    /// Whether the path ends in `/`.
    pub fn is_folder(&self) -> bool {
        self.path().ends_with('/')
    }

    /// Path of the local file or folder; `None` for other schemes.
    pub fn to_file_path(&self) -> Option<Utf8PathBuf> {
        (self.scheme() == "file").then(|| {
            let path = self.unquoted_path();
            let trimmed = path.trim_end_matches('/');
            Utf8PathBuf::from(if trimmed.is_empty() { "/" } else { trimmed })
        })
    }

    /// Resolves the path of a datastore record against this folder. A full URI or an absolute path
    /// stands for itself, as in datasets ingested in `direct` mode.
    ///
    /// # Errors
    /// If the path leads out of the folder.
    pub fn join(&self, path: &str) -> Result<Self, UriError> {
        let is_absolute =
            path.starts_with('/') || path.split_once("://").is_some_and(|(s, _)| is_scheme(s));
        if is_absolute {
            return Self::parse(path);
        }
        let (relative, fragment) = decode_record(path);
        let normal = normalise(&relative);
        if normal == ".." || normal.starts_with("../") || normal.starts_with('/') {
            return Err(UriError::Escapes { path: path.to_owned(), root: self.text.clone() });
        }
        let mut text = String::with_capacity(self.fragment_at + normal.len() + fragment.len() + 8);
        text.push_str(&self.text[..self.fragment_at]);
        if !text.ends_with('/') {
            text.push('/');
        }
        quote_into(&normal, &mut text);
        text.push_str(fragment);
        Ok(Self::split(text, self.path_at))
    }

    /// The path of this URI inside a folder, decoded and without fragment; `None` if it is not
    /// inside.
    pub fn relative_to(&self, folder: &Self) -> Option<String> {
        if self.text[..self.path_at] != folder.text[..folder.path_at] {
            return None;
        }
        let inside = self.path().strip_prefix(folder.path().trim_end_matches('/'))?;
        let inside = inside.strip_prefix('/')?;
        (!inside.is_empty()).then(|| unquote(inside))
    }
}

impl fmt::Display for ArtifactUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl serde::Serialize for ArtifactUri {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> serde::Deserialize<'de> for ArtifactUri {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// Makes a path of the local file system absolute, as it may stand on a command line.
pub(crate) fn absolute(path: &str) -> Result<Utf8PathBuf, UriError> {
    let failed = |reason: String| UriError::CurrentDirectory { path: path.to_owned(), reason };
    let given = Utf8Path::new(path);
    let full = if given.is_absolute() {
        given.to_owned()
    } else {
        let here = std::env::current_dir().map_err(|error| failed(error.to_string()))?;
        let here = Utf8PathBuf::from_path_buf(here)
            .map_err(|here| failed(format!("{} is not UTF-8", here.display())))?;
        here.join(given)
    };
    Ok(Utf8PathBuf::from(normalise(full.as_str())))
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn local_paths_are_quoted_like_the_middleware_does() {
        for (path, uri, decoded) in [
            ("/a b/c#d/e#f.txt", "file:///a%20b/c%23d/e#f.txt", "/a b/c#d/e"),
            ("/a/%20x/y", "file:///a/%20x/y", "/a/ x/y"),
            ("/a/%2x/y?z", "file:///a/%252x/y%3Fz", "/a/%2x/y?z"),
            (
                "/é/~x/!$&'()*+,;=:@[]",
                "file:///%C3%A9/~x/%21%24%26%27%28%29%2A%2B%2C%3B%3D%3A%40%5B%5D",
                "/é/~x/!$&'()*+,;=:@[]",
            ),
            ("/a//b/./c/../d", "file:///a/b/d", "/a/b/d"),
            ("file:/x/y", "file:///x/y", "/x/y"),
            ("file:///a b/c", "file:///a b/c", "/a b/c"),
            ("file:///a%20b/c#frag", "file:///a%20b/c#frag", "/a b/c"),
        ] {
            let parsed = ArtifactUri::parse(path).unwrap();
            assert_eq!(parsed.as_str(), uri);
            assert_eq!(parsed.to_file_path().unwrap(), decoded);
        }
        assert!(matches!(ArtifactUri::parse("a/b"), Err(UriError::Relative(_))));
    }

    #[test]
    fn records_are_joined_like_the_middleware_does() {
        let root = ArtifactUri::parse("file:///data/my%20root/").unwrap();
        for (path, uri) in [
            ("a b/c", "file:///data/my%20root/a%20b/c"),
            ("a#b/c", "file:///data/my%20root/a%23b/c"),
            ("a/b#c.txt", "file:///data/my%20root/a/b#c.txt"),
            ("x%20y/z", "file:///data/my%20root/x%20y/z"),
            ("x%2y/z", "file:///data/my%20root/x%252y/z"),
            ("a%2fb/%2541", "file:///data/my%20root/a/b/A"),
            ("a?b/c?d", "file:///data/my%20root/a%3Fb/c%3Fd"),
            ("z/x.zip#zip-path=a b.yaml", "file:///data/my%20root/z/x.zip#zip-path=a b.yaml"),
            ("./a//b", "file:///data/my%20root/a/b"),
            ("a/../b", "file:///data/my%20root/b"),
            ("a:b/c", "file:///data/my%20root/a%3Ab/c"),
            ("/elsewhere/x", "file:///elsewhere/x"),
            ("s3://bucket/x", "s3://bucket/x"),
        ] {
            assert_eq!(root.join(path).unwrap().as_str(), uri, "{path}");
        }
        assert!(matches!(root.join("a/../../b"), Err(UriError::Escapes { .. })));
        assert!(matches!(root.join("%2f/b"), Err(UriError::Escapes { .. })));
        let member = root.join("z/x.zip#zip-path=a b.yaml").unwrap();
        assert_eq!(member.zip_member().as_deref(), Some("a b.yaml"));
        assert_eq!(member.relative_to(&root).as_deref(), Some("z/x.zip"));
        assert_eq!(root.relative_to(&root), None);
    }

    #[test]
    fn parts_of_other_schemes() {
        let uri = ArtifactUri::parse("s3://bucket/a%20b/c#zip-path=x").unwrap();
        assert_eq!((uri.scheme(), uri.authority(), uri.path()), ("s3", "bucket", "/a%20b/c"));
        assert_eq!(uri.to_file_path(), None);
        let bare = ArtifactUri::parse("s3://bucket").unwrap().into_folder();
        assert_eq!(bare.join("x/y").unwrap().as_str(), "s3://bucket/x/y");
    }

    proptest! {
        #[test]
        fn file_paths_survive(path in "(/[^/\0]{1,12}){1,5}") {
            let path = normalise(&path);
            let uri = ArtifactUri::of_file(Utf8Path::new(&path)).unwrap();
            prop_assert_eq!(uri.to_file_path().unwrap().into_string(), path);
            prop_assert_eq!(ArtifactUri::parse(uri.as_str()).unwrap(), uri);
        }
    }
}
