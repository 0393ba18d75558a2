//! The order in which quanta are preferred: depth first.

use qbb_graph::QuantumIx;

use super::surroundings::Dependencies;

const NONE: u32 = u32::MAX;

/// Position of each quantum in an order that finishes one chain before it begins the next.
///
/// The longest chains come first, by the positions of their last quanta, each after all that it
/// needs. What hangs off them without needing anything else, such as a plot of an intermediate,
/// comes right after what it reads, so that the intermediate need not be kept for it. Executed in
/// this order, few intermediates are waiting to be read at any time.
///
/// Takes time and memory in proportion to quanta and edges.
pub fn depth_first(dependencies: &impl Dependencies) -> Vec<u32> {
    let n_quanta = dependencies.n_quanta();
    let mut search = Search {
        dependencies,
        keys: vec![NONE; n_quanta],
        postorder: Vec::with_capacity(n_quanta),
    };
    for last in last_quanta(dependencies) {
        search.visit(last);
    }
    // Without cycles all are reached; with them, a file that says so was not checked.
    for quantum in (0..n_quanta as u32).map(QuantumIx) {
        search.visit(quantum);
    }
    let Search { keys, postorder, .. } = search;
    let mut order: Vec<(u32, u32, u32)> = (postorder.iter().zip(0..))
        .map(|(&quantum, position)| (keys[quantum as usize], position, quantum))
        .collect();
    order.sort_unstable();
    let mut ranks = keys;
    for ((_, _, quantum), rank) in order.into_iter().zip(0..) {
        ranks[quantum as usize] = rank;
    }
    ranks
}

/// Quanta that nothing reads from, those at the ends of long chains first.
fn last_quanta(dependencies: &impl Dependencies) -> Vec<QuantumIx> {
    let n_quanta = dependencies.n_quanta();
    let mut unmet: Vec<u32> = (0..n_quanta as u32)
        .map(|quantum| dependencies.predecessors(QuantumIx(quantum)).count() as u32)
        .collect();
    let mut depths = vec![0u32; n_quanta];
    let mut queue: Vec<u32> =
        (0..n_quanta as u32).filter(|&quantum| unmet[quantum as usize] == 0).collect();
    let mut last = Vec::new();
    let mut next = 0;
    while let Some(&quantum) = queue.get(next) {
        next += 1;
        let depth = depths[quantum as usize];
        let mut is_last = true;
        for successor in dependencies.successors(QuantumIx(quantum)) {
            is_last = false;
            let cell = &mut depths[successor.index()];
            *cell = (*cell).max(depth + 1);
            unmet[successor.index()] -= 1;
            if unmet[successor.index()] == 0 {
                queue.push(successor.0);
            }
        }
        if is_last {
            last.push(QuantumIx(quantum));
        }
    }
    last.sort_unstable_by_key(|quantum| (u32::MAX - depths[quantum.index()], quantum.0));
    last
}

struct Search<'a, D> {
    dependencies: &'a D,
    /// Where each quantum goes, as a position in `postorder`; `NONE` until it was visited.
    keys: Vec<u32>,
    /// Quanta in the order in which the search left them.
    postorder: Vec<u32>,
}

impl<D: Dependencies> Search<'_, D> {
    /// Visits a quantum and all that it needs, as far as that was not visited.
    fn visit(&mut self, from: QuantumIx) {
        if self.keys[from.index()] != NONE {
            return;
        }
        let begin = self.postorder.len();
        // Whether all of it hangs off what was visited before, and the last of that.
        let mut begins_anew = false;
        let mut hangs_off: u32 = 0;
        // Entered and not left; a place in the order is given on leaving.
        const ENTERED: u32 = NONE - 1;
        self.keys[from.index()] = ENTERED;
        let mut stack = vec![(from, self.dependencies.predecessors(from), true)];
        while let Some((quantum, predecessors, is_first)) = stack.last_mut() {
            match predecessors.next() {
                Some(before) => {
                    *is_first = false;
                    match self.keys[before.index()] {
                        NONE => {
                            self.keys[before.index()] = ENTERED;
                            stack.push((before, self.dependencies.predecessors(before), true));
                        }
                        ENTERED => {}
                        key if (key as usize) < begin => hangs_off = hangs_off.max(key),
                        _ => {}
                    }
                }
                None => {
                    begins_anew |= *is_first;
                    self.keys[quantum.index()] = self.postorder.len() as u32;
                    self.postorder.push(quantum.0);
                    stack.pop();
                }
            }
        }
        if !begins_anew && begin > 0 {
            for &quantum in &self.postorder[begin..] {
                self.keys[quantum as usize] = hangs_off;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::model_tests::Links;
    use super::*;

    fn in_order(links: &Links) -> Vec<u32> {
        let ranks = depth_first(links);
        let mut order: Vec<u32> = (0..ranks.len() as u32).collect();
        order.sort_by_key(|&quantum| ranks[quantum as usize]);
        order
    }

    #[test]
    fn one_chain_is_finished_before_the_next_begins() {
        // Two chains of three, numbered by task.
        let links = Links::new(6, &[(0, 2), (2, 4), (1, 3), (3, 5)]);
        assert_eq!(in_order(&links), [0, 2, 4, 1, 3, 5]);
    }

    #[test]
    fn what_gathers_comes_right_after_the_last_that_it_needs() {
        let links = Links::new(6, &[(0, 4), (2, 4), (1, 5), (3, 5)]);
        assert_eq!(in_order(&links), [0, 2, 4, 1, 3, 5]);
    }

    #[test]
    fn what_hangs_off_a_chain_comes_right_after_what_it_reads() {
        // 0 → 2 → 4 and 1 → 3 → 5 are chains; 6 and 7 read the firsts, 8 reads 6.
        let links = Links::new(9, &[(0, 2), (2, 4), (1, 3), (3, 5), (0, 6), (1, 7), (6, 8)]);
        let order = in_order(&links);
        assert_eq!(order, [0, 6, 8, 2, 4, 1, 7, 3, 5]);
    }

    #[test]
    fn a_cycle_ends_the_search_all_the_same() {
        let mut order = in_order(&Links::new(3, &[(0, 1), (1, 0)]));
        order.sort_unstable();
        assert_eq!(order, [0, 1, 2]);
    }
}
