//! Looking again at what seems to be wrong.
//!
//! A registry and its files are never seen at the same moment. Whoever compares them while datasets
//! come or go finds files that are gone already, or not registered yet. So nothing is told that a
//! second look, at the registry as it is by then, does not confirm; and as long as there is less of it
//! from look to look, somebody is at work on it and will go on.

use std::thread::sleep;
use std::time::Duration;

use qbb_datastore::{ArtifactPath, ArtifactStore, ListedArtifact, StoreError, for_many};
use qbb_registry::DatastoreContents;
use rustc_hash::FxHashSet;

use crate::error::UpkeepError;
use crate::finding::{Finding, FindingKind};
use crate::listing::Listing;

/// How long before the next look: longer than a removal usually takes from file to file.
const PAUSE: Duration = Duration::from_millis(300);

/// What is looked at again.
#[derive(Debug, Default)]
pub(crate) struct Suspects {
    /// Datasets with which something seems to be wrong.
    datasets: FxHashSet<[u8; 16]>,
    /// Files that seem to belong to none.
    pub(crate) files: FxHashSet<String>,
}

/// What another look at them has found.
#[derive(Debug, Default)]
pub(crate) struct SecondLook {
    pub(crate) findings: Vec<Finding>,
    /// How many of their files are there.
    pub(crate) files: usize,
}

/// Leaves out what is gone when it is looked at again.
///
/// # Errors
/// Those of `look`.
pub(crate) fn confirmed(
    findings: Vec<Finding>,
    look: &mut dyn FnMut(&Suspects) -> Result<SecondLook, UpkeepError>,
) -> Result<Vec<Finding>, UpkeepError> {
    let (mut problems, mut others): (Vec<Finding>, Vec<Finding>) =
        findings.into_iter().partition(|finding| finding.kind.is_problem());
    let mut files = None;
    while !problems.is_empty() {
        sleep(PAUSE);
        let again = look(&Suspects::of(&problems))?;
        let before: FxHashSet<_> = problems.iter().map(key).collect();
        let (lasting, new): (Vec<Finding>, Vec<Finding>) =
            again.findings.into_iter().partition(|finding| before.contains(&key(finding)));
        others.extend(new.into_iter().filter(|finding| !finding.kind.is_problem()));
        // What is in the trash goes file by file, and is forgotten at the end.
        let is_trash = |finding: &Finding| finding.kind == FindingKind::Trash;
        let is_steady = files == Some(again.files) || !lasting.iter().any(is_trash);
        let is_less = lasting.len() < problems.len();
        (problems, files) = (lasting, Some(again.files));
        if is_steady && !is_less {
            break;
        }
    }
    problems.append(&mut others);
    problems.sort_unstable();
    problems.dedup_by_key(|finding| key(finding));
    Ok(problems)
}

/// What two looks at the same thing have in common.
fn key(finding: &Finding) -> (FindingKind, Option<[u8; 16]>, Option<String>, Option<String>) {
    let dataset = finding.dataset.map(|id| *id.as_bytes());
    (finding.kind, dataset, finding.path.clone(), finding.component.clone())
}

impl Suspects {
    fn of(findings: &[Finding]) -> Self {
        let mut suspects = Self::default();
        for finding in findings {
            match (finding.dataset, &finding.path) {
                (Some(id), _) => drop(suspects.datasets.insert(*id.as_bytes())),
                (None, Some(path)) => drop(suspects.files.insert(path.clone())),
                (None, None) => {}
            }
        }
        suspects
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.datasets.len() + self.files.len()
    }

    /// What a registry says of them, and of datasets to which their files belong by now.
    pub(crate) fn within(
        &self,
        all: &DatastoreContents,
        inside: impl Fn(&str) -> Option<ArtifactPath>,
    ) -> DatastoreContents {
        let mut datasets = self.datasets.clone();
        let is_meant = |record: &usize| {
            self.datasets.contains(&all.id[*record])
                || inside(&all.path[*record]).is_some_and(|path| self.files.contains(path.as_str()))
        };
        let records: Vec<usize> = (0..all.id.len()).filter(is_meant).collect();
        datasets.extend(records.iter().map(|&record| all.id[record]));
        let of =
            |ids: &[[u8; 16]]| ids.iter().filter(|id| datasets.contains(*id)).copied().collect();
        DatastoreContents {
            id: records.iter().map(|&record| all.id[record]).collect(),
            path: records.iter().map(|&record| all.path[record].clone()).collect(),
            component: records.iter().map(|&record| all.component[record]).collect(),
            checksum: records.iter().map(|&record| all.checksum[record].clone()).collect(),
            file_size: records.iter().map(|&record| all.file_size[record]).collect(),
            components: all.components.clone(),
            located: of(&all.located),
            trashed: of(&all.trashed),
            registered: of(&all.registered),
        }
    }
}

impl Listing {
    /// Looks at single artifacts of a store.
    pub(crate) fn of(
        store: &dyn ArtifactStore,
        paths: FxHashSet<String>,
    ) -> Result<Self, UpkeepError> {
        let paths: Vec<String> = paths.into_iter().collect();
        let sizes = for_many(store, paths.len(), &|at| match ArtifactPath::plain(&paths[at])
            .and_then(|path| store.size(&path))
        {
            Ok(size) => Ok(Some(size)),
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        });
        let mut files = Vec::new();
        for (path, size) in paths.into_iter().zip(sizes) {
            files.extend(size?.map(|size| ListedArtifact { path, size }));
        }
        Ok(Self::new(files))
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn finding(kind: FindingKind, id: u128) -> Finding {
        let dataset = Some(Uuid::from_u128(id));
        Finding { kind, dataset, path: None, detail: None, component: None, size: None }
    }

    /// Findings that are there at the looks one after the other; how often it was looked, and what
    /// is told.
    fn told(looks: &[(&[Finding], usize)]) -> (usize, Vec<Finding>) {
        let mut looked = 0;
        let told = confirmed(looks[0].0.to_vec(), &mut |suspects| {
            looked += 1;
            let (findings, files) = looks[looked];
            assert!(suspects.len() > 0);
            Ok(SecondLook { findings: findings.to_vec(), files })
        });
        (looked, told.unwrap())
    }

    #[test]
    fn what_is_gone_at_the_second_look_is_not_told() {
        let [gone, stays] = [1, 2].map(|id| finding(FindingKind::MissingFile, id));
        let both = [gone, stays.clone()];
        let one = [stays];
        // As long as there is less of it, it is looked at again.
        assert_eq!(told(&[(&both, 2), (&one, 1), (&one, 1)]), (2, one.to_vec()));
        assert_eq!(told(&[(&both, 2), (&one, 1), (&[], 0)]), (2, Vec::new()));
        assert_eq!(told(&[(&both, 2), (&both, 2)]), (1, both.to_vec()));
    }

    #[test]
    fn something_else_that_seems_wrong_later_is_not_told() {
        let [before, after] = [1, 2].map(|id| finding(FindingKind::WrongSize, id));
        // What is only unknown is told at once, and is no reason to look again.
        let unknown = finding(FindingKind::UnknownSize, 1);
        let now = [unknown.clone(), after];
        assert_eq!(
            told(&[(std::slice::from_ref(&before), 1), (&now, 1)]),
            (1, vec![unknown.clone()])
        );
        // Nor is anything told twice.
        let both = [before.clone(), unknown.clone()];
        assert_eq!(told(&[(&both, 1), (&both, 1)]), (1, both.to_vec()));
        assert_eq!(told(&[(std::slice::from_ref(&unknown), 1)]), (0, vec![unknown]));
    }

    #[test]
    fn trash_that_somebody_is_emptying_is_waited_for() {
        let trash = [finding(FindingKind::Trash, 1)];
        let looks: [(&[Finding], usize); 4] = [(&trash, 9), (&trash, 7), (&trash, 3), (&[], 0)];
        assert_eq!(told(&looks), (3, Vec::new()));
        let left = [(&trash[..], 9), (&trash[..], 9), (&trash[..], 9)];
        assert_eq!(told(&left), (2, trash.to_vec()));
    }
}
