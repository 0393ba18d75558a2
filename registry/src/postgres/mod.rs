//! Registries in PostgreSQL databases.
//!
//! Knows how to reach a server as the middleware's clients do, and how rows look when they are
//! copied in and out in binary. Statements and their meaning are those of [`crate::reading`] and
//! [`crate::writing`].

mod changes;
mod connection;
mod copy_encoder;
mod copy_format;
mod create;
mod credentials;
mod environment;
mod options;
mod password_file;
mod privileges;
mod registry;
mod rows;
mod settings;
mod tls;
mod transaction;
mod url;

pub use registry::PostgresRegistry;
