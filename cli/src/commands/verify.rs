//! `qbb verify`.

use std::collections::{BTreeMap, BTreeSet};

use qbb_datastore::RepositoryConfig;
use qbb_upkeep::{Finding, FindingKind, Repairs, Verification, VerifyOptions, repair, verify};
use serde::Serialize;

use crate::arguments::VerifyArguments;
use crate::output::{ExitCode, Failure, ProgressBars, Terminal, bytes, table};

#[derive(Serialize)]
struct Report {
    sound: bool,
    counts: BTreeMap<&'static str, u64>,
    #[serde(flatten)]
    verification: Verification,
    #[serde(skip_serializing_if = "Option::is_none")]
    repaired: Option<Repaired>,
}

#[derive(Serialize)]
struct Repaired {
    sizes: u64,
    locations: u64,
    trashed_datasets: u64,
    files_deleted: u64,
    refused: Vec<String>,
    /// What was to be put right.
    findings: Vec<Finding>,
}

/// Compares registry and datastore, and repairs if told to.
pub fn execute(arguments: &VerifyArguments, terminal: Terminal) -> Result<ExitCode, Failure> {
    let config = RepositoryConfig::open(&arguments.repository)?;
    let options = VerifyOptions { checksums: arguments.checksums };
    let compare = || -> Result<Verification, Failure> {
        let mut reader = qbb_registry::open_reader(&config)?;
        let bars = ProgressBars::new(terminal);
        let progress = |what: &str, done: u64, total: Option<u64>| match total {
            Some(total) => bars.count(what, done, total),
            None => bars.message(&match done {
                0 => what.to_owned(),
                done => format!("{what}: {done}"),
            }),
        };
        Ok(verify(&config, &mut *reader, options, &progress)?)
    };
    let mut verification = compare()?;
    let mut repaired = None;
    if arguments.repair && verification.findings.iter().any(Finding::is_repairable) {
        let mut registry = qbb_registry::open_writer(&config)?;
        let repairs = repair(&config, &mut *registry, &verification)?;
        let before = std::mem::replace(&mut verification, compare()?);
        let left: BTreeSet<&Finding> = verification.findings.iter().collect();
        let gone = |finding: &Finding| finding.is_repairable() && !left.contains(finding);
        let what = before.findings.into_iter().filter(gone).collect();
        repaired = Some(Repaired::new(&repairs, what));
    }
    let mut counts = BTreeMap::new();
    for finding in &verification.findings {
        *counts.entry(finding.kind.name()).or_default() += 1;
    }
    let sound = !verification.has_problems();
    let report = Report { sound, counts, verification, repaired };
    terminal.result(&report, |report| describe(report, arguments.list))?;
    Ok(if sound { ExitCode::Success } else { ExitCode::Incomplete })
}

impl Repaired {
    fn new(repairs: &Repairs, findings: Vec<Finding>) -> Self {
        Self {
            sizes: repairs.sizes,
            locations: repairs.locations,
            trashed_datasets: repairs.trash.datasets,
            files_deleted: repairs.trash.files,
            refused: repairs.trash.refused.iter().map(ToString::to_string).collect(),
            findings,
        }
    }
}

fn describe(report: &Report, listed: usize) -> String {
    let verification = &report.verification;
    let mut text = String::new();
    if let Some(repaired) = &report.repaired {
        for line in first_of_each(&repaired.findings, listed).map(describe_finding) {
            text.push_str(&format!("repaired: {line}\n"));
        }
    }
    // What is only unknown is counted, not listed.
    let problems = first_of_each(&verification.findings, listed);
    for line in problems.filter(|finding| finding.kind.is_problem()).map(describe_finding) {
        text.push_str(&format!("{line}\n"));
    }
    if !report.counts.is_empty() {
        let rows = verification.findings.chunk_by(|a, b| a.kind == b.kind).map(|same| {
            let repair = match same.iter().filter(|finding| finding.is_repairable()).count() {
                0 => String::new(),
                all if all == same.len() => "with --repair".to_owned(),
                some => format!("{some} with --repair"),
            };
            [meaning(same[0].kind).to_owned(), repair, same.len().to_string()]
        });
        text.push_str(&format!("{}\n", table(["what", "can be repaired", "number"], 2, rows)));
    }
    if let Some(repaired) = &report.repaired {
        text.push_str(&format!(
            "repaired: {} sizes, {} datasets that did not count as stored, {} datasets in the trash \
             ({} files)\n",
            repaired.sizes, repaired.locations, repaired.trashed_datasets, repaired.files_deleted
        ));
        for refused in &repaired.refused {
            text.push_str(&format!("stays in the trash: {refused}\n"));
        }
    }
    text.push_str(&format!(
        "{} records, {} files with {} and {} referenced files compared",
        verification.records,
        verification.files,
        bytes(verification.bytes),
        verification.referenced
    ));
    if verification.checksums > 0 {
        text.push_str(&format!(", {} checksums", verification.checksums));
    }
    text.push_str(if report.sound { "; they agree" } else { "; they do not agree" });
    text
}

/// The first findings of each kind; they are sorted by kind.
fn first_of_each(findings: &[Finding], most: usize) -> impl Iterator<Item = &Finding> {
    findings.chunk_by(|a, b| a.kind == b.kind).flat_map(move |same| same.iter().take(most))
}

fn meaning(kind: FindingKind) -> &'static str {
    match kind {
        FindingKind::MissingFile => "files of datasets that are missing",
        FindingKind::WrongSize => "files with another size than recorded",
        FindingKind::WrongChecksum => "files with another checksum than recorded",
        FindingKind::Unreadable => "files that cannot be looked at",
        FindingKind::Orphan => "files without a record",
        FindingKind::Unregistered => "records of datasets that are not registered",
        FindingKind::NotLocated => "datasets with records that do not count as stored",
        FindingKind::NoRecord => "stored datasets without records",
        FindingKind::Trash => "datasets in the trash",
        FindingKind::UnknownSize => "records without a size",
        FindingKind::Unchecked => "referenced files that were not looked at",
        _ => kind.name(),
    }
}

fn describe_finding(finding: &Finding) -> String {
    let mut text = finding.kind.name().to_owned();
    if let Some(path) = &finding.path {
        text.push_str(&format!(" {path}"));
    }
    if let Some(component) = &finding.component {
        text.push_str(&format!(" (component {component})"));
    }
    if let Some(dataset) = finding.dataset {
        text.push_str(&format!(" of dataset {dataset}"));
    }
    if let Some(detail) = &finding.detail {
        text.push_str(&format!(": {detail}"));
    }
    text
}
