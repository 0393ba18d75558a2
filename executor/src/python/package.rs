//! The Python package that this program carries with it.

use std::env;
use std::io;

use camino::{Utf8Path, Utf8PathBuf};

macro_rules! embedded {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("../../../python/qbb_worker/", $name)))),*]
    };
}

/// Name and text of each file of the package.
const FILES: [(&str, &str); 26] = embedded![
    "__init__.py",
    "adjustment.py",
    "build_session.py",
    "butler.py",
    "channel.py",
    "conditions.py",
    "conversions.py",
    "data_ids.py",
    "diagnosis.py",
    "errors.py",
    "execute.py",
    "export.py",
    "forking.py",
    "graph.py",
    "hooks.py",
    "init_outputs.py",
    "pipelines.py",
    "places.py",
    "process.py",
    "records.py",
    "serve.py",
    "service.py",
    "sources.py",
    "storage.py",
    "supplement.py",
    "tables.py",
];

const NAME: &str = "qbb_worker";

/// The package, unpacked where Python can import it.
#[derive(Debug, Clone)]
pub struct WorkerPackage {
    folder: Utf8PathBuf,
}

/// The package cannot be unpacked.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot unpack the Python package to {folder}: {source}; set XDG_CACHE_HOME to a folder \
         that can be written"
)]
pub struct PackageError {
    /// Where to.
    pub folder: Utf8PathBuf,
    /// Why not.
    pub source: io::Error,
}

impl WorkerPackage {
    /// Unpacks the package to the user's cache folder, unless it is there.
    ///
    /// The folder's name depends on the content, so different versions of this program do not
    /// disturb each other, and a running worker never sees a file change.
    ///
    /// # Errors
    /// If the folder cannot be written.
    pub fn unpack() -> Result<Self, PackageError> {
        Self::unpack_below(&Self::cache_folder())
    }

    /// The user's folder for files that this program can make again.
    #[must_use]
    pub fn cache_folder() -> Utf8PathBuf {
        cache_folder(env::var("XDG_CACHE_HOME").ok(), env::var("HOME").ok())
    }

    fn unpack_below(cache: &Utf8Path) -> Result<Self, PackageError> {
        let folder = cache.join("python").join(content_hash());
        let package = folder.join(NAME);
        if is_complete(&package) {
            return Ok(Self { folder });
        }
        match write_package(&folder, &package) {
            Ok(()) => Ok(Self { folder }),
            // Another process may have been faster.
            Err(_) if is_complete(&package) => Ok(Self { folder }),
            Err(source) => Err(PackageError { folder, source }),
        }
    }

    /// The folder to put on Python's search path.
    pub fn folder(&self) -> &Utf8Path {
        &self.folder
    }
}

fn cache_folder(xdg_cache: Option<String>, home: Option<String>) -> Utf8PathBuf {
    // The specification says that relative values are to be ignored.
    let absolute = |text: String| Some(Utf8PathBuf::from(text)).filter(|path| path.is_absolute());
    let base = xdg_cache
        .and_then(absolute)
        .or_else(|| home.and_then(absolute).map(|home| home.join(".cache")))
        .or_else(|| Utf8PathBuf::from_path_buf(env::temp_dir()).ok());
    base.unwrap_or_else(|| "/tmp".into()).join("qbb")
}

fn content_hash() -> String {
    let mut hasher = blake3::Hasher::new();
    for (name, text) in FILES {
        for part in [name, text] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
    }
    hasher.finalize().to_hex()[..16].to_owned()
}

/// Whether the files are all there and as they should be; caches get cleaned file by file.
fn is_complete(package: &Utf8Path) -> bool {
    FILES.iter().all(|(name, text)| {
        fs_err::read(package.join(name)).is_ok_and(|found| found == text.as_bytes())
    })
}

fn write_package(folder: &Utf8Path, package: &Utf8Path) -> io::Result<()> {
    fs_err::create_dir_all(package)?;
    for (name, text) in FILES {
        // Each file appears whole, whoever else writes the same ones.
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        io::Write::write_all(&mut file, text.as_bytes())?;
        file.persist(package.join(name)).map_err(|error| error.error)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_module_of_the_package_is_carried() {
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/../python/qbb_worker");
        let mut modules: Vec<String> = (fs_err::read_dir(source).unwrap())
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.ends_with(".py"))
            .collect();
        modules.sort();
        assert_eq!(modules, FILES.map(|(name, _)| name));
    }

    #[test]
    fn a_damaged_cache_is_repaired() {
        let cache = tempfile::tempdir().unwrap();
        let cache = Utf8Path::from_path(cache.path()).unwrap();
        let package = WorkerPackage::unpack_below(cache).unwrap();
        let serve = package.folder().join(NAME).join("serve.py");
        let text = fs_err::read(&serve).unwrap();
        fs_err::write(&serve, "").unwrap();
        assert_eq!(WorkerPackage::unpack_below(cache).unwrap().folder(), package.folder());
        assert_eq!(fs_err::read(&serve).unwrap(), text);
    }

    #[test]
    fn the_cache_folder_follows_the_environment() {
        let folder = |cache: &str, home: &str| {
            cache_folder(Some(cache.to_owned()), Some(home.to_owned())).into_string()
        };
        assert_eq!(folder("/c", "/h"), "/c/qbb");
        assert_eq!(folder("relative", "/h"), "/h/.cache/qbb");
        assert_eq!(cache_folder(None, Some("/h".into())), "/h/.cache/qbb");
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let cache = Utf8Path::from_path(file.path()).unwrap();
        let error = WorkerPackage::unpack_below(cache).unwrap_err();
        assert!(error.to_string().contains(cache.as_str()), "{error}");
    }
}
