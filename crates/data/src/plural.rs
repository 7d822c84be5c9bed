//! Formats counts with their nouns, and lists of names, for messages.

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

/// Lists at most `max` names, and indicates whether there are more: `LA1 1AA, LA1 1AB, …`.
pub(crate) fn first_names<T: Display>(names: impl IntoIterator<Item = T>, max: usize) -> String {
    let mut names = names.into_iter();
    let first = names.by_ref().take(max).map(|name| name.to_string());
    let first = first.collect::<Vec<_>>().join(", ");
    match names.next() {
        Some(_) => first + ", …",
        None => first,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn further_names_are_an_ellipsis() {
        let list = |names: &[&str]| first_names(names, 2);
        assert_eq!(list(&[]), "");
        assert_eq!(list(&["a", "b"]), "a, b");
        assert_eq!(list(&["a", "b", "c"]), "a, b, …");
    }

    #[test]
    fn noun_is_singular_only_for_one() {
        let rows = |count: u64| count_with_noun(count, "row", "rows");
        assert_eq!(
            [0, 1, 2, 21].map(rows),
            ["0 rows", "1 row", "2 rows", "21 rows"]
        );
    }
}
