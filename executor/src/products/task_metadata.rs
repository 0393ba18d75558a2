//! The metadata dataset of a quantum (`TaskMetadata`), whose presence means success.

use qbb::journal::{ResourceUsage, Timestamp};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::markers::{Marker, Measured};

/// Counts and times of access to datasets.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct ButlerMetrics {
    pub n_get: u32,
    pub n_put: u32,
    pub time_in_get: f64,
    pub time_in_put: f64,
}

/// What goes into a metadata dataset.
#[derive(Debug, Default)]
pub(crate) struct MetadataDataset {
    pub label: String,
    pub host: String,
    pub caveats: u32,
    pub marks: Vec<(Marker, Measured)>,
    /// Datasets written, without metadata and log.
    pub outputs: Vec<Uuid>,
    pub metrics: ButlerMetrics,
    /// Values that the task itself set.
    pub task: Map<String, Value>,
}

impl MetadataDataset {
    /// Notes what was used when a stage began.
    pub fn mark(&mut self, marker: Marker, measured: Measured) {
        self.marks.push((marker, measured));
    }

    fn marked(&self, marker: Marker) -> Option<&Measured> {
        self.marks.iter().find(|(which, _)| *which == marker).map(|(_, measured)| measured)
    }

    /// Appends the content of the file.
    pub fn write(&self, to: &mut Vec<u8>) -> Result<(), serde_json::Error> {
        serde_json::to_writer(to, self)
    }

    #[cfg(test)]
    fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut bytes = Vec::new();
        self.write(&mut bytes).map(|()| bytes)
    }

    /// Resource usage as the middleware derives it from the markers.
    pub fn usage(&self) -> Option<ResourceUsage> {
        let end = self.marked(Marker::End)?;
        let prep = self.marked(Marker::Prep)?;
        // Without the later markers, all time went into preparation.
        let init = self.marked(Marker::Init).unwrap_or(end);
        let start = self.marked(Marker::Start).unwrap_or(end);
        Some(ResourceUsage {
            memory: self.marks.iter().map(|(_, m)| m.max_resident).max().unwrap_or(0),
            prep_time: init.time.seconds_since(prep.time),
            init_time: start.time.seconds_since(init.time),
            run_time: end.time.seconds_since(start.time),
            run_time_cpu: end.cpu() - start.cpu(),
        })
    }
}

/// A node of the tree that task metadata is.
#[derive(serde::Serialize)]
struct Node<S, A, M> {
    scalars: S,
    arrays: A,
    metadata: M,
}

/// A JSON object without members.
#[derive(serde::Serialize)]
struct Empty {}

fn leaf<S: Serialize>(scalars: S) -> Node<S, Empty, Empty> {
    Node { scalars, arrays: Empty {}, metadata: Empty {} }
}

#[derive(serde::Serialize)]
struct QuantumScalars<'a> {
    #[serde(rename = "__version__")]
    version: u32,
    #[serde(rename = "nodeName")]
    host: &'a str,
    caveats: u32,
}

#[derive(serde::Serialize)]
struct MetricScalars {
    time_in_put: f64,
    time_in_get: f64,
    time_in_ingest: f64,
    n_get: u32,
    n_put: u32,
    n_ingest: u32,
}

#[derive(serde::Serialize)]
struct QuantumNodes {
    butler_metrics: Node<MetricScalars, Empty, Empty>,
}

// Written without building a tree first: there are some fifty values in it, and this is done for
// each quantum.
impl Serialize for MetadataDataset {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Node { scalars: Empty {}, arrays: Empty {}, metadata: TopLevel(self) }.serialize(serializer)
    }
}

struct TopLevel<'a>(&'a MetadataDataset);

impl Serialize for TopLevel<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let metadata = self.0;
        let metrics = MetricScalars {
            time_in_put: metadata.metrics.time_in_put,
            time_in_get: metadata.metrics.time_in_get,
            time_in_ingest: 0.0,
            n_get: metadata.metrics.n_get,
            n_put: metadata.metrics.n_put,
            n_ingest: 0,
        };
        let scalars =
            QuantumScalars { version: 1, host: &metadata.host, caveats: metadata.caveats };
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry(&metadata.label, &leaf(&metadata.task))?;
        map.serialize_entry(
            "quantum",
            &Node {
                scalars,
                arrays: Arrays(metadata),
                metadata: QuantumNodes { butler_metrics: leaf(metrics) },
            },
        )?;
        map.end()
    }
}

/// The markers, each value as an array of one, and the outputs.
struct Arrays<'a>(&'a MetadataDataset);

impl Serialize for Arrays<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (marker, measured) in &self.0.marks {
            let [utc, cpu, user, system, memory, counts @ ..] = marker.keys();
            map.serialize_entry(utc, &[utc_with_offset(measured.time)])?;
            map.serialize_entry(cpu, &[measured.cpu()])?;
            map.serialize_entry(user, &[measured.user])?;
            map.serialize_entry(system, &[measured.system])?;
            map.serialize_entry(memory, &[measured.max_resident])?;
            let measured_counts = [
                measured.minor_faults,
                measured.major_faults,
                measured.block_inputs,
                measured.block_outputs,
                measured.voluntary_switches,
                measured.involuntary_switches,
            ];
            for (key, count) in counts.iter().zip(measured_counts) {
                map.serialize_entry(key, &[count])?;
            }
        }
        // An empty array is not allowed there; the middleware leaves the key out.
        if !self.0.outputs.is_empty() {
            map.serialize_entry("outputs", &self.0.outputs)?;
        }
        map.end()
    }
}

/// UTC as Python writes an aware time: `2026-11-20T08:37:57.619599+00:00`.
fn utc_with_offset(time: Timestamp) -> String {
    let text = time.to_string();
    match text.strip_suffix('Z') {
        Some(local) => format!("{local}+00:00"),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_what_the_middleware_writes() {
        let mut metadata = MetadataDataset {
            label: "measure".into(),
            host: "node".into(),
            outputs: vec![Uuid::from_u128(1)],
            metrics: ButlerMetrics { n_get: 2, n_put: 1, time_in_get: 0.5, time_in_put: 0.25 },
            ..MetadataDataset::default()
        };
        let time = Timestamp(1_795_163_877_619_599);
        metadata.mark(Marker::Prep, Measured { time, user: 1.0, ..Measured::default() });
        insta::assert_snapshot!(String::from_utf8(metadata.to_bytes().unwrap()).unwrap());
    }

    #[test]
    fn times_are_differences_of_markers() {
        let mut metadata = MetadataDataset::default();
        let at = |seconds: i64, user: f64, max_resident: u64| Measured {
            time: Timestamp(seconds * 1_000_000),
            user,
            max_resident,
            ..Measured::default()
        };
        metadata.mark(Marker::Prep, at(10, 1.0, 5));
        assert_eq!(metadata.usage(), None, "not before it ended");
        metadata.mark(Marker::Init, at(11, 1.5, 5));
        metadata.mark(Marker::Start, at(13, 2.0, 9));
        metadata.mark(Marker::End, at(17, 5.0, 7));
        let usage = metadata.usage().unwrap();
        assert_eq!(
            (usage.memory, usage.prep_time, usage.init_time, usage.run_time, usage.run_time_cpu),
            (9, 1.0, 2.0, 4.0, 3.0)
        );
    }
}
