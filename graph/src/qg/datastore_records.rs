//! The datastore records of a quantum as JSON.

use qbb_dimensions::Symbol;

use super::blocks::RecordPaths;
use super::json;
use super::{RECORD_CLASS, RECORD_TABLE, WHOLE_DATASET};
use crate::error::Result;
use crate::model::{DatasetIx, InputRecords, QuantumGraph};

impl QuantumGraph {
    /// The records of those of these datasets that have any, by datastore.
    pub(super) fn write_records(
        &self,
        mut datasets: Vec<u32>,
        paths: RecordPaths,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        datasets.sort_unstable();
        datasets.dedup();
        let rows: Vec<usize> =
            datasets.iter().flat_map(|&d| self.records.of_dataset(DatasetIx(d))).collect();
        for &row in &rows {
            self.check_record(row)?;
        }
        out.push(b'{');
        let mut first = true;
        for (position, datastore) in self.datastores.iter().enumerate() {
            let here: Vec<usize> = (rows.iter().copied())
                .filter(|&row| self.records.datastore[row] as usize == position)
                .collect();
            if here.is_empty() {
                continue;
            }
            let by_dataset = || {
                here.chunk_by(|&a, &b| self.records.dataset[a] == self.records.dataset[b])
                    .map(|rows| (&self.datasets.id[self.records.dataset[rows[0]] as usize], rows))
            };
            json::key(out, &mut first, &datastore.name);
            out.extend_from_slice(b"{\"dataset_ids\":");
            json::list(out, by_dataset(), |out, (id, _)| json::uuid(out, id));
            out.extend_from_slice(b",\"records\":{");
            json::string(out, RECORD_CLASS);
            out.extend_from_slice(b":{");
            for (position, (id, rows)) in by_dataset().enumerate() {
                if position != 0 {
                    out.push(b',');
                }
                json::simple_uuid(out, id);
                out.extend_from_slice(b":{");
                json::string(out, RECORD_TABLE);
                out.extend_from_slice(b":[");
                for (position, &row) in rows.iter().enumerate() {
                    if position != 0 {
                        out.push(b',');
                    }
                    self.write_record(row, paths, out)?;
                }
                out.extend_from_slice(b"]}");
            }
            out.extend_from_slice(b"}}}");
        }
        out.push(b'}');
        Ok(())
    }

    /// One record, which has been checked.
    fn write_record(&self, row: usize, paths: RecordPaths, out: &mut Vec<u8>) -> Result<()> {
        let records = &self.records;
        let symbol = |number: u32| self.symbols.get(Symbol(number)).unwrap_or_default();
        out.extend_from_slice(b"{\"formatter\":");
        json::string(out, symbol(records.formatter[row]));
        out.extend_from_slice(b",\"path\":");
        match paths {
            RecordPaths::AsRecorded => json::string(out, self.input_path(row)?),
            RecordPaths::AbsoluteUris => json::string(out, self.input_uri(row)?.as_str()),
        }
        out.extend_from_slice(b",\"storage_class\":");
        json::string(out, symbol(records.storage_class[row]));
        out.extend_from_slice(b",\"component\":");
        match records.component[row] {
            InputRecords::WHOLE => json::string(out, WHOLE_DATASET),
            component => json::string(out, symbol(component)),
        }
        out.extend_from_slice(b",\"checksum\":");
        match std::str::from_utf8(records.checksum.get(row)) {
            Ok(checksum) if !checksum.is_empty() => json::string(out, checksum),
            _ => out.extend_from_slice(b"null"),
        }
        out.extend_from_slice(b",\"file_size\":");
        json::int(out, records.file_size[row]);
        out.push(b'}');
        Ok(())
    }
}
