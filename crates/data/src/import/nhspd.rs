//! The NHS Postcode Directory (NHSPD), published by NHS ODS: the postcodes of the ONS Postcode
//! Directory with NHS codes, in one file without a header row (`gridall.csv` until 2021).
//!
//! The positions of the columns are known for the editions with 41 columns (2015) and 43 columns
//! (2021). In any other edition, the columns are recognised by their values:
//!
//! | column | values |
//! |---|---|
//! | postcode | postcodes; if there are several such columns, the first one |
//! | introduced, terminated | months `YYYYMM`; the only two adjacent columns with months; the second column may be blank |
//! | easting, northing | metres; the only two adjacent columns with such numbers |
//! | country | GSS codes of countries |
//! | user_type, quality | 0 or 1, and 1 to 9; the two columns before the country, or otherwise the only such columns |
//! | lsoa | LSOA codes; the highest codes indicate the census year |
//! | council | GSS codes of councils, if there is only one column with such codes |
//!
//! If two columns match, the file is rejected. There are two exceptions: the first postcode column
//! is used, and the council is omitted. The configuration can specify the positions of all columns.
//! Codes of sub-ICB locations have no distinctive form, so their column is known only in the
//! editions with 41 or 43 columns or from the configuration. The report lists the columns that were
//! read.

use serde::Deserialize;

use super::lsoa_codes;
use super::onspd::{ColumnIndices, DirectoryImporter, LsoaYear};
use super::rows::{CsvRow, CsvRows, lowercase_file_name, member_label};
use super::{ImportError, ImportReport, PostcodeRecord, SourceFiles};
use crate::formats::{FormatColumns, TableFormat};
use crate::plural::count_with_noun;
use catchment_core::domain::{Postcode, YearMonth};

/// The numbers of columns of the editions whose columns are known by position.
const KNOWN_COLUMN_COUNTS: [usize; 2] = [41, 43];

pub(super) const FORMAT: TableFormat = TableFormat {
    title: "NHS Postcode Directory",
    columns: FormatColumns::Positions(&KNOWN_COLUMN_COUNTS),
};

/// The fewest columns of an edition.
const COLUMNS_MIN: usize = KNOWN_COLUMN_COUNTS[0];

/// The columns of these editions, counted from 1.
const KNOWN_POSITIONS: ColumnPositions = ColumnPositions {
    postcode: Some(2),
    introduced: Some(3),
    terminated: Some(4),
    council: Some(9),
    user_type: Some(11),
    quality: Some(12),
    country: Some(13),
    sub_icb: Some(18),
    easting: Some(37),
    northing: Some(38),
    lsoa: Some(40),
};

/// The positions of the columns of a directory, counted from 1, as specified in the configuration.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    missing_docs,
    reason = "the columns have the names of the NHS Postcode Directory"
)]
pub struct ColumnPositions {
    pub postcode: Option<usize>,
    pub introduced: Option<usize>,
    pub terminated: Option<usize>,
    pub user_type: Option<usize>,
    pub quality: Option<usize>,
    pub country: Option<usize>,
    pub easting: Option<usize>,
    pub northing: Option<usize>,
    pub lsoa: Option<usize>,
    pub council: Option<usize>,
    pub sub_icb: Option<usize>,
}

impl ColumnPositions {
    /// Returns these positions. Missing positions are copied from `other`.
    fn or(self, other: ColumnPositions) -> ColumnPositions {
        ColumnPositions {
            postcode: self.postcode.or(other.postcode),
            introduced: self.introduced.or(other.introduced),
            terminated: self.terminated.or(other.terminated),
            user_type: self.user_type.or(other.user_type),
            quality: self.quality.or(other.quality),
            country: self.country.or(other.country),
            easting: self.easting.or(other.easting),
            northing: self.northing.or(other.northing),
            lsoa: self.lsoa.or(other.lsoa),
            council: self.council.or(other.council),
            sub_icb: self.sub_icb.or(other.sub_icb),
        }
    }

    fn named(&self) -> [(&'static str, Option<usize>); 11] {
        [
            ("postcode", self.postcode),
            ("introduced", self.introduced),
            ("terminated", self.terminated),
            ("user_type", self.user_type),
            ("quality", self.quality),
            ("country", self.country),
            ("easting", self.easting),
            ("northing", self.northing),
            ("lsoa", self.lsoa),
            ("council", self.council),
            ("sub_icb", self.sub_icb),
        ]
    }
}

/// Reads every postcode of Great Britain in the directory, live and terminated, in order of
/// postcode. `positions` contains the positions in the configuration.
///
/// # Errors
/// If the columns cannot be recognised, a row is truncated, a postcode occurs twice, or no row is
/// usable.
pub fn read(
    source_files: &mut SourceFiles,
    lsoa: LsoaYear,
    positions: ColumnPositions,
) -> Result<(Vec<PostcodeRecord>, ImportReport), ImportError> {
    let member = select_member(source_files)?;
    let file = member_label(source_files, &member);
    let profile = FileProfile::read(CsvRows::new(&file, source_files.open_member(&member)?))?;
    let found = profile.find_columns(&file, lsoa, positions)?;
    let columns = column_indices(&file, &profile, found)?;
    let mut importer = DirectoryImporter::new(file.clone());
    let rows = CsvRows::new(&file, source_files.open_member(&member)?);
    importer.import_rows(rows, &columns)?;
    let (postcodes, mut report) = importer.finish()?;
    report.warnings.push(columns_in_words(found));
    Ok((postcodes, report))
}

/// Returns the name of the file to read: `gridall.csv` or, if it does not exist, a file such as
/// `nhg26aug.csv` or, if there is no such file, the only CSV file.
fn select_member(source_files: &SourceFiles) -> Result<String, ImportError> {
    let members = source_files.members();
    if members == [source_files.name()] {
        return Ok(members[0].clone());
    }
    let tables = members.iter().filter(|member| {
        let base = lowercase_file_name(member);
        base.ends_with(".csv") && !base.starts_with('.')
    });
    let tables: Vec<&String> = tables.collect();
    let named = |start: &str| {
        let named = tables
            .iter()
            .filter(|member| lowercase_file_name(member).starts_with(start));
        named.copied().collect::<Vec<&String>>()
    };
    match (&named("gridall")[..], &named("nhg")[..], &tables[..]) {
        ([only], ..) | ([], [only], _) | ([], [], [only]) => Ok((*only).clone()),
        _ => Err(ImportError::NoSuchMember {
            source_name: source_files.name(),
            expected: "exactly one file such as gridall.csv or nhg26aug.csv, or exactly one CSV file",
        }),
    }
}

/// The countries in a directory.
const COUNTRIES: [&str; 6] = [
    "E92000001",
    "S92000003",
    "W92000004",
    "N92000002",
    "L93000001",
    "M83000003",
];

/// The prefixes of the GSS codes of councils.
const COUNCIL_STARTS: [&str; 7] = ["E06", "E07", "E08", "E09", "W06", "S12", "N09"];

/// The forms of values by which columns are recognised.
#[derive(Clone, Copy)]
enum Shape {
    Postcode,
    Month,
    Easting,
    Northing,
    UserType,
    Quality,
    Country,
    Lsoa,
    Council,
}

const SHAPE_COUNT: usize = Shape::Council as usize + 1;

/// The first `ROWS_EXAMINED` rows are all examined. After them, one row in every `ROWS_SKIPPED` is
/// examined. A directory is in order of postcode, so its first rows are all in Scotland.
const ROWS_EXAMINED: u64 = 5_000;
const ROWS_SKIPPED: u64 = 64;

/// A column has a form if at most one in `EXCEPTIONS_ONE_IN` of its cells does not have the form.
/// Blank cells, and codes that mean "none", are not counted.
const EXCEPTIONS_ONE_IN: u64 = 100;

/// Statistics about the values of a column.
#[derive(Clone, Default)]
struct ColumnProfile {
    /// The number of cells that are neither blank nor a code that means "none".
    cells: u64,
    /// The number of cells with each form.
    shapes: [u64; SHAPE_COUNT],
    /// The greatest number in the column, if its cells are numbers.
    number_max: u32,
    /// The greatest number in an LSOA code for England in the column.
    lsoa_max: u32,
}

impl ColumnProfile {
    fn add(&mut self, text: &str) {
        let is_filler = text.len() == 9 && text.get(1..).is_some_and(|rest| rest == "99999999");
        if text.is_empty() || is_filler {
            return;
        }
        self.cells += 1;
        let is_digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let number: Option<u32> = text.parse().ok().filter(|_| is_digits && text.len() <= 7);
        self.number_max = self.number_max.max(number.unwrap_or_default());
        let lsoa = lsoa_codes::england_number(text);
        self.lsoa_max = self.lsoa_max.max(lsoa.unwrap_or_default());
        let is_month = text.len() == 6
            && matches!(text.get(..2), Some("19" | "20"))
            && text.parse::<YearMonth>().is_ok();
        let is_metres = |max| !is_month && number.is_some_and(|number| number <= max);
        let is_postcode = (5..=8).contains(&text.len()) && text.parse::<Postcode>().is_ok();
        for (shape, is_of_shape) in [
            (Shape::Postcode, is_postcode),
            (Shape::Month, is_month),
            (Shape::Easting, is_metres(700_000)),
            (Shape::Northing, is_metres(1_300_000)),
            (Shape::UserType, matches!(text, "0" | "1")),
            (Shape::Quality, matches!(text.as_bytes(), [b'1'..=b'9'])),
            (Shape::Country, COUNTRIES.contains(&text)),
            (
                Shape::Lsoa,
                lsoa.is_some() || matches!(text.get(..3), Some("W01" | "S01")),
            ),
            (
                Shape::Council,
                text.len() == 9 && COUNCIL_STARTS.iter().any(|start| text.starts_with(start)),
            ),
        ] {
            self.shapes[shape as usize] += u64::from(is_of_shape);
        }
    }

    fn has(&self, shape: Shape) -> bool {
        let exceptions_max = match shape {
            // In Northern Ireland, the codes of areas are not GSS codes.
            Shape::Lsoa => self.cells / 10,
            // An easting or northing may look like a month.
            _ => self.cells / EXCEPTIONS_ONE_IN,
        };
        let has_digits_of_metres = match shape {
            // Grid references in units of 100 m, and other numbers, are smaller.
            Shape::Easting | Shape::Northing => self.number_max > 99_999,
            _ => true,
        };
        self.cells > 0
            && has_digits_of_metres
            && self.cells - self.shapes[shape as usize] <= exceptions_max
    }
}

/// Statistics about the values of a file's columns.
struct FileProfile {
    columns: Vec<ColumnProfile>,
}

impl FileProfile {
    fn read<R: std::io::Read>(mut rows: CsvRows<R>) -> Result<FileProfile, ImportError> {
        let mut columns: Vec<ColumnProfile> = Vec::new();
        let mut row_count = 0;
        while let Some(row) = rows.next()? {
            row_count += 1;
            if row_count == 1 {
                check_first_row(&row)?;
                columns.resize(row.len(), ColumnProfile::default());
            }
            let is_examined = row_count <= ROWS_EXAMINED || row_count % ROWS_SKIPPED == 0;
            for (index, column) in columns.iter_mut().enumerate() {
                let text = row.text(index);
                // A single code can indicate the census year of the LSOAs.
                if is_examined || lsoa_codes::england_number(text).is_some() {
                    column.add(text);
                }
            }
        }
        Ok(FileProfile { columns })
    }

    /// Returns the positions of all columns that were found. Positions in the configuration take
    /// precedence over positions of a known edition, which take precedence over positions that the
    /// values indicate.
    ///
    /// # Errors
    /// If two columns match.
    fn find_columns(
        &self,
        file: &str,
        lsoa: LsoaYear,
        configured: ColumnPositions,
    ) -> Result<ColumnPositions, ImportError> {
        let is_known = KNOWN_COLUMN_COUNTS.contains(&self.columns.len());
        let known = match (is_known, lsoa) {
            (true, LsoaYear::Lsoa11) => KNOWN_POSITIONS,
            // These editions contain no LSOAs of 2021.
            (true, LsoaYear::Lsoa21) => ColumnPositions {
                lsoa: None,
                ..KNOWN_POSITIONS
            },
            (false, _) => ColumnPositions::default(),
        };
        let found = configured.or(known);
        let refuse = |reason: String| ImportError::Refused {
            file: file.to_string(),
            reason: format!("{reason}; give the position in `columns = {{ … }}`"),
        };
        let only = |name: &str, fitting: Vec<usize>| match fitting[..] {
            [] => Ok(None),
            [only] => Ok(Some(only)),
            [one, other, ..] => Err(refuse(format!(
                "columns {one} and {other} both have the values of `{name}`"
            ))),
        };
        let pair = |names: &str, fitting: Vec<usize>| match only(names, fitting)? {
            Some(first) => Ok((Some(first), Some(first + 1))),
            None => Ok::<_, ImportError>((None, None)),
        };
        let (introduced, terminated) = match (found.introduced, found.terminated) {
            (None, None) => pair("introduced", self.month_pairs())?,
            named => named,
        };
        let (easting, northing) = match (found.easting, found.northing) {
            (None, None) => pair("easting", self.pairs(Shape::Easting, Shape::Northing))?,
            named => named,
        };
        let country = match found.country {
            None => only("country", self.columns_with(Shape::Country))?,
            named => named,
        };
        let beside_country = |offset: usize, shape| {
            let position = country?
                .checked_sub(offset)
                .filter(|position| *position > 0)?;
            self.columns[position - 1].has(shape).then_some(position)
        };
        let user_type = match found.user_type.or(beside_country(2, Shape::UserType)) {
            None if country.is_some() => only("user_type", self.columns_with(Shape::UserType))?,
            named => named,
        };
        let quality = match found.quality.or(beside_country(1, Shape::Quality)) {
            None if country.is_some() => only("quality", self.columns_with(Shape::Quality))?,
            named => named,
        };
        let council = match found.council {
            // The council is optional, so the file is not rejected if two columns match.
            None => Some(self.columns_with(Shape::Council))
                .filter(|fitting| fitting.len() == 1)
                .map(|fitting| fitting[0]),
            named => named,
        };
        Ok(ColumnPositions {
            postcode: found
                .postcode
                .or(self.columns_with(Shape::Postcode).first().copied()),
            introduced,
            terminated,
            user_type,
            quality,
            country,
            easting,
            northing,
            lsoa: match found.lsoa {
                None => only("lsoa", self.lsoa_columns(lsoa))?,
                named => named,
            },
            council,
            sub_icb: found.sub_icb,
        })
    }

    /// Returns the positions of the columns with a form, counted from 1.
    fn columns_with(&self, shape: Shape) -> Vec<usize> {
        let columns = (1..).zip(&self.columns);
        columns
            .filter(|(_, column)| column.has(shape))
            .map(|(position, _)| position)
            .collect()
    }

    /// Returns the positions of the first columns of pairs with these forms.
    fn pairs(&self, first: Shape, second: Shape) -> Vec<usize> {
        let pairs = (1..).zip(self.columns.windows(2));
        pairs
            .filter(|(_, pair)| pair[0].has(first) && pair[1].has(second))
            .map(|(position, _)| position)
            .collect()
    }

    /// Returns the positions of the columns that may contain the months of introduction. In a list
    /// of live postcodes, the next column is blank.
    fn month_pairs(&self) -> Vec<usize> {
        let pairs = self.pairs(Shape::Month, Shape::Month);
        if !pairs.is_empty() {
            return pairs;
        }
        let mut single = self.columns_with(Shape::Month);
        single.retain(|position| {
            let next = self.columns.get(*position);
            next.is_some_and(|column| column.cells == 0)
        });
        single
    }

    /// Returns the positions of the columns with the LSOAs of a census, which the highest codes in
    /// a column indicate.
    fn lsoa_columns(&self, lsoa: LsoaYear) -> Vec<usize> {
        let mut fitting = self.columns_with(Shape::Lsoa);
        fitting.retain(|position| {
            let code_max = self.columns[position - 1].lsoa_max;
            match lsoa {
                LsoaYear::Lsoa11 => {
                    code_max > lsoa_codes::ENGLAND_2001_MAX
                        && code_max <= lsoa_codes::ENGLAND_2011_MAX
                }
                LsoaYear::Lsoa21 => code_max > lsoa_codes::ENGLAND_2011_MAX,
            }
        });
        fitting
    }
}

/// Returns whether the row can be one of an edition of the directory.
pub(super) fn is_row(row: &CsvRow<'_>) -> bool {
    row.len() >= COLUMNS_MIN
        && (0..2).any(|column| row.text(column).parse::<Postcode>().is_ok())
        && (0..row.len()).any(|column| COUNTRIES.contains(&row.text(column)))
}

/// Checks that the first row has data. A directory with a header row has the names of the ONS
/// Postcode Directory.
fn check_first_row(row: &CsvRow<'_>) -> Result<(), ImportError> {
    let has_postcode = (0..row.len()).any(|column| row.text(column).parse::<Postcode>().is_ok());
    if has_postcode {
        return Ok(());
    }
    Err(ImportError::UnknownTable {
        first_row: row.cells(),
        file: row.file.to_string(),
        line: row.line,
        expected: format!(
            "expected the NHS Postcode Directory, whose first row contains a postcode (editions have \
             41, 43 or 49 columns, for example); this row has {} and no postcode. A directory with a header row needs the format \
             `onspd-lsoa11` or `onspd-lsoa21`",
            count_with_noun(row.len(), "column", "columns")
        ),
    })
}

/// Converts positions to indices.
///
/// # Errors
/// If a column was not found, is beyond the last column, or does not contain the expected values.
fn column_indices(
    file: &str,
    profile: &FileProfile,
    found: ColumnPositions,
) -> Result<ColumnIndices, ImportError> {
    let count = profile.columns.len();
    let refuse = |reason: String| ImportError::Refused {
        file: file.to_string(),
        reason,
    };
    for (name, position) in found.named() {
        if position.is_some_and(|position| position == 0 || position > count) {
            return Err(refuse(format!(
                "`{name}` should be the number of a column, from 1 to {count}"
            )));
        }
    }
    let index = |name: &str, position: Option<usize>, shape: Shape, values: &str| {
        let Some(position) = position else {
            return Err(refuse(format!(
                "none of its {} has the values of `{name}` ({values}); give its position in \
                 `columns = {{ … }}`",
                count_with_noun(count, "column", "columns")
            )));
        };
        let column = &profile.columns[position - 1];
        // A column may be blank, such as the month of termination in a list of live postcodes.
        if column.cells == 0 || column.shapes[shape as usize] * 2 >= column.cells {
            return Ok(position - 1);
        }
        Err(refuse(format!(
            "column {position} does not have the values of `{name}` ({values}); give its position \
             in `columns = {{ … }}`"
        )))
    };
    let month = "months written YYYYMM";
    let metres = "metres on the British National Grid";
    Ok(ColumnIndices {
        // Other columns are recognised by their position next to the country.
        country: index(
            "country",
            found.country,
            Shape::Country,
            "such as E92000001",
        )?,
        postcode: index("postcode", found.postcode, Shape::Postcode, "postcodes")?,
        introduced: index("introduced", found.introduced, Shape::Month, month)?,
        terminated: index("terminated", found.terminated, Shape::Month, month)?,
        user_type: index("user_type", found.user_type, Shape::UserType, "0 or 1")?,
        easting: index("easting", found.easting, Shape::Easting, metres)?,
        northing: index("northing", found.northing, Shape::Northing, metres)?,
        quality: index("quality", found.quality, Shape::Quality, "1 to 9")?,
        lsoa: index(
            "lsoa",
            found.lsoa,
            Shape::Lsoa,
            "LSOA codes of the census year in the name of the format",
        )?,
        lsoa21: None,
        council: found.council.map(|position| position - 1),
        sub_icb: found.sub_icb.map(|position| position - 1),
        lat_long: None,
    })
}

fn columns_in_words(found: ColumnPositions) -> String {
    let named = found.named();
    let columns: Vec<String> = named
        .iter()
        .filter_map(|(name, position)| Some(format!("{name} {}", (*position)?)))
        .collect();
    let missing: Vec<&str> = named
        .iter()
        .filter(|(_, position)| position.is_none())
        .map(|(name, _)| *name)
        .collect();
    let without = match missing.is_empty() {
        true => String::new(),
        false => format!("; without {}", missing.join(" and ")),
    };
    format!("columns read by position: {}{without}", columns.join(", "))
}

#[cfg(test)]
mod tests {
    use super::super::rows::fixture;
    use super::*;
    use catchment_core::domain::DirectoryStatus;

    /// The values of a row, each with its position, counted from 1.
    const CELLS: [(usize, &str); 16] = [
        (1, "LA1  1AA"),
        (2, "LA1 1AA"),
        (3, "198001"),
        (5, "03510"),
        (6, "04403"),
        (9, "E07000121"),
        (10, "E05005255"),
        (11, "0"),
        (12, "1"),
        (13, "E92000001"),
        (18, "01K"),
        (21, "1"),
        (26, "E01025152"),
        (37, "351012"),
        (38, "0440302"),
        (40, "E01033160"),
    ];

    /// Formats a row with this number of columns. Later changes take precedence.
    fn row(count: usize, changes: &[(usize, &str)]) -> String {
        let mut cells = vec![""; count];
        for (position, value) in CELLS.iter().chain(changes) {
            cells[position - 1] = value;
        }
        cells.join(",") + "\r\n"
    }

    /// Formats a live and a terminated postcode.
    fn rows(count: usize, changes: &[(usize, &str)]) -> String {
        let ended = [(1, "LA1  1AB"), (2, "LA1 1AB"), (4, "199606")];
        let second: Vec<(usize, &str)> = changes.iter().copied().chain(ended).collect();
        row(count, changes) + &row(count, &second)
    }

    fn import(
        text: &str,
        lsoa: LsoaYear,
        positions: ColumnPositions,
    ) -> Result<(Vec<PostcodeRecord>, ImportReport), String> {
        let mut published = fixture::file("gridall.csv", text);
        read(&mut published.source_files, lsoa, positions).map_err(|error| error.to_string())
    }

    #[track_caller]
    fn check(found: &[PostcodeRecord], lsoa: &str, sub_icb: Option<&str>) {
        let [live, ended] = found else {
            panic!("two postcodes")
        };
        let position = live.position.expect("a position");
        assert_eq!(live.postcode.to_string(), "LA1 1AA");
        assert_eq!(
            (position.easting_m(), position.northing_m()),
            (351_012.0, 440_302.0)
        );
        assert_eq!(live.statistical_area.as_deref(), Some(lsoa));
        assert_eq!(live.sub_icb.as_deref(), sub_icb);
        assert_eq!(live.codes.council, "E07000121".parse().ok());
        assert_eq!(live.status, DirectoryStatus::Live);
        assert_eq!(ended.status, DirectoryStatus::Terminated);
    }

    #[test]
    fn editions_with_41_and_43_columns_are_read_by_position() {
        for count in [41, 43] {
            let none = ColumnPositions::default();
            let (found, report) =
                import(&rows(count, &[]), LsoaYear::Lsoa11, none).expect("a directory");
            check(&found, "E01033160", Some("01K"));
            assert_eq!(
                report.warnings,
                [
                    "columns read by position: postcode 2, introduced 3, terminated 4, user_type 11, \
                     quality 12, country 13, easting 37, northing 38, lsoa 40, council 9, sub_icb 18"
                ]
            );
            let error = import(&rows(count, &[]), LsoaYear::Lsoa21, none).expect_err("no LSOAs");
            assert!(error.contains("has the values of `lsoa`"), "{error}");
        }
    }

    #[test]
    fn columns_of_other_editions_are_recognised_by_their_values() {
        let text = rows(49, &[(46, "E01034763")]);
        for (lsoa, code) in [
            (LsoaYear::Lsoa11, "E01033160"),
            (LsoaYear::Lsoa21, "E01034763"),
        ] {
            let none = ColumnPositions::default();
            let (found, report) = import(&text, lsoa, none).expect("a directory");
            check(&found, code, None);
            assert!(
                report.warnings[0].ends_with("; without sub_icb"),
                "{report}"
            );
            let sub_icb = ColumnPositions {
                sub_icb: Some(18),
                ..none
            };
            let (found, _) = import(&text, lsoa, sub_icb).expect("a directory");
            check(&found, code, Some("01K"));
        }
    }

    #[test]
    fn a_file_in_which_two_columns_fit_or_none_is_refused() {
        let none = ColumnPositions::default();
        let two = rows(49, &[(45, "E01034763"), (46, "E01034764")]);
        let error = import(&two, LsoaYear::Lsoa21, none).expect_err("two columns");
        assert_eq!(
            error,
            "gridall.csv: columns 45 and 46 both have the values of `lsoa`; give the position in \
             `columns = { … }`"
        );
        let named = ColumnPositions {
            lsoa: Some(46),
            ..none
        };
        let (found, _) = import(&two, LsoaYear::Lsoa21, named).expect("a directory");
        check(&found, "E01034764", None);
        let error = import(&rows(49, &[(13, "")]), LsoaYear::Lsoa11, none).expect_err("no country");
        assert!(
            error.contains("none of its 49 columns has the values of `country`"),
            "{error}"
        );
        for (position, words) in [
            (50, "from 1 to 49"),
            (0, "from 1 to 49"),
            (2, "column 2 does not have the values of `lsoa`"),
        ] {
            let named = ColumnPositions {
                lsoa: Some(position),
                ..none
            };
            let error = import(&two, LsoaYear::Lsoa21, named).expect_err("no such column");
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn one_code_of_england_after_thousands_of_scottish_rows_shows_the_census() {
        let mut text = String::new();
        for number in 0..=ROWS_EXAMINED {
            let letters = [number / 100 % 10, number / 10 % 10].map(|digit| {
                let digit = usize::try_from(digit).expect("a digit");
                char::from(b"ABDEFGHJLN"[digit])
            });
            let [a, b] = letters;
            let postcode = format!("AB{} {}{a}{b}", 10 + number / 1_000, number % 10);
            let scottish = [
                (1, postcode.as_str()),
                (2, &postcode),
                (13, "S92000003"),
                (26, "S01000001"),
                (40, "S01006514"),
            ];
            text += &row(49, &scottish);
        }
        text += &row(49, &[(46, "E01034763")]);
        let none = ColumnPositions::default();
        let (found, report) = import(&text, LsoaYear::Lsoa21, none).expect("a directory");
        assert_eq!(found.len() as u64, ROWS_EXAMINED + 2, "{report}");
        assert!(report.warnings[0].contains("lsoa 46"), "{report}");
    }

    #[test]
    fn a_known_edition_whose_columns_moved_is_refused() {
        let moved = rows(43, &[(11, "X"), (12, "E92000001")]);
        let none = ColumnPositions::default();
        let error = import(&moved, LsoaYear::Lsoa11, none).expect_err("moved");
        assert!(
            error.contains("column 11 does not have the values of `user_type`"),
            "{error}"
        );
    }

    #[test]
    fn pseudo_postcodes_and_invalid_rows_are_counted() {
        let text = rows(43, &[])
            + &row(43, &[(1, "ZZ99 3VZ"), (2, "ZZ99 3VZ"), (13, "")])
            + &row(43, &[(1, "LA1  1AD"), (2, "LA1 1AD"), (3, "198001.0")]);
        let none = ColumnPositions::default();
        let (found, report) = import(&text, LsoaYear::Lsoa11, none).expect("a directory");
        assert_eq!((found.len(), report.read), (2, 4));
        assert_eq!(report.skipped.len(), 1);
        let locations = &report
            .rejected
            .first_key_value()
            .expect("one")
            .1
            .first_locations;
        assert_eq!(locations[..], [("gridall.csv".to_string(), 4)]);
    }

    #[test]
    fn the_file_is_found_in_the_archive() {
        let text = rows(43, &[]);
        for name in ["Data/gridall.csv", "Data/nhg21aug.csv", "Data/other.csv"] {
            let mut files = vec![(name, text.as_str()), ("Documents/a.txt", "x")];
            if !name.ends_with("other.csv") {
                files.push(("Data/scotland.csv", "x"));
            }
            let mut published = fixture::archive("n.zip", &files);
            let none = ColumnPositions::default();
            let read = read(&mut published.source_files, LsoaYear::Lsoa11, none);
            assert_eq!(read.expect("a directory").0.len(), 2, "{name}");
        }
    }
}
