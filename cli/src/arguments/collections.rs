//! Arguments of `qbb collections`.

use clap::{Args, Subcommand, ValueEnum};

use super::collection_listing::{CollectionListingArguments, CollectionType};

/// The commands on collections.
#[derive(Debug, Subcommand)]
pub enum CollectionsCommand {
    /// List collections and what is in chains, as `butler query-collections`.
    List(CollectionListingArguments),
    /// Make a chain or edit its children, as `butler collection-chain`.
    Chain(ChainArguments),
    /// Register collections.
    Register(RegisterArguments),
    /// Print or change what a collection is documented with.
    Doc(DocArguments),
    /// Put datasets into a TAGGED collection, as `butler associate`.
    Associate(AssociateArguments),
    /// Give datasets a validity range in a CALIBRATION collection, as
    /// `butler certify-calibrations`.
    Certify(CertifyArguments),
    /// Take a validity range away from datasets in a CALIBRATION collection.
    Decertify(DecertifyArguments),
    /// Remove collections that are not RUNs, as `butler remove-collections`; datasets stay.
    Remove(RemoveArguments),
    /// Remove RUN collections with their datasets and files, as `butler remove-runs`.
    RemoveRuns(RemoveRunsArguments),
    /// Remove datasets, or their files, or their tags, as `butler prune-datasets`.
    Prune(PruneArguments),
}

/// What an edit does to a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ChainMode {
    /// The children are these; the chain is made if need be.
    Redefine,
    /// These come last; the chain is made if need be.
    Extend,
    /// These go.
    Remove,
    /// These come first; the chain is made if need be.
    Prepend,
    /// Children at positions go; the first, if none are given. Negative ones count from the end.
    Pop,
    /// These come before the child at the position of --at.
    Insert,
}

/// Arguments of `qbb collections chain`.
#[derive(Debug, Args)]
pub struct ChainArguments {
    /// The repository: its folder, its butler.yaml or its label.
    pub repository: String,
    /// Name of the chain.
    pub parent: String,
    /// Collections, separated by commas or spaces; positions for `--mode pop`.
    #[arg(value_delimiter = ',', allow_negative_numbers = true)]
    pub children: Vec<String>,
    /// What is done.
    #[arg(long, value_enum, ignore_case = true, default_value_t = ChainMode::Redefine)]
    pub mode: ChainMode,
    /// Position for `--mode insert`, counted from 0.
    #[arg(long, value_name = "POSITION", required_if_eq("mode", "insert"))]
    pub at: Option<usize>,
    /// Takes the children of chains instead of chains; patterns are allowed then.
    #[arg(long, overrides_with = "no_flatten")]
    pub flatten: bool,
    /// Takes chains as they are, the default.
    #[arg(long, overrides_with = "flatten", hide = true)]
    pub no_flatten: bool,
    /// Documentation of the chain, if it is made.
    #[arg(long, value_name = "TEXT")]
    pub doc: Option<String>,
}

/// Arguments of `qbb collections register`.
#[derive(Debug, Args)]
pub struct RegisterArguments {
    /// The repository: its folder, its butler.yaml or its label.
    pub repository: String,
    /// Names of the collections.
    #[arg(required = true, value_name = "COLLECTION")]
    pub names: Vec<String>,
    /// Their type.
    #[arg(long = "type", value_enum, ignore_case = true, default_value_t = CollectionType::Run)]
    pub kind: CollectionType,
    /// Their documentation, if they are new.
    #[arg(long, value_name = "TEXT")]
    pub doc: Option<String>,
}

/// Arguments of `qbb collections doc`.
#[derive(Debug, Args)]
pub struct DocArguments {
    /// The repository: its folder, its butler.yaml or its label.
    pub repository: String,
    /// The collection.
    pub collection: String,
    /// The documentation; an empty text deletes it. Without, it is printed.
    pub text: Option<String>,
}

/// Arguments of `qbb collections associate`.
#[derive(Debug, Args)]
pub struct AssociateArguments {
    /// The repository: its folder, its butler.yaml or its label.
    pub repository: String,
    /// The TAGGED collection, which is made if need be.
    pub collection: String,
    /// Dataset types, names or patterns.
    #[arg(short, long, value_delimiter = ',', required = true, value_name = "GLOB")]
    pub dataset_type: Vec<String>,
    /// Collections in which datasets are searched, names or patterns.
    #[arg(long, value_delimiter = ',', required = true, value_name = "GLOB")]
    pub collections: Vec<String>,
    /// Restriction of the data IDs.
    #[arg(long = "where", default_value = "", value_name = "EXPRESSION")]
    pub restriction: String,
    /// Of datasets with one data ID, takes that in the first collection only.
    #[arg(long, overrides_with = "no_find_first")]
    pub find_first: bool,
    /// Takes all, the default.
    #[arg(long, overrides_with = "find_first", hide = true)]
    pub no_find_first: bool,
    /// Most datasets that are associated; 0 is any number.
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    pub limit: i64,
}

/// Arguments of `qbb collections certify`.
#[derive(Debug, Args)]
pub struct CertifyArguments {
    /// The repository: its folder, its butler.yaml or its label.
    pub repository: String,
    /// The collection that holds the datasets; of a chain, its first child.
    pub input_collection: String,
    /// The CALIBRATION collection, which is made if need be.
    pub output_collection: String,
    /// The dataset type.
    pub dataset_type: String,
    /// Beginning of the validity range, ISO 8601, TAI; unbounded without.
    #[arg(long, value_name = "TIME")]
    pub begin_date: Option<String>,
    /// End of the validity range, which is outside of it; unbounded without.
    #[arg(long, value_name = "TIME")]
    pub end_date: Option<String>,
    /// Searches all children of a chain, not the first only.
    #[arg(long)]
    pub search_all_inputs: bool,
}

/// Arguments of `qbb collections decertify`.
#[derive(Debug, Args)]
pub struct DecertifyArguments {
    /// The repository: its folder, its butler.yaml or its label.
    pub repository: String,
    /// The CALIBRATION collection.
    pub collection: String,
    /// The dataset type.
    pub dataset_type: String,
    /// Beginning of the range that is taken away, ISO 8601, TAI; unbounded without.
    #[arg(long, value_name = "TIME")]
    pub begin_date: Option<String>,
    /// End of the range, which is outside of it; unbounded without.
    #[arg(long, value_name = "TIME")]
    pub end_date: Option<String>,
    /// Takes it away from datasets with these values only, such as
    /// "instrument=LSSTCam,detector=3"; any of several, if repeated.
    #[arg(long, value_name = "DATAID")]
    pub data_id: Vec<String>,
}

/// Whether a removal is done.
#[derive(Debug, Args)]
pub struct Confirmation {
    /// Does it; otherwise only what would be removed is listed.
    #[arg(long, visible_alias = "no-confirm")]
    yes: bool,
    /// Only lists what would be removed, whatever else is said.
    #[arg(long)]
    dry_run: bool,
}

impl Confirmation {
    /// Whether it is not only listed.
    pub fn is_given(&self) -> bool {
        self.yes && !self.dry_run
    }
}

/// Arguments of `qbb collections remove`.
#[derive(Debug, Args)]
pub struct RemoveArguments {
    /// The repository: its folder, its butler.yaml or its label.
    pub repository: String,
    /// Collections that are not RUNs, names or patterns.
    #[arg(required = true, value_name = "GLOB")]
    pub collections: Vec<String>,
    /// Takes them out of the chains that hold them.
    #[arg(long)]
    pub remove_from_parents: bool,
    #[command(flatten)]
    pub confirmation: Confirmation,
}

/// Arguments of `qbb collections remove-runs`.
#[derive(Debug, Args)]
pub struct RemoveRunsArguments {
    /// The repository: its folder, its butler.yaml or its label.
    pub repository: String,
    /// RUN collections, names or patterns.
    #[arg(required = true, value_name = "GLOB")]
    pub collections: Vec<String>,
    /// Takes them out of the chains that hold them.
    #[arg(long)]
    pub force: bool,
    #[command(flatten)]
    pub confirmation: Confirmation,
}

/// Arguments of `qbb collections prune`.
#[derive(Debug, Args)]
pub struct PruneArguments {
    /// The repository: its folder, its butler.yaml or its label.
    pub repository: String,
    /// Collections in which datasets are searched, names or, with --find-all, patterns. Without,
    /// those of --purge or --disassociate.
    #[arg(value_name = "COLLECTION")]
    pub collections: Vec<String>,
    /// Dataset types, names or patterns.
    #[arg(long, value_delimiter = ',', default_value = "*", value_name = "GLOB")]
    pub datasets: Vec<String>,
    /// Takes all datasets with a data ID, not that in the first collection only.
    #[arg(long)]
    pub find_all: bool,
    /// Restriction of the data IDs.
    #[arg(long = "where", default_value = "", value_name = "EXPRESSION")]
    pub restriction: String,
    /// Takes the datasets out of these TAGGED collections.
    #[arg(long, value_delimiter = ',', value_name = "TAG", conflicts_with = "purge")]
    pub disassociate: Vec<String>,
    /// Removes the datasets and their files for good. RUN is where they are searched if no
    /// collections are given.
    #[arg(long, value_name = "RUN")]
    pub purge: Option<String>,
    /// Deletes the files of the datasets.
    #[arg(long)]
    pub unstore: bool,
    #[command(flatten)]
    pub confirmation: Confirmation,
}

/// Arguments of `qbb verify`.
#[derive(Debug, Args)]
pub struct VerifyArguments {
    /// The repository: its folder, its butler.yaml or its label.
    pub repository: String,
    /// Reads files and compares them with the checksums of their records.
    #[arg(long)]
    pub checksums: bool,
    /// Puts right what can be without a doubt: sizes that are not recorded, datasets with records
    /// and files that do not count as stored, files in the trash.
    #[arg(long)]
    pub repair: bool,
    /// Most differences of a kind that are printed for people.
    #[arg(long, default_value_t = 20, value_name = "NUMBER")]
    pub list: usize,
}
