//! Writes the XML of new cells, and of new sheets and workbooks.

use std::io::Write;

use super::super::error::TabularError;
use super::package::PackageWriter;
use super::positions::{CellPosition, column_letters};
use super::{CELL_TEXT_MAX, SHEET_ROWS_MAX};

/// A writer of cells. Texts are stored in the cells with the type text, so that no text can be a
/// formula.
#[derive(Debug, Clone)]
pub(crate) struct CellWriter {
    /// The prefix of the sheet's elements, including the colon.
    pub(crate) prefix: String,
}

const MAIN: &str = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
const MAIN_STRICT: &str = "http://purl.oclc.org/ooxml/spreadsheetml/main";
const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n";

impl CellWriter {
    /// Writes a cell that contains text.
    ///
    /// # Errors
    /// If the text is longer than the maximum for a cell.
    pub(crate) fn write_text(
        &self,
        out: &mut Vec<u8>,
        letters: &str,
        row: u32,
        style: Option<usize>,
        text: &str,
    ) -> Result<(), TabularError> {
        if text.len() > CELL_TEXT_MAX && text.encode_utf16().count() > CELL_TEXT_MAX {
            return Err(TabularError::InSheet {
                sheet: String::new(),
                place: format!("cell {letters}{row}"),
                what: format!(
                    "the text would be longer than {CELL_TEXT_MAX} characters, which is the limit of a cell: write CSV"
                ),
            });
        }
        let prefix = self.prefix.as_str();
        self.open_cell(out, letters, row, style);
        out.extend_from_slice(b" t=\"inlineStr\"><");
        out.extend_from_slice(prefix.as_bytes());
        out.extend_from_slice(b"is><");
        out.extend_from_slice(prefix.as_bytes());
        let is_trimmed = text.trim() == text && !text.contains(['\n', '\t']);
        out.extend_from_slice(if is_trimmed {
            b"t>"
        } else {
            b"t xml:space=\"preserve\">".as_slice()
        });
        write_escaped(out, text);
        for name in ["t", "is", "c"] {
            out.extend_from_slice(b"</");
            out.extend_from_slice(prefix.as_bytes());
            out.extend_from_slice(name.as_bytes());
            out.push(b'>');
        }
        Ok(())
    }

    /// Writes a cell that contains a number, which is given as digits.
    pub(crate) fn write_number(
        &self,
        out: &mut Vec<u8>,
        letters: &str,
        row: u32,
        number: impl std::fmt::Display,
    ) {
        let prefix = &self.prefix;
        self.open_cell(out, letters, row, None);
        write!(out, "><{prefix}v>{number}</{prefix}v></{prefix}c>").expect("in memory");
    }

    /// Writes a cell that contains TRUE or FALSE.
    pub(crate) fn write_boolean(&self, out: &mut Vec<u8>, letters: &str, row: u32, is_true: bool) {
        let prefix = &self.prefix;
        let digit = u8::from(is_true);
        self.open_cell(out, letters, row, None);
        write!(out, " t=\"b\"><{prefix}v>{digit}</{prefix}v></{prefix}c>").expect("in memory");
    }

    fn open_cell(&self, out: &mut Vec<u8>, letters: &str, row: u32, style: Option<usize>) {
        write!(out, "<{}c r=\"{letters}{row}\"", self.prefix).expect("in memory");
        if let Some(style) = style.filter(|style| *style > 0) {
            write!(out, " s=\"{style}\"").expect("in memory");
        }
    }
}

/// Writes text. Characters with a meaning in XML are written as references, and characters that XML
/// cannot contain in the notation of Excel, such as `_x0001_`.
fn write_escaped(out: &mut Vec<u8>, text: &str) {
    for (index, character) in text.char_indices() {
        match character {
            '&' => out.extend_from_slice(b"&amp;"),
            '<' => out.extend_from_slice(b"&lt;"),
            '>' => out.extend_from_slice(b"&gt;"),
            '_' if is_escape(&text.as_bytes()[index..]) => out.extend_from_slice(b"_x005F_"),
            '\t' | '\n' => out.push(character as u8),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {
                write!(out, "_x{:04X}_", u32::from(character)).expect("in memory");
            }
            _ => out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

/// Returns whether text starts with a character in the notation `_x0001_`.
fn is_escape(bytes: &[u8]) -> bool {
    bytes.len() >= 7
        && bytes[1] == b'x'
        && bytes[6] == b'_'
        && bytes[2..6].iter().all(u8::is_ascii_hexdigit)
}

/// A value in the sheet with the summary.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum SummaryValue {
    Text(String),
    Count(u64),
    Ratio(f64),
}

/// The rows of the sheet with the summary.
#[derive(Debug, Default)]
pub(crate) struct SummarySheet {
    rows: Vec<Vec<SummaryValue>>,
}

impl SummarySheet {
    /// Adds a row.
    pub(crate) fn push(&mut self, row: Vec<SummaryValue>) {
        self.rows.push(row);
    }

    /// Returns the XML of the sheet.
    pub(crate) fn xml(&self, is_strict: bool) -> Result<Vec<u8>, TabularError> {
        let writer = CellWriter {
            prefix: String::new(),
        };
        let namespace = if is_strict { MAIN_STRICT } else { MAIN };
        let mut out = format!(
            "{DECLARATION}<worksheet xmlns=\"{namespace}\"><cols><col min=\"1\" max=\"1\" width=\"44\" customWidth=\"1\"/><col min=\"2\" max=\"4\" width=\"18\" customWidth=\"1\"/></cols><sheetData>"
        )
        .into_bytes();
        for (row, number) in self.rows.iter().zip(1_u32..) {
            write!(out, "<row r=\"{number}\">").expect("in memory");
            for (value, column) in row.iter().zip(0_u32..) {
                let letters = column_letters(column);
                match value {
                    SummaryValue::Text(text) if text.is_empty() => {}
                    SummaryValue::Text(text) => {
                        writer.write_text(&mut out, &letters, number, None, text)?;
                    }
                    SummaryValue::Count(count) => {
                        writer.write_number(&mut out, &letters, number, count);
                    }
                    SummaryValue::Ratio(ratio) => {
                        writer.write_number(&mut out, &letters, number, ratio);
                    }
                }
            }
            out.extend_from_slice(b"</row>");
        }
        out.extend_from_slice(b"</sheetData></worksheet>");
        Ok(out)
    }
}

/// A new workbook with a sheet of rows, to which the sheet with the summary is added at the end.
pub(crate) struct NewWorkbook<W: Write> {
    package: PackageWriter<W>,
    writer: CellWriter,
    row: u32,
    /// The letters of the columns, which are computed once.
    letters: Vec<String>,
    line: Vec<u8>,
}

/// A value in a new row.
#[derive(Debug, Clone, Copy)]
pub(crate) enum NewValue<'v> {
    Empty,
    Text(&'v str),
    /// The digits of a number.
    Number(&'v str),
    Boolean(bool),
}

impl<W: Write> NewWorkbook<W> {
    /// Starts a workbook. Its first `header_rows` rows remain visible when the sheet is scrolled.
    pub(crate) fn begin(output: W, header_rows: u32) -> Result<NewWorkbook<W>, TabularError> {
        let mut package = PackageWriter::new(output);
        for (part, text) in skeleton(&["Answers", "Catchment summary"]) {
            package.write_part(part, text.as_bytes())?;
        }
        package.start_part(&sheet_part(1))?;
        let top = header_rows + 1;
        let pane = match header_rows {
            0 => String::new(),
            rows => format!(
                "<pane ySplit=\"{rows}\" topLeftCell=\"A{top}\" activePane=\"bottomLeft\" state=\"frozen\"/>"
            ),
        };
        let beginning = format!(
            "{DECLARATION}<worksheet xmlns=\"{MAIN}\"><sheetViews><sheetView tabSelected=\"1\" workbookViewId=\"0\">{pane}</sheetView></sheetViews><sheetFormatPr defaultRowHeight=\"15\"/><sheetData>"
        );
        package.write(beginning.as_bytes())?;
        Ok(NewWorkbook {
            package,
            writer: CellWriter {
                prefix: String::new(),
            },
            row: 0,
            letters: Vec::new(),
            line: Vec::new(),
        })
    }

    /// Returns the number of the last row that was written.
    pub(crate) fn last_row(&self) -> u32 {
        self.row
    }

    /// Writes the next row.
    ///
    /// # Errors If the sheet is full, or text is too long for a cell.
    pub(crate) fn write_row<'v>(
        &mut self,
        values: impl Iterator<Item = NewValue<'v>>,
    ) -> Result<(), TabularError> {
        if self.row == SHEET_ROWS_MAX {
            return Err(TabularError::SheetTooLong);
        }
        self.row += 1;
        let row = self.row;
        self.line.clear();
        write!(self.line, "<row r=\"{row}\">").expect("in memory");
        for (index, value) in values.enumerate() {
            if index == self.letters.len() {
                let column = u32::try_from(index).expect("few columns");
                self.letters.push(column_letters(column));
            }
            let (letters, out) = (&self.letters[index], &mut self.line);
            match value {
                NewValue::Empty | NewValue::Text("") => {}
                NewValue::Text(text) => self.writer.write_text(out, letters, row, None, text)?,
                NewValue::Number(digits) => self.writer.write_number(out, letters, row, digits),
                NewValue::Boolean(is_true) => {
                    self.writer.write_boolean(out, letters, row, is_true);
                }
            }
        }
        self.line.extend_from_slice(b"</row>");
        self.package.write(&self.line)
    }

    /// Ends the sheet of rows, and adds the sheet with the summary.
    pub(crate) fn finish(mut self, summary: &SummarySheet) -> Result<(), TabularError> {
        // Excel marks numbers that are stored as text as possible errors. Here they are
        // intentional, for example codes with leading zeros.
        let last = CellPosition {
            column: u32::try_from(self.letters.len().max(1) - 1).expect("few columns"),
            row: self.row.max(1),
        };
        let end = format!(
            "</sheetData><ignoredErrors><ignoredError sqref=\"A1:{last}\" numberStoredAsText=\"1\"/></ignoredErrors></worksheet>"
        );
        self.package.write(end.as_bytes())?;
        self.package
            .write_part(&sheet_part(2), &summary.xml(false)?)?;
        self.package.finish()
    }
}

/// Writes a new workbook with these sheets, each with its name.
///
/// # Errors If text is too long for a cell, or `output` cannot be written.
pub(crate) fn write_sheets(
    output: impl Write,
    sheets: &[(&str, SummarySheet)],
) -> Result<(), TabularError> {
    let mut package = PackageWriter::new(output);
    let names: Vec<&str> = sheets.iter().map(|(name, _)| *name).collect();
    for (part, text) in skeleton(&names) {
        package.write_part(part, text.as_bytes())?;
    }
    for ((_, sheet), number) in sheets.iter().zip(1..) {
        package.write_part(&sheet_part(number), &sheet.xml(false)?)?;
    }
    package.finish()
}

fn sheet_part(number: usize) -> String {
    format!("xl/worksheets/sheet{number}.xml")
}

/// Returns the parts of a new workbook except the sheets. `sheets` contains the names of the
/// sheets, which contain no markup.
fn skeleton(sheets: &[&str]) -> [(&'static str, String); 5] {
    let mut types = String::new();
    let mut entries = String::new();
    let mut relationships = String::new();
    for (name, number) in sheets.iter().zip(1..) {
        let part = sheet_part(number);
        types.push_str(&format!(
            "<Override PartName=\"/{part}\" ContentType=\"application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml\"/>"
        ));
        entries.push_str(&format!(
            "<sheet name=\"{name}\" sheetId=\"{number}\" r:id=\"rId{number}\"/>"
        ));
        relationships.push_str(&format!(
            "<Relationship Id=\"rId{number}\" Type=\"{RELATIONSHIP}/worksheet\" Target=\"worksheets/sheet{number}.xml\"/>"
        ));
    }
    let styles = sheets.len() + 1;
    [
        (
            "[Content_Types].xml",
            format!(
                "{DECLARATION}<Types xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\"><Default Extension=\"rels\" ContentType=\"application/vnd.openxmlformats-package.relationships+xml\"/><Default Extension=\"xml\" ContentType=\"application/xml\"/><Override PartName=\"/xl/workbook.xml\" ContentType=\"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml\"/>{types}<Override PartName=\"/xl/styles.xml\" ContentType=\"application/vnd.openxmlformats-officedocument.spreadsheetml.styles+xml\"/></Types>"
            ),
        ),
        (
            "_rels/.rels",
            format!(
                "{DECLARATION}<Relationships xmlns=\"{RELATIONSHIPS}\"><Relationship Id=\"rId1\" Type=\"{RELATIONSHIP}/officeDocument\" Target=\"xl/workbook.xml\"/></Relationships>"
            ),
        ),
        (
            "xl/workbook.xml",
            format!(
                "{DECLARATION}<workbook xmlns=\"{MAIN}\" xmlns:r=\"{RELATIONSHIP}\"><bookViews><workbookView/></bookViews><sheets>{entries}</sheets></workbook>"
            ),
        ),
        (
            "xl/_rels/workbook.xml.rels",
            format!(
                "{DECLARATION}<Relationships xmlns=\"{RELATIONSHIPS}\">{relationships}<Relationship Id=\"rId{styles}\" Type=\"{RELATIONSHIP}/styles\" Target=\"styles.xml\"/></Relationships>"
            ),
        ),
        ("xl/styles.xml", format!("{DECLARATION}{STYLES}")),
    ]
}

const RELATIONSHIP: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
const RELATIONSHIPS: &str = "http://schemas.openxmlformats.org/package/2006/relationships";
const STYLES: &str = "<styleSheet xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\"><fonts count=\"1\"><font><sz val=\"11\"/><name val=\"Calibri\"/></font></fonts><fills count=\"2\"><fill><patternFill patternType=\"none\"/></fill><fill><patternFill patternType=\"gray125\"/></fill></fills><borders count=\"1\"><border><left/><right/><top/><bottom/><diagonal/></border></borders><cellStyleXfs count=\"1\"><xf numFmtId=\"0\" fontId=\"0\" fillId=\"0\" borderId=\"0\"/></cellStyleXfs><cellXfs count=\"1\"><xf numFmtId=\"0\" fontId=\"0\" fillId=\"0\" borderId=\"0\" xfId=\"0\"/></cellXfs><cellStyles count=\"1\"><cellStyle name=\"Normal\" xfId=\"0\" builtinId=\"0\"/></cellStyles></styleSheet>";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_escaped() {
        let escaped = |text: &str| {
            let mut out = Vec::new();
            write_escaped(&mut out, text);
            String::from_utf8(out).expect("text")
        };
        assert_eq!(escaped("=1+1 & <b>"), "=1+1 &amp; &lt;b&gt;");
        assert_eq!(escaped("a\u{1}\r\nb"), "a_x0001__x000D_\nb");
        assert_eq!(escaped("_x000D_ _x"), "_x005F_x000D_ _x");
    }

    #[test]
    fn texts_are_cells_of_their_own_type() {
        let writer = CellWriter {
            prefix: "x:".into(),
        };
        let mut out = Vec::new();
        writer
            .write_text(&mut out, "AB", 12, Some(3), "=cmd|' /C calc'!A0 ")
            .expect("short");
        writer.write_number(&mut out, "AC", 12, -0.5);
        let expected = "<x:c r=\"AB12\" s=\"3\" t=\"inlineStr\"><x:is><x:t xml:space=\"preserve\">=cmd|' /C calc'!A0 </x:t></x:is></x:c><x:c r=\"AC12\"><x:v>-0.5</x:v></x:c>";
        assert_eq!(String::from_utf8_lossy(&out), expected);
        let error = writer.write_text(&mut out, "B", 2, None, &"é".repeat(32_768));
        let error = error.expect_err("too long").to_string();
        assert!(error.contains("cell B2"), "{error}");
    }
}
