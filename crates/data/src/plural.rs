//! Counts with their nouns, for messages.

use std::fmt::Display;

/// Formats a count with its noun: `1 row`, `12 rows`.
pub(crate) fn count_with_noun<N>(count: N, singular: &str, plural: &str) -> String
where
    N: Display + PartialEq + From<u8>,
{
    let noun = if count == N::from(1) {
        singular
    } else {
        plural
    };
    format!("{count} {noun}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noun_is_singular_only_for_one() {
        let rows = |count: u64| count_with_noun(count, "row", "rows");
        assert_eq!(
            [0, 1, 2, 21].map(rows),
            ["0 rows", "1 row", "2 rows", "21 rows"]
        );
    }
}
