//! Graph files of either kind.

use std::cell::RefCell;
use std::io::{Cursor, Read as _};

use camino::Utf8Path;
use qbb_graph::{
    Check, Picture, QuantumGraph, QuantumIx, QuantumName, RecordPaths, difference, open_native,
    open_quanta, read_qg, summary, verify,
};
use uuid::Uuid;

use crate::place::with_file;
use crate::repair;

/// A file that the middleware wrote.
pub(crate) const EXCHANGE: &[u8] = include_bytes!("../../../graph/tests/data/release.qg");

/// Everything that is said to be safe of any graph that was opened.
fn ask(graph: &QuantumGraph) {
    for quantum in graph.quanta.iter().take(20) {
        let _ = graph.quantum_json_with_init_records(quantum, RecordPaths::AsRecorded);
        let _ = graph.dimension_data_json(quantum);
        let _ = graph.find_quantum(graph.quanta.uuid(quantum));
    }
    let _ = graph.init_quanta_json(RecordPaths::AbsoluteUris);
    let _ = (graph.header_json(), graph.overall_inputs(), summary(graph), verify(graph));
    let _ = difference(graph, graph);
    let _ = Picture::of_pipeline(graph).to_svg();
    if !graph.quanta.is_empty() {
        let _ = Picture::around(graph, QuantumIx(0), 1, 50).map(|picture| picture.to_svg());
    }
}

fn ask_for_parts(path: &Utf8Path, ids: &[Uuid]) {
    for id in ids {
        if let Ok(part) = open_quanta(path, &[QuantumName::Id(*id)]) {
            ask(&part.graph);
        }
    }
    if let Ok(name) = "calibrate,instrument=Cam,visit=1000001,detector=1".parse() {
        let _ = open_quanta(path, &[name]).map(|part| ask(&part.graph));
    }
}

fn ids(graph: &QuantumGraph) -> Vec<Uuid> {
    graph.quanta.iter().step_by(7).take(3).map(|quantum| graph.quanta.uuid(quantum)).collect()
}

/// A native graph file, as it is and with its checksums made right.
pub fn native_graph(bytes: &[u8]) {
    thread_local! {
        /// Quanta of the last file that could be read, as the next is likely to be much like it.
        static IDS: RefCell<Vec<Uuid>> = const { RefCell::new(Vec::new()) };
    }
    for bytes in [Some(bytes.to_vec()), repair::native_graph(bytes)].into_iter().flatten() {
        with_file("graph.qbb", &bytes, |_, path| {
            for check in [Check::Structure, Check::Full] {
                if let Ok(graph) = open_native(path, check) {
                    ask(&graph);
                    IDS.with(|known| *known.borrow_mut() = ids(&graph));
                }
            }
            IDS.with(|ids| ask_for_parts(path, &ids.borrow()));
        });
    }
}

/// A `.qg` file, as it is and with its checksums made right.
pub fn exchange_graph(bytes: &[u8]) {
    thread_local! {
        static IDS: RefCell<Vec<Uuid>> = const { RefCell::new(Vec::new()) };
    }
    for bytes in [Some(bytes.to_vec()), repair::archive(bytes)].into_iter().flatten() {
        with_file("graph.qg", &bytes, |_, path| {
            if let Ok(graph) = read_qg(path) {
                ask(&graph);
                IDS.with(|known| *known.borrow_mut() = ids(&graph));
            }
            IDS.with(|ids| ask_for_parts(path, &ids.borrow()));
        });
    }
}

/// One member of a `.qg` file that is right in all else: the first byte tells which, the others are
/// its content before it is compressed.
pub fn exchange_member(bytes: &[u8]) {
    let Some((&which, content)) = bytes.split_first() else { return };
    thread_local! {
        static MEMBERS: Vec<(String, Vec<u8>)> = members();
    }
    let names = [
        "header.json.zst",
        "pipeline_graph.json.zst",
        "dimension_data.json.zst",
        "init_quanta.json.zst",
        "thin_graph.json.zst",
        "quantum_datasets.mb",
        "quanta.addr",
        "compression_dict",
    ];
    let name = names[usize::from(which) % names.len()];
    let content = match name {
        "quanta.addr" | "compression_dict" => content.to_vec(),
        "quantum_datasets.mb" => {
            let frame = zstd::bulk::compress(content, 1).unwrap_or_default();
            [&(frame.len() as u64).to_be_bytes()[..], &frame].concat()
        }
        _ => zstd::bulk::compress(content, 1).unwrap_or_default(),
    };
    let changed = MEMBERS.with(|members| {
        let mut members = members.clone();
        members.retain(|(other, _)| other != name);
        members.push((name.to_owned(), content));
        repair::write_archive(&members)
    });
    with_file("graph.qg", &changed.unwrap_or_default(), |_, path| {
        let _ = read_qg(path).map(|graph| ask(&graph));
        ask_for_parts(path, &[Uuid::nil()]);
    });
}

fn members() -> Vec<(String, Vec<u8>)> {
    let mut members = Vec::new();
    if let Ok(mut archive) = zip::ZipArchive::new(Cursor::new(EXCHANGE)) {
        for index in 0..archive.len() {
            let Ok(mut member) = archive.by_index(index) else { continue };
            let Ok(name) = member.name().map(|name| name.into_owned()) else { continue };
            let mut content = Vec::new();
            let _ = member.read_to_end(&mut content);
            members.push((name, content));
        }
    }
    members
}
