//! The file that a process' standard error goes to, and how large it may become.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt as _;

use camino::{Utf8Path, Utf8PathBuf};

/// Most that one process may leave in its file, and what is kept of the beginning and of the end if it
/// prints more.
const MOST: u64 = 16 << 20;
const HEAD: u64 = 4 << 20;
const TAIL: u64 = 4 << 20;

/// How much of a dead worker's standard error is shown.
const SHOWN_LINES: usize = 8;
const SHOWN_BYTES: u64 = 4096;

/// A log file, from where a process began to append to it.
#[derive(Debug)]
pub(super) struct LogFile {
    path: Utf8PathBuf,
    begin: u64,
    /// What was left out, once something was.
    gap: Option<Gap>,
}

/// Where the beginning that is kept ends, and the line that says so.
#[derive(Debug, Clone, Copy)]
struct Gap {
    begin: u64,
    line: u64,
    left_out: u64,
}

impl LogFile {
    /// Opens a file for a process to append to.
    ///
    /// # Errors
    /// If it cannot be opened or made.
    pub fn open(path: &Utf8Path) -> io::Result<(File, Self)> {
        let file = fs_err::OpenOptions::new().create(true).append(true).open(path)?;
        let begin = file.metadata()?.len();
        Ok((file.into(), Self { path: path.to_owned(), begin, gap: None }))
    }

    /// Where it is.
    pub fn path(&self) -> &Utf8Path {
        &self.path
    }

    /// Leaves out the middle if the process has printed too much. It goes on behind what is left, since
    /// its file is open for appending; what it prints in this very moment may be lost.
    pub fn bound(&mut self) {
        let length = std::fs::metadata(&self.path).map_or(0, |metadata| metadata.len());
        if length.saturating_sub(self.begin) > MOST {
            // A log that cannot be cut is no reason to disturb anybody.
            let _ = self.cut(length);
        }
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        let file = File::options().read(true).write(true).open(&self.path)?;
        let read = |begin: u64, end: u64| -> io::Result<Vec<u8>> {
            let mut bytes = vec![0; (end - begin) as usize];
            file.read_exact_at(&mut bytes, begin)?;
            Ok(bytes)
        };
        let gap = match self.gap {
            Some(gap) => gap,
            None => {
                let head = read(self.begin, self.begin + HEAD)?;
                let lines = head.iter().rposition(|&byte| byte == b'\n');
                let begin = self.begin + lines.map_or(HEAD, |end| end as u64 + 1);
                Gap { begin, line: 0, left_out: 0 }
            }
        };
        let mut tail = read(length - TAIL, length)?;
        if let Some(end) = tail.iter().position(|&byte| byte == b'\n') {
            tail.drain(..=end);
        }
        let left_out = gap.left_out + (length - tail.len() as u64) - (gap.begin + gap.line);
        let mut text = format!("[qbb: {left_out} bytes that were printed here are left out]\n");
        if file_ends_a_line(&file, gap.begin) != Some(true) {
            text.insert(0, '\n');
        }
        let line = text.len() as u64;
        file.write_all_at(&[text.as_bytes(), &tail].concat(), gap.begin)?;
        file.set_len(gap.begin + line + tail.len() as u64)?;
        self.gap = Some(Gap { line, left_out, ..gap });
        Ok(())
    }

    /// The last lines that the process has printed; empty if there are none or they cannot be read.
    pub fn last_lines(&self) -> String {
        let read = || -> io::Result<String> {
            let mut file = File::open(&self.path)?;
            let length = file.metadata()?.len();
            file.seek(SeekFrom::Start(self.begin.max(length.saturating_sub(SHOWN_BYTES))))?;
            let mut bytes = Vec::new();
            file.take(SHOWN_BYTES).read_to_end(&mut bytes)?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        let text = read().unwrap_or_default();
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n")
    }
}

/// Whether what comes before an offset is the end of a line.
fn file_ends_a_line(file: &File, offset: u64) -> Option<bool> {
    let mut byte = [0];
    let Some(before) = offset.checked_sub(1) else { return Some(true) };
    file.read_exact_at(&mut byte, before).ok()?;
    Some(byte == *b"\n")
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn text(path: &Utf8Path) -> String {
        fs_err::read_to_string(path).unwrap()
    }

    #[test]
    fn only_the_last_lines_of_this_process_are_shown() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = Utf8Path::from_path(file.path()).unwrap();
        fs_err::write(path, "of another process\n").unwrap();
        let (mut stream, log) = LogFile::open(path).unwrap();
        assert_eq!(log.last_lines(), "");
        let ours: String = (0..20).map(|i| format!("line {i}\n\n")).collect();
        stream.write_all(ours.as_bytes()).unwrap();
        let shown = log.last_lines();
        assert!(shown.starts_with("line 12\n") && shown.ends_with("line 19"), "{shown}");
        fs_err::remove_file(path).unwrap();
        assert_eq!(log.last_lines(), "");
    }

    #[test]
    fn beginning_and_end_of_endless_output_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(folder.path()).unwrap().join("log");
        fs_err::write(&path, "of another process\n").unwrap();
        let (mut stream, mut log) = LogFile::open(&path).unwrap();
        log.bound();
        let (mut number, mut printed) = (0, 0);
        for round in 0..5 {
            for _ in 0..180_000 {
                let line = format!("line {number:094}\n");
                stream.write_all(line.as_bytes()).unwrap();
                printed += line.len() as u64;
                number += 1;
            }
            log.bound();
            let text = text(&path);
            assert!((text.len() as u64) < HEAD + TAIL + 200, "round {round}");
            let lines: Vec<&str> = text.lines().collect();
            assert_eq!(lines[0], "of another process");
            assert_eq!(lines[1], format!("line {:094}", 0));
            assert_eq!(lines.last().unwrap(), &format!("line {:094}", number - 1));
            let told: Vec<_> = lines.iter().filter(|line| line.starts_with("[qbb: ")).collect();
            assert_eq!(told.len(), 1);
            let left_out: u64 = told[0].split(' ').nth(1).unwrap().parse().unwrap();
            let kept: usize =
                lines.iter().filter(|line| line.starts_with("line ")).map(|l| l.len() + 1).sum();
            assert_eq!(left_out + kept as u64, printed, "each byte is kept or counted");
            assert!(lines[1..].iter().all(|line| line.len() == 99 || line.starts_with("[qbb: ")));
        }
    }

    #[test]
    fn output_without_lines_is_cut_as_well() {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(folder.path()).unwrap().join("log");
        let (mut stream, mut log) = LogFile::open(&path).unwrap();
        for _ in 0..2 {
            stream.write_all(&vec![b'x'; MOST as usize + 1]).unwrap();
            log.bound();
            let text = text(&path);
            assert_eq!(text.lines().count(), 3);
            assert!(text.lines().nth(1).unwrap().contains("left out"));
        }
    }
}
