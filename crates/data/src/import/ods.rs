//! What the reports of NHS ODS Data Search and Export (DSE) have in common. Each is a CSV file
//! whose columns have fixed positions, without a header row unless the user of DSE asks for one.

use super::rows::{CsvRow, lowercase_file_name};
use super::{ImportError, SourceFiles};
use catchment_core::domain::OdsCode;

/// The words in the name of a file that has only what changed between two days.
const AMENDMENT_WORDS: [&str; 5] = ["changes", "amendments", "amendment", "amended", "amend"];

/// Returns whether the name of a file says that it has only what changed between two days, as in
/// `epraccur_changes_20260301_to_20260424.csv`.
pub(super) fn is_amendment_file(member: &str) -> bool {
    lowercase_file_name(member)
        .split(|character: char| !character.is_ascii_alphanumeric())
        .any(|word| AMENDMENT_WORDS.contains(&word))
}

/// Returns the members that are not files of amendments.
///
/// # Errors
/// If all candidates are files of amendments, which are never a whole report.
pub(super) fn without_amendments(
    source_files: &SourceFiles,
    candidates: Vec<String>,
) -> Result<Vec<String>, ImportError> {
    let (amendments, whole): (Vec<String>, Vec<String>) = candidates
        .into_iter()
        .partition(|member| is_amendment_file(member));
    match amendments.first() {
        Some(file) if whole.is_empty() => Err(amendments_refused(source_files, file)),
        _ => Ok(whole),
    }
}

pub(super) fn amendments_refused(source_files: &SourceFiles, member: &str) -> ImportError {
    ImportError::Refused {
        file: super::rows::member_label(source_files, member),
        reason: "by its name it has only what changed between two days; use the whole report"
            .to_string(),
    }
}

/// Returns whether the row is a header row: the cells that have codes or dates in every row of data
/// have neither.
pub(super) fn is_header_row(row: &CsvRow<'_>, columns: &[usize]) -> bool {
    let is_name = |text: &str| {
        !text.is_empty() && !text.contains('\u{fffd}') && !text.bytes().any(|b| b.is_ascii_digit())
    };
    columns.iter().all(|&column| is_name(row.text(column)))
}

/// Returns whether the text has the form of an organisation's code. Words of a header row are not
/// codes, because they have no digit.
pub(super) fn is_code(text: &str) -> bool {
    text.bytes().any(|byte| byte.is_ascii_digit()) && text.parse::<OdsCode>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amendments_are_recognised_by_a_whole_word_of_the_name() {
        for (name, expected) in [
            ("epraccur_changes_20260301_to_20260424.csv", true),
            ("Data/epcn-Amendments.csv", true),
            ("changes/epraccur.csv", false),
            ("epraccur_exchanges.csv", false),
        ] {
            assert_eq!(is_amendment_file(name), expected, "{name}");
        }
    }
}
