//! What becomes of the files of removed datasets.

use qbb_datastore::{RepositoryConfig, open_store};
use qbb_registry::RegistryWriter;
use qbb_upkeep::{EmptiedTrash, UpkeepError, empty_trash};
use serde::Serialize;

use crate::output::{ExitCode, Failure, ProgressBars, Terminal};

/// What was done with files.
#[derive(Debug, Serialize)]
pub struct Files {
    pub deleted: u64,
    pub gone_already: u64,
    pub kept_shared: u64,
    pub kept_referenced: u64,
    pub refused: Vec<String>,
}

impl Files {
    /// Deletes the files of all datasets that are in the trash.
    pub fn delete(
        config: &RepositoryConfig,
        registry: &mut dyn RegistryWriter,
        terminal: Terminal,
    ) -> Result<Self, Failure> {
        let store = open_store(&config.datastore.root).map_err(UpkeepError::from)?;
        let bars = ProgressBars::new(terminal);
        bars.stage("deleting files");
        let emptied = empty_trash(registry, &*store, &mut |datasets| {
            bars.message(&format!("deleting files of {datasets} datasets"));
        })?;
        Ok(emptied.into())
    }

    /// Whether there was nothing in the trash.
    pub fn is_nothing(&self) -> bool {
        let files = self.deleted + self.gone_already + self.kept_shared + self.kept_referenced;
        files == 0 && self.refused.is_empty()
    }

    /// Lines for people if nothing else was done, after what says so.
    pub fn finished(files: Option<&Self>, nothing: &str) -> String {
        match files {
            Some(files) => {
                format!("{nothing}; of an earlier removal: {}", files.describe())
            }
            None => nothing.to_owned(),
        }
    }

    /// What the command ends with.
    pub fn exit_code(&self) -> ExitCode {
        if self.refused.is_empty() { ExitCode::Success } else { ExitCode::System }
    }

    /// Lines for people.
    pub fn describe(&self) -> String {
        let mut text = format!("{} files deleted", self.deleted);
        for (number, what) in [
            (self.gone_already, "were gone already"),
            (self.kept_shared, "stay because other datasets refer to them"),
            (self.kept_referenced, "stay because they are referenced where they are"),
        ] {
            if number > 0 {
                text.push_str(&format!("; {number} {what}"));
            }
        }
        for refused in &self.refused {
            text.push_str(&format!("\nstays in the trash: {refused}"));
        }
        text
    }
}

impl From<EmptiedTrash> for Files {
    fn from(emptied: EmptiedTrash) -> Self {
        Self {
            deleted: emptied.files,
            gone_already: emptied.gone,
            kept_shared: emptied.shared,
            kept_referenced: emptied.referenced,
            refused: emptied.refused.iter().map(ToString::to_string).collect(),
        }
    }
}
