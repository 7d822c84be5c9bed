//! Workbooks of Excel 2007 and later (ISO/IEC 29500, `.xlsx` and `.xlsm`). One sheet is read row by
//! row, and the workbook is written with cells added to the rows of this sheet.
//!
//! A workbook is edited instead of being rewritten. Every part of the archive is copied unchanged,
//! with two exceptions. The XML of the sheet is copied event by event, with the new cells appended
//! to each row. The few parts that state the extent of the sheet or list the sheets are edited. The
//! user's values, number formats, styles, widths and other sheets are therefore preserved.
//!
//! - `package`: the zip archive, read part by part and written as a stream.
//! - `parts`: the parts of a workbook, and the edits that add a sheet.
//! - `xml`: a reader of XML events with limits.
//! - `shared_strings`, `number_formats`: the strings that cells share, and the display of numbers.
//! - `sheet_reader`: the rows of a sheet. `survey`: the findings of a first pass over the sheet.
//! - `tables`: the tables of a sheet, to which the new columns are added.
//! - `sheet_writer`: the XML of new cells, rows and workbooks.

mod number_formats;
mod package;
mod parts;
mod positions;
mod shared_strings;
mod sheet_reader;
mod sheet_writer;
mod survey;
mod tables;
mod xml;

use super::error::TabularError;
use super::file_format::BatchFormat;

pub(crate) use self::number_formats::NumberFormats;
pub(crate) use self::package::{Package, PackageWriter, PartReader, PartSource};
pub(crate) use self::parts::{SheetEntry, WorkbookParts, part_kind};
pub(crate) use self::positions::{CellPosition, CellRange, column_letters};
pub(crate) use self::shared_strings::SharedStrings;
pub(crate) use self::sheet_reader::{
    CellKind, RowKind, SheetBlock, SheetCell, SheetContents, SheetEdits, SheetReader, WantedCells,
};
pub(crate) use self::sheet_writer::{
    CellWriter, NewValue, NewWorkbook, SummarySheet, SummaryValue, write_sheets,
};
pub(crate) use self::survey::SheetSurvey;
pub(crate) use self::tables::SheetTable;

/// The maximum number of rows of a sheet.
pub(crate) const SHEET_ROWS_MAX: u32 = 1_048_576;
/// The maximum number of columns of a sheet.
pub(crate) const SHEET_COLUMNS_MAX: u32 = 16_384;
/// The maximum number of characters in a cell, in UTF-16 code units.
pub(crate) const CELL_TEXT_MAX: usize = 32_767;

/// Returns the error for a workbook that cannot be read.
fn unreadable(what: impl Into<String>) -> TabularError {
    TabularError::Unreadable {
        format: BatchFormat::Xlsx,
        what: what.into(),
    }
}
