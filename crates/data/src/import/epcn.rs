//! Primary Care Networks (PCNs) and their practices, published by NHS ODS. The source is a
//! workbook, `ePCN.xlsx`, with the sheets `PCNDetails` and `PCN Core Partner Details`, or the same
//! two tables as CSV files (`epcn` and `epcncorepartnerdetails` of NHS ODS Data Search and Export).
//! The CSV files are recognised by their header rows or, if there is no header row, by the form of
//! their first rows.
//!
//! If there is a header row with the names of the workbook, columns are matched by name, in any
//! order. Otherwise, columns are matched by position. Cells of the header row contain line breaks,
//! so each run of white space in them is treated as one space. Dates are text (`YYYYMMDD` in the
//! workbook of 2024) or date cells. An end date is inclusive, so `Period::to` is the day after the
//! end date. A membership without an end date is current. The file also lists memberships that have
//! ended.

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek};
use std::path::Path;

use calamine::{Data, DataRef, Reader, Xlsx};
use jiff::civil::Date;
use zip::ZipArchive;

use super::ods::{amendments_refused, is_amendment_file, is_code};
use super::rows::{CsvRows, lowercase_file_name, member_label};
use super::source_files::LimitedReader;
use super::{ImportError, ImportReport, SourceFiles, dates};
use crate::formats::{FormatColumns, TableFormat};
use crate::panics;
use crate::plural::first_names;
use catchment_core::domain::{OdsCode, Period};

/// A Primary Care Network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pcn {
    pub(crate) code: OdsCode,
    pub(crate) name: String,
    /// The code of the PCN's current sub-ICB location or, if the PCN has closed, of its last
    /// sub-ICB location.
    pub(crate) sub_icb: Option<String>,
    pub(crate) period: Period,
}

/// A practice's membership of a PCN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PcnMembership {
    pub(crate) practice: OdsCode,
    pub(crate) pcn: OdsCode,
    pub(crate) period: Period,
}

/// The PCNs and memberships that the workbook lists.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PrimaryCareNetworks {
    /// The PCNs, in order of code.
    pub(crate) pcns: Vec<Pcn>,
    /// The memberships, in order of practice and then of first day.
    pub(crate) memberships: Vec<PcnMembership>,
}

const DETAILS_SHEET: &str = "PCNDetails";
const PARTNERS_SHEET: &str = "PCN Core Partner Details";

const DETAILS_COLUMNS: [&str; 5] = [
    "PCN Code",
    "PCN Name",
    "Current Sub ICB Loc Code",
    "Open Date",
    "Close Date",
];
const PARTNERS_COLUMNS: [&str; 4] = [
    "Partner Organisation Code",
    "PCN Code",
    "Practice to PCN Relationship Start Date",
    "Practice to PCN Relationship End Date",
];

const ADDRESS_COLUMNS: &[&str] = &[
    "Sub ICB Location",
    "Address Line 1",
    "Address Line 2",
    "Address Line 3",
    "Address Line 4",
    "Address Line 5",
    "Postcode",
];
const OTHER_PARTNERS_COLUMNS: &[&str] = &[
    "Partner Name",
    "Practice Parent Sub ICB Loc Code",
    "Practice Parent Sub ICB Loc Name",
    "PCN Name",
    "PCN Parent Sub ICB Loc Code",
    "PCN Parent Sub ICB Loc Name",
    "Practice to PCN Sub ICB Loc Match",
];

pub(super) const DETAILS_FORMAT: TableFormat = TableFormat {
    title: "NHS ODS epcn (sheet `PCNDetails`)",
    columns: FormatColumns::Named {
        required: &DETAILS_COLUMNS,
        optional: ADDRESS_COLUMNS,
        canonical: normalise,
    },
};
pub(super) const PARTNERS_FORMAT: TableFormat = TableFormat {
    title: "NHS ODS epcncorepartnerdetails (sheet `PCN Core Partner Details`)",
    columns: FormatColumns::Named {
        required: &PARTNERS_COLUMNS,
        optional: OTHER_PARTNERS_COLUMNS,
        canonical: normalise,
    },
};

/// The positions of these columns in a table without a header row, and the number of its columns.
const DETAILS_POSITIONS: ([usize; 5], usize) = ([0, 1, 2, 4, 5], 12);
const PARTNERS_POSITIONS: ([usize; 4], usize) = ([0, 4, 8, 9], 11);

/// The maximum number of columns that are read. The limit is needed because a corrupt cell
/// reference may refer to column 16,384.
const COLUMNS_MAX: usize = 64;
/// The maximum number of rows in a sheet. The largest published sheet contains 7,706 rows.
const ROWS_MAX: usize = 1 << 20;
/// The maximum size of the text of a cell, in bytes of UTF-8. Excel allows 32,767 characters.
const CELL_BYTES_MAX: usize = 32_767 * 4;
/// The maximum total size of the text of a sheet. The limit is needed because a shared string is
/// stored only once, but may be the text of every cell.
const TEXT_BYTES_MAX: usize = 64 << 20;
/// The maximum decompressed size of one part of a workbook. The limit is needed because calamine
/// reads all shared strings into memory. The largest published part is 3 MB.
const PART_BYTES_MAX: u64 = 64 << 20;
/// The maximum decompressed size of all parts of a workbook together.
const WORKBOOK_BYTES_MAX: u64 = 256 << 20;

/// Reads every PCN and every membership from the workbook, or from an archive or folder that
/// contains the workbook or the two CSV files.
///
/// # Errors
/// If the file cannot be read, a sheet or a column is missing, a PCN occurs twice, or one of the
/// two tables contains no valid row.
pub fn read(path: &Path) -> Result<(PrimaryCareNetworks, ImportReport), ImportError> {
    let mut source_files = SourceFiles::open(path)?;
    let mut report = ImportReport::new(source_files.name());
    let tables = open_tables(path, &mut source_files)?;
    if tables.details.is_csv && tables.partners.is_csv {
        report.source = format!("{}, {}", tables.details.name, tables.partners.name);
    }
    let mut networks = PrimaryCareNetworks {
        pcns: parse_rows(&tables.details, &DETAILS_COLUMNS, &mut report, parse_pcn)?,
        memberships: parse_rows(
            &tables.partners,
            &PARTNERS_COLUMNS,
            &mut report,
            parse_membership,
        )?,
    };
    networks.pcns.sort_by_key(|pcn| pcn.code);
    reject_duplicate_pcns(&tables.details.name, &networks.pcns)?;
    let order = |membership: &PcnMembership| {
        (
            membership.practice,
            membership.period.from,
            membership.pcn,
            membership.period.to,
        )
    };
    networks.memberships.sort_by_key(order);
    remove_duplicate_memberships(&mut networks.memberships, &mut report);
    warn_of_inconsistencies(&networks, &mut report);
    Ok((networks, report))
}

struct PcnTables {
    details: Sheet,
    partners: Sheet,
}

/// The unparsed rows of a table, each with its row number, counted from 1.
struct Sheet {
    name: String,
    /// Whether the table is a separate file instead of a sheet of a workbook.
    is_csv: bool,
    /// The positions of the columns, if they are not matched by the names in the first row.
    positions: Option<&'static [usize]>,
    rows: Vec<(u64, Vec<Data>)>,
}

fn open_tables(path: &Path, source_files: &mut SourceFiles) -> Result<PcnTables, ImportError> {
    let members = source_files.members();
    let is_workbook = members.iter().any(|name| name == "xl/workbook.xml");
    if is_workbook {
        let unreadable = |source| ImportError::Unreadable {
            path: path.into(),
            source,
        };
        let file = File::open(path).map_err(unreadable)?;
        return read_workbook(&source_files.name(), BufReader::new(file));
    }
    let members_with_extension = |ending: &str| {
        let matches = |name: &&String| lowercase_file_name(name).ends_with(ending);
        members.iter().filter(matches).collect::<Vec<_>>()
    };
    match (
        members_with_extension(".xlsx").as_slice(),
        members_with_extension(".csv").as_slice(),
    ) {
        ([only], _) => {
            let bytes = source_files.read_member(only)?;
            read_workbook(&member_label(source_files, only), Cursor::new(bytes))
        }
        ([], csv) if !csv.is_empty() => read_csv_tables(source_files, csv),
        _ => Err(ImportError::NoSuchMember {
            source_name: source_files.name(),
            expected: "exactly one workbook such as `ePCN.xlsx`, or its two tables as CSV files",
        }),
    }
}

fn read_workbook(file: &str, mut input: impl Read + Seek) -> Result<PcnTables, ImportError> {
    check_sizes(&mut input).map_err(|error| not_a_workbook(file, error))?;
    let read = || {
        let mut workbook = Xlsx::new(input).map_err(|error| not_a_workbook(file, error))?;
        Ok(PcnTables {
            details: read_sheet(file, &mut workbook, DETAILS_SHEET)?,
            partners: read_sheet(file, &mut workbook, PARTNERS_SHEET)?,
        })
    };
    // Some invalid cell references cause an integer overflow in calamine. Cargo.toml enables
    // overflow checks for calamine, so that calamine panics instead of returning wrong cells.
    panics::catch_expected(read).unwrap_or_else(|_| {
        let reason = "the file is damaged: a number is out of range";
        Err(not_a_workbook(file, reason))
    })
}

/// Decompresses every part of a workbook once to measure its size, because the sizes in the
/// archive's directory may be false.
///
/// # Errors
/// If the size of a part or the total size of all parts exceeds its limit. Input that is not an
/// archive is accepted, because calamine reports the error.
fn check_sizes(input: &mut (impl Read + Seek)) -> io::Result<()> {
    if let Ok(mut archive) = ZipArchive::new(&mut *input) {
        let mut bytes_left = WORKBOOK_BYTES_MAX;
        for index in 0..archive.len() {
            let Ok(part) = archive.by_index(index) else {
                continue;
            };
            let mut part = LimitedReader::new(part, bytes_left.min(PART_BYTES_MAX));
            match io::copy(&mut part, &mut io::sink()) {
                Ok(bytes) => bytes_left -= bytes,
                Err(error) if part.is_exceeded() => return Err(error),
                // A damaged part is accepted here, because calamine reports it.
                Err(_) => {}
            }
        }
    }
    input.rewind()
}

/// Reads a sheet cell by cell. Reading the whole range at once would allocate memory for every cell
/// up to the last row and column.
fn read_sheet<R: Read + Seek>(
    file: &str,
    workbook: &mut Xlsx<R>,
    title: &'static str,
) -> Result<Sheet, ImportError> {
    let names = workbook.sheet_names();
    let has_title = |name: &&String| normalise(name) == normalise(title);
    let Some(name) = names.iter().find(has_title) else {
        return Err(ImportError::NoSuchMember {
            source_name: file.to_string(),
            expected: match title {
                DETAILS_SHEET => "the sheet `PCNDetails`",
                _ => "the sheet `PCN Core Partner Details`",
            },
        });
    };
    let is_1904_epoch = workbook.has_1904_epoch();
    let mut cells = workbook
        .worksheet_cells_reader(name)
        .map_err(|error| not_a_workbook(file, error))?;
    let mut rows: Vec<(u64, Vec<Data>)> = Vec::new();
    let mut text_bytes_left = TEXT_BYTES_MAX;
    while let Some(cell) = cells
        .next_cell()
        .map_err(|error| not_a_workbook(file, error))?
    {
        let (row, column) = cell.get_position();
        let (row_number, column) = (u64::from(row) + 1, column as usize);
        if column >= COLUMNS_MAX || matches!(cell.get_value(), DataRef::Empty) {
            continue;
        }
        let bytes = text_bytes(cell.get_value());
        if bytes > CELL_BYTES_MAX {
            return Err(not_a_workbook(
                file,
                "a cell has more than 32,767 characters",
            ));
        }
        text_bytes_left = text_bytes_left
            .checked_sub(bytes)
            .ok_or_else(|| not_a_workbook(file, "the text of a sheet is larger than 64 MiB"))?;
        if rows.last().is_none_or(|(last, _)| *last != row_number) {
            if rows.len() == ROWS_MAX {
                return Err(not_a_workbook(file, "a sheet has more than 1,048,576 rows"));
            }
            rows.push((row_number, Vec::new()));
        }
        let Some((_, row)) = rows.last_mut() else {
            continue;
        };
        if row.len() <= column {
            row.resize(column + 1, Data::Empty);
        }
        row[column] = to_1900_epoch(cell.get_value().clone().into(), is_1904_epoch);
    }
    Ok(Sheet {
        name: format!("{file}, sheet {title}"),
        is_csv: false,
        positions: None,
        rows,
    })
}

fn text_bytes(cell: &DataRef<'_>) -> usize {
    match cell {
        DataRef::String(text) | DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => {
            text.len()
        }
        DataRef::SharedString(text) => text.len(),
        _ => 0,
    }
}

/// Converts a number that may be a date from the 1904 to the 1900 date system, if necessary.
fn to_1900_epoch(cell: Data, is_1904_epoch: bool) -> Data {
    let number = match &cell {
        Data::Float(number) => *number,
        Data::DateTime(day) => day.as_f64(),
        #[expect(
            clippy::cast_precision_loss,
            reason = "days and digits are far below 2^53"
        )]
        Data::Int(number) => *number as f64,
        _ => return cell,
    };
    let offset_days = if is_1904_epoch && number < 1e7 {
        dates::EPOCH_1904_OFFSET_DAYS
    } else {
        0
    };
    #[expect(clippy::cast_precision_loss, reason = "0 or 1462")]
    Data::Float(number + offset_days as f64)
}

fn not_a_workbook(file: &str, error: impl std::fmt::Display) -> ImportError {
    ImportError::InvalidFormat {
        file: file.to_string(),
        line: 1,
        expected: format!("not a valid workbook of Excel 2007 or later (.xlsx): {error}"),
    }
}

/// The table of networks, or the table of their practices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NetworkTable {
    Details,
    Partners,
}

/// Returns the table to which the first two rows of a CSV file belong, and whether the first row is
/// a header row.
pub(super) fn kind_of_rows(rows: &[Vec<String>]) -> Option<NetworkTable> {
    let cells = |row: &Vec<String>| row.iter().cloned().map(Data::String).collect();
    let mut sheet = Sheet {
        name: String::new(),
        is_csv: true,
        positions: None,
        rows: (1..).zip(rows.iter().take(2).map(cells)).collect(),
    };
    table_kind(&mut sheet)
}

/// Returns the newest date in the two tables of a workbook, up to `today`.
pub(super) fn newest_day(path: &Path, today: Date) -> Result<Option<Date>, ImportError> {
    let tables = open_tables(path, &mut SourceFiles::open(path)?)?;
    let rows = tables.details.rows.iter().chain(&tables.partners.rows);
    let days = rows
        .flat_map(|(_, cells)| cells)
        .filter_map(|cell| match cell {
            Data::Float(number) => dates::parse_number(*number).ok(),
            Data::String(text) => dates::parse_text(text).ok(),
            _ => None,
        });
    Ok(days.filter(|day| *day <= today).max())
}

/// Returns whether the list of a workbook's sheets, `xl/workbook.xml`, contains both sheets.
pub(super) fn has_both_sheets(workbook_xml: &[u8]) -> bool {
    let text = normalise(&String::from_utf8_lossy(workbook_xml));
    [DETAILS_SHEET, PARTNERS_SHEET]
        .iter()
        .all(|sheet| text.contains(&normalise(sheet)))
}

/// Reads the two tables from CSV files. If some files have `pcn` in their names, the others are not
/// opened.
fn read_csv_tables(
    source_files: &mut SourceFiles,
    members: &[&String],
) -> Result<PcnTables, ImportError> {
    let is_named = |member: &str| lowercase_file_name(member).contains("pcn");
    let any_is_named = members.iter().any(|member| is_named(member));
    let candidates = members
        .iter()
        .filter(|member| is_named(member) || !any_is_named);
    let (amendments, whole): (Vec<&String>, Vec<&String>) =
        candidates.partition(|member| is_amendment_file(member));
    let (mut details, mut partners) = (None, None);
    for member in whole {
        let file = member_label(source_files, member);
        let Some((kind, table)) = read_csv_table(&file, source_files.open_member(member)?)? else {
            continue;
        };
        let earlier = match kind {
            NetworkTable::Details => details.replace(table),
            NetworkTable::Partners => partners.replace(table),
        };
        if let Some(earlier) = earlier {
            return Err(ImportError::Conflict {
                file,
                line: 1,
                what: format!("{} is the same table; use one of the two", earlier.name),
            });
        }
    }
    let missing = |expected| match amendments.first() {
        Some(file) => amendments_refused(source_files, file),
        None => ImportError::NoSuchMember {
            source_name: source_files.name(),
            expected,
        },
    };
    match (details, partners) {
        (Some(details), Some(partners)) => Ok(PcnTables { details, partners }),
        (None, _) => Err(missing(
            "the table of PCNs: a CSV file with the columns `PCN Code` and `Open Date`, or the 12 \
             columns of `epcn` without a header row; give a folder that has both tables",
        )),
        (_, None) => Err(missing(
            "the table of member practices: a CSV file with the column `Partner Organisation Code`, \
             or the 11 columns of `epcncorepartnerdetails` without a header row; give a folder that \
             has both tables",
        )),
    }
}

/// Reads a CSV file, if it is one of the two tables.
fn read_csv_table(
    file: &str,
    input: impl Read,
) -> Result<Option<(NetworkTable, Sheet)>, ImportError> {
    /// The number of rows by which a table is recognised: a header row and a row of data.
    const ROWS_PEEKED: usize = 2;
    let mut rows = CsvRows::new(file, input);
    let mut sheet = Sheet {
        name: file.to_string(),
        is_csv: true,
        positions: None,
        rows: Vec::new(),
    };
    let mut kind = None;
    while let Some(row) = rows.next()? {
        let cells = (0..row.len()).map(|column| Data::String(row.text(column).to_string()));
        sheet.rows.push((row.line, cells.collect()));
        if kind.is_none() {
            kind = table_kind(&mut sheet);
            if kind.is_none() && sheet.rows.len() == ROWS_PEEKED {
                return Ok(None);
            }
        }
    }
    Ok(kind.map(|kind| (kind, sheet)))
}

/// Returns which of the two tables the rows belong to, by the names in the first row or by the form
/// of the last row. Sets the positions of the columns if they are not matched by name.
fn table_kind(sheet: &mut Sheet) -> Option<NetworkTable> {
    if find_column(sheet, PARTNERS_COLUMNS[0]).is_some() {
        return Some(NetworkTable::Partners);
    }
    // Other reports also contain a column with an open date.
    if [DETAILS_COLUMNS[0], DETAILS_COLUMNS[3]]
        .iter()
        .all(|column| find_column(sheet, column).is_some())
    {
        return Some(NetworkTable::Details);
    }
    let (_, row) = sheet.rows.last()?;
    let text = |column: usize| match &row[column] {
        Data::String(text) => text.as_str(),
        _ => "",
    };
    let is_day = |column: usize| dates::parse_text(text(column)).is_ok();
    let is_day_or_blank = |column: usize| text(column).is_empty() || is_day(column);
    let (details, partners) = (DETAILS_POSITIONS.0, PARTNERS_POSITIONS.0);
    let kind = if row.len() == DETAILS_POSITIONS.1
        && is_pcn_code(text(details[0]))
        && is_day(details[3])
        && is_day_or_blank(details[4])
    {
        sheet.positions = Some(&DETAILS_POSITIONS.0);
        NetworkTable::Details
    } else if row.len() == PARTNERS_POSITIONS.1
        && is_code(text(partners[0]))
        && is_pcn_code(text(partners[1]))
        && is_day(partners[2])
        && is_day_or_blank(partners[3])
    {
        sheet.positions = Some(&PARTNERS_POSITIONS.0);
        NetworkTable::Partners
    } else {
        return None;
    };
    // If there are two rows, the first row contains names.
    if sheet.rows.len() > 1 {
        sheet.rows.remove(0);
    }
    Some(kind)
}

/// Returns whether the text has the form of the code of a PCN, such as `U12345`.
fn is_pcn_code(text: &str) -> bool {
    let digits = text.strip_prefix('U');
    digits
        .is_some_and(|digits| digits.len() == 5 && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Converts the text to lower case, and replaces each run of white space with one space.
fn normalise(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").to_lowercase()
}

/// Returns the index of a column in the table's first row.
fn find_column(sheet: &Sheet, column: &str) -> Option<usize> {
    let (_, header) = sheet.rows.first()?;
    let is_named =
        |cell: &Data| matches!(cell, Data::String(text) if normalise(text) == normalise(column));
    header.iter().position(is_named)
}

/// Returns the text of the cells of the table's first row.
fn header_cells(sheet: &Sheet) -> Vec<String> {
    let first = sheet.rows.first();
    let cells = first.into_iter().flat_map(|(_, cells)| cells);
    cells
        .map(|cell| {
            cell.to_string()
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" ")
        })
        .collect()
}

/// The cells of a row in the requested columns, in the order in which the columns were requested.
struct SelectedCells<'a> {
    row: &'a [Data],
    columns: &'a [usize],
}

impl SelectedCells<'_> {
    fn cell(&self, column: usize) -> &Data {
        self.row.get(self.columns[column]).unwrap_or(&Data::Empty)
    }

    /// Returns the text of the cell, or `None` if the cell is blank.
    fn optional_text(&self, column: usize) -> Option<String> {
        let text = match self.cell(column) {
            Data::String(text) => text.trim().to_string(),
            Data::Empty => String::new(),
            other => other.to_string(),
        };
        Some(text).filter(|text| !text.is_empty())
    }

    fn parse_code(&self, column: usize, reason: &'static str) -> Result<OdsCode, &'static str> {
        let text = self.optional_text(column).ok_or(reason)?;
        text.parse().map_err(|_| reason)
    }

    /// Returns the date in the cell, or `None` if the cell is blank.
    fn parse_day(&self, column: usize, reason: &'static str) -> Result<Option<Date>, &'static str> {
        let day = match self.cell(column) {
            Data::Float(number) => dates::parse_number(*number),
            _ => match self.optional_text(column) {
                Some(text) => dates::parse_text(&text),
                None => return Ok(None),
            },
        };
        day.map(Some).map_err(|_| reason)
    }
}

/// Parses every row below the header row.
fn parse_rows<T>(
    sheet: &Sheet,
    columns: &[&str],
    report: &mut ImportReport,
    parse: impl Fn(&SelectedCells<'_>) -> Result<T, &'static str>,
) -> Result<Vec<T>, ImportError> {
    let mut indices = Vec::with_capacity(columns.len());
    if let Some(positions) = sheet.positions {
        indices.extend(positions);
    } else {
        for column in columns {
            let found = find_column(sheet, column);
            indices.push(found.ok_or_else(|| ImportError::MissingColumn {
                file: sheet.name.clone(),
                column: (*column).to_string(),
                header: header_cells(sheet),
            })?);
        }
    }
    let header_rows = usize::from(sheet.positions.is_none());
    let (mut records, mut first_unused) = (Vec::new(), None);
    for (row_number, row) in sheet.rows.iter().skip(header_rows) {
        report.read += 1;
        let cells = SelectedCells {
            row,
            columns: &indices,
        };
        match parse(&cells) {
            Ok(record) => records.push(record),
            Err(reason) => {
                first_unused.get_or_insert_with(|| format!("row {row_number}: {reason}"));
                report.reject(reason, &sheet.name, *row_number);
            }
        }
    }
    if records.is_empty() {
        return Err(ImportError::Empty {
            source_name: sheet.name.clone(),
            read: sheet.rows.len().saturating_sub(header_rows) as u64,
            first_unused,
        });
    }
    report.kept += records.len() as u64;
    Ok(records)
}

fn parse_pcn(cells: &SelectedCells<'_>) -> Result<Pcn, &'static str> {
    Ok(Pcn {
        code: cells.parse_code(0, "PCN Code must be an ODS code")?,
        name: cells.optional_text(1).ok_or("PCN Name must not be blank")?,
        sub_icb: cells.optional_text(2),
        period: parse_period(
            cells.parse_day(3, "Open Date must be a date such as 20240229")?,
            cells.parse_day(4, "Close Date must be a date such as 20240229")?,
        )?,
    })
}

fn parse_membership(cells: &SelectedCells<'_>) -> Result<PcnMembership, &'static str> {
    Ok(PcnMembership {
        practice: cells.parse_code(0, "Partner Organisation Code must be an ODS code")?,
        pcn: cells.parse_code(1, "PCN Code must be an ODS code")?,
        period: parse_period(
            cells.parse_day(2, "Relationship Start Date must be a date such as 20240229")?,
            cells.parse_day(3, "Relationship End Date must be a date such as 20240229")?,
        )?,
    })
}

fn parse_period(first: Option<Date>, last: Option<Date>) -> Result<Period, &'static str> {
    match (first, last) {
        (Some(first), Some(last)) if last < first => Err("the last day is before the first day"),
        _ => Ok(dates::period_from_days(first, last)),
    }
}

fn reject_duplicate_pcns(file: &str, pcns: &[Pcn]) -> Result<(), ImportError> {
    match pcns.windows(2).find(|pair| pair[0].code == pair[1].code) {
        None => Ok(()),
        Some(pair) => Err(ImportError::Conflict {
            file: file.to_string(),
            line: 1,
            what: format!(
                "the PCN `{}` is listed twice; remove one of its rows",
                pair[0].code
            ),
        }),
    }
}

fn remove_duplicate_memberships(memberships: &mut Vec<PcnMembership>, report: &mut ImportReport) {
    let count_before = memberships.len();
    memberships.dedup();
    for _ in memberships.len()..count_before {
        report.kept -= 1;
        report.skip("duplicate membership");
    }
}

/// Adds a warning about memberships of PCNs that are not listed, and a warning about practices that
/// are members of two PCNs at the same time.
fn warn_of_inconsistencies(networks: &PrimaryCareNetworks, report: &mut ImportReport) {
    let is_listed = |code: &OdsCode| {
        networks
            .pcns
            .binary_search_by_key(code, |pcn| pcn.code)
            .is_ok()
    };
    let unlisted = networks
        .memberships
        .iter()
        .filter(|membership| !is_listed(&membership.pcn));
    add_warning(report, "memberships of PCNs that are not listed", unlisted);
    let active: Vec<&PcnMembership> = networks
        .memberships
        .iter()
        .filter(|membership| membership.period.to.is_none())
        .collect();
    let overlapping = active
        .windows(2)
        .filter(|pair| pair[0].practice == pair[1].practice)
        .map(|pair| pair[1]);
    add_warning(
        report,
        "practices in two PCNs at the same time",
        overlapping,
    );
}

fn add_warning<'l>(
    report: &mut ImportReport,
    description: &str,
    memberships: impl Iterator<Item = &'l PcnMembership>,
) {
    const NAMED_MAX: usize = 10;
    let codes: Vec<&str> = memberships
        .map(|membership| membership.practice.as_str())
        .collect();
    if codes.is_empty() {
        return;
    }
    let named = first_names(&codes, NAMED_MAX);
    report
        .warnings
        .push(format!("{description}: {} ({named})", codes.len()));
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::path::PathBuf;

    use jiff::civil::date;
    use tempfile::TempDir;
    use zip::write::SimpleFileOptions;
    use zip::{CompressionMethod, ZipWriter};

    use super::*;

    const DETAILS_CSV: &str = "PCN Code,PCN Name,Current Sub ICB Loc Code,Sub ICB Location,Open Date,Close Date,Address Line 1,Address Line 2,Address Line 3,Address Line 4,Address Line 5,Postcode\r\n\
        U99990,BAY PCN,01K,NHS LANCASHIRE AND SOUTH CUMBRIA ICB - 01K,20191001,,1 HIGH STREET,,,MILLOM,,LA18 4DB\r\n\
        U99991,OLD PCN,01K,NHS LANCASHIRE AND SOUTH CUMBRIA ICB - 01K,19000101,20200331,,,,,,\r\n";
    const PARTNERS_CSV: &str = "\"Partner\nOrganisation\nCode\",\"Partner\nName\",\"Practice\nParent\nSub ICB Loc Code\",\"Practice\nParent\nSub ICB Loc Name\",PCN Code,PCN Name,\"PCN Parent\nSub ICB Loc Code\",\"PCN Parent\nSub ICB Loc Name\",\"Practice to PCN\nRelationship\nStart Date\",\"Practice to PCN\nRelationship\nEnd Date\",\"Practice Sub ICB Loc and PCN Sub ICB Loc Match \"\r\n\
        A82999,\"SURGERY, THE\",01K,X,U99990,BAY PCN,01K,X,01/04/2020,,TRUE\r\n\
        A82999,\"SURGERY, THE\",01K,X,U99991,OLD PCN,01K,X,2019-10-01,20200331,TRUE\r\n";

    /// Writes files to a temporary folder.
    fn folder(files: &[(&str, &[u8])]) -> (TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, bytes) in files {
            std::fs::write(folder.path().join(name), bytes).expect("a file");
        }
        let path = folder.path().to_path_buf();
        (folder, path)
    }

    fn csv(
        details: &str,
        partners: &str,
    ) -> Result<(PrimaryCareNetworks, ImportReport), ImportError> {
        let files = [
            ("a.csv", details.as_bytes()),
            ("b.csv", partners.as_bytes()),
        ];
        let (_folder, path) = folder(&files);
        read(&path)
    }

    const R: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    const M: &str = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
    const P: &str = "http://schemas.openxmlformats.org/package/2006/relationships";

    /// Formats a cell. `#` precedes a number, and `@` precedes the reference of a cell that
    /// contains 1. Any other text is written as inline text.
    fn cell_xml(reference: &str, cell: &str) -> String {
        if let Some(number) = cell.strip_prefix('#') {
            format!(r#"<c r="{reference}"><v>{number}</v></c>"#)
        } else if let Some(reference) = cell.strip_prefix('@') {
            format!(r#"<c r="{reference}"><v>1</v></c>"#)
        } else {
            format!(r#"<c r="{reference}" t="inlineStr"><is><t>{cell}</t></is></c>"#)
        }
    }

    fn sheet_xml(rows: &[&[&str]]) -> String {
        let mut text = format!(r#"<worksheet xmlns="{M}"><sheetData>"#);
        for (row, number) in rows.iter().zip(1..) {
            text += &format!(r#"<row r="{number}">"#);
            for (cell, letter) in row.iter().zip('A'..) {
                text += &cell_xml(&format!("{letter}{number}"), cell);
            }
            text += "</row>";
        }
        text + "</sheetData></worksheet>"
    }

    /// Builds an uncompressed `.xlsx` workbook with the usual structure.
    fn xlsx(sheets: &[(&str, &[&[&str]])]) -> Vec<u8> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        let mut member = |name: &str, text: String| {
            writer.start_file(name, stored).expect("a member");
            writer.write_all(text.as_bytes()).expect("a member");
        };
        let (mut names, mut targets) = (String::new(), String::new());
        for ((name, rows), id) in sheets.iter().zip(1..) {
            names += &format!(r#"<sheet name="{name}" sheetId="{id}" r:id="rId{id}"/>"#);
            targets += &format!(
                r#"<Relationship Id="rId{id}" Type="{R}/worksheet" Target="worksheets/sheet{id}.xml"/>"#
            );
            member(&format!("xl/worksheets/sheet{id}.xml"), sheet_xml(rows));
        }
        let relations =
            |inside: &str| format!(r#"<Relationships xmlns="{P}">{inside}</Relationships>"#);
        member("xl/_rels/workbook.xml.rels", relations(&targets));
        member(
            "xl/workbook.xml",
            format!(r#"<workbook xmlns="{M}" xmlns:r="{R}"><sheets>{names}</sheets></workbook>"#),
        );
        let document = format!(
            r#"<Relationship Id="rId1" Type="{R}/officeDocument" Target="xl/workbook.xml"/>"#
        );
        member("_rels/.rels", relations(&document));
        writer.finish().expect("an archive").into_inner()
    }

    const DETAILS_ROWS: &[&[&str]] = &[
        &[
            "PCN Code",
            "PCN Name",
            "Current Sub ICB Loc Code",
            "Sub ICB Location",
            "Open Date",
            "Close Date",
        ],
        &["U99990", "BAY PCN", "01K", "X", "20191001", ""],
        &["U99991", "OLD PCN", "01K", "X", "#19000101", "#43921"],
    ];
    const PARTNERS_ROWS: &[&[&str]] = &[
        &[
            "Partner&#10;Organisation&#10;Code",
            "PCN Code",
            "Practice to PCN\nRelationship\nStart Date",
            "Practice to PCN&#10;Relationship&#10;End Date",
        ],
        &["A82999", "U99990", "#43922.5"],
        &["A82999", "U99991", "#43739", "20200331"],
    ];

    #[test]
    fn workbook_and_csv_files_give_the_same_records() {
        let (from_csv, report) = csv(DETAILS_CSV, PARTNERS_CSV).expect("two tables");
        let bytes = xlsx(&[
            ("PCNDetails", DETAILS_ROWS),
            ("PCN Core  Partner Details ", PARTNERS_ROWS),
        ]);
        let (_folder, path) = folder(&[("ePCN.xlsx", &bytes)]);
        for path in [path.join("ePCN.xlsx"), path] {
            let (from_workbook, same) = read(&path).expect("a workbook");
            assert_eq!(from_workbook, from_csv);
            assert_eq!((same.read, same.kept), (report.read, report.kept));
        }
        assert_eq!((report.read, report.kept, report.warnings.len()), (4, 4, 0));
    }

    #[test]
    fn tables_without_or_with_other_names_in_the_header_row_are_read_by_position() {
        let (expected, counts) = csv(DETAILS_CSV, PARTNERS_CSV).expect("two tables");
        let header = |count: usize| vec!["Name"; count].join(",") + "\r\n";
        let details = DETAILS_CSV.split_once("\r\n").expect("a header").1;
        let partners = PARTNERS_CSV.split_once("\r\n").expect("a header").1;
        for (details, partners) in [
            (details.to_string(), partners.to_string()),
            (header(12) + details, header(11) + partners),
        ] {
            let (found, report) = csv(&details, &partners).expect("two tables");
            assert_eq!(found, expected);
            assert_eq!((report.read, report.kept), (counts.read, counts.kept));
        }
        // Other reports in the same folder are ignored, even if they are not tables.
        let files: [(&str, &[u8]); 3] = [
            ("epcn.csv", details.as_bytes()),
            ("epcncorepartnerdetails.csv", partners.as_bytes()),
            ("epraccur.csv", b"a,b\nc\n"),
        ];
        let (_folder, path) = folder(&files);
        assert_eq!(read(&path).expect("two tables").0, expected);
    }

    #[test]
    fn amendments_a_single_table_and_two_of_one_kind_are_refused() {
        let error = |files: &[(&str, &str)]| {
            let files: Vec<(&str, &[u8])> = files
                .iter()
                .map(|(name, text)| (*name, text.as_bytes()))
                .collect();
            let (_folder, path) = folder(&files);
            read(&path).expect_err("not both tables").to_string()
        };
        let amended = "epcncorepartnerdetails_changes_20260301.csv";
        let found = error(&[("epcn.csv", DETAILS_CSV), (amended, PARTNERS_CSV)]);
        assert!(found.contains(amended), "{found}");
        let found = error(&[("epcn.csv", DETAILS_CSV)]);
        assert!(found.contains("the table of member practices"), "{found}");
        let found = error(&[("epcn.csv", DETAILS_CSV), ("epcn2.csv", DETAILS_CSV)]);
        assert!(found.contains("is the same table"), "{found}");
    }

    #[test]
    fn membership_is_active_while_it_has_no_end_date() {
        let (found, _) = csv(DETAILS_CSV, PARTNERS_CSV).expect("two tables");
        let [earlier, now] = found.memberships.as_slice() else {
            panic!("two links");
        };
        assert_eq!(earlier.pcn.as_str(), "U99991");
        assert_eq!(earlier.period.from, Some(date(2019, 10, 1)));
        assert!(earlier.period.contains(date(2020, 3, 31)));
        assert!(!earlier.period.contains(date(2020, 4, 1)));
        assert_eq!(
            now.period,
            Period {
                from: Some(date(2020, 4, 1)),
                to: None
            }
        );
        assert_eq!(found.pcns[0].sub_icb.as_deref(), Some("01K"));
        assert_eq!(found.pcns[1].period.from, None);
    }

    #[test]
    fn a_missing_sheet_or_column_is_named() {
        let bytes = xlsx(&[("PCNDetails", DETAILS_ROWS)]);
        let (_folder, path) = folder(&[("ePCN.xlsx", &bytes)]);
        let error = read(&path.join("ePCN.xlsx")).expect_err("one sheet");
        assert_eq!(
            error.to_string(),
            "ePCN.xlsx: does not contain the sheet `PCN Core Partner Details`"
        );
        let renamed = DETAILS_CSV.replace("Close Date", "Closed");
        let error = csv(&renamed, PARTNERS_CSV).expect_err("no such column");
        assert!(
            error
                .to_string()
                .ends_with("a.csv: no column `Close Date` in the header row")
        );
        assert!(csv(DETAILS_CSV, DETAILS_CSV).is_err());
        let header = DETAILS_CSV.lines().next().expect("a header");
        assert!(matches!(
            csv(header, PARTNERS_CSV),
            Err(ImportError::Empty { .. })
        ));
    }

    #[test]
    fn invalid_row_is_counted_with_its_location() {
        let partners = PARTNERS_CSV.to_string()
            + "A8,X,01K,X,U99990,BAY PCN,01K,X,20200401,,TRUE\r\n\
               A82998,X,01K,X,U99990,BAY PCN,01K,X,20200401,20200331,TRUE\r\n\
               A82997,X,01K,X,U99990,BAY PCN,01K,X,43922,,TRUE\r\n\
               A82996,X,01K,X,U11111,NO PCN,01K,X,20200401,,TRUE\r\n\
               A82999,X,01K,X,U11111,NO PCN,01K,X,20200501,,TRUE\r\n";
        let (found, report) = csv(DETAILS_CSV, &partners).expect("two tables");
        assert_eq!((found.memberships.len(), report.rejected.len()), (4, 3));
        assert_eq!(
            report.warnings,
            [
                "memberships of PCNs that are not listed: 2 (A82996, A82999)",
                "practices in two PCNs at the same time: 1 (A82999)",
            ]
        );
    }

    #[test]
    fn duplicate_pcn_is_rejected() {
        let twice = DETAILS_CSV.replace("U99991", "U99990");
        let error = csv(&twice, PARTNERS_CSV).expect_err("twice").to_string();
        assert!(
            error.ends_with("the PCN `U99990` is listed twice; remove one of its rows"),
            "{error}"
        );
    }

    /// A workbook with a damaged byte must not cause a panic.
    #[test]
    fn damaged_workbooks_do_not_panic() {
        let bytes = xlsx(&[
            ("PCNDetails", DETAILS_ROWS),
            ("PCN Core Partner Details", PARTNERS_ROWS),
        ]);
        for index in 0..bytes.len() {
            for value in [0x01, 0x10, 0xff] {
                let mut damaged = bytes.clone();
                damaged[index] ^= value;
                let _ = read_workbook("x.xlsx", Cursor::new(damaged));
            }
            let _ = read_workbook("x.xlsx", Cursor::new(&bytes[..index]));
        }
    }

    #[test]
    fn distant_cell_allocates_no_memory() {
        let mut rows = PARTNERS_ROWS.to_vec();
        rows.push(&["A82998", "U99990", "@XFD1048576"]);
        let bytes = xlsx(&[
            ("PCNDetails", DETAILS_ROWS),
            ("PCN Core Partner Details", &rows),
        ]);
        let tables = read_workbook("x.xlsx", Cursor::new(bytes)).expect("a workbook");
        assert_eq!(tables.partners.rows.len(), 4);
    }

    /// Builds a workbook whose only shared string has `length` bytes and is the text of `cells`
    /// cells.
    fn with_shared_text(length: usize, cells: usize) -> Vec<u8> {
        let plain = xlsx(&[
            ("PCNDetails", DETAILS_ROWS),
            ("PCN Core Partner Details", PARTNERS_ROWS),
        ]);
        let mut plain = ZipArchive::new(Cursor::new(plain)).expect("an archive");
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        for index in 0..plain.len() {
            let mut part = plain.by_index(index).expect("a part");
            let name = part.name().expect("a name").into_owned();
            let mut text = String::new();
            part.read_to_string(&mut text).expect("text");
            if name.ends_with("sheet2.xml") {
                let cell = r#"<c r="A9" t="s"><v>0</v></c>"#;
                let row = format!(r#"<row r="9">{}</row></sheetData>"#, cell.repeat(cells));
                text = text.replace("</sheetData>", &row);
            }
            if name.ends_with("workbook.xml.rels") {
                let strings = format!(
                    r#"<Relationship Id="rId9" Type="{R}/sharedStrings" Target="sharedStrings.xml"/></Relationships>"#
                );
                text = text.replace("</Relationships>", &strings);
            }
            writer
                .start_file(name, SimpleFileOptions::default())
                .expect("a part");
            writer.write_all(text.as_bytes()).expect("a part");
        }
        writer
            .start_file("xl/sharedStrings.xml", SimpleFileOptions::default())
            .expect("a part");
        write!(writer, r#"<sst xmlns="{M}"><si><t>"#).expect("a part");
        for _ in 0..length / 1_000 {
            writer.write_all(&[b'x'; 1_000]).expect("a part");
        }
        writer.write_all(b"</t></si></sst>").expect("a part");
        writer.finish().expect("an archive").into_inner()
    }

    #[test]
    fn decompression_bombs_are_rejected() {
        for (length, cells, expected) in [
            (1_000, 3, None),
            (70_000_000, 1, Some("it is larger than 64 MiB")),
            (200_000, 1, Some("a cell has more than 32,767 characters")),
            (
                100_000,
                1_000,
                Some("the text of a sheet is larger than 64 MiB"),
            ),
        ] {
            let read = read_workbook("x.xlsx", Cursor::new(with_shared_text(length, cells)));
            match (read, expected) {
                (Ok(_), None) => {}
                (Err(error), Some(expected)) => {
                    let error = error.to_string();
                    assert!(error.contains(expected), "{error}");
                }
                (read, _) => panic!("{length} {cells}: {}", read.is_ok()),
            }
        }
    }

    #[test]
    fn real_workbook_is_imported() {
        let Some(folder) = std::env::var_os("CATCHMENT_REAL_DATA") else {
            eprintln!("skipped: set CATCHMENT_REAL_DATA to the folder of published files");
            return;
        };
        let path = PathBuf::from(folder).join("ePCN-2024-10.xlsx");
        let (found, report) = read(&path).expect("a workbook");
        eprintln!("{report}");
        assert_eq!((found.pcns.len(), found.memberships.len()), (1_366, 7_705));
        let active = |membership: &&PcnMembership| membership.period.to.is_none();
        assert_eq!(found.memberships.iter().filter(active).count(), 6_224);
    }
}
