//! Where the overall inputs are.

use qbb_datastore::ArtifactUri;

use crate::error::{Flaw, GraphError, Result};
use crate::model::QuantumGraph;

impl QuantumGraph {
    /// Path of a datastore record as it was recorded.
    ///
    /// # Errors
    /// If there is no such record, or it is not text.
    pub fn input_path(&self, record: usize) -> Result<&str> {
        self.check_record_exists(record)?;
        std::str::from_utf8(self.records.path.get(record))
            .map_err(|_| Flaw::new("datastore records", record, "the path is not UTF-8").into())
    }

    /// Absolute URI of a datastore record: an absolute path stands for itself, a relative one is
    /// inside its datastore's root.
    ///
    /// # Errors
    /// If the record's datastore has no known root, or the path leads out of it.
    pub fn input_uri(&self, record: usize) -> Result<ArtifactUri> {
        let path = self.input_path(record)?;
        if let Ok(uri) = ArtifactUri::parse(path) {
            return Ok(uri);
        }
        let position = self.records.datastore[record] as usize;
        let Some(datastore) = self.datastores.get(position) else {
            let limit = self.datastores.len();
            let flaw =
                Flaw::beyond("datastore records", record, "datastore", position as u64, limit);
            return Err(flaw.into());
        };
        if datastore.root.is_empty() {
            return Err(GraphError::NoRoot {
                datastore: datastore.name.clone(),
                path: path.to_owned(),
            });
        }
        ArtifactUri::parse(&datastore.root)
            .and_then(|root| root.into_folder().join(path))
            .map_err(|error| Flaw::new("datastore records", record, error.to_string()).into())
    }

    /// Sets the roots of all datastores that have none, as in graphs read from `.qg`.
    pub fn set_missing_roots(&mut self, root: &ArtifactUri) {
        for datastore in &mut self.datastores {
            if datastore.root.is_empty() {
                datastore.root = root.clone().into_folder().as_str().to_owned();
            }
        }
    }

    fn check_record_exists(&self, record: usize) -> Result<()> {
        let limit = self.records.len();
        if record < limit {
            return Ok(());
        }
        let flaw = Flaw::beyond("datastore records", record, "record", record as u64, limit);
        Err(flaw.into())
    }
}
