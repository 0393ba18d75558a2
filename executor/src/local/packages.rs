//! The package versions of a run without Python.

use qbb::journal::DatasetOutput;
use qbb::{ButlerError, QuantumBackedButler};
use qbb_graph::InitQuantum;

/// Writes the `packages` dataset of a run in which no Python takes part: the version of this
/// program, in the form of the middleware's `Packages` (YAML, one mapping).
pub(crate) fn write_packages(
    butler: &QuantumBackedButler,
    init: &InitQuantum,
) -> Result<Vec<DatasetOutput>, ButlerError> {
    let quantum = butler.for_init(init);
    for output in init.output_datasets() {
        let version = env!("CARGO_PKG_VERSION");
        // A tagged mapping, so that the middleware's YAML loader makes the right object.
        quantum
            .put(output, format!("!<lsst.utils.packages.Packages>\nqbb: {version}\n").as_bytes())?;
    }
    Ok(quantum.summary().outputs)
}
