//! GP practices and other prescribing cost centres, published by NHS ODS in `epraccur`: 27 columns
//! without a header row.
//!
//! | column | content |
//! |---|---|
//! | 1, 2 | code, name |
//! | 5–9, 10 | address, postcode |
//! | 11, 12 | first day, last day (`YYYYMMDD`); 1 January 1900 is an unknown first day |
//! | 13 | status: A, C, D or P; since 2025 ACTIVE or INACTIVE |
//! | 15 | commissioner: the sub-ICB location |
//! | 18 | telephone |
//! | 26 | prescribing setting, 4 for a GP practice; since 2025 the role, RO76 for a GP practice |
//!
//! Editions until 2025 give the legal dates of a practice, later editions the operational dates.
//! For some practices these differ.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::dates;
use super::rows::{Row, Rows, base_name, label};
use super::{ImportError, ImportReport, Publication};
use crate::domain::{OdsCode, Practice, PracticeStatus};

const CODE: usize = 0;
const NAME: usize = 1;
const ADDRESS: std::ops::RangeInclusive<usize> = 4..=8;
const POSTCODE: usize = 9;
const OPENED: usize = 10;
const CLOSED: usize = 11;
const STATUS: usize = 12;
const COMMISSIONER: usize = 14;
const TELEPHONE: usize = 17;
const SETTING: usize = 25;
const COLUMNS: usize = 27;

/// The maximum number of practices that a warning names; the others are only counted.
const PRACTICES_NAMED_MAX: usize = 10;

/// The contents of the file.
#[derive(Debug, Clone, Default)]
pub(crate) struct PrescribingCostCentres {
    /// The GP practices, open and closed, in order of code. The file does not contain networks and
    /// list sizes.
    pub(crate) practices: Vec<Practice>,
    /// The codes of all other cost centres, in order: out-of-hours services, walk-in centres,
    /// prisons.
    pub(crate) not_gp_practices: Vec<OdsCode>,
}

/// Reads every row of the file.
///
/// # Errors
/// If the file has a header row or other columns, two rows with the same code differ, or there is
/// no GP practice.
pub(crate) fn read(
    publication: &mut Publication,
) -> Result<(PrescribingCostCentres, ImportReport), ImportError> {
    let mut report = ImportReport::of(publication.name());
    let member = member(publication)?;
    let file = label(publication, &member);
    let mut rows = Rows::of(&file, publication.read(&member)?);
    let mut listed = BTreeMap::new();
    let mut notes = Notes::default();
    while let Some(row) = rows.next()? {
        report.read += 1;
        if report.read == 1 {
            check_shape(&row)?;
        }
        match read_row(&row, &mut notes) {
            Ok(entry) => keep(entry, &row, &mut listed, &mut report)?,
            Err(reason) => report.reject(reason, row.file, row.line),
        }
    }
    rows.warn_if_cut_short(&mut report);
    notes.report(&mut report);
    let mut found = PrescribingCostCentres::default();
    for (code, (entry, _)) in listed {
        match entry.practice {
            Some(practice) => found.practices.push(practice),
            None => found.not_gp_practices.push(code),
        }
    }
    if found.practices.is_empty() {
        return Err(ImportError::Empty {
            source_name: report.source,
            read: report.read,
        });
    }
    Ok((found, report))
}

/// Returns the name of the member to read: `epraccur.csv`, or else the only CSV file whose name
/// starts with `epraccur`. A single file may have any name.
fn member(publication: &Publication) -> Result<String, ImportError> {
    let members = publication.members();
    let begins_so = |name: &&String| {
        let base = base_name(name);
        base.starts_with("epraccur") && base.ends_with(".csv")
    };
    let candidates: Vec<&String> = members.iter().filter(begins_so).collect();
    let exact = candidates
        .iter()
        .find(|name| base_name(name) == "epraccur.csv");
    match (exact, candidates.as_slice(), members.as_slice()) {
        (Some(name), _, _) => Ok((*name).clone()),
        (None, [only], _) => Ok((*only).clone()),
        (None, [], [only]) if *only == publication.name() => Ok(only.clone()),
        _ => Err(ImportError::NoSuchMember {
            source_name: publication.name(),
            expected: "`epraccur.csv`, or exactly one CSV file whose name starts with `epraccur`",
        }),
    }
}

/// Checks the format of the file by its first row: there is no header row to recognise it by.
fn check_shape(row: &Row<'_>) -> Result<(), ImportError> {
    let (columns, first) = (row.len(), row.text(CODE));
    let has_digit = first.bytes().any(|byte| byte.is_ascii_digit());
    let is_code = has_digit && first.parse::<OdsCode>().is_ok();
    if columns == COLUMNS && is_code {
        return Ok(());
    }
    Err(ImportError::WrongShape {
        file: row.file.to_string(),
        line: row.line,
        expected: format!(
            "expected 27 columns without a header row, the first an ODS code such as A81001; this \
             row has {columns} and starts with `{first}`"
        ),
    })
}

/// A row: its code and setting, and the practice if it is a GP practice.
struct Listed {
    code: OdsCode,
    setting: &'static str,
    practice: Option<Practice>,
}

fn read_row(row: &Row<'_>, notes: &mut Notes) -> Result<Listed, &'static str> {
    if (0..COLUMNS).any(|column| row.text(column).contains('\u{fffd}')) {
        return Err("a cell is not valid UTF-8");
    }
    let code = row
        .text(CODE)
        .parse()
        .map_err(|_| "column 1, organisation code, is not an ODS code")?;
    let setting = setting(row.text(SETTING))?;
    let practice = match setting {
        GP_PRACTICE => Some(practice(code, row, notes)?),
        _ => None,
    };
    Ok(Listed {
        code,
        setting,
        practice,
    })
}

const GP_PRACTICE: &str = "prescribing setting 4: GP practice";

/// Returns the description of the setting in column 26, from the prescribing settings of the NHS
/// Data Dictionary.
fn setting(text: &str) -> Result<&'static str, &'static str> {
    let is_role = text
        .strip_prefix("RO")
        .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()));
    match text {
        "4" | "RO76" => Ok(GP_PRACTICE),
        "0" => Ok("prescribing setting 0: other"),
        "1" => Ok("prescribing setting 1: walk-in centre"),
        "2" => Ok("prescribing setting 2: out of hours"),
        "3" => Ok("prescribing setting 3: walk-in centre and out of hours"),
        "8" => Ok("prescribing setting 8: public health"),
        "9" => Ok("prescribing setting 9: community health"),
        "10" => Ok("prescribing setting 10: hospital"),
        "25" => Ok("prescribing setting 25: prison"),
        _ if is_role => Ok("a role other than RO76, GP practice"),
        _ if matches!(text.parse::<u8>(), Ok(0..=99)) => Ok("another prescribing setting"),
        _ => Err("column 26, prescribing setting, is neither a number nor a role such as RO76"),
    }
}

fn practice(code: OdsCode, row: &Row<'_>, notes: &mut Notes) -> Result<Practice, &'static str> {
    let day = |column: usize| match row.text(column) {
        "" => Ok(None),
        text => dates::from_digits(text).map(Some),
    };
    let filled = |column: usize| Some(row.text(column).to_string()).filter(|text| !text.is_empty());
    let practice = Practice {
        code,
        name: filled(NAME).ok_or("column 2, name, is blank")?,
        address: ADDRESS.filter_map(filled).collect::<Vec<_>>().join(", "),
        postcode: row.text(POSTCODE).parse().ok(),
        telephone: filled(TELEPHONE),
        status: status(row.text(STATUS))
            .ok_or("column 13, status, is not A, C, D, P, ACTIVE or INACTIVE")?,
        opened: dates::known_start(
            day(OPENED).map_err(|_| "column 11, open date, is not a date written YYYYMMDD")?,
        ),
        closed: day(CLOSED).map_err(|_| "column 12, close date, is not a date written YYYYMMDD")?,
        sub_icb: filled(COMMISSIONER),
        pcn: None,
        list_size: None,
    };
    notes.note(&practice, row.text(POSTCODE));
    Ok(practice)
}

/// Parses the status codes of both families of editions. INACTIVE means only that the practice is
/// closed.
fn status(text: &str) -> Option<PracticeStatus> {
    match text.to_ascii_uppercase().as_str() {
        "A" | "ACTIVE" => Some(PracticeStatus::Active),
        "C" | "INACTIVE" => Some(PracticeStatus::Closed),
        "D" => Some(PracticeStatus::Dormant),
        "P" => Some(PracticeStatus::Proposed),
        _ => None,
    }
}

/// Adds the entry. A duplicate row is skipped, and a different row with the same code is an error.
fn keep(
    entry: Listed,
    row: &Row<'_>,
    listed: &mut BTreeMap<OdsCode, (Listed, Vec<String>)>,
    report: &mut ImportReport,
) -> Result<(), ImportError> {
    let cells: Vec<String> = (0..COLUMNS).map(|at| row.text(at).to_string()).collect();
    match listed.entry(entry.code) {
        Entry::Occupied(earlier) if earlier.get().1 == cells => {
            report.leave_out("duplicate row");
        }
        Entry::Occupied(_) => {
            return Err(ImportError::Contradiction {
                file: row.file.to_string(),
                line: row.line,
                what: format!(
                    "an earlier row has the code `{}` with other values; remove one of the two rows",
                    entry.code
                ),
            });
        }
        Entry::Vacant(place) => {
            match entry.practice {
                Some(_) => report.kept += 1,
                None => report.leave_out(entry.setting),
            }
            place.insert((entry, cells));
        }
    }
    Ok(())
}

/// The practices that each warning applies to. Their rows are imported nevertheless.
#[derive(Default)]
struct Notes(BTreeMap<&'static str, Vec<OdsCode>>);

impl Notes {
    fn note(&mut self, practice: &Practice, postcode: &str) {
        let mut odd = |what| self.0.entry(what).or_default().push(practice.code);
        match (practice.status, practice.closed) {
            (PracticeStatus::Closed, None) => odd("closed, but without a close date"),
            (PracticeStatus::Active, Some(_)) => odd(
                "active, but with a close date: it is about to close, or the status is out of date",
            ),
            (PracticeStatus::Proposed | PracticeStatus::Dormant, Some(_)) => {
                odd("dormant or proposed, but with a close date");
            }
            _ => {}
        }
        if matches!((practice.opened, practice.closed), (Some(from), Some(to)) if to < from) {
            odd("the close date is before the open date");
        }
        match (&practice.postcode, postcode) {
            (Some(_), _) => {}
            (None, "") => odd("without a postcode"),
            (None, _) => odd("the postcode is malformed and was skipped"),
        }
    }

    fn report(self, report: &mut ImportReport) {
        for (what, codes) in self.0 {
            let named = codes.iter().take(PRACTICES_NAMED_MAX).map(OdsCode::as_str);
            let named = named.collect::<Vec<_>>().join(", ");
            let more = if codes.len() > PRACTICES_NAMED_MAX {
                ", …"
            } else {
                ""
            };
            let count = codes.len();
            report
                .warnings
                .push(format!("{what}: {count} ({named}{more})"));
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::super::rows::fixture::{self, Published};
    use super::*;

    /// Formats a row in the published layout, given its code, dates, status and setting.
    fn row(code: &str, opened: &str, closed: &str, status: &str, setting: &str) -> String {
        format!(
            "\"{code}\",\"HIGH STREET SURGERY\",\"Y60\",\"QE1\",\"1 HIGH STREET\",\"KIRKBY, NEAR SANDS\",\"\",\
             \"CUMBRIA\",\"\",\"LA18 4DB\",\"{opened}\",\"{closed}\",\"{status}\",\"B\",\"01K\",\"20200401\",\"\",\
             \"01229 000000\",\"\",\"\",\"\",\"0\",\"\",\"01K\",\"\",\"{setting}\",\"\"\r\n"
        )
    }

    fn import(text: &str) -> Result<(PrescribingCostCentres, ImportReport), ImportError> {
        read(&mut fixture::file("epraccur.csv", text).publication)
    }

    #[test]
    fn a_practice_is_read_with_its_address_in_one_line() {
        let text = row("A82999", "19740401", "20200331", "C", "4");
        let (found, report) = import(&text).expect("a practice");
        let practice = &found.practices[0];
        assert_eq!(practice.code.as_str(), "A82999");
        assert_eq!(
            practice.address,
            "1 HIGH STREET, KIRKBY, NEAR SANDS, CUMBRIA"
        );
        assert_eq!(
            practice.postcode.map(|code| code.to_string()).as_deref(),
            Some("LA18 4DB")
        );
        assert_eq!(practice.telephone.as_deref(), Some("01229 000000"));
        assert_eq!(practice.sub_icb.as_deref(), Some("01K"));
        assert_eq!(practice.opened, Some(date(1974, 4, 1)));
        assert_eq!(practice.closed, Some(date(2020, 3, 31)));
        assert_eq!(
            practice.status_on(date(2020, 3, 31)),
            PracticeStatus::Active
        );
        assert_eq!(practice.status_on(date(2020, 4, 1)), PracticeStatus::Closed);
        assert_eq!((report.read, report.kept, report.warnings.len()), (1, 1, 0));
    }

    #[test]
    fn both_families_of_editions_say_the_same() {
        let old =
            row("A82001", "19000101", "", "A", "4") + &row("A82002", "", "20200331", "C", "4");
        let new = row("A82001", "19000101", "", "ACTIVE", "RO76")
            + &row("A82002", "", "20200331", "INACTIVE", "RO76");
        let facts = |text: &str| {
            let (found, _) = import(text).expect("practices");
            let fact = |practice: &Practice| (practice.code, practice.status, practice.opened);
            found.practices.iter().map(fact).collect::<Vec<_>>()
        };
        assert_eq!(facts(&old), facts(&new));
        assert_eq!(facts(&old)[0].2, None);
    }

    #[test]
    fn what_is_no_gp_practice_is_left_out_by_its_setting_and_its_code_kept() {
        let text = row("Y00003", "", "", "A", "2")
            + &row("A82001", "", "", "A", "4")
            + &row("Y00002", "", "", "ACTIVE", "RO80")
            + &row("Y00001", "", "", "A", "2");
        let (found, report) = import(&text).expect("a practice");
        let codes: Vec<&str> = found.not_gp_practices.iter().map(OdsCode::as_str).collect();
        assert_eq!(codes, ["Y00001", "Y00002", "Y00003"]);
        assert_eq!(report.left_out["prescribing setting 2: out of hours"], 2);
        assert_eq!(report.left_out["a role other than RO76, GP practice"], 1);
        assert_eq!((report.read, report.kept), (4, 1));
    }

    #[test]
    fn a_header_or_another_layout_is_refused() {
        let header = format!("Organisation Code,Name{}\n", ",x".repeat(25));
        for (text, begins) in [
            (
                header.as_str(),
                "epraccur.csv, line 1: expected 27 columns without a header row",
            ),
            (
                "A82001,Surgery\n",
                "epraccur.csv, line 1: expected 27 columns without a header row",
            ),
            ("", "epraccur.csv: none of its 0 rows"),
        ] {
            let error = import(text).expect_err("not an epraccur file").to_string();
            assert!(error.starts_with(begins), "{error}");
        }
        let short = row("A82001", "", "", "A", "4") + "\"A82002\",\"CUT SH";
        assert!(import(&short).is_err());
    }

    #[test]
    fn a_faulty_row_is_counted_and_an_odd_one_named() {
        let text = row("A82001", "", "", "A", "4")
            + &row("A82002", "19740431", "", "A", "4")
            + &row("A82003", "", "", "X", "4")
            + &row("A82004", "", "", "A", "")
            + &row("A82005", "", "", "C", "4")
            + &row("A82006", "20200401", "20200331", "A", "4")
            + &row("A82007", "", "", "A", "4").replace("LA18 4DB", "LA1O 4DB");
        let (found, report) = import(&text).expect("a practice");
        assert_eq!(found.practices.len(), 4);
        assert_eq!(
            report.to_string(),
            "epraccur.csv: 7 read, 4 kept\n  \
             1 rejected: column 11, open date, is not a date written YYYYMMDD (epraccur.csv line 2)\n  \
             1 rejected: column 13, status, is not A, C, D, P, ACTIVE or INACTIVE (epraccur.csv line 3)\n  \
             1 rejected: column 26, prescribing setting, is neither a number nor a role such as RO76 (epraccur.csv line 4)\n  \
             warning: active, but with a close date: it is about to close, or the status is out of date: 1 (A82006)\n  \
             warning: closed, but without a close date: 1 (A82005)\n  \
             warning: the close date is before the open date: 1 (A82006)\n  \
             warning: the postcode is malformed and was skipped: 1 (A82007)"
        );
    }

    #[test]
    fn the_same_row_again_is_one_and_another_with_its_code_is_refused() {
        let once = row("A82001", "", "", "A", "4");
        let (found, report) = import(&once.repeat(2)).expect("a practice");
        assert_eq!(
            (found.practices.len(), report.left_out["duplicate row"]),
            (1, 1)
        );
        let error = import(&(once + &row("A82001", "", "", "D", "4"))).expect_err("two");
        assert_eq!(
            error.to_string(),
            "epraccur.csv, line 2: an earlier row has the code `A82001` with other values; remove one of the two rows"
        );
    }

    #[test]
    fn a_zip_archive_or_a_folder_holds_it() {
        let text = row("A82001", "", "", "A", "4");
        let files = [("epraccur.csv", text.as_str()), ("readme.txt", "x")];
        let zip: Published = fixture::archive("epraccur.zip", &files);
        for mut published in [zip, fixture::folder(&files)] {
            let (found, _) = read(&mut published.publication).expect("a practice");
            assert_eq!(found.practices.len(), 1);
        }
        let mut other = fixture::folder(&[("readme.txt", "x")]);
        assert!(matches!(
            read(&mut other.publication),
            Err(ImportError::NoSuchMember { .. })
        ));
    }

    #[test]
    fn the_real_directory_is_read() {
        let Some(mut publication) = fixture::real("epraccur-2023-12.csv") else {
            return;
        };
        let (found, report) = read(&mut publication).expect("a directory");
        eprintln!("{report}");
        assert_eq!(report.read, 15_971);
        assert_eq!(found.practices.len(), 8_647);
        assert_eq!(found.not_gp_practices.len(), 7_324);
        assert!(report.rejected.is_empty());
    }
}
