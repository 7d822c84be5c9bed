//! Branch surgeries, published by NHS ODS in `ebranchs`: 27 columns, with or without a header row, in
//! the layout of `epraccur`.
//!
//! | column | content |
//! |---|---|
//! | 1, 2 | code, name |
//! | 10 | postcode |
//! | 11, 12 | first day, last day (`YYYYMMDD`); 1 January 1900 means an unknown first day |
//! | 13 | status: A, ACTIVE, P or blank (open); C, INACTIVE or D (closed) |
//!
//! The code of a branch has nine characters, of which the first six are the code of the practice.

use std::collections::BTreeMap;

use jiff::civil::Date;

use super::ods::{COLUMN_COUNT, is_organisation_header, select_report};
use super::rows::{CsvRow, CsvRows, member_label};
use super::{ImportError, ImportReport, SourceFiles, dates};
use crate::formats::{FormatColumns, TableFormat};
use catchment_core::domain::{OdsCode, Postcode};

const CODE: usize = 0;
const NAME: usize = 1;
const POSTCODE: usize = 9;
const OPENED: usize = 10;
const CLOSED: usize = 11;
const STATUS: usize = 12;

pub(super) const FORMAT: TableFormat = TableFormat {
    title: "NHS ODS ebranchs",
    columns: FormatColumns::Positions(&[COLUMN_COUNT]),
};

/// A branch surgery of a practice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BranchSurgery {
    pub(crate) code: OdsCode,
    pub(crate) practice: OdsCode,
    pub(crate) name: String,
    pub(crate) postcode: Option<Postcode>,
    /// The first day, or `None` if it is not known.
    pub(crate) opened: Option<Date>,
    /// The last day.
    pub(crate) closed: Option<Date>,
    /// Whether the status states that the branch has closed.
    pub(crate) is_inactive: bool,
}

impl BranchSurgery {
    /// Returns whether the branch had closed before the day.
    pub(crate) fn had_closed(&self, day: Date) -> bool {
        match self.closed {
            Some(closed) => closed < day,
            None => self.is_inactive,
        }
    }

    /// Returns whether the branch opens after the day.
    pub(crate) fn opens_after(&self, day: Date) -> bool {
        self.opened.is_some_and(|opened| opened > day)
    }
}

/// Reads every branch, open and closed, in order of code.
///
/// # Errors
/// If the file does not have 27 columns in the published order, contains only amendments, contains
/// two different rows with the same code, or contains no branch.
pub fn read(
    source_files: &mut SourceFiles,
) -> Result<(Vec<BranchSurgery>, ImportReport), ImportError> {
    let member = select_report(
        source_files,
        "ebranchs",
        "`ebranchs.csv`, or exactly one CSV file whose name starts with `ebranchs`",
    )?;
    let file = member_label(source_files, &member);
    // A folder often contains several reports of NHS ODS, so its name is not specific enough for
    // the report.
    let mut report = ImportReport::new(file.as_str());
    let mut rows = CsvRows::new(&file, source_files.open_member(&member)?);
    let mut branches: BTreeMap<OdsCode, BranchSurgery> = BTreeMap::new();
    let mut is_first = true;
    while let Some(row) = rows.next()? {
        if std::mem::take(&mut is_first) && is_organisation_header(&row, "ebranchs")? {
            continue;
        }
        report.read += 1;
        match parse_row(&row) {
            Ok(branch) => match branches.get(&branch.code) {
                Some(earlier) if *earlier == branch => {
                    report.skip_at("duplicate row", row.file, row.line);
                }
                Some(_) => {
                    return Err(ImportError::Conflict {
                        file: row.file.to_string(),
                        line: row.line,
                        what: format!(
                            "an earlier row has the code `{}` with other values; remove one of the \
                             two rows",
                            branch.code
                        ),
                    });
                }
                None => {
                    report.kept += 1;
                    branches.insert(branch.code, branch);
                }
            },
            Err(reason) => report.reject(reason, row.file, row.line),
        }
    }
    rows.warn_if_truncated(&mut report);
    if branches.is_empty() {
        return Err(report.into_empty_error());
    }
    Ok((branches.into_values().collect(), report))
}

/// Returns whether the row has the columns of the report.
pub(super) fn is_row(row: &CsvRow<'_>) -> bool {
    row.len() == COLUMN_COUNT && parse_row(row).is_ok()
}

fn parse_row(row: &CsvRow<'_>) -> Result<BranchSurgery, &'static str> {
    if (0..COLUMN_COUNT).any(|column| row.text(column).contains('\u{fffd}')) {
        return Err("a cell is not valid UTF-8");
    }
    let code: OdsCode = row
        .text(CODE)
        .parse()
        .map_err(|_| "column 1 (organisation code): must be an ODS code")?;
    let practice = code.parent().ok_or(
        "column 1 (organisation code): must be the code of a branch: nine characters, of which \
         the first six are the code of its practice",
    )?;
    let day = |column: usize| match row.text(column) {
        "" => Ok(None),
        text => dates::parse_yyyymmdd(text).map(Some),
    };
    let opened =
        day(OPENED).map_err(|_| "column 11 (open date): must be a date written YYYYMMDD")?;
    let closed =
        day(CLOSED).map_err(|_| "column 12 (close date): must be a date written YYYYMMDD")?;
    if matches!((opened, closed), (Some(opened), Some(closed)) if closed < opened) {
        return Err("column 12 (close date): must be no earlier than the open date");
    }
    Ok(BranchSurgery {
        code,
        practice,
        name: match row.text(NAME) {
            "" => return Err("column 2 (name): must not be blank"),
            name => name.to_string(),
        },
        postcode: row.text(POSTCODE).parse().ok(),
        opened: dates::known_first_day(opened),
        closed,
        is_inactive: match row.text(STATUS).to_ascii_uppercase().as_str() {
            "A" | "ACTIVE" | "P" | "" => false,
            "C" | "INACTIVE" | "D" => true,
            _ => return Err("column 13 (status): must be A, C, D, P, ACTIVE or INACTIVE"),
        },
    })
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::super::rows::fixture;
    use super::*;

    fn row(code: &str, opened: &str, closed: &str, status: &str) -> String {
        let mut cells = [""; COLUMN_COUNT];
        cells[CODE] = code;
        cells[NAME] = "HARBOUR SURGERY";
        cells[POSTCODE] = "LA18 4DB";
        cells[OPENED] = opened;
        cells[CLOSED] = closed;
        cells[STATUS] = status;
        cells.join(",") + "\r\n"
    }

    fn import(text: &str) -> Result<(Vec<BranchSurgery>, ImportReport), ImportError> {
        read(&mut fixture::file("ebranchs.csv", text).source_files)
    }

    #[test]
    fn branches_belong_to_the_practice_of_their_first_six_characters() {
        let rows = row("A82999002", "20100401", "20200331", "INACTIVE")
            + &row("A82999001", "19000101", "", "ACTIVE");
        let mut names = vec!["Field"; COLUMN_COUNT];
        (names[CODE], names[NAME], names[POSTCODE]) = ("Code", "Name", "Postcode");
        let header = names.join(",") + "\r\n";
        for text in [rows.clone(), header + &rows] {
            let (found, report) = import(&text).expect("branches");
            let [open, closed] = &found[..] else {
                panic!("two branches")
            };
            assert_eq!(open.practice.as_str(), "A82999");
            assert_eq!(open.opened, None);
            assert!(!open.had_closed(date(2026, 4, 1)));
            assert_eq!(closed.code.as_str(), "A82999002");
            assert!(!closed.had_closed(date(2020, 3, 31)));
            assert!(closed.had_closed(date(2020, 4, 1)));
            assert!(closed.opens_after(date(2010, 3, 31)));
            assert_eq!((report.read, report.kept), (2, 2));
        }
    }

    #[test]
    fn invalid_rows_are_counted_and_contradictions_are_errors() {
        let good = row("A82999001", "", "", "A");
        let text = good.clone()
            + &good
            + &row("A82999", "", "", "A")
            + &row("A82999003", "2020", "", "A")
            + &row("A82999004", "20200401", "20200331", "A")
            + &row("A82999005", "", "", "X");
        let (found, report) = import(&text).expect("a branch");
        assert_eq!((found.len(), report.read, report.kept), (1, 6, 1));
        assert_eq!(report.rejected.len(), 4, "{report}");
        assert_eq!(report.skipped["duplicate row"], 1);
        let error = import(&(good + &row("A82999001", "", "", "C"))).expect_err("two");
        assert!(
            error.to_string().contains("line 2: an earlier row"),
            "{error}"
        );
        let error = import(&row("A82999", "", "", "A")).expect_err("a practice");
        assert!(
            error
                .to_string()
                .contains("the first is ebranchs.csv, line 1"),
            "{error}"
        );
    }
}
