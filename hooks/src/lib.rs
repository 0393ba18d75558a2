//! Tasks' own methods, called in one Python process while a graph is built.
//!
//! [`PythonHooks`] implements the builder's trait on the process that `python/README.md` describes
//! as the hook service. It is a crate of its own because the builder knows no processes and the
//! executor no builder.

mod process;
mod python_hooks;
mod reply;
mod request;

pub use python_hooks::PythonHooks;
