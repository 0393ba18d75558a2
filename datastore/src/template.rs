//! Path templates: Python format strings over data IDs and dimension records.

use std::fmt;

use crate::format_spec::FormatSpec;

/// A template as it stands in a configuration, for example
/// `{run:/}/{datasetType}/{visit:08d}/{datasetType}_{detector.full_name|detector}_{run}`.
///
/// It is compiled once for each dataset type ([`PathTemplate::compile`]) and then expanded for each
/// dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathTemplate {
    pub(crate) text: String,
    pub(crate) parts: Vec<Part>,
}

/// A field and the literal text before it; only the last part may lack the field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    pub literal: String,
    pub field: Option<Field>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Field {
    /// Alternatives, never empty.
    pub names: Vec<FieldName>,
    /// `?`: nothing is written if it is missing.
    pub optional: bool,
    /// `/`: slashes in its value separate folders.
    pub keep_slashes: bool,
    /// `!s`: the value is made text before it is formatted.
    pub as_text: bool,
    /// What remains of the format specification.
    pub spec: FormatSpec,
    /// Its text.
    pub spec_text: String,
}

/// `primary` or `primary.secondary`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FieldName {
    pub primary: String,
    pub secondary: Option<String>,
}

impl fmt::Display for FieldName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.secondary {
            Some(secondary) => write!(f, "{}.{secondary}", self.primary),
            None => f.write_str(&self.primary),
        }
    }
}

/// Why a template is wrong, does not go with a dataset type, or cannot be expanded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("path template `{template}`: {problem}")]
pub struct TemplateError {
    /// The template.
    pub template: String,
    /// What is wrong.
    pub problem: TemplateProblem,
}

/// The problems of [`TemplateError`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateProblem {
    /// The braces do not match.
    #[error("{0}")]
    Syntax(String),
    /// Neither `run` nor `id` occurs.
    #[error("it has neither `{{run}}` nor `{{id}}`, so that paths of different runs would clash")]
    NoRun,
    /// No dimension occurs.
    #[error("it has no dimension and no `{{id}}`, so that paths of different data IDs would clash")]
    NoDimension,
    /// `collection` was once allowed.
    #[error("`{{collection}}` is no longer supported: use `{{run}}`")]
    Collection,
    /// It leads to a parent folder.
    #[error("it may not contain `../`")]
    Parent,
    /// The id is not in the name of the file.
    #[error("`{{id}}` must stand in the file part, after the last slash")]
    IdNotInFile,
    /// A format specification is not understood.
    #[error("format specification `{spec}` of field `{field}` cannot be used for {kind}")]
    Spec {
        /// The field.
        field: String,
        /// The specification.
        spec: String,
        /// What the field holds.
        kind: &'static str,
    },
    /// A field is neither optional nor known for the dataset type.
    #[error(
        "field `{field}` is not known for dataset type `{dataset_type}` with dimensions \
         {dimensions}: make it optional (`:?`) or remove it"
    )]
    UnknownField {
        /// The field.
        field: String,
        /// The dataset type.
        dataset_type: String,
        /// Its dimensions.
        dimensions: String,
    },
    /// The dataset is a component and the template ignores that.
    #[error("it does not use `{{component}}`, but component `{component}` is to be written")]
    NoComponent {
        /// The component.
        component: String,
    },
    /// No record or value is attached to a data ID.
    #[error("a data ID lacks the {what}, which field `{field}` needs")]
    MissingValue {
        /// The field.
        field: String,
        /// What is missing.
        what: &'static str,
    },
}

impl PathTemplate {
    /// Reads a template and makes the checks that need no dataset type.
    ///
    /// # Errors
    /// If it is no format string, or would give different datasets the same path.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let parts = parse_parts(text).map_err(|problem| error(text, problem))?;
        let template = Self { text: text.to_owned(), parts };
        template.check().map_err(|problem| error(text, problem))?;
        Ok(template)
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn error(&self, problem: TemplateProblem) -> TemplateError {
        error(&self.text, problem)
    }

    fn check(&self) -> Result<(), TemplateProblem> {
        let fields = || self.parts.iter().filter_map(|part| part.field.as_ref());
        let names = || fields().flat_map(|field| &field.names);
        let has = |name: &str| names().any(|n| n.primary == name);
        if has("collection") {
            return Err(TemplateProblem::Collection);
        }
        if !has("run") && !has("id") {
            return Err(TemplateProblem::NoRun);
        }
        if !has("id") && names().all(is_special) {
            return Err(TemplateProblem::NoDimension);
        }
        if self.text.contains("../") {
            return Err(TemplateProblem::Parent);
        }
        let file_part = self.text.rsplit('/').next().unwrap_or_default();
        if has("id") && !file_part.contains("{id}") {
            return Err(TemplateProblem::IdNotInFile);
        }
        Ok(())
    }
}

impl fmt::Display for PathTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Whether the name is of the dataset, not of a dimension.
fn is_special(name: &FieldName) -> bool {
    name.secondary.is_none()
        && matches!(name.primary.as_str(), "run" | "id" | "datasetType" | "component")
}

fn error(text: &str, problem: TemplateProblem) -> TemplateError {
    TemplateError { template: text.to_owned(), problem }
}

fn parse_parts(text: &str) -> Result<Vec<Part>, TemplateProblem> {
    let syntax = |message: &str| TemplateProblem::Syntax(message.to_owned());
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        literal.push_str(&rest[..at]);
        let brace = &rest[at..=at];
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix(brace) {
            // Python ends a part after a doubled brace, which an optional field then keeps.
            literal.push_str(brace);
            parts.push(Part { literal: std::mem::take(&mut literal), field: None });
            rest = after;
        } else if brace == "}" {
            return Err(syntax("a `}` stands alone; write `}}` for the brace itself"));
        } else {
            let end = rest.find('}').ok_or_else(|| syntax("a `{` is never closed"))?;
            let field = parse_field(&rest[..end])?;
            parts.push(Part { literal: std::mem::take(&mut literal), field: Some(field) });
            rest = &rest[end + 1..];
        }
    }
    literal.push_str(rest);
    if !literal.is_empty() {
        parts.push(Part { literal, field: None });
    }
    Ok(parts)
}

fn parse_field(text: &str) -> Result<Field, TemplateProblem> {
    let syntax = |message: String| TemplateProblem::Syntax(message);
    if text.contains('{') {
        return Err(syntax(format!("field `{text}` contains another field")));
    }
    let (head, spec) = text.split_once(':').unwrap_or((text, ""));
    let (names, as_text) = match head.split_once('!') {
        None => (head, false),
        Some((names, "s")) => (names, true),
        Some((_, conversion)) => {
            return Err(syntax(format!(
                "conversion `!{conversion}` is not supported: only `!s` is"
            )));
        }
    };
    let names = names
        .split('|')
        .map(|name| match name.split('.').collect::<Vec<_>>()[..] {
            [""] => Err(syntax("a field has no name".to_owned())),
            [primary] => Ok(FieldName { primary: primary.to_owned(), secondary: None }),
            [primary, secondary] => {
                Ok(FieldName { primary: primary.to_owned(), secondary: Some(secondary.to_owned()) })
            }
            _ => Err(syntax(format!("field `{name}` has more than one dot"))),
        })
        .collect::<Result<Vec<_>, _>>()?;
    let plain: String = spec.chars().filter(|c| !matches!(c, '?' | '/')).collect();
    Ok(Field {
        optional: spec.contains('?'),
        keep_slashes: spec.contains('/'),
        as_text,
        spec: FormatSpec::parse(&plain).ok_or_else(|| TemplateProblem::Spec {
            field: head.to_owned(),
            spec: plain.clone(),
            kind: "paths",
        })?,
        spec_text: plain,
        names,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> String {
        PathTemplate::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn templates_that_cannot_work_are_refused() {
        let texts = [
            "{datasetType}/{visit}",
            "{run}/{datasetType}",
            "{collection}/{run}/{visit}",
            "{run}/../{visit}",
            "{id}/{run}_x",
            "{run}/{visit",
            "{run}/{visit}}",
            "{run}/{}",
            "{run}/{a.b.c}",
            "{run}/{visit!r}",
            "{run}/{visit:3zz}",
            "{run}/{visit:{width}}",
        ];
        insta::assert_snapshot!(texts.map(problem).join("\n"));
    }

    #[test]
    fn parts_are_read_like_python_does() {
        let template = PathTemplate::parse("a{{b}}{run:/}/{visit.name|group!s:?/>5}.x").unwrap();
        let literals: Vec<&str> = template.parts.iter().map(|p| p.literal.as_str()).collect();
        assert_eq!(literals, ["a{", "b}", "", "/", ".x"]);
        let field = template.parts[3].field.as_ref().unwrap();
        assert!(field.optional && field.keep_slashes && field.as_text);
        assert_eq!(field.names.len(), 2);
        assert_eq!(field.names[0].to_string(), "visit.name");
    }
}
