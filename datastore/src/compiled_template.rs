//! Path templates made ready for the datasets of one dataset type.

use std::fmt::Write as _;

use qbb_dimensions::{
    DatasetType, DimensionElement, DimensionGroup, ElementIx, FieldType, KeyType,
};

use crate::format_spec::FormatSpec;
use crate::template::{Field, FieldName, PathTemplate, TemplateError, TemplateProblem};
use crate::uri_text::normalise;

/// Characters that are replaced in text, as they cause trouble in file names.
const REPLACED: [char; 10] = [' ', '<', '>', ':', '"', '\\', '|', '?', '*', '/'];

/// A template for the datasets of one dataset type, without what is the same for all of them.
#[derive(Debug, Clone, PartialEq)]
pub struct CompiledTemplate {
    template: String,
    pieces: Vec<Piece>,
    dimensions: Vec<ElementIx>,
    record_fields: Vec<RecordField>,
}

/// A field of a dimension record that a template needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordField {
    /// The dimension.
    pub element: ElementIx,
    /// The column of its table.
    pub name: String,
}

#[derive(Debug, Clone, PartialEq)]
enum Piece {
    Literal(String),
    Field { source: Source, name: String, keep_slashes: bool, as_text: bool, spec: FormatSpec },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Run,
    Id,
    Dimension(usize),
    Record(usize),
}

/// A value of a data ID or a dimension record.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FieldValue<'a> {
    /// An integer.
    Int(i64),
    /// Text.
    Text(&'a str),
    /// A number, written as Python writes it.
    Float(f64),
    /// A truth value.
    Bool(bool),
    /// A null in a record, written as Python's `None`.
    Null,
}

/// Gives the values of one data ID. Slots are positions in [`CompiledTemplate::dimensions`] and
/// [`CompiledTemplate::record_fields`], so that columns are looked up once for many rows.
pub trait TemplateRow {
    /// The value of a dimension; `None` if the data ID lacks it.
    fn dimension(&self, slot: usize) -> Option<FieldValue<'_>>;
    /// The value of a record's field; `None` if the record is not known.
    fn record_field(&self, slot: usize) -> Option<FieldValue<'_>>;
}

impl PathTemplate {
    /// Makes the template ready for a dataset type, or for one component of it.
    ///
    /// # Errors
    /// If a field that must be there is not known for the dataset type, or cannot be formatted as
    /// the template demands.
    pub fn compile(
        &self,
        dataset_type: &DatasetType,
        component: Option<&str>,
    ) -> Result<CompiledTemplate, TemplateError> {
        let mut compiler = Compiler {
            dataset_type,
            component,
            used_component: false,
            compiled: CompiledTemplate {
                template: self.text.clone(),
                pieces: Vec::new(),
                dimensions: Vec::new(),
                record_fields: Vec::new(),
            },
        };
        for part in &self.parts {
            match &part.field {
                None => compiler.push_literal(&part.literal),
                Some(field) => {
                    compiler.push(&part.literal, field).map_err(|problem| self.error(problem))?;
                }
            }
        }
        if let (Some(component), false) = (component, compiler.used_component) {
            let component = component.to_owned();
            return Err(self.error(TemplateProblem::NoComponent { component }));
        }
        Ok(compiler.compiled)
    }
}

struct Compiler<'a> {
    dataset_type: &'a DatasetType,
    component: Option<&'a str>,
    used_component: bool,
    compiled: CompiledTemplate,
}

/// What a name stands for.
enum Meaning<'a> {
    Constant(&'a str),
    Variable(Source, ValueKind),
    Missing,
}

#[derive(Clone, Copy)]
enum ValueKind {
    Int,
    Text,
    Other,
}

impl Compiler<'_> {
    fn push_literal(&mut self, text: &str) {
        if let Some(Piece::Literal(last)) = self.compiled.pieces.last_mut() {
            last.push_str(text);
        } else if !text.is_empty() {
            self.compiled.pieces.push(Piece::Literal(text.to_owned()));
        }
    }

    fn push(&mut self, literal: &str, field: &Field) -> Result<(), TemplateProblem> {
        let name = self.choose(&field.names);
        self.used_component |= name.primary == "component" && name.secondary.is_none();
        let check = |fits: bool, kind: &'static str| {
            if fits {
                return Ok(());
            }
            let (field, spec) = (name.to_string(), field.spec_text.clone());
            Err(TemplateProblem::Spec { field, spec, kind })
        };
        match self.meaning(name) {
            Meaning::Missing if field.optional => {
                if literal.contains('/') {
                    self.push_literal(literal);
                }
            }
            Meaning::Missing => {
                return Err(TemplateProblem::UnknownField {
                    field: name.to_string(),
                    dataset_type: self.dataset_type.name.clone(),
                    dimensions: self.dataset_type.dimensions.to_string(),
                });
            }
            Meaning::Constant(value) => {
                check(field.spec.fits_text(), "text")?;
                let mut text = literal.to_owned();
                field.spec.write_text(value, &mut text);
                self.push_literal(&text);
            }
            Meaning::Variable(source, kind) => {
                match kind {
                    _ if field.as_text => check(field.spec.fits_text(), "text")?,
                    ValueKind::Int => check(field.spec.fits_int(), "integers")?,
                    ValueKind::Text => check(field.spec.fits_text(), "text")?,
                    ValueKind::Other => check(field.spec.is_plain(), "numbers and truth values")?,
                }
                self.push_literal(literal);
                self.compiled.pieces.push(Piece::Field {
                    source,
                    name: name.to_string(),
                    keep_slashes: field.keep_slashes,
                    as_text: field.as_text,
                    spec: field.spec.clone(),
                });
            }
        }
        Ok(())
    }

    /// The first alternative whose primary name is known, else the first.
    fn choose<'f>(&self, names: &'f [FieldName]) -> &'f FieldName {
        names.iter().find(|name| self.knows(&name.primary)).unwrap_or(&names[0])
    }

    fn knows(&self, primary: &str) -> bool {
        match primary {
            "run" | "id" | "datasetType" => true,
            "component" => self.component.is_some(),
            _ => self.dimension(primary).is_some(),
        }
    }

    /// The dimension of a name; `skypix` is the only pixelization there is.
    fn dimension(&self, name: &str) -> Option<&DimensionElement> {
        let group: &DimensionGroup = &self.dataset_type.dimensions;
        if name == "skypix" {
            let mut skypix = group.skypix();
            return skypix.next().filter(|_| skypix.next().is_none());
        }
        group.universe().find(name).filter(|element| group.contains(element.ix))
    }

    fn meaning(&mut self, name: &FieldName) -> Meaning<'_> {
        let Some(secondary) = &name.secondary else {
            return match name.primary.as_str() {
                "run" => Meaning::Variable(Source::Run, ValueKind::Text),
                "id" => Meaning::Variable(Source::Id, ValueKind::Other),
                "datasetType" => Meaning::Constant(&self.dataset_type.name),
                "component" => self.component.map_or(Meaning::Missing, Meaning::Constant),
                primary => match self.dimension(primary) {
                    Some(element) => {
                        let (ix, kind) = (element.ix, kind_of_key(element));
                        let slot = slot(&mut self.compiled.dimensions, ix);
                        Meaning::Variable(Source::Dimension(slot), kind)
                    }
                    None => Meaning::Missing,
                },
            };
        };
        let found = self.dimension(&name.primary);
        match found.and_then(|element| Some((element.ix, kind_of_field(element, secondary, self)?)))
        {
            Some((element, kind)) => {
                let field = RecordField { element, name: secondary.clone() };
                let slot = slot(&mut self.compiled.record_fields, field);
                Meaning::Variable(Source::Record(slot), kind)
            }
            None => Meaning::Missing,
        }
    }
}

fn slot<T: PartialEq>(slots: &mut Vec<T>, value: T) -> usize {
    slots.iter().position(|known| *known == value).unwrap_or_else(|| {
        slots.push(value);
        slots.len() - 1
    })
}

fn kind_of_key(element: &DimensionElement) -> ValueKind {
    match element.key_type() {
        Some(KeyType::Int) => ValueKind::Int,
        Some(KeyType::Text) => ValueKind::Text,
        None => ValueKind::Other,
    }
}

/// What a column of an element's table holds; `None` if there is no such column.
fn kind_of_field(
    element: &DimensionElement,
    name: &str,
    compiler: &Compiler<'_>,
) -> Option<ValueKind> {
    let universe = compiler.dataset_type.dimensions.universe();
    let own_key = element.key_column().map_or("id", |column| column.name.as_str());
    if element.is_dimension() && name == own_key {
        return Some(kind_of_key(element));
    }
    let mut dimensions = element.required.iter().chain(&element.implied);
    if let Some(&ix) = dimensions.find(|&&ix| ix != element.ix && universe.element(ix).name == name)
    {
        return Some(kind_of_key(universe.element(ix)));
    }
    let mut fields = element.alternate_keys.iter().chain(&element.metadata);
    fields.find(|field| field.name == name).map(|field| match field.kind {
        FieldType::Int => ValueKind::Int,
        FieldType::Text { .. } => ValueKind::Text,
        FieldType::Float | FieldType::Bool | FieldType::Hash { .. } => ValueKind::Other,
    })
}

impl CompiledTemplate {
    /// Dimensions whose values are needed; their positions are the slots of
    /// [`TemplateRow::dimension`].
    pub fn dimensions(&self) -> &[ElementIx] {
        &self.dimensions
    }

    /// Fields of records that are needed; their positions are the slots of
    /// [`TemplateRow::record_field`].
    pub fn record_fields(&self) -> &[RecordField] {
        &self.record_fields
    }

    /// Appends the path of a dataset, relative to the datastore's root and without extension.
    ///
    /// `id` is the dataset's id as text with dashes; it is used only if the template says so.
    ///
    /// # Errors
    /// If the row lacks a value.
    pub fn expand(
        &self,
        run: &str,
        id: &str,
        row: &impl TemplateRow,
        path: &mut String,
    ) -> Result<(), TemplateError> {
        let start = path.len();
        for piece in &self.pieces {
            match piece {
                Piece::Literal(text) => path.push_str(text),
                Piece::Field { source, name, keep_slashes, as_text, spec } => {
                    let value = match *source {
                        Source::Run => Some(FieldValue::Text(run)),
                        Source::Id => {
                            spec.write_text(id, path);
                            continue;
                        }
                        Source::Dimension(slot) => row.dimension(slot),
                        Source::Record(slot) => row.record_field(slot),
                    };
                    let missing = |what| TemplateError {
                        template: self.template.clone(),
                        problem: TemplateProblem::MissingValue { field: name.clone(), what },
                    };
                    let value = value.ok_or_else(|| match source {
                        Source::Record(_) => missing("dimension record"),
                        _ => missing("value"),
                    })?;
                    if value == FieldValue::Null && !as_text && !spec.is_plain() {
                        // Python formats a null only plainly.
                        return Err(missing("value (it is null)"));
                    }
                    write_value(value, *keep_slashes, *as_text, spec, path);
                }
            }
        }
        finish(path, start);
        Ok(())
    }
}

fn write_value(
    value: FieldValue<'_>,
    keep_slashes: bool,
    as_text: bool,
    spec: &FormatSpec,
    path: &mut String,
) {
    match value {
        FieldValue::Int(value) if !as_text => spec.write_int(value, path),
        FieldValue::Int(value) => spec.write_text(&value.to_string(), path),
        FieldValue::Text(text) => {
            let replaced = if keep_slashes { &REPLACED[..9] } else { &REPLACED[..] };
            if spec.is_plain() {
                path.extend(text.chars().map(|c| if replaced.contains(&c) { '_' } else { c }));
            } else {
                spec.write_text(&text.replace(replaced, "_"), path);
            }
        }
        FieldValue::Float(value) => {
            let mut text = String::new();
            write_float(value, &mut text);
            spec.write_text(&text, path);
        }
        FieldValue::Bool(value) => spec.write_text(if value { "True" } else { "False" }, path),
        FieldValue::Null => spec.write_text("None", path),
    }
}

/// Writes a number as Python's `repr` does: shortest digits, exponents from 1e16 and below 1e-4.
fn write_float(value: f64, out: &mut String) {
    let magnitude = value.abs();
    // Writing to a string cannot fail.
    let _ = if value.is_nan() {
        out.write_str("nan")
    } else if value.is_infinite() {
        out.write_str(if value > 0.0 { "inf" } else { "-inf" })
    } else if magnitude != 0.0 && !(1e-4..1e16).contains(&magnitude) {
        let text = format!("{value:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, exponent) = match exponent.strip_prefix('-') {
            Some(exponent) => ('-', exponent),
            None => ('+', exponent),
        };
        write!(out, "{digits}e{sign}{exponent:0>2}")
    } else {
        write!(out, "{value:?}")
    };
}

/// Replaces characters of the file name and normalises the path that starts at `start`.
fn finish(path: &mut String, start: usize) {
    let name_at = path[start..].rfind('/').map_or(start, |at| start + at + 1);
    if path[name_at..].contains(['.', '#']) {
        let name = path[name_at..].replace('.', "_").replace('#', "HASH");
        path.truncate(name_at);
        path.push_str(&name);
    }
    if is_normal(&path[start..]) {
        return;
    }
    let normal = normalise(&path[start..]);
    path.truncate(start);
    path.push_str(match normal.trim_matches('/') {
        "" => ".",
        relative => relative,
    });
}

fn is_normal(path: &str) -> bool {
    !path.is_empty() && path.split('/').all(|segment| !matches!(segment, "" | "." | ".."))
}

#[cfg(test)]
#[path = "compiled_template_tests.rs"]
mod tests;
