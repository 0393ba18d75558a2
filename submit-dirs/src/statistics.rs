//! Numbers that stand for many.

use qbb_graph::QuantumGraph;
use serde::Serialize;

use crate::attempts::AttemptTable;

/// What is worth knowing of many values: the middle, where the tail begins, and its end.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Distribution<T> {
    /// Number of values.
    pub count: u64,
    /// The least value that at least half of all do not exceed.
    pub median: T,
    /// The least value that at least 95 % of all do not exceed.
    pub percentile95: T,
    /// The greatest.
    pub max: T,
}

impl<T: Copy + PartialOrd> Distribution<T> {
    /// Of values in any order, which this brings into another; `None` if there are none.
    pub fn of(values: &mut [T]) -> Option<Self> {
        let order = |a: &T, b: &T| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal);
        let n = values.len();
        let rank = |percent: usize| (n * percent).div_ceil(100).saturating_sub(1);
        if n == 0 {
            return None;
        }
        let (_, &mut percentile95, above) = values.select_nth_unstable_by(rank(95), order);
        let max = above.iter().copied().fold(percentile95, |a, b| if b > a { b } else { a });
        let (_, &mut median, _) = values[..=rank(95)].select_nth_unstable_by(rank(50), order);
        Some(Self { count: n as u64, median, percentile95, max })
    }
}

/// What attempts at the quanta of one task cost.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TaskCosts {
    /// Label.
    pub task: String,
    /// Seconds that attempts took, from start to end; those that found everything done are left
    /// out.
    pub seconds: Option<Distribution<f64>>,
    /// Seconds of all of them together.
    pub total_seconds: f64,
    /// Peak memory of attempts in bytes, where measured.
    pub memory: Option<Distribution<u64>>,
}

/// Values of attempts, gathered by task.
pub(crate) struct ByTask<T> {
    offsets: Vec<usize>,
    values: Vec<T>,
}

impl<T: Copy + Default> ByTask<T> {
    /// Takes what `value` gives for attempts, in order of their rows.
    pub fn gather(
        graph: &QuantumGraph,
        attempts: &AttemptTable,
        value: impl Fn(&crate::attempts::Attempt) -> Option<T>,
    ) -> Self {
        let n_tasks = graph.pipeline.tasks.len();
        let mut offsets = vec![0; n_tasks + 1];
        let task = |attempt: &crate::attempts::Attempt| graph.quanta.task(attempt.quantum).index();
        for attempt in attempts.iter() {
            if value(&attempt).is_some() {
                offsets[task(&attempt) + 1] += 1;
            }
        }
        for i in 0..n_tasks {
            offsets[i + 1] += offsets[i];
        }
        let mut next = offsets.clone();
        let mut values = vec![T::default(); offsets[n_tasks]];
        for attempt in attempts.iter() {
            if let Some(value) = value(&attempt) {
                let next = &mut next[task(&attempt)];
                values[*next] = value;
                *next += 1;
            }
        }
        Self { offsets, values }
    }

    /// Those of one task.
    pub fn of(&mut self, task: usize) -> &mut [T] {
        &mut self.values[self.offsets[task]..self.offsets[task + 1]]
    }
}

/// Times and memory of all tasks that have any, in the order of the pipeline.
pub fn costs_by_task(graph: &QuantumGraph, attempts: &AttemptTable) -> Vec<TaskCosts> {
    let mut seconds =
        ByTask::gather(graph, attempts, |attempt| attempt.seconds().filter(|_| attempt.did_work()));
    let mut memory = ByTask::gather(graph, attempts, |attempt| attempt.memory);
    (graph.pipeline.tasks.iter().enumerate())
        .map(|(i, task)| TaskCosts {
            task: task.label.clone(),
            total_seconds: seconds.of(i).iter().sum(),
            seconds: Distribution::of(seconds.of(i)),
            memory: Distribution::of(memory.of(i)),
        })
        .filter(|costs| costs.seconds.is_some() || costs.memory.is_some())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_those_of_the_definition() {
        let of = |n: u64| {
            // Any order that is none.
            let mut values: Vec<u64> = (1..=n).map(|i| i * 7919 % n + 1).collect();
            values.sort_unstable();
            values.dedup();
            values.reverse();
            Distribution::of(&mut values)
        };
        assert_eq!(of(0), None);
        let told = |d: Distribution<u64>| (d.count, d.median, d.percentile95, d.max);
        assert_eq!(of(1).map(told), Some((1, 1, 1, 1)));
        assert_eq!(of(2).map(told), Some((2, 1, 2, 2)));
        assert_eq!(of(100).map(told), Some((100, 50, 95, 100)));
        assert_eq!(of(101).map(told), Some((101, 51, 96, 101)));
    }

    #[test]
    fn one_value_that_is_no_number_does_not_hide_the_others() {
        let mut values = [3.0, 1.0, 2.0];
        let found = Distribution::of(&mut values).map(|d| (d.median, d.max));
        assert_eq!(found, Some((2.0, 3.0)));
    }
}
