//! Bringing artifacts out of object stores into a folder.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};

use camino::Utf8Path;

use crate::many::at_once;
use crate::retrieval::{Retrieval, TransferMode};
use crate::retrieval_folder::RetrievalFolder;
use crate::store_error::StoreError;
use crate::uri::ArtifactUri;

/// What one thread brings.
enum Task<'a> {
    Object(&'a ArtifactUri, &'a Utf8Path),
    /// Members of one archive.
    Members(&'a ArtifactUri, Vec<(&'a str, &'a Utf8Path)>),
}

impl RetrievalFolder {
    /// How many requests are worth making at once, for the store of the first artifact.
    pub(crate) fn requests_at_once<'a>(
        &self,
        mut sources: impl Iterator<Item = &'a ArtifactUri>,
    ) -> Result<Option<NonZeroUsize>, StoreError> {
        match sources.find(|uri| uri.to_file_path().is_none()) {
            Some(uri) => Ok(self.origins.find(uri)?.0.requests_at_once()),
            None => Ok(None),
        }
    }

    /// Refuses what a mode does not do with objects, before anything is brought.
    pub(crate) fn check_mode(remote: &[&Retrieval], mode: TransferMode) -> Result<(), StoreError> {
        let linked = remote.iter().find(|retrieval| retrieval.source.member.is_none());
        match (mode, linked) {
            (TransferMode::Auto | TransferMode::Copy, _) | (_, None) => Ok(()),
            (_, Some(retrieval)) => {
                Err(StoreError::NoLinks { place: retrieval.source.uri.to_string() })
            }
        }
    }

    /// Brings objects and members of archives that are objects, as many at a time as their store takes
    /// requests. After the first failure nothing is begun.
    pub(crate) fn bring_remote(
        &self,
        wanted: &[&Retrieval],
        replace: bool,
        done: &(dyn Fn() + Sync),
    ) -> Result<(), StoreError> {
        let mut tasks = Vec::new();
        let mut archives: BTreeMap<&ArtifactUri, Vec<(&str, &Utf8Path)>> = BTreeMap::new();
        for Retrieval { source, target } in wanted {
            match &source.member {
                None => tasks.push(Task::Object(&source.uri, target)),
                Some(member) => archives.entry(&source.uri).or_default().push((member, target)),
            }
        }
        tasks.extend(archives.into_iter().map(|(uri, members)| Task::Members(uri, members)));
        let requests = self.requests_at_once(wanted.iter().map(|r| &r.source.uri))?;
        let failed = AtomicBool::new(false);
        let results = at_once(requests, tasks.len(), &|at| {
            if failed.load(Ordering::Relaxed) {
                return Ok(());
            }
            let result = match &tasks[at] {
                Task::Object(uri, target) => {
                    self.bring_object(uri, target, replace).inspect(|()| done())
                }
                Task::Members(uri, members) => self.bring_members(uri, members, replace, done),
            };
            failed.fetch_or(result.is_err(), Ordering::Relaxed);
            result
        });
        results.into_iter().collect()
    }

    fn bring_object(
        &self,
        uri: &ArtifactUri,
        target: &Utf8Path,
        replace: bool,
    ) -> Result<(), StoreError> {
        let (store, path) = self.origins.find(uri)?;
        self.publish(target, replace, |unfinished| store.fetch(&path, unfinished).map(drop))
    }

    /// Whether a local file has the content of an object.
    pub(crate) fn is_copy_of(
        &self,
        uri: &ArtifactUri,
        place: &Utf8Path,
    ) -> Result<bool, StoreError> {
        let (store, path) = self.origins.find(uri)?;
        store.holds_copy(&path, place)
    }
}
