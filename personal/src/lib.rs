//! Personal repositories: made from a release, filled from it, and whether they still fit it;
//! knows nothing of graphs.

mod create;
mod create_error;
mod record_choice;
mod record_closure;

pub use create::{CreateReport, CreateRequest, ElementCount, create};
pub use create_error::CreateError;
pub use record_choice::{GovernorChoice, RecordChoice};
