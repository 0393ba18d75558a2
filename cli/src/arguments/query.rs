//! Arguments of commands that ask repositories.

use clap::{Args, Subcommand, ValueEnum};

use super::collection_listing::CollectionListingArguments;

/// Arguments of `qbb query`.
#[derive(Debug, Args)]
pub struct QueryArguments {
    /// File for the results, replaced when all are in it (default: standard output).
    #[arg(short, long, value_name = "FILE", global = true, display_order = 800)]
    pub output: Option<camino::Utf8PathBuf>,
    /// The question.
    #[command(subcommand)]
    pub command: QueryCommand,
}

/// The commands below `qbb query`.
#[derive(Debug, Subcommand)]
pub enum QueryCommand {
    /// List datasets.
    Datasets(Box<QueryDatasetsArguments>),
    /// List data IDs of some dimensions.
    DataIds(Box<QueryDataIdsArguments>),
    /// List the records of a dimension element.
    DimensionRecords(Box<QueryRecordsArguments>),
    /// List collections and what is in chains.
    Collections(CollectionListingArguments),
    /// List dataset types.
    DatasetTypes(QueryDatasetTypesArguments),
}

/// Conditions on results, their order and number.
#[derive(Debug, Args)]
pub struct ConditionArguments {
    /// Restriction in the middleware's expression language.
    #[arg(long = "where", value_name = "EXPRESSION", default_value = "")]
    pub restriction: String,
    /// Value of a bind name in the restriction, as NAME=VALUE.
    #[arg(long, value_name = "NAME=VALUE")]
    pub bind: Vec<String>,
    /// Dimensions or fields to sort by, separated by commas; `-` before a name for descending order.
    #[arg(long, value_name = "NAMES", allow_hyphen_values = true)]
    pub order_by: Vec<String>,
    /// The most results; 0 for no limit, negative to be told when there are more.
    #[arg(long, value_name = "N", default_value_t = -20_000, allow_hyphen_values = true)]
    pub limit: i64,
}

/// Which datasets are meant.
#[derive(Debug, Args)]
pub struct DatasetArguments {
    /// Collections to search, in order, separated by commas; globs are allowed without --find-first.
    #[arg(long, value_name = "COLLECTIONS")]
    pub collections: Vec<String>,
    /// Of each data ID only the dataset that is found first.
    #[arg(long, overrides_with = "no_find_first")]
    pub find_first: bool,
    /// All datasets, whatever was found before (the default).
    #[arg(long)]
    pub no_find_first: bool,
    /// Conditions.
    #[command(flatten)]
    pub conditions: ConditionArguments,
}

/// Arguments of `qbb query datasets`.
#[derive(Debug, Args)]
pub struct QueryDatasetsArguments {
    /// Folder, configuration file or alias of the repository.
    pub repository: String,
    /// Names and globs of dataset types (default: all).
    pub dataset_types: Vec<String>,
    /// Which of them.
    #[command(flatten)]
    pub datasets: DatasetArguments,
    /// Also show where the files are.
    #[arg(long)]
    pub show_uri: bool,
}

/// Datasets that must exist.
#[derive(Debug, Args)]
pub struct ExistingArguments {
    /// Dataset types of which datasets must exist, separated by commas; globs are allowed.
    #[arg(long, value_name = "DATASET_TYPES")]
    pub datasets: Vec<String>,
    /// Collections in which they must be, separated by commas (default: any).
    #[arg(long, value_name = "COLLECTIONS", requires = "datasets")]
    pub collections: Vec<String>,
}

/// Arguments of `qbb query data-ids`.
#[derive(Debug, Args)]
pub struct QueryDataIdsArguments {
    /// Folder, configuration file or alias of the repository.
    pub repository: String,
    /// Dimensions (default: those that all dataset types of --datasets have).
    pub dimensions: Vec<String>,
    /// What must exist.
    #[command(flatten)]
    pub existing: ExistingArguments,
    /// Conditions.
    #[command(flatten)]
    pub conditions: ConditionArguments,
}

/// Arguments of `qbb query dimension-records`.
#[derive(Debug, Args)]
pub struct QueryRecordsArguments {
    /// Folder, configuration file or alias of the repository.
    pub repository: String,
    /// The dimension element.
    pub element: String,
    /// What must exist.
    #[command(flatten)]
    pub existing: ExistingArguments,
    /// Conditions.
    #[command(flatten)]
    pub conditions: ConditionArguments,
}

/// Arguments of `qbb query dataset-types`.
#[derive(Debug, Args)]
pub struct QueryDatasetTypesArguments {
    /// Folder, configuration file or alias of the repository.
    pub repository: String,
    /// Names and globs of dataset types (default: all).
    pub dataset_types: Vec<String>,
    /// Also show dimensions and storage classes.
    #[arg(short, long)]
    pub verbose: bool,
    /// Only dataset types that these collections may hold.
    #[arg(long, value_name = "COLLECTIONS")]
    pub collections: Vec<String>,
}

/// Arguments of `qbb get-uri`.
#[derive(Debug, Args)]
pub struct GetUriArguments {
    /// Folder, configuration file or alias of the repository.
    pub repository: String,
    /// UUID of a dataset; or a dataset type, then with a data ID.
    pub dataset: String,
    /// The data ID of a dataset type, as NAME=VALUE for each dimension.
    #[arg(value_name = "NAME=VALUE")]
    pub data_id: Vec<String>,
    /// Collections in which a data ID is looked for, in order, separated by commas.
    #[arg(long, value_name = "COLLECTIONS")]
    pub collections: Vec<String>,
}

/// Arguments of `qbb retrieve-artifacts`.
#[derive(Debug, Args)]
pub struct RetrieveArguments {
    /// Folder, configuration file or alias of the repository.
    pub repository: String,
    /// Folder in which the files are to be.
    pub destination: camino::Utf8PathBuf,
    /// Names and globs of dataset types, separated by commas (default: all).
    #[arg(short, long, value_name = "DATASET_TYPES")]
    pub dataset_type: Vec<String>,
    /// Which datasets.
    #[command(flatten)]
    pub datasets: DatasetArguments,
    /// How files get there.
    #[arg(short, long, value_enum, default_value_t = RetrieveMode::Auto)]
    pub transfer: RetrieveMode,
    /// Keep the folders that files have in the datastore (the default).
    #[arg(long, overrides_with = "no_preserve_path")]
    pub preserve_path: bool,
    /// Put all files into one folder.
    #[arg(long, overrides_with = "preserve_path")]
    pub no_preserve_path: bool,
    /// Replace files that are there already and differ.
    #[arg(long)]
    pub clobber: bool,
    /// Put copies of all files into one zip archive, which `butler ingest-zip` takes.
    #[arg(long)]
    pub zip: bool,
    /// Say only what would be done.
    #[arg(long)]
    pub dry_run: bool,
}

/// How files get to a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RetrieveMode {
    /// Links where they are possible, otherwise copies.
    Auto,
    /// Copies.
    Copy,
    /// Hard links, or symbolic ones.
    Link,
    /// Hard links.
    Hardlink,
    /// Symbolic links to absolute paths.
    Symlink,
    /// Symbolic links to relative paths.
    Relsymlink,
}
