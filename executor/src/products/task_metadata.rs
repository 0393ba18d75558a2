//! The metadata dataset of a quantum (`TaskMetadata`), whose presence means success.

use qbb::journal::{ResourceUsage, Timestamp};
use serde_json::{Map, Value, json};
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

    /// The content of the file.
    pub fn to_json(&self) -> Value {
        let mut arrays = Map::new();
        for (marker, measured) in &self.marks {
            let prefix = marker.prefix();
            let mut add = |name: &str, value: Value| {
                arrays.insert(format!("{prefix}{name}"), Value::Array(vec![value]));
            };
            add("Utc", utc_with_offset(measured.time).into());
            add("CpuTime", measured.cpu().into());
            add("UserTime", measured.user.into());
            add("SystemTime", measured.system.into());
            add("MaxResidentSetSize", measured.max_resident.into());
            add("MinorPageFaults", measured.minor_faults.into());
            add("MajorPageFaults", measured.major_faults.into());
            add("BlockInputs", measured.block_inputs.into());
            add("BlockOutputs", measured.block_outputs.into());
            add("VoluntaryContextSwitches", measured.voluntary_switches.into());
            add("InvoluntaryContextSwitches", measured.involuntary_switches.into());
        }
        // An empty array is not allowed there; the middleware leaves the key out.
        if !self.outputs.is_empty() {
            let outputs = self.outputs.iter().map(|id| id.to_string().into()).collect();
            arrays.insert("outputs".to_owned(), Value::Array(outputs));
        }
        let metrics = json!({
            "time_in_put": self.metrics.time_in_put,
            "time_in_get": self.metrics.time_in_get,
            "time_in_ingest": 0.0,
            "n_get": self.metrics.n_get,
            "n_put": self.metrics.n_put,
            "n_ingest": 0,
        });
        let scalars = json!({"__version__": 1, "nodeName": self.host, "caveats": self.caveats});
        let quantum = json!({
            "scalars": scalars,
            "arrays": arrays,
            "metadata": {"butler_metrics": node(metrics)},
        });
        let mut nested = Map::new();
        nested.insert(self.label.clone(), node(Value::Object(self.task.clone())));
        nested.insert("quantum".to_owned(), quantum);
        json!({"scalars": {}, "arrays": {}, "metadata": nested})
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

fn node(scalars: Value) -> Value {
    json!({"scalars": scalars, "arrays": {}, "metadata": {}})
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
        insta::assert_snapshot!(metadata.to_json().to_string());
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
