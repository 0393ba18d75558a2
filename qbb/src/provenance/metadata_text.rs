//! What task metadata says about an attempt.

use qbb_graph::{AttemptException, AttemptUsage, PythonJson};

/// A node of task metadata: values by name, of which lists stand for their last one.
#[derive(Clone, Copy)]
pub(super) struct MetadataNode<'a>(PythonJson<'a>);

impl<'a> MetadataNode<'a> {
    pub fn new(text: PythonJson<'a>) -> Self {
        Self(text)
    }

    fn child(self, name: &str) -> Option<Self> {
        self.0.get("metadata")?.get(name).map(Self)
    }

    fn value(self, name: &str) -> Option<PythonJson<'a>> {
        (self.0.get("scalars").and_then(|scalars| scalars.get(name)))
            .or_else(|| self.0.get("arrays")?.get(name)?.items().last())
    }

    fn number(self, name: &str) -> Option<f64> {
        self.value(name)?.number()
    }

    /// Caveats of a success.
    pub fn caveats(self) -> Option<u32> {
        u32::try_from(self.child("quantum")?.value("caveats")?.integer()?).ok()
    }

    /// The exception of a partial success, which its task has written down.
    pub fn failure(self, label: &str) -> Option<AttemptException> {
        let failure = self.child(label)?.child("failure")?;
        Some(AttemptException {
            type_name: failure.value("type")?.string()?.into_owned(),
            message: failure.value("message")?.string()?.into_owned(),
            metadata: failure.child("metadata").map(Self::scalars).unwrap_or_default(),
        })
    }

    /// Text of the object of all scalars.
    fn scalars(self) -> Vec<u8> {
        let scalars = self.0.get("scalars").filter(|scalars| scalars.is_object());
        scalars.map(|scalars| scalars.text().to_vec()).unwrap_or_default()
    }

    /// What the attempt cost, by the markers of its stages. Stages that it did not reach took no
    /// time.
    pub fn usage(self) -> Option<AttemptUsage> {
        let quantum = self.child("quantum")?;
        let time = |name: &str| {
            let text = quantum.value(name)?.string()?;
            let time: jiff::Timestamp = text.parse().ok()?;
            Some(time.as_microsecond())
        };
        let (start, end) = (time("prepUtc")?, time("endUtc")?);
        let init = time("initUtc").unwrap_or(end);
        let run = time("startUtc").unwrap_or(end);
        let seconds = |from: i64, to: i64| to.saturating_sub(from) as f64 / 1e6;
        let cpu = quantum.number("startCpuTime").zip(quantum.number("endCpuTime"));
        Some(AttemptUsage {
            memory: quantum.number("endMaxResidentSetSize")?,
            start,
            prep_time: seconds(start, init),
            init_time: seconds(init, run),
            run_time: seconds(run, end),
            run_time_cpu: cpu.map_or(0.0, |(before, after)| after - before),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(text: &str) -> MetadataNode<'_> {
        MetadataNode::new(PythonJson::parse(text.as_bytes()).unwrap())
    }

    #[test]
    fn usage_follows_from_the_markers() {
        let full = node(
            r#"{"scalars":{},"arrays":{},"metadata":{"quantum":{"scalars":{"caveats":3},
            "arrays":{"prepUtc":["2026-11-20T08:00:00.000000+00:00"],
            "initUtc":["2026-11-20T08:00:01.500000+00:00"],
            "startUtc":["2026-11-20T08:00:02+00:00"],"endUtc":["2026-11-20T08:00:05+00:00"],
            "startCpuTime":[1.5],"endCpuTime":[3.5],"endMaxResidentSetSize":[1024]},
            "metadata":{}}}}"#,
        );
        assert_eq!(full.caveats(), Some(3));
        let usage = full.usage().unwrap();
        assert_eq!(usage.start, 1_795_161_600_000_000);
        let times = (usage.prep_time, usage.init_time, usage.run_time, usage.run_time_cpu);
        assert_eq!(times, (1.5, 0.5, 3.0, 2.0));
        let cut = node(
            r#"{"metadata":{"quantum":{"arrays":{"prepUtc":["2026-11-20T08:00:00+00:00"],
            "endUtc":["2026-11-20T08:00:05+00:00"],"endMaxResidentSetSize":[1024]}}}}"#,
        );
        let usage = cut.usage().unwrap();
        assert_eq!((usage.prep_time, usage.init_time, usage.run_time), (5.0, 0.0, 0.0));
        assert!(node("{}").usage().is_none() && node("{}").caveats().is_none());
    }

    #[test]
    fn a_partial_success_tells_its_exception() {
        let text = r#"{"metadata":{"t":{"metadata":{"failure":{"scalars":{"type":"a.B","message":"m"},
            "metadata":{"metadata":{"scalars":{"x":NaN},"arrays":{"y":[1]}}}}}}}}"#;
        let exception = node(text).failure("t").unwrap();
        assert_eq!((&*exception.type_name, &*exception.message), ("a.B", "m"));
        assert_eq!(exception.metadata, b"{\"x\":NaN}");
        assert!(node(text).failure("other").is_none());
    }
}
