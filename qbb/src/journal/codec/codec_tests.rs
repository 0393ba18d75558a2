//! Tests of the codec against the bytes of the document.

use qbb_graph::{DatasetIx, QuantumIx};

use super::kinds::*;
use super::*;
use crate::journal::event::{
    DatasetOutput, Event, FileRecord, QuantumEnd, QuantumOutcome, RepeatReason,
};
use crate::journal::left_running::LeftRunning;
use crate::journal::time::Timestamp;

#[test]
fn a_finished_quantum_has_the_bytes_of_the_document() {
    let event = Event::QuantumFinished {
        quantum: QuantumIx(300),
        attempt: 1,
        started: Timestamp(5),
        ended: Timestamp(6),
        outcome: QuantumOutcome {
            exit_code: Some(-9),
            outputs: vec![DatasetOutput {
                dataset: DatasetIx(2),
                records: vec![FileRecord {
                    path: "p".into(),
                    formatter: "F".into(),
                    storage_class: "S".into(),
                    component: None,
                    checksum: None,
                    file_size: 3,
                }],
            }],
            actual_inputs: vec![DatasetIx(1)],
            ..QuantumOutcome::bare(QuantumEnd::Failed)
        },
    };
    let mut payloads: Vec<Vec<u8>> = Vec::new();
    Encoder {
        texts: &mut TextNumbers::default(),
        payload: &mut Vec::new(),
        emit: &mut |payload| payloads.push(payload.to_vec()),
    }
    .event(&event)
    .unwrap();
    assert_eq!(payloads[..2], [vec![1, 1, b'F'], vec![1, 1, b'S']]);
    assert_eq!(
        payloads[2],
        [
            &[6, 251, 44, 1, 1, 10, 12][..],
            &[4, 0, 0, 1, 17, 0],
            &[1, 2, 1, 1, b'p', 0, 1, 0, 0, 6],
            &[0, 1, 1],
        ]
        .concat()
    );
    let mut decoder = Decoder::default();
    let decoded: Vec<_> =
        payloads.iter().map(|payload| decoder.payload(payload).unwrap()).collect();
    assert!(matches!(&decoded[2], Decoded::Event(found) if *found == event), "{decoded:?}");
}

#[test]
fn events_of_later_versions_have_the_bytes_of_the_document() {
    let (time, quantum) = (Timestamp(-1), QuantumIx(7));
    let encoded = |event: &Event| {
        let mut bytes = Vec::new();
        Encoder {
            texts: &mut TextNumbers::default(),
            payload: &mut Vec::new(),
            emit: &mut |payload| bytes = payload.to_vec(),
        }
        .event(event)
        .unwrap();
        let decoded = Decoder::default().payload(&bytes).unwrap();
        assert!(matches!(&decoded, Decoded::Event(found) if found == event), "{decoded:?}");
        bytes
    };
    let placed = Event::QuantumPlaced { time, quantum, attempt: 2, worker: 3, memory: Some(250) };
    assert_eq!(encoded(&placed), [9, 1, 7, 2, 3, 1, 250]);
    let reason = RepeatReason::Signal;
    let not_before = Timestamp(4);
    let repeated =
        Event::AttemptRepeated { time, quantum, attempt: 2, reason, not_before, memory: None };
    assert_eq!(encoded(&repeated), [10, 1, 7, 2, 2, 8, 0]);
    let removed = Event::DatasetsRemoved { time, datasets: vec![(DatasetIx(5), 0)] };
    assert_eq!(encoded(&removed), [11, 1, 1, 5, 0]);
    let reset = Event::QuantaReset { time, quanta: vec![(quantum, 1), (QuantumIx(8), 2)] };
    assert_eq!(encoded(&reset), [14, 1, 2, 7, 1, 8, 2]);
    let quanta = vec![(quantum, 0), (QuantumIx(300), 1)];
    let placed = Event::QuantaPlaced { time, worker: 2, quanta };
    assert_eq!(encoded(&placed), [15, 1, 2, 2, 7, 0, 251, 44, 1, 1]);
    let left = LeftRunning::new(1, vec!["ab".to_owned(), "c".to_owned()]);
    let left = Event::LeftRunning { time, quantum, attempt: 2, left };
    assert_eq!(encoded(&left), [16, 1, 7, 2, 1, 2, 2, 2, b'a', b'b', 1, b'c']);
}

#[test]
fn what_cannot_be_is_an_error_and_what_is_newer_is_not() {
    let mut decoder = Decoder::default();
    assert!(matches!(decoder.payload(&[99, 1, 2]), Ok(Decoded::Unknown)));
    assert!(decoder.payload(&[ATTEMPT_REPEATED, 0, 0, 0, 6, 0, 0]).is_err(), "no such reason");
    assert!(decoder.payload(&[]).is_err());
    assert!(decoder.payload(&[QUANTUM_STARTED, 0]).is_err(), "too short");
    assert!(decoder.payload(&[QUANTUM_STARTED, 0, 0, 0, 0]).is_err(), "too long");
    assert!(decoder.payload(&[RUN_FINISHED, 0, 9, 0, 0, 0, 0]).is_err(), "no such outcome");
    let text_not_given = [INIT_OUTPUTS_WRITTEN, 0, 1, 0, 1, 0, 5, 5, 0, 0, 0];
    assert!(decoder.payload(&text_not_given).unwrap_err().contains("text 5"));
    let hostile_count = [LEFT_RUNNING, 0, 0, 0, 0, 0, 253, 255, 255, 255, 255, 255, 255, 255, 127];
    assert!(decoder.payload(&hostile_count).is_err());
    let hostile_length = [TEXT, 253, 255, 255, 255, 255, 255, 255, 255, 127];
    assert!(decoder.payload(&hostile_length).is_err());
}
