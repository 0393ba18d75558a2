//! Arguments of commands that bring datasets from one repository into another.

use camino::Utf8PathBuf;
use clap::{Args, ValueEnum};

/// Which datasets.
#[derive(Debug, Clone, Args)]
pub struct SelectionOptions {
    /// Dataset types, as names or globs; all if none is given.
    #[arg(short, long, value_name = "NAME|GLOB")]
    pub dataset_type: Vec<String>,
    /// Collections to search, in order, as names or globs; all if none is given.
    #[arg(long, value_name = "COLLECTIONS")]
    pub collections: Vec<String>,
    /// Restriction of the data IDs, such as "instrument = 'Cam' AND visit IN (1..9)".
    #[arg(long, value_name = "EXPRESSION", default_value = "", hide_default_value = true)]
    pub r#where: String,
    /// Value of a bind name in the restriction, as NAME=VALUE.
    #[arg(long, value_name = "NAME=VALUE")]
    pub bind: Vec<String>,
    /// Of each data ID only the dataset that is found first.
    #[arg(long)]
    pub find_first: bool,
    /// The most datasets; 0 is no limit.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub limit: usize,
    /// Dimensions and fields by which datasets are sorted before the limit applies, with `-` for
    /// descending order.
    #[arg(long, value_name = "NAMES", allow_hyphen_values = true)]
    pub order_by: Vec<String>,
    /// Only tell what would come: numbers and sizes by dataset type.
    #[arg(long)]
    pub dry_run: bool,
    /// Python interpreter that has the middleware, which tells whether storage classes convert if
    /// the repository has a dataset type with another one.
    #[arg(long, value_name = "PROGRAM", env = "QBB_PYTHON", hide_env_values = true)]
    pub python: Option<Utf8PathBuf>,
}

/// Arguments of `qbb reference`.
#[derive(Debug, Args)]
pub struct ReferenceArguments {
    /// Your repository.
    pub repository: String,
    /// Release that datasets come from; by default the one that the repository remembers.
    #[arg(long, value_name = "RELEASE")]
    pub from: Option<String>,
    #[command(flatten)]
    pub selection: SelectionOptions,
    /// Whether files stay where they are, or come into the repository.
    #[arg(long, value_enum, default_value_t = ReferenceMode::Reference, value_name = "HOW")]
    pub how: ReferenceMode,
}

/// What becomes of files of the release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReferenceMode {
    /// They stay where they are; the repository refers to them.
    Reference,
    /// They are copied.
    Copy,
    /// They get a second name, on the same file system.
    Hardlink,
    /// The repository has symbolic links to them.
    Symlink,
}

/// Arguments of `qbb transfer-datasets`.
#[derive(Debug, Args)]
pub struct TransferDatasetsArguments {
    /// Repository that datasets come from.
    pub source: String,
    /// Repository that they go to.
    pub destination: String,
    #[command(flatten)]
    pub selection: SelectionOptions,
    /// How files come.
    #[arg(short, long, value_enum, default_value_t = TransferMode::Direct, value_name = "MODE")]
    pub transfer: TransferMode,
    /// Register dataset types that the destination lacks.
    #[arg(long)]
    pub register_dataset_types: bool,
    /// Bring dimension records (the default).
    #[arg(long, overrides_with = "no_transfer_dimensions")]
    pub transfer_dimensions: bool,
    /// Expect dimension records to be there.
    #[arg(long)]
    pub no_transfer_dimensions: bool,
    /// Bring the TAGGED, CALIBRATION and CHAINED collections too in which datasets are found, not
    /// only the RUNs that own them.
    #[arg(long)]
    pub with_collections: bool,
}

/// Ways of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TransferMode {
    /// They stay, and are recorded by absolute URI.
    Direct,
    /// They are copied.
    Copy,
    /// They get a second name, on the same file system.
    Hardlink,
    /// The destination has symbolic links to them.
    Symlink,
}

/// Arguments of `qbb migrate-check`.
#[derive(Debug, Args)]
pub struct MigrateCheckArguments {
    /// Your repository.
    pub repository: String,
    /// Release to compare it with; by default the one that it remembers.
    #[arg(long, value_name = "RELEASE")]
    pub from: Option<String>,
}
