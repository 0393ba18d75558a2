//! The paths that files of datasets get in a datastore.

use std::sync::Arc;

use camino::Utf8Path;
use qbb_datastore::{
    CompiledTemplate, DatastoreConfig, LookupTarget, PathTemplates, TemplateColumns,
};
use qbb_dimensions::{DataIdTable, DatasetType, ElementIx, RecordTable, Symbols, Universe};
use rustc_hash::FxHashMap;

use crate::contents::DatasetColumns;
use crate::error::TransferError;

/// Ends of file names that belong to the ending before them.
const COMPRESSIONS: [&str; 4] = [".gz", ".bz2", ".xz", ".fz"];

/// How a datastore names files.
#[derive(Debug)]
pub(crate) struct NamingRules {
    templates: PathTemplates,
    /// Templates may depend on it.
    instrument: Option<ElementIx>,
}

impl NamingRules {
    /// Those of a configuration.
    ///
    /// # Errors
    /// If a template is wrong.
    pub(crate) fn new(
        datastore: &DatastoreConfig,
        universe: &Arc<Universe>,
    ) -> Result<Self, TransferError> {
        Ok(Self {
            templates: PathTemplates::new(&datastore.templates, universe)?,
            instrument: universe.find("instrument").map(|element| element.ix),
        })
    }
}

/// Expands path templates for the datasets of a batch.
pub(crate) struct FileNames<'a> {
    rules: &'a NamingRules,
    datasets: &'a DatasetColumns,
    dataset_type: &'a DatasetType,
    data_ids: &'a DataIdTable,
    records: &'a [RecordTable],
    symbols: &'a Symbols,
    /// By component and, where templates depend on it, the cell of the instrument.
    compiled: FxHashMap<(Option<String>, Option<i64>), Arc<Compiled<'a>>>,
}

struct Compiled<'a> {
    template: CompiledTemplate,
    columns: TemplateColumns<'a>,
}

impl<'a> FileNames<'a> {
    pub(crate) fn new(
        rules: &'a NamingRules,
        datasets: &'a DatasetColumns,
        dataset_type: &'a DatasetType,
        data_ids: &'a DataIdTable,
        records: &'a [RecordTable],
        symbols: &'a Symbols,
    ) -> Self {
        let compiled = FxHashMap::default();
        Self { rules, datasets, dataset_type, data_ids, records, symbols, compiled }
    }

    /// Where a file of a dataset goes.
    pub(crate) fn path(
        &mut self,
        dataset: u32,
        component: Option<(&str, &str)>,
        source: &Utf8Path,
    ) -> Result<String, TransferError> {
        let compiled = self.compiled(dataset, component)?;
        let id = uuid::Uuid::from_bytes(self.datasets.id[dataset as usize]);
        let (id, row) = (id.as_hyphenated().to_string(), compiled.columns.row(dataset));
        let mut path = String::with_capacity(128);
        compiled.template.expand(&self.datasets.run, &id, &row, &mut path)?;
        path.push_str(extension(source.file_name().unwrap_or_default()));
        Ok(path)
    }

    fn compiled(
        &mut self,
        dataset: u32,
        component: Option<(&str, &str)>,
    ) -> Result<Arc<Compiled<'a>>, TransferError> {
        let instrument = (self.rules.instrument)
            .filter(|_| self.rules.templates.depends_on_instrument())
            .and_then(|instrument| self.data_ids.group().key_position(instrument))
            .map(|position| self.data_ids.columns()[position][dataset as usize]);
        let key = (component.map(|(name, _)| name.to_owned()), instrument);
        if let Some(compiled) = self.compiled.get(&key) {
            return Ok(compiled.clone());
        }
        let target = LookupTarget {
            dataset_type: self.dataset_type,
            component,
            instrument: instrument.and_then(|cell| self.symbols.of_cell(cell)),
        };
        let template = self.rules.templates.find(target)?;
        let template = template.compile(self.dataset_type, component.map(|(name, _)| name))?;
        let records = self.records;
        let table = |ix| records.iter().find(|table| table.element == ix);
        let columns = TemplateColumns::new(&template, self.data_ids, table, self.symbols);
        let compiled = Arc::new(Compiled { template, columns });
        self.compiled.insert(key, compiled.clone());
        Ok(compiled)
    }
}

/// Where the middleware puts an archive.
pub(crate) fn archive_path(source: &Utf8Path) -> String {
    let name = source.file_name().unwrap_or_default();
    let folder: String = name.chars().take(4).collect();
    format!("zips/{folder}/{name}")
}

/// The ending of a file name with its dot, with what stands before a compression.
fn extension(name: &str) -> &str {
    let Some(dot) = name.rfind('.').filter(|&dot| dot > 0) else { return "" };
    if COMPRESSIONS.contains(&&name[dot..])
        && let Some(before) = name[..dot].rfind('.').filter(|&before| before > 0)
    {
        return &name[before..];
    }
    &name[dot..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_keep_what_stands_before_a_compression() {
        for (name, expected) in [
            ("x.fits.gz", ".fits.gz"),
            ("x.fits.fz", ".fits.fz"),
            ("a.b.yaml", ".yaml"),
            ("x.gz", ".gz"),
            ("plain", ""),
            (".hidden", ""),
        ] {
            assert_eq!(extension(name), expected, "{name}");
        }
    }

    #[test]
    fn archives_go_where_the_middleware_puts_them() {
        let path = archive_path(Utf8Path::new("/release/zips/16d9/16d97fc3-09e4.zip"));
        assert_eq!(path, "zips/16d9/16d97fc3-09e4.zip");
    }
}
