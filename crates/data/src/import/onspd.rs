//! The ONS Postcode Directory (ONSPD) and the National Statistics Postcode Lookup (NSPL), which has
//! fewer columns. The source is a file such as `Data/ONSPD_MAY_2025_UK.csv`, or an archive or
//! folder that contains such a file.
//!
//! Columns are matched by name, because their order and number change. Some names have also
//! changed. For example, the columns `oslaua`, `usertype` and `oseast1m` of the editions until 2024
//! have been called `lad25cd`, `usrtypind` and `east1m` since 2025, when ONS also added the year of
//! the geography to the names of geography columns. Column names in files exported from a map
//! server are in upper case.
//!
//! A postcode without a position has quality 9, latitude 99.999999 and a blank grid reference. A
//! code that consists of a letter and eight nines means "no such area". Postcodes of the Channel
//! Islands, the Isle of Man and Northern Ireland are skipped. Postcodes of Northern Ireland have
//! positions on the Irish Grid and a different licence.

use std::io::Read;

use serde::Deserialize;

use super::rows::{
    CsvRow, CsvRows, DuplicateCheck, HeaderRow, RowError, lowercase_file_name, member_label,
};
use super::{AffectedRows, ImportError, ImportReport, PostcodeRecord, SourceFiles};
use crate::formats::{FormatColumns, TableFormat};
use crate::plural::count_with_noun;
use catchment_core::domain::{
    BritishGrid, DirectoryStatus, GssCode, PositionalQuality, Postcode, PostcodeCodes, Termination,
    YearMonth,
};
use catchment_core::geodesy;

/// The `gridind` of a postcode without a position.
const QUALITY_NO_POSITION: u8 = 9;

/// The minimum latitude that means "no position". ONS writes 99.999999.
const FILLER_LATITUDE_MIN: f64 = 99.0;

/// The maximum distance between the position in degrees (`lat` and `long`) and the position in
/// metres (the easting and northing). ONS computes the degrees from the metres, and writes them
/// with six decimal places (0.1 m).
const POSITION_MISMATCH_M: f64 = 5.0;

/// The census year of the LSOAs to read, for a directory that contains LSOAs of several census
/// years.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LsoaYear {
    /// Column `lsoa11` or `lsoa11cd`.
    Lsoa11,
    /// Column `lsoa21` or `lsoa21cd`.
    Lsoa21,
}

impl LsoaYear {
    pub(super) fn column(self) -> &'static str {
        match self {
            LsoaYear::Lsoa11 => "lsoa11",
            LsoaYear::Lsoa21 => "lsoa21",
        }
    }
}

/// Reads every postcode of Great Britain in the directory, live and terminated, in order of
/// postcode.
///
/// The statistical area is an LSOA in England and Wales, and a data zone in Scotland. The sub-ICB
/// location is a GSS code. The edition in the report is the year of the district codes for files
/// since 2025 (`lad25cd`: `25`), and the month in the file name for earlier files (`FEB 2023`).
///
/// # Errors
/// If a column is missing or occurs twice, a row is truncated, a postcode occurs twice, or no row
/// is usable.
pub fn read(
    source_files: &mut SourceFiles,
    lsoa: LsoaYear,
) -> Result<(Vec<PostcodeRecord>, ImportReport), ImportError> {
    let mut importer = DirectoryImporter::new(source_files.name());
    for member in select_members(source_files)? {
        let file = member_label(source_files, &member);
        let rows = CsvRows::new(&file, source_files.open_member(&member)?);
        importer.import_file(&file, rows, lsoa)?;
    }
    importer.finish()
}

/// Returns the names of the members to read: the file with all postcodes, or otherwise the files
/// with one postcode area each, or otherwise the only CSV file.
fn select_members(source_files: &SourceFiles) -> Result<Vec<String>, ImportError> {
    let members = source_files.members();
    if members == [source_files.name()] {
        return Ok(members);
    }
    let is_table = |member: &&String| {
        let base = lowercase_file_name(member);
        base.ends_with(".csv") && !base.starts_with('.')
    };
    let tables: Vec<String> = members.iter().filter(is_table).cloned().collect();
    let (area_files, others): (Vec<String>, Vec<String>) = tables
        .into_iter()
        .partition(|member| member.to_ascii_lowercase().contains("multi_csv"));
    let whole_directories: Vec<&String> = others
        .iter()
        .filter(|member| is_whole_directory(member))
        .collect();
    match (&whole_directories[..], &area_files[..], &others[..]) {
        ([one], ..) => Ok(vec![(*one).clone()]),
        ([one, other, ..], ..) => Err(ImportError::Conflict {
            file: member_label(source_files, other),
            line: 1,
            what: format!("`{one}` also lists all postcodes; give the path of the file to read"),
        }),
        ([], [_, ..], _) => Ok(area_files),
        ([], [], [only]) => Ok(vec![only.clone()]),
        _ => Err(ImportError::NoSuchMember {
            source_name: source_files.name(),
            expected: "a file such as Data/ONSPD_MAY_2025_UK.csv or Data/NSPL_MAY_2025_UK.csv",
        }),
    }
}

fn is_whole_directory(member: &str) -> bool {
    let base = lowercase_file_name(member);
    (base.starts_with("onspd") || base.starts_with("nspl")) && base.ends_with("_uk.csv")
}

/// Collects the postcodes of a directory. The NHS Postcode Directory contains the same columns, but
/// not their names.
pub(super) struct DirectoryImporter {
    postcodes: Vec<PostcodeRecord>,
    duplicates: DuplicateCheck<Postcode>,
    mismatches: PositionMismatches,
    pub(super) report: ImportReport,
}

impl DirectoryImporter {
    pub(super) fn new(source_name: String) -> DirectoryImporter {
        DirectoryImporter {
            postcodes: Vec::new(),
            duplicates: DuplicateCheck::new(),
            mismatches: PositionMismatches::default(),
            report: ImportReport::new(source_name),
        }
    }

    fn import_file<R: Read>(
        &mut self,
        file: &str,
        mut rows: CsvRows<R>,
        lsoa: LsoaYear,
    ) -> Result<(), ImportError> {
        let header = rows.read_header(canonical_name)?;
        check_is_header(file, &header)?;
        let columns = ColumnIndices::from_header(&header, lsoa)?;
        self.check_header(file, &header, &columns)?;
        self.import_rows(rows, &columns)
    }

    /// Imports the rows after the header row or, if there is no header row, all rows.
    pub(super) fn import_rows<R: Read>(
        &mut self,
        mut rows: CsvRows<R>,
        columns: &ColumnIndices,
    ) -> Result<(), ImportError> {
        while let Some(row) = rows.next()? {
            self.report.read += 1;
            match columns.parse_row(&row) {
                Ok(record) => {
                    let postcode = record.postcode;
                    self.duplicates
                        .check(postcode, &row, || format!("postcode `{postcode}`"))?;
                    self.mismatches.check(columns, &row, record.position);
                    self.report.kept += 1;
                    self.postcodes.push(record);
                }
                Err(error) => error.add_to_report(&row, &mut self.report),
            }
        }
        rows.warn_if_truncated(&mut self.report);
        Ok(())
    }

    fn check_header(
        &mut self,
        file: &str,
        header: &HeaderRow,
        columns: &ColumnIndices,
    ) -> Result<(), ImportError> {
        let vintage = district_vintage(header).or_else(|| edition_from_file_name(file));
        if self.report.vintage.is_some() && self.report.vintage != vintage {
            return Err(ImportError::Conflict {
                file: file.to_string(),
                line: 1,
                what: format!(
                    "the previous files are of edition {}; use files of one edition",
                    self.report.vintage.as_deref().unwrap_or_default()
                ),
            });
        }
        self.report.vintage = vintage;
        if columns.lat_long.is_none() {
            self.warn_once("positions were not checked: no `lat` and `long` columns".to_string());
        }
        let unknown_columns: Vec<&str> = header
            .columns()
            .filter(|(_, name)| !is_known_column(name))
            .map(|(written, _)| written)
            .collect();
        if !unknown_columns.is_empty() {
            let names = unknown_columns.join("`, `");
            self.warn_once(format!("unknown columns were ignored: `{names}`"));
        }
        Ok(())
    }

    /// Adds a warning, unless it was already added for the file of another postcode area.
    fn warn_once(&mut self, warning: String) {
        if !self.report.warnings.contains(&warning) {
            self.report.warnings.push(warning);
        }
    }

    pub(super) fn finish(mut self) -> Result<(Vec<PostcodeRecord>, ImportReport), ImportError> {
        if self.postcodes.is_empty() {
            return Err(self.report.into_empty_error());
        }
        self.report.warnings.extend(self.mismatches.warning());
        self.postcodes.sort_unstable_by_key(|row| row.postcode);
        Ok((self.postcodes, self.report))
    }
}

/// Checks that the first row contains names, because a file without a header row can only be the
/// NHS Postcode Directory.
fn check_is_header(file: &str, header: &HeaderRow) -> Result<(), ImportError> {
    let first = header.columns().next().map(|(written, _)| written);
    if first.is_none_or(|first| first.parse::<Postcode>().is_err()) {
        return Ok(());
    }
    Err(ImportError::UnknownTable {
        file: file.to_string(),
        line: 1,
        first_row: header
            .columns()
            .map(|(written, _)| written.to_string())
            .collect(),
        expected:
            "expected a header row with the names of the columns; the NHS Postcode Directory, \
                   which has none, needs the format `nhspd-lsoa11` or `nhspd-lsoa21`"
                .to_string(),
    })
}

/// Converts a column name to lower case, and removes the final `cd` and the year before the `cd`:
/// `LAD25CD` becomes `lad`. A file may contain output areas, LSOAs and MSOAs of several censuses,
/// so the names of these columns keep the year: `lsoa21cd` becomes `lsoa21`.
fn canonical_name(name: &str) -> String {
    let name = name
        .trim_start_matches('\u{feff}')
        .trim()
        .to_ascii_lowercase();
    let Some((stem, _)) = split_year(&name) else {
        return name;
    };
    if stem.ends_with("oa") {
        name.trim_end_matches("cd").to_string()
    } else {
        stem.to_string()
    }
}

/// Splits `lad25cd` into `lad` and `25`.
fn split_year(name: &str) -> Option<(&str, &str)> {
    let dated = name.strip_suffix("cd")?;
    let (stem, year) = dated.split_at_checked(dated.len().checked_sub(2)?)?;
    let is_year = year.bytes().all(|byte| byte.is_ascii_digit());
    (is_year && !stem.is_empty()).then_some((stem, year))
}

/// Returns the year of the district codes, such as `25`.
fn district_vintage(header: &HeaderRow) -> Option<String> {
    header
        .columns()
        .filter(|(_, name)| *name == "lad")
        .find_map(|(written, _)| Some(split_year(&written.to_ascii_lowercase())?.1.to_string()))
}

/// Returns the month and year in a file name such as `ONSPD_FEB_2023_UK.csv`.
pub(super) fn edition_from_file_name(file: &str) -> Option<String> {
    let base = lowercase_file_name(file).to_ascii_uppercase();
    let words: Vec<&str> = base.split(['_', '.']).collect();
    words
        .windows(2)
        .find(|pair| {
            pair[0].len() == 3
                && pair[0].bytes().all(|byte| byte.is_ascii_uppercase())
                && pair[1].len() == 4
                && pair[1].bytes().all(|byte| byte.is_ascii_digit())
        })
        .map(|pair| pair.join(" "))
}

/// The canonical names of the columns of the editions from 2011 to 2026, and of the columns that a
/// map server adds.
const KNOWN_COLUMNS: &str = "pcd pcd2 pcd7 pcd8 pcds dointr doterm oscty cty ced oslaua laua lad osward ward \
    wd parish parncp usertype usrtypind oseast1m east1m osnrth1m north1m osgrdind gridind oshlthau \
    hlthau hlth hro nhser ctry rgn gor streg ssr pcon eer teclec educ ttwa pct pco nuts itl psed \
    cened edind statsward wdstl oa01 casward wdcas park npark lsoa01 msoa01 ur01ind ruc01ind oac01 \
    oac01ind oa11 lsoa11 msoa11 wz wz11 ccg sicbl bua bua11 bua22 bua24 buasd11 ru11ind ruc11ind \
    oac11 oac11ind lat long lep1 lep2 lep21cd1 lep21cd2 pfa imd imd20ind imd25ind calncv cal stp icb \
    oa21 lsoa21 msoa21 ruc21 ruc21ind oac21ind oldpct oldha x y objectid fid globalid";

fn is_known_column(name: &str) -> bool {
    KNOWN_COLUMNS.split_whitespace().any(|known| known == name)
}

const POSTCODE: &[&str] = &["pcds", "pcd7", "pcd", "pcd8", "pcd2"];
const INTRODUCED: &[&str] = &["dointr"];
const TERMINATED: &[&str] = &["doterm"];
const USER_TYPE: &[&str] = &["usertype", "usrtypind"];
const EASTING: &[&str] = &["oseast1m", "east1m"];
const NORTHING: &[&str] = &["osnrth1m", "north1m"];
const QUALITY: &[&str] = &["osgrdind", "gridind"];
const COUNTRY: &[&str] = &["ctry"];
const LSOA: &[&str] = &["lsoa21", "lsoa11"];
const SUB_ICB: &[&str] = &["sicbl", "ccg"];

pub(super) const FORMAT: TableFormat = TableFormat {
    title: "ONS Postcode Directory or National Statistics Postcode Lookup",
    columns: FormatColumns::Aliases {
        required: &[
            POSTCODE, INTRODUCED, TERMINATED, USER_TYPE, EASTING, NORTHING, QUALITY, COUNTRY, LSOA,
            SUB_ICB,
        ],
        known: is_known_column,
        canonical: canonical_name,
    },
};

/// Returns the censuses whose LSOAs a file with this header row has.
pub(super) fn lsoa_years(header: &[String]) -> Vec<LsoaYear> {
    let has = |year: &LsoaYear| {
        header
            .iter()
            .any(|name| canonical_name(name) == year.column())
    };
    let mut years = vec![LsoaYear::Lsoa11, LsoaYear::Lsoa21];
    years.retain(has);
    years
}

/// The indices of the columns that are read.
pub(super) struct ColumnIndices {
    pub(super) postcode: usize,
    pub(super) introduced: usize,
    pub(super) terminated: usize,
    pub(super) user_type: usize,
    pub(super) easting: usize,
    pub(super) northing: usize,
    pub(super) quality: usize,
    pub(super) country: usize,
    pub(super) lsoa: usize,
    /// The column of the LSOAs of 2021, unless they are the statistical areas.
    pub(super) lsoa21: Option<usize>,
    pub(super) council: Option<usize>,
    pub(super) sub_icb: Option<usize>,
    pub(super) lat_long: Option<(usize, usize)>,
}

impl ColumnIndices {
    fn from_header(header: &HeaderRow, lsoa: LsoaYear) -> Result<ColumnIndices, ImportError> {
        Ok(ColumnIndices {
            postcode: header.require(POSTCODE)?,
            introduced: header.require(INTRODUCED)?,
            terminated: header.require(TERMINATED)?,
            user_type: header.require(USER_TYPE)?,
            easting: header.require(EASTING)?,
            northing: header.require(NORTHING)?,
            quality: header.require(QUALITY)?,
            country: header.require(COUNTRY)?,
            lsoa: require_lsoa(header, lsoa)?,
            lsoa21: match lsoa {
                LsoaYear::Lsoa11 => header.find(&["lsoa21"])?,
                LsoaYear::Lsoa21 => None,
            },
            council: header.find(&["oslaua", "laua", "lad"])?,
            sub_icb: Some(header.require(SUB_ICB)?),
            lat_long: header.find(&["lat"])?.zip(header.find(&["long"])?),
        })
    }

    fn parse_row(&self, row: &CsvRow<'_>) -> Result<PostcodeRecord, RowError> {
        let postcode: Postcode = row
            .text(self.postcode)
            .parse()
            .map_err(|_| RowError::Rejected("column `pcds`: must be a postcode"))?;
        self.check_country(row, postcode)?;
        let (introduced, terminated) = self.parse_months(row)?;
        let quality = self.parse_quality(row)?;
        Ok(PostcodeRecord {
            postcode,
            position: self.parse_position(row, quality)?,
            positional_quality: Some(quality),
            is_large_user: self.is_large_user(row)?,
            status: match terminated {
                None => DirectoryStatus::Live,
                Some(_) => DirectoryStatus::Terminated,
            },
            introduced,
            termination: terminated.map(Termination::in_month),
            statistical_area: parse_gss_code(row.text(self.lsoa)),
            codes: self.parse_codes(row)?,
            sub_icb: self
                .sub_icb
                .and_then(|column| parse_gss_code(row.text(column))),
        })
    }

    /// Skips postcodes outside Great Britain. Northern Ireland is also recognised by its postcodes,
    /// so that a position on the Irish Grid with a wrong country code is never interpreted as a
    /// position on the British National Grid.
    fn check_country(&self, row: &CsvRow<'_>, postcode: Postcode) -> Result<(), RowError> {
        match row.text(self.country) {
            _ if postcode.outcode() == "ZZ99" => Err(RowError::Skipped(
                "pseudo postcodes (ZZ99), which have no place",
            )),
            _ if postcode.outcode().starts_with("BT") => Err(RowError::Skipped("Northern Ireland")),
            "E92000001" | "S92000003" | "W92000004" => Ok(()),
            "N92000002" => Err(RowError::Skipped("Northern Ireland")),
            "L93000001" => Err(RowError::Skipped("Channel Islands")),
            "M83000003" => Err(RowError::Skipped("Isle of Man")),
            _ => Err(RowError::Rejected(
                "column `ctry`: must be E92000001, S92000003, W92000004, N92000002, L93000001 or \
                 M83000003",
            )),
        }
    }

    fn parse_months(
        &self,
        row: &CsvRow<'_>,
    ) -> Result<(Option<YearMonth>, Option<YearMonth>), RowError> {
        let introduced = parse_month(row.text(self.introduced)).map_err(|()| {
            RowError::Rejected("column `dointr`: must be blank or a month written YYYYMM")
        })?;
        let terminated = parse_month(row.text(self.terminated)).map_err(|()| {
            RowError::Rejected("column `doterm`: must be blank or a month written YYYYMM")
        })?;
        match (introduced, terminated) {
            (Some(introduced), Some(terminated)) if introduced > terminated => Err(
                RowError::Rejected("column `doterm`: must be no earlier than `dointr`"),
            ),
            months => Ok(months),
        }
    }

    fn parse_codes(&self, row: &CsvRow<'_>) -> Result<PostcodeCodes, RowError> {
        let parse = |column: Option<usize>, reason: &'static str| {
            let text = column.and_then(|column| parse_gss_code(row.text(column)));
            let code = text.map(|text| text.parse::<GssCode>()).transpose();
            code.map_err(|_| RowError::Rejected(reason))
        };
        Ok(PostcodeCodes {
            council: parse(
                self.council,
                "column `oslaua`: must be a code such as E06000063, or blank",
            )?,
            lsoa21: parse(
                self.lsoa21,
                "column `lsoa21`: must be a code such as E01012571, or blank",
            )?,
            ..PostcodeCodes::default()
        })
    }

    /// Parses the user type strictly. A reader that interprets any text other than 0 as "large
    /// user" would treat every postcode as a large user if the column were missing.
    fn is_large_user(&self, row: &CsvRow<'_>) -> Result<bool, RowError> {
        match row.text(self.user_type) {
            "0" => Ok(false),
            "1" => Ok(true),
            _ => Err(RowError::Rejected(
                "column `usertype`: must be 0 (small user) or 1 (large user)",
            )),
        }
    }

    fn parse_quality(&self, row: &CsvRow<'_>) -> Result<PositionalQuality, RowError> {
        let value = row.text(self.quality).parse().ok();
        value
            .and_then(PositionalQuality::new)
            .filter(|quality| matches!(quality, PositionalQuality::Ons(_)))
            .ok_or(RowError::Rejected(
                "column `gridind`: must be a number from 1 to 9",
            ))
    }

    fn parse_position(
        &self,
        row: &CsvRow<'_>,
        quality: PositionalQuality,
    ) -> Result<Option<BritishGrid>, RowError> {
        let latitude = self
            .lat_long
            .and_then(|(lat, _)| parse_finite(row.text(lat)));
        let has_no_position = quality.value() == QUALITY_NO_POSITION
            || latitude.is_some_and(|latitude| latitude >= FILLER_LATITUDE_MIN);
        if has_no_position {
            return Ok(None);
        }
        parse_finite(row.text(self.easting))
            .zip(parse_finite(row.text(self.northing)))
            .filter(|position| *position != (0.0, 0.0))
            .and_then(|(easting, northing)| BritishGrid::from_metres(easting, northing).ok())
            .map(Some)
            .ok_or(RowError::Rejected(
                "columns `oseast1m` and `osnrth1m`: must be metres on the British National Grid, \
                 unless `gridind` is 9",
            ))
    }
}

/// Returns the column of the LSOAs of this census.
///
/// # Errors
/// If the column is not in the file. If the file contains the LSOAs of the other census, the error
/// suggests the format for that census. For example, the National Statistics Postcode Lookup
/// contains only the LSOAs of 2021.
fn require_lsoa(header: &HeaderRow, lsoa: LsoaYear) -> Result<usize, ImportError> {
    let other = match lsoa {
        LsoaYear::Lsoa11 => LsoaYear::Lsoa21,
        LsoaYear::Lsoa21 => LsoaYear::Lsoa11,
    };
    let (found, other_column) = (
        header.find(&[lsoa.column()])?,
        header.find(&[other.column()])?,
    );
    match (found, other_column) {
        (None, Some(_)) => Err(ImportError::Refused {
            file: header.file().to_string(),
            reason: format!(
                "no column `{}` in the header row, only `{}`: use the format `onspd-{}`, and \
                 boundaries of the same year",
                lsoa.column(),
                other.column(),
                other.column()
            ),
        }),
        _ => header.require(&[lsoa.column()]),
    }
}

fn parse_finite(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

/// Parses a month. A blank cell means that the month is unknown or, for `doterm`, that the postcode
/// is live.
fn parse_month(text: &str) -> Result<Option<YearMonth>, ()> {
    match text {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|_| ()),
    }
}

/// Returns the GSS code, or `None` for a blank cell or a placeholder such as `S99999999`.
fn parse_gss_code(text: &str) -> Option<String> {
    let is_filler = text.get(1..).is_some_and(|digits| digits == "99999999");
    (!text.is_empty() && !is_filler).then(|| text.to_string())
}

/// The rows whose position in degrees does not match the easting and northing.
#[derive(Default)]
struct PositionMismatches {
    rows: AffectedRows,
}

impl PositionMismatches {
    fn check(&mut self, columns: &ColumnIndices, row: &CsvRow<'_>, position: Option<BritishGrid>) {
        let (Some((lat, long)), Some(position)) = (columns.lat_long, position) else {
            return;
        };
        if row.text(lat).is_empty() && row.text(long).is_empty() {
            return;
        }
        let is_near = parse_finite(row.text(long))
            .zip(parse_finite(row.text(lat)))
            .and_then(|(lon, lat)| geodesy::to_grid_metres(lon, lat))
            .is_some_and(|(easting, northing)| {
                let east_m = easting - position.easting_m();
                let north_m = northing - position.northing_m();
                east_m.hypot(north_m) <= POSITION_MISMATCH_M
            });
        if !is_near {
            self.rows.add(row.file, row.line);
        }
    }

    fn warning(&self) -> Option<String> {
        (self.rows.count > 0).then(|| {
            format!(
                "{} `lat` and `long` more than {POSITION_MISMATCH_M} m from the easting and northing; \
                 easting and northing were used ({})",
                count_with_noun(self.rows.count, "postcode has", "postcodes have"),
                self.rows
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::rows::fixture::{self, TestSource};
    use super::*;

    /// The header rows of published files.
    const UNTIL_2024: &str = "pcd,pcd2,pcds,dointr,doterm,oscty,ced,oslaua,osward,parish,usertype,oseast1m,osnrth1m,osgrdind,oshlthau,nhser,ctry,rgn,streg,pcon,eer,teclec,ttwa,pct,itl,statsward,oa01,casward,park,lsoa01,msoa01,ur01ind,oac01,oa11,lsoa11,msoa11,wz11,sicbl,bua11,buasd11,ru11ind,oac11,lat,long,lep1,lep2,pfa,imd,calncv,icb,oa21,lsoa21,msoa21";
    const SINCE_2025: &str = "pcd7,pcd8,pcds,dointr,doterm,cty25cd,ced25cd,lad25cd,wd25cd,parncp25cd,usrtypind,east1m,north1m,gridind,hlth19cd,nhser24cd,ctry25cd,rgn25cd,ssr95cd,pcon24cd,eer20cd,educ23cd,ttwa15cd,pco19cd,itl25cd,wdstl05cd,oa01cd,wdcas03cd,npark16cd,lsoa01cd,msoa01cd,ruc01ind,oac01ind,oa11cd,lsoa11cd,msoa11cd,wz11cd,sicbl24cd,bua24cd,ruc11ind,oac11ind,lat,long,lep21cd1,lep21cd2,pfa23cd,imd20ind,cal24cd,icb23cd,oa21cd,lsoa21cd,msoa21cd,ruc21ind";
    const NSPL_2026: &str = "pcd7,pcd8,pcds,dointr,doterm,usrtypind,east1m,north1m,gridind,oa21cd,cty26cd,ced26cd,lad26cd,wd26cd,nhser24cd,ctry26cd,rgn26cd,pcon24cd,ttwa15cd,itl25cd,npark16cd,lsoa21cd,msoa21cd,wz11cd,sicbl26cd,bua24cd,ruc21ind,oac21ind,lat,long,lep21cd1,lep21cd2,pfa23cd,imd25ind,icb26cd";
    /// The 55 columns of August 2026.
    const ONSPD_2026: &str = "pcd7,pcd8,pcds,dointr,doterm,cty26cd,ced26cd,lad26cd,wd26cd,parncp26cd,usrtypind,east1m,north1m,gridind,hlth19cd,nhser24cd,ctry26cd,rgn26cd,ssr95cd,pcon24cd,eer20cd,educ23cd,ttwa15cd,pco19cd,itl25cd,wdstl05cd,oa01cd,wdcas03cd,npark16cd,lsoa01cd,msoa01cd,ruc01ind,oac01ind,oa11cd,lsoa11cd,msoa11cd,wz11cd,sicbl26cd,bua24cd,ruc11ind,oac11ind,lat,long,lep21cd1,lep21cd2,pfa23cd,imd20ind,cal24cd,icb26cd,oa21cd,lsoa21cd,msoa21cd,ruc21ind,oac21ind,imd25ind";
    const NSPL_2020: &str = "pcd,pcd2,pcds,dointr,doterm,usertype,oseast1m,osnrth1m,osgrdind,oa11,cty,ced,laua,ward,hlthau,nhser,ctry,rgn,pcon,eer,teclec,ttwa,pct,nuts,park,lsoa11,msoa11,wz11,ccg,bua11,buasd11,ru11ind,oac11,lat,long,lep1,lep2,pfa,imd,calncv,stp";

    /// Formats a row with the columns of a header row. Cells that are not in `cells` are blank.
    fn row(header: &str, cells: &[(&str, &str)]) -> String {
        let cell = |name: &str| {
            let name = canonical_name(name);
            let found = cells
                .iter()
                .find(|(column, _)| aliases(column).contains(&name.as_str()));
            found.map_or("", |(_, value)| *value)
        };
        header.split(',').map(cell).collect::<Vec<_>>().join(",")
    }

    fn aliases(column: &str) -> Vec<&str> {
        match column {
            "pcd" => vec!["pcd", "pcd7"],
            "usertype" => vec!["usertype", "usrtypind"],
            "oseast1m" => vec!["oseast1m", "east1m"],
            "osnrth1m" => vec!["osnrth1m", "north1m"],
            "osgrdind" => vec!["osgrdind", "gridind"],
            "oslaua" => vec!["oslaua", "laua", "lad"],
            "sicbl" => vec!["sicbl", "ccg"],
            other => vec![other],
        }
    }

    /// A live postcode at the position of PR3 0SG. The grid reference and the degrees match.
    const LIVE: [(&str, &str); 14] = [
        ("pcd", "LA1 1AA"),
        ("pcds", "LA1 1AA"),
        ("dointr", "198001"),
        ("usertype", "0"),
        ("oseast1m", "351012"),
        ("osnrth1m", "0440302"),
        ("osgrdind", "1"),
        ("ctry", "E92000001"),
        ("oslaua", "E07000121"),
        ("lsoa11", "E01025152"),
        ("lsoa21", "E01035000"),
        ("sicbl", "E38000228"),
        ("lat", "53.856635"),
        ("long", "-2.746251"),
    ];

    /// Returns [`LIVE`] with some cells changed.
    fn with<'a>(changes: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        let mut cells = changes.to_vec();
        cells.extend(LIVE);
        cells
    }

    fn table(header: &str, rows: &[Vec<(&str, &str)>]) -> String {
        let mut text = format!("{header}\n");
        for cells in rows {
            text.push_str(&row(header, cells));
            text.push('\n');
        }
        text
    }

    fn read_all(
        mut published: TestSource,
    ) -> Result<(Vec<PostcodeRecord>, ImportReport), ImportError> {
        read(&mut published.source_files, LsoaYear::Lsoa21)
    }

    fn read_file(
        text: impl AsRef<[u8]>,
    ) -> Result<(Vec<PostcodeRecord>, ImportReport), ImportError> {
        read_all(fixture::file("o.csv", text))
    }

    #[track_caller]
    fn check_file_error(text: impl AsRef<[u8]>, expected: &str) {
        assert_eq!(
            read_file(text).expect_err("an invalid file").to_string(),
            expected
        );
    }

    /// Checks that a row with these changes to [`LIVE`] is rejected because of the column `column`.
    #[track_caller]
    fn check_rejected(changes: &[(&str, &str)], column: &str) {
        let mut cells = changes.to_vec();
        cells.push(("pcds", "LA1 1AB"));
        let text = table(UNTIL_2024, &[LIVE.to_vec(), with(&cells)]);
        let (postcodes, report) = read_file(text).expect("the first row is valid");
        assert_eq!((postcodes.len(), report.read, report.kept), (1, 2, 1));
        let (reason, rejected) = report.rejected.first_key_value().expect("one rejected row");
        assert!(reason.contains(column), "{report}");
        assert_eq!(
            rejected.first_locations,
            [("o.csv".to_string(), 3)],
            "{report}"
        );
    }

    #[track_caller]
    fn check_skipped(changes: &[(&str, &str)], reason: &str) {
        let text = table(UNTIL_2024, &[LIVE.to_vec(), with(changes)]);
        let (postcodes, report) = read_file(text).expect("the first row is valid");
        assert_eq!((postcodes.len(), report.skipped[reason]), (1, 1));
    }

    #[test]
    fn every_family_of_headers_gives_the_same_postcode() {
        for (header, vintage) in [
            (UNTIL_2024, None),
            (SINCE_2025, Some("25")),
            (NSPL_2026, Some("26")),
            (ONSPD_2026, Some("26")),
        ] {
            let terminated = with(&[
                ("pcd", "LA1 1AB"),
                ("pcds", "LA1 1AB"),
                ("doterm", "199606"),
            ]);
            let text = table(header, &[LIVE.to_vec(), terminated]);
            let (postcodes, report) = read_file(&text).expect("a directory");
            let [live, terminated] = &postcodes[..] else {
                panic!("two postcodes: {report}")
            };
            let position = live.position.expect("a position");
            assert_eq!(live.postcode.to_string(), "LA1 1AA");
            assert_eq!(
                (position.easting_m(), position.northing_m()),
                (351_012.0, 440_302.0)
            );
            assert_eq!(live.positional_quality, Some(PositionalQuality::Ons(1)));
            assert_eq!(live.introduced, "198001".parse().ok());
            assert_eq!(live.statistical_area.as_deref(), Some("E01035000"));
            assert_eq!(live.sub_icb.as_deref(), Some("E38000228"));
            assert!(live.status == DirectoryStatus::Live && !live.is_large_user);
            assert_eq!(live.codes.council, "E07000121".parse().ok());
            assert_eq!(live.codes.lsoa21, None);
            assert_eq!(terminated.status, DirectoryStatus::Terminated);
            let month = terminated.termination.and_then(Termination::month);
            assert_eq!(month, "199606".parse().ok());
            assert_eq!(report.vintage.as_deref(), vintage);
            assert!(report.warnings.is_empty(), "{report}");
        }
    }

    #[test]
    fn lsoa_census_year_is_selectable() {
        for header in [UNTIL_2024, SINCE_2025, NSPL_2020] {
            let mut published = fixture::file("o.csv", table(header, &[LIVE.to_vec()]));
            let (postcodes, _) =
                read(&mut published.source_files, LsoaYear::Lsoa11).expect("a directory");
            assert_eq!(postcodes[0].statistical_area.as_deref(), Some("E01025152"));
            let lsoa21 = header.contains("lsoa21").then_some("E01035000");
            let code = postcodes[0].codes.lsoa21;
            assert_eq!(code.map(|code| code.to_string()).as_deref(), lsoa21);
        }
    }

    #[test]
    fn upper_case_reordered_and_extra_columns_are_accepted() {
        let mut names: Vec<String> = SINCE_2025.split(',').rev().map(str::to_uppercase).collect();
        names.extend(["ObjectId".to_string(), "SHOE_SIZE".to_string()]);
        let header = names.join(",");
        let text = format!("\u{feff}{}", table(&header, &[LIVE.to_vec()])).replace('\n', "\r\n");
        let (postcodes, report) = read_file(text).expect("a directory");
        assert_eq!(postcodes.len(), 1);
        assert_eq!(
            report.warnings,
            ["unknown columns were ignored: `SHOE_SIZE`"]
        );
    }

    #[test]
    fn a_missing_column_is_named_with_its_other_names() {
        for (column, expected) in [
            ("usertype", "usertype, usrtypind"),
            ("oseast1m", "oseast1m, east1m"),
            ("osnrth1m", "osnrth1m, north1m"),
            ("osgrdind", "osgrdind, gridind"),
            ("dointr", "dointr"),
            ("doterm", "doterm"),
            ("ctry", "ctry"),
            ("sicbl", "sicbl, ccg"),
        ] {
            let header = UNTIL_2024.replace(&format!(",{column},"), ",other,");
            check_file_error(
                table(&header, &[LIVE.to_vec()]),
                &format!("o.csv: no column `{expected}` in the header row"),
            );
        }
        check_file_error(
            table("name,age", &[]),
            "o.csv: no column `pcds, pcd7, pcd, pcd8, pcd2` in the header row",
        );
    }

    #[test]
    fn a_directory_with_lsoas_of_the_other_census_names_its_format() {
        let error = |header: &str, lsoa| {
            let mut published = fixture::file("o.csv", table(header, &[LIVE.to_vec()]));
            let error = read(&mut published.source_files, lsoa).expect_err("no such LSOAs");
            error.to_string()
        };
        assert_eq!(
            error(NSPL_2026, LsoaYear::Lsoa11),
            "o.csv: no column `lsoa11` in the header row, only `lsoa21`: use the format \
             `onspd-lsoa21`, and boundaries of the same year"
        );
        assert!(error(NSPL_2020, LsoaYear::Lsoa21).contains("`onspd-lsoa11`"));
        let neither = UNTIL_2024
            .replace(",lsoa11,", ",a,")
            .replace(",lsoa21,", ",b,");
        check_file_error(
            table(&neither, &[LIVE.to_vec()]),
            "o.csv: no column `lsoa21` in the header row",
        );
    }

    #[test]
    fn a_file_without_a_header_row_names_the_format_of_the_nhs_directory() {
        let error = read_file("LA1  1AA,LA1 1AA,198001\n").expect_err("no header row");
        assert!(error.to_string().contains("`nhspd-lsoa11`"), "{error}");
    }

    #[test]
    fn duplicate_column_is_rejected() {
        check_file_error(
            table(&format!("{SINCE_2025},ctry24cd"), &[LIVE.to_vec()]),
            "o.csv, line 1: `ctry25cd` and `ctry24cd` are both the column `ctry`; remove one of the two columns",
        );
    }

    #[test]
    fn column_years_are_stripped_except_census_years() {
        for (written, expected) in [
            ("lad25cd", "lad"),
            (" LAD26CD ", "lad"),
            ("ctry12cd", "ctry"),
            ("sicbl24cd", "sicbl"),
            ("lsoa11cd", "lsoa11"),
            ("lsoa21", "lsoa21"),
            ("oa21cd", "oa21"),
            ("pcd", "pcd"),
            ("pcd7", "pcd7"),
            ("25cd", "25cd"),
            ("é25cd", "é"),
            ("cd", "cd"),
            ("", ""),
        ] {
            assert_eq!(canonical_name(written), expected, "{written}");
        }
    }

    #[test]
    fn position_fillers_are_read_as_none() {
        for filler in [
            &[
                ("osgrdind", "9"),
                ("oseast1m", ""),
                ("osnrth1m", ""),
                ("lat", "99.999999"),
                ("long", "0.000000"),
            ][..],
            &[("osgrdind", "9")],
            &[("lat", "99.999999"), ("long", "0.000000")],
        ] {
            let (postcodes, report) =
                read_file(table(SINCE_2025, &[with(filler)])).expect("a directory");
            assert!(postcodes[0].position.is_none());
            assert!(report.warnings.is_empty(), "{report}");
        }
    }

    #[test]
    fn area_fillers_are_read_as_none() {
        let text = table(
            UNTIL_2024,
            &[with(&[("lsoa21", "W99999999"), ("sicbl", "S99999999")])],
        );
        let (postcodes, _) = read_file(text).expect("a directory");
        assert!(postcodes[0].statistical_area.is_none() && postcodes[0].sub_icb.is_none());
    }

    #[test]
    fn northern_ireland_and_the_islands_are_skipped_and_counted() {
        check_skipped(
            &[("pcds", "BT1 1AA"), ("ctry", "N92000002")],
            "Northern Ireland",
        );
        check_skipped(&[("pcds", "BT1 1AA")], "Northern Ireland");
        check_skipped(
            &[
                ("pcds", "JE2 4WD"),
                ("ctry", "L93000001"),
                ("osgrdind", "9"),
            ],
            "Channel Islands",
        );
        check_skipped(
            &[
                ("pcds", "IM1 1AA"),
                ("ctry", "M83000003"),
                ("osgrdind", "9"),
            ],
            "Isle of Man",
        );
    }

    #[test]
    fn invalid_row_is_counted_with_its_line() {
        check_rejected(&[("pcds", "LA1")], "`pcds`");
        check_rejected(&[("ctry", "")], "`ctry`");
        check_rejected(&[("dointr", "AAAAAA")], "`dointr`");
        check_rejected(&[("doterm", "AAAAAA")], "`doterm`");
        check_rejected(&[("doterm", "199613")], "`doterm`");
        check_rejected(&[("doterm", "197912")], "no earlier than `dointr`");
        check_rejected(&[("usertype", "")], "`usertype`");
        check_rejected(&[("usertype", "large")], "`usertype`");
        check_rejected(&[("osgrdind", "")], "`gridind`");
        check_rejected(&[("osgrdind", "10")], "`gridind`");
        check_rejected(&[("oseast1m", "")], "`oseast1m`");
        check_rejected(&[("oseast1m", "0"), ("osnrth1m", "0")], "`oseast1m`");
        check_rejected(&[("osnrth1m", "NaN")], "`osnrth1m`");
        check_rejected(&[("osnrth1m", "9999999")], "`osnrth1m`");
    }

    #[test]
    fn a_large_user_is_flagged() {
        let text = table(UNTIL_2024, &[with(&[("usertype", "1")])]);
        assert!(read_file(text).expect("a directory").0[0].is_large_user);
    }

    #[test]
    fn mismatched_degrees_are_a_warning() {
        let near = with(&[("pcds", "LA1 1AB"), ("lat", "53.856675")]);
        let far = with(&[("pcds", "LA1 1AD"), ("lat", "53.856695")]);
        let unreadable = with(&[("pcds", "LA1 1AE"), ("long", "west")]);
        let text = table(UNTIL_2024, &[LIVE.to_vec(), near, far, unreadable]);
        let (postcodes, report) = read_file(text).expect("a directory");
        assert_eq!(postcodes.len(), 4);
        assert_eq!(
            report.warnings,
            [
                "2 postcodes have `lat` and `long` more than 5 m from the easting and northing; easting and northing were used (o.csv line 4, o.csv line 5)"
            ]
        );
    }

    #[test]
    fn duplicate_postcode_is_rejected() {
        let text = table(UNTIL_2024, &[LIVE.to_vec(), with(&[("pcds", "la11aa")])]);
        check_file_error(
            text,
            "o.csv, line 3: postcode `LA1 1AA` is already in o.csv, line 2; remove one of the two rows",
        );
    }

    #[test]
    fn truncated_file_is_rejected_with_its_line() {
        let text = table(UNTIL_2024, &[LIVE.to_vec(), with(&[("pcds", "LA1 1AB")])]);
        check_file_error(
            &text[..text.len() - 30],
            "o.csv, line 3: expected 53 cells, as in the first row, but found 43; was the file truncated?",
        );
    }

    #[test]
    fn directory_without_usable_rows_is_an_error() {
        check_file_error("", "o.csv: no usable rows (0 rows read)");
        check_file_error(
            format!("{UNTIL_2024}\r\n"),
            "o.csv: no usable rows (0 rows read)",
        );
        let text = table(UNTIL_2024, &[with(&[("usertype", "")])]);
        check_file_error(
            text,
            "o.csv: no usable rows (1 row read); the first is o.csv, line 2: column `usertype`: must \
             be 0 (small user) or 1 (large user)",
        );
    }

    #[test]
    fn whole_directory_is_preferred_to_area_files() {
        let (first, second) = (LIVE.to_vec(), with(&[("pcds", "LE1 1AB")]));
        let whole = table(UNTIL_2024, &[first.clone(), second.clone()]);
        let (part_la, part_le) = (table(UNTIL_2024, &[first]), table(UNTIL_2024, &[second]));
        let parts = [
            ("Data/multi_csv/ONSPD_FEB_2023_UK_LA.csv", &part_la[..]),
            ("Data/multi_csv/ONSPD_FEB_2023_UK_LE.csv", &part_le[..]),
            ("Documents/LSOA names and codes.csv", "code,name\n"),
        ];
        let mut files = parts.to_vec();
        files.push(("Data/ONSPD_FEB_2023_UK.csv", &whole[..]));
        for published in [
            fixture::archive("onspd.zip", &files),
            fixture::folder(&files),
            fixture::archive("onspd.zip", &parts),
        ] {
            let (postcodes, report) = read_all(published).expect("the layout of ONS");
            assert_eq!((postcodes.len(), report.read), (2, 2));
            assert_eq!(report.vintage.as_deref(), Some("FEB 2023"));
            assert!(report.warnings.is_empty(), "{report}");
        }
    }

    #[test]
    fn ambiguous_or_missing_directory_is_rejected() {
        let text = table(UNTIL_2024, &[LIVE.to_vec()]);
        let two = [
            ("ONSPD_FEB_2023_UK.csv", &text[..]),
            ("ONSPD_MAY_2023_UK.csv", &text[..]),
        ];
        assert_eq!(
            read_all(fixture::folder(&two))
                .expect_err("two")
                .to_string(),
            "published/ONSPD_MAY_2023_UK.csv, line 1: `ONSPD_FEB_2023_UK.csv` also lists all postcodes; give the path of the file to read"
        );
        let error = read_all(fixture::folder(&[("a.csv", "a\n"), ("b.csv", "b\n")]));
        assert_eq!(
            error.expect_err("none").to_string(),
            "published: does not contain a file such as Data/ONSPD_MAY_2025_UK.csv or Data/NSPL_MAY_2025_UK.csv"
        );
    }

    #[test]
    fn area_files_of_two_editions_are_rejected() {
        let old = table(SINCE_2025, &[LIVE.to_vec()]);
        let header = SINCE_2025.replace("lad25cd", "lad26cd");
        let new = table(&header, &[with(&[("pcds", "LE1 1AB")])]);
        let error = read_all(fixture::folder(&[
            ("multi_csv/LA.csv", &old),
            ("multi_csv/LE.csv", &new),
        ]));
        assert_eq!(
            error.expect_err("two editions").to_string(),
            "published/multi_csv/LE.csv, line 1: the previous files are of edition 25; use files of one edition"
        );
    }

    proptest! {
        #[test]
        fn no_row_panics(cells in prop::collection::vec("[A-Z0-9é.-]{0,9}", 8), bytes: Vec<u8>) {
            let columns = ["pcds", "dointr", "doterm", "usertype", "oseast1m", "osgrdind", "lsoa21", "lat"];
            let odd: Vec<(&str, &str)> = columns.into_iter().zip(cells.iter().map(String::as_str)).collect();
            for (column, cell) in &odd {
                let _ = read_file(table(SINCE_2025, &[with(&[(*column, *cell)])]));
            }
            let _ = read_file(table(SINCE_2025, &[with(&odd)]));
            let _ = read_file(format!("{},a\n1,2", cells.join(",")));
            let _ = read_file(bytes);
        }
    }

    #[test]
    fn real_directory_is_imported_except_the_channel_islands() {
        let Some(mut source_files) = fixture::open_real_file("onspd-sample-53-columns.csv") else {
            return;
        };
        let (postcodes, report) = read(&mut source_files, LsoaYear::Lsoa11).expect("as published");
        println!("{report}");
        assert_eq!((report.read, report.kept), (8_048, 8_047));
        assert_eq!(report.skipped["Channel Islands"], 1);
        assert!(report.warnings[0].starts_with("42 postcodes"), "{report}");
        assert_eq!(
            postcodes
                .iter()
                .filter(|row| row.status == DirectoryStatus::Live)
                .count(),
            4_236
        );
        assert_eq!(
            postcodes
                .iter()
                .filter(|row| row.position.is_none())
                .count(),
            1
        );
    }
}
