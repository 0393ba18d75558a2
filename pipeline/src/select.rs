//! Parts of pipelines.

use std::collections::BTreeSet;

use qbb_dimensions::nearest_name;

use crate::definition::PipelineDefinition;
use crate::error::UnknownLabelError;

impl PipelineDefinition {
    /// Keeps only the tasks with the given labels or in the given subsets, as `#label,subset`
    /// behind the name of a pipeline file does. Subsets and steps that lose a task go, too.
    ///
    /// # Errors
    /// If there is neither a task nor a subset of a name.
    pub fn select<'a>(
        &self,
        names: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, UnknownLabelError> {
        let mut kept: BTreeSet<&str> = BTreeSet::new();
        for name in names {
            if let Some(subset) = self.subsets.get(name) {
                kept.extend(subset.tasks.iter().map(String::as_str));
            } else if self.tasks.iter().any(|task| task.label == name) {
                kept.insert(name);
            } else {
                return Err(self.unknown_label(name));
            }
        }
        let mut selected = self.clone();
        selected.tasks.retain(|task| kept.contains(task.label.as_str()));
        selected.subsets.retain(|_, subset| {
            !subset.tasks.is_empty()
                && subset.tasks.iter().all(|label| kept.contains(label.as_str()))
        });
        selected.step_labels.retain(|step| selected.subsets.contains_key(step));
        Ok(selected)
    }

    /// Leaves out one task. As in the middleware, subsets go on to name it.
    ///
    /// # Errors
    /// If there is no task of that label.
    pub fn without(&self, label: &str) -> Result<Self, UnknownLabelError> {
        if !self.tasks.iter().any(|task| task.label == label) {
            return Err(self.unknown_label(label));
        }
        let mut kept = self.clone();
        kept.tasks.retain(|task| task.label != label);
        Ok(kept)
    }

    fn unknown_label(&self, name: &str) -> UnknownLabelError {
        let labels = self.tasks.iter().map(|task| task.label.as_str());
        let mut known: Vec<&str> = labels.chain(self.subsets.keys().map(String::as_str)).collect();
        known.sort_unstable();
        UnknownLabelError {
            name: name.to_owned(),
            similar: nearest_name(name, known.iter().copied()).map(str::to_owned),
            known: known.into_iter().map(str::to_owned).collect(),
        }
    }
}
