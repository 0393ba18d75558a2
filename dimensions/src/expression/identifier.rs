//! What the identifiers of an expression stand for.

use crate::group::DimensionGroup;
use crate::suggestion::nearest_name;
use crate::universe::{DimensionElement, FieldType, KeyType};

use super::condition::{Column, Value, ValueType};
use super::error::ExpressionErrorKind;

/// Fields of dataset searches, which are not dimensions.
const DATASET_FIELDS: [&str; 5] = ["dataset_id", "ingest_date", "run", "collection", "timespan"];

/// The value that an identifier of one to three parts stands for.
///
/// Unqualified metadata is looked for in the elements of `group`; dimensions and qualified names
/// may belong to any element of the universe.
pub(super) fn interpret(group: &DimensionGroup, name: &str) -> Result<Value, ExpressionErrorKind> {
    let universe = group.universe();
    let parts: Vec<&str> = name.split('.').collect();
    match parts.as_slice() {
        [single] => {
            if let Some(element) = universe.find(single).filter(|e| e.is_dimension()) {
                return Ok(key(element));
            }
            unqualified(group, single)
        }
        ["timespan", bound] if is_bound(bound) => {
            bounded(unqualified(group, "timespan")?, bound, name)
        }
        [first, second] => match universe.find(first) {
            Some(element) => field(group, element, second),
            None if DATASET_FIELDS.contains(second) => {
                Err(ExpressionErrorKind::NotSupported(format!("the dataset field `{name}`")))
            }
            None => Err(unknown(group, first)),
        },
        [first, second, bound] => {
            let element = universe.find(first).ok_or_else(|| unknown(group, first))?;
            bounded(field(group, element, second)?, bound, name)
        }
        _ => Err(unknown(group, name)),
    }
}

fn is_bound(name: &str) -> bool {
    matches!(name, "begin" | "end")
}

fn bounded(timespan: Value, bound: &str, name: &str) -> Result<Value, ExpressionErrorKind> {
    if timespan.value_type() != ValueType::Timespan || !is_bound(bound) {
        return Err(ExpressionErrorKind::UnknownIdentifier {
            name: name.to_owned(),
            similar: None,
        });
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

/// The value of a named field of an element, if it has one.
fn find_field(group: &DimensionGroup, element: &DimensionElement, name: &str) -> Option<Value> {
    let universe = group.universe();
    if element.key_column().is_some_and(|column| column.name == name) || element.name == name {
        return element.is_dimension().then(|| key(element));
    }
    let dimension = (element.required.iter().chain(&element.implied))
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

fn field(
    group: &DimensionGroup,
    element: &DimensionElement,
    name: &str,
) -> Result<Value, ExpressionErrorKind> {
    find_field(group, element, name).ok_or_else(|| {
        let fields = element.alternate_keys.iter().chain(&element.metadata);
        let names = fields.map(|spec| spec.name.as_str()).chain(["region", "timespan"]);
        ExpressionErrorKind::UnknownField {
            element: element.name.clone(),
            field: name.to_owned(),
            similar: nearest(name, names),
        }
    })
}

fn unqualified(group: &DimensionGroup, name: &str) -> Result<Value, ExpressionErrorKind> {
    let owners: Vec<(&DimensionElement, Value)> = group
        .iter_elements()
        .filter_map(|element| find_field(group, element, name).map(|value| (element, value)))
        .collect();
    match owners.as_slice() {
        [] => Err(unknown(group, name)),
        [(_, value)] => Ok(value.clone()),
        _ => Err(ExpressionErrorKind::Ambiguous {
            name: name.to_owned(),
            candidates: (owners.iter())
                .map(|(element, _)| format!("`{}.{name}`", element.name))
                .collect(),
        }),
    }
}

fn unknown(group: &DimensionGroup, name: &str) -> ExpressionErrorKind {
    let elements = group.universe().elements().iter().map(|element| element.name.as_str());
    let fields = group
        .iter_elements()
        .flat_map(|element| element.alternate_keys.iter().chain(&element.metadata))
        .map(|spec| spec.name.as_str());
    ExpressionErrorKind::UnknownIdentifier {
        name: name.to_owned(),
        similar: nearest(name, elements.chain(fields)),
    }
}

/// The nearest of some names, if one is near enough to be a likely slip; case does not count.
fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<String> {
    nearest_name(&name.to_ascii_lowercase(), names).map(str::to_owned)
}
