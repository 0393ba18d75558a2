//! `qbb retrieve-artifacts`.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};

use camino::{Utf8Path, Utf8PathBuf};
use qbb_datastore::{ArtifactUri, Retrieval, TransferMode, retrieve};
use qbb_query::{datasets, files};
use serde::Serialize;

use super::open;
use super::selection::{dataset_query, note_limit};
use crate::arguments::{RetrieveArguments, RetrieveMode};
use crate::output::{ExitCode, Failure, ProgressBars, Terminal};

/// What was brought.
#[derive(Debug, Serialize)]
struct Retrieved {
    datasets: usize,
    files: usize,
    /// Bytes, as far as they are recorded.
    bytes: i64,
    destination: Utf8PathBuf,
    dry_run: bool,
}

/// Brings files into a folder; one that several datasets share is brought once.
pub fn execute(arguments: &RetrieveArguments, terminal: Terminal) -> Result<ExitCode, Failure> {
    let (config, mut reader) = open(&arguments.repository)?;
    let universe = reader.universe().clone();
    let query = dataset_query(&arguments.dataset_type, &arguments.datasets, &universe)?;
    let mut snapshot = reader.snapshot()?;
    let mut found = datasets(&universe, &mut *snapshot, &query)?;
    let files = files(&mut *snapshot, &mut found)?;
    drop(snapshot);
    let keeps_path = !arguments.no_preserve_path;
    let destination = std::path::absolute(&arguments.destination)
        .ok()
        .and_then(|path| Utf8PathBuf::from_path_buf(path).ok())
        .unwrap_or_else(|| arguments.destination.clone());
    let root = &config.datastore.root;
    // Several datasets may be in one file; which one a target is from is checked.
    let mut places: BTreeMap<Utf8PathBuf, Utf8PathBuf> = BTreeMap::new();
    let mut bytes: HashMap<Utf8PathBuf, i64> = HashMap::new();
    for (path, size) in files.path.iter().zip(&files.file_size) {
        let uri = root.join(path).map_err(Failure::from_error)?;
        let source = uri.to_file_path().ok_or_else(|| {
            Failure::input(format!("{uri} is no local file"))
                .with_hint("only files of local datastores can be retrieved in this version")
        })?;
        let target = destination.join(place(path, &source, root, keeps_path));
        if let Some(other) = places.insert(target.clone(), source.clone())
            && other != source
        {
            return Err(Failure::input(format!("{other} and {source} would both become {target}"))
                .with_hint("leave out --no-preserve-path, or choose fewer datasets"));
        }
        bytes.insert(source, (*size).max(0));
    }
    let retrievals: Vec<Retrieval> =
        places.into_iter().map(|(target, source)| Retrieval { source, target }).collect();
    if !arguments.dry_run {
        let bars = ProgressBars::new(terminal);
        bars.count("bringing files", 0, retrievals.len() as u64);
        let done = AtomicU64::new(0);
        let one_more = || bars.position(done.fetch_add(1, Ordering::Relaxed) + 1);
        retrieve(&retrievals, mode(arguments.transfer), arguments.clobber, &one_more).map_err(
            |error| {
                let exists = matches!(error, qbb_datastore::StoreError::AlreadyExists { .. });
                let failure = Failure::from_error(error);
                match exists {
                    true => failure.with_hint("--clobber replaces files that are there already"),
                    false => failure,
                }
            },
        )?;
    }
    let result = Retrieved {
        datasets: found.len(),
        files: retrievals.len(),
        bytes: bytes.values().sum(),
        destination,
        dry_run: arguments.dry_run,
    };
    note_limit(terminal, &arguments.datasets.conditions, found.more);
    terminal.result(&result, |result| {
        let verb = if result.dry_run { "would be brought" } else { "brought" };
        format!(
            "{} files of {} datasets {verb} to {}",
            result.files, result.datasets, result.destination
        )
    })?;
    Ok(ExitCode::Success)
}

/// Where a file is to be below the destination. Files outside of the datastore's root keep their
/// absolute path.
fn place(path: &str, source: &Utf8Path, root: &ArtifactUri, keeps_path: bool) -> Utf8PathBuf {
    if !keeps_path {
        return source.file_name().unwrap_or(path).into();
    }
    let inside = root.to_file_path();
    let relative = inside.as_deref().and_then(|root| source.strip_prefix(root).ok());
    relative.map_or_else(|| source.as_str().trim_start_matches('/').into(), Utf8Path::to_owned)
}

fn mode(mode: RetrieveMode) -> TransferMode {
    match mode {
        RetrieveMode::Auto => TransferMode::Auto,
        RetrieveMode::Copy => TransferMode::Copy,
        RetrieveMode::Link => TransferMode::Link,
        RetrieveMode::Hardlink => TransferMode::Hardlink,
        RetrieveMode::Symlink => TransferMode::Symlink,
        RetrieveMode::Relsymlink => TransferMode::RelativeSymlink,
    }
}
