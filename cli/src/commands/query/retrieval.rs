//! `qbb retrieve-artifacts`.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};

use camino::{Utf8Path, Utf8PathBuf};
use qbb_datastore::{
    INDEX_NAME, Retrieval, RetrievalFolder, RetrievalSource, StoreError, TransferMode,
};
use qbb_query::{ArtifactIndex, FoundDatasets, archive_name, datasets, files};
use qbb_registry::DatastoreRecordRows;
use serde::Serialize;

use super::artifact_places::{ArtifactPlaces, Layout};
use super::open;
use super::selection::{dataset_query, note_limit};
use crate::arguments::{RetrieveArguments, RetrieveMode};
use crate::output::{ExitCode, Failure, ProgressBars, Terminal, remove_at_signals};

/// What was brought.
#[derive(Debug, Serialize)]
struct Retrieved {
    datasets: usize,
    files: usize,
    /// Bytes, as far as they are recorded.
    bytes: i64,
    destination: Utf8PathBuf,
    /// The archive, if one was made or is to be.
    archive: Option<Utf8PathBuf>,
    dry_run: bool,
}

/// Brings files into a folder, with an index that the middleware reads; one that several datasets
/// share is brought once.
pub fn execute(arguments: &RetrieveArguments, terminal: Terminal) -> Result<ExitCode, Failure> {
    let (config, mut reader) = open(&arguments.repository)?;
    let universe = reader.universe().clone();
    let mut query = dataset_query(&arguments.dataset_type, &arguments.datasets, &universe)?;
    // The index has them.
    query.selection.with_records = true;
    let mut snapshot = reader.snapshot()?;
    let mut found = datasets(&universe, &mut *snapshot, &query)?;
    let records = files(&mut *snapshot, &mut found)?;
    drop(snapshot);
    check_all_recorded(&found, &records)?;
    let layout = match (arguments.zip, arguments.no_preserve_path) {
        (true, _) => Layout::Archive,
        (false, true) => Layout::Together,
        (false, false) => Layout::Folders,
    };
    let places = ArtifactPlaces::new(&config.datastore.root, &records, layout)?;
    let destination = std::path::absolute(&arguments.destination)
        .ok()
        .and_then(|path| Utf8PathBuf::from_path_buf(path).ok())
        .unwrap_or_else(|| arguments.destination.clone());
    let archive = (arguments.zip && !found.is_empty())
        .then(|| archive_name(places.indexed.iter().map(|artifact| artifact.path.as_str())));
    if destination.exists() && !destination.is_dir() {
        return Err(Failure::input(format!("{destination} is not a folder"))
            .with_hint("name the folder in which the files are to be; it is made if need be"));
    }
    if !arguments.dry_run && !found.is_empty() {
        let index = ArtifactIndex {
            universe: &universe,
            found: &found,
            records: &records,
            artifacts: &places.indexed,
        };
        let index = index.to_json().map_err(Failure::internal)?;
        bring(
            arguments,
            terminal,
            (&destination, archive.as_deref()),
            places.retrievals.as_slice(),
            &index,
        )?;
    }
    let result = Retrieved {
        datasets: found.len(),
        files: places.retrievals.len(),
        bytes: places.bytes,
        archive: archive.map(|name| destination.join(name)),
        destination,
        dry_run: arguments.dry_run,
    };
    note_limit(terminal, &arguments.datasets.conditions, found.more);
    terminal.result(&result, |result| {
        let verb = if result.dry_run { "would be brought" } else { "brought" };
        let place = result.archive.as_ref().unwrap_or(&result.destination);
        format!("{} files of {} datasets {verb} to {place}", result.files, result.datasets)
    })?;
    Ok(ExitCode::Success)
}

/// Brings artifacts, then the index that says that all are there; or makes an archive.
fn bring(
    arguments: &RetrieveArguments,
    terminal: Terminal,
    (destination, archive): (&Utf8Path, Option<&str>),
    retrievals: &[Retrieval],
    index: &[u8],
) -> Result<(), Failure> {
    let folder = RetrievalFolder::open(destination).map_err(|error| {
        let message = format!("the folder {destination} cannot be made or written");
        Failure::system(message, error)
    })?;
    let unfinished = folder.unfinished().to_owned();
    let cleared = move || {
        // Other threads may still be making files.
        while std::fs::remove_dir_all(&unfinished).is_err() && unfinished.exists() {}
    };
    remove_at_signals(cleared)
        .map_err(|error| Failure::system("signals cannot be waited for", error))?;
    let bars = ProgressBars::new(terminal);
    bars.count("bringing files", 0, retrievals.len() as u64);
    let done = AtomicU64::new(0);
    let one_more = || bars.position(done.fetch_add(1, Ordering::Relaxed) + 1);
    let replace = arguments.clobber;
    let brought = match archive {
        Some(name) => {
            let members: Vec<(&RetrievalSource, &str)> =
                retrievals.iter().map(|r| (&r.source, r.target.as_str())).collect();
            folder.write_archive(name.into(), index, &members, replace, &one_more)
        }
        None => {
            folder.bring(retrievals, mode(arguments.transfer), replace, &one_more).and_then(|()| {
                folder.publish(INDEX_NAME.into(), true, |to| {
                    std::fs::write(to, index).map_err(|e| StoreError::of_io("write", to, e))
                })
            })
        }
    };
    brought.map_err(|error| {
        let exists = matches!(error, StoreError::AlreadyExists { .. });
        let failure = Failure::from_error(error);
        match exists {
            true => failure.with_hint("--clobber replaces what is there and differs"),
            false => failure,
        }
    })
}

/// As the middleware's command, brings all or nothing.
fn check_all_recorded(found: &FoundDatasets, records: &DatastoreRecordRows) -> Result<(), Failure> {
    let recorded: HashSet<&[u8; 16]> = records.id.iter().collect();
    let mut missing = found.tables.iter().flat_map(|table| {
        let rows = (0..table.len()).filter(|&row| !recorded.contains(&table.id[row]));
        rows.map(move |row| (table, row))
    });
    let Some((table, row)) = missing.next() else { return Ok(()) };
    let name = &table.dataset_type.dataset_type.name;
    let data_id = table.data_ids.describe(row as u32, &found.symbols);
    let others = match missing.count() {
        0 => String::new(),
        more => format!(", and {more} more datasets have none"),
    };
    Err(Failure::input(format!("no file is recorded of `{name}` {data_id}{others}"))
        .with_hint("choose datasets that are stored; `qbb get-uri` says of one whether it is"))
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
