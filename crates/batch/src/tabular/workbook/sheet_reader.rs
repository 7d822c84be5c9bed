//! Reads the rows of a sheet, and copies the XML of the sheet.

use std::io::BufRead;
use std::sync::Arc;

use quick_xml::events::{BytesStart, Event};

use super::super::error::TabularError;
use super::number_formats::NumberFormats;
use super::parts::prefix_of;
use super::positions::{CellPosition, CellRange, column_letters};
use super::shared_strings::SharedStrings;
use super::xml::{
    XmlError, XmlEvents, append_text, attribute, decode_escapes, write_event, write_with_attribute,
};
use super::{SHEET_COLUMNS_MAX, SHEET_ROWS_MAX};

/// The maximum size of a row in bytes, both as XML and as text.
const ROW_BYTES_MAX: usize = 16 << 20;
/// The maximum number of merged ranges.
const MERGES_MAX: usize = 200_000;

/// The data to which the cells of a sheet refer.
#[derive(Debug)]
pub(crate) struct SheetContents {
    /// The name of the sheet.
    pub(crate) name: String,
    pub(crate) strings: SharedStrings,
    pub(crate) formats: NumberFormats,
}

/// The cells whose values are read.
#[derive(Debug, Clone)]
pub(crate) enum WantedCells {
    No,
    All,
    /// The cells in these columns.
    Columns(Vec<u32>),
}

impl WantedCells {
    fn contains(&self, column: u32) -> bool {
        match self {
            WantedCells::No => false,
            WantedCells::All => true,
            WantedCells::Columns(columns) => columns.contains(&column),
        }
    }
}

/// The edits of a sheet to which columns are added.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SheetEdits {
    /// The first and the last of the added columns.
    pub(crate) first_column: u32,
    pub(crate) last_column: u32,
    /// The row with the names of the columns.
    pub(crate) header_row: Option<u32>,
}

impl SheetEdits {
    /// Returns the range of a filter extended by the new columns, or `None` if the filter does not
    /// end directly before the new columns.
    pub(crate) fn extended_filter(&self, filter: CellRange) -> Option<CellRange> {
        let is_header = Some(filter.first.row) == self.header_row;
        let ends_there = filter.last.column + 1 == self.first_column;
        (is_header && ends_there).then(|| filter.extended_to(self.last_column))
    }
}

/// Rows that are read together, with the XML of this part of the sheet.
#[derive(Debug, Default)]
pub(crate) struct SheetBlock {
    /// The XML, if the sheet is copied.
    pub(crate) xml: Vec<u8>,
    /// The rows that contain values.
    pub(crate) rows: Vec<SheetRow>,
    pub(crate) cells: Vec<SheetCell>,
    /// The text of all cells, stored one after another.
    pub(crate) text: Vec<u8>,
}

/// The part of a table to which a row belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RowKind {
    /// The row with the names of the columns.
    Header,
    /// A row that is looked up.
    Data,
    /// A row above the header row, or a row of totals.
    Other,
}

/// A row that contains values.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SheetRow {
    /// The number of the row, counted from 1.
    pub(crate) number: u32,
    /// The offset in the XML after the last cell of the row.
    pub(crate) insert: usize,
    /// The number of cells in the block up to the end of this row.
    pub(crate) cells_end: usize,
}

/// The type of the value of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CellKind {
    /// Text, a date or an error such as `#N/A`.
    Text,
    Number,
    Boolean,
    /// A formula whose value is not stored.
    MissingValue,
}

/// A cell with a value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SheetCell {
    pub(crate) column: u32,
    pub(crate) kind: CellKind,
    /// The style of the cell.
    pub(crate) style: usize,
    /// The end of the cell's text in the block.
    pub(crate) end: usize,
}

impl SheetBlock {
    pub(crate) fn clear(&mut self) {
        self.xml.clear();
        self.rows.clear();
        self.cells.clear();
        self.text.clear();
    }

    /// Returns the cells that were read from a row, with their text.
    pub(crate) fn cells_of(&self, row: usize) -> impl Iterator<Item = (SheetCell, &[u8])> {
        let before = |row: usize| row.checked_sub(1).map(|row| self.rows[row].cells_end);
        let start = before(row).unwrap_or_default();
        (start..self.rows[row].cells_end).map(|index| {
            let cell = self.cells[index];
            let text_start = index.checked_sub(1).map(|index| self.cells[index].end);
            (cell, &self.text[text_start.unwrap_or_default()..cell.end])
        })
    }
}

/// The findings of a pass over a sheet.
#[derive(Debug, Default)]
pub(crate) struct SheetFindings {
    /// The prefix of the sheet's elements, including the colon.
    pub(crate) prefix: String,
    /// The number of columns up to the last cell, with or without a value.
    pub(crate) used_columns: u32,
    /// The number of columns up to the last value.
    pub(crate) value_columns: u32,
    /// The merged ranges, except ranges of one cell.
    pub(crate) merges: Vec<CellRange>,
    /// The range of the filter of the sheet.
    pub(crate) filter: Option<CellRange>,
    pub(crate) last_row: u32,
}

/// A reader of the rows of a sheet.
pub(crate) struct SheetReader<R: BufRead> {
    events: XmlEvents<R>,
    contents: Arc<SheetContents>,
    pub(crate) wanted: WantedCells,
    /// The edits, if the XML of the sheet is copied.
    edits: Option<SheetEdits>,
    depth: u32,
    is_in_rows: bool,
    has_root: bool,
    pub(crate) found: SheetFindings,
    /// Reused buffers: for events outside rows, in rows and in cells, and for the text of a cell.
    buffers: [Vec<u8>; 4],
}

const OUTSIDE: usize = 0;
const IN_ROW: usize = 1;
const IN_CELL: usize = 2;
const TEXT: usize = 3;

impl<R: BufRead> SheetReader<R> {
    pub(crate) fn new(
        source: R,
        contents: Arc<SheetContents>,
        wanted: WantedCells,
        edits: Option<SheetEdits>,
    ) -> SheetReader<R> {
        SheetReader {
            events: XmlEvents::new(source),
            contents,
            wanted,
            edits,
            depth: 0,
            is_in_rows: false,
            has_root: false,
            found: SheetFindings::default(),
            buffers: Default::default(),
        }
    }

    /// Appends the next row to the block if the row contains values. Returns `false` at the end of
    /// the sheet.
    ///
    /// # Errors
    /// If the sheet is damaged. The error states the sheet and the row.
    pub(crate) fn next_row(&mut self, block: &mut SheetBlock) -> Result<bool, TabularError> {
        let mut buffer = std::mem::take(&mut self.buffers[OUTSIDE]);
        let result = self.next_row_with(&mut buffer, block);
        self.buffers[OUTSIDE] = buffer;
        result.map_err(|error| match error {
            XmlError::Invalid(what) => self.error_in_row(self.found.last_row, what),
            XmlError::Failed(error) => error,
        })
    }

    fn error_in_row(&self, row: u32, what: impl Into<String>) -> TabularError {
        TabularError::InSheet {
            sheet: self.contents.name.clone(),
            place: match row {
                0 => String::new(),
                row => format!("after the start of row {row}"),
            },
            what: what.into(),
        }
    }

    fn error_in_cell(&self, cell: CellPosition, what: impl Into<String>) -> XmlError {
        XmlError::Failed(TabularError::InSheet {
            sheet: self.contents.name.clone(),
            place: format!("cell {cell}"),
            what: what.into(),
        })
    }

    fn next_row_with(
        &mut self,
        buffer: &mut Vec<u8>,
        block: &mut SheetBlock,
    ) -> Result<bool, XmlError> {
        loop {
            let event = self.events.next(buffer)?;
            match &event {
                Event::Eof => {
                    return match (self.has_root, self.depth) {
                        (true, 0) => Ok(false),
                        (false, _) => Err(XmlError::Invalid("it is empty")),
                        _ => Err(XmlError::Invalid("it is truncated")),
                    };
                }
                Event::Start(tag) if self.is_in_rows && self.depth == 2 => {
                    if tag.local_name().as_ref() == "row" {
                        let number = self.row_number(tag)?;
                        self.read_row(tag, number, block)?;
                        return Ok(true);
                    }
                    self.depth += 1;
                }
                Event::Empty(tag)
                    if self.is_in_rows && self.depth == 2 && tag.local_name().as_ref() == "row" =>
                {
                    self.row_number(tag)?;
                }
                Event::Start(tag) => {
                    self.open(tag)?;
                    if self.write_edited(tag, false, block)? {
                        continue;
                    }
                }
                Event::Empty(tag) if self.write_edited(tag, true, block)? => continue,
                Event::End(tag) => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 1 && tag.local_name().as_ref() == "sheetData" {
                        self.is_in_rows = false;
                    }
                }
                _ => {}
            }
            if self.edits.is_some() {
                write_event(&mut block.xml, &event);
            }
        }
    }

    fn open(&mut self, tag: &BytesStart<'_>) -> Result<(), XmlError> {
        let name = tag.local_name();
        match self.depth {
            0 if name.as_ref() != "worksheet" => {
                return Err(XmlError::Invalid("it is not a sheet of cells"));
            }
            0 => {
                self.has_root = true;
                self.found.prefix = prefix_of(tag.name().as_ref());
            }
            1 if name.as_ref() == "sheetData" => self.is_in_rows = true,
            _ => {}
        }
        self.depth += 1;
        Ok(())
    }

    /// Records the ranges in a tag outside the rows. If the sheet is copied, writes the tags that
    /// the new columns change. Returns whether the tag has been written.
    fn write_edited(
        &mut self,
        tag: &BytesStart<'_>,
        is_empty: bool,
        block: &mut SheetBlock,
    ) -> Result<bool, XmlError> {
        // The nesting level of the tag, which is 1 for the children of the root.
        let level = self.depth - u32::from(!is_empty && self.depth > 0);
        let range = |name: &str| -> Result<Option<CellRange>, XmlError> {
            let text = attribute(tag, name)?;
            Ok(text.and_then(|text| CellRange::parse(&text)))
        };
        match (level, tag.local_name().as_ref()) {
            (1, "dimension") => {
                if let (Some(edits), Some(found)) = (self.edits, range("ref")?) {
                    let value = found.extended_to(edits.last_column).to_string();
                    let change = [("ref", Some(value))];
                    write_with_attribute(&mut block.xml, tag, is_empty, &change);
                    return Ok(true);
                }
            }
            (1, "autoFilter") => {
                self.found.filter = range("ref")?;
                if let (Some(edits), Some(found)) = (self.edits, self.found.filter)
                    && let Some(extended) = edits.extended_filter(found)
                {
                    let change = [("ref", Some(extended.to_string()))];
                    write_with_attribute(&mut block.xml, tag, is_empty, &change);
                    return Ok(true);
                }
            }
            (2, "mergeCell") => {
                if let Some(found) = range("ref")?
                    && found.first != found.last
                {
                    if self.found.merges.len() == MERGES_MAX {
                        return Err(XmlError::Invalid("it has too many merged cells"));
                    }
                    self.found.merges.push(found);
                    self.found.used_columns = self.found.used_columns.max(found.last.column + 1);
                }
            }
            (2, "col") => {
                if let Some(edits) = self.edits {
                    return write_widths(&mut block.xml, tag, is_empty, edits);
                }
            }
            _ => {}
        }
        Ok(false)
    }

    /// Returns the number of a row, which must be greater than the number of the previous row.
    fn row_number(&mut self, tag: &BytesStart<'_>) -> Result<u32, XmlError> {
        let before = self.found.last_row;
        let number = match attribute(tag, "r")? {
            Some(text) => text.trim().parse().unwrap_or(0),
            None => before + 1,
        };
        if number > SHEET_ROWS_MAX {
            return Err(XmlError::Invalid(
                "a row has a number above 1,048,576, which is the limit of a sheet",
            ));
        }
        if number <= before {
            return Err(XmlError::Invalid(
                "the next row has no valid number, or does not follow in order",
            ));
        }
        self.found.last_row = number;
        Ok(number)
    }

    /// Reads a row up to its end tag.
    fn read_row(
        &mut self,
        tag: &BytesStart<'_>,
        number: u32,
        block: &mut SheetBlock,
    ) -> Result<(), XmlError> {
        let is_copied = self.edits.is_some();
        if is_copied {
            // The attribute `spans`, which is optional, would no longer match the columns of the
            // row.
            write_with_attribute(&mut block.xml, tag, false, &[("spans", None)]);
        }
        let (xml_start, text_start) = (block.xml.len(), block.text.len());
        let mut buffer = std::mem::take(&mut self.buffers[IN_ROW]);
        let mut next_column = 0;
        let mut has_values = false;
        let mut depth = 0_u32;
        loop {
            let event = self.events.next(&mut buffer)?;
            let insert = block.xml.len();
            if is_copied {
                write_event(&mut block.xml, &event);
            }
            match &event {
                Event::Start(tag) | Event::Empty(tag)
                    if depth == 0 && tag.local_name().as_ref() == "c" =>
                {
                    let cell = CellTag::parse(tag, number, next_column)
                        .map_err(|what| self.error_in_row(number, what))
                        .map_err(XmlError::Failed)?;
                    next_column = cell.position.column + 1;
                    self.found.used_columns = self.found.used_columns.max(next_column);
                    if matches!(event, Event::Start(_)) {
                        has_values |= self.read_cell(&cell, block)?;
                    }
                }
                Event::Start(_) => depth += 1,
                Event::End(_) if depth > 0 => depth -= 1,
                Event::End(_) => {
                    if has_values {
                        block.rows.push(SheetRow {
                            number,
                            insert,
                            cells_end: block.cells.len(),
                        });
                    }
                    self.buffers[IN_ROW] = buffer;
                    return Ok(());
                }
                Event::Eof => return Err(XmlError::Invalid("it is truncated")),
                _ => {}
            }
            let bytes = (block.xml.len() - xml_start).max(block.text.len() - text_start);
            if bytes > ROW_BYTES_MAX {
                return Err(XmlError::Invalid("the row is larger than 16 MiB"));
            }
        }
    }

    /// Reads a cell up to its end tag, and adds it to the block if the cell is among the cells to
    /// read. Returns whether the cell has a value.
    fn read_cell(&mut self, cell: &CellTag, block: &mut SheetBlock) -> Result<bool, XmlError> {
        let is_copied = self.edits.is_some();
        let mut buffer = std::mem::take(&mut self.buffers[IN_CELL]);
        let mut raw = std::mem::take(&mut self.buffers[TEXT]);
        raw.clear();
        let (mut has_formula, mut has_value) = (false, false);
        // The numbers of open elements `v` and `rPh`, and of all open elements.
        let (mut values, mut phonetic, mut depth) = (0_u32, 0_u32, 0_u32);
        loop {
            let event = self.events.next(&mut buffer)?;
            if is_copied {
                write_event(&mut block.xml, &event);
            }
            match &event {
                Event::Start(tag) => {
                    depth += 1;
                    match tag.local_name().as_ref() {
                        "v" => {
                            values += 1;
                            has_value = true;
                        }
                        "t" => values += 1,
                        "rPh" => phonetic += 1,
                        "f" => has_formula = true,
                        _ => {}
                    }
                }
                Event::Empty(tag) => match tag.local_name().as_ref() {
                    "v" => has_value = true,
                    "f" => has_formula = true,
                    _ => {}
                },
                Event::End(_) if depth == 0 => break,
                Event::End(tag) => {
                    depth -= 1;
                    match tag.local_name().as_ref() {
                        "v" | "t" => values = values.saturating_sub(1),
                        "rPh" => phonetic = phonetic.saturating_sub(1),
                        _ => {}
                    }
                }
                Event::Eof => return Err(XmlError::Invalid("it is truncated")),
                event if values > 0 && phonetic == 0 => append_text(&mut raw, event)?,
                _ => {}
            }
            if raw.len() > ROW_BYTES_MAX {
                return Err(XmlError::Invalid("the row is larger than 16 MiB"));
            }
        }
        let is_missing =
            has_formula && raw.is_empty() && !(has_value && cell.value_type == ValueType::Text);
        let has_value = self.add_value(cell, &raw, is_missing, block)?;
        (self.buffers[IN_CELL], self.buffers[TEXT]) = (buffer, raw);
        Ok(has_value)
    }

    fn add_value(
        &mut self,
        cell: &CellTag,
        raw: &[u8],
        is_missing: bool,
        block: &mut SheetBlock,
    ) -> Result<bool, XmlError> {
        let text_start = block.text.len();
        let kind = match (is_missing, raw.is_empty()) {
            (true, _) => CellKind::MissingValue,
            (false, true) => return Ok(false),
            (false, false) => self.write_value(cell, raw, &mut block.text)?,
        };
        if kind == CellKind::Text && block.text.len() == text_start {
            return Ok(false);
        }
        let columns = cell.position.column + 1;
        self.found.value_columns = self.found.value_columns.max(columns);
        if self.wanted.contains(cell.position.column) {
            block.cells.push(SheetCell {
                column: cell.position.column,
                kind,
                style: cell.style,
                end: block.text.len(),
            });
        } else {
            block.text.truncate(text_start);
        }
        Ok(true)
    }

    /// Writes the value of a cell in the form in which it is displayed.
    fn write_value(
        &self,
        cell: &CellTag,
        raw: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<CellKind, XmlError> {
        let text = std::str::from_utf8(raw).expect("XML in UTF-8");
        match cell.value_type {
            ValueType::Number => {
                let is_number = self.contents.formats.write(out, text, cell.style);
                match is_number {
                    Some(true) => Ok(CellKind::Number),
                    Some(false) => Ok(CellKind::Text),
                    None => Err(self.error_in_cell(cell.position, "its number is not valid")),
                }
            }
            ValueType::Shared => {
                let index = text.trim().parse().ok();
                let shared = index.and_then(|index| self.contents.strings.get(index));
                let shared = shared.ok_or_else(|| {
                    self.error_in_cell(
                        cell.position,
                        "it refers to a shared string that does not \
                                                       exist",
                    )
                })?;
                out.extend_from_slice(shared);
                Ok(CellKind::Text)
            }
            ValueType::Text => {
                let start = out.len();
                out.extend_from_slice(raw);
                decode_escapes(out, start);
                Ok(CellKind::Text)
            }
            ValueType::Boolean => {
                let is_true = matches!(text.trim(), "1" | "true");
                out.extend_from_slice(if is_true { b"TRUE" } else { b"FALSE" });
                Ok(CellKind::Boolean)
            }
            ValueType::Date => {
                let text = text.trim().trim_end_matches('Z');
                let day = text.strip_suffix("T00:00:00").unwrap_or(text);
                out.extend_from_slice(day.as_bytes());
                Ok(CellKind::Text)
            }
        }
    }
}

/// The type of a value in the XML of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ValueType {
    Number,
    /// The index of a shared string.
    Shared,
    /// Text in the cell, the result of a formula, or an error.
    Text,
    Boolean,
    /// A date in ISO 8601.
    Date,
}

/// The attributes of a cell.
struct CellTag {
    position: CellPosition,
    value_type: ValueType,
    style: usize,
}

impl CellTag {
    fn parse(tag: &BytesStart<'_>, row: u32, next_column: u32) -> Result<CellTag, String> {
        let mut cell = CellTag {
            position: CellPosition {
                column: next_column,
                row,
            },
            value_type: ValueType::Number,
            style: 0,
        };
        for attribute in tag.attributes().with_checks(false) {
            let attribute = attribute.map_err(|_| "a cell has an attribute that is not valid")?;
            let value = attribute.value;
            match attribute.key.as_ref() {
                "r" => {
                    let position = CellPosition::parse(value.trim());
                    cell.position = position
                        .filter(|position| position.row == row)
                        .ok_or("the position of a cell is not in its row")?;
                }
                "s" => cell.style = value.trim().parse().unwrap_or(0),
                "t" => {
                    cell.value_type = match &*value {
                        "n" => ValueType::Number,
                        "s" => ValueType::Shared,
                        "str" | "inlineStr" | "e" => ValueType::Text,
                        "b" => ValueType::Boolean,
                        "d" => ValueType::Date,
                        _ => return Err("a cell has a type that does not exist".into()),
                    };
                }
                _ => {}
            }
        }
        if cell.position.column < next_column || cell.position.column >= SHEET_COLUMNS_MAX {
            return Err(format!(
                "its cells do not follow in order, or there are more than {SHEET_COLUMNS_MAX} columns (up to {})",
                column_letters(SHEET_COLUMNS_MAX - 1)
            ));
        }
        Ok(cell)
    }
}

/// Writes the widths of columns, so that new columns are not hidden. Returns whether anything was
/// written.
fn write_widths(
    out: &mut Vec<u8>,
    tag: &BytesStart<'_>,
    is_empty: bool,
    edits: SheetEdits,
) -> Result<bool, XmlError> {
    let is_hidden = attribute(tag, "hidden")?.is_some_and(|text| matches!(&*text, "1" | "true"));
    let number = |name: &str| -> Result<Option<u32>, XmlError> {
        Ok(attribute(tag, name)?.and_then(|text| text.trim().parse().ok()))
    };
    let (Some(first), Some(last)) = (number("min")?, number("max")?) else {
        return Ok(false);
    };
    // In the XML, columns are counted from 1.
    let (new_first, new_last) = (edits.first_column + 1, edits.last_column + 1);
    if !is_hidden || !is_empty || last < new_first || first > new_last {
        return Ok(false);
    }
    let parts = [
        (first, last.min(new_first - 1), true),
        (first.max(new_first), last.min(new_last), false),
        (first.max(new_last + 1), last, true),
    ];
    for (first, last, is_hidden) in parts {
        if first > last {
            continue;
        }
        let hidden = is_hidden.then(|| "1".to_string());
        // A hidden column often has the width 0.
        let mut changes = vec![
            ("min", Some(first.to_string())),
            ("max", Some(last.to_string())),
            ("hidden", hidden),
        ];
        if !is_hidden {
            changes.push(("width", Some("14".to_string())));
            changes.push(("collapsed", None));
        }
        write_with_attribute(out, tag, true, &changes);
    }
    Ok(true)
}
