//! Arguments of `qbb create`.

use camino::Utf8PathBuf;
use clap::Args;

/// Arguments of `qbb create`.
#[derive(Debug, Args)]
pub struct CreateArguments {
    /// Folder of the new repository.
    pub repository: Utf8PathBuf,
    /// Release that it is for: a repository folder, a butler.yaml, or a label of the repository
    /// index. The new repository gets its universe, and remembers it.
    #[arg(long, value_name = "RELEASE")]
    pub from: String,
    /// Instrument to register, with its filters and detectors: a name, or a glob.
    #[arg(long, value_name = "NAME|GLOB")]
    pub instrument: Vec<String>,
    /// Sky map to register, with its tracts and patches: a name, or a glob.
    #[arg(long, value_name = "NAME|GLOB")]
    pub skymap: Vec<String>,
    /// Dimensions of data IDs whose records are registered too, such as visit,detector; without,
    /// those that --where names.
    #[arg(long, value_name = "DIMENSIONS", value_delimiter = ',')]
    pub dimensions: Vec<String>,
    /// Restriction of those data IDs, such as "instrument = 'Cam' AND visit IN (1..9)".
    #[arg(long, value_name = "EXPRESSION")]
    pub r#where: Option<String>,
    /// Collection whose datasets are registered by reference, as `qbb reference` does: curated
    /// calibrations with all their validity ranges, chains with what is in them.
    #[arg(long, value_name = "COLLECTION")]
    pub calibrations: Vec<String>,
    /// PostgreSQL database of the registry, as postgresql://ACCOUNT@HOST/DATABASE; by default it is a
    /// SQLite file in the folder. Passwords are never written into the configuration.
    #[arg(long, value_name = "URL", requires = "schema")]
    pub db: Option<String>,
    /// Schema in the database, made if it is not there.
    #[arg(long, value_name = "SCHEMA", requires = "db")]
    pub schema: Option<String>,
    /// Where files of datasets go: a folder, or s3://BUCKET/PREFIX/; by default the repository's
    /// folder.
    #[arg(long, value_name = "FOLDER|URI")]
    pub datastore_root: Option<String>,
}
