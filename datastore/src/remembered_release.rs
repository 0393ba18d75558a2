//! The release that a personal repository belongs to, as its configuration remembers it.

use crate::repository::{RepositoryConfig, local_path};
use crate::repository_error::RepositoryError;
use crate::repository_index::RepositoryIndex;

/// Section and key of the setting. The middleware passes over sections that it does not know.
pub const RELEASE_SETTING: (&str, &str) = ("qbb", "release");

impl RepositoryConfig {
    /// The release that the repository was made for: a label of the repository index, or a place.
    ///
    /// # Errors
    /// If the setting is no text.
    pub fn release(&self) -> Result<Option<&str>, RepositoryError> {
        let (section, key) = RELEASE_SETTING;
        let Some(value) = self.tree().get(section).and_then(|section| section.get(key)) else {
            return Ok(None);
        };
        match value.as_str() {
            Some(place) => Ok(Some(place)),
            None => Err(RepositoryError::Setting {
                file: self.file.clone(),
                setting: format!("{section}.{key}"),
                expected: "a text",
            }),
        }
    }
}

/// The place of a repository in a form that means the same from any folder: a label of the
/// repository index as it is, so that the index may move it, and else a full path.
///
/// # Errors
/// If it is not local, or relative to a folder that cannot be told.
pub fn lasting_place(place: &str) -> Result<String, RepositoryError> {
    match RepositoryIndex::from_environment() {
        Ok(index) if index.place(place).is_some() => Ok(place.to_owned()),
        _ => Ok(local_path(place)?.into_string()),
    }
}

#[cfg(test)]
mod tests {
    use camino::Utf8Path;

    use super::*;

    #[test]
    fn a_release_is_remembered_in_a_section_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap();
        let release = |yaml: &str| {
            fs_err::write(root.join("butler.yaml"), yaml).unwrap();
            let config = RepositoryConfig::open(root.as_str()).unwrap();
            config.release().map(|place| place.map(str::to_owned))
        };
        let usual = "datastore: {root: <butlerRoot>}\n";
        assert_eq!(release(usual).unwrap(), None);
        assert_eq!(release(&format!("{usual}qbb:\n")).unwrap(), None);
        let told = release(&format!("{usual}qbb: {{release: /repo/dr1}}\n")).unwrap();
        assert_eq!(told.as_deref(), Some("/repo/dr1"));
        let wrong = release(&format!("{usual}qbb: {{release: [1]}}\n")).unwrap_err();
        assert!(wrong.to_string().contains("`qbb.release` must be a text"), "{wrong}");
    }

    #[test]
    fn places_are_made_absolute() {
        let here = std::env::current_dir().unwrap();
        let expected = here.join("dr1").display().to_string();
        assert_eq!(lasting_place("./x/../dr1/").unwrap().trim_end_matches('/'), expected);
        assert_eq!(lasting_place("file:///repo/dr%201").unwrap(), "/repo/dr 1");
        assert!(lasting_place("https://server/repo").is_err());
    }
}
