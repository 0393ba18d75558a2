//! Pipelines from files of any kind.

use camino::Utf8Path;

use crate::definition::PipelineDefinition;
use crate::error::PipelineReadError;
use crate::native;

/// What a pipeline file holds.
#[derive(Debug, Clone, PartialEq)]
pub enum LoadedPipeline {
    /// An export from Python.
    Export(PipelineDefinition),
    /// A pipeline of ordinary programs or functions.
    Native(PipelineDefinition),
    /// A pipeline that only Python can read; it must be exported first.
    Python,
}

impl PipelineDefinition {
    /// Reads a pipeline file: an export (JSON whose member `format` says so), or a native pipeline
    /// (YAML with the top-level key `qbb_pipeline`). Anything else, such as a URI or a path that
    /// begins with an environment variable, is taken for a pipeline that only Python can read.
    ///
    /// # Errors
    /// If the file cannot be read, or is an export or a native pipeline with mistakes.
    pub fn load(path: &Utf8Path) -> Result<LoadedPipeline, PipelineReadError> {
        Self::load_with_text(path).map(|(loaded, _)| loaded)
    }

    /// The same with the file's text, which is empty if only Python can read the pipeline.
    ///
    /// # Errors
    /// As for [`PipelineDefinition::load`].
    pub fn load_with_text(path: &Utf8Path) -> Result<(LoadedPipeline, String), PipelineReadError> {
        if path.as_str().contains("://") || path.as_str().starts_with('$') {
            return Ok((LoadedPipeline::Python, String::new()));
        }
        let text = std::fs::read_to_string(path)
            .map_err(|source| PipelineReadError::Read { path: path.to_owned(), source })?;
        if is_native(&text) {
            return Ok((LoadedPipeline::Native(native::read(&text, path)?), text));
        }
        if text.trim_start().starts_with('{') {
            return Ok((Self::from_export(&text).map(LoadedPipeline::Export)?, text));
        }
        Ok((LoadedPipeline::Python, String::new()))
    }

    /// Reads the text of a native pipeline; `path` is for messages.
    ///
    /// # Errors
    /// If it has mistakes.
    pub fn from_native(text: &str, path: &Utf8Path) -> Result<Self, PipelineReadError> {
        Ok(native::read(text, path)?)
    }
}

/// Whether the top-level key of native pipelines is there. The file need not be valid YAML for
/// that: a file that says it is native deserves the messages of the native reader.
fn is_native(text: &str) -> bool {
    text.lines().any(|line| {
        let line = line.strip_prefix('{').unwrap_or(line).trim_start_matches(['"', '\'']);
        let rest = line.strip_prefix("qbb_pipeline").map(|r| r.trim_start_matches(['"', '\'']));
        rest.is_some_and(|rest| rest.trim_start().starts_with(':'))
    })
}
