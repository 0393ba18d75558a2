//! Putting right what can be put right without a doubt.

use qbb_datastore::{RepositoryConfig, open_store};
use qbb_registry::{RegistryWriter, TrueSize};
use rustc_hash::FxHashSet;
use uuid::Uuid;

use crate::error::UpkeepError;
use crate::finding::FindingKind;
use crate::trash::{EmptiedTrash, empty_trash, is_absolute};
use crate::verification::Verification;

/// What a repair has changed.
#[derive(Debug, Default)]
pub struct Repairs {
    /// Records that got the true size of their file.
    pub sizes: u64,
    /// Datasets that count as stored again.
    pub locations: u64,
    /// What was in the trash.
    pub trash: EmptiedTrash,
}

/// Puts right what can be put right without a doubt: sizes where none is recorded, datasets with
/// records and files that do not count as stored, and the trash. Referenced files, and their
/// records, stay as they are.
///
/// # Errors
/// If the registry cannot be written.
pub fn repair(
    config: &RepositoryConfig,
    registry: &mut dyn RegistryWriter,
    verification: &Verification,
) -> Result<Repairs, UpkeepError> {
    let store = open_store(&config.datastore.root)?;
    let mut sizes = Vec::new();
    let mut missing: FxHashSet<Uuid> = FxHashSet::default();
    let mut unlocated = Vec::new();
    for finding in &verification.findings {
        match (finding.kind, finding.dataset, &finding.path, finding.size) {
            (FindingKind::UnknownSize, Some(id), Some(path), Some(size)) if !is_absolute(path) => {
                if let Ok(size) = i64::try_from(size) {
                    let component = finding.component.as_deref();
                    sizes.push(TrueSize { id: *id.as_bytes(), component, size });
                }
            }
            (FindingKind::MissingFile | FindingKind::Unreadable, Some(id), ..) => {
                missing.insert(id);
            }
            (FindingKind::NotLocated, Some(id), ..) => unlocated.push(id),
            _ => {}
        }
    }
    // A dataset without its file is not stored, whatever its record says.
    let located: Vec<[u8; 16]> =
        unlocated.into_iter().filter(|id| !missing.contains(id)).map(|id| *id.as_bytes()).collect();
    let mut repairs = Repairs::default();
    if !sizes.is_empty() || !located.is_empty() {
        let mut transaction = registry.begin()?;
        repairs.sizes = transaction.record_sizes(&sizes)?;
        repairs.locations = transaction.record_locations(&located)?;
        transaction.commit()?;
    }
    repairs.trash = empty_trash(registry, &*store, &mut |_| {})?;
    Ok(repairs)
}
