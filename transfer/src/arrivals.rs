//! Files that have come into a datastore, until the registry knows them.

use std::sync::atomic::{AtomicBool, Ordering};

use qbb_datastore::{
    ArtifactIdentity, ArtifactPath, ArtifactStore, ArtifactUri, DatastoreConfig, IfExists, Origins,
    PlacedFile, Placing, PutOptions, StoreError, for_many, open_store,
};

use crate::error::TransferError;
use crate::interruption::{Unregistered, check_interruption, is_interrupted};

/// Brings files into a datastore, many at a time, and removes those that it has brought if it is
/// dropped before [`Arrivals::keep`].
#[derive(Debug)]
pub(crate) struct Arrivals {
    store: Box<dyn ArtifactStore>,
    origins: Origins,
    placing: Placing,
    /// Whether files are copied that cannot be linked.
    or_copy: bool,
    checksum: bool,
    arrived: Vec<Arrival>,
    /// Whether the registry has them.
    kept: bool,
    /// Goes after what was not kept is removed.
    _unregistered: Unregistered,
}

/// A file in its new place.
#[derive(Debug)]
pub(crate) struct Arrival {
    /// As it is recorded.
    pub path: Box<str>,
    /// `None` if there was nothing to bring.
    pub placed: Option<PlacedFile>,
    /// What this attempt has made, if it was not there before.
    created: Option<ArtifactIdentity>,
}

impl Arrivals {
    /// None yet.
    pub fn new(datastore: &DatastoreConfig, placing: Placing) -> Result<Self, TransferError> {
        Ok(Self {
            store: open_store(&datastore.root)?,
            origins: Origins::default(),
            placing,
            or_copy: false,
            checksum: datastore.checksum,
            arrived: Vec::new(),
            kept: false,
            _unregistered: Unregistered::new(),
        })
    }

    /// Has files copied where the file system has no links.
    pub fn copy_what_has_no_links(&mut self) {
        self.or_copy = true;
    }

    /// Root of the datastore.
    pub fn root(&self) -> &ArtifactUri {
        self.store.root()
    }

    /// Number of files that were asked for so far.
    pub fn len(&self) -> usize {
        self.arrived.len()
    }

    /// A file, by its number.
    pub fn get(&self, at: u32) -> &Arrival {
        &self.arrived[at as usize]
    }

    /// Path of the first file that was not where it was said to be.
    pub fn first_missing(&self) -> Option<&str> {
        let missing = self.arrived.iter().find(|arrival| arrival.placed.is_none());
        missing.map(|arrival| &*arrival.path)
    }

    /// Brings files to their paths. `progress` is called after each with its size.
    ///
    /// # Errors
    /// If a file cannot be read, copied or linked, or its place is taken by another one, or if
    /// somebody asked for the end; the rest is not tried then.
    pub fn bring(
        &mut self,
        planned: Vec<(String, ArtifactUri)>,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<(), TransferError> {
        let failed = AtomicBool::new(false);
        let results = for_many(&*self.store, planned.len(), &|at| {
            let (path, source) = &planned[at];
            let mut arrival = Arrival { path: path.as_str().into(), placed: None, created: None };
            if failed.load(Ordering::Relaxed) || is_interrupted() {
                return (arrival, Ok(()));
            }
            let result = self.bring_one(&mut arrival, source);
            failed.fetch_or(result.is_err(), Ordering::Relaxed);
            progress(arrival.placed.as_ref().map_or(0, |placed| placed.size));
            (arrival, result)
        });
        let mut first_error = Ok(());
        for (arrival, result) in results {
            // All of them are remembered, so that they can be removed.
            self.arrived.push(arrival);
            if first_error.is_ok() {
                first_error = result;
            }
        }
        first_error.and_then(|()| check_interruption())
    }

    fn bring_one(&self, arrival: &mut Arrival, source: &ArtifactUri) -> Result<(), TransferError> {
        let path = ArtifactPath::of_record(&arrival.path)?;
        if self.placing != Placing::Copy && source.to_file_path().is_none() {
            return Err(StoreError::NoLinks { place: source.to_string() }.into());
        }
        let file = match self.origins.local_file(source) {
            Err(StoreError::NotFound { .. }) => return Ok(()),
            file => file?,
        };
        let put_as = |placing, if_exists| {
            let options = PutOptions { durable: false, if_exists };
            self.store.place(&path, file.path(), placing, self.checksum, options)
        };
        let put = |if_exists| match put_as(self.placing, if_exists) {
            Err(StoreError::Io { .. } | StoreError::PermissionDenied { .. }) if self.or_copy => {
                put_as(Placing::Copy, if_exists)
            }
            result => result,
        };
        let placed = match put(IfExists::Fail) {
            Ok(placed) => {
                arrival.created = self.store.own_identity(&path);
                placed
            }
            Err(StoreError::AlreadyExists { .. }) => {
                // What an attempt that was killed has left is the same; anything else may belong to
                // another dataset.
                if !self.store.holds_copy(&path, file.path())? {
                    let place = self.store.root().join(&arrival.path);
                    return Err(TransferError::Occupied {
                        place: place.map_or_else(|_| path.to_string(), |uri| shown(&uri)),
                        source_file: shown(source),
                    });
                }
                put(IfExists::Replace)?
            }
            Err(StoreError::NotFound { .. }) if !file.path().exists() => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        arrival.placed = Some(placed);
        Ok(())
    }

    /// Waits until everything that was brought outlives a crash of the machine.
    ///
    /// # Errors
    /// If the system does not say so, or somebody asked for the end.
    pub fn sync(&self) -> Result<(), TransferError> {
        check_interruption()?;
        match self.arrived.iter().any(|arrival| arrival.placed.is_some()) {
            true => Ok(self.store.sync()?),
            false => Ok(()),
        }
    }

    /// Number of files and of bytes that were brought.
    pub fn figures(&self) -> (u64, u64) {
        let sizes = self.arrived.iter().filter_map(|arrival| Some(arrival.placed.as_ref()?.size));
        sizes.fold((0, 0), |(files, bytes), size| (files + 1, bytes + size))
    }

    /// The registry knows the files now.
    pub fn keep(mut self) {
        self.kept = true;
    }
}

/// A place for people: the path of a local file, or the URI.
pub(crate) fn shown(uri: &ArtifactUri) -> String {
    uri.to_file_path().map_or_else(|| uri.to_string(), |path| path.into_string())
}

impl Drop for Arrivals {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        let created: Vec<(ArtifactPath, Option<&ArtifactIdentity>)> = (self.arrived.iter())
            .filter(|arrival| arrival.created.is_some())
            .filter_map(|arrival| {
                let path = ArtifactPath::of_record(&arrival.path).ok()?;
                Some((path, arrival.created.as_ref()))
            })
            .collect();
        // Somebody else who wants the same file may have put another in its place, and registered it.
        let own = for_many(&*self.store, created.len(), &|at| {
            let (path, identity) = &created[at];
            self.store.identity(path).as_ref() == *identity
        });
        let created: Vec<ArtifactPath> = created
            .into_iter()
            .zip(own)
            .filter(|(_, own)| *own)
            .map(|((path, _), _)| path)
            .collect();
        if !created.is_empty() {
            // What cannot be removed is what a later attempt wants.
            let _ = self.store.delete_many(&created);
            self.store.remove_empty_folders(&created);
        }
    }
}
