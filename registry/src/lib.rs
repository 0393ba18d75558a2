//! Repository databases, read and written; the only crate that links a database driver, and it knows nothing of graphs or execution.
