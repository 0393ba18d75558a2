//! Queries in, quantum graph out; knows nothing of execution.
