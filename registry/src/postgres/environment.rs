//! What the surroundings of the process say about databases.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;

/// Environment variables; a copy, so that tests have their own.
#[derive(Default)]
pub(super) struct Environment(BTreeMap<String, String>);

impl Environment {
    /// Those of the process, as far as they are text.
    pub(super) fn of_process() -> Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self(std::env::vars_os().filter_map(text).collect())
    }

    #[cfg(test)]
    pub(super) fn of(variables: &[(&str, &str)]) -> Self {
        Self(variables.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    /// A variable that is set to something.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// A file below the home folder.
    pub(super) fn home_file(&self, path: &str) -> Option<Utf8PathBuf> {
        self.get("HOME").map(|home| Utf8PathBuf::from(home).join(path))
    }

    /// A path that may begin with the home folder's sign.
    pub(super) fn expanded(&self, path: &str) -> Utf8PathBuf {
        path.strip_prefix("~/")
            .and_then(|rest| self.home_file(rest))
            .unwrap_or_else(|| Utf8PathBuf::from(path))
    }

    /// Name of the user whose process it is.
    pub(super) fn user(&self) -> Option<&str> {
        self.get("USER").or_else(|| self.get("LOGNAME"))
    }
}
