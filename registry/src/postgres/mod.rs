//! Registries in PostgreSQL databases, read.
//!
//! Knows how to reach a server as the middleware's clients do, and how rows look when they are
//! copied out in binary. Statements and their meaning are those of [`crate::reading`].

mod connection;
mod copy_format;
mod credentials;
mod environment;
mod password_file;
mod registry;
mod rows;
mod settings;
mod tls;
mod url;

pub use registry::PostgresRegistry;
