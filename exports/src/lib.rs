//! Has Python export a pipeline, tells whether an earlier export still holds, and has Python say which
//! storage classes convert; knows nothing of repositories and quanta.
//!
//! Exporting takes a second or more, nearly all of it imports of the middleware and of the tasks'
//! modules. Nothing but running Python can tell what an export depends on, so the exporter reports it:
//! each file and module that it read, each variable that it asked for, each folder in which another
//! module could have been found. An [`ExportCache`] keeps that beside the export, and an export is
//! used again only if all of it is as it was.

mod cache;
mod conditions;
mod conversion;
mod request;

pub use cache::ExportCache;
pub use conditions::Conditions;
pub use conversion::{Conversion, ConversionError, conversions};
pub use request::{Export, ExportError, ExportRequest};
