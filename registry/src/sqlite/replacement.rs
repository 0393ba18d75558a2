//! Writing databases on network file systems: in a copy, which then takes the file's place.
//!
//! There, locks may be lies, a page costs a round trip, and a journal that is not written when it
//! seems to be costs the database. So large transactions happen in a copy of the file on this host,
//! which replaces the file as a whole: a reader has the file as it was or as it is. The file is
//! locked meanwhile, and before it is replaced it must be as it was when it was copied, in case the
//! lock was none.
//!
//! Connections to the replaced file go on reading what it was. Their writing is refused by SQLite
//! itself, which looks whether the file still has its name; ours are opened again.

use std::io::{Read as _, Seek as _};
use std::path::Path;
use std::time::SystemTime;

use camino::{Utf8Path, Utf8PathBuf};

use super::connection::DatabaseFile;
use super::open_transaction::OpenTransaction;
use super::successor::Successor;
use crate::error::RegistryError;

/// Where a database's header counts its transactions.
const COUNTER: std::ops::Range<usize> = 24..28;

/// Where it says how to read it, and what it says of a database with a write-ahead log.
const READ_VERSION: usize = 19;
const WITH_LOG: u8 = 2;

/// File systems of other machines, by the numbers that the kernel has for them.
const NETWORKS: [(u64, &str); 13] = [
    (0x6969, "NFS"),
    (0x517b, "SMB"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB"),
    (0x0bd0_0bd0, "Lustre"),
    (0x4750_4653, "GPFS"),
    (0x00c3_6400, "Ceph"),
    (0x1983_0326, "BeeGFS"),
    (0xaad7_aaea, "PanFS"),
    (0x5346_414f, "AFS"),
    (0x6b41_4653, "AFS"),
    (0x0102_1997, "9P"),
    (0x7461_636f, "OCFS2"),
];

/// The kind of network file system that a file lies on, if it does.
#[cfg(target_os = "linux")]
pub(super) fn network_of(path: &Utf8Path) -> Option<&'static str> {
    let kind = rustix::fs::statfs(path.as_std_path()).ok()?.f_type as u64;
    // The kernel has some of these numbers with a sign.
    let kind = kind & 0xffff_ffff;
    NETWORKS.iter().find(|(number, _)| *number == kind).map(|(_, name)| *name)
}

/// Elsewhere nothing is known about that.
#[cfg(not(target_os = "linux"))]
pub(super) fn network_of(_: &Utf8Path) -> Option<&'static str> {
    None
}

/// The number of the file that has a name now. The file is not opened, since closing it would end
/// the locks that this process has on it, as POSIX demands.
pub(super) fn inode_of(path: &Utf8Path) -> Result<u64, RegistryError> {
    fs_err::metadata(path).map(|metadata| inode(&metadata)).map_err(look_failed)
}

/// What tells whether somebody has written a database.
#[derive(Debug)]
pub(super) struct FileState {
    inode: u64,
    len: u64,
    modified: Option<SystemTime>,
    counter: Vec<u8>,
    /// Whether committed transactions may be in another file.
    has_log: bool,
    /// Stays open as long as locks matter, since closing it would end those of this process.
    file: fs_err::File,
}

impl FileState {
    fn of(path: &Utf8Path) -> Result<Self, RegistryError> {
        let look = || {
            let mut file = fs_err::File::open(path)?;
            let metadata = file.metadata()?;
            let mut header = [0; 100];
            let length = file.read(&mut header)?;
            let counter = header[..length].get(COUNTER).unwrap_or_default().to_vec();
            let has_log = header[READ_VERSION] == WITH_LOG;
            let (inode, len) = (inode(&metadata), metadata.len());
            Ok(Self { inode, len, modified: metadata.modified().ok(), counter, has_log, file })
        };
        look().map_err(look_failed)
    }

    fn is_same(&self, other: &Self) -> bool {
        let of = |state: &Self| (state.inode, state.len, state.modified);
        of(self) == of(other) && self.counter == other.counter
    }

    /// Copies what the file holds.
    fn copy_to(&mut self, place: &Utf8Path) -> std::io::Result<()> {
        let mut copy = fs_err::File::create(place)?;
        self.file.seek(std::io::SeekFrom::Start(0))?;
        std::io::copy(&mut self.file, &mut copy).map(drop)
    }
}

fn look_failed(source: std::io::Error) -> RegistryError {
    io("look at the registry database", source)
}

#[cfg(unix)]
fn inode(metadata: &std::fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(metadata)
}

#[cfg(not(unix))]
fn inode(_: &std::fs::Metadata) -> u64 {
    0
}

/// A copy of a database that is to take its place.
pub(super) struct Replacement<'a> {
    /// Keeps others from writing the file, where locks are true.
    _lock: OpenTransaction<'a>,
    database: &'a DatabaseFile,
    original: FileState,
    successor: Successor,
    /// Holds the copy, and is removed with it.
    _folder: tempfile::TempDir,
    copy: Utf8PathBuf,
}

/// The database file, open only because closing it would end this process's locks on it.
#[derive(Debug)]
pub(super) struct KeptOpen(#[expect(dead_code, reason = "it is open, that is all")] FileState);

/// What has come of making a copy.
pub(super) enum Copied {
    /// There is one.
    Made(Copy),
    /// There is no room for it on this host, or nothing can take the place of the file, so that
    /// itself must be written.
    InPlace(KeptOpen),
}

/// A copy that nobody has opened yet.
pub(super) struct Copy {
    folder: tempfile::TempDir,
    pub(super) path: Utf8PathBuf,
    original: FileState,
    successor: Successor,
}

impl Copy {
    /// Copies a database that is locked into a new folder inside of another.
    pub(super) fn of(path: &Utf8Path, place: &Path) -> Result<Copied, RegistryError> {
        let mut original = FileState::of(path)?;
        if original.has_log {
            return Ok(Copied::InPlace(KeptOpen(original)));
        }
        let mut copy = || {
            let folder = tempfile::Builder::new().prefix("qbb-registry-").tempdir_in(place)?;
            let copy = Utf8Path::from_path(folder.path())
                .ok_or(std::io::ErrorKind::InvalidFilename)?
                .join("registry.sqlite3");
            original.copy_to(&copy).map(|()| (folder, copy))
        };
        // A full disk is no reason not to go on in the file itself.
        Ok(match Successor::beside(path).and_then(|successor| Ok((copy()?, successor))) {
            Ok(((folder, path), successor)) => {
                Copied::Made(Self { path, original, successor, folder })
            }
            Err(_) => Copied::InPlace(KeptOpen(original)),
        })
    }

    /// What is to happen when the transaction in the copy is done.
    pub(super) fn replacing<'a>(
        self,
        lock: OpenTransaction<'a>,
        database: &'a DatabaseFile,
    ) -> Replacement<'a> {
        Replacement {
            _lock: lock,
            database,
            original: self.original,
            successor: self.successor,
            copy: self.path,
            _folder: self.folder,
        }
    }
}

impl Replacement<'_> {
    /// Puts the copy in the place of the file. Until the last step nothing has changed.
    pub(super) fn publish(mut self) -> Result<(), RegistryError> {
        let _open = self.check_unchanged()?;
        self.successor
            .fill(&self.copy)
            .map_err(|source| io("write the changed registry", source))?;
        let _still_open = self.check_unchanged()?;
        self.successor
            .succeed()
            .map_err(|source| io("put the changed registry in its place", source))
    }

    /// The file as it is, which is as it was.
    fn check_unchanged(&self) -> Result<FileState, RegistryError> {
        let path = self.successor.place();
        let present = FileState::of(path)?;
        let reason = if !present.is_same(&self.original) {
            "somebody else wrote the file meanwhile, in spite of its lock"
        } else if has_journal(path) {
            "somebody else is writing the file, in spite of its lock"
        } else {
            return Ok(present);
        };
        Err(RegistryError::Contended {
            database: self.database.path.to_string(),
            action: "put the changed registry in its place".to_owned(),
            reason: reason.to_owned(),
        })
    }
}

/// Whether there is a journal of a transaction. The lock that we have has none, since nothing is
/// written in it. Beside another database than it was made for, a journal that is left over would
/// spoil that.
fn has_journal(path: &Utf8Path) -> bool {
    ["-journal", "-wal"].iter().any(|end| {
        // Journals that only wait to be used again are empty or begin with zeros.
        let mut first = [0];
        fs_err::File::open(format!("{path}{end}"))
            .and_then(|mut journal| journal.read(&mut first))
            .is_ok_and(|read| read == 1 && first != [0])
    })
}

fn io(action: &str, source: std::io::Error) -> RegistryError {
    RegistryError::Io { action: action.to_owned(), source }
}
