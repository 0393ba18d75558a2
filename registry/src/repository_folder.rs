//! The folder of a new repository, which appears whole or not at all.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use camino::{Utf8Path, Utf8PathBuf};

use crate::error::RegistryError;

/// The configuration, which makes a folder a repository.
pub(crate) const CONFIG_NAME: &str = "butler.yaml";
/// The usual name of a SQLite registry.
pub(crate) const DATABASE_NAME: &str = "gen3.sqlite3";

/// A folder under construction, removed when dropped.
///
/// While it is being built it is locked. Where locks do not work it may outlive a process that was
/// killed, but nothing is ever removed that somebody may be building.
#[derive(Debug)]
pub(crate) struct NewFolder {
    root: Utf8PathBuf,
    absolute: Utf8PathBuf,
    /// Whether the finished folder takes the place of `root`, or its files go into it.
    whole: bool,
    stage: Utf8PathBuf,
    staging: tempfile::TempDir,
    _lock: std::fs::File,
}

impl NewFolder {
    /// Begins a repository at `root`, where there must be none; removes what an attempt has left
    /// that was killed.
    pub(crate) fn begin(root: &Utf8Path) -> Result<Self, RegistryError> {
        let absolute = camino::absolute_utf8(root)
            .map_err(|source| io(&format!("find out where {root} is"), source))?;
        let parent = absolute.parent().unwrap_or(&absolute);
        let prefix = format!(".{}.new-", absolute.file_name().unwrap_or("repository"));
        sweep(parent, &prefix, &absolute)?;
        sweep(&absolute, &prefix, &absolute)?;
        for name in [CONFIG_NAME, DATABASE_NAME] {
            let path = root.join(name);
            if exists(&path)? {
                return Err(RegistryError::AlreadyExists { path });
            }
        }
        let whole = match fs_err::read_dir(root) {
            Ok(mut entries) => entries.next().is_none(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => true,
            Err(source) => return Err(io("look into the folder", source)),
        };
        let beside = if whole { parent } else { &absolute };
        fs_err::create_dir_all(beside).map_err(|source| io("create the parent folder", source))?;
        let staging = tempfile::Builder::new()
            .prefix(&prefix)
            // It becomes the repository, hence the permissions of ordinary folders.
            .permissions(std::fs::Permissions::from_mode(0o777))
            .tempdir_in(beside)
            .map_err(|source| io(&format!("create a temporary folder in {beside}"), source))?;
        let stage =
            Utf8Path::from_path(staging.path()).map(Utf8Path::to_owned).ok_or_else(|| {
                RegistryError::Invalid {
                    what: format!("repository folder {root}"),
                    reason: "the path is not UTF-8".to_owned(),
                }
            })?;
        let lock = std::fs::File::open(&stage)
            .map_err(|source| io(&format!("open the new folder {stage}"), source))?;
        // Where locks do not work nothing is swept either.
        let _ = lock.try_lock();
        Ok(Self { root: root.to_owned(), absolute, whole, stage, staging, _lock: lock })
    }

    /// Where the repository is built.
    pub(crate) fn stage(&self) -> &Utf8Path {
        &self.stage
    }

    /// Moves the repository to its place; its files are named in the order in which they appear if
    /// they go into a folder that is there, so the configuration comes last.
    pub(crate) fn publish(self, files: &[&str]) -> Result<(), RegistryError> {
        sync_folder(&self.stage)?;
        let moving = |source| io("move the new repository to its place", source);
        if self.whole {
            // An empty folder at `root` is replaced; one that was filled meanwhile is not.
            fs_err::rename(&self.stage, &self.absolute).map_err(|source| match source.kind() {
                std::io::ErrorKind::DirectoryNotEmpty | std::io::ErrorKind::AlreadyExists => {
                    RegistryError::AlreadyExists { path: self.root.clone() }
                }
                _ => moving(source),
            })?;
            // Its content is no longer there to be removed.
            let _ = self.staging.keep();
            return sync_folder(self.absolute.parent().unwrap_or(&self.absolute));
        }
        for name in files {
            let path = self.absolute.join(name);
            // Links never replace.
            fs_err::hard_link(self.stage.join(name), &path).map_err(|source| {
                match source.kind() {
                    std::io::ErrorKind::AlreadyExists => RegistryError::AlreadyExists { path },
                    _ => moving(source),
                }
            })?;
        }
        sync_folder(&self.absolute)
    }
}

/// Removes folders of killed attempts, and files that they had moved to their place already.
fn sweep(parent: &Utf8Path, prefix: &str, root: &Utf8Path) -> Result<(), RegistryError> {
    let entries = match fs_err::read_dir(parent) {
        Ok(entries) => entries,
        Err(error)
            if matches!(
                error.kind(),
                std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(());
        }
        Err(source) => return Err(io("look into the folder", source)),
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| name.starts_with(prefix)) else { continue };
        let left = parent.join(name);
        let Ok(folder) = std::fs::File::open(&left) else { continue };
        if folder.try_lock().is_err() {
            continue;
        }
        let published = root.join(DATABASE_NAME);
        if !exists(&root.join(CONFIG_NAME))? && same_file(&left.join(DATABASE_NAME), &published) {
            fs_err::remove_file(&published)
                .map_err(|source| io("remove what a killed attempt has left", source))?;
        }
        fs_err::remove_dir_all(&left)
            .map_err(|source| io("remove what a killed attempt has left", source))?;
    }
    Ok(())
}

fn same_file(a: &Utf8Path, b: &Utf8Path) -> bool {
    match (std::fs::symlink_metadata(a), std::fs::symlink_metadata(b)) {
        (Ok(a), Ok(b)) => (a.dev(), a.ino()) == (b.dev(), b.ino()),
        _ => false,
    }
}

/// A refusal of the system.
pub(crate) fn io(action: &str, source: std::io::Error) -> RegistryError {
    RegistryError::Io { action: action.to_owned(), source }
}

fn exists(path: &Utf8Path) -> Result<bool, RegistryError> {
    match fs_err::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error)
            if matches!(
                error.kind(),
                std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory
            ) =>
        {
            Ok(false)
        }
        Err(source) => Err(io("look for an existing repository", source)),
    }
}

fn sync_folder(path: &Utf8Path) -> Result<(), RegistryError> {
    fs_err::File::open(path)
        .and_then(|folder| folder.sync_all())
        .map_err(|source| io("make the new repository durable", source))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a kill leaves: a folder that nobody holds, and files linked from it.
    fn killed(parent: &Utf8Path, root: &Utf8Path) -> Utf8PathBuf {
        let left = parent.join(format!(".{}.new-abc", root.file_name().unwrap()));
        fs_err::create_dir(&left).unwrap();
        fs_err::write(left.join(DATABASE_NAME), "half").unwrap();
        left
    }

    #[test]
    fn what_a_killed_attempt_has_left_is_removed_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let parent = Utf8Path::from_path(folder.path()).unwrap();
        let (mine, other) = (parent.join("mine"), parent.join("other"));
        let stale = killed(parent, &mine);
        let others = killed(parent, &other);
        let first = NewFolder::begin(&mine).unwrap();
        assert!(!stale.exists() && others.exists());
        // One that is being built is left alone.
        let second = NewFolder::begin(&mine).unwrap();
        assert!(first.stage().exists() && second.stage().exists());
        fs_err::write(first.stage().join(CONFIG_NAME), "").unwrap();
        first.publish(&[CONFIG_NAME]).unwrap();
        let late = second.publish(&[CONFIG_NAME]).unwrap_err();
        assert!(matches!(late, RegistryError::AlreadyExists { .. }), "{late}");
        let taken = NewFolder::begin(&mine).unwrap_err();
        assert!(matches!(taken, RegistryError::AlreadyExists { .. }), "{taken}");
    }

    #[test]
    fn a_database_without_configuration_goes_only_if_it_is_ours() {
        let folder = tempfile::tempdir().unwrap();
        let parent = Utf8Path::from_path(folder.path()).unwrap();
        let root = parent.join("used");
        fs_err::create_dir(&root).unwrap();
        fs_err::write(root.join("artifact"), "").unwrap();
        let left = killed(&root, &root);
        fs_err::hard_link(left.join(DATABASE_NAME), root.join(DATABASE_NAME)).unwrap();
        NewFolder::begin(&root).unwrap();
        assert!(!root.join(DATABASE_NAME).exists() && root.join("artifact").exists());

        fs_err::write(root.join(DATABASE_NAME), "somebody's").unwrap();
        killed(&root, &root);
        let refused = NewFolder::begin(&root).unwrap_err();
        assert!(matches!(refused, RegistryError::AlreadyExists { .. }), "{refused}");
    }
}
