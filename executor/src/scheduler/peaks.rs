//! The highest of the last values of something.

/// Values after which older ones are forgotten.
const WINDOW: u32 = 100;

/// The highest of the last 100 to 200 values, kept in a few bytes.
///
/// So one quantum that needed far more than all others does not keep its task from running side by
/// side for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecentPeak {
    /// Highest of the window before.
    older: u64,
    /// Highest of the window that is being filled.
    newer: u64,
    counted: u32,
}

impl RecentPeak {
    /// Begins with what is known from before, which is forgotten as any other value.
    pub fn new(known: u64) -> Self {
        Self { older: known, newer: 0, counted: 0 }
    }

    /// The highest value.
    pub fn get(&self) -> u64 {
        self.older.max(self.newer)
    }

    /// Takes the next value into account. Returns whether the highest one has changed.
    pub fn observe(&mut self, value: u64) -> bool {
        let before = self.get();
        self.newer = self.newer.max(value);
        self.counted += 1;
        if self.counted == WINDOW {
            *self = Self::new(self.newer);
        }
        self.get() != before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peak_is_forgotten_after_a_while_and_not_before() {
        let mut peak = RecentPeak::new(50);
        assert!(!peak.observe(7));
        assert!(peak.observe(90));
        let after = (0..).find(|_| peak.observe(10)).unwrap();
        assert_eq!(peak.get(), 10);
        assert!((100..200).contains(&after), "{after}");
        assert!(peak.observe(11));
    }

    #[test]
    fn what_was_known_before_is_forgotten_too() {
        let mut peak = RecentPeak::new(50);
        let changes = (0..WINDOW).filter(|_| peak.observe(20)).count();
        assert_eq!((changes, peak.get()), (1, 20));
    }
}
