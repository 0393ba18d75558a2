//! Arguments of the commands that list collections.

use clap::{Args, ValueEnum};
use qbb_registry::CollectionKind;

/// Types of collections on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CollectionType {
    /// Owns its datasets.
    Run,
    /// A selection of datasets.
    Tagged,
    /// A list of collections.
    Chained,
    /// Datasets with validity ranges.
    Calibration,
}

impl From<CollectionType> for CollectionKind {
    fn from(kind: CollectionType) -> Self {
        match kind {
            CollectionType::Run => Self::Run,
            CollectionType::Tagged => Self::Tagged,
            CollectionType::Chained => Self::Chained,
            CollectionType::Calibration => Self::Calibration,
        }
    }
}

/// How chains are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ChainView {
    /// Children below each chain, all the way down.
    Tree,
    /// The chains that hold a collection below it, all the way up.
    InverseTree,
    /// A column with the children of chains.
    Table,
    /// A column with the chains that hold a collection.
    InverseTable,
    /// One list, with the children of chains instead of chains.
    #[value(alias = "flat")]
    Flatten,
    /// One list, with chains as they are.
    NoChildren,
}

impl ChainView {
    /// Whether it shows the chains that hold a collection rather than the children of chains.
    pub fn is_inverse(self) -> bool {
        matches!(self, Self::InverseTree | Self::InverseTable)
    }

    /// Whether collections stand below each other.
    pub fn is_tree(self) -> bool {
        matches!(self, Self::Tree | Self::InverseTree)
    }

    /// Whether children or chains have a column.
    pub fn is_table(self) -> bool {
        matches!(self, Self::Table | Self::InverseTable)
    }
}

/// Which collections are listed, and how.
#[derive(Debug, Args)]
pub struct CollectionListingArguments {
    /// Folder, configuration file or alias of the repository.
    pub repository: String,
    /// Names and globs of collections (default: all).
    pub collections: Vec<String>,
    /// Only collections of these types.
    #[arg(long, value_enum, ignore_case = true, value_name = "TYPES", value_delimiter = ',')]
    pub collection_type: Vec<CollectionType>,
    /// How chains are shown.
    #[arg(long, value_enum, ignore_case = true, default_value_t = ChainView::Tree)]
    pub chains: ChainView,
    /// Also show the dataset types that each collection may hold.
    #[arg(short = 't', long)]
    pub show_dataset_types: bool,
    /// Dataset types not to be shown, as names and globs separated by commas.
    #[arg(
        long,
        value_name = "DATASET_TYPES",
        default_value = "*_config,*_log,*_metadata,packages"
    )]
    pub exclude_dataset_types: Vec<String>,
}
