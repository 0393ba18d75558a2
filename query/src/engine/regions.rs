//! Regions of records, decoded when they are first needed, each once.

use std::sync::OnceLock;

use qbb_dimensions::ElementIx;
use qbb_dimensions::sphere::Region;

use crate::engine::dictionary::Dictionary;
use crate::error::QueryError;

/// Decoded regions of the records of all spatial elements.
#[derive(Debug, Default)]
pub struct Regions {
    /// By element and record.
    decoded: Vec<Vec<OnceLock<Option<Box<Region>>>>>,
}

impl Regions {
    /// Room for the regions of the records that the dictionary has.
    pub fn new(dictionary: &Dictionary) -> Self {
        let room = |element: &qbb_dimensions::DimensionElement| {
            let records = dictionary.records(element.ix).filter(|_| element.is_spatial());
            (0..records.map_or(0, |table| table.len())).map(|_| OnceLock::new()).collect()
        };
        Self { decoded: dictionary.universe().elements().iter().map(room).collect() }
    }

    /// The region of a record, if it has one; `data_id` is for the message if it is damaged.
    pub fn get(
        &self,
        dictionary: &Dictionary,
        element: ElementIx,
        record: u32,
        data_id: impl FnOnce() -> String,
    ) -> Result<Option<&Region>, QueryError> {
        let Some(place) = self.decoded.get(element.index()).and_then(|r| r.get(record as usize))
        else {
            return Ok(None);
        };
        if let Some(region) = place.get() {
            return Ok(region.as_deref());
        }
        let bytes = dictionary.records(element).and_then(|table| table.region(record));
        let region = bytes.map(Region::decode).transpose().map_err(|source| {
            let element = dictionary.universe().element(element).name.clone();
            QueryError::Region { element, data_id: data_id(), source }
        })?;
        Ok(place.get_or_init(|| region.map(Box::new)).as_deref())
    }
}
