//! Running real `PipelineTask`s: finding Python, unpacking our package, keeping warm workers.
//!
//! The protocol is that of `python/README.md`. What quanta depend on is not known here.

mod forking;
mod interpreter;
mod link;
mod log_file;
mod nursery;
mod outcomes;
mod package;
mod pipeline_json;
mod pool;
mod process;
mod protocol;
mod worker;

pub use interpreter::{Interpreter, InterpreterError};
pub use package::{PackageError, WorkerPackage};
pub use pipeline_json::pipeline_json;
pub(crate) use pool::{PoolEvent, PythonPool, PythonSetup, QuantumJob, Recycling};
pub use process::{Death, ExchangeError, WorkerProcess};
pub use protocol::WorkerFault;
pub(crate) use protocol::WorkerOptions;
