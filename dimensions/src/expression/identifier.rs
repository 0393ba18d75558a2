//! What the identifiers of an expression stand for.

use crate::group::DimensionGroup;
use crate::suggestion::nearest_name;
use crate::universe::{DimensionElement, FieldType, KeyType};

use super::bind::Context;
use super::error::ExpressionErrorKind;
use super::value::{Column, DatasetField, Value, ValueType};

/// The value that an identifier of one to three parts stands for.
///
/// Unqualified fields are looked for in the elements of the query's dimensions and in its datasets;
/// dimensions and qualified names may belong to any element of the universe.
pub(super) fn interpret(context: &Context<'_>, name: &str) -> Result<Value, ExpressionErrorKind> {
    let parts: Vec<&str> = name.split('.').collect();
    match parts.as_slice() {
        [single] => simple(context, single),
        [first, second] => qualified(context, name, first, second),
        [first, second, bound] => {
            let timespan = qualified(context, &format!("{first}.{second}"), first, second)?;
            bounded(timespan, bound, name)
        }
        _ => Err(unknown(context, name)),
    }
}

fn simple(context: &Context<'_>, name: &str) -> Result<Value, ExpressionErrorKind> {
    let universe = context.dimensions.universe();
    if let Some(element) = universe.find(name).filter(|element| element.is_dimension()) {
        return Ok(key(element));
    }
    let mut owners: Vec<(&str, Value)> = (context.dimensions.iter_elements())
        .filter_map(|element| {
            Some((element.name.as_str(), find_field(context.dimensions, element, name)?))
        })
        .collect();
    if let Some(field) = DatasetField::find(name) {
        let datasets = context.datasets.iter().zip(0..);
        owners.extend(datasets.map(|(name, at)| (name.as_str(), dataset_field(at, field))));
    }
    match owners.as_slice() {
        [] => Err(unknown(context, name)),
        [(_, value)] => Ok(value.clone()),
        _ => {
            let mut candidates: Vec<String> =
                owners.iter().map(|(owner, _)| format!("`{owner}.{name}`")).collect();
            candidates.sort_unstable();
            Err(ExpressionErrorKind::Ambiguous { name: name.to_owned(), candidates })
        }
    }
}

fn qualified(
    context: &Context<'_>,
    name: &str,
    first: &str,
    second: &str,
) -> Result<Value, ExpressionErrorKind> {
    let group = context.dimensions;
    if let Some(element) = group.universe().find(first) {
        return find_field(group, element, second).ok_or_else(|| unknown_field(element, second));
    }
    let dataset = context.datasets.iter().position(|dataset| dataset == first);
    match (DatasetField::find(second), dataset) {
        (Some(field), Some(at)) => Ok(dataset_field(at as u16, field)),
        (Some(_), None) => Err(ExpressionErrorKind::UnknownDataset {
            name: name.to_owned(),
            dataset_type: first.to_owned(),
            similar: nearest_name(first, context.datasets.iter().map(String::as_str))
                .or_else(|| {
                    let elements = group.universe().elements();
                    nearest_name(first, elements.iter().map(|element| element.name.as_str()))
                })
                .map(str::to_owned),
        }),
        (None, _) if first == "timespan" && is_bound(second) => {
            bounded(simple(context, "timespan")?, second, name)
        }
        (None, Some(_)) => Err(ExpressionErrorKind::UnknownField {
            element: first.to_owned(),
            field: second.to_owned(),
            similar: nearest(second, DatasetField::ALL.into_iter().map(DatasetField::name)),
        }),
        (None, None) => Err(unknown(context, first)),
    }
}

fn dataset_field(dataset: u16, field: DatasetField) -> Value {
    Value::Column(Column::Dataset(dataset, field), field.value_type())
}

fn is_bound(name: &str) -> bool {
    matches!(name, "begin" | "end")
}

fn bounded(timespan: Value, bound: &str, name: &str) -> Result<Value, ExpressionErrorKind> {
    if timespan.value_type() != ValueType::Timespan || !is_bound(bound) {
        let similar = (timespan.value_type() == ValueType::Timespan)
            .then(|| nearest(bound, ["begin", "end"].into_iter()))
            .flatten();
        return Err(ExpressionErrorKind::UnknownIdentifier { name: name.to_owned(), similar });
    }
    Ok(match bound {
        "begin" => Value::Begin(Box::new(timespan)),
        _ => Value::End(Box::new(timespan)),
    })
}

fn key(dimension: &DimensionElement) -> Value {
    let value_type = match dimension.key_type() {
        Some(KeyType::Text) => ValueType::Text,
        _ => ValueType::Int,
    };
    Value::Column(Column::Key(dimension.ix), value_type)
}

/// Name of the column of a dimension's own key; that of sky pixels exists in name only.
fn key_name(element: &DimensionElement) -> Option<&str> {
    match element.key_column() {
        Some(column) => Some(&column.name),
        None => element.skypix().map(|_| "id"),
    }
}

/// The value of a named field of an element, if it has one.
fn find_field(group: &DimensionGroup, element: &DimensionElement, name: &str) -> Option<Value> {
    let universe = group.universe();
    if key_name(element) == Some(name) {
        return Some(key(element));
    }
    let dimension = (element.required.iter().chain(&element.implied))
        .filter(|&&ix| ix != element.ix)
        .map(|&ix| universe.element(ix))
        .find(|dimension| dimension.name == name);
    if let Some(dimension) = dimension {
        return Some(key(dimension));
    }
    let fields = element.alternate_keys.iter().chain(&element.metadata);
    for (position, spec) in fields.enumerate() {
        if spec.name == name {
            let value_type = match spec.kind {
                FieldType::Int => ValueType::Int,
                FieldType::Float => ValueType::Float,
                FieldType::Bool => ValueType::Bool,
                FieldType::Text { .. } => ValueType::Text,
                FieldType::Hash { .. } => ValueType::Hash,
            };
            return Some(Value::Column(Column::Field(element.ix, position as u16), value_type));
        }
    }
    match name {
        "region" if element.is_spatial() => {
            Some(Value::Column(Column::Region(element.ix), ValueType::Region))
        }
        "timespan" if element.is_temporal() => {
            Some(Value::Column(Column::Timespan(element.ix), ValueType::Timespan))
        }
        _ => None,
    }
}

fn unknown_field(element: &DimensionElement, name: &str) -> ExpressionErrorKind {
    let fields = element.alternate_keys.iter().chain(&element.metadata);
    let names = fields.map(|spec| spec.name.as_str()).chain(key_name(element));
    let region = element.is_spatial().then_some("region");
    let timespan = element.is_temporal().then_some("timespan");
    ExpressionErrorKind::UnknownField {
        element: element.name.clone(),
        field: name.to_owned(),
        similar: nearest(name, names.chain(region).chain(timespan)),
    }
}

fn unknown(context: &Context<'_>, name: &str) -> ExpressionErrorKind {
    let group = context.dimensions;
    let elements = group.universe().elements().iter().map(|element| element.name.as_str());
    let fields = group
        .iter_elements()
        .flat_map(|element| element.alternate_keys.iter().chain(&element.metadata))
        .map(|spec| spec.name.as_str());
    let bindings = context.bindings.keys().map(String::as_str);
    ExpressionErrorKind::UnknownIdentifier {
        name: name.to_owned(),
        similar: nearest(name, elements.chain(fields).chain(bindings)),
    }
}

/// The nearest of some names, if one is near enough to be a likely slip; case does not count.
fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<String> {
    nearest_name(&name.to_ascii_lowercase(), names).map(str::to_owned)
}
