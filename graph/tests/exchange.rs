//! `.qg` files: those of the middleware are read, and what is written says the same.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod support;

use std::collections::BTreeSet;

use qbb_datastore::ArtifactUri;
use qbb_graph::{
    DatasetRole, GraphError, QgOptions, QuantumGraph, RecordPaths, open, read_qg, write_native,
    write_qg,
};
use qbb_pipeline::Runner;
use serde_json::{Value, json};
use support::archive::Members;
use support::synthetic::survey;
use support::{Scratch, assert_same_but_origin, data};

/// A quantum as the middleware has it, with lists in an order of their own.
fn normalised(mut quantum: Value) -> Value {
    fn sort(value: &mut Value) {
        match value {
            Value::Array(items) => {
                items.iter_mut().for_each(sort);
                // Data IDs are arrays of plain values whose order matters.
                if items.iter().any(Value::is_object) {
                    items.sort_by_key(Value::to_string);
                }
            }
            Value::Object(map) => map.values_mut().for_each(sort),
            _ => {}
        }
    }
    sort(&mut quantum);
    if let Some(stores) = quantum.get_mut("datastore_records").and_then(Value::as_object_mut) {
        for ids in stores.values_mut().filter_map(|store| store["dataset_ids"].as_array_mut()) {
            ids.sort_by_key(Value::to_string);
        }
    }
    quantum
}

fn rewritten(graph: &QuantumGraph, scratch: &Scratch, options: &QgOptions) -> Members {
    let path = scratch.file("rewritten.qg");
    write_qg(graph, &path, options).unwrap();
    Members::read(&path)
}

#[test]
fn a_file_of_the_middleware_is_rewritten_with_the_same_content() {
    let scratch = Scratch::new();
    let theirs = Members::read(&data("release.qg"));
    let graph = read_qg(&data("release.qg")).unwrap();
    graph.check().unwrap();
    let ours = rewritten(&graph, &scratch, &QgOptions::default());

    let by_id = |members: &Members| {
        let mut quanta: Vec<Value> = members.quanta().into_iter().map(normalised).collect();
        quanta.sort_by_key(|quantum| quantum["quantum_id"].to_string());
        quanta
    };
    assert_eq!(by_id(&ours), by_id(&theirs));
    let names: Vec<&str> = ours.members.iter().map(|(name, _)| name.as_str()).collect();
    let expected: Vec<&str> = theirs.members.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, expected, "order of members");
    assert_eq!(
        normalised(ours.json("init_quanta.json.zst")),
        normalised(theirs.json("init_quanta.json.zst"))
    );
    let (mut a, mut b) = (ours.json("header.json.zst"), theirs.json("header.json.zst"));
    for header in [&mut a, &mut b] {
        // A fresh identifier in every file of the middleware.
        header["provenance_dataset_id"] = json!(null);
    }
    assert_eq!(a, b);
    let (a, b) = (ours.json("thin_graph.json.zst"), theirs.json("thin_graph.json.zst"));
    let edges = |value: &Value| -> BTreeSet<String> {
        value["edges"].as_array().unwrap().iter().map(Value::to_string).collect()
    };
    assert_eq!(edges(&a), edges(&b));
    assert_eq!(normalised(a["quanta"].clone()), normalised(b["quanta"].clone()));
    let rows = |value: Value| -> BTreeSet<String> {
        let elements = value.as_object().unwrap().clone();
        elements
            .into_iter()
            .flat_map(|(element, rows)| {
                let rows = rows.as_array().unwrap().clone();
                rows.into_iter().map(move |row| format!("{element} {row}"))
            })
            .collect()
    };
    assert_eq!(
        rows(ours.json("dimension_data.json.zst")),
        rows(theirs.json("dimension_data.json.zst"))
    );
    assert_eq!(ours.member("quanta.addr").len(), theirs.member("quanta.addr").len());
}

#[test]
fn the_way_through_a_native_file_loses_nothing_that_a_qg_holds() {
    let scratch = Scratch::new();
    let (native, exchange) = (scratch.file("graph.qbb"), scratch.file("graph.qg"));
    let graph = read_qg(&data("release.qg")).unwrap();
    write_native(&graph, &native).unwrap();
    let mapped = open(&native).unwrap();
    support::assert_same(&mapped, &graph);
    write_qg(&mapped, &exchange, &QgOptions::default()).unwrap();
    let again = open(&exchange).unwrap();
    support::assert_same(&again, &graph);
}

#[test]
fn big_graphs_share_a_dictionary() {
    let scratch = Scratch::new();
    let path = scratch.file("graph.qg");
    let graph = survey(60, 5);
    assert!(graph.quanta.len() > 512);
    write_qg(&graph, &path, &QgOptions::default()).unwrap();
    let members = Members::read(&path);
    assert!(members.dictionary.starts_with(&[0x37, 0xa4, 0x30, 0xec]), "zstd's own layout");
    assert_same_but_origin(&read_qg(&path).unwrap(), &graph);
    assert!(rewritten(&survey(2, 2), &scratch, &QgOptions::default()).dictionary.is_empty());
}

#[test]
fn deflated_members_and_empty_dictionaries_are_read() {
    let scratch = Scratch::new();
    let path = scratch.file("deflated.qg");
    let mut members = Members::read(&data("release.qg"));
    members.members.push(("compression_dict".to_owned(), vec![]));
    members.write(&path, zip::CompressionMethod::Deflated);
    assert_same_but_origin(&read_qg(&path).unwrap(), &read_qg(&data("release.qg")).unwrap());
}

#[test]
fn integers_of_multi_block_files_have_any_size() {
    let scratch = Scratch::new();
    let path = scratch.file("narrow.qg");
    for int_size in [2_usize, 3, 8] {
        let mut members = Members::read(&data("release.qg"));
        let mut header = members.json("header.json.zst");
        header["int_size"] = json!(int_size);
        header["something_new"] = json!({"ignored": true});
        let mut narrow = Vec::new();
        let mut rest = members.member("quantum_datasets.mb");
        while !rest.is_empty() {
            let length = u64::from_be_bytes(rest[..8].try_into().unwrap()) as usize;
            narrow.extend(&rest[8 - int_size..8 + length]);
            rest = &rest[8 + length..];
        }
        for (name, bytes) in &mut members.members {
            match name.as_str() {
                "header.json.zst" => {
                    *bytes = zstd::bulk::compress(header.to_string().as_bytes(), 3).unwrap();
                }
                "quantum_datasets.mb" => bytes.clone_from(&narrow),
                _ => {}
            }
        }
        members.write(&path, zip::CompressionMethod::Stored);
        assert_eq!(read_qg(&path).unwrap().quanta.len(), 30);
    }
}

#[test]
fn what_is_not_a_predicted_graph_of_this_version_is_refused_with_a_reason() {
    let scratch = Scratch::new();
    let path = scratch.file("other.qg");
    for (change, expected) in [
        (json!({"graph_type": "provenance"}), "only `predicted` graphs can be executed"),
        (json!({"version": 0}), "format version 0"),
        (json!({"int_size": 9}), "int_size 9 is not between 1 and 8"),
        (json!({"n_quanta": 31}), "there are 30 blocks for 31 quanta"),
    ] {
        let mut members = Members::read(&data("release.qg"));
        let mut header = members.json("header.json.zst");
        for (key, value) in change.as_object().unwrap() {
            header[key] = value.clone();
        }
        members.members[0].1 = zstd::bulk::compress(header.to_string().as_bytes(), 3).unwrap();
        members.write(&path, zip::CompressionMethod::Stored);
        let error = read_qg(&path).unwrap_err();
        assert!(matches!(error, GraphError::Exchange { .. }));
        let text = error.to_string();
        assert!(text.contains(expected) && text.contains("other.qg`, member `"), "{text}");
    }
}

#[test]
fn commands_do_not_fit_a_file_of_python_tasks() {
    let scratch = Scratch::new();
    let mut graph = survey(1, 1);
    graph.pipeline.tasks[1].runner = Runner::Function("gather".to_owned());
    let error = write_qg(&graph, &scratch.file("graph.qg"), &QgOptions::default()).unwrap_err();
    assert!(matches!(&error, GraphError::NoTaskClass { task } if task == "gather"), "{error}");
    assert!(!scratch.file("graph.qg").exists());
}

#[test]
fn paths_become_absolute_on_request() {
    let scratch = Scratch::new();
    let mut graph = read_qg(&data("release.qg")).unwrap();
    let options = QgOptions { record_paths: RecordPaths::AbsoluteUris };
    let error = write_qg(&graph, &scratch.file("graph.qg"), &options).unwrap_err();
    assert!(matches!(error, GraphError::NoRoot { .. }), "{error}");
    graph.set_missing_roots(&ArtifactUri::of_folder("/data/a release".into()).unwrap());
    let members = rewritten(&graph, &scratch, &options);
    let mut paths = BTreeSet::new();
    for quantum in members.quanta() {
        for store in quantum["datastore_records"].as_object().unwrap().values() {
            for records in store["records"].as_object().unwrap().values() {
                for tables in records.as_object().unwrap().values() {
                    for row in tables["file_datastore_records"].as_array().unwrap() {
                        paths.insert(row["path"].as_str().unwrap().to_owned());
                    }
                }
            }
        }
    }
    assert!(paths.iter().all(|path| path.starts_with("file:///data/a%20release/")), "{paths:?}");
}

#[test]
fn inputs_that_were_ingested_in_place_keep_their_uri() {
    let mut graph = survey(1, 1);
    graph.records.path = ["/else/where é.json", "s3://bucket/raw.json"].into_iter().collect();
    assert_eq!(graph.input_uri(0).unwrap().as_str(), "file:///else/where%20%C3%A9.json");
    assert_eq!(graph.input_uri(1).unwrap().as_str(), "s3://bucket/raw.json");
    graph.records.path = ["../outside.json", "zips/a b.zip#zip-path=x"].into_iter().collect();
    assert!(graph.input_uri(0).unwrap_err().to_string().contains("../outside.json"));
    let uri = graph.input_uri(1).unwrap();
    assert_eq!(uri.as_str(), "file:///data/release/zips/a%20b.zip#zip-path=x");
    assert!(graph.input_uri(2).is_err(), "there is no such record");
}

#[test]
fn roles_and_consumers_follow_from_the_datasets() {
    let graph = survey(4, 3);
    let roles = graph.dataset_roles();
    let name = |dataset: qbb_graph::DatasetIx| {
        let dataset_type = graph.datasets.dataset_type(dataset);
        graph.pipeline.dataset_type(dataset_type).dataset_type.name.as_str()
    };
    for dataset in graph.datasets.iter() {
        let role = roles[dataset.index()];
        let expected = match name(dataset) {
            "raw" | "camera" => DatasetRole::OverallInput,
            "calibrated" | "summary" => DatasetRole::Intermediate,
            "packages" | "sources_schema" => DatasetRole::InitOutput,
            other if other.ends_with("_config") => DatasetRole::InitOutput,
            _ => DatasetRole::Output,
        };
        assert_eq!(role, expected, "{}", name(dataset));
        let consumers = match name(dataset) {
            "camera" => 12,
            "raw" => 1,
            "calibrated" => 2,
            "summary" => 3,
            _ => 0,
        };
        assert_eq!(graph.consumers(dataset).len(), consumers, "{}", name(dataset));
        assert_eq!(graph.find_dataset(graph.datasets.uuid(dataset)), Some(dataset));
        assert_eq!(
            graph.producer(dataset).is_some(),
            graph
                .producer(dataset)
                .is_some_and(|q| { graph.outputs.edges(q).any(|(_, output)| output == dataset) })
        );
    }
    assert_eq!(graph.overall_inputs().len(), 13);
}

#[test]
fn a_quantum_comes_with_the_records_that_expand_it() {
    let graph = survey(7, 3);
    let measure = graph.pipeline.find_task("measure").unwrap();
    let quantum = graph.quanta.iter().filter(|&q| graph.quanta.task(q) == measure).last().unwrap();
    let data: Value = serde_json::from_slice(&graph.dimension_data_json(quantum).unwrap()).unwrap();
    let counts: Vec<(&str, usize)> = (data.as_object().unwrap().iter())
        .map(|(element, rows)| (element.as_str(), rows.as_array().unwrap().len()))
        .collect();
    assert_eq!(
        counts,
        [
            ("band", 1),
            ("day_obs", 1),
            ("detector", 1),
            ("instrument", 1),
            ("physical_filter", 1),
            ("visit", 1)
        ]
    );
    assert_eq!(data["visit"][0][1], 1_000_006);
    let gather = graph.pipeline.find_task("gather").unwrap();
    let quantum = graph.quanta.iter().find(|&q| graph.quanta.task(q) == gather).unwrap();
    let data: Value = serde_json::from_slice(&graph.dimension_data_json(quantum).unwrap()).unwrap();
    assert_eq!(data["detector"].as_array().unwrap().len(), 3, "its inputs have detectors");
}
