//! How a run goes, in words.

use qbb_submit_dirs::{Status, duration, rate};

/// Whether something goes on, how fast, and how long still.
pub fn pace(status: &Status) -> String {
    let elapsed = status.elapsed_seconds.map(duration).unwrap_or_default();
    if !status.running {
        return match (status.runs, status.outcome, status.totals.unknown()) {
            (0, ..) => "not run yet".to_owned(),
            (_, None, 0) => format!("over after {elapsed}"),
            (_, None, _) => format!("cut off after {elapsed}; run again to continue"),
            (_, Some("interrupted"), _) => {
                format!("interrupted after {elapsed}; run again to continue")
            }
            (_, Some(outcome), _) => format!("the last run took {elapsed}: {outcome}"),
        };
    }
    let mut text = format!("running for {elapsed}");
    if let Some(per_second) = status.rate.filter(|&rate| rate > 0.0) {
        text.push_str(&format!(", {}", rate(per_second)));
    }
    if let Some(seconds) = status.seconds_left {
        text.push_str(&format!(", about {} left", duration(seconds)));
    }
    text
}

/// What an exit code means.
pub fn ended_with(code: i32) -> String {
    match code {
        ..0 => format!("ended by signal {}", code.unsigned_abs()),
        _ => format!("exit code {code}"),
    }
}
