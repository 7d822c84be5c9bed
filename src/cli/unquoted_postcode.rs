//! Postcodes without quotation marks, which the shell splits: `catchment locate LA18 4DB`.

use std::ffi::OsString;

/// Joins the two words of an unquoted postcode after the command `locate`.
pub(super) fn join_postcode(args: &[OsString]) -> Vec<OsString> {
    let mut joined = args.to_vec();
    if args.get(1).is_none_or(|command| command != "locate") {
        return joined;
    }
    let is_split = |words: &[OsString]| match words {
        [first, second] => first
            .to_str()
            .zip(second.to_str())
            .is_some_and(|(first, second)| is_outward_code(first) && is_inward_code(second)),
        _ => false,
    };
    if let Some(index) = joined.windows(2).position(is_split) {
        let inward = joined.remove(index + 1);
        joined[index].push(" ");
        joined[index].push(inward);
    }
    joined
}

/// Returns whether the text may be an outward code, including an outward code in which a digit was
/// mistyped as a letter.
fn is_outward_code(text: &str) -> bool {
    let is_word = text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let has_digit = text.bytes().any(|byte| byte.is_ascii_digit());
    let starts_with_letter = text.starts_with(|first: char| first.is_ascii_alphabetic());
    (2..=4).contains(&text.len()) && is_word && has_digit && starts_with_letter
}

fn is_inward_code(text: &str) -> bool {
    match text.as_bytes() {
        [digit, letters @ ..] => {
            digit.is_ascii_digit()
                && letters.len() == 2
                && letters.iter().all(u8::is_ascii_alphabetic)
        }
        [] => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, expected: &[&str]) {
        let args: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        assert_eq!(join_postcode(&args), expected, "{line}");
    }

    #[test]
    fn only_the_words_of_a_postcode_are_joined() {
        check(
            "catchment locate LA18 4DB",
            &["catchment", "locate", "LA18 4DB"],
        );
        check(
            "catchment locate --json la18 4db --layers icc",
            &[
                "catchment",
                "locate",
                "--json",
                "la18 4db",
                "--layers",
                "icc",
            ],
        );
        check(
            "catchment locate LA1O 5DL",
            &["catchment", "locate", "LA1O 5DL"],
        );
        for line in [
            "catchment",
            "catchment locate LA18",
            "catchment locate LA18 P81002",
            "catchment locate --practice P81002 4DB",
            "catchment locate --layers icc 4DB",
            "catchment batch LA18 4DB",
        ] {
            let words: Vec<&str> = line.split(' ').collect();
            check(line, &words);
        }
    }
}
