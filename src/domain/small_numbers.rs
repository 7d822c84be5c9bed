//! Small number suppression: disclosure control for counts of people.

/// Applies small number suppression to a count of people, by the rule of NHS England: `None` for
/// counts from 1 to 7, larger counts rounded to the nearest 5.
pub fn count_for_publication(count: u64) -> Option<u64> {
    match count {
        0 => Some(0),
        1..=7 => None,
        _ => Some(count.saturating_add(2) / 5 * 5),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_numbers_are_hidden_and_others_rounded() {
        let counts = [0, 1, 7, 8, 12, 13, 17, 18].map(count_for_publication);
        let shown = [10, 10, 15, 15, 20].map(Some);
        assert_eq!(counts[..3], [Some(0), None, None]);
        assert_eq!(counts[3..], shown);
    }
}
