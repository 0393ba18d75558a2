//! Nearest names, for error messages.

/// The candidate nearest to `name`, if one is near enough to be a likely slip of the keyboard.
///
/// At most one edit, and one more for every four characters, is taken for a slip. Of equally near
/// candidates the alphabetically first is chosen, so that messages do not depend on the order.
pub fn nearest_name<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let limit = 1 + name.chars().count() / 4;
    candidates
        .into_iter()
        .map(|candidate| (edit_distance(name, candidate), candidate))
        .filter(|&(distance, _)| distance <= limit)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Least number of characters to insert, delete, replace or swap with their neighbours.
fn edit_distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    // Distances of all beginnings of `b` to the last three beginnings of `a`.
    let mut before: Vec<usize> = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 0..a.len() {
        let mut row = vec![i + 1; b.len() + 1];
        for j in 0..b.len() {
            let replaced = last[j] + usize::from(a[i] != b[j]);
            row[j + 1] = replaced.min(row[j] + 1).min(last[j + 1] + 1);
            if i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j] {
                row[j + 1] = row[j + 1].min(before[j - 1] + 1);
            }
        }
        (before, last) = (last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_near_and_strangers_are_not() {
        let names = ["detector", "visit", "exposure"];
        assert_eq!(nearest_name("detecter", names), Some("detector"));
        assert_eq!(nearest_name("vist", names), Some("visit"));
        assert_eq!(nearest_name("rwa", ["raw"]), Some("raw"));
        assert_eq!(nearest_name("tract", names), None);
        assert_eq!(nearest_name("b", ["c", "a"]), Some("a"), "ties go by the alphabet");
    }
}
