//! Personal repositories: made from a release, filled from it, and whether they still fit it;
//! knows nothing of graphs.

mod choice;
mod create;
mod create_error;
mod fit;
mod pieces;
mod record_choice;
mod record_closure;
mod record_difference;
mod reference;
mod selection_error;

pub use choice::Structure;
pub use create::{CreateReport, CreateRequest, ElementCount, create};
pub use create_error::CreateError;
pub use fit::{Finding, FitReport, check_fit};
pub use record_choice::{GovernorChoice, RecordChoice};
pub use reference::{SelectionReport, SelectionRequest, TypeCount, reference};
pub use selection_error::SelectionError;
