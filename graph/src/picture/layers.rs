//! Which nodes stand beside each other: layers from top to bottom, and the order within them.

/// A node of the drawing, or a place where a long arrow passes a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// A node of the picture.
    Node(usize),
    /// A bend of an arrow.
    Bend,
}

/// Nodes and bends in layers.
#[derive(Debug, Clone, Default)]
pub(super) struct Layers {
    /// What stands at each place.
    pub places: Vec<Place>,
    /// Places of each layer from left to right.
    pub rows: Vec<Vec<usize>>,
    /// Arrows between neighbouring layers.
    pub above: Vec<Vec<usize>>,
    pub below: Vec<Vec<usize>>,
    /// The places that each arrow of the picture passes, its ends included.
    pub routes: Vec<Vec<usize>>,
}

/// Sweeps after which the order hardly improves.
const SWEEPS: usize = 12;

impl Layers {
    pub(super) fn new(nodes: usize, edges: &[(usize, usize)]) -> Self {
        let layer = layer_of_each(nodes, edges);
        let mut layers = Self {
            places: (0..nodes).map(Place::Node).collect(),
            rows: vec![Vec::new(); layer.iter().max().map_or(0, |last| last + 1)],
            above: vec![Vec::new(); nodes],
            below: vec![Vec::new(); nodes],
            routes: Vec::with_capacity(edges.len()),
        };
        for (node, &layer) in layer.iter().enumerate() {
            layers.rows[layer].push(node);
        }
        for &(from, to) in edges {
            let mut route = vec![from];
            // Arrows that do not lead down, which only a contradictory graph has, have no bends.
            for row in layer[from] + 1..layer[to] {
                let bend = layers.places.len();
                layers.places.push(Place::Bend);
                layers.above.push(Vec::new());
                layers.below.push(Vec::new());
                layers.rows[row].push(bend);
                layers.join(route[route.len() - 1], bend);
                route.push(bend);
            }
            if layer[from] < layer[to] {
                layers.join(route[route.len() - 1], to);
            }
            route.push(to);
            layers.routes.push(route);
        }
        layers.order();
        layers
    }

    fn join(&mut self, from: usize, to: usize) {
        self.below[from].push(to);
        self.above[to].push(from);
    }

    /// Puts each place near the middle of those it is joined with, layer by layer, down and up, and
    /// keeps the order in which the fewest arrows cross.
    fn order(&mut self) {
        let mut best = (self.crossings(), self.rows.clone());
        for sweep in 0..SWEEPS {
            let down = sweep % 2 == 0;
            let mut position = self.positions();
            let count = self.rows.len();
            for step in 1..count {
                let row = if down { step } else { count - 1 - step };
                let others = if down { &self.above } else { &self.below };
                let mut keyed: Vec<(f64, usize, usize)> = (self.rows[row].iter().enumerate())
                    .map(|(at, &place)| (middle(&others[place], &position, at), at, place))
                    .collect();
                keyed.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
                self.rows[row] = keyed.into_iter().map(|(_, _, place)| place).collect();
                for (at, &place) in self.rows[row].iter().enumerate() {
                    position[place] = at;
                }
            }
            let crossings = self.crossings();
            if crossings < best.0 {
                best = (crossings, self.rows.clone());
            }
            if best.0 == 0 {
                break;
            }
        }
        self.rows = best.1;
    }

    fn positions(&self) -> Vec<usize> {
        let mut position = vec![0; self.places.len()];
        for row in &self.rows {
            for (at, &place) in row.iter().enumerate() {
                position[place] = at;
            }
        }
        position
    }

    /// How many pairs of arrows between neighbouring layers cross.
    fn crossings(&self) -> usize {
        let position = self.positions();
        let mut crossings = 0;
        for (upper, lower) in self.rows.iter().zip(self.rows.iter().skip(1)) {
            // Ends below, in the order of the ends above: each pair out of order crosses.
            let mut counts = Counts::new(lower.len());
            for &place in upper {
                let mut ends: Vec<usize> =
                    self.below[place].iter().map(|&end| position[end]).collect();
                ends.sort_unstable();
                crossings += ends.iter().map(|&end| counts.beyond(end)).sum::<usize>();
                ends.iter().for_each(|&end| counts.add(end));
            }
        }
        crossings
    }
}

/// The median of the positions of others, or where the place is already.
fn middle(others: &[usize], position: &[usize], at: usize) -> f64 {
    let mut positions: Vec<usize> = others.iter().map(|&other| position[other]).collect();
    positions.sort_unstable();
    match positions.as_slice() {
        [] => at as f64,
        positions => {
            let (low, high) = ((positions.len() - 1) / 2, positions.len() / 2);
            (positions[low] + positions[high]) as f64 / 2.0
        }
    }
}

/// How many numbers up to each there have been.
struct Counts {
    tree: Vec<usize>,
    total: usize,
}

impl Counts {
    fn new(limit: usize) -> Self {
        Self { tree: vec![0; limit + 1], total: 0 }
    }

    fn add(&mut self, number: usize) {
        self.total += 1;
        let mut at = number + 1;
        while at < self.tree.len() {
            self.tree[at] += 1;
            at += at & at.wrapping_neg();
        }
    }

    /// How many are greater.
    fn beyond(&self, number: usize) -> usize {
        let (mut at, mut up_to) = (number + 1, 0);
        while at > 0 {
            up_to += self.tree[at];
            at -= at & at.wrapping_neg();
        }
        self.total - up_to
    }
}

/// Each node one layer below the lowest that leads to it; those to which nothing leads just above
/// the first they lead to. Nodes on a cycle stand in the layer that the others leave them.
fn layer_of_each(nodes: usize, edges: &[(usize, usize)]) -> Vec<usize> {
    let (mut after, mut waiting) = (vec![Vec::new(); nodes], vec![0_usize; nodes]);
    for &(from, to) in edges {
        after[from].push(to);
        waiting[to] += 1;
    }
    let is_source: Vec<bool> = waiting.iter().map(|&count| count == 0).collect();
    let mut layer = vec![0; nodes];
    let mut ready: Vec<usize> = (0..nodes).filter(|&node| is_source[node]).collect();
    while let Some(node) = ready.pop() {
        for &next in &after[node] {
            layer[next] = layer[next].max(layer[node] + 1);
            waiting[next] -= 1;
            if waiting[next] == 0 {
                ready.push(next);
            }
        }
    }
    for node in (0..nodes).filter(|&node| is_source[node]) {
        let first = after[node].iter().map(|&next| layer[next]).min();
        layer[node] = first.map_or(0, |first: usize| first.saturating_sub(1));
    }
    layer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_go_down_and_inputs_stand_by_their_readers() {
        // 0 → 1 → 2 → 3, and 4 → 3.
        let edges = [(0, 1), (1, 2), (2, 3), (4, 3), (0, 3)];
        assert_eq!(layer_of_each(5, &edges), [0, 1, 2, 3, 2]);
        let layers = Layers::new(5, &edges);
        assert_eq!(layers.routes[4].len(), 4, "the long arrow has two bends");
        assert_eq!(layers.rows.iter().map(Vec::len).collect::<Vec<_>>(), [1, 2, 3, 1]);
    }

    #[test]
    fn a_cycle_ends() {
        assert_eq!(layer_of_each(3, &[(0, 1), (1, 2), (2, 1)]).len(), 3);
        assert_eq!(Layers::new(2, &[(0, 1), (1, 0)]).routes.len(), 2);
        assert!(Layers::new(0, &[]).rows.is_empty());
    }

    #[test]
    fn crossings_are_undone() {
        // Two chains whose second layer comes in the wrong order.
        let layers = Layers::new(6, &[(0, 3), (1, 2), (3, 4), (2, 5)]);
        assert_eq!(layers.crossings(), 0);
    }
}
