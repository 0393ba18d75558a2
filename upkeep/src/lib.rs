//! Registry and datastore of a repository kept in agreement; knows nothing of graphs or execution.

mod error;
mod listing;
mod trash;
mod verification;

pub use error::UpkeepError;
pub use trash::{EmptiedTrash, empty_trash, open_store};
pub use verification::{
    Finding, FindingKind, Repairs, Verification, VerifyOptions, repair, verify,
};
