//! Code-Point Open, published by Ordnance Survey: one file per postcode area (`Data/CSV/la.csv`),
//! without a header row. Its columns are `PC` postcode, `PQ` positional quality, `EA` easting, `NO`
//! northing, `CY` country, `RH` and `LH` health authorities, and `CC`, `DC` and `WC` county,
//! district and ward.
//!
//! The files contain only live postcodes of Great Britain, without their months of introduction or
//! statistical areas. A postcode with positional quality 90 has no position, and its easting and
//! northing are 0.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};

use super::rows::{CsvRow, CsvRows, DuplicateCheck, RowError, lowercase_file_name, member_label};
use super::{ImportError, ImportReport, PostcodeRecord, SourceFiles};
use crate::formats::{FormatColumns, TableFormat};
use crate::plural::count_with_noun;
use catchment_core::domain::{
    BritishGrid, DirectoryStatus, PositionalQuality, Postcode, PostcodeCodes,
};

const PC: usize = 0;
const PQ: usize = 1;
const EA: usize = 2;
const NO: usize = 3;
const COLUMN_COUNT: usize = 10;

pub(super) const FORMAT: TableFormat = TableFormat {
    title: "OS Code-Point Open",
    columns: FormatColumns::Positions(&[COLUMN_COUNT]),
};

/// The positional quality of a postcode without a position.
const NO_POSITION: u8 = 90;

/// The maximum number of bytes that are read from `Doc/metadata.txt`. The 2025 file is 2 kB.
const METADATA_BYTES_MAX: u64 = 1 << 20;

/// Reads every postcode from the archive, the extracted folder or a single file, and sorts them.
///
/// If `metadata.txt` states the number of postcodes in a postcode area, the file of this postcode
/// area must contain the same number of rows. Otherwise, the file was truncated.
///
/// # Errors
/// If a file is in another format or contains a header row, if a file was truncated, if a postcode
/// occurs twice, or if there are no postcodes.
pub fn read(
    source_files: &mut SourceFiles,
) -> Result<(Vec<PostcodeRecord>, ImportReport), ImportError> {
    let mut report = ImportReport::new(source_files.name());
    let area_files = select_area_files(source_files)?;
    let metadata = read_metadata(source_files)?;
    report.vintage = metadata.version;
    let mut postcodes = Vec::new();
    let mut duplicates = DuplicateCheck::new();
    for member in area_files {
        let file = member_label(source_files, &member);
        let rows_before = report.read;
        let rows = CsvRows::new(&file, source_files.open_member(&member)?);
        read_file(rows, &mut postcodes, &mut duplicates, &mut report)?;
        let area = lowercase_file_name(&member);
        check_count(
            &file,
            metadata.counts.get(area.trim_end_matches(".csv")),
            report.read - rows_before,
        )?;
    }
    if postcodes.is_empty() {
        return Err(report.into_empty_error());
    }
    postcodes.sort_unstable_by_key(|row| row.postcode);
    Ok((postcodes, report))
}

/// Returns the names of the data files. A single file may have any name. In a folder or archive,
/// the data files are those that are named after a postcode area.
fn select_area_files(source_files: &SourceFiles) -> Result<Vec<String>, ImportError> {
    let mut members = source_files.members();
    if members == [source_files.name()] {
        return Ok(members);
    }
    members.retain(|member| {
        let base = lowercase_file_name(member);
        base.strip_suffix(".csv").is_some_and(|area| {
            (1..=2).contains(&area.len()) && area.bytes().all(|byte| byte.is_ascii_lowercase())
        })
    });
    if members.is_empty() {
        return Err(ImportError::NoSuchMember {
            source_name: source_files.name(),
            expected: "a file of a postcode area, such as Data/CSV/la.csv",
        });
    }
    Ok(members)
}

fn read_file<R: Read>(
    mut rows: CsvRows<R>,
    postcodes: &mut Vec<PostcodeRecord>,
    duplicates: &mut DuplicateCheck<Postcode>,
    report: &mut ImportReport,
) -> Result<(), ImportError> {
    let mut is_first = true;
    while let Some(row) = rows.next()? {
        if is_first {
            check_first_row(&row)?;
            is_first = false;
        }
        report.read += 1;
        match parse_row(&row) {
            Ok(record) => {
                let postcode = record.postcode;
                duplicates.check(postcode, &row, || format!("postcode `{postcode}`"))?;
                report.kept += 1;
                postcodes.push(record);
            }
            Err(error) => error.add_to_report(&row, report),
        }
    }
    rows.warn_if_truncated(report);
    Ok(())
}

/// Returns whether the row has the columns of the directory.
pub(super) fn is_row(row: &CsvRow<'_>) -> bool {
    row.len() == COLUMN_COUNT && parse_row(row).is_ok()
}

/// Checks that the first row contains data. The files of Code-Point Open have no header row, so a
/// file with a header row is in another format.
fn check_first_row(row: &CsvRow<'_>) -> Result<(), ImportError> {
    let invalid_format = |expected| ImportError::UnknownTable {
        file: row.file.to_string(),
        line: row.line,
        expected,
        first_row: row.cells(),
    };
    if row.len() != COLUMN_COUNT {
        return Err(invalid_format(format!(
            "a row of Code-Point Open must have {COLUMN_COUNT} cells, but this row has {}",
            row.len()
        )));
    }
    let first = row.text(PC);
    if first.parse::<Postcode>().is_ok() {
        return Ok(());
    }
    Err(invalid_format(
        if first.bytes().any(|byte| byte.is_ascii_digit()) {
            format!("the first cell must be a postcode, but is `{first}`")
        } else {
            format!("the file must have no header row, but its first row starts with `{first}`")
        },
    ))
}

fn parse_row(row: &CsvRow<'_>) -> Result<PostcodeRecord, RowError> {
    let postcode = row
        .text(PC)
        .parse()
        .map_err(|_| RowError::Rejected("column 1 (PC): must be a postcode"))?;
    let quality = row
        .text(PQ)
        .parse()
        .ok()
        .and_then(PositionalQuality::new)
        .filter(|quality| matches!(quality, PositionalQuality::CodePointOpen(_)))
        .ok_or(RowError::Rejected(
            "column 2 (PQ): must be a number from 10 to 90",
        ))?;
    Ok(PostcodeRecord {
        postcode,
        position: match quality.value() {
            NO_POSITION => None,
            _ => Some(parse_position(row)?),
        },
        positional_quality: Some(quality),
        is_large_user: false,
        status: DirectoryStatus::Live,
        introduced: None,
        termination: None,
        statistical_area: None,
        codes: PostcodeCodes::default(),
        sub_icb: None,
    })
}

fn parse_position(row: &CsvRow<'_>) -> Result<BritishGrid, RowError> {
    let easting = row.text(EA).parse().ok();
    let northing = row.text(NO).parse().ok();
    easting
        .zip(northing)
        .filter(|position| *position != (0.0, 0.0))
        .and_then(|(easting, northing)| BritishGrid::from_metres(easting, northing).ok())
        .ok_or(RowError::Rejected(
            "columns 3 and 4 (EA, NO): must be metres on the British National Grid, unless column 2 (PQ) is 90",
        ))
}

/// The contents of `Doc/metadata.txt`.
#[derive(Default)]
struct CodePointMetadata {
    /// The version of the dataset, such as `2025.2.0`.
    version: Option<String>,
    /// The number of postcodes by postcode area, in lower case.
    counts: BTreeMap<String, u64>,
}

/// Reads `metadata.txt`, or returns empty metadata if there is no such file.
fn read_metadata(source_files: &mut SourceFiles) -> Result<CodePointMetadata, ImportError> {
    let members = source_files.members();
    let Some(member) = members
        .iter()
        .find(|member| lowercase_file_name(member) == "metadata.txt")
    else {
        return Ok(CodePointMetadata::default());
    };
    let file = member_label(source_files, member);
    let input = BufReader::new(source_files.open_member(member)?.take(METADATA_BYTES_MAX));
    let mut metadata = CodePointMetadata::default();
    for line in input.split(b'\n') {
        let line = line.map_err(|source| ImportError::Unreadable {
            path: file.clone().into(),
            source,
        })?;
        metadata.parse_line(&String::from_utf8_lossy(&line));
    }
    Ok(metadata)
}

impl CodePointMetadata {
    /// Parses a line such as `DATASET VERSION NUMBER: 2025.2.0` or `LA 9530`.
    fn parse_line(&mut self, line: &str) {
        if let Some(version) = line.trim().strip_prefix("DATASET VERSION NUMBER:") {
            self.version = Some(version.trim().to_string());
        }
        let mut words = line.split_whitespace();
        if let (Some(area), Some(Ok(count)), None) =
            (words.next(), words.next().map(str::parse), words.next())
        {
            self.counts.insert(area.to_ascii_lowercase(), count);
        }
    }
}

fn check_count(file: &str, expected: Option<&u64>, read: u64) -> Result<(), ImportError> {
    match expected {
        Some(&expected) if expected != read => Err(ImportError::Conflict {
            file: file.to_string(),
            line: read,
            what: format!(
                "metadata.txt states {} for this postcode area, but the file has {read}; \
                 was the file truncated?",
                count_with_noun(expected, "postcode", "postcodes")
            ),
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::rows::fixture::{self, TestSource};
    use super::*;

    const LA: &str = "\"LA1 1AA\",10,347467,461653,\"E92000001\",\"E19000001\",\"E18000002\",\"E10000017\",\"E07000121\",\"E05014890\"\r\n\
        \"LA1 1AB\",50,347450,461615,\"E92000001\",\"E19000001\",\"E18000002\",\"E10000017\",\"E07000121\",\"E05014890\"\r\n";
    const AB: &str = "\"AB43 1AJ\",90,0,0,\"S92000003\",\"\",\"\",\"\",\"\",\"\"\r\n";
    const HEADER: &str = "PC,PQ,EA,NO,CY,RH,LH,CC,DC,WC\r\n";
    const METADATA: &str = "ORDNANCE SURVEY\r\nPRODUCT: OS CODE-POINT_03.02\r\n\
        DATASET VERSION NUMBER: 2025.2.0\r\nCOPYRIGHT DATE: 20250422\r\n      AB\t1\r\n      LA\t2\r\n       B\t9\r\n";

    fn read_all(
        mut published: TestSource,
    ) -> Result<(Vec<PostcodeRecord>, ImportReport), ImportError> {
        read(&mut published.source_files)
    }

    #[track_caller]
    fn check_file_error(text: impl AsRef<[u8]>, expected: &str) {
        let error = read_all(fixture::file("la.csv", text)).expect_err("an invalid file");
        assert_eq!(error.to_string(), expected);
    }

    #[track_caller]
    fn check_rejected(row: &str, expected: &str) {
        let text = format!("{LA}{row}\r\n");
        let (postcodes, report) = read_all(fixture::file("la.csv", text)).expect("two valid rows");
        assert_eq!((postcodes.len(), report.read, report.kept), (2, 3, 2));
        let rejected = &report.rejected[expected];
        assert_eq!(
            rejected.first_locations,
            [("la.csv".to_string(), 3)],
            "{report}"
        );
    }

    #[test]
    fn archive_documents_are_ignored() {
        let (postcodes, report) = read_all(fixture::archive(
            "codepo_gb.zip",
            &[
                ("Data/CSV/la.csv", LA),
                ("Data/CSV/ab.csv", AB),
                ("Doc/Code-Point_Open_Column_Headers.csv", HEADER),
                ("Doc/metadata.txt", METADATA),
            ],
        ))
        .expect("the layout of OS");
        let codes: Vec<String> = postcodes
            .iter()
            .map(|row| row.postcode.to_string())
            .collect();
        assert_eq!(codes, ["AB43 1AJ", "LA1 1AA", "LA1 1AB"]);
        assert_eq!((report.read, report.kept), (3, 3));
        assert_eq!(report.vintage.as_deref(), Some("2025.2.0"));
        assert!(report.warnings.is_empty(), "{report}");
    }

    #[test]
    fn folders_and_single_files_are_read() {
        let folder = fixture::folder(&[("Data/CSV/la.csv", LA), ("Data/CSV/ab.csv", AB)]);
        assert_eq!(read_all(folder).expect("a folder").0.len(), 3);
        let bare = fixture::folder(&[("LA.CSV", LA)]);
        assert_eq!(read_all(bare).expect("a folder").0.len(), 2);
        let file = fixture::file("anything.txt", LA);
        assert_eq!(read_all(file).expect("a file").0.len(), 2);
    }

    #[test]
    fn the_first_row_is_data_and_everything_is_live() {
        let (postcodes, _) = read_all(fixture::file("la.csv", LA)).expect("a file");
        let first = &postcodes[0];
        let position = first.position.expect("a position");
        assert_eq!(first.postcode.to_string(), "LA1 1AA");
        assert_eq!(
            (position.easting_m(), position.northing_m()),
            (347_467.0, 461_653.0)
        );
        assert_eq!(
            first.positional_quality,
            Some(PositionalQuality::CodePointOpen(10))
        );
        assert_eq!(first.status, DirectoryStatus::Live);
        assert!(first.introduced.is_none() && first.termination.is_none());
        assert!(first.statistical_area.is_none() && first.sub_icb.is_none());
    }

    #[test]
    fn quality_90_has_no_position() {
        let (postcodes, _) = read_all(fixture::file("ab.csv", AB)).expect("a file");
        assert!(postcodes[0].position.is_none());
        assert_eq!(
            postcodes[0].positional_quality,
            Some(PositionalQuality::CodePointOpen(90))
        );
    }

    #[test]
    fn header_row_is_rejected() {
        check_file_error(
            format!("{HEADER}{LA}"),
            "la.csv, line 1: the file must have no header row, but its first row starts with `PC`",
        );
    }

    #[test]
    fn other_formats_are_rejected() {
        check_file_error(
            "LA1 1AA,347467,461653\n",
            "la.csv, line 1: a row of Code-Point Open must have 10 cells, but this row has 3",
        );
        check_file_error(
            "1,10,347467,461653,,,,,,\n",
            "la.csv, line 1: the first cell must be a postcode, but is `1`",
        );
        check_file_error("", "la.csv: no usable rows (0 rows read)");
        check_file_error(
            format!("{LA}\"LA1 1AD\",10,3472"),
            "la.csv, line 3: expected 10 cells, as in the first row, but found 3; was the file truncated?",
        );
        check_file_error(
            [0_u8, 159, 146, 150],
            "la.csv, line 1: a row of Code-Point Open must have 10 cells, but this row has 1",
        );
    }

    #[test]
    fn area_with_fewer_rows_than_its_metadata_is_truncated() {
        let error = read_all(fixture::archive(
            "codepo_gb.zip",
            &[("Data/CSV/la.csv", AB), ("Doc/metadata.txt", METADATA)],
        ))
        .expect_err("one row instead of two");
        assert_eq!(
            error.to_string(),
            "codepo_gb.zip/Data/CSV/la.csv, line 1: metadata.txt states 2 postcodes for this postcode area, but the file has 1; was the file truncated?"
        );
    }

    #[test]
    fn duplicate_postcode_is_rejected() {
        check_file_error(
            format!("{LA}la11aa,10,1,1,,,,,,\r\n"),
            "la.csv, line 3: postcode `LA1 1AA` is already in la.csv, line 1; remove one of the two rows",
        );
    }

    #[test]
    fn invalid_row_is_counted_with_its_line() {
        check_rejected(
            "LA1,10,347467,461653,,,,,,",
            "column 1 (PC): must be a postcode",
        );
        for quality in ["", "1", "9", "91", "x"] {
            check_rejected(
                &format!("LA1 1AD,{quality},347467,461653,,,,,,"),
                "column 2 (PQ): must be a number from 10 to 90",
            );
        }
        for position in ["0,0", ",", "NaN,1", "inf,1", "347467,9000000", "a,b"] {
            check_rejected(
                &format!("LA1 1AD,10,{position},,,,,,"),
                "columns 3 and 4 (EA, NO): must be metres on the British National Grid, unless column 2 (PQ) is 90",
            );
        }
    }

    #[test]
    fn folder_without_area_files_names_the_expected_file() {
        let error = read_all(fixture::folder(&[("Doc/licence.txt", "")])).expect_err("no data");
        assert_eq!(
            error.to_string(),
            "published: does not contain a file of a postcode area, such as Data/CSV/la.csv"
        );
    }

    proptest! {
        #[test]
        fn no_row_panics(cells in prop::collection::vec("[A-Z0-9é.-]{0,9}", 10), bytes: Vec<u8>) {
            let _ = read_all(fixture::file("la.csv", format!("{LA}{}\n", cells.join(","))));
            let _ = read_all(fixture::file("la.csv", bytes));
        }
    }

    #[test]
    fn real_archive_is_imported_completely() {
        let Some(mut source_files) = fixture::open_real_file("codepo_gb.zip") else {
            return;
        };
        let (postcodes, report) = read(&mut source_files).expect("as published");
        println!("{report}");
        assert_eq!(report.kept, report.read);
        assert!(postcodes.len() > 1_700_000);
    }
}
