//! GP practices and other prescribing cost centres, published by NHS ODS in `epraccur`: 27 columns,
//! with or without a header row.
//!
//! | column | content |
//! |---|---|
//! | 1, 2 | code, name |
//! | 5–9, 10 | address, postcode |
//! | 11, 12 | first day, last day (`YYYYMMDD`); 1 January 1900 means an unknown first day |
//! | 13 | status: A, C, D or P; since 2025 ACTIVE or INACTIVE |
//! | 15 | commissioner: the sub-ICB location |
//! | 18 | telephone |
//! | 26 | prescribing setting (4: GP practice); since 2025 the roles, separated by `|` (RO76: GP practice) |
//!
//! Editions until 2025 contain the legal dates of a practice, and later editions contain the
//! operational dates. For some practices, the two kinds of dates differ.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::dates;
use super::ods::{COLUMN_COUNT, is_code, is_organisation_header, select_report};
use super::rows::{CsvRow, CsvRows, member_label};
use super::{ImportError, ImportReport, SourceFiles};
use crate::formats::{FormatColumns, TableFormat};
use crate::plural::first_names;
use catchment_core::domain::{OdsCode, Practice, PracticeStatus};

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

pub(super) const FORMAT: TableFormat = TableFormat {
    title: "NHS ODS epraccur",
    columns: FormatColumns::Positions(&[COLUMN_COUNT]),
};

/// The maximum number of practices that a warning lists; further practices are only counted.
const PRACTICES_NAMED_MAX: usize = 10;

/// The prescribing cost centres in the file: GP practices and others.
#[derive(Debug, Clone, Default)]
pub struct PrescribingCostCentres {
    /// The GP practices, open and closed, in order of code. The file contains neither their PCNs
    /// nor their list sizes.
    pub(crate) practices: Vec<Practice>,
    /// The codes of all other cost centres, in order. Examples are out-of-hours services, walk-in
    /// centres and prisons.
    pub(crate) not_gp_practices: Vec<OdsCode>,
}

/// Reads the GP practices in the file, and the codes of the other cost centres.
///
/// # Errors
/// If the file does not have 27 columns in the published order, contains only amendments, contains
/// two different rows with the same code, or contains no GP practice.
pub fn read(
    source_files: &mut SourceFiles,
) -> Result<(PrescribingCostCentres, ImportReport), ImportError> {
    let member = select_report(
        source_files,
        "epraccur",
        "`epraccur.csv`, or exactly one CSV file whose name starts with `epraccur`",
    )?;
    let file = member_label(source_files, &member);
    // A folder often contains several reports of NHS ODS, so its name is not specific enough for
    // the report.
    let mut report = ImportReport::new(file.as_str());
    let mut rows = CsvRows::new(&file, source_files.open_member(&member)?);
    let mut entries = BTreeMap::new();
    let mut warnings = PracticeWarnings::default();
    let mut is_first = true;
    while let Some(row) = rows.next()? {
        if std::mem::take(&mut is_first) && is_organisation_header(&row, "epraccur")? {
            continue;
        }
        report.read += 1;
        match parse_row(&row, &mut warnings) {
            Ok(entry) => add_entry(entry, &row, &mut entries, &mut report)?,
            Err(reason) => report.reject(reason, row.file, row.line),
        }
    }
    rows.warn_if_truncated(&mut report);
    warnings.add_to_report(&mut report);
    let mut centres = PrescribingCostCentres::default();
    for (code, (entry, _)) in entries {
        match entry.practice {
            Some(practice) => centres.practices.push(practice),
            None => centres.not_gp_practices.push(code),
        }
    }
    if centres.practices.is_empty() {
        return Err(report.into_empty_error());
    }
    Ok((centres, report))
}

/// A row of the file: a cost centre and, if it is a GP practice, the practice.
struct CostCentre {
    code: OdsCode,
    setting: &'static str,
    practice: Option<Practice>,
}

fn parse_row(
    row: &CsvRow<'_>,
    warnings: &mut PracticeWarnings,
) -> Result<CostCentre, &'static str> {
    if (0..COLUMN_COUNT).any(|column| row.text(column).contains('\u{fffd}')) {
        return Err("a cell is not valid UTF-8");
    }
    let code = row
        .text(CODE)
        .parse()
        .map_err(|_| "column 1 (organisation code): must be an ODS code")?;
    let setting = parse_setting(row.text(SETTING))?;
    let practice = match setting {
        GP_PRACTICE => Some(parse_practice(code, row, warnings)?),
        _ => None,
    };
    Ok(CostCentre {
        code,
        setting,
        practice,
    })
}

/// Returns whether the row has the columns of the report.
pub(super) fn is_row(row: &CsvRow<'_>) -> bool {
    row.len() == COLUMN_COUNT && is_code(row.text(CODE)) && parse_setting(row.text(SETTING)).is_ok()
}

const GP_PRACTICE: &str = "prescribing setting 4: GP practice";

/// Returns the description of the prescribing setting or roles in column 26. The settings are
/// defined in the NHS Data Dictionary.
fn parse_setting(text: &str) -> Result<&'static str, &'static str> {
    let is_role = |role: &str| {
        role.strip_prefix("RO").is_some_and(|digits| {
            !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
        })
    };
    let mut roles = text.split('|').map(str::trim);
    if roles.clone().all(is_role) {
        return Ok(match roles.any(|role| role == "RO76") {
            true => GP_PRACTICE,
            false => "a role other than RO76 (GP practice)",
        });
    }
    match text {
        "4" => Ok(GP_PRACTICE),
        "0" => Ok("prescribing setting 0: other"),
        "1" => Ok("prescribing setting 1: walk-in centre"),
        "2" => Ok("prescribing setting 2: out of hours"),
        "3" => Ok("prescribing setting 3: walk-in centre and out of hours"),
        "8" => Ok("prescribing setting 8: public health"),
        "9" => Ok("prescribing setting 9: community health"),
        "10" => Ok("prescribing setting 10: hospital"),
        "25" => Ok("prescribing setting 25: prison"),
        _ if matches!(text.parse::<u8>(), Ok(0..=99)) => Ok("another prescribing setting"),
        _ => Err("column 26 (prescribing setting): must be a number or a role such as RO76"),
    }
}

fn parse_practice(
    code: OdsCode,
    row: &CsvRow<'_>,
    warnings: &mut PracticeWarnings,
) -> Result<Practice, &'static str> {
    let day = |column: usize| match row.text(column) {
        "" => Ok(None),
        text => dates::parse_yyyymmdd(text).map(Some),
    };
    let non_blank =
        |column: usize| Some(row.text(column).to_string()).filter(|text| !text.is_empty());
    let practice = Practice {
        code,
        name: non_blank(NAME).ok_or("column 2 (name): must not be blank")?,
        address: ADDRESS.filter_map(non_blank).collect::<Vec<_>>().join(", "),
        postcode: row.text(POSTCODE).parse().ok(),
        telephone: non_blank(TELEPHONE),
        status: parse_status(row.text(STATUS))
            .ok_or("column 13 (status): must be A, C, D, P, ACTIVE or INACTIVE")?,
        opened: dates::known_first_day(
            day(OPENED).map_err(|_| "column 11 (open date): must be a date written YYYYMMDD")?,
        ),
        closed: day(CLOSED)
            .map_err(|_| "column 12 (close date): must be a date written YYYYMMDD")?,
        sub_icb: non_blank(COMMISSIONER),
        pcn: None,
        list_size: None,
        list_size_as_of: None,
        as_of: None,
        note: None,
    };
    warnings.check(&practice, row.text(POSTCODE));
    Ok(practice)
}

/// Parses a status code in the older form (A, C, D or P) or the newer form (ACTIVE or INACTIVE).
/// INACTIVE is interpreted as closed.
fn parse_status(text: &str) -> Option<PracticeStatus> {
    match text.to_ascii_uppercase().as_str() {
        "A" | "ACTIVE" => Some(PracticeStatus::Active),
        "C" | "INACTIVE" => Some(PracticeStatus::Closed),
        "D" => Some(PracticeStatus::Dormant),
        "P" => Some(PracticeStatus::Proposed),
        _ => None,
    }
}

/// Adds the entry to `entries`, or skips the row if it is a duplicate.
///
/// # Errors
/// If an earlier row has the same code but different values.
fn add_entry(
    entry: CostCentre,
    row: &CsvRow<'_>,
    entries: &mut BTreeMap<OdsCode, (CostCentre, Vec<String>)>,
    report: &mut ImportReport,
) -> Result<(), ImportError> {
    let cells: Vec<String> = (0..COLUMN_COUNT)
        .map(|index| row.text(index).to_string())
        .collect();
    match entries.entry(entry.code) {
        Entry::Occupied(existing) if existing.get().1 == cells => {
            report.skip_at("duplicate row", row.file, row.line);
        }
        Entry::Occupied(_) => {
            return Err(ImportError::Conflict {
                file: row.file.to_string(),
                line: row.line,
                what: format!(
                    "an earlier row has the code `{}` with other values; remove one of the two rows",
                    entry.code
                ),
            });
        }
        Entry::Vacant(vacant) => {
            match entry.practice {
                Some(_) => report.kept += 1,
                None => report.skip_at(entry.setting, row.file, row.line),
            }
            vacant.insert((entry, cells));
        }
    }
    Ok(())
}

/// For each warning, the practices to which it applies. These practices are imported despite the
/// warning.
#[derive(Default)]
struct PracticeWarnings(BTreeMap<&'static str, Vec<OdsCode>>);

impl PracticeWarnings {
    fn check(&mut self, practice: &Practice, postcode: &str) {
        let mut warn = |what| self.0.entry(what).or_default().push(practice.code);
        match (practice.status, practice.closed) {
            (PracticeStatus::Closed, None) => warn("closed, but without a close date"),
            (PracticeStatus::Active, Some(_)) => warn(
                "active, but with a close date: it is about to close, or the status is out of date",
            ),
            (PracticeStatus::Proposed | PracticeStatus::Dormant, Some(_)) => {
                warn("dormant or proposed, but with a close date");
            }
            _ => {}
        }
        if matches!((practice.opened, practice.closed), (Some(from), Some(to)) if to < from) {
            warn("the close date is before the open date");
        }
        match (&practice.postcode, postcode) {
            (Some(_), _) => {}
            (None, "") => warn("without a postcode"),
            (None, _) => warn("the postcode is malformed and was ignored"),
        }
    }

    fn add_to_report(self, report: &mut ImportReport) {
        for (description, codes) in self.0 {
            let named = first_names(&codes, PRACTICES_NAMED_MAX);
            let count = codes.len();
            report
                .warnings
                .push(format!("{description}: {count} ({named})"));
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::super::rows::fixture::{self, TestSource};
    use super::*;

    /// Formats a row in the published layout, given the code, dates, status and setting.
    fn row(code: &str, opened: &str, closed: &str, status: &str, setting: &str) -> String {
        format!(
            "\"{code}\",\"HIGH STREET SURGERY\",\"Y60\",\"QE1\",\"1 HIGH STREET\",\"KIRKBY, NEAR SANDS\",\"\",\
             \"CUMBRIA\",\"\",\"LA18 4DB\",\"{opened}\",\"{closed}\",\"{status}\",\"B\",\"01K\",\"20200401\",\"\",\
             \"01229 000000\",\"\",\"\",\"\",\"0\",\"\",\"01K\",\"\",\"{setting}\",\"\"\r\n"
        )
    }

    fn import(text: &str) -> Result<(PrescribingCostCentres, ImportReport), ImportError> {
        read(&mut fixture::file("epraccur.csv", text).source_files)
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
    fn both_code_families_give_the_same_practices() {
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
    fn other_cost_centres_are_skipped_by_setting_and_their_codes_recorded() {
        let text = row("Y00003", "", "", "A", "2")
            + &row("A82001", "", "", "A", "4")
            + &row("Y00002", "", "", "ACTIVE", "RO80")
            + &row("Y00001", "", "", "A", "2");
        let (found, report) = import(&text).expect("a practice");
        let codes: Vec<&str> = found.not_gp_practices.iter().map(OdsCode::as_str).collect();
        assert_eq!(codes, ["Y00001", "Y00002", "Y00003"]);
        assert_eq!(report.skipped["prescribing setting 2: out of hours"], 2);
        assert_eq!(report.skipped["a role other than RO76 (GP practice)"], 1);
        assert_eq!((report.read, report.kept), (4, 1));
    }

    /// Returns a header row with the names that the importer checks, in the published order.
    fn header() -> String {
        let mut names = ["Field"; COLUMN_COUNT];
        names[CODE] = "Organisation Code";
        names[NAME] = "Name";
        names[4] = "Address Line 1";
        names[POSTCODE] = "Post Code";
        names[OPENED] = "Open Date";
        names.join(",") + "\r\n"
    }

    #[test]
    fn a_header_row_is_skipped() {
        let rows = row("A82001", "", "", "ACTIVE", "RO76") + &row("A82002", "", "", "A", "4");
        let (without, report) = import(&rows).expect("practices");
        for header in [header(), header().replace("Organisation Code", "Code")] {
            let (with, same) = import(&(header + &rows)).expect("practices");
            assert_eq!(with.practices.len(), without.practices.len());
            assert_eq!((same.read, same.kept), (report.read, report.kept));
        }
    }

    #[test]
    fn any_role_of_a_gp_practice_makes_one() {
        for (roles, expected) in [
            ("RO76|RO268", true),
            ("RO177 | RO76", true),
            ("RO177|RO80", false),
        ] {
            let text = row("A82001", "", "", "A", "4") + &row("A82002", "", "", "ACTIVE", roles);
            let (found, report) = import(&text).expect("a practice");
            assert_eq!(found.practices.len() == 2, expected, "{roles}");
            assert!(report.rejected.is_empty(), "{report}");
        }
        let text = row("A82001", "", "", "A", "4") + &row("A82002", "", "", "A", "RO76|x");
        assert_eq!(import(&text).expect("a practice").1.rejected.len(), 1);
    }

    #[test]
    fn files_of_amendments_are_refused_by_name() {
        const NAME: &str = "epraccur_changes_20260301_to_20260424.csv";
        let text = row("A82001", "", "", "A", "4");
        for mut published in [
            fixture::file(NAME, &text),
            fixture::folder(&[(NAME, &text)]),
        ] {
            let error = read(&mut published.source_files).expect_err("amendments");
            let words = format!(
                "{NAME}: its name shows that it contains only the changes between \
                                 two days"
            );
            assert!(error.to_string().contains(&words), "{error}");
        }
        let mut both = fixture::folder(&[(NAME, &text), ("epraccur.csv", &text)]);
        let (_, report) = read(&mut both.source_files).expect("the whole report");
        assert_eq!(report.read, 1);
    }

    #[test]
    fn other_layouts_are_rejected() {
        let reordered = format!("Organisation Code,Name{}\n", ",x".repeat(25));
        for (text, begins) in [
            (
                reordered.as_str(),
                "epraccur.csv, line 1: expected the 27 columns of epraccur in the published order",
            ),
            (
                "A82001,Surgery\n",
                "epraccur.csv, line 1: expected the 27 columns of epraccur in the published order",
            ),
            ("", "epraccur.csv: no usable rows (0 rows read)"),
        ] {
            let error = import(text).expect_err("not an epraccur file").to_string();
            assert!(error.starts_with(begins), "{error}");
        }
        let error = import(&row("A82001", "", "", "A", "2")).expect_err("no GP practice");
        assert_eq!(
            error.to_string(),
            "epraccur.csv: no usable rows (1 row read); the first is epraccur.csv, line 1: \
             prescribing setting 2: out of hours"
        );
        let short = row("A82001", "", "", "A", "4") + "\"A82002\",\"CUT SH";
        assert!(import(&short).is_err());
    }

    #[test]
    fn invalid_rows_are_counted_and_suspicious_ones_named() {
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
             1 rejected: column 11 (open date): must be a date written YYYYMMDD (epraccur.csv line 2)\n  \
             1 rejected: column 13 (status): must be A, C, D, P, ACTIVE or INACTIVE (epraccur.csv line 3)\n  \
             1 rejected: column 26 (prescribing setting): must be a number or a role such as RO76 (epraccur.csv line 4)\n  \
             warning: active, but with a close date: it is about to close, or the status is out of date: 1 (A82006)\n  \
             warning: closed, but without a close date: 1 (A82005)\n  \
             warning: the close date is before the open date: 1 (A82006)\n  \
             warning: the postcode is malformed and was ignored: 1 (A82007)"
        );
    }

    #[test]
    fn duplicate_row_is_skipped_and_conflicting_row_is_rejected() {
        let once = row("A82001", "", "", "A", "4");
        let (found, report) = import(&once.repeat(2)).expect("a practice");
        assert_eq!(
            (found.practices.len(), report.skipped["duplicate row"]),
            (1, 1)
        );
        let error = import(&(once + &row("A82001", "", "", "D", "4"))).expect_err("two");
        assert_eq!(
            error.to_string(),
            "epraccur.csv, line 2: an earlier row has the code `A82001` with other values; remove one of the two rows"
        );
    }

    #[test]
    fn archives_and_folders_are_read() {
        let text = row("A82001", "", "", "A", "4");
        let files = [("epraccur.csv", text.as_str()), ("readme.txt", "x")];
        let zip: TestSource = fixture::archive("epraccur.zip", &files);
        for mut published in [zip, fixture::folder(&files)] {
            let (found, _) = read(&mut published.source_files).expect("a practice");
            assert_eq!(found.practices.len(), 1);
        }
        let mut other = fixture::folder(&[("readme.txt", "x")]);
        assert!(matches!(
            read(&mut other.source_files),
            Err(ImportError::NoSuchMember { .. })
        ));
    }

    #[test]
    fn real_directory_is_imported() {
        let Some(mut source_files) = fixture::open_real_file("epraccur-2023-12.csv") else {
            return;
        };
        let (found, report) = read(&mut source_files).expect("a directory");
        eprintln!("{report}");
        assert_eq!(report.read, 15_971);
        assert_eq!(found.practices.len(), 8_647);
        assert_eq!(found.not_gp_practices.len(), 7_324);
        assert!(report.rejected.is_empty());
    }
}
