//! Where on the page everything stands.

use super::layers::{Layers, Place};

/// Least space between two things beside each other, in pixels.
const GAP: f64 = 22.0;
/// Space that an arrow takes on its way past other nodes.
const BEND_WIDTH: f64 = 6.0;
/// Sweeps after which nothing moves visibly.
const SWEEPS: usize = 10;

/// Horizontal middles of all places, the leftmost thing beginning at 0.
pub(super) fn middles(layers: &Layers, node_widths: &[f64]) -> Vec<f64> {
    let width = |place: usize| match layers.places[place] {
        Place::Node(node) => node_widths[node],
        Place::Bend => BEND_WIDTH,
    };
    let mut x = vec![0.0; layers.places.len()];
    for row in &layers.rows {
        let mut left = 0.0;
        for &place in row {
            x[place] = left + width(place) / 2.0;
            left += width(place) + GAP;
        }
    }
    let count = layers.rows.len();
    for sweep in 0..SWEEPS {
        for step in 0..count {
            let row = if sweep % 2 == 0 { step } else { count - 1 - step };
            let places = &layers.rows[row];
            let wanted: Vec<f64> = (places.iter())
                .map(|&place| {
                    let others = || layers.above[place].iter().chain(&layers.below[place]);
                    match others().count() {
                        0 => x[place],
                        count => others().map(|&other| x[other]).sum::<f64>() / count as f64,
                    }
                })
                .collect();
            let distances: Vec<f64> = (places.windows(2))
                .map(|pair| (width(pair[0]) + width(pair[1])) / 2.0 + GAP)
                .collect();
            for (&place, position) in places.iter().zip(apart(&wanted, &distances)) {
                x[place] = position;
            }
        }
    }
    let left = (0..x.len()).map(|place| x[place] - width(place) / 2.0).fold(f64::MAX, f64::min);
    x.iter_mut().for_each(|x| *x -= left);
    x
}

/// Positions as near to the wanted ones as possible (least squares) in which each is at least a
/// distance behind the one before.
fn apart(wanted: &[f64], distances: &[f64]) -> Vec<f64> {
    // With the distances taken off, the positions need only ascend: neighbours that would not are
    // merged into groups at their mean.
    let mut groups: Vec<(f64, usize)> = Vec::new();
    let mut offset = 0.0;
    let mut offsets = Vec::with_capacity(wanted.len());
    for (at, &wanted) in wanted.iter().enumerate() {
        if at > 0 {
            offset += distances[at - 1];
        }
        offsets.push(offset);
        let mut group = (wanted - offset, 1);
        while let Some(&(sum, count)) = groups.last()
            && sum / count as f64 > group.0 / group.1 as f64
        {
            group = (group.0 + sum, group.1 + count);
            groups.pop();
        }
        groups.push(group);
    }
    let means =
        groups.iter().flat_map(|&(sum, count)| std::iter::repeat_n(sum / count as f64, count));
    means.zip(offsets).map(|(mean, offset)| mean + offset).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_keep_their_distance_and_stay_near() {
        assert_eq!(apart(&[0.0, 0.0], &[10.0]), [-5.0, 5.0]);
        assert_eq!(apart(&[0.0, 30.0, 31.0], &[10.0, 11.0]), [0.0, 25.0, 36.0]);
        assert_eq!(apart(&[], &[]), [0.0; 0]);
    }

    #[test]
    fn nothing_overlaps() {
        let edges = [(0, 2), (0, 3), (0, 4), (1, 4), (1, 5), (2, 6), (5, 6), (0, 6)];
        let widths = [80.0, 50.0, 60.0, 70.0, 80.0, 90.0, 20.0];
        let layers = Layers::new(7, &edges);
        let x = middles(&layers, &widths);
        for row in &layers.rows {
            let width = |place| match layers.places[place] {
                Place::Node(node) => widths[node],
                Place::Bend => BEND_WIDTH,
            };
            for pair in row.windows(2) {
                let space = x[pair[1]] - x[pair[0]] - (width(pair[0]) + width(pair[1])) / 2.0;
                assert!(space >= GAP - 1e-6, "{space}");
            }
        }
    }
}
