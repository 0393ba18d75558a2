//! Running real `PipelineTask`s: finding Python, unpacking our package, keeping warm workers.
//!
//! The protocol is that of `python/README.md`. What quanta depend on is not known here.

mod interpreter;
mod package;
mod pool;
mod process;
mod protocol;

pub use interpreter::{Interpreter, InterpreterError};
pub use package::{PackageError, WorkerPackage};
pub(crate) use pool::{PoolEvent, PythonPool, PythonSetup, QuantumJob};
pub(crate) use process::ExchangeError;
pub use protocol::WorkerFault;
pub(crate) use protocol::WorkerOptions;
