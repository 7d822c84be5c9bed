//! The common properties of the reports of NHS ODS Data Search and Export (DSE). Each report is a
//! CSV file whose columns have fixed positions. There is no header row unless the user selects it
//! in DSE.

use jiff::civil::Date;

use super::rows::{CsvRow, lowercase_file_name};
use super::{ImportError, SourceFiles, dates};
use crate::plural::count_with_noun;
use catchment_core::domain::OdsCode;

/// Words in the name of a file that contains only the changes between two days.
const AMENDMENT_WORDS: [&str; 5] = ["changes", "amendments", "amendment", "amended", "amend"];

/// Returns whether the name of a file states that the file contains only the changes between two
/// days, as in `epraccur_changes_20260301_to_20260424.csv`.
pub(super) fn is_amendment_file(member: &str) -> bool {
    lowercase_file_name(member)
        .split(|character: char| !character.is_ascii_alphanumeric())
        .any(|word| AMENDMENT_WORDS.contains(&word))
}

/// Returns the members that do not contain only amendments.
///
/// # Errors
/// If all candidates contain only amendments, and are therefore not a complete report.
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
        reason: "its name shows that it contains only the changes between two days; use the whole \
                 report"
            .to_string(),
    }
}

/// Returns whether the row is a header row. In every row of data, the cells of `columns` contain
/// codes or dates. In a header row, they contain neither.
pub(super) fn is_header_row(row: &CsvRow<'_>, columns: &[usize]) -> bool {
    let is_name = |text: &str| {
        !text.is_empty() && !text.contains('\u{fffd}') && !text.bytes().any(|b| b.is_ascii_digit())
    };
    columns.iter().all(|&column| is_name(row.text(column)))
}

/// Returns whether the text has the form of an organisation's code. Words of a header row are not
/// codes, because they contain no digit.
pub(super) fn is_code(text: &str) -> bool {
    text.bytes().any(|byte| byte.is_ascii_digit()) && text.parse::<OdsCode>().is_ok()
}

/// Returns the name of the member to read: the file with the report's exact name, such as
/// `epraccur.csv`, or otherwise the only CSV file whose name starts with the report's name. A
/// single file may have any name.
pub(super) fn select_report(
    source_files: &SourceFiles,
    report: &str,
    expected: &'static str,
) -> Result<String, ImportError> {
    let members = source_files.members();
    if members == [source_files.name()] {
        without_amendments(source_files, members.clone())?;
        return Ok(source_files.name());
    }
    let is_report = |name: &&String| {
        let base = lowercase_file_name(name);
        base.starts_with(report) && base.ends_with(".csv")
    };
    let candidates: Vec<String> = members.iter().filter(is_report).cloned().collect();
    let candidates = without_amendments(source_files, candidates)?;
    let own_name = format!("{report}.csv");
    let exact = candidates
        .iter()
        .find(|name| lowercase_file_name(name) == own_name);
    match (exact, &candidates[..]) {
        (Some(name), _) | (None, [name]) => Ok(name.clone()),
        _ => Err(ImportError::NoSuchMember {
            source_name: source_files.name(),
            expected,
        }),
    }
}

/// The number of columns of the reports that list organisations, such as `epraccur`.
pub(super) const COLUMN_COUNT: usize = 27;

/// Returns the newest date in a row of a report, up to `today`; later dates are those of planned
/// changes.
pub(super) fn newest_day(row: &[String], today: Date) -> Option<Date> {
    let days = row.iter().filter_map(|cell| dates::parse_text(cell).ok());
    days.filter(|day| *day <= today).max()
}

/// Returns whether the first row of a report that lists organisations is a header row. The names
/// are used only to check that the columns are in the published order; the columns are read by
/// position.
///
/// # Errors
/// If the row is neither a header row nor a row of data.
pub(super) fn is_organisation_header(row: &CsvRow<'_>, report: &str) -> Result<bool, ImportError> {
    const CODE: usize = 0;
    const NAME: usize = 1;
    const POSTCODE: usize = 9;
    const DATES_AND_STATUS: [usize; 3] = [10, 11, 12];
    let (columns, first) = (row.len(), row.text(CODE));
    if columns == COLUMN_COUNT {
        if is_code(first) {
            return Ok(false);
        }
        let name = |column: usize| row.text(column).to_lowercase().replace([' ', '_'], "");
        let is_in_order = name(CODE).contains("code")
            && name(NAME).contains("name")
            && name(POSTCODE).contains("postcode");
        if is_in_order && is_header_row(row, &DATES_AND_STATUS) {
            return Ok(true);
        }
    }
    Err(ImportError::UnknownTable {
        first_row: row.cells(),
        file: row.file.to_string(),
        line: row.line,
        expected: format!(
            "expected the 27 columns of {report} in the published order, with or without a header \
             row, and an ODS code with digits in column 1; this row has {} and starts with `{first}`",
            count_with_noun(columns, "column", "columns")
        ),
    })
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
