//! The numbers of patients registered at GP practices, by practice and LSOA, published quarterly by
//! NHS England: `gp-reg-pat-prac-lsoa-all.csv`, as a single file or in an archive with `…-male.csv`
//! and `…-female.csv`.
//!
//! The last column is called `Number of Patients` or `NUMBER_OF_PATIENTS`. In a table exported from
//! R it is called `Number.of.Patients`, and the first column contains row numbers. Small numbers
//! are not suppressed in the published file.

use std::io::Read;

use jiff::civil::Date;

use super::rows::{
    CsvRow, CsvRows, DuplicateCheck, HeaderRow, RowError, lowercase_file_name, member_label,
};
use super::{ImportError, ImportReport, SourceFiles};
use crate::formats::{FormatColumns, TableFormat};
use catchment_core::domain::{OdsCode, SuppressionRule, date_from_iso};

/// The maximum number of patients of one practice in one LSOA. A row with a larger number is
/// rejected, because an LSOA has only a few thousand people. The sum of two such numbers fits in a
/// `u32`.
const PATIENTS_MAX: u32 = 1_000_000;

/// The number of patients of a practice who live in a statistical area.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistrationCount {
    pub(crate) practice: OdsCode,
    /// The code of an LSOA in England, such as `E01019293`.
    pub(crate) statistical_area: String,
    pub(crate) patients: u32,
}

/// Reads the counts for every practice and every LSOA in England, in order of practice and LSOA.
///
/// Uses the rows for both sexes together (`ALL`). If there are no such rows, adds up the rows for
/// men and women, and adds a warning to the report. The edition in the report is the date of the
/// extract, such as `2020-04-01`.
///
/// # Errors
/// If a column is missing, a row is truncated, the same practice and LSOA occur twice, there are
/// extracts of two dates, the rows of one sex are missing, or no row is usable.
pub fn read(
    source_files: &mut SourceFiles,
) -> Result<(Vec<RegistrationCount>, ImportReport), ImportError> {
    let mut importer = RegistrationImporter {
        rows: Vec::new(),
        duplicates: DuplicateCheck::new(),
        extract_date: None,
        patients_skipped: 0,
        report: ImportReport::new(source_files.name()),
    };
    for member in select_members(source_files)? {
        let file = member_label(source_files, &member);
        importer.import_file(CsvRows::new(&file, source_files.open_member(&member)?))?;
    }
    importer.finish()
}

/// Returns the names of the members to read. A single file may have any name. In a folder or
/// archive, the members are the table for both sexes together or, if there is no such table, the
/// table for each sex.
fn select_members(source_files: &SourceFiles) -> Result<Vec<String>, ImportError> {
    let members = source_files.members();
    if members == [source_files.name()] {
        return Ok(members);
    }
    let is_table = |member: &&String| {
        let base = lowercase_file_name(member);
        base.ends_with(".csv") && base.contains("lsoa") && !base.starts_with('.')
    };
    let tables: Vec<String> = members.iter().filter(is_table).cloned().collect();
    let all_sexes: Vec<String> = tables
        .iter()
        .filter(|member| lowercase_file_name(member).contains("lsoa-all"))
        .cloned()
        .collect();
    match (all_sexes.is_empty(), tables.is_empty()) {
        (false, _) => Ok(all_sexes),
        (true, false) => Ok(tables),
        (true, true) => Err(ImportError::NoSuchMember {
            source_name: source_files.name(),
            expected: "a file such as gp-reg-pat-prac-lsoa-all.csv",
        }),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Sex {
    All,
    Male,
    Female,
}

/// A row for an LSOA in England.
struct RegistrationRow {
    practice: OdsCode,
    /// The numeric part of the LSOA code.
    lsoa: u32,
    sex: Sex,
    patients: u32,
}

struct RegistrationImporter {
    rows: Vec<RegistrationRow>,
    duplicates: DuplicateCheck<(OdsCode, u32, Sex)>,
    /// The date of the extract, as written in the first row and parsed.
    extract_date: Option<(String, Date)>,
    patients_skipped: u64,
    report: ImportReport,
}

impl RegistrationImporter {
    fn import_file<R: Read>(&mut self, mut rows: CsvRows<R>) -> Result<(), ImportError> {
        let columns = ColumnIndices::from_header(&rows.read_header(canonical_name)?)?;
        while let Some(row) = rows.next()? {
            self.report.read += 1;
            self.check_extract_date(&row, row.text(columns.extract_date))?;
            match columns.parse_row(&row) {
                Ok(record) => {
                    let key = (record.practice, record.lsoa, record.sex);
                    self.duplicates.check(key, &row, || {
                        format!(
                            "practice `{}` with LSOA `{}`",
                            record.practice,
                            lsoa_code(record.lsoa)
                        )
                    })?;
                    self.rows.push(record);
                }
                Err(error) => {
                    let patients = columns.parse_patients(&row).unwrap_or_default();
                    self.patients_skipped += u64::from(patients);
                    self.report
                        .leave_out_people(error.reason(), patients.into());
                    error.add_to_report(&row, &mut self.report);
                }
            }
        }
        rows.warn_if_truncated(&mut self.report);
        Ok(())
    }

    /// Checks that all rows have the same extract date.
    fn check_extract_date(&mut self, row: &CsvRow<'_>, written: &str) -> Result<(), ImportError> {
        if let Some((first, _)) = &self.extract_date
            && first == written
        {
            return Ok(());
        }
        let day = parse_extract_date(written).ok_or_else(|| ImportError::InvalidFormat {
            file: row.file.to_string(),
            line: row.line,
            expected: format!(
                "column `EXTRACT_DATE`: `{written}` is not a date such as 01APR2020 or 2020-04-01"
            ),
        })?;
        match &self.extract_date {
            Some((first, first_day)) if *first_day != day => Err(ImportError::Conflict {
                file: row.file.to_string(),
                line: row.line,
                what: format!(
                    "column `EXTRACT_DATE`: `{written}` differs from `{first}` in earlier rows; use \
                     one extract"
                ),
            }),
            Some(_) => Ok(()),
            None => {
                self.extract_date = Some((written.to_string(), day));
                Ok(())
            }
        }
    }

    fn finish(mut self) -> Result<(Vec<RegistrationCount>, ImportReport), ImportError> {
        self.report.vintage = self.extract_date.as_ref().map(|(_, day)| day.to_string());
        self.choose_sexes()?;
        if self.rows.is_empty() {
            return Err(self.report.into_empty_error());
        }
        self.report.kept = self.rows.len() as u64;
        if self.patients_skipped > 0 {
            let patients = match SuppressionRule::NHS_ENGLAND.apply(self.patients_skipped) {
                Some(patients) => format!("about {patients}"),
                None => "fewer than 8".into(),
            };
            self.report.warnings.push(format!(
                "{patients} patients are in rows that were skipped or rejected"
            ));
        }
        Ok((sum_by_practice_and_lsoa(self.rows), self.report))
    }

    /// Retains only the rows for both sexes together or, if there are no such rows, the rows for
    /// each sex.
    fn choose_sexes(&mut self) -> Result<(), ImportError> {
        let has = |sex| self.rows.iter().any(|row| row.sex == sex);
        let expected = match (has(Sex::All), has(Sex::Male), has(Sex::Female)) {
            (false, true, true) => {
                self.report.warnings.push(
                    "no rows for both sexes; the rows for men and women were added up".to_string(),
                );
                return Ok(());
            }
            (false, true, false) => "rows with SEX `FEMALE` or `ALL`, only `MALE`",
            (false, false, true) => "rows with SEX `MALE` or `ALL`, only `FEMALE`",
            _ => {
                let count_before = self.rows.len();
                self.rows.retain(|row| row.sex == Sex::All);
                for _ in self.rows.len()..count_before {
                    self.report
                        .skip("rows for one sex, as there are rows for both sexes");
                }
                return Ok(());
            }
        };
        Err(ImportError::NoSuchMember {
            source_name: self.report.source.clone(),
            expected,
        })
    }
}

/// Returns one record for each practice and LSOA, in order, with the sum of the patients in its
/// rows.
fn sum_by_practice_and_lsoa(mut rows: Vec<RegistrationRow>) -> Vec<RegistrationCount> {
    rows.sort_unstable_by_key(|row| (row.practice, row.lsoa, row.sex));
    rows.chunk_by(|one, next| (one.practice, one.lsoa) == (next.practice, next.lsoa))
        .map(|sexes| RegistrationCount {
            practice: sexes[0].practice,
            statistical_area: lsoa_code(sexes[0].lsoa),
            patients: sexes.iter().map(|row| row.patients).sum(),
        })
        .collect()
}

/// Converts a column name to lower case, with `_` for spaces and dots.
fn canonical_name(name: &str) -> String {
    name.trim_start_matches('\u{feff}')
        .chars()
        .map(|letter| match letter {
            ' ' | '.' => '_',
            _ => letter.to_ascii_lowercase(),
        })
        .collect()
}

const EXTRACT_DATE: &str = "extract_date";
const PRACTICE: &str = "practice_code";
const LSOA: &str = "lsoa_code";
const SEX: &str = "sex";
const PATIENTS: &str = "number_of_patients";

pub(super) const FORMAT: TableFormat = TableFormat {
    title: "NHS England, Patients Registered at a GP Practice, by LSOA",
    columns: FormatColumns::Named {
        required: &[EXTRACT_DATE, PRACTICE, LSOA, SEX, PATIENTS],
        // The first column of a table exported from R has no name.
        optional: &["publication", "practice_name", ""],
        canonical: canonical_name,
    },
};

/// Returns the positions of the columns of the date of the extract, the LSOA and the sex.
pub(super) fn positions(header: &[String]) -> Option<[usize; 3]> {
    let position = |column: &str| {
        header
            .iter()
            .position(|name| canonical_name(name) == column)
    };
    Some([position(EXTRACT_DATE)?, position(LSOA)?, position(SEX)?])
}

/// The indices of the columns that are read.
struct ColumnIndices {
    extract_date: usize,
    practice: usize,
    lsoa: usize,
    sex: usize,
    patients: usize,
}

impl ColumnIndices {
    fn from_header(header: &HeaderRow) -> Result<ColumnIndices, ImportError> {
        Ok(ColumnIndices {
            extract_date: header.require(&[EXTRACT_DATE])?,
            practice: header.require(&[PRACTICE])?,
            lsoa: header.require(&[LSOA])?,
            sex: header.require(&[SEX])?,
            patients: header.require(&[PATIENTS])?,
        })
    }

    fn parse_row(&self, row: &CsvRow<'_>) -> Result<RegistrationRow, RowError> {
        Ok(RegistrationRow {
            practice: row.text(self.practice).parse().map_err(|_| {
                RowError::Rejected("column `PRACTICE_CODE`: must be a practice code such as A82003")
            })?,
            sex: parse_sex(row.text(self.sex))?,
            patients: self.parse_patients(row)?,
            lsoa: parse_lsoa(row.text(self.lsoa))?,
        })
    }

    fn parse_patients(&self, row: &CsvRow<'_>) -> Result<u32, RowError> {
        let patients = row.text(self.patients).parse().ok();
        patients
            .filter(|patients| *patients <= PATIENTS_MAX)
            .ok_or(RowError::Rejected(
                "column `NUMBER_OF_PATIENTS`: must be a whole number of at most 1,000,000",
            ))
    }
}

fn parse_sex(text: &str) -> Result<Sex, RowError> {
    match text.to_ascii_uppercase().as_str() {
        "ALL" => Ok(Sex::All),
        "MALE" => Ok(Sex::Male),
        "FEMALE" => Ok(Sex::Female),
        _ => Err(RowError::Rejected(
            "column `SEX`: must be ALL, MALE or FEMALE",
        )),
    }
}

/// Returns the numeric part of the code of an LSOA in England: `E01019293` becomes 19293. Rows with
/// an LSOA in Wales, a data zone in Scotland or a Super Data Zone in Northern Ireland are skipped, as
/// are rows for addresses without an LSOA, in which the code is blank, `CLOSED`, `EMPTY` or
/// `NO2011` (no LSOA in that year).
fn parse_lsoa(text: &str) -> Result<u32, RowError> {
    let is_number = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    let code = text.to_ascii_uppercase();
    match code.get(..3) {
        Some("E01") if code.len() == 9 && is_number(&code[3..]) => code[3..]
            .parse()
            .map_err(|_| RowError::Rejected(NOT_AN_LSOA)),
        Some("W01") if code.len() == 9 => Err(RowError::Skipped("LSOAs in Wales")),
        Some("S01") if code.len() == 9 => Err(RowError::Skipped("data zones in Scotland")),
        _ if code.is_empty() => Err(RowError::Skipped("no LSOA given")),
        Some("N21") if code.len() == 9 && is_number(&code[3..]) => {
            Err(RowError::Skipped("Super Data Zones in Northern Ireland"))
        }
        _ if code == "CLOSED" => Err(RowError::Skipped("LSOA_CODE `CLOSED`")),
        _ if code == "EMPTY" => Err(RowError::Skipped("LSOA_CODE `EMPTY`")),
        _ if code.len() == 6 && code.starts_with("NO") && is_number(&code[2..]) => {
            Err(RowError::Skipped("LSOA not known (a code such as NO2011)"))
        }
        _ => Err(RowError::Rejected(NOT_AN_LSOA)),
    }
}

const NOT_AN_LSOA: &str = "column `LSOA_CODE`: must be an LSOA code such as E01019293";

fn lsoa_code(number: u32) -> String {
    format!("E01{number:06}")
}

/// Parses a date written `01APR2020` or `2020-04-01`.
pub(super) fn parse_extract_date(text: &str) -> Option<Date> {
    const MONTHS: [&str; 12] = [
        "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
    ];
    if let Ok(day) = date_from_iso(text) {
        return Some(day);
    }
    let (day, rest) = text.split_at_checked(2)?;
    let (month, year) = rest.split_at_checked(3)?;
    let month = MONTHS
        .iter()
        .position(|name| name.eq_ignore_ascii_case(month))?;
    date_from_iso(&format!("{year}-{:02}-{day}", month + 1)).ok()
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::super::rows::fixture::{self, TestSource};
    use super::*;

    const UNTIL_2025: &str =
        "PUBLICATION,EXTRACT_DATE,PRACTICE_CODE,PRACTICE_NAME,LSOA_CODE,SEX,Number of Patients\n";
    const LATER: &str =
        "PUBLICATION,EXTRACT_DATE,PRACTICE_CODE,PRACTICE_NAME,LSOA_CODE,SEX,NUMBER_OF_PATIENTS\n";
    const FROM_R: &str = "\"\",\"PUBLICATION\",\"EXTRACT_DATE\",\"PRACTICE_CODE\",\"PRACTICE_NAME\",\"LSOA_CODE\",\"SEX\",\"Number.of.Patients\"\n";

    fn read_all(
        mut published: TestSource,
    ) -> Result<(Vec<RegistrationCount>, ImportReport), ImportError> {
        read(&mut published.source_files)
    }

    fn read_rows(rows: &str) -> Result<(Vec<RegistrationCount>, ImportReport), ImportError> {
        read_all(fixture::file("g.csv", format!("{UNTIL_2025}{rows}")))
    }

    /// Formats a row of the practice A82003.
    fn row(lsoa: &str, sex: &str, patients: &str) -> String {
        format!("GP_PRAC_PAT_LIST,01APR2020,A82003,\"NAME, WITH COMMA\",{lsoa},{sex},{patients}\n")
    }

    fn counts(registrations: &[RegistrationCount]) -> Vec<(String, &str, u32)> {
        let practice_code = |count: &'_ RegistrationCount| count.practice.to_string();
        registrations
            .iter()
            .map(|count| {
                (
                    practice_code(count),
                    count.statistical_area.as_str(),
                    count.patients,
                )
            })
            .collect()
    }

    #[track_caller]
    fn check_file_error(text: impl AsRef<[u8]>, expected: &str) {
        let error = read_all(fixture::file("g.csv", text)).expect_err("an invalid file");
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn every_header_variant_gives_the_same_counts() {
        let plain = "GP_PRAC_PAT_LIST,01APR2020,A82046,WINDERMERE,E01012614,ALL,2\n\
            GP_PRAC_PAT_LIST,01APR2020,A82003,ULVERSTON,E01024873,ALL,1\n";
        let from_r = "\"1\",\"GP_PRAC_PAT_LIST\",\"01APR2020\",\"A82046\",\"WINDERMERE\",\"E01012614\",\"ALL\",2\n\
            \"2\",\"GP_PRAC_PAT_LIST\",\"01APR2020\",\"A82003\",\"ULVERSTON\",\"E01024873\",\"ALL\",1\n";
        for text in [
            format!("{UNTIL_2025}{plain}"),
            format!("{LATER}{plain}"),
            format!("{FROM_R}{from_r}"),
            format!("\u{feff}{LATER}{plain}").replace('\n', "\r\n"),
        ] {
            let (registrations, report) = read_all(fixture::file("g.csv", text)).expect("a table");
            assert_eq!(
                counts(&registrations),
                [
                    ("A82003".to_string(), "E01024873", 1),
                    ("A82046".to_string(), "E01012614", 2)
                ]
            );
            assert_eq!((report.read, report.kept), (2, 2));
            assert_eq!(report.vintage.as_deref(), Some("2020-04-01"));
            assert!(report.warnings.is_empty(), "{report}");
        }
    }

    #[test]
    fn a_missing_column_is_named() {
        check_file_error(
            "PUBLICATION,EXTRACT_DATE,PRACTICE_CODE,LSOA_CODE,SEX\na,01APR2020,A82003,E01024873,ALL\n",
            "g.csv: no column `number_of_patients` in the header row",
        );
        check_file_error(
            row("E01024873", "ALL", "1"),
            "g.csv: no column `extract_date` in the header row",
        );
    }

    #[test]
    fn areas_outside_england_are_skipped_and_counted() {
        let rows: String = [
            "E01024873",
            "W01000001",
            "S01006514",
            "N21000004",
            "CLOSED",
            "EMPTY",
            "NO2011",
            "",
        ]
        .map(|lsoa| row(lsoa, "ALL", "3"))
        .concat();
        let (registrations, report) = read_rows(&rows).expect("one row in England");
        assert_eq!(registrations.len(), 1);
        assert_eq!((report.read, report.kept), (8, 1));
        assert_eq!(report.skipped.values().sum::<u64>(), 7, "{report}");
        assert_eq!(report.skipped.len(), 7, "{report}");
        assert_eq!(
            report.warnings,
            ["about 20 patients are in rows that were skipped or rejected"]
        );
    }

    #[test]
    fn invalid_row_is_counted_with_its_line() {
        let good = row("E01024873", "ALL", "1");
        for (invalid, column) in [
            (row("E0102487", "ALL", "1"), "`LSOA_CODE`"),
            (row("E02000001", "ALL", "1"), "`LSOA_CODE`"),
            (row("E01é2487", "ALL", "1"), "`LSOA_CODE`"),
            (row("é01024873", "ALL", "1"), "`LSOA_CODE`"),
            (row("E01024874", "BOTH", "1"), "`SEX`"),
            (row("E01024874", "ALL", "*"), "`NUMBER_OF_PATIENTS`"),
            (row("E01024874", "ALL", "-1"), "`NUMBER_OF_PATIENTS`"),
            (
                row("E01024874", "ALL", "4294967295"),
                "`NUMBER_OF_PATIENTS`",
            ),
            (good.replace("A82003", "A8"), "`PRACTICE_CODE`"),
        ] {
            let (registrations, report) =
                read_rows(&format!("{good}{invalid}")).expect("one valid row");
            assert_eq!(registrations.len(), 1);
            let (reason, rejected) = report.rejected.first_key_value().expect("one rejected row");
            assert!(reason.contains(column), "{report}");
            assert_eq!(rejected.first_locations, [("g.csv".to_string(), 3)]);
        }
    }

    #[test]
    fn sexes_are_summed_only_without_rows_for_both() {
        let men = format!("{LATER}{}", row("E01024873", "MALE", "3"));
        let women = format!(
            "{LATER}{}{}",
            row("E01024873", "FEMALE", "4"),
            row("E01024874", "FEMALE", "1")
        );
        let all = format!("{LATER}{}", row("E01024873", "ALL", "8"));
        let mut files = vec![
            ("gp-reg-pat-prac-lsoa-male.csv", &men[..]),
            ("gp-reg-pat-prac-lsoa-female.csv", &women[..]),
        ];
        let (registrations, report) =
            read_all(fixture::archive("g.zip", &files)).expect("both sexes");
        assert_eq!(
            counts(&registrations),
            [
                ("A82003".to_string(), "E01024873", 7),
                ("A82003".to_string(), "E01024874", 1)
            ]
        );
        assert_eq!((report.read, report.kept), (3, 3));
        assert_eq!(
            report.warnings,
            ["no rows for both sexes; the rows for men and women were added up"]
        );
        files.push(("gp-reg-pat-prac-lsoa-all.csv", &all[..]));
        let (registrations, report) = read_all(fixture::folder(&files)).expect("all files");
        assert_eq!(registrations[0].patients, 8);
        assert_eq!(report.read, 1);
    }

    #[test]
    fn rows_for_one_sex_are_skipped_beside_rows_for_both() {
        let rows = [("ALL", "7"), ("MALE", "3"), ("FEMALE", "4")]
            .map(|(sex, patients)| row("E01024873", sex, patients))
            .concat();
        let (registrations, report) = read_rows(&rows).expect("a table");
        assert_eq!(registrations[0].patients, 7);
        assert_eq!((report.read, report.kept), (3, 1));
        assert_eq!(
            report.skipped["rows for one sex, as there are rows for both sexes"],
            2
        );
    }

    #[test]
    fn rows_for_only_one_sex_are_rejected() {
        check_file_error(
            format!("{LATER}{}", row("E01024873", "MALE", "3")),
            "g.csv: does not contain rows with SEX `FEMALE` or `ALL`, only `MALE`",
        );
    }

    #[test]
    fn duplicate_practice_and_lsoa_is_rejected() {
        let once = row("E01024873", "ALL", "1");
        check_file_error(
            format!("{UNTIL_2025}{once}{}", row("E01024873", "ALL", "2")),
            "g.csv, line 3: practice `A82003` with LSOA `E01024873` is already in g.csv, line 2; remove one of the two rows",
        );
    }

    #[test]
    fn two_extract_dates_or_an_invalid_one_are_rejected() {
        let first = row("E01024873", "ALL", "1");
        let later = row("E01024874", "ALL", "1").replace("01APR2020", "01JUL2020");
        check_file_error(
            format!("{UNTIL_2025}{first}{later}"),
            "g.csv, line 3: column `EXTRACT_DATE`: `01JUL2020` differs from `01APR2020` in earlier rows; use one extract",
        );
        check_file_error(
            format!("{UNTIL_2025}{}", first.replace("01APR2020", "31APR2020")),
            "g.csv, line 2: column `EXTRACT_DATE`: `31APR2020` is not a date such as 01APR2020 or 2020-04-01",
        );
    }

    #[test]
    fn extract_dates_are_parsed_in_both_formats() {
        for (text, expected) in [
            ("04JAN2021", Some(date(2021, 1, 4))),
            ("01apr2020", Some(date(2020, 4, 1))),
            ("2026-07-01", Some(date(2026, 7, 1))),
            ("30FEB2021", None),
            ("4JAN2021", None),
            ("04/01/2021", None),
            ("é4JAN2021", None),
            ("", None),
        ] {
            assert_eq!(parse_extract_date(text), expected, "{text}");
        }
    }

    #[test]
    fn table_without_usable_rows_is_an_error() {
        check_file_error("", "g.csv: no usable rows (0 rows read)");
        check_file_error(UNTIL_2025, "g.csv: no usable rows (0 rows read)");
        check_file_error(
            format!("{UNTIL_2025}{}", row("CLOSED", "ALL", "9")),
            "g.csv: no usable rows (1 row read); the first is g.csv, line 2: LSOA_CODE `CLOSED`",
        );
        check_file_error(
            format!("{UNTIL_2025}{}GP_PRAC", row("E01024873", "ALL", "9")),
            "g.csv, line 3: expected 7 cells, as in the first row, but found 1; was the file truncated?",
        );
        let error = read_all(fixture::folder(&[("readme.txt", "")])).expect_err("no table");
        assert_eq!(
            error.to_string(),
            "published: does not contain a file such as gp-reg-pat-prac-lsoa-all.csv"
        );
    }

    proptest! {
        #[test]
        fn no_row_panics(
            date in "[0-9A-Zé-]{0,10}",
            lsoa in "(E01)?[0-9A-Zé]{0,7}",
            patients in "[0-9.-]{0,12}",
            bytes: Vec<u8>,
        ) {
            let row = row(&lsoa, "ALL", &patients);
            let _ = read_rows(&row.replace("01APR2020", &date));
            let _ = read_rows(&row);
            let _ = read_all(fixture::file("g.csv", bytes));
        }
    }

    #[test]
    fn real_export_is_imported_except_patients_without_an_lsoa() {
        let Some(mut source_files) =
            fixture::open_real_file("gp-reg-pat-prac-lsoa-pennine-2020-04.csv")
        else {
            return;
        };
        let (registrations, report) = read(&mut source_files).expect("as published");
        println!("{report}");
        assert_eq!((report.read, report.kept), (8_640, 8_604));
        assert_eq!(report.skipped["LSOA not known (a code such as NO2011)"], 36);
        assert_eq!(report.vintage.as_deref(), Some("2020-04-01"));
        assert_eq!(registrations.len(), 8_604);
    }
}
