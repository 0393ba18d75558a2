//! Registry and datastore of a repository kept in agreement; knows nothing of graphs or execution.

mod error;
mod listing;
mod selection;
mod trash;
mod verification;

pub use error::UpkeepError;
pub use selection::{Request, Selected, select};
pub use trash::{EmptiedTrash, empty_trash, open_store};
pub use verification::{
    Finding, FindingKind, Repairs, Verification, VerifyOptions, repair, verify,
};
