//! Places that are named for results.

use camino::Utf8Path;

use super::failure::Failure;

/// Looks whether a file can be made at a place, before there is anything to write.
///
/// # Errors
/// If a folder is there, or none that it could be in.
pub fn check_destination(path: &Utf8Path) -> Result<(), Failure> {
    match why_not_writable(path) {
        Some(reason) => Err(Failure::unwritable_because(path, &reason)),
        None => Ok(()),
    }
}

/// What of a place tells that no file can be made there, if anything does.
pub(super) fn why_not_writable(path: &Utf8Path) -> Option<String> {
    let folder = path.parent().filter(|folder| !folder.as_str().is_empty());
    match folder {
        _ if path.is_dir() => Some("it is a folder".to_owned()),
        Some(folder) if !folder.exists() => Some(format!("the folder {folder} does not exist")),
        Some(folder) if !folder.is_dir() => Some(format!("{folder} is not a folder")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_a_place_for_results_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let folder = Utf8Path::from_path(folder.path()).unwrap();
        let file = folder.join("file");
        fs_err::write(&file, "").unwrap();
        let said = |path: &Utf8Path| check_destination(path).map_err(|failure| failure.to_string());
        assert_eq!(said(&file), Ok(()));
        assert_eq!(said(&folder.join("new")), Ok(()));
        assert_eq!(said("new".into()), Ok(()));
        assert_eq!(said(folder), Err(format!("{folder} cannot be written: it is a folder")));
        let wanted =
            format!("{folder}/no/new cannot be written: the folder {folder}/no does not exist");
        assert_eq!(said(&folder.join("no/new")), Err(wanted));
        let wanted = format!("{file}/new cannot be written: {file} is not a folder");
        assert_eq!(said(&file.join("new")), Err(wanted));
    }
}
