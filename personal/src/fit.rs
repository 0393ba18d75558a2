//! Whether a personal repository still fits its release.

use std::collections::BTreeMap;

use qbb_datastore::RepositoryConfig;
use qbb_dimensions::{DatasetType, Symbols, Universe};
use qbb_registry::{RegistryError, open_reader, open_writer, schema_versions};
use serde::Serialize;

use crate::record_difference::differing_records;

/// What was compared, and what does not fit.
#[derive(Debug, Clone, Serialize)]
pub struct FitReport {
    /// Whether runs over the release can be transferred: no finding stands in the way.
    pub fits: bool,
    /// All that differs.
    pub findings: Vec<Finding>,
    /// Dataset types that both have.
    pub dataset_types: u64,
    /// Dimension records that both have.
    pub records: u64,
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What sort of thing: `schema`, `universe`, `dataset type` or `dimension record`.
    pub what: &'static str,
    /// Which one.
    pub name: String,
    /// What the personal repository has.
    pub personal: String,
    /// What the release has.
    pub release: String,
    /// Whether it stands in the way of transfers.
    pub matters: bool,
}

/// Compares schema, universe, dataset types and dimension records of a personal repository with
/// those of a release. What only one of them has is no difference. Reads the personal repository's
/// records, and of the release those with the same keys.
///
/// # Errors
/// If one of them cannot be read at all.
pub fn check_fit(
    personal: &RepositoryConfig,
    release: &RepositoryConfig,
) -> Result<FitReport, RegistryError> {
    let mut report = FitReport { fits: true, findings: Vec::new(), dataset_types: 0, records: 0 };
    report.compare_schemas(&schema_versions(personal)?, &schema_versions(release)?);
    if let Err(error) = open_writer(personal) {
        report.findings.push(Finding {
            what: "schema",
            name: "writing".to_owned(),
            personal: error.to_string(),
            release: "to be written from it".to_owned(),
            matters: true,
        });
    }
    let (mut ours, mut theirs) = match (open_reader(personal), open_reader(release)) {
        (Ok(ours), Ok(theirs)) => (ours, theirs),
        (ours, theirs) => {
            let text = |result: Result<_, RegistryError>| match result {
                Ok(_) => "can be read".to_owned(),
                Err(error) => error.to_string(),
            };
            report.findings.push(Finding {
                what: "schema",
                name: "reading".to_owned(),
                personal: text(ours.map(|_| ())),
                release: text(theirs.map(|_| ())),
                matters: true,
            });
            return Ok(report.finished());
        }
    };
    let (universe, other) = (ours.universe().clone(), theirs.universe().clone());
    let same_universe = *universe == *other;
    let text = |u: &Universe| format!("{} version {}", u.namespace(), u.version());
    let (name, other_name) = (text(&universe), text(&other));
    if !same_universe || name != other_name {
        report.findings.push(Finding {
            what: "universe",
            name: "dimensions".to_owned(),
            personal: name,
            release: other_name,
            // Versions with the same elements are the same tables and records.
            matters: !same_universe,
        });
    }
    let (mut ours, mut theirs) = (ours.snapshot()?, theirs.snapshot()?);
    let known: BTreeMap<String, DatasetType> = (theirs.dataset_types()?.into_iter())
        .map(|known| (known.dataset_type.name.clone(), known.dataset_type))
        .collect();
    for own in ours.dataset_types()? {
        if let Some(other) = known.get(&own.dataset_type.name) {
            report.compare_dataset_types(&own.dataset_type, other);
        }
    }
    if same_universe {
        let mut symbols = Symbols::new();
        for element in universe.elements().iter().filter(|element| element.has_table()) {
            let (compared, differing) =
                differing_records(&universe, element, &mut *ours, &mut *theirs, &mut symbols)?;
            report.records += compared;
            report.findings.extend(differing);
        }
    }
    Ok(report.finished())
}

impl FitReport {
    fn compare_schemas(
        &mut self,
        personal: &BTreeMap<String, String>,
        release: &BTreeMap<String, String>,
    ) {
        let mut roles: Vec<&String> = personal.keys().chain(release.keys()).collect();
        roles.sort_unstable();
        roles.dedup();
        for role in roles {
            let text = |versions: &BTreeMap<String, String>| {
                versions.get(role).map_or("none", String::as_str).to_owned()
            };
            let (personal, release) = (text(personal), text(release));
            if personal != release {
                // What can be read and written is told apart by opening.
                let matters = false;
                let name = role.clone();
                self.findings.push(Finding { what: "schema", name, personal, release, matters });
            }
        }
    }

    fn compare_dataset_types(&mut self, own: &DatasetType, other: &DatasetType) {
        self.dataset_types += 1;
        let text = |dataset_type: &DatasetType| {
            let calibration = if dataset_type.is_calibration { ", a calibration" } else { "" };
            let DatasetType { dimensions, storage_class, .. } = dataset_type;
            format!("{storage_class} {dimensions}{calibration}")
        };
        let (personal, release) = (text(own), text(other));
        if personal != release {
            self.findings.push(Finding {
                what: "dataset type",
                name: own.name.clone(),
                personal,
                release,
                matters: true,
            });
        }
    }

    fn finished(mut self) -> Self {
        self.fits = !self.findings.iter().any(|finding| finding.matters);
        self
    }
}
