//! Registry and datastore of a repository kept in agreement; knows nothing of graphs or execution.

mod error;
mod finding;
mod listing;
mod repairs;
mod second_look;
mod trash;
mod verification;

pub use error::UpkeepError;
pub use finding::{Finding, FindingKind};
pub use repairs::{Repairs, repair};
pub use trash::{EmptiedTrash, empty_trash};
pub use verification::{Verification, VerifyOptions, verify};
