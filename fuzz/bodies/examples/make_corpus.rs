//! Writes the part of the corpus that is made of the project's own formats:
//! `cargo run -p qbb-fuzz-bodies --example make_corpus -- fuzz/corpus`.

use std::error::Error;
use std::io::Cursor;
use std::io::Read as _;

use camino::{Utf8Path, Utf8PathBuf};
use qbb::GraphIdentity;
use qbb::journal::{Event, JournalWriter, ProcessIdentity, RunCounts, RunOutcome, Timestamp};
use qbb_graph::{
    Attempt, AttemptException, AttemptStatus, Check, DatasetIx, ProvenanceSource, QuantumIx,
    SourceError, open_native, read_qg, write_provenance,
};

fn main() -> Result<(), Box<dyn Error>> {
    let corpus = Utf8PathBuf::from(std::env::args().nth(1).ok_or("usage: make_corpus FOLDER")?);
    let data = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("../../graph/tests/data");
    journal(&corpus.join("journal"), &data)?;
    members(&corpus.join("exchange_member"), &data)?;
    provenance(&corpus.join("provenance_graph"), &data)?;
    expressions(&corpus.join("expression"))?;
    regions(&corpus.join("region"))
}

fn journal(folder: &Utf8Path, data: &Utf8Path) -> Result<(), Box<dyn Error>> {
    let graph = open_native(&data.join("version1.0.qbb"), Check::Full)?;
    let writer = JournalWriter::create(folder, GraphIdentity::of(&graph))?;
    let time = Timestamp(1_700_000_000_000_000);
    let process = ProcessIdentity {
        host: "host".to_owned(),
        boot: "boot".to_owned(),
        pid: 4_000,
        start_ticks: 17,
    };
    let events = [
        Event::RunStarted { time, process, options: "{\"jobs\":1}".to_owned() },
        Event::InitOutputsWritten { time, outputs: Vec::new() },
        Event::QuantumStarted { time, quantum: QuantumIx(0), attempt: 0 },
        Event::QuantumStarted { time, quantum: QuantumIx(3), attempt: 1 },
        Event::QuantaBlocked { time, cause: QuantumIx(0), quanta: vec![QuantumIx(4)] },
        Event::OutputsDurable { time, end: 90 },
        Event::RunFinished {
            time,
            outcome: RunOutcome::WithFailures,
            counts: RunCounts::default(),
        },
    ];
    writer.record(&events)?;
    fs_err::rename(writer.path(), folder.join("events"))?;
    Ok(())
}

/// Contents of the members of a `.qg`, shortened to what changes reach in reasonable time.
fn members(folder: &Utf8Path, data: &Utf8Path) -> Result<(), Box<dyn Error>> {
    let mut archive = zip::ZipArchive::new(Cursor::new(fs_err::read(data.join("release.qg"))?))?;
    for (number, name) in [
        (0, "header.json.zst"),
        (3, "init_quanta.json.zst"),
        (4, "thin_graph.json.zst"),
        (5, "quantum_datasets.mb"),
        (6, "quanta.addr"),
    ] {
        let mut content = Vec::new();
        archive.by_name(name)?.read_to_end(&mut content)?;
        let content = match number {
            5 => {
                let length = u64::from_be_bytes(content[..8].try_into()?) as usize;
                zstd::bulk::decompress(&content[8..8 + length], 1 << 20)?
            }
            6 => content,
            _ => zstd::bulk::decompress(&content, 1 << 20)?,
        };
        fs_err::write(folder.join(name.replace('.', "_")), [&[number], &content[..]].concat())?;
    }
    let records = br#"{"instrument":[["QbbCam",10,9,8,4,"m","k"]],"visit":[["QbbCam",1,2]]}"#;
    fs_err::write(folder.join("dimension_data"), [&[2], &records[..]].concat())?;
    Ok(())
}

/// The second attempt at each quantum has succeeded.
struct SecondAttempts;

impl ProvenanceSource for SecondAttempts {
    fn attempts(&self, _: QuantumIx) -> Result<Vec<Attempt>, SourceError> {
        let exception = AttemptException {
            type_name: "RuntimeError".to_owned(),
            message: "why".to_owned(),
            metadata: b"{\"x\":NaN}".to_vec(),
        };
        let failure =
            Attempt { exception: Some(exception), ..Attempt::bare(AttemptStatus::Failed) };
        let success = Attempt {
            caveats: Some(3),
            metadata: Some(b"{\"scalars\":{\"a\":-Infinity}}".to_vec()),
            logs: Some(b"[{\"message\":\"done\"}]".to_vec()),
            ..Attempt::bare(AttemptStatus::Successful)
        };
        Ok(vec![failure, success])
    }

    fn is_produced(&self, _: DatasetIx) -> bool {
        true
    }

    fn packages(&self) -> Result<Vec<u8>, SourceError> {
        Ok(b"{\"python\":\"3.11\"}".to_vec())
    }
}

fn provenance(folder: &Utf8Path, data: &Utf8Path) -> Result<(), Box<dyn Error>> {
    fs_err::create_dir_all(folder)?;
    let graph = read_qg(&data.join("release.qg"))?;
    write_provenance(&graph, &SecondAttempts, &folder.join("attempts"), &mut |_, _| {})?;
    Ok(())
}

fn expressions(folder: &Utf8Path) -> Result<(), Box<dyn Error>> {
    let expressions = [
        "instrument = 'Cam' AND visit IN (1..9:2, 12) AND NOT detector.purpose != 'SCIENCE'",
        "visit.timespan OVERLAPS (T'2020-01-01', T'mjd/58938.515/tai') OR visit.seeing < 0.5e-1",
        "visit_detector_region.region OVERLAPS CIRCLE(1.0, -2.5, 0.1) AND tract = 4 + -patch * 2",
        "detector.full_name IN ('a', :bind, 'c') AND (band GLOB 'r*' OR raw.dataset_id = \
         UUID('0190aa1c-0000-7000-8000-000000000000'))",
        "POLYGON((0, 1), (1, 1), (1, 0)) OVERLAPS patch.region AND REGION('CIRCLE 1 2 3') \
         OVERLAPS tract.region",
        "exposure.obs_id = NULL OR NOT (a.b > 1 AND NOT c.d <= 2 % 3 / 4) AND ingest_date > T'now'",
        "visit.timespan.begin > T'2020-01-01T00:00:00.5' and BOX(1,2,3,4) overlaps visit.region",
    ];
    for (number, text) in expressions.iter().enumerate() {
        fs_err::write(folder.join(format!("{number}")), text)?;
    }
    Ok(())
}

/// Regions that the middleware encoded, of every kind that the fixtures of the sphere have.
fn regions(folder: &Utf8Path) -> Result<(), Box<dyn Error>> {
    let fixtures: serde_json::Value =
        serde_json::from_str(include_str!("../../../dimensions/tests/data/sphere_codec.json"))?;
    let regions = fixtures["regions"].as_array().ok_or("no regions")?;
    let mut sizes = std::collections::BTreeSet::new();
    for region in regions {
        for key in ["bytes", "circle", "box"] {
            let digits = region[key].as_str().ok_or("no bytes")?;
            let bytes = (0..digits.len() / 2)
                .map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16))
                .collect::<Result<Vec<u8>, _>>()?;
            if bytes.len() < 400 && sizes.insert((bytes[0], bytes.len())) {
                let kind = char::from(bytes[0]);
                fs_err::write(folder.join(format!("{kind}{}", bytes.len())), bytes)?;
            }
        }
    }
    Ok(())
}
