//! Lists of addresses with their UPRNs: the National Statistics UPRN Lookup (NSUL), an archive with a
//! file for each region, or OS Open UPRN with a column of postcodes.
//!
//! The names of NSUL's columns end in `CD` and a year, in upper or lower case, and differ between
//! editions. Postcodes may have trailing spaces. Some addresses have no position or no postcode.

use std::io::{self, Read};

use serde::Deserialize;

use super::rows::{CsvRow, CsvRows, HeaderRow, RowError, lowercase_file_name, member_label};
use super::{ImportError, ImportReport, SourceFiles};
use crate::formats::{FormatColumns, TableFormat};
use crate::uprns::UprnRecord;
use catchment_core::domain::{BritishGrid, GssCode, Home, InvalidUprn, Uprn};

/// The columns of a list of addresses. If the name of a column is not specified, the column is found
/// by the name that publishers use.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UprnColumns {
    pub(crate) uprn: Option<String>,
    pub(crate) easting: Option<String>,
    pub(crate) northing: Option<String>,
    pub(crate) postcode: Option<String>,
    /// The column with the codes of the statistical areas on which layers are defined.
    pub(crate) statistical_area: Option<String>,
}

/// Reads the addresses of a file, folder or archive, and calls `take` with each of them, in the order
/// of the files. `statistical_areas` is the id of the statistical areas of the dataset, such as
/// `lsoa21`: the column `lsoa21cd` has their codes.
///
/// A folder or archive may contain other tables, which have no column of UPRNs; the report lists
/// these tables.
///
/// # Errors
/// If a column is missing, no row is usable, or `take` returns an error.
pub fn read(
    source_files: &mut SourceFiles,
    columns: &UprnColumns,
    statistical_areas: Option<&str>,
    mut take: impl FnMut(&UprnRecord) -> io::Result<()>,
) -> Result<ImportReport, ImportError> {
    let mut report = ImportReport::new(source_files.name());
    let mut left_out: Vec<String> = Vec::new();
    let is_single = source_files.members() == [source_files.name()];
    for member in source_files.members() {
        let base = lowercase_file_name(&member);
        if !is_single && (!base.ends_with(".csv") || base.starts_with('.')) {
            continue;
        }
        let file = member_label(source_files, &member);
        let mut rows = CsvRows::new(&file, source_files.open_member(&member)?);
        let header = rows.read_header(canonical_name)?;
        let uprn = columns.uprn.as_deref().map(canonical_name);
        if !is_single && header.find(&[uprn.as_deref().unwrap_or(UPRN)])?.is_none() {
            left_out.push(member);
            continue;
        }
        let indices = ColumnIndices::from_header(&header, columns, statistical_areas)?;
        if indices.postcode.is_none() {
            report.warnings.push(format!(
                "{file}: no column of postcodes, so its homes are counted for no postcode"
            ));
        }
        read_rows(&mut rows, &indices, &mut report, &mut take)?;
        rows.warn_if_truncated(&mut report);
    }
    if !left_out.is_empty() {
        let names = left_out.join(", ");
        report.warnings.push(format!(
            "no column `{UPRN}`, so these files were left out: {names}"
        ));
    }
    if report.kept == 0 {
        return Err(report.into_empty_error());
    }
    Ok(report)
}

const UPRN: &str = "uprn";
const EASTING: [&str; 3] = ["gridgb1e", "x_coordinate", "easting"];
const NORTHING: [&str; 3] = ["gridgb1n", "y_coordinate", "northing"];
const POSTCODE: [&str; 2] = ["pcds", "postcode"];

/// A table without postcodes can be read, but no homes are counted from it. It is therefore not
/// recognised.
pub(super) const FORMAT: TableFormat = TableFormat {
    title: "National Statistics UPRN Lookup, or OS Open UPRN with a column of postcodes",
    columns: FormatColumns::Aliases {
        required: &[&[UPRN], &EASTING, &NORTHING, &POSTCODE],
        known: is_published_column,
        canonical: canonical_name,
    },
};

/// Returns whether NSUL or OS Open UPRN has a column of this name, which must be in lower case: a
/// column of codes, such as `lsoa21cd` or `ctry25cd`, an index or a coordinate.
fn is_published_column(name: &str) -> bool {
    const OTHERS: [&str; 4] = ["latitude", "longitude", "imd19ind", "ruc21ind"];
    name.ends_with("cd") || OTHERS.contains(&name)
}

const NO_POSITION: &str = "no position";

fn read_rows<R: Read>(
    rows: &mut CsvRows<R>,
    indices: &ColumnIndices,
    report: &mut ImportReport,
    take: &mut impl FnMut(&UprnRecord) -> io::Result<()>,
) -> Result<(), ImportError> {
    while let Some(row) = rows.next()? {
        report.read += 1;
        match indices.parse_row(&row) {
            Ok(record) => {
                report.kept += 1;
                take(&record).map_err(|source| ImportError::Unreadable {
                    path: row.file.into(),
                    source,
                })?;
            }
            Err(error) => error.add_to_report(&row, report),
        }
    }
    Ok(())
}

/// Converts a column name to lower case, without a byte order mark and white space around it.
fn canonical_name(name: &str) -> String {
    let name = name.trim_start_matches('\u{feff}');
    name.trim().to_ascii_lowercase()
}

/// The indices of the columns that are read.
struct ColumnIndices {
    uprn: usize,
    easting: usize,
    northing: usize,
    postcode: Option<usize>,
    statistical_area: Option<usize>,
}

impl ColumnIndices {
    fn from_header(
        header: &HeaderRow,
        columns: &UprnColumns,
        statistical_areas: Option<&str>,
    ) -> Result<ColumnIndices, ImportError> {
        // A column that the configuration specifies must exist.
        let optional = |named: &Option<String>, known: &[&str]| match named {
            Some(name) => header.require(&[&canonical_name(name)]).map(Some),
            None => header.find(known),
        };
        let required = |named: &Option<String>, known: &[&str]| match named {
            Some(name) => header.require(&[&canonical_name(name)]),
            None => header.require(known),
        };
        let code = statistical_areas.map(|id| format!("{}cd", id.to_ascii_lowercase()));
        let code: Vec<&str> = code.as_deref().into_iter().collect();
        Ok(ColumnIndices {
            uprn: required(&columns.uprn, &[UPRN])?,
            easting: required(&columns.easting, &EASTING)?,
            northing: required(&columns.northing, &NORTHING)?,
            postcode: optional(&columns.postcode, &POSTCODE)?,
            statistical_area: optional(&columns.statistical_area, &code)?,
        })
    }

    fn parse_row(&self, row: &CsvRow<'_>) -> Result<UprnRecord, RowError> {
        let uprn = row.text(self.uprn).parse::<Uprn>();
        let uprn = uprn.map_err(|error| {
            RowError::Rejected(match error {
                InvalidUprn::Shortened => {
                    "column of UPRNs: a spreadsheet shortened the number; use the published file"
                }
                _ => "column of UPRNs: must be a whole number of 1 to 12 digits",
            })
        })?;
        let postcode = self.postcode.map(|column| row.text(column));
        let postcode = match postcode.unwrap_or_default() {
            "" => None,
            text => Some(text.parse().map_err(|_| {
                RowError::Rejected("column of postcodes: must be a postcode such as LA1 1AA")
            })?),
        };
        let statistical_area = self.statistical_area.map(|column| row.text(column));
        let statistical_area: Option<GssCode> = match statistical_area.unwrap_or_default() {
            "" => None,
            text => Some(text.parse().map_err(|_| {
                RowError::Rejected("column of statistical areas: must be a code such as E01019293")
            })?),
        };
        Ok(UprnRecord {
            uprn,
            home: Home {
                position: self.parse_position(row)?,
                postcode,
                statistical_area,
            },
        })
    }

    fn parse_position(&self, row: &CsvRow<'_>) -> Result<BritishGrid, RowError> {
        let (easting, northing) = (row.text(self.easting), row.text(self.northing));
        if easting.is_empty() && northing.is_empty() {
            return Err(RowError::Skipped(NO_POSITION));
        }
        let invalid = RowError::Rejected(
            "columns of coordinates: must be an easting and a northing in metres (EPSG:27700)",
        );
        let metres = |text: &str| text.parse::<f64>().ok();
        let (Some(easting), Some(northing)) = (metres(easting), metres(northing)) else {
            return Err(invalid);
        };
        match BritishGrid::from_metres(easting, northing) {
            Ok(position) if position.is_origin() => Err(RowError::Skipped(NO_POSITION)),
            Ok(position) if !position.looks_like_degrees() => Ok(position),
            _ => Err(invalid),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;

    /// Reads these files, which are in an archive if there are several.
    fn read_files(
        files: &[(&str, &str)],
        columns: &UprnColumns,
    ) -> Result<(Vec<String>, ImportReport), String> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(if files.len() == 1 {
            files[0].0
        } else {
            "nsul.zip"
        });
        let mut output = std::fs::File::create(&path).expect("a file");
        if let [(_, content)] = files {
            output.write_all(content.as_bytes()).expect("written");
        } else {
            let mut archive = ZipWriter::new(output);
            for (name, content) in files {
                let options = SimpleFileOptions::default();
                archive.start_file(*name, options).expect("a member");
                archive.write_all(content.as_bytes()).expect("written");
            }
            archive.finish().expect("an archive");
        }
        let mut source = SourceFiles::open(&path).expect("a source");
        let mut read_records = Vec::new();
        let report = read(&mut source, columns, Some("lsoa21"), |record| {
            let home = record.home;
            let text = |text: Option<String>| text.unwrap_or_else(|| "-".into());
            read_records.push(format!(
                "{} {} {} {} {}",
                record.uprn,
                home.position.easting_m(),
                home.position.northing_m(),
                text(home.postcode.map(|postcode| postcode.to_string())),
                text(home.statistical_area.map(|code| code.to_string())),
            ));
            Ok(())
        });
        let report = report.map_err(|error| error.to_string())?;
        Ok((read_records, report))
    }

    const NSUL: &str = "UPRN,GRIDGB1E,GRIDGB1N,PCDS,OA21CD,LSOA21CD\r\n";

    #[test]
    fn the_files_of_an_archive_are_read_in_order() {
        let east = format!("{NSUL}000010000001,0349234,0461234,LA1 1AA,E00000001,E01000001\r\n");
        let west = "uprn,gridgb1e,gridgb1n,pcds ,lsoa21cd\r\n5,349235,461235,LA11AB  ,\r\n";
        let names = "LSOA21CD,LSOA21NM\r\nE01000001,Lancaster 001A\r\n";
        let (records, report) = read_files(
            &[
                ("Data/NSUL_JUN_2026_EE.csv", &east),
                ("Data/NSUL_JUN_2026_NW.csv", west),
                ("Documents/LSOA names.csv", names),
                ("User Guide.pdf", "%PDF"),
            ],
            &UprnColumns::default(),
        )
        .expect("read");
        assert_eq!(
            records,
            [
                "10000001 349234 461234 LA1 1AA E01000001",
                "5 349235 461235 LA1 1AB -",
            ]
        );
        assert_eq!((report.read, report.kept), (2, 2));
        assert_eq!(
            report.warnings,
            ["no column `uprn`, so these files were left out: Documents/LSOA names.csv"]
        );
    }

    #[test]
    fn rows_without_a_position_are_skipped_and_invalid_rows_rejected() {
        let rows = "1,,,LA1 1AA,,\r\n2,0,0,LA1 1AA,,\r\n3,349234,461234,,,\r\n\
                    x,349234,461234,LA1 1AA,,\r\n1.00023E+11,349234,461234,LA1 1AA,,\r\n\
                    4,349234,,LA1 1AA,,\r\n5,-2.8,54.0,LA1 1AA,,\r\n6,349234,461234,LA1,,\r\n\
                    7,349234,461234,LA1 1AA,,LSOA\r\n8,9999999,461234,LA1 1AA,,\r\n";
        let (records, report) = read_files(
            &[("nsul.csv", &format!("{NSUL}{rows}"))],
            &UprnColumns::default(),
        )
        .expect("read");
        assert_eq!(records, ["3 349234 461234 - -"]);
        assert_eq!(report.skipped, [(NO_POSITION, 2)].into());
        let rejected: u64 = report.rejected.values().map(|rows| rows.count).sum();
        assert_eq!((report.read, report.kept, rejected), (10, 1, 7));
        let lines: Vec<u64> = report
            .rejected
            .values()
            .map(|rows| rows.first_locations[0].1)
            .collect();
        assert!(lines.contains(&5) && lines.contains(&9), "{lines:?}");
    }

    #[test]
    fn columns_can_be_named_and_missing_ones_are_errors() {
        let open_uprn = "UPRN,X_COORDINATE,Y_COORDINATE,LATITUDE,LONGITUDE,Post Code\n\
                         1,358260.66,172796.5,51.45,-2.60,BS2 0AA\n";
        let columns: UprnColumns = toml::from_str("postcode = 'post code'").expect("columns");
        let (records, _) = read_files(&[("open.csv", open_uprn)], &columns).expect("read");
        assert_eq!(records, ["1 358260.66 172796.5 BS2 0AA -"]);
        let (records, report) =
            read_files(&[("open.csv", open_uprn)], &UprnColumns::default()).expect("read");
        assert_eq!(records, ["1 358260.66 172796.5 - -"]);
        assert!(report.warnings[0].contains("no column of postcodes"));
        let columns: UprnColumns = toml::from_str("postcode = 'pc'").expect("columns");
        let error = read_files(&[("open.csv", open_uprn)], &columns).expect_err("no column");
        assert!(error.contains("no column `pc`"), "{error}");
        let error = read_files(&[("x.csv", "a,b\n1,2\n")], &UprnColumns::default());
        assert!(error.expect_err("no column").contains("no column `uprn`"));
        let error = read_files(&[("x.csv", NSUL)], &UprnColumns::default());
        assert!(error.expect_err("no rows").contains("no usable rows"));
    }
}
