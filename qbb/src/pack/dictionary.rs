//! What metadata and logs look like, so that small blocks compress as well as large ones.

/// Text in the form of metadata and log datasets. Zstandard finds matches in it as if it came before
/// the content; what is most frequent stands last, where references to it are shortest.
///
/// Each pack holds the dictionary that it was written with, so this text may change at any time.
pub(super) const DICTIONARY: &[u8] = concat!(
    r#"{"extended":true,"version":2,"records":[],"exception":null,"metadata":null,"#,
    r#""previous_process_quanta":[],"logs":[],"previous_attempts":[]}"#,
    r#"{"extended":true,"version":2,"records":[{"name":"lsst.","asctime":"2026-01-01T00:00:00.000000Z","#,
    r#""message":"Running ","levelno":20,"levelname":"INFO","filename":"","pathname":"","lineno":0,"#,
    r#""funcName":"","process":1000,"processName":"MainProcess","exc_info":null,"#,
    r#""MDC":{"LABEL":":{instrument: '', detector: , visit: , exposure: , band: '', skymap: '', tract: , "#,
    r#"patch: , day_obs: , physical_filter: ''}","RUN":"u/"}},{"name":"lsst.","asctime":""#,
    r#"","message":"","levelno":30,"levelname":"WARNING","filename":"","pathname":"","lineno":0,"#,
    r#""funcName":"runQuantum","process":,"processName":"MainProcess","MDC":{"LABEL":"#,
    r#""levelno":40,"levelname":"ERROR"}],"exception":{"type_name":"lsst.pipe.base.","message":"#,
    r#""metadata":{}},"metadata":{"scalars":{},"arrays":{},"metadata":{"failure":{"scalars":{"message":"","type":""}"#,
    r#"{"scalars":{},"arrays":{},"metadata":{"":{"scalars":{},"arrays":{},"metadata":{}},"#,
    r#""job":{"scalars":{"qg_read_time":0.0,"qg_size":},"arrays":{},"metadata":{}}"#,
    r#""quantum":{"scalars":{"__version__":1,"nodeName":"","caveats":0},"arrays":{"#,
    r#""prepUtc":["2026-01-01T00:00:00.000000+00:00"],"prepCpuTime":[0.0],"prepUserTime":[0.0],"#,
    r#""prepSystemTime":[0.0],"prepMaxResidentSetSize":[100000000],"prepMinorPageFaults":[0],"#,
    r#""prepMajorPageFaults":[0],"prepBlockInputs":[0],"prepBlockOutputs":[0],"#,
    r#""prepVoluntaryContextSwitches":[0],"prepInvoluntaryContextSwitches":[0],"#,
    r#""initUtc":["2026-01-01T00:00:00.000000+00:00"],"initCpuTime":[0.0],"initUserTime":[0.0],"#,
    r#""initSystemTime":[0.0],"initMaxResidentSetSize":[100000000],"initMinorPageFaults":[0],"#,
    r#""initMajorPageFaults":[0],"initBlockInputs":[0],"initBlockOutputs":[0],"#,
    r#""initVoluntaryContextSwitches":[0],"initInvoluntaryContextSwitches":[0],"#,
    r#""startUtc":["2026-01-01T00:00:00.000000+00:00"],"startCpuTime":[0.0],"startUserTime":[0.0],"#,
    r#""startSystemTime":[0.0],"startMaxResidentSetSize":[100000000],"startMinorPageFaults":[0],"#,
    r#""startMajorPageFaults":[0],"startBlockInputs":[0],"startBlockOutputs":[0],"#,
    r#""startVoluntaryContextSwitches":[0],"startInvoluntaryContextSwitches":[0],"#,
    r#""endUtc":["2026-01-01T00:00:00.000000+00:00"],"endCpuTime":[0.0],"endUserTime":[0.0],"#,
    r#""endSystemTime":[0.0],"endMaxResidentSetSize":[100000000],"endMinorPageFaults":[0],"#,
    r#""endMajorPageFaults":[0],"endBlockInputs":[0],"endBlockOutputs":[0],"#,
    r#""endVoluntaryContextSwitches":[0],"endInvoluntaryContextSwitches":[0],"outputs":[""]},"#,
    r#""metadata":{"gc_metrics":{"scalars":{},"arrays":{},"metadata":{}},"#,
    r#""butler_metrics":{"scalars":{"time_in_put":0.0,"time_in_get":0.0,"time_in_ingest":0.0,"#,
    r#""n_get":0,"n_put":0,"n_ingest":0},"arrays":{},"metadata":{}}}}}}"#,
)
.as_bytes();
