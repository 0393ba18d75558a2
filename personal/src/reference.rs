//! Bringing datasets that were chosen by condition from one repository into another.

use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};

use qbb_datastore::{ArtifactUri, Placing, RepositoryConfig};
use qbb_dimensions::{Symbols, Universe};
use qbb_query::DatasetQuery;
use qbb_registry::{
    CollectionKind, NewCollection, RegistryReader, Transaction, open_reader, open_writer,
};
use qbb_transfer::{
    DatasetColumns, Definitions, Insertion, InsertionReport, MemberColumns, Placement,
    StorageClassDifference, attempted, conform, storage_class_differences,
};
use rustc_hash::FxHashSet;
use serde::Serialize;

use crate::choice::{Choice, Structure};
use crate::pieces::{Part, ids, pieces, with_files, without_files_of};
use crate::selection_error::SelectionError;

/// Which datasets come, and what comes with them.
#[derive(Clone)]
pub struct SelectionRequest<'a> {
    /// The datasets.
    pub query: &'a DatasetQuery,
    /// Collections that come with them.
    pub structure: Structure,
    /// How files come into the destination's datastore; `None` has them stay where they are, and
    /// recorded by absolute URI.
    pub placing: Option<Placing>,
    /// Whether dataset types are registered that are not there.
    pub register_dataset_types: bool,
    /// Whether dimension records come with them.
    pub dimension_records: bool,
    /// Asked about dataset types that the destination has with another storage class, if there are
    /// any; says what stands in the way of reading datasets as what is registered.
    pub check_conversions: &'a dyn Fn(&[StorageClassDifference]) -> Result<(), String>,
    /// Only count.
    pub dry_run: bool,
}

/// What came.
#[derive(Debug, Clone, Default, Serialize)]
pub struct SelectionReport {
    /// Whether nothing was to be changed.
    pub dry_run: bool,
    /// Chosen datasets by type, by name.
    pub dataset_types: Vec<TypeCount>,
    /// Whether a limit left some out.
    pub more: bool,
    /// Chosen datasets without a file, which stay behind.
    pub missing: u64,
    /// Collections that are registered, with what is in chains.
    pub collections: u64,
    /// Memberships in TAGGED and CALIBRATION collections.
    pub memberships: u64,
    /// Chains that were there with other children, which they keep.
    pub chains_kept: Vec<String>,
    /// Dataset types that the destination has with another storage class, as which they are read.
    pub storage_classes: Vec<StorageClassDifference>,
    /// Files that were placed in the destination's datastore.
    pub files: u64,
    /// Their size in bytes.
    pub bytes: u64,
    /// What was new; absent for a dry run.
    pub inserted: Option<InsertionReport>,
}

/// Datasets of one type.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct TypeCount {
    /// The dataset type.
    pub dataset_type: String,
    /// Number of datasets that have files.
    pub datasets: u64,
    /// Of these, those that the destination stores already.
    pub present: u64,
    /// Size of their files in bytes, as far as it is recorded.
    pub bytes: u64,
    /// Files whose size is not recorded.
    pub unknown_sizes: u64,
}

/// Brings datasets from `source` into `destination`, all in one transaction: with their ids,
/// dimension records, dataset types and collections. What is there already stays as it is, so a
/// second call changes nothing; but what was only referred to gets a file if one is wanted. How
/// many statements read depends on the number of batches of datasets, not on that of RUNs; how many
/// write depends on dataset types and collections. `progress` is told what is being done, and how
/// much of how much is done.
///
/// # Errors
/// If the question cannot be answered, the repositories do not fit, or the destination refuses.
pub fn reference(
    request: &SelectionRequest<'_>,
    source: &RepositoryConfig,
    destination: &RepositoryConfig,
    progress: &(dyn Fn(&str, u64, u64) + Sync),
) -> Result<SelectionReport, SelectionError> {
    if source.file == destination.file {
        return Err(SelectionError::Same { place: source.file.to_string() });
    }
    let mut registry = open_reader(source)?;
    let mut personal = open_reader(destination)?;
    let universe = registry.universe().clone();
    if *universe != **personal.universe() {
        let text = |u: &Universe| format!("{} version {}", u.namespace(), u.version());
        return Err(SelectionError::OtherUniverse {
            destination: text(personal.universe()),
            source_universe: text(&universe),
        });
    }
    let mut snapshot = registry.snapshot()?;
    let choice = Choice::read(&universe, &mut *snapshot, request.query, request.structure)?;
    let mut dataset_types = choice.definitions.dataset_types.clone();
    let storage_classes = storage_class_differences(&dataset_types, &mut *personal)?;
    if !storage_classes.is_empty() {
        (request.check_conversions)(&storage_classes)
            .map_err(|reason| SelectionError::StorageClass { reason })?;
        conform(&mut dataset_types, &storage_classes);
    }
    let mut report = SelectionReport {
        dry_run: request.dry_run,
        more: choice.more,
        storage_classes,
        collections: choice.definitions.collections.len() as u64,
        memberships: choice.members.iter().map(|members| members.id.len() as u64).sum(),
        ..SelectionReport::default()
    };
    let stored = look_up(&mut *personal, &choice, request)?;
    let pieces = pieces(&choice.groups);
    let (total, mut seen) = (choice.len(), 0);
    // Datasets without files.
    let mut missing: FxHashSet<[u8; 16]> = FxHashSet::default();
    if request.dry_run {
        for piece in &pieces {
            let (batches, lost) = with_files(&mut *snapshot, source, piece)?;
            batches.iter().for_each(|batch| report.count(batch, &stored.any));
            missing.extend(lost);
            seen += length(piece);
            progress("counting", seen, total);
        }
        report.missing = missing.len() as u64;
        return Ok(report);
    }
    // Files are in their places before anything is registered.
    let mut placed = Vec::new();
    let mut placement = None;
    let mut replaced = Vec::new();
    if let Some(placing) = request.placing {
        let place = placement.insert(Placement::new(&destination.datastore, &universe, placing)?);
        let done = AtomicU64::new(0);
        for piece in &pieces {
            let (batches, lost) = with_files(&mut *snapshot, source, piece)?;
            missing.extend(lost);
            for batch in batches {
                report.count(&batch, &stored.any);
                let batch = without_files_of(batch, &stored.own);
                let dataset_type = (choice.definitions.dataset_types.iter())
                    .find(|known| known.name == batch.dataset_type);
                let Some(dataset_type) = dataset_type else { continue };
                let records = &choice.definitions.records;
                let outcome =
                    place.place(&batch, dataset_type, records, &choice.symbols, &|_| {
                        progress("placing files", done.fetch_add(1, Ordering::Relaxed) + 1, total);
                    })?;
                replaced.extend(
                    (outcome.datasets.id.iter())
                        .filter(|id| stored.any.contains(*id) && !stored.own.contains(*id)),
                );
                missing.extend(outcome.missing);
                placed.push(outcome.datasets);
            }
        }
        place.sync()?;
    }
    let definitions = Definitions {
        records: match request.dimension_records {
            true => Cow::Borrowed(&*choice.definitions.records),
            false => Cow::default(),
        },
        dataset_types,
        collections: choice.definitions.collections.clone(),
    };
    let mut writer = open_writer(destination)?;
    let counted = report.clone();
    let mut report = attempted(|| {
        let (mut report, mut seen) = (counted.clone(), 0);
        let mut transaction = writer.begin_large()?;
        report.chains_kept = chains_kept(&mut *transaction, &choice.definitions.collections)?;
        let mut insertion = Insertion::new(&mut *transaction);
        insertion.define(&definitions, &choice.symbols)?;
        insertion.forget_files(&replaced)?;
        insertion.all_datasets(&placed, &choice.symbols)?;
        seen += placed.iter().map(|batch| batch.len() as u64).sum::<u64>();
        progress("registering", seen, total);
        if request.placing.is_none() {
            for piece in &pieces {
                let (batches, lost) = with_files(&mut *snapshot, source, piece)?;
                missing.extend(lost);
                batches.iter().for_each(|batch| report.count(batch, &stored.any));
                let batches: Vec<DatasetColumns> = (batches.into_iter())
                    .map(|batch| without_files_of(batch, &stored.any))
                    .collect();
                insertion.all_datasets(&batches, &choice.symbols)?;
                seen += length(piece);
                progress("registering", seen, total);
            }
        }
        if missing.is_empty() {
            insertion.members(&choice.members, &choice.symbols)?;
        } else {
            let members: Vec<MemberColumns> =
                choice.members.iter().map(|members| without(members, &missing)).collect();
            insertion.members(&members, &choice.symbols)?;
        }
        report.missing = missing.len() as u64;
        report.inserted = Some(insertion.report());
        transaction.commit()?;
        Ok::<SelectionReport, SelectionError>(report)
    })?;
    if let Some(placement) = placement {
        (report.files, report.bytes) = placement.placed();
        placement.keep();
    }
    Ok(report)
}

/// Number of datasets.
fn length(piece: &[Part<'_>]) -> u64 {
    piece.iter().map(|(_, rows)| rows.len() as u64).sum()
}

/// Chains that are there with other children.
fn chains_kept(
    transaction: &mut dyn Transaction,
    collections: &[NewCollection],
) -> Result<Vec<String>, SelectionError> {
    let mut kept = Vec::new();
    for chain in collections.iter().filter(|known| known.kind == CollectionKind::Chained) {
        if let Some(children) = transaction.chain_children(&chain.name)?
            && children != chain.children
        {
            kept.push(chain.name.clone());
        }
    }
    Ok(kept)
}

/// Datasets that a repository has files of.
#[derive(Default)]
struct Stored {
    /// All of them.
    any: FxHashSet<[u8; 16]>,
    /// Those whose files are all in its own datastore.
    own: FxHashSet<[u8; 16]>,
}

/// Which of the chosen datasets the destination stores; checks that it has their dataset types, if
/// they may not be registered.
fn look_up(
    personal: &mut dyn RegistryReader,
    choice: &Choice,
    request: &SelectionRequest<'_>,
) -> Result<Stored, SelectionError> {
    let mut snapshot = personal.snapshot()?;
    if !request.register_dataset_types {
        let known: FxHashSet<String> =
            snapshot.dataset_types()?.into_iter().map(|known| known.dataset_type.name).collect();
        let names: Vec<String> = (choice.definitions.dataset_types.iter())
            .map(|dataset_type| dataset_type.name.clone())
            .filter(|name| !known.contains(name))
            .collect();
        if !names.is_empty() {
            return Err(SelectionError::Unregistered { names });
        }
    }
    let mut stored = Stored::default();
    let mut elsewhere: FxHashSet<[u8; 16]> = FxHashSet::default();
    let mut symbols = Symbols::new();
    for piece in pieces(&choice.groups) {
        let records = snapshot.datastore_records_of(&ids(&piece), &mut symbols)?;
        for (id, path) in records.id.iter().zip(&records.path) {
            stored.any.insert(*id);
            if ArtifactUri::parse(path).is_ok() {
                elsewhere.insert(*id);
            }
        }
    }
    if request.placing.is_some() {
        stored.own = stored.any.difference(&elsewhere).copied().collect();
    }
    Ok(stored)
}

/// Memberships without those of some datasets.
fn without(members: &MemberColumns, lost: &FxHashSet<[u8; 16]>) -> MemberColumns {
    let mut kept =
        MemberColumns::new(&members.dataset_type, &members.collection, members.keys.len());
    for (row, id) in members.id.iter().enumerate().filter(|(_, id)| !lost.contains(*id)) {
        let timespan = members.timespan.as_ref().map(|timespans| timespans[row]);
        kept.push(*id, members.keys.iter().map(|column| column[row]), timespan);
    }
    kept
}

impl SelectionReport {
    /// Counts the datasets of a batch.
    fn count(&mut self, batch: &DatasetColumns, stored: &FxHashSet<[u8; 16]>) {
        let name = &batch.dataset_type;
        if self.dataset_types.last().is_none_or(|last| last.dataset_type != *name) {
            self.dataset_types
                .push(TypeCount { dataset_type: name.clone(), ..TypeCount::default() });
        }
        let Some(count) = self.dataset_types.last_mut() else { return };
        count.datasets += batch.len() as u64;
        count.present += batch.id.iter().filter(|id| stored.contains(*id)).count() as u64;
        for (_, file) in batch.files.iter() {
            match u64::try_from(file.file_size) {
                Ok(size) => count.bytes += size,
                Err(_) => count.unknown_sizes += 1,
            }
        }
    }
}
