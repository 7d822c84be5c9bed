//! Successions of organisations, published by NHS ODS in `succ.csv` and `succarc.csv` (the
//! archive): 5 columns, with or without a header row.
//!
//! The columns are old code, new code, reason, effective date (`YYYYMMDD`) and indicator. The first
//! row is usually a row of data, which would be lost if it were interpreted as a header row. All
//! kinds of organisations are listed, including commissioners (`00C` to `16C`). Callers select the
//! practices.
//!
//! The effective date becomes [`PracticeSuccession::from`], the first day on which the successor is
//! responsible. A practice's close date in `epraccur` is its last day, so the effective date is
//! usually the day after the close date. Some successions take effect on the close date itself, and
//! some much later. The importer does not correct these dates.

use std::collections::BTreeSet;

use super::ods::{is_header_row, without_amendments};
use super::rows::{CsvRow, CsvRows, lowercase_file_name, member_label};
use super::{ImportError, ImportReport, SourceFiles, dates};
use crate::formats::{FormatColumns, TableFormat};
use crate::plural::count_with_noun;
use catchment_core::domain::{OdsCode, PracticeSuccession, SuccessionEvidence};

const OLD: usize = 0;
const NEW: usize = 1;
const EFFECTIVE: usize = 3;
const COLUMN_COUNT: usize = 5;

pub(super) const FORMAT: TableFormat = TableFormat {
    title: "NHS ODS succ",
    columns: FormatColumns::Positions(&[COLUMN_COUNT]),
};

/// Reads every succession of the files, in order of old code, date and new code. Duplicate rows
/// result in one succession.
///
/// # Errors
/// If a file does not have the 5 columns or contains only amendments, or if there are no
/// successions.
pub fn read(
    sources: &mut [&mut SourceFiles],
) -> Result<(Vec<PracticeSuccession>, ImportReport), ImportError> {
    let mut report = ImportReport::default();
    let mut names = Vec::new();
    let mut unique_rows = BTreeSet::new();
    for source_files in sources {
        for member in select_members(source_files)? {
            let file = member_label(source_files, &member);
            let rows = CsvRows::new(&file, source_files.open_member(&member)?);
            read_file(rows, &mut unique_rows, &mut report)?;
            names.push(file);
        }
    }
    report.source = names.join(", ");
    if unique_rows.is_empty() {
        return Err(report.into_empty_error());
    }
    let successions = unique_rows
        .into_iter()
        .map(|(predecessor, from, successor)| PracticeSuccession {
            predecessor,
            successor,
            from,
            basis: vec![SuccessionEvidence::Ods],
            pcn_left: None,
            note: None,
            source: None,
        });
    Ok((successions.collect(), report))
}

/// Returns the names of the CSV files whose names start with `succ`. A single file may have any
/// name.
fn select_members(source_files: &SourceFiles) -> Result<Vec<String>, ImportError> {
    let mut members = source_files.members();
    if members.len() == 1 && members[0] == source_files.name() {
        return without_amendments(source_files, members);
    }
    members.retain(|name| {
        let base = lowercase_file_name(name);
        base.starts_with("succ") && base.ends_with(".csv")
    });
    if members.is_empty() {
        return Err(ImportError::NoSuchMember {
            source_name: source_files.name(),
            expected: "`succ.csv` or `succarc.csv`",
        });
    }
    without_amendments(source_files, members)
}

/// The old code, the effective date and the new code. Rows with the same key are duplicates.
type SuccessionKey = (OdsCode, jiff::civil::Date, OdsCode);

fn read_file(
    mut rows: CsvRows<impl std::io::Read>,
    unique_rows: &mut BTreeSet<SuccessionKey>,
    report: &mut ImportReport,
) -> Result<(), ImportError> {
    let mut is_first = true;
    while let Some(row) = rows.next()? {
        if std::mem::take(&mut is_first) {
            if row.len() == COLUMN_COUNT && is_header_row(&row, &[OLD, NEW, EFFECTIVE]) {
                continue;
            }
            check_first_row(&row)?;
        }
        report.read += 1;
        match parse_row(&row) {
            Ok(key) if unique_rows.insert(key) => report.kept += 1,
            Ok(_) => report.skip_at("duplicate succession", row.file, row.line),
            Err(reason) => report.reject(reason, row.file, row.line),
        }
    }
    rows.warn_if_truncated(report);
    Ok(())
}

/// Returns whether the row has the columns of the report: two codes, a reason, a date and an indicator.
pub(super) fn is_row(row: &CsvRow<'_>) -> bool {
    row.len() == COLUMN_COUNT && parse_row(row).is_ok()
}

/// Checks the format of the file by its first row of data.
fn check_first_row(row: &CsvRow<'_>) -> Result<(), ImportError> {
    if is_row(row) {
        return Ok(());
    }
    Err(ImportError::UnknownTable {
        first_row: row.cells(),
        file: row.file.to_string(),
        line: row.line,
        expected: format!(
            "expected 5 columns, with or without a header row: two ODS codes, a reason, a date \
             written YYYYMMDD and an indicator; this row has {} and starts with `{}`",
            count_with_noun(row.len(), "column", "columns"),
            row.text(OLD)
        ),
    })
}

fn parse_row(row: &CsvRow<'_>) -> Result<SuccessionKey, &'static str> {
    let code = |column: usize| row.text(column).parse::<OdsCode>();
    let old = code(OLD).map_err(|_| "column 1 (old code): must be an ODS code")?;
    let new = code(NEW).map_err(|_| "column 2 (new code): must be an ODS code")?;
    let from = dates::parse_yyyymmdd(row.text(EFFECTIVE))
        .map_err(|_| "column 4 (effective date): must be a date written YYYYMMDD")?;
    Ok((old, from, new))
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::super::rows::fixture;
    use super::*;

    fn import(text: &str) -> Result<(Vec<PracticeSuccession>, ImportReport), ImportError> {
        read(&mut [&mut fixture::file("succ.csv", text).source_files])
    }

    #[test]
    fn first_row_is_data() {
        let text = "\"00C\",\"16C\",\"R\",\"20200401\",\"\"\r\n\"P81064\",\"P81002\",\"R\",\"20180701\",\"\"\r\n";
        let (found, report) = import(text).expect("successions");
        assert_eq!(found[0].predecessor.as_str(), "00C");
        assert_eq!(found[0].successor.as_str(), "16C");
        assert_eq!(found[1].from, date(2018, 7, 1));
        assert_eq!((report.read, report.kept), (2, 2));
    }

    #[test]
    fn a_header_row_is_skipped() {
        let header = "Organisation Code,Succession Code,Reason,Effective Date,Indicator\n";
        let (found, report) =
            import(&format!("{header}P81064,P81002,R,20180701,\n")).expect("a succession");
        assert_eq!((found.len(), report.read, report.kept), (1, 1, 1));
    }

    #[test]
    fn other_layouts_are_rejected() {
        for text in [
            "Old,New,Reason,Effective 1\nP81064,P81002,R,20180701\n",
            "P81064,P81002,20180701\n",
            "P81064,P81002,R,01/07/2018,\n",
        ] {
            let error = import(text).expect_err("not a succ file").to_string();
            assert!(
                error.starts_with(
                    "succ.csv, line 1: expected 5 columns, with or without a header row"
                ),
                "{error}"
            );
        }
        assert!(matches!(import(""), Err(ImportError::Empty { .. })));
    }

    #[test]
    fn invalid_row_is_counted() {
        let text = "P81064,P81002,R,20180701,\nP8,P81002,R,20180701,\nP81065,,R,20180701,\nP81066,P81002,R,,\n";
        let (found, report) = import(text).expect("a succession");
        assert_eq!((found.len(), report.read, report.kept), (1, 4, 1));
        assert_eq!(report.rejected.len(), 3);
    }

    #[test]
    fn both_files_are_merged_without_duplicates() {
        let rows = "P81064,P81002,R,20180701,\n";
        let older = "P81000,P81064,R,20010401,\nP81064,P81002,R,20180701,\n";
        let files = [("succ.csv", rows), ("succarc.csv", older), ("x.csv", "1\n")];
        let mut succ = fixture::file("succ.csv", rows);
        let mut archive = fixture::file("succarc.csv", older);
        let (found, report) =
            read(&mut [&mut succ.source_files, &mut archive.source_files]).expect("successions");
        assert_eq!(report.source, "succ.csv, succarc.csv");
        let mut together = fixture::archive("succ.zip", &files);
        let (same, _) = read(&mut [&mut together.source_files]).expect("successions");
        assert_eq!(found, same);
        assert_eq!(found.len(), 2);
        assert_eq!(report.skipped["duplicate succession"], 1);
    }
}
