//! A disk of which a crash leaves what had been synced, and of the rest whatever file systems may leave.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use qbb_datastore::disk::DiskRequest;

/// A change to the disk.
#[derive(Debug, Clone)]
pub enum Change {
    Create(Utf8PathBuf),
    Append(Utf8PathBuf, Vec<u8>),
    Cut(Utf8PathBuf, u64),
    Rename(Utf8PathBuf, Utf8PathBuf),
    Link(Utf8PathBuf, Utf8PathBuf),
    Remove(Utf8PathBuf),
    MakeFolder(Utf8PathBuf),
    SyncFile(Utf8PathBuf),
    SyncFolder(Utf8PathBuf),
    SyncFileSystem(Utf8PathBuf),
}

impl Change {
    pub fn of(request: DiskRequest<'_>) -> Self {
        match request {
            DiskRequest::Create(path) => Self::Create(path.to_owned()),
            DiskRequest::Append(path, bytes) => Self::Append(path.to_owned(), bytes.to_vec()),
            DiskRequest::Cut(path, length) => Self::Cut(path.to_owned(), length),
            DiskRequest::Rename(from, to) => Self::Rename(from.to_owned(), to.to_owned()),
            DiskRequest::Link(from, to) => Self::Link(from.to_owned(), to.to_owned()),
            DiskRequest::Remove(path) => Self::Remove(path.to_owned()),
            DiskRequest::MakeFolder(path) => Self::MakeFolder(path.to_owned()),
            DiskRequest::SyncFile(path) => Self::SyncFile(path.to_owned()),
            DiskRequest::SyncFolder(path) => Self::SyncFolder(path.to_owned()),
            DiskRequest::SyncFileSystem(path) => Self::SyncFileSystem(path.to_owned()),
        }
    }

    /// The name that it changes.
    fn name(&self) -> Option<&Utf8Path> {
        match self {
            Self::Create(path)
            | Self::Rename(_, path)
            | Self::Link(_, path)
            | Self::Remove(path)
            | Self::MakeFolder(path) => Some(path),
            _ => None,
        }
    }
}

/// A file by what it contains, whatever its names.
#[derive(Debug, Clone, Default)]
struct Content {
    bytes: Vec<u8>,
    /// How much of it is on disk for sure.
    durable: usize,
}

/// Names, each with the number of a file; folders have none.
pub type Names = BTreeMap<Utf8PathBuf, Option<usize>>;

/// A disk, and what of it would survive.
#[derive(Debug, Default)]
pub struct Disk {
    files: Vec<Content>,
    pub names: Names,
    pub durable_names: Names,
    /// Changes of names that are not durable, each with the file it concerns.
    pending: Vec<(Change, Option<usize>)>,
}

impl Disk {
    /// All that is below some folders, as durable.
    pub fn of(folders: &[Utf8PathBuf]) -> Self {
        let mut disk = Self::default();
        let mut folders = folders.to_vec();
        while let Some(folder) = folders.pop() {
            if !folder.exists() {
                continue;
            }
            disk.names.insert(folder.clone(), None);
            for entry in folder.read_dir_utf8().unwrap() {
                let path = entry.unwrap().into_path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let bytes = fs_err::read(&path).unwrap();
                    disk.names.insert(path, Some(disk.files.len()));
                    disk.files.push(Content { durable: bytes.len(), bytes });
                }
            }
        }
        disk.durable_names = disk.names.clone();
        disk
    }

    fn file(&mut self, path: &Utf8Path) -> Option<&mut Content> {
        let number = (*self.names.get(path)?)?;
        self.files.get_mut(number)
    }

    pub fn apply(&mut self, change: &Change) {
        let mut concerned = None;
        match change {
            Change::Create(path) => {
                if self.names.contains_key(path) {
                    return;
                }
                concerned = Some(self.files.len());
                self.files.push(Content::default());
            }
            Change::Append(path, bytes) => {
                self.file(path).unwrap().bytes.extend_from_slice(bytes);
            }
            Change::Cut(path, length) => {
                let file = self.file(path).unwrap();
                file.bytes.truncate(*length as usize);
                file.durable = file.durable.min(file.bytes.len());
            }
            Change::Rename(from, _) | Change::Link(from, _) => {
                concerned = self.names.get(from).copied().flatten();
                // It is made outside of what is watched.
                if concerned.is_none() {
                    return;
                }
            }
            Change::SyncFile(path) => {
                if let Some(file) = self.file(path) {
                    file.durable = file.bytes.len();
                }
            }
            Change::SyncFolder(folder) => {
                self.sync_names(|name| name.parent() == Some(folder));
            }
            // The journal may be on another one.
            Change::SyncFileSystem(root) => {
                self.sync_names(|name| name.starts_with(root));
                for (_, file) in self.names.iter().filter(|(name, _)| name.starts_with(root)) {
                    if let Some(file) = file.and_then(|number| self.files.get_mut(number)) {
                        file.durable = file.bytes.len();
                    }
                }
            }
            Change::MakeFolder(_) | Change::Remove(_) => {}
        }
        if change.name().is_some() {
            rename(&mut self.names, change, concerned);
            self.pending.push((change.clone(), concerned));
        }
    }

    /// Makes names durable, some of them.
    fn sync_names(&mut self, which: impl Fn(&Utf8Path) -> bool) {
        for (change, concerned) in std::mem::take(&mut self.pending) {
            if change.name().is_some_and(&which) {
                rename(&mut self.durable_names, &change, concerned);
            } else {
                self.pending.push((change, concerned));
            }
        }
    }

    /// What a crash leaves.
    pub fn crash(mut self) -> (Names, Vec<Vec<u8>>) {
        let mut names = std::mem::take(&mut self.durable_names);
        // In each folder the first so many changes are there.
        let mut left: BTreeMap<Utf8PathBuf, usize> = BTreeMap::new();
        for (change, _) in &self.pending {
            *left.entry(change.name().unwrap().parent().unwrap().to_owned()).or_default() += 1;
        }
        for count in left.values_mut() {
            *count = match fastrand::u8(0..3) {
                0 => 0,
                1 => *count,
                _ => fastrand::usize(0..=*count),
            };
        }
        for (change, concerned) in &self.pending {
            let count = left.get_mut(change.name().unwrap().parent().unwrap()).unwrap();
            if *count > 0 {
                *count -= 1;
                rename(&mut names, change, *concerned);
            }
        }
        // What is appended to for long, so that there are blocks in its middle.
        let has_blocks = |number: usize| {
            let name = names.iter().find(|(_, file)| **file == Some(number));
            let ending = name.and_then(|(name, _)| name.extension());
            matches!(ending, Some("journal" | "pack"))
        };
        let files = (self.files.iter().enumerate())
            .map(|(number, file)| {
                let length = match fastrand::u8(0..4) {
                    0 => file.durable,
                    1 => fastrand::usize(file.durable..=file.bytes.len()),
                    _ => file.bytes.len(),
                };
                let mut bytes = file.bytes[..length].to_vec();
                if length > file.durable && has_blocks(number) && fastrand::bool() {
                    // A block that was not written before a later one.
                    let from = fastrand::usize(file.durable..length);
                    let until = fastrand::usize(from..=length.min(from + 512));
                    bytes[from..until].fill(0);
                }
                bytes
            })
            .collect();
        (names, files)
    }
}

/// Changes names as a request did.
fn rename(names: &mut Names, change: &Change, concerned: Option<usize>) {
    match change {
        Change::Create(path) | Change::Link(_, path) => {
            names.insert(path.clone(), concerned);
        }
        Change::MakeFolder(path) => {
            names.entry(path.clone()).or_insert(None);
        }
        Change::Rename(from, to) => {
            names.remove(from);
            names.insert(to.clone(), concerned);
        }
        Change::Remove(path) => {
            names.remove(path);
        }
        _ => {}
    }
}
