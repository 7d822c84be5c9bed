//! Columns whose name contains "practice" but not "code". Such a column may contain the codes or
//! the names of practices, so it is used only if its first values are codes.

use std::borrow::Cow;

use super::column_mapping::{ColumnOverrides, is_practice_alias, normalise};

/// The names of these columns, which are compared in the same way as the names of other columns.
const NAMES: [&str; 14] = [
    "practice",
    "gppractice",
    "gp",
    "generalpractice",
    "patientpractice",
    "practiceid",
    "registeredpractice",
    "registeredgppractice",
    "registeredgp",
    "gpregistration",
    "surgery",
    "gpsurgery",
    "registeredsurgery",
    "registeredgpsurgery",
];
/// The number of rows whose values are checked.
pub(super) const ROWS_CHECKED: usize = 100;
/// The minimum percentage of codes among the values that are not blank. The other values may be
/// typing mistakes.
const CODES_PERCENT_MIN: usize = 80;

/// Returns the columns that the user specified. If no name identifies the column of practice codes,
/// adds the only column in [`NAMES`] that contains codes. `values_of` returns the first values of a
/// column.
pub(super) fn with_practice_column<'o>(
    names: &[String],
    overrides: &'o ColumnOverrides,
    values_of: impl Fn(usize) -> Vec<String>,
) -> Cow<'o, ColumnOverrides> {
    if overrides.practice.is_some() || names.iter().any(|name| is_practice_alias(name)) {
        return Cow::Borrowed(overrides);
    }
    let mut found = (0..names.len())
        .filter(|&column| NAMES.contains(&normalise(&names[column]).as_str()))
        .filter(|&column| are_practice_codes(&values_of(column)));
    match (found.next(), found.next()) {
        (Some(column), None) => Cow::Owned(ColumnOverrides {
            practice: Some(names[column].clone()),
            ..overrides.clone()
        }),
        // If there are two such columns, the user must specify the column with the current
        // practice.
        _ => Cow::Borrowed(overrides),
    }
}

fn are_practice_codes(values: &[String]) -> bool {
    let values = values.iter().map(|value| value.trim());
    let given: Vec<&str> = values.filter(|value| !matches!(*value, "" | "&")).collect();
    let codes = given.iter().filter(|value| is_practice_code(value)).count();
    codes > 0 && codes * 100 >= given.len() * CODES_PERCENT_MIN
}

/// Returns whether a value has the form of the code of a GP practice or a branch surgery. Such a
/// code consists of a letter and five digits, with three more digits for a branch. Other ODS codes
/// could be mistaken for words.
fn is_practice_code(value: &str) -> bool {
    let Some((letter, digits)) = value.as_bytes().split_first() else {
        return false;
    };
    letter.is_ascii_alphabetic()
        && matches!(digits.len(), 5 | 8)
        && digits.iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(names: &[&str], values: &[&[&str]], expected: Option<&str>) {
        let names: Vec<String> = names.iter().map(|name| name.to_string()).collect();
        let overrides = ColumnOverrides::default();
        let values_of = |column: usize| values[column].iter().map(|value| value.to_string());
        let found = with_practice_column(&names, &overrides, |column| values_of(column).collect());
        assert_eq!(found.practice.as_deref(), expected, "{names:?} {values:?}");
    }

    #[test]
    fn a_column_called_practice_is_used_if_it_has_codes() {
        let postcodes: &[&str] = &["LA18 4DB", "LA9 6SA"];
        let codes: &[&str] = &["P81064", "", " a82608 ", "&"];
        let branches: &[&str] = &["A82608001", "P81002"];
        for name in ["practice", "GP Practice", "Surgery", "Registered GP", "gp"] {
            check(&["postcode", name], &[postcodes, codes], Some(name));
            check(&["postcode", name], &[postcodes, branches], Some(name));
            for names in [
                &["Lancaster Medical Practice", "Waterloo House Surgery"],
                &["Lancaster", "P81002"],
                &["01K", "QE1"],
                &["", ""],
            ] {
                check(&["postcode", name], &[postcodes, names], None);
            }
            check(&["postcode", name], &[postcodes, &[]], None);
        }
        let mostly: &[&str] = &["P81064", "A82608", "P8I064", "P81002", "Y00001"];
        check(&["practice", "pcd"], &[mostly, postcodes], Some("practice"));
        check(&["practices nearby"], &[codes], None);
    }

    #[test]
    fn names_of_practices_beside_their_codes_are_not_used() {
        let (codes, words): (&[&str], &[&str]) = (&["P81064"], &["Ash Trees Surgery"]);
        check(&["practice", "practice_code"], &[words, codes], None);
        check(&["practice", "practice_code"], &[codes, codes], None);
        check(&["practice", "surgery"], &[words, codes], Some("surgery"));
        check(&["practice", "surgery"], &[codes, codes], None);
    }

    #[test]
    fn the_column_that_the_user_names_is_used() {
        let overrides = ColumnOverrides {
            practice: Some("doctor".into()),
            ..ColumnOverrides::default()
        };
        let names = ["practice".to_string(), "doctor".to_string()];
        let found = with_practice_column(&names, &overrides, |_| vec!["P81064".into()]);
        assert_eq!(found.practice.as_deref(), Some("doctor"));
    }
}
