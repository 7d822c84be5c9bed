//! Opens a workbook: chooses the sheet, finds the header row and the columns, and checks the whole
//! sheet before any row is answered.

use std::sync::Arc;

use super::column_mapping::ColumnMapping;
use super::csv_header::detect_csv_header;
use super::input_format::{DetectedFormat, check_column_names};
use super::{BatchError, BatchRequest, HeaderOptions};
use crate::tabular::cell_format::write_csv_cell;
use crate::tabular::compression::Compression;
use crate::tabular::delimiter::Delimiter;
use crate::tabular::error::TabularError;
use crate::tabular::file_format::BatchFormat;
use crate::tabular::limits::COLUMNS_MAX;
use crate::tabular::workbook::{
    CellKind, CellPosition, CellRange, NumberFormats, Package, PartSource, RowKind,
    SHEET_COLUMNS_MAX, SharedStrings, SheetBlock, SheetContents, SheetEntry, SheetSurvey,
    SheetTable, WorkbookParts, part_kind,
};

/// A workbook whose sheet has been checked.
pub(super) struct WorkbookInput {
    pub(super) package: Package,
    pub(super) parts: WorkbookParts,
    pub(super) sheet: SheetEntry,
    pub(super) contents: Arc<SheetContents>,
    pub(super) survey: SheetSurvey,
    pub(super) tables: Vec<SheetTable>,
    pub(super) rows: Arc<SheetRows>,
}

/// The rows of a sheet that are looked up.
#[derive(Debug, Default)]
pub(super) struct SheetRows {
    /// The row with the names of the columns, or `None` if there is no such row.
    pub(super) header: Option<u32>,
    /// The first row that is looked up.
    first: u32,
    /// The row with the totals of a table, which is not looked up.
    totals: Option<u32>,
    /// The merged ranges that contain cells of the columns to read, in order of their first rows.
    merges: Vec<CellRange>,
}

impl SheetRows {
    /// Returns the kind of a row.
    pub(super) fn kind(&self, number: u32) -> RowKind {
        if Some(number) == self.header {
            RowKind::Header
        } else if number >= self.first && Some(number) != self.totals {
            RowKind::Data
        } else {
            RowKind::Other
        }
    }

    /// Returns the merged range that contains a cell, if another cell stores the value of the
    /// range.
    pub(super) fn merged_range(&self, cell: CellPosition) -> Option<CellRange> {
        let before = self
            .merges
            .partition_point(|range| range.first.row <= cell.row);
        let mut ranges = self.merges[..before].iter().rev();
        let found = ranges.find(|range| range.contains(cell))?;
        (found.first != cell).then_some(*found)
    }
}

/// The style of the header cells, and the properties detected from the header row.
struct SheetHeader {
    row: Option<u32>,
    first_row: u32,
    columns: Vec<String>,
    mapping: ColumnMapping,
}

/// Opens a workbook.
///
/// # Errors
/// If the file is not a workbook, its sheet is damaged, or the columns are missing or ambiguous.
pub(super) fn open(
    source: PartSource,
    request: &BatchRequest,
) -> Result<(DetectedFormat, WorkbookInput), BatchError> {
    let limits = request.limits;
    let mut package = Package::open(source)?;
    if let Some((what, hint)) = part_kind(&mut package) {
        return Err(BatchError::UnsupportedFormat { what, hint });
    }
    let parts = WorkbookParts::read(&mut package, limits.metadata_bytes)?;
    let format = match parts.has_macros {
        true => BatchFormat::Xlsm,
        false => BatchFormat::Xlsx,
    };
    let output_format = output_format(format, request)?;
    let sheet = choose_sheet(&parts, request.workbook.sheet.as_deref())?.clone();
    let strings = match &parts.shared_strings {
        Some(part) => match package.read(part)? {
            Some(source) => SharedStrings::read(source, limits.shared_text_bytes)?,
            None => SharedStrings::default(),
        },
        None => SharedStrings::default(),
    };
    let formats = match &parts.styles {
        Some(part) => match package.read(part)? {
            Some(source) => NumberFormats::read(source, parts.is_1904)?,
            None => NumberFormats::without_styles(parts.is_1904),
        },
        None => NumberFormats::without_styles(parts.is_1904),
    };
    let contents = Arc::new(SheetContents {
        name: sheet.name.clone(),
        strings,
        formats,
    });
    let mut tables = Vec::new();
    for part in parts.table_parts(&mut package, &sheet)? {
        tables.push(SheetTable::read(
            &mut package,
            &part,
            limits.metadata_bytes,
        )?);
    }
    let skip_rows = request.header.skip_lines.unwrap_or(0);
    let skip_rows = u32::try_from(skip_rows).unwrap_or(u32::MAX);
    let source = package
        .read(&sheet.part)?
        .ok_or_else(|| in_sheet(&contents, "", "the archive does not have it"))?;
    let mut survey = SheetSurvey::read(source, Arc::clone(&contents), skip_rows)?;
    if survey.last_value_row == 0 {
        return Err(BatchError::Empty);
    }
    if survey.found.value_columns as usize > COLUMNS_MAX {
        return Err(TabularError::TooManyColumns.into());
    }
    let header = find_header(&survey, request)?;
    check_column_names(&header.columns, request)?;
    let last_header_row = header.row.unwrap_or(0).max(header.first_row - 1);
    let rows = answered_rows(&header, &tables, &survey, &contents)?;
    let has_rows = survey.last_value_row > last_header_row
        && !(rows.totals == Some(survey.last_value_row)
            && survey.last_value_row == last_header_row + 1);
    if !has_rows {
        return Err(BatchError::NoRows);
    }
    let table_columns = tables.iter().map(|table| table.range.last.column + 1);
    let used_columns = table_columns.fold(survey.found.used_columns, u32::max);
    survey.found.used_columns = used_columns;
    let added_columns = u32::try_from(request.output_columns.len()).unwrap_or(u32::MAX);
    if output_format.is_workbook() && used_columns.saturating_add(added_columns) > SHEET_COLUMNS_MAX
    {
        let what = format!(
            "the new columns would go beyond XFD, the last column of a sheet, because {used_columns} columns are used or formatted: delete the empty columns after your last column"
        );
        return Err(in_sheet(&contents, "", what).into());
    }
    let detected = DetectedFormat {
        format,
        delimiter: None,
        compression: Compression::None,
        has_byte_order_mark: false,
        is_utf16: false,
        line_ending: None,
        lines_above_header: header.row.unwrap_or(header.first_row).max(1) as usize - 1,
        has_header: header.row.is_some(),
        has_single_quotes: false,
        columns: header.columns,
        column_mapping: header.mapping,
        sheet: Some(sheet.name.clone()),
        output_format,
        output_delimiter: request.workbook.output_delimiter,
    };
    let workbook = WorkbookInput {
        package,
        parts,
        sheet,
        contents,
        survey,
        tables,
        rows: Arc::new(rows),
    };
    Ok((detected, workbook))
}

fn in_sheet(contents: &SheetContents, place: &str, what: impl Into<String>) -> TabularError {
    TabularError::InSheet {
        sheet: contents.name.clone(),
        place: place.to_string(),
        what: what.into(),
    }
}

/// Returns the format of the output. First rejects options that do not apply to workbooks.
fn output_format(format: BatchFormat, request: &BatchRequest) -> Result<BatchFormat, BatchError> {
    if request.delimiter.is_some() {
        let what = "--delimiter";
        return Err(BatchError::UnsupportedOption { format, what });
    }
    let output = request.workbook.output_format.unwrap_or(format);
    match (format, output) {
        (BatchFormat::Xlsm, BatchFormat::Xlsx) => return Err(BatchError::HasMacros),
        (BatchFormat::Xlsx, BatchFormat::Xlsm) => return Err(BatchError::HasNoMacros),
        (_, BatchFormat::Parquet | BatchFormat::Arrow) => {
            return Err(BatchError::UnsupportedConversion {
                from: format,
                to: output,
            });
        }
        _ => {}
    }
    reject_compression(output, request)?;
    Ok(output)
}

/// Rejects the compression of a workbook.
pub(super) fn reject_compression(
    output: BatchFormat,
    request: &BatchRequest,
) -> Result<(), BatchError> {
    if output.is_workbook() && request.compression != Compression::None {
        return Err(BatchError::UnsupportedOption {
            format: output,
            what: "--compress, because it is compressed already",
        });
    }
    Ok(())
}

/// Returns the sheet with a name or a number, or the first visible sheet if `wanted` is `None`.
fn choose_sheet<'p>(
    parts: &'p WorkbookParts,
    wanted: Option<&str>,
) -> Result<&'p SheetEntry, BatchError> {
    let sheets = &parts.sheets;
    let found = match wanted {
        None => sheets
            .iter()
            .find(|sheet| !sheet.is_hidden)
            .or(sheets.first()),
        Some(wanted) => {
            let lower = wanted.trim().to_lowercase();
            let number = lower.parse::<usize>().ok();
            sheets
                .iter()
                .find(|sheet| sheet.name == wanted)
                .or_else(|| {
                    sheets
                        .iter()
                        .find(|sheet| sheet.name.to_lowercase() == lower)
                })
                .or_else(|| sheets.get(number?.checked_sub(1)?))
        }
    };
    found.ok_or_else(|| match wanted {
        None => BatchError::UnsupportedFormat {
            what: "a workbook without a sheet of cells",
            hint: "",
        },
        Some(wanted) => BatchError::NoSuchSheet {
            wanted: wanted.to_string(),
            sheets: sheets.iter().map(|sheet| sheet.name.clone()).collect(),
        },
    })
}

/// Finds the header row among the first rows by the same rules as in CSV. To do so, writes each row
/// as a line of CSV.
fn find_header(survey: &SheetSurvey, request: &BatchRequest) -> Result<SheetHeader, BatchError> {
    let rows = &survey.first_rows;
    let skip_rows = request.header.skip_lines;
    let Some(first) = rows.rows.first() else {
        let lines = skip_rows.unwrap_or(0);
        return Err(BatchError::TooFewLines { lines });
    };
    let mut text = Vec::new();
    // The offset of each line.
    let mut starts = Vec::new();
    for row in 0..rows.rows.len() {
        starts.push(text.len());
        write_line(rows, row, &mut text);
        if request.header.is_absent {
            // If a sheet has no column names, its columns are all columns that contain values.
            let fields = rows.cells_of(row).map(|(cell, _)| cell.column + 1).max();
            let missing = survey.found.value_columns - fields.unwrap_or(1);
            let line_end = text.len() - 1;
            text.splice(line_end..line_end, (0..missing).map(|_| b','));
        }
    }
    let line_request = BatchRequest {
        delimiter: Some(Delimiter::COMMA),
        header: HeaderOptions {
            skip_lines: skip_rows.map(|_| 0),
            ..request.header
        },
        ..request.clone()
    };
    let number = |line: usize| rows.rows[line].number;
    let header = detect_csv_header(&text, &line_request).map_err(|error| match error {
        BatchError::HeaderBelow { line } => BatchError::HeaderBelow {
            line: number(line - 1) as usize,
        },
        other => other,
    })?;
    let line = starts.partition_point(|start| *start <= header.start) - 1;
    let mut columns = header.columns;
    let width = columns.len().max(survey.found.value_columns as usize);
    columns.resize(width, String::new());
    let is_absent = request.header.is_absent;
    Ok(SheetHeader {
        row: (!is_absent).then(|| number(line)),
        first_row: if is_absent {
            first.number
        } else {
            number(line) + 1
        },
        columns,
        mapping: header.column_mapping,
    })
}

/// Writes a row as a line of CSV. Replaces each run of white space in a cell with one space.
fn write_line(rows: &SheetBlock, row: usize, out: &mut Vec<u8>) {
    let mut next_column = 0;
    for (cell, text) in rows.cells_of(row) {
        for _ in next_column..cell.column {
            out.push(b',');
        }
        next_column = cell.column;
        if cell.kind != CellKind::MissingValue {
            let text = String::from_utf8_lossy(text);
            let words: Vec<&str> = text.split_whitespace().collect();
            write_csv_cell(out, &words.join(" "), Delimiter::COMMA);
        }
    }
    out.push(b'\n');
}

/// Returns the rows that are looked up, depending on the tables of the sheet.
fn answered_rows(
    header: &SheetHeader,
    tables: &[SheetTable],
    survey: &SheetSurvey,
    contents: &SheetContents,
) -> Result<SheetRows, BatchError> {
    let read: Vec<u32> = header
        .mapping
        .columns()
        .iter()
        .map(|(_, column)| u32::try_from(*column).expect("few columns"))
        .collect();
    let is_read = |range: &CellRange| {
        let columns = range.first.column..=range.last.column;
        read.iter().any(|column| columns.contains(column))
    };
    let own = tables
        .iter()
        .find(|table| Some(table.range.first.row) == header.row && is_read(&table.range));
    let below = tables.iter().find(|table| {
        let is_below = table.range.first.row >= header.first_row;
        is_below && is_read(&table.range)
    });
    if let Some(below) = below.filter(|table| table.has_header) {
        let above = match own {
            Some(own) => format!("the table {}", own.range),
            None => format!("the header row {}", header.row.unwrap_or(0)),
        };
        let what = format!(
            "it has the table {} below {above}: move one of them to another sheet",
            below.range
        );
        return Err(in_sheet(contents, "", what).into());
    }
    let mut merges: Vec<CellRange> = survey
        .found
        .merges
        .iter()
        .filter(|range| is_read(range))
        .copied()
        .collect();
    merges.sort_by_key(|range| range.first.row);
    Ok(SheetRows {
        header: header.row,
        first: header.first_row,
        totals: own
            .filter(|table| table.has_totals)
            .map(|table| table.range.last.row),
        merges,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_have_kinds_and_merged_cells() {
        let range = |text: &str| CellRange::parse(text).expect("a range");
        let rows = SheetRows {
            header: Some(2),
            first: 3,
            totals: Some(9),
            merges: ["A1:D1", "B4:B5", "A7:B7"].map(range).to_vec(),
        };
        let kinds = [1, 2, 3, 8, 9, 10].map(|row| rows.kind(row));
        let (data, other) = (RowKind::Data, RowKind::Other);
        assert_eq!(kinds, [other, RowKind::Header, data, data, other, data]);
        let merged = |text: &str| {
            let cell = CellPosition::parse(text).expect("a position");
            rows.merged_range(cell).map(|range| range.to_string())
        };
        assert_eq!(merged("B4"), None);
        assert_eq!(merged("B5").as_deref(), Some("B4:B5"));
        assert_eq!(merged("B7").as_deref(), Some("A7:B7"));
        assert_eq!(merged("B8"), None);
    }
}
