//! Whether datasets may come that a repository has with another storage class.

use camino::Utf8Path;
use qbb_datastore::RepositoryConfig;
use qbb_exports::conversions;
use qbb_transfer::StorageClassDifference;

/// Says what stands in the way, if storage classes do not convert into each other in both
/// directions, as the middleware demands.
pub fn check_conversions(
    differences: &[StorageClassDifference],
    repository: &RepositoryConfig,
    python: Option<&Utf8Path>,
) -> Result<(), String> {
    let pairs: Vec<(&str, &str)> = (differences.iter())
        .map(|difference| (difference.written.as_str(), difference.registered.as_str()))
        .collect();
    if pairs.is_empty() {
        return Ok(());
    }
    let answers = conversions(python, &repository.storage_classes, &pairs);
    let mut wrong = Vec::new();
    for (at, difference) in differences.iter().enumerate() {
        let StorageClassDifference { dataset_type, registered, written } = difference;
        let reason = match answers.as_ref().map(|answers| (answers[at].forth, answers[at].back)) {
            Ok((true, true)) => continue,
            Ok((true, false)) => format!("{registered} does not convert to {written}"),
            Ok((false, true)) => format!("{written} does not convert to {registered}"),
            Ok((false, false)) => "neither converts to the other".to_owned(),
            Err(error) => format!("whether they convert cannot be told: {error}"),
        };
        wrong.push(format!(
            "dataset type `{dataset_type}` is registered in {} with storage class {registered}, and \
             comes with {written}: {reason}",
            repository.file
        ));
    }
    if wrong.is_empty() {
        return Ok(());
    }
    Err(format!(
        "{}. Write another dataset type (`-c TASK:connections.NAME=other_name` when a run is \
         prepared), or have the storage classes converted (`converters` below `storageClasses` in \
         the repository's configuration)",
        wrong.join("; ")
    ))
}

/// One message for all that will be read as something else.
pub fn conversion_note(differences: &[StorageClassDifference]) -> Option<String> {
    let list: Vec<String> = (differences.iter())
        .map(|StorageClassDifference { dataset_type, registered, written }| {
            format!("{dataset_type} ({written} as {registered})")
        })
        .collect();
    (!list.is_empty()).then(|| {
        format!(
            "read as the repository's own storage classes, which differ and convert: {}",
            list.join(", ")
        )
    })
}
