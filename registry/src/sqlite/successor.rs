//! The file that takes the place of a database.

use std::ffi::CStr;
use std::io;
use std::time::{Duration, SystemTime};

use camino::{Utf8Path, Utf8PathBuf};
use tempfile::NamedTempFile;

/// Names of such files, which are those of unfinished writes in a datastore: most registries lie in
/// the folder of one.
const PREFIX: &str = ".qbb-registry-";
const SUFFIX: &str = ".tmp";

/// Nobody takes as long for a transaction.
const LEFT_OVER: Duration = Duration::from_secs(24 * 3600);

/// Attributes in which file systems keep lists of who may do what.
#[cfg(target_os = "linux")]
const ACCESS_LISTS: [&CStr; 2] = [c"system.posix_acl_access", c"system.nfs4_acl"];

/// A file beside a database, for others the same as that: with its owner, group, mode and access
/// lists. Removed when dropped.
#[derive(Debug)]
pub(super) struct Successor {
    file: NamedTempFile,
    /// The database itself, where its name is a symbolic link.
    place: Utf8PathBuf,
}

impl Successor {
    /// Makes it, empty.
    ///
    /// # Errors
    /// If another file cannot be what the database is: because that has several names, or belongs to
    /// somebody else, or because the system does not allow it. The database must be written in place
    /// then.
    pub(super) fn beside(database: &Utf8Path) -> io::Result<Self> {
        let place = Utf8PathBuf::from_path_buf(fs_err::canonicalize(database)?)
            .map_err(|_| io::ErrorKind::InvalidFilename)?;
        let folder = place.parent().ok_or(io::ErrorKind::InvalidFilename)?;
        remove_leftovers(folder);
        let file = tempfile::Builder::new().prefix(PREFIX).suffix(SUFFIX).tempfile_in(folder)?;
        become_like(file.as_file(), &place)?;
        Ok(Self { file, place })
    }

    /// Where the database is.
    pub(super) fn place(&self) -> &Utf8Path {
        &self.place
    }

    /// Takes the content of a file, durably.
    pub(super) fn fill(&mut self, from: &Utf8Path) -> io::Result<()> {
        let mut from = fs_err::File::open(from)?;
        io::copy(&mut from, self.file.as_file_mut())?;
        self.file.as_file().sync_all()
    }

    /// Takes the place of the database.
    pub(super) fn succeed(self) -> io::Result<()> {
        let folder = self.place.parent().map(Utf8Path::to_owned);
        self.file.persist(&self.place).map_err(|error| error.error)?;
        // It has taken place, whatever the disk says now; to call it failed would have files removed
        // of which the registry tells. If the machine stops before the folder is on disk, the former
        // database is there as a whole.
        if let Some(folder) = folder {
            let _ = fs_err::File::open(folder).and_then(|folder| folder.sync_all());
        }
        Ok(())
    }
}

/// Removes what killed writers have left.
fn remove_leftovers(folder: &Utf8Path) {
    let now = SystemTime::now();
    for entry in folder.read_dir_utf8().into_iter().flatten().flatten() {
        let name = entry.file_name();
        let is_old = || {
            let modified = entry.metadata().and_then(|metadata| metadata.modified()).ok()?;
            Some(now.duration_since(modified).ok()? > LEFT_OVER)
        };
        if name.starts_with(PREFIX) && name.ends_with(SUFFIX) && is_old() == Some(true) {
            // Another one will do it.
            let _ = fs_err::remove_file(entry.path());
        }
    }
}

#[cfg(unix)]
fn become_like(file: &std::fs::File, other: &Utf8Path) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt as _, fchown};

    /// The group may write.
    const SHARED: u32 = 0o020;

    let (own, others) = (file.metadata()?, fs_err::metadata(other)?);
    if others.nlink() > 1 {
        return Err(io::Error::other("the file has several names"));
    }
    if own.gid() != others.gid() {
        fchown(file, None, Some(others.gid()))?;
    }
    // Only root gives files away; whoever shares the file by its group still does.
    let has_owner = own.uid() == others.uid() || fchown(file, Some(others.uid()), None).is_ok();
    if !has_owner && others.mode() & SHARED == 0 {
        return Err(io::Error::other("the file belongs to somebody else"));
    }
    file.set_permissions(others.permissions())?;
    #[cfg(target_os = "linux")]
    for name in ACCESS_LISTS {
        let list = access_list(|value| rustix::fs::getxattr(other.as_std_path(), name, value))?;
        if list == access_list(|value| rustix::fs::fgetxattr(file, name, value))? {
            continue;
        }
        match list {
            Some(_) if !has_owner => {
                return Err(io::Error::other("the file belongs to somebody else"));
            }
            Some(list) => {
                rustix::fs::fsetxattr(file, name, &list, rustix::fs::XattrFlags::empty())?;
            }
            // New files get one where folders say so.
            None => rustix::fs::fremovexattr(file, name)?,
        }
    }
    Ok(())
}

#[cfg(not(unix))]
fn become_like(file: &std::fs::File, other: &Utf8Path) -> io::Result<()> {
    file.set_permissions(fs_err::metadata(other)?.permissions())
}

/// An attribute; `None` if there is none, or the file system has none.
#[cfg(target_os = "linux")]
fn access_list(
    read: impl FnOnce(&mut [u8]) -> rustix::io::Result<usize>,
) -> io::Result<Option<Vec<u8>>> {
    use rustix::io::Errno;

    // As long as attributes can be.
    let mut value = vec![0; 1 << 16];
    match read(&mut value) {
        Ok(length) => {
            value.truncate(length);
            Ok(Some(value))
        }
        Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
