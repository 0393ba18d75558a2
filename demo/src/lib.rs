//! A small made-up release and tasks that work on its pixels; knows every stage only as a library
//! user does.

mod camera;
mod error;
mod image;
mod picture;
mod release;
mod sky;
mod tasks;
mod tour;

pub use error::DemoError;
pub use release::{ReleaseSummary, make_release};
pub use tasks::functions;
pub use tour::{Demo, DemoFolders};
