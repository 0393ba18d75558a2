//! Where benchmarks find the command, the middleware and a release of a given size.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use camino::Utf8Path;

use super::Result;
use super::process::measure;

/// Collection of the kit's release that leads to everything.
pub const DEFAULTS: &str = "QbbCam/defaults";
/// Restriction that every query over the release needs.
pub const WHERE: &str = "instrument='QbbCam' AND skymap='qbb_rings'";

/// Shapes of releases, by the number of quanta of `data_release.yaml` on them.
const SIZES: [(&str, &[&str]); 4] = [
    ("small", &[]),
    ("1k", &["--visits", "20", "--detectors", "9", "--tracts", "3"]),
    ("10k", &["--visits", "110", "--detectors", "16", "--tracts", "4", "--patches", "25"]),
    ("100k", &["--visits", "380", "--detectors", "60", "--tracts", "9", "--patches", "36"]),
];

/// What all benchmarks work with.
#[derive(Debug)]
pub struct Setting {
    /// `QBB_BENCH_SIZE`: small, 1k (the default), 10k or 100k.
    pub size: String,
    /// `QBB_BENCH_ROUNDS`: how often each process is measured, 5 by default.
    pub rounds: usize,
    /// A release, which benchmarks must not change.
    pub release: PathBuf,
    python: PathBuf,
    scratch: tempfile::TempDir,
}

impl Setting {
    /// Sets up the middleware and makes the release, unless they are there already.
    pub fn new() -> Result<Self> {
        let size = std::env::var("QBB_BENCH_SIZE").unwrap_or_else(|_| "1k".to_owned());
        let rounds = std::env::var("QBB_BENCH_ROUNDS").map_or(Ok(5), |text| text.parse())?;
        let setup = measure(Command::new("python3").arg(kit().join("setup_environment.py")))?;
        let python = PathBuf::from(setup.output.trim_end().lines().last().unwrap_or_default());
        // Beside the releases: on the disk that everything else is on too.
        let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench");
        fs_err::create_dir_all(&place)?;
        let scratch = tempfile::tempdir_in(&place)?;
        let mut setting = Self { release: PathBuf::new(), size, rounds, python, scratch };
        setting.release = setting.make_release(&place)?;
        Ok(setting)
    }

    /// Makes the release of this size once. Its files know where they are, so it is made in place
    /// and a stamp says that it is whole and which scripts made it.
    fn make_release(&self, place: &Path) -> Result<PathBuf> {
        let shape = SIZES.iter().find(|(name, _)| *name == self.size).ok_or_else(|| {
            let names = SIZES.map(|(name, _)| name).join(", ");
            format!("QBB_BENCH_SIZE is `{}`, but must be one of {names}", self.size)
        })?;
        let stamp = place.join(format!("{}.stamp", self.size));
        let release = place.join(&self.size);
        let mut hasher = DefaultHasher::new();
        shape.hash(&mut hasher);
        for script in ["make_release", "release_datasets", "release_records", "release_sky"] {
            fs_err::read(kit().join(format!("{script}.py")))?.hash(&mut hasher);
        }
        let wanted = hasher.finish().to_string();
        if !fs_err::read_to_string(&stamp).is_ok_and(|found| found == wanted) {
            if release.exists() {
                fs_err::remove_dir_all(&release)?;
            }
            measure(self.kit_script("make_release.py").arg(&release).args(shape.1))?;
            fs_err::write(&stamp, wanted)?;
        }
        Ok(release)
    }

    /// The release with its exposures and visits multiplied, made once; without its files.
    pub fn multiplied_release(&self, factor: u32) -> Result<PathBuf> {
        let place = self.release.with_file_name(format!("{}-times-{factor}", self.size));
        if !place.join("butler.yaml").exists() {
            fs_err::create_dir_all(&place)?;
            fs_err::copy(self.release.join("gen3.sqlite3"), place.join("gen3.sqlite3"))?;
            super::scaled::multiply(&place, factor)?;
            // Last, as a sign that the rest is whole.
            fs_err::copy(self.release.join("butler.yaml"), place.join("butler.yaml"))?;
        }
        Ok(place)
    }

    /// Our command, set up to run the kit's tasks.
    pub fn qbb(&self) -> Command {
        self.qbb_as("json")
    }

    /// The same with reports in another format.
    pub fn qbb_as(&self, format: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_qbb"));
        command.env("QBB_PYTHON", &self.python).env("PYTHONPATH", kit());
        command.env("XDG_CACHE_HOME", self.scratch("cache"));
        command.args(["--quiet", "--format", format]);
        command
    }

    /// A command of the middleware: `pipetask` or `butler`.
    pub fn middleware(&self, name: &str) -> Command {
        let mut command = Command::new(self.python.with_file_name(name));
        command.env("PYTHONPATH", kit());
        command
    }

    /// A script of the kit.
    pub fn kit_script(&self, name: &str) -> Command {
        let mut command = Command::new(&self.python);
        command.arg(kit().join(name));
        command
    }

    /// A path in a folder that is removed at the end.
    pub fn scratch(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// A fresh copy of the release in the scratch folder.
    pub fn copy_of_release(&self, name: &str) -> Result<PathBuf> {
        let copy = self.scratch(name);
        measure(Command::new("cp").arg("-a").arg(&self.release).arg(&copy))?;
        Ok(copy)
    }
}

fn kit() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("tests/kit")
}

/// A pipeline of the kit.
pub fn pipeline(name: &str) -> PathBuf {
    kit().join("pipelines").join(format!("{name}.yaml"))
}

/// A path as text, which is what our libraries take.
pub fn utf8(path: &Path) -> Result<&Utf8Path> {
    Utf8Path::from_path(path).ok_or_else(|| format!("{} is not text", path.display()).into())
}
