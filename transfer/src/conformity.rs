//! Dataset types that a repository has registered with another storage class.

use qbb_dimensions::DatasetType;
use qbb_registry::RegistryReader;
use rustc_hash::FxHashMap;

use crate::error::TransferError;

/// A dataset type whose storage class is another one in the personal repository.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct StorageClassDifference {
    /// The dataset type.
    pub dataset_type: String,
    /// Storage class in the personal repository, which counts there.
    pub registered: String,
    /// Storage class of the datasets that come.
    pub written: String,
}

/// Which of some dataset types are registered with another storage class, and are the same in
/// everything else; those that differ in more are for the registry to refuse.
///
/// The middleware lets such datasets come if the storage classes convert into each other, in both
/// directions, and reads them as what is registered.
///
/// # Errors
/// If the registry cannot be read.
pub fn storage_class_differences<'a>(
    dataset_types: impl IntoIterator<Item = &'a DatasetType>,
    personal: &mut dyn RegistryReader,
) -> Result<Vec<StorageClassDifference>, TransferError> {
    let registered = personal.snapshot()?.dataset_types()?;
    let by_name: FxHashMap<&str, &DatasetType> = (registered.iter())
        .map(|known| (known.dataset_type.name.as_str(), &known.dataset_type))
        .collect();
    let mut differences = Vec::new();
    for wanted in dataset_types {
        let Some(known) = by_name.get(wanted.name.as_str()) else { continue };
        let as_registered =
            DatasetType { storage_class: known.storage_class.clone(), ..wanted.clone() };
        if known.storage_class != wanted.storage_class && **known == as_registered {
            differences.push(StorageClassDifference {
                dataset_type: wanted.name.clone(),
                registered: known.storage_class.clone(),
                written: wanted.storage_class.clone(),
            });
        }
    }
    Ok(differences)
}

/// Takes the registered storage classes for those that datasets come with.
pub fn conform(dataset_types: &mut [DatasetType], differences: &[StorageClassDifference]) {
    for dataset_type in dataset_types {
        if let Some(difference) =
            differences.iter().find(|difference| difference.dataset_type == dataset_type.name)
        {
            dataset_type.storage_class.clone_from(&difference.registered);
        }
    }
}
