//! The JSON models of `.qg` files, for reading. Unknown keys are ignored.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;
use uuid::Uuid;

/// Text that is borrowed where JSON has no escapes in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub(super) struct Text<'a>(#[serde(borrow)] pub Cow<'a, str>);

impl std::ops::Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// An object as its keys and values in the order of the file.
#[derive(Debug)]
pub(super) struct Pairs<K, V>(pub Vec<(K, V)>);

impl<K, V> Default for Pairs<K, V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, K: Deserialize<'de>, V: Deserialize<'de>> Deserialize<'de> for Pairs<K, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PairsVisitor<K, V>(PhantomData<(K, V)>);
        impl<'de, K: Deserialize<'de>, V: Deserialize<'de>> Visitor<'de> for PairsVisitor<K, V> {
            type Value = Pairs<K, V>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Pairs<K, V>, M::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(PairsVisitor(PhantomData))
    }
}

/// One value of a data ID.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value<'a> {
    Int(i64),
    Text(Cow<'a, str>),
}

impl<'de: 'a, 'a> Deserialize<'de> for Value<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ValueVisitor;
        impl<'de> Visitor<'de> for ValueVisitor {
            type Value = Value<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an integer or a string")
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<Value<'de>, E> {
                Ok(Value::Int(value))
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<Value<'de>, E> {
                i64::try_from(value).map(Value::Int).map_err(|_| E::custom("integer out of range"))
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Value<'de>, E> {
                Ok(Value::Text(Cow::Borrowed(text)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Value<'de>, E> {
                Ok(Value::Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_any(ValueVisitor)
    }
}

/// `header`.
#[derive(Debug, Deserialize)]
pub(super) struct Header<'a> {
    #[serde(default = "one")]
    pub version: u32,
    #[serde(default)]
    pub graph_type: String,
    #[serde(default)]
    pub inputs: Vec<String>,
    #[serde(default)]
    pub output: Option<String>,
    #[serde(default)]
    pub output_run: String,
    #[serde(default)]
    pub user: String,
    #[serde(default)]
    pub timestamp: String,
    #[serde(default)]
    pub command: String,
    #[serde(default, borrow)]
    pub metadata: Option<&'a RawValue>,
    #[serde(default = "eight")]
    pub int_size: usize,
    #[serde(default)]
    pub n_quanta: usize,
}

fn one() -> u32 {
    1
}

fn eight() -> usize {
    8
}

/// A block of `quantum_datasets`, or an object of `init_quanta`.
#[derive(Debug, Deserialize)]
pub(super) struct Quantum<'a> {
    pub quantum_id: Uuid,
    #[serde(borrow)]
    pub task_label: Text<'a>,
    #[serde(default, borrow)]
    pub data_coordinate: Vec<Value<'a>>,
    #[serde(default, borrow)]
    pub inputs: Pairs<Text<'a>, Vec<Dataset<'a>>>,
    #[serde(default, borrow)]
    pub outputs: Pairs<Text<'a>, Vec<Dataset<'a>>>,
    #[serde(default, borrow)]
    pub datastore_records: Pairs<Text<'a>, DatastoreRecords<'a>>,
}

/// A dataset of a quantum.
#[derive(Debug, Deserialize)]
pub(super) struct Dataset<'a> {
    pub dataset_id: Uuid,
    #[serde(borrow)]
    pub dataset_type_name: Text<'a>,
    #[serde(default, borrow)]
    pub data_coordinate: Vec<Value<'a>>,
    #[serde(borrow)]
    pub run: Text<'a>,
}

/// Record class → dataset → opaque table → rows.
#[derive(Debug, Deserialize)]
pub(super) struct DatastoreRecords<'a> {
    #[serde(default, borrow)]
    pub records: Pairs<Text<'a>, ByDataset<'a>>,
}

/// Dataset → opaque table → rows.
pub(super) type ByDataset<'a> = Pairs<Uuid, Pairs<Text<'a>, Vec<Record<'a>>>>;

/// One row of a datastore's records.
#[derive(Debug, Deserialize)]
pub(super) struct Record<'a> {
    #[serde(borrow)]
    pub formatter: Text<'a>,
    #[serde(borrow)]
    pub path: Text<'a>,
    #[serde(borrow)]
    pub storage_class: Text<'a>,
    #[serde(default, borrow)]
    pub component: Option<Text<'a>>,
    #[serde(default, borrow)]
    pub checksum: Option<Text<'a>>,
    #[serde(default = "unknown_size")]
    pub file_size: i64,
}

fn unknown_size() -> i64 {
    -1
}

/// `dimension_data`: element → rows, each parsed when its columns are known.
pub(super) type DimensionData<'a> = Pairs<Text<'a>, Vec<&'a RawValue>>;
