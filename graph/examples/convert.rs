//! Converts a graph file to the kind that the second path's extension says and tells how long each
//! step took: `cargo run --example convert -p qbb-graph -- FROM TO [ROOT]`. With the root of a
//! datastore, records get absolute URIs.

use std::error::Error;
use std::io::Write as _;
use std::time::Instant;

use camino::Utf8PathBuf;
use qbb_datastore::ArtifactUri;
use qbb_graph::{QgOptions, RecordPaths, open, verify, write_native, write_qg};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(from), Some(to)) = (arguments.next(), arguments.next()) else {
        return Err("usage: convert FROM TO [ROOT]".into());
    };
    let (from, to) = (Utf8PathBuf::from(from), Utf8PathBuf::from(to));
    let mut out = std::io::stdout().lock();
    let begin = Instant::now();
    let mut graph = open(&from)?;
    writeln!(out, "open {:?}", begin.elapsed())?;
    let mut options = QgOptions::default();
    if let Some(root) = arguments.next() {
        graph.set_missing_roots(&ArtifactUri::of_folder(&Utf8PathBuf::from(root))?);
        options.record_paths = RecordPaths::AbsoluteUris;
    }
    let begin = Instant::now();
    let verification = verify(&graph);
    writeln!(out, "verify {:?}: {verification:?}", begin.elapsed())?;
    let begin = Instant::now();
    match to.extension() {
        Some("qg") => write_qg(&graph, &to, &options)?,
        _ => write_native(&graph, &to)?,
    }
    writeln!(out, "write {:?}, {} bytes", begin.elapsed(), fs_err::metadata(&to)?.len())?;
    Ok(())
}
