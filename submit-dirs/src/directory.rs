//! The layout of a submit directory.
//!
//! ```text
//! DIR/
//!   submit.json      what was asked for and how it was resolved
//!   pipeline.json    the exported pipeline, or pipeline.yaml, the native one
//!   graph.qbb        the quantum graph
//!   journal/         what happened, one file for each process that ran quanta
//!   logs/            what the Python workers said
//!   resources.json   what was learned about the memory of tasks
//!   transfer.lock    locked while the run is transferred
//! ```
//!
//! Everything inside is found relative to the directory, so it can be moved or copied whole; the
//! personal repository and the input files are named absolutely and must stay.

use std::collections::BTreeMap;
use std::io::Write as _;

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use crate::error::SubmitError;

/// Version of `submit.json`.
const VERSION: u32 = 1;

/// What `qbb prepare` was asked for, and how names were resolved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Submission {
    /// Version of this file.
    pub version: u32,
    /// Version of the program that wrote it.
    pub program: String,
    /// When it was made, RFC 3339.
    pub created: String,
    /// The release, as given.
    pub release: String,
    /// The personal repository, as an absolute path.
    pub personal: Utf8PathBuf,
    /// The pipeline, as given.
    pub pipeline: String,
    /// Identity of the graph, which the journal repeats.
    pub graph: String,
    /// All options as given on the command line, by name.
    pub options: BTreeMap<String, serde_json::Value>,
}

impl Submission {
    /// A submission of this version of the format, made now.
    pub fn new(release: &str, personal: &Utf8Path, pipeline: &str) -> Self {
        Self {
            version: VERSION,
            program: format!("qbb {}", env!("CARGO_PKG_VERSION")),
            created: jiff::Timestamp::now().to_string(),
            release: release.to_owned(),
            personal: personal.to_owned(),
            pipeline: pipeline.to_owned(),
            graph: String::new(),
            options: BTreeMap::new(),
        }
    }
}

/// A submit directory on disk.
#[derive(Debug, Clone)]
pub struct SubmitDirectory {
    root: Utf8PathBuf,
    submission: Submission,
}

impl SubmitDirectory {
    /// Makes a directory under another name, lets `fill` put the graph and the pipeline into it,
    /// and gives it its name when it is whole.
    ///
    /// # Errors
    /// If something other than an empty folder is there, if a file cannot be written, or what
    /// `fill` returns.
    pub fn create<E: From<SubmitError>>(
        root: &Utf8Path,
        submission: Submission,
        fill: impl FnOnce(&Self) -> Result<(), E>,
    ) -> Result<Self, E> {
        let parent = match root.parent() {
            Some(parent) if !parent.as_str().is_empty() => parent,
            _ => Utf8Path::new("."),
        };
        Self::check_free(root)?;
        fs_err::create_dir_all(parent).map_err(io(parent, "created"))?;
        let temporary = tempfile::Builder::new()
            .prefix(".qbb-prepare-")
            .tempdir_in(parent)
            .map_err(io(parent, "written to"))?;
        let path = Utf8PathBuf::from_path_buf(temporary.path().to_owned()).map_err(|path| {
            SubmitError::NotASubmitDirectory {
                path: Utf8PathBuf::from(path.to_string_lossy().into_owned()),
                reason: "the path is not UTF-8".to_owned(),
            }
        })?;
        let mut directory = Self { root: path, submission };
        for folder in [directory.journal(), directory.logs()] {
            fs_err::create_dir(&folder).map_err(io(&folder, "created"))?;
        }
        fill(&directory)?;
        directory.write_submission()?;
        if root.exists() {
            fs_err::remove_dir(root).map_err(io(root, "replaced"))?;
        }
        readable_by_others(&directory.root)?;
        fs_err::rename(&directory.root, root).map_err(io(root, "created"))?;
        // The folder has another name now, so there is nothing left to remove.
        let _ = temporary.keep();
        directory.root = root.to_owned();
        Ok(directory)
    }

    /// Checks that nothing is at a place but perhaps an empty folder.
    ///
    /// # Errors
    /// If there is.
    pub fn check_free(root: &Utf8Path) -> Result<(), SubmitError> {
        let occupied = match fs_err::read_dir(root) {
            Ok(mut entries) => entries.next().is_some(),
            Err(_) => root.exists(),
        };
        if occupied { Err(SubmitError::Exists { path: root.to_owned() }) } else { Ok(()) }
    }

    /// Opens a directory made by [`SubmitDirectory::create`].
    ///
    /// # Errors
    /// If it is none, or of a newer version.
    pub fn open(root: &Utf8Path) -> Result<Self, SubmitError> {
        let refuse =
            |reason: String| SubmitError::NotASubmitDirectory { path: root.to_owned(), reason };
        let file = root.join("submit.json");
        let text = match fs_err::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(refuse(match root.exists() {
                    true => "it has no submit.json".to_owned(),
                    false => "it does not exist".to_owned(),
                }));
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => {
                return Err(refuse("it is a file".to_owned()));
            }
            Err(error) => return Err(io(&file, "read")(error)),
        };
        let submission: Submission = serde_json::from_str(&text)
            .map_err(|error| refuse(format!("submit.json cannot be understood: {error}")))?;
        if submission.version != VERSION {
            return Err(refuse(format!(
                "submit.json has version {}, this program knows version {VERSION}",
                submission.version
            )));
        }
        Ok(Self { root: root.to_owned(), submission })
    }

    /// Where it is.
    pub fn root(&self) -> &Utf8Path {
        &self.root
    }

    /// What was asked for.
    pub fn submission(&self) -> &Submission {
        &self.submission
    }

    /// The quantum graph.
    pub fn graph(&self) -> Utf8PathBuf {
        self.root.join("graph.qbb")
    }

    /// The folder of journals.
    pub fn journal(&self) -> Utf8PathBuf {
        self.root.join("journal")
    }

    /// The folder of outputs, until they are transferred to a datastore that is not local.
    pub fn outputs(&self) -> Utf8PathBuf {
        self.root.join("outputs")
    }

    /// The folder of the workers' logs.
    pub fn logs(&self) -> Utf8PathBuf {
        self.root.join("logs")
    }

    /// What runs have learned about the memory of tasks; absent before the first.
    pub fn resources(&self) -> Utf8PathBuf {
        self.root.join("resources.json")
    }

    fn write_submission(&self) -> Result<(), SubmitError> {
        let path = self.root.join("submit.json");
        let text = serde_json::to_string_pretty(&self.submission)
            .map_err(|error| io(&path, "written")(error.into()))?;
        let mut file = fs_err::File::create(&path).map_err(io(&path, "written"))?;
        file.write_all(text.as_bytes())
            .and_then(|()| file.write_all(b"\n"))
            .and_then(|()| file.sync_all())
            .map_err(io(&path, "written"))
    }
}

fn io<'a>(path: &'a Utf8Path, action: &'static str) -> impl Fn(std::io::Error) -> SubmitError + 'a {
    move |source| SubmitError::Io { path: path.to_owned(), action, source }
}

/// Temporary folders are private; a submit directory is as open as any folder of its owner.
fn readable_by_others(root: &Utf8Path) -> Result<(), SubmitError> {
    use std::os::unix::fs::PermissionsExt as _;
    let mask = rustix::process::umask(rustix::fs::Mode::empty());
    rustix::process::umask(mask);
    let mode = 0o777 & !mask.bits();
    fs_err::set_permissions(root, std::fs::Permissions::from_mode(mode))
        .map_err(io(root, "opened to others"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch() -> (tempfile::TempDir, Utf8PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap();
        (folder, path)
    }

    fn submission() -> Submission {
        Submission::new("release", Utf8Path::new("/me"), "pipeline.yaml")
    }

    #[test]
    fn a_directory_appears_whole_and_opens_again() {
        let (_folder, path) = scratch();
        let root = path.join("deep/run1");
        let made = SubmitDirectory::create(&root, submission(), |directory| {
            fs_err::write(directory.graph(), b"graph").map_err(io(&directory.graph(), "written"))
        })
        .unwrap();
        assert_eq!(made.graph(), root.join("graph.qbb"));
        assert_eq!(fs_err::read(made.graph()).unwrap(), b"graph");
        let opened = SubmitDirectory::open(&root).unwrap();
        assert_eq!(opened.submission(), made.submission());
        assert!(opened.journal().is_dir());

        let moved = path.join("moved");
        fs_err::rename(&root, &moved).unwrap();
        let opened = SubmitDirectory::open(&moved).unwrap();
        assert_eq!(fs_err::read(opened.graph()).unwrap(), b"graph");
    }

    #[test]
    fn nothing_is_left_when_filling_fails() {
        let (_folder, path) = scratch();
        let root = path.join("run1");
        let failed = SubmitDirectory::create(&root, submission(), |_| {
            Err(SubmitError::Exists { path: "x".into() })
        });
        assert!(failed.is_err());
        assert_eq!(fs_err::read_dir(&path).unwrap().count(), 0);
    }

    #[test]
    fn what_is_there_is_not_overwritten() {
        let (_folder, path) = scratch();
        let root = path.join("run1");
        fs_err::create_dir(&root).unwrap();
        SubmitDirectory::create(&root, submission(), |_| Ok::<_, SubmitError>(())).unwrap();
        let again = SubmitDirectory::create(&root, submission(), |_| Ok::<_, SubmitError>(()));
        assert!(matches!(again, Err(SubmitError::Exists { .. })));
    }

    #[test]
    fn other_folders_are_refused_with_the_reason() {
        let (_folder, path) = scratch();
        let error = SubmitDirectory::open(&path.join("nope")).unwrap_err().to_string();
        assert!(error.ends_with("is not a submit directory: it does not exist"), "{error}");
        let error = SubmitDirectory::open(&path).unwrap_err().to_string();
        assert!(error.ends_with("is not a submit directory: it has no submit.json"), "{error}");
        fs_err::write(path.join("submit.json"), r#"{"version": 9}"#).unwrap();
        assert!(SubmitDirectory::open(&path).is_err());
    }
}
