//! Nearest names, for error messages.

/// The candidate nearest to `name`, if one is near enough to be a likely slip of the keyboard.
///
/// At most one edit, and one more for every four characters, are taken for a slip. Of equally near
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

/// Levenshtein distance.
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, &cb) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(ca != cb);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_near_and_strangers_are_not() {
        let names = ["detector", "visit", "exposure"];
        assert_eq!(nearest_name("detecter", names), Some("detector"));
        assert_eq!(nearest_name("vist", names), Some("visit"));
        assert_eq!(nearest_name("tract", names), None);
        assert_eq!(nearest_name("b", ["c", "a"]), Some("a"), "ties go by the alphabet");
    }
}
