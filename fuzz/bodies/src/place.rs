//! Files for readers that want a path.

use camino::{Utf8Path, Utf8PathBuf};
use tempfile::TempDir;

/// A folder of this thread, in memory where the system has such a place.
struct Place(TempDir);

impl Place {
    #[expect(clippy::expect_used, reason = "without a folder nothing can be tested")]
    fn new() -> Self {
        let memory = std::path::Path::new("/dev/shm");
        let folder = match memory.is_dir() {
            true => tempfile::tempdir_in(memory),
            false => tempfile::tempdir(),
        };
        Self(folder.expect("a temporary folder can be made"))
    }
}

thread_local! {
    static PLACE: Place = Place::new();
}

/// Calls `read` with the folder that holds nothing but a file with these bytes, and the file.
#[expect(clippy::expect_used, reason = "without the file nothing can be tested")]
pub(crate) fn with_file(name: &str, bytes: &[u8], read: impl FnOnce(&Utf8Path, &Utf8Path)) {
    PLACE.with(|place| {
        let folder = Utf8Path::from_path(place.0.path()).expect("the folder has a name in UTF-8");
        let path: Utf8PathBuf = folder.join(name);
        // A new file for each: that of the last call may still be mapped.
        fs_err::write(&path, bytes).expect("a temporary file can be written");
        read(folder, &path);
        fs_err::remove_file(&path).expect("a temporary file can be removed");
    });
}
