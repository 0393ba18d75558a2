//! Changes to a local disk by those who promise to survive its failures.
//!
//! Artifacts and journals are written through these functions, which do what those of the standard
//! library do. A test can [watch](watch) them: see each change in its order, to find out what a
//! crash of the machine may leave of it, or make any one fail.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::sync::OnceLock;

use camino::Utf8Path;

/// A change to a disk, or a promise about changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskRequest<'a> {
    /// A file is made that must not exist yet.
    Create(&'a Utf8Path),
    /// Bytes are appended to a file.
    Append(&'a Utf8Path, &'a [u8]),
    /// A file is cut to a length.
    Cut(&'a Utf8Path, u64),
    /// A file gets another name, replacing what has that name.
    Rename(&'a Utf8Path, &'a Utf8Path),
    /// A file gets a second name that must not exist yet.
    Link(&'a Utf8Path, &'a Utf8Path),
    /// A file is deleted.
    Remove(&'a Utf8Path),
    /// A folder is made.
    MakeFolder(&'a Utf8Path),
    /// The content of a file must be on disk.
    SyncFile(&'a Utf8Path),
    /// The names in a folder must be on disk.
    SyncFolder(&'a Utf8Path),
    /// Everything on the file system of a folder must be on disk.
    SyncFileSystem(&'a Utf8Path),
}

/// What a watcher has a request come to.
#[derive(Debug)]
pub enum Verdict {
    /// It is done.
    Done,
    /// It fails; of an [`DiskRequest::Append`] the given number of bytes is written before.
    Failed(usize, io::Error),
}

/// Sees every request before it is done.
pub trait DiskWatcher: Send + Sync {
    /// Called by the thread that makes the request.
    fn request(&self, request: DiskRequest<'_>) -> Verdict;
}

static WATCHER: OnceLock<Box<dyn DiskWatcher>> = OnceLock::new();

/// Has all requests of this process watched from now on. For tests; `false` if there is a watcher
/// already.
pub fn watch(watcher: Box<dyn DiskWatcher>) -> bool {
    WATCHER.set(watcher).is_ok()
}

fn ask(request: DiskRequest<'_>) -> io::Result<()> {
    match WATCHER.get().map(|watcher| watcher.request(request)) {
        None | Some(Verdict::Done) => Ok(()),
        Some(Verdict::Failed(_, error)) => Err(error),
    }
}

/// Makes a file that must not exist yet.
///
/// # Errors
/// As [`File::create_new`].
pub fn create(path: &Utf8Path) -> io::Result<File> {
    ask(DiskRequest::Create(path))?;
    OpenOptions::new().write(true).create_new(true).open(path)
}

/// Writes at the end of a file of the given path.
///
/// # Errors
/// As [`Write::write_all`].
pub fn append(mut file: &File, path: &Utf8Path, bytes: &[u8]) -> io::Result<()> {
    match WATCHER.get().map(|watcher| watcher.request(DiskRequest::Append(path, bytes))) {
        None | Some(Verdict::Done) => file.write_all(bytes),
        Some(Verdict::Failed(n, error)) => {
            file.write_all(&bytes[..n.min(bytes.len())])?;
            Err(error)
        }
    }
}

/// Cuts a file of the given path.
///
/// # Errors
/// As [`File::set_len`].
pub fn cut(file: &File, path: &Utf8Path, length: u64) -> io::Result<()> {
    ask(DiskRequest::Cut(path, length))?;
    file.set_len(length)
}

/// Gives a file another name.
///
/// # Errors
/// As [`std::fs::rename`].
pub fn rename(from: &Utf8Path, to: &Utf8Path) -> io::Result<()> {
    ask(DiskRequest::Rename(from, to))?;
    std::fs::rename(from, to)
}

/// Gives a file a second name.
///
/// # Errors
/// As [`std::fs::hard_link`].
pub fn link(from: &Utf8Path, to: &Utf8Path) -> io::Result<()> {
    ask(DiskRequest::Link(from, to))?;
    std::fs::hard_link(from, to)
}

/// Makes a symbolic link; a watcher sees it as a second name.
///
/// # Errors
/// As [`std::os::unix::fs::symlink`].
pub fn symlink(from: &Utf8Path, to: &Utf8Path) -> io::Result<()> {
    ask(DiskRequest::Link(from, to))?;
    std::os::unix::fs::symlink(from, to)
}

/// Deletes a file.
///
/// # Errors
/// As [`std::fs::remove_file`].
pub fn remove(path: &Utf8Path) -> io::Result<()> {
    ask(DiskRequest::Remove(path))?;
    std::fs::remove_file(path)
}

/// Makes a folder in one that exists.
///
/// # Errors
/// As [`std::fs::create_dir`].
pub fn make_folder(path: &Utf8Path) -> io::Result<()> {
    ask(DiskRequest::MakeFolder(path))?;
    std::fs::create_dir(path)
}

/// Waits until the content of a file of the given path is on disk.
///
/// # Errors
/// As [`File::sync_all`].
pub fn sync_file(file: &File, path: &Utf8Path) -> io::Result<()> {
    ask(DiskRequest::SyncFile(path))?;
    file.sync_all()
}

/// Waits until the names in a folder are on disk.
///
/// # Errors
/// As [`File::sync_all`].
pub fn sync_folder(path: &Utf8Path) -> io::Result<()> {
    ask(DiskRequest::SyncFolder(path))?;
    File::open(path)?.sync_all()
}

/// Waits until all that was written to the file system of an open folder is on disk.
///
/// # Errors
/// If the operating system reports that something is not, since it was last asked.
pub fn sync_file_system(folder: &File, path: &Utf8Path) -> io::Result<()> {
    ask(DiskRequest::SyncFileSystem(path))?;
    rustix::fs::syncfs(folder).map_err(io::Error::from)
}
