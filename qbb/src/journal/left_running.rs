//! What an attempt left running.

/// Most names of threads that are kept of an attempt.
const MOST_NAMES: usize = 16;

/// Most characters of a name that are kept.
const MOST_CHARACTERS: usize = 64;

/// Threads and processes that a task has started and not ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct LeftRunning {
    /// Number of processes, which were ended then.
    pub processes: u32,
    /// Number of threads, which go on in the worker.
    pub threads: u32,
    /// Names of threads; of many only the first ones.
    pub names: Vec<String>,
}

impl LeftRunning {
    /// So many processes, and threads with these names.
    pub fn new(processes: usize, threads: Vec<String>) -> Self {
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let (processes, n_threads) = (count(processes), count(threads.len()));
        let short = |name: String| name.chars().take(MOST_CHARACTERS).collect();
        let names = threads.into_iter().take(MOST_NAMES).map(short).collect();
        Self { processes, threads: n_threads, names }
    }

    /// Whether nothing was left.
    pub fn is_empty(&self) -> bool {
        self.processes == 0 && self.threads == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_names_the_first_are_kept_and_all_are_counted() {
        let left = LeftRunning::new(2, vec!["pool".to_owned(), "ü".repeat(200)]);
        assert_eq!((left.processes, left.threads), (2, 2));
        assert_eq!(left.names, ["pool".to_owned(), "ü".repeat(64)]);
        let many = LeftRunning::new(0, vec!["t".to_owned(); 1000]);
        assert_eq!((many.threads, many.names.len()), (1000, 16));
        assert!(!many.is_empty() && LeftRunning::new(0, Vec::new()).is_empty());
    }
}
