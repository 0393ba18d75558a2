//! Reading the journal files of a directory, and what is appended to them later.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::{Mutex, PoisonError};

use camino::{Utf8Path, Utf8PathBuf};
use qbb_graph::QuantumGraph;
use rayon::prelude::*;
use rustc_hash::FxHashMap;
use uuid::Uuid;

use super::attempt_sink::AttemptSink;
use super::directory::journal_files;
use super::error::JournalError;
use super::header::{HEADER, JournalHeader};
use super::merging::FileProgress;
use super::piece::{Piece, Reading, Stop};
use super::reader::Tail;
use super::state::{Detail, JournalState};
use super::stretch::{PIECE, Stretch, next_valid_frame};
use crate::GraphIdentity;

/// What a journal must fit: which graph it is of, and how many things its columns are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GraphOutline {
    /// What tells the graph from others.
    pub identity: GraphIdentity,
    /// Number of quanta, without those that initialise tasks.
    pub n_quanta: usize,
    /// Number of datasets.
    pub n_datasets: usize,
}

impl GraphOutline {
    /// Of a graph, whose identity is computed.
    pub fn of(graph: &QuantumGraph) -> Self {
        Self::known(graph, GraphIdentity::of(graph))
    }

    /// Of a graph whose identity was computed before.
    pub fn known(graph: &QuantumGraph, identity: GraphIdentity) -> Self {
        Self { identity, n_quanta: graph.quanta.len(), n_datasets: graph.datasets.len() }
    }
}

/// Keeps the state of a journal directory up to date, reading only what was appended.
///
/// It disturbs nobody: files are opened for reading, for the time of a [poll](Self::poll). A frame
/// that is being written is left for the next poll.
#[derive(Debug)]
pub struct JournalFollower {
    directory: Utf8PathBuf,
    graph: GraphOutline,
    files: BTreeMap<Utf8PathBuf, FileProgress>,
    state: JournalState,
    /// Where files of runs that were taken for dead end, whatever was appended later.
    fences: FxHashMap<Uuid, u64>,
    polls: u64,
    /// Bytes that are read at once.
    piece: u64,
}

/// Pieces that each thread reads before they are merged.
const AT_ONCE: usize = 8;

/// A file that has something new.
struct OpenFile {
    file: File,
    progress: FileProgress,
}

impl JournalFollower {
    /// Reads what there is; a directory that does not exist is an empty one.
    ///
    /// # Errors
    /// If a file cannot be read, is not a journal, or belongs to another graph.
    pub fn open(directory: &Utf8Path, graph: &QuantumGraph) -> Result<Self, JournalError> {
        Self::open_with(directory, GraphOutline::of(graph), Detail::Full, &mut ())
    }

    /// As [`JournalFollower::open`], of a graph that need not be there, with as much as `detail`
    /// says; `sink` is told of all attempts.
    ///
    /// # Errors
    /// As for [`JournalFollower::open`].
    pub fn open_with(
        directory: &Utf8Path,
        graph: GraphOutline,
        detail: Detail,
        sink: &mut (dyn AttemptSink + Send),
    ) -> Result<Self, JournalError> {
        let mut follower = Self::new(directory, graph, detail);
        follower.poll_with(sink)?;
        Ok(follower)
    }

    /// A follower that has read nothing yet.
    fn new(directory: &Utf8Path, graph: GraphOutline, detail: Detail) -> Self {
        Self {
            directory: directory.to_owned(),
            graph,
            files: BTreeMap::new(),
            state: JournalState::of_directory(directory, detail, graph.n_quanta, graph.n_datasets),
            fences: FxHashMap::default(),
            polls: 0,
            piece: PIECE,
        }
    }

    /// The state at the last poll.
    pub fn state(&self) -> &JournalState {
        &self.state
    }

    /// The files that were read, those without a header yet left out.
    pub fn files(&self) -> impl Iterator<Item = &Utf8Path> {
        self.files.keys().map(Utf8PathBuf::as_path)
    }

    /// The state, without following any more.
    pub fn into_state(self) -> JournalState {
        self.state
    }

    /// Takes in what is new; tells whether anything is.
    ///
    /// # Errors
    /// As for [`JournalFollower::open`]. The state is then that of an earlier poll, or of a part of
    /// what is new.
    pub fn poll(&mut self) -> Result<bool, JournalError> {
        self.poll_with(&mut ())
    }

    /// As [`JournalFollower::poll`]; `sink`, the same in all calls, is told of new attempts.
    ///
    /// # Errors
    /// As for [`JournalFollower::open`].
    pub fn poll_with(&mut self, sink: &mut (dyn AttemptSink + Send)) -> Result<bool, JournalError> {
        let mut changed = self.take_in(sink)?;
        // What was read behind a fence that nobody knew of must be forgotten.
        while self.learn_fences() {
            self.start_again(sink);
            self.take_in(sink)?;
            changed = true;
        }
        let warnings = std::mem::take(&mut self.state.warnings);
        self.sum_up();
        self.polls += 1;
        Ok(changed || warnings != self.state.warnings)
    }

    fn start_again(&mut self, sink: &mut dyn AttemptSink) {
        sink.start_again();
        self.files.clear();
        let (graph, detail) = (self.graph, self.state.detail);
        self.state =
            JournalState::of_directory(&self.directory, detail, graph.n_quanta, graph.n_datasets);
    }

    /// Notes where files end that a later run has taken over; tells whether too much was read.
    fn learn_fences(&mut self) -> bool {
        for file in self.files.values() {
            for &(writer, end) in file.superseded.iter().filter(|&&(w, _)| w != file.writer) {
                // The header always counts as read.
                let end = end.max(HEADER as u64);
                let fence = self.fences.entry(writer).or_insert(end);
                *fence = end.min(*fence);
            }
        }
        (self.files.values())
            .any(|file| self.fences.get(&file.writer).is_some_and(|&end| end < file.offset))
    }

    /// Reads what is new; tells whether anything is.
    fn take_in(&mut self, sink: &mut (dyn AttemptSink + Send)) -> Result<bool, JournalError> {
        let mut files = self.look()?;
        let mut changed = false;
        if self.must_start_again(&files) {
            self.start_again(sink);
            self.fences.clear();
            changed = true;
        }
        let before = self.files.len();
        // A process that gave up has removed its file, which said nothing of quanta.
        self.files.retain(|path, _| files.contains_key(path));
        changed |= self.files.len() != before || self.polls == 0;
        files.retain(|path, (_, length)| {
            // A tail that was torn may have become whole without the file becoming longer.
            self.files.get(path).is_none_or(|known| known.offset != *length)
        });
        let mut open = Vec::with_capacity(files.len());
        for (path, (file, length)) in files {
            if let Some(mut progress) = self.progress(&path, &file, length, sink)? {
                let fence = self.fences.get(&progress.writer).copied();
                progress.length = length.min(fence.unwrap_or(u64::MAX));
                open.push(OpenFile { file, progress });
            }
        }
        let read = self.read(&mut open, sink);
        for OpenFile { progress, .. } in open {
            self.files.insert(progress.path.clone(), progress);
        }
        Ok(changed | read?)
    }

    /// All files with their lengths. Opened anew each time, since that is when network file systems
    /// ask the server what there is.
    fn look(&self) -> Result<BTreeMap<Utf8PathBuf, (File, u64)>, JournalError> {
        let mut files = BTreeMap::new();
        for path in journal_files(&self.directory)? {
            let file = match File::open(&path) {
                Ok(file) => file,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(JournalError::io("open", &path)(error)),
            };
            let length = file.metadata().map_err(JournalError::io("read", &path))?.len();
            files.insert(path, (file, length));
        }
        Ok(files)
    }

    /// Whether something that was read is not there any more.
    fn must_start_again(&self, files: &BTreeMap<Utf8PathBuf, (File, u64)>) -> bool {
        self.files.iter().any(|(path, known)| match files.get(path) {
            Some((_, length)) => *length < known.offset,
            None => known.adds_to_state,
        })
    }

    /// What is known of a file; `None` if it has no whole header.
    fn progress(
        &mut self,
        path: &Utf8Path,
        file: &File,
        length: u64,
        sink: &mut (dyn AttemptSink + Send),
    ) -> Result<Option<FileProgress>, JournalError> {
        if let Some(known) = self.files.remove(path) {
            return Ok(Some(known));
        }
        let read = |bytes: &mut [u8; HEADER]| file.read_exact_at(bytes, 0);
        let Some(header) = JournalHeader::of_file(length, path, read)? else {
            return Ok(None);
        };
        if header.graph != self.graph.identity {
            let path = path.to_owned();
            let (found, wanted) = (header.graph, self.graph.identity);
            return Err(JournalError::OtherGraph { path, found, wanted });
        }
        Ok(Some(FileProgress::new(path, &header, &mut self.state, sink)))
    }

    /// Reads what is new in files, some pieces at a time, merging those read before meanwhile.
    fn read(
        &mut self,
        files: &mut [OpenFile],
        sink: &mut (dyn AttemptSink + Send),
    ) -> Result<bool, JournalError> {
        let begins: Vec<u64> = files.iter().map(|file| file.progress.offset).collect();
        let lengths: Vec<u64> = files.iter().map(|file| file.progress.length).collect();
        let handles: Vec<File> = (files.iter())
            .map(|open| {
                open.file.try_clone().map_err(JournalError::io("read", &open.progress.path))
            })
            .collect::<Result<_, _>>()?;
        let paths: Vec<Utf8PathBuf> = files.iter().map(|open| open.progress.path.clone()).collect();
        let mut stretches = (begins.iter().zip(&lengths).enumerate())
            .flat_map(|(number, (&begin, &length))| stretches(number, begin, length, self.piece))
            .peekable();
        let readings: Vec<Reading> = (files.iter())
            .map(|open| Reading { writer: open.progress.number, detail: self.state.detail })
            .collect();
        let at_once = AT_ONCE * rayon::current_num_threads();
        let buffers: Mutex<Vec<Vec<u8>>> = Mutex::default();
        let mut last: Vec<(usize, Stretch, Piece)> = Vec::new();
        let mut broken = vec![false; files.len()];
        while stretches.peek().is_some() || !last.is_empty() {
            let next: Vec<(usize, Stretch)> = stretches.by_ref().take(at_once).collect();
            let (state, sink) = (&mut self.state, &mut *sink);
            let (merged, read) = rayon::join(
                || {
                    for (number, stretch, piece) in last.drain(..) {
                        if !broken[number] {
                            broken[number] =
                                !merge_piece(&mut files[number], state, sink, stretch, piece)?;
                        }
                    }
                    Ok::<_, JournalError>(())
                },
                || {
                    (next.into_par_iter())
                        .map(|(number, stretch)| {
                            // Buffers are whole whatever became of their last users.
                            let spare = || buffers.lock().unwrap_or_else(PoisonError::into_inner);
                            let mut buffer = spare().pop().unwrap_or_default();
                            let reading = readings[number];
                            let read = Piece::read(&handles[number], stretch, reading, &mut buffer);
                            spare().push(buffer);
                            read.map(|piece| (number, stretch, piece))
                                .map_err(JournalError::io("read", &paths[number]))
                        })
                        .collect::<Result<Vec<_>, _>>()
                },
            );
            merged?;
            last = read?;
        }
        for file in files.iter_mut() {
            file.judge_tail()?;
        }
        Ok(files.iter().zip(&begins).any(|(file, &begin)| file.progress.offset != begin))
    }

    fn sum_up(&mut self) {
        self.state.runs.clear();
        self.state.unproven.clear();
        self.state.warnings.clear();
        for file in self.files.values() {
            file.sum_up(&mut self.state, self.fences.contains_key(&file.writer));
        }
        self.state.runs.sort_by_key(|run| (run.started, run.writer));
    }
}

fn stretches(
    number: usize,
    begin: u64,
    length: u64,
    piece: u64,
) -> impl Iterator<Item = (usize, Stretch)> + use<> {
    let n = length.saturating_sub(begin).div_ceil(piece);
    (0..n).map(move |i| {
        let from = begin + i * piece;
        let until = (from + piece).min(length);
        (number, Stretch { from, until, aligned: i == 0, length })
    })
}

/// Merges a piece behind what was merged before; `false` if there is nothing more to merge.
fn merge_piece(
    open: &mut OpenFile,
    state: &mut JournalState,
    sink: &mut dyn AttemptSink,
    stretch: Stretch,
    piece: Piece,
) -> Result<bool, JournalError> {
    let expected = open.progress.offset;
    if expected >= stretch.until {
        // A frame that began before the piece covers it.
        return Ok(true);
    }
    let piece = if piece.begin == expected {
        piece
    } else {
        // Its first frame was too long to be recognised, or is damaged.
        let aligned = Stretch { from: expected, aligned: true, ..stretch };
        let reading = Reading { writer: open.progress.number, detail: state.detail };
        (Piece::read(&open.file, aligned, reading, &mut Vec::new()))
            .map_err(JournalError::io("read", &open.progress.path))?
    };
    let goes_on = piece.stop == Stop::Until;
    open.progress.merge(state, sink, piece)?;
    Ok(goes_on)
}

impl OpenFile {
    /// Tells a frame that is being written, or never was finished, from damage in the middle.
    fn judge_tail(&mut self) -> Result<(), JournalError> {
        let (offset, length) = (self.progress.offset, self.progress.length);
        self.progress.tail = if offset >= length {
            Tail::Clean
        } else {
            let next = next_valid_frame(&self.file, offset, length)
                .map_err(JournalError::io("read", &self.progress.path))?;
            match next {
                Some(next_valid) => Tail::Damaged { offset, next_valid, length },
                None => Tail::Torn { offset },
            }
        };
        Ok(())
    }
}

#[cfg(test)]
#[path = "follower_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "merging_tests.rs"]
mod merging_tests;
