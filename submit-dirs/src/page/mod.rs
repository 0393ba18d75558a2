//! The report as a web page that needs nothing else: no other file, no network.

mod axis;
mod distribution;
mod document;
mod markup;
mod progress;
mod tables;
mod timeline;

#[cfg(test)]
mod page_tests;

pub use document::write_page;
