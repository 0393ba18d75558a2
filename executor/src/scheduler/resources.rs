//! What a node has, what quanta take of it, and what is left.

use qbb_graph::QuantumIx;
use rustc_hash::FxHashMap;

use super::peaks::RecentPeak;

/// More memory than the highest peak that was seen is set aside, by this part of it: quanta of a
/// task differ, and peaks of a sample are lower than those of all.
const MARGIN: (u64, u64) = (1, 5);

/// Number of the resources that all nodes have, see [`Amounts`].
const COMMON: usize = 3;

/// Position of memory.
const MEMORY: usize = 1;

/// Amounts of resources: cores, memory in bytes, scratch space in bytes, then named ones in the
/// order of the budget.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Amounts(Box<[u64]>);

impl Amounts {
    /// Cores, memory, scratch space and named resources.
    pub fn new(
        cores: u64,
        memory: u64,
        scratch: u64,
        named: impl IntoIterator<Item = u64>,
    ) -> Self {
        Self([cores, memory, scratch].into_iter().chain(named).collect())
    }

    /// Bytes of memory.
    pub fn memory(&self) -> u64 {
        self.0[MEMORY]
    }

    /// Cores.
    pub fn cores(&self) -> u64 {
        self.0[0]
    }

    /// Bytes of scratch space.
    pub fn scratch(&self) -> u64 {
        self.0[2]
    }

    /// Named resources.
    pub fn named(&self) -> &[u64] {
        &self.0[COMMON..]
    }
}

/// Where a request for memory comes from, the strongest last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MemoryRequest {
    /// Nothing is known, so an equal share of the budget is assumed.
    Assumed,
    /// From peaks of earlier attempts.
    Learned,
    /// Somebody said so; nothing is learned.
    Declared,
}

/// What the quanta of a task ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// How much.
    pub amounts: Amounts,
    /// How the memory among it is known.
    pub memory: MemoryRequest,
}

/// What is there, what is asked for, and what was given.
#[derive(Debug, Clone)]
pub(super) struct Ledger {
    budget: Amounts,
    used: Box<[u64]>,
    requests: Vec<Request>,
    /// What is learned of each request's memory, margin included.
    learned: Vec<RecentPeak>,
    /// Memory of quanta that ask for more than others of their task.
    raised: FxHashMap<u32, u64>,
    /// Memory given to what runs, because requests change meanwhile.
    given: FxHashMap<u32, u64>,
}

impl Ledger {
    /// Nothing is given yet. All requests have as many amounts as the budget.
    pub fn new(budget: Amounts, requests: Vec<Request>) -> Self {
        debug_assert!(requests.iter().all(|r| r.amounts.0.len() == budget.0.len()));
        let used = vec![0; budget.0.len()].into();
        let (raised, given) = Default::default();
        let learned = (requests.iter())
            .map(|request| match request.memory {
                MemoryRequest::Learned => RecentPeak::new(request.amounts.memory()),
                MemoryRequest::Assumed | MemoryRequest::Declared => RecentPeak::new(0),
            })
            .collect();
        Self { budget, used, requests, learned, raised, given }
    }

    /// Number of different requests.
    pub fn classes(&self) -> usize {
        self.requests.len()
    }

    /// Lets a quantum ask for more memory than others of its task.
    pub fn raise(&mut self, quantum: QuantumIx, memory: u64) {
        self.raised.insert(quantum.0, memory);
    }

    /// Whether there is room for a quantum.
    pub fn fits(&self, class: usize, quantum: QuantumIx) -> bool {
        let memory = self.memory(class, quantum);
        let amounts = self.requests[class].amounts.0.iter().enumerate();
        amounts.zip(&*self.used).zip(&*self.budget.0).all(|(((i, &amount), used), budget)| {
            let amount = if i == MEMORY { memory } else { amount };
            // What is not asked for is no obstacle, even if it is exhausted.
            amount == 0 || used.saturating_add(amount) <= *budget
        })
    }

    /// Memory that a quantum asks for.
    pub fn memory(&self, class: usize, quantum: QuantumIx) -> u64 {
        let memory = self.requests[class].amounts.memory();
        if self.raised.is_empty() {
            return memory;
        }
        self.raised.get(&quantum.0).map_or(memory, |&raised| raised.max(memory))
    }

    /// Gives a quantum what it asks for, and returns its memory.
    pub fn give(&mut self, class: usize, quantum: QuantumIx) -> u64 {
        let memory = self.memory(class, quantum);
        for (i, used) in self.used.iter_mut().enumerate() {
            let amount = if i == MEMORY { memory } else { self.requests[class].amounts.0[i] };
            *used = used.saturating_add(amount);
        }
        self.given.insert(quantum.0, memory);
        memory
    }

    /// Takes back what was given to a quantum, and returns its memory.
    pub fn take_back(&mut self, class: usize, quantum: QuantumIx) -> u64 {
        let memory = self.given.remove(&quantum.0).unwrap_or(0);
        for (i, used) in self.used.iter_mut().enumerate() {
            let amount = if i == MEMORY { memory } else { self.requests[class].amounts.0[i] };
            *used = used.saturating_sub(amount);
        }
        memory
    }

    /// Takes a peak into account. Returns whether the request has changed.
    pub fn learn(&mut self, class: usize, peak: u64) -> bool {
        let (request, learned) = (&mut self.requests[class], &mut self.learned[class]);
        if request.memory == MemoryRequest::Declared {
            return false;
        }
        let changed = learned.observe(with_margin(peak));
        let is_first = request.memory == MemoryRequest::Assumed;
        if changed || is_first {
            request.amounts.0[MEMORY] = learned.get();
            request.memory = MemoryRequest::Learned;
        }
        changed || is_first
    }

    /// Memory for the next attempt of a quantum that had too little: twice as much, but no more
    /// than there is; all of it if nobody knows what the quantum needs. `None` if it had all that
    /// there is.
    pub fn more_memory(&self, given: u64, peak: Option<u64>) -> Option<u64> {
        let all = self.budget.memory();
        let had = given.max(peak.unwrap_or(0));
        let more = if had == 0 { all } else { had.saturating_mul(2).min(all) };
        (given < all).then_some(more)
    }
}

/// What is set aside for a task whose highest peak is known.
pub fn with_margin(peak: u64) -> u64 {
    peak.saturating_add(peak / MARGIN.1 * MARGIN.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(cores: u64, memory: u64, known: MemoryRequest) -> Request {
        Request { amounts: Amounts::new(cores, memory, 0, []), memory: known }
    }

    #[test]
    fn requests_are_learned_unless_they_were_declared() {
        let requests =
            vec![request(1, 50, MemoryRequest::Assumed), request(1, 50, MemoryRequest::Declared)];
        let mut ledger = Ledger::new(Amounts::new(4, 100, 0, []), requests);
        let quantum = QuantumIx(0);
        assert!(ledger.learn(0, 10), "less than was assumed is something new, too");
        assert_eq!(ledger.memory(0, quantum), 12);
        assert!(!ledger.learn(0, 5), "another quantum needed more");
        assert!(ledger.learn(0, 20));
        assert_eq!(ledger.memory(0, quantum), 24);
        assert!(!ledger.learn(1, 90));
        assert_eq!(ledger.memory(1, quantum), 50);
        let fell = (0..300).filter(|_| ledger.learn(0, 10)).count();
        assert_eq!((fell, ledger.memory(0, quantum)), (1, 12), "one that was greedy is forgotten");
    }

    #[test]
    fn what_was_given_is_taken_back_although_requests_change() {
        let requests = vec![request(1, 40, MemoryRequest::Learned)];
        let mut ledger = Ledger::new(Amounts::new(4, 100, 0, []), requests);
        ledger.give(0, QuantumIx(0));
        ledger.learn(0, 100);
        assert!(!ledger.fits(0, QuantumIx(1)));
        assert_eq!(ledger.take_back(0, QuantumIx(0)), 40);
        assert_eq!(*ledger.used, [0, 0, 0]);
    }

    #[test]
    fn more_memory_is_twice_as_much_up_to_all_of_it() {
        let ledger = Ledger::new(Amounts::new(4, 100, 0, []), Vec::new());
        assert_eq!(ledger.more_memory(20, None), Some(40));
        assert_eq!(ledger.more_memory(20, Some(30)), Some(60));
        assert_eq!(ledger.more_memory(60, None), Some(100));
        assert_eq!(ledger.more_memory(0, None), Some(100));
        assert_eq!(ledger.more_memory(100, None), None);
        assert_eq!(ledger.more_memory(10, Some(200)), Some(100));
    }
}
