//! A first pass over a sheet, before any output is written. The pass checks the whole sheet, and
//! finds the properties that are known only at its end: the last column, the merged cells and the
//! filter.

use std::io::BufRead;
use std::sync::Arc;

use super::super::error::TabularError;
use super::sheet_reader::{SheetBlock, SheetContents, SheetFindings, SheetReader, WantedCells};

/// The number of stored rows, which must include the header row.
const FIRST_ROWS: usize = 20;
/// The total size of the stored cells, in bytes, above which no more rows are stored.
const FIRST_ROWS_BYTES: usize = 1 << 20;

/// The findings of the first pass.
#[derive(Debug, Default)]
pub(crate) struct SheetSurvey {
    pub(crate) found: SheetFindings,
    /// The first rows with values.
    pub(crate) first_rows: SheetBlock,
    /// The number of the last row with values.
    pub(crate) last_value_row: u32,
}

impl SheetSurvey {
    /// Reads a whole sheet. The stored rows have numbers above `skip_rows`.
    ///
    /// # Errors
    /// If the sheet is damaged.
    pub(crate) fn read(
        source: impl BufRead,
        contents: Arc<SheetContents>,
        skip_rows: u32,
    ) -> Result<SheetSurvey, TabularError> {
        let mut reader = SheetReader::new(source, contents, WantedCells::All, None);
        let mut survey = SheetSurvey::default();
        let mut block = SheetBlock::default();
        loop {
            let first_rows = &mut survey.first_rows;
            let is_full =
                first_rows.rows.len() == FIRST_ROWS || first_rows.text.len() > FIRST_ROWS_BYTES;
            if is_full {
                reader.wanted = WantedCells::No;
            }
            block.clear();
            if !reader.next_row(&mut block)? {
                break;
            }
            let Some(row) = block.rows.last() else {
                continue;
            };
            survey.last_value_row = row.number;
            if !is_full && row.number > skip_rows {
                first_rows.append_row(&block);
            }
        }
        survey.found = reader.found;
        Ok(survey)
    }
}

impl SheetBlock {
    /// Appends the only row of another block.
    fn append_row(&mut self, other: &SheetBlock) {
        let text_before = self.text.len();
        self.text.extend_from_slice(&other.text);
        self.cells.extend(other.cells.iter().map(|cell| {
            let mut cell = *cell;
            cell.end += text_before;
            cell
        }));
        let cells_end = self.cells.len();
        self.rows.extend(other.rows.iter().map(|row| {
            let mut row = *row;
            row.cells_end = cells_end;
            row
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tabular::workbook::{NumberFormats, SharedStrings};

    fn survey(xml: &str) -> Result<SheetSurvey, String> {
        let strings = "<sst><si><t>LA1 1AA</t></si><si><t/></si></sst>";
        let contents = SheetContents {
            name: "Patients".into(),
            strings: SharedStrings::read(strings.as_bytes(), 1_000).expect("texts"),
            formats: NumberFormats::without_styles(false),
        };
        SheetSurvey::read(xml.as_bytes(), Arc::new(contents), 0).map_err(|error| error.to_string())
    }

    fn sheet(rows: &str) -> String {
        format!("<worksheet><sheetData>{rows}</sheetData></worksheet>")
    }

    fn texts(survey: &SheetSurvey) -> Vec<String> {
        let rows = &survey.first_rows;
        let row_texts = |row: usize| {
            let cells = rows.cells_of(row).map(|(cell, text)| {
                let letters = super::super::column_letters(cell.column);
                format!("{letters}{}", String::from_utf8_lossy(text))
            });
            let number = rows.rows[row].number;
            format!("{number}:{}", cells.collect::<Vec<_>>().join("|"))
        };
        (0..rows.rows.len()).map(row_texts).collect()
    }

    #[test]
    fn values_of_every_type_are_read() {
        let rows = "<row r=\"2\"><c r=\"A2\" t=\"s\"><v>0</v></c><c r=\"C2\"><v>1.50</v></c>\
                    <c t=\"b\"><v>1</v></c><c t=\"e\"><v>#N/A</v></c>\
                    <c t=\"str\"><f>A1&amp;\"\"</f><v>x</v></c><c t=\"d\"><v>2026-04-01T00:00:00</v></c>\
                    <c t=\"inlineStr\"><is><r><t>a</t></r><r><t>&lt;b</t></r><rPh><t>z</t></rPh></is></c></row>\
                    <row/><row r=\"5\"><c r=\"B5\" s=\"3\"/><c r=\"D5\" t=\"s\"><v>1</v></c></row>\
                    <row><c><f>A1</f></c><c t=\"str\"><f>A1</f><v></v></c></row>";
        let survey = survey(&sheet(rows)).expect("a sheet");
        let expected = ["2:ALA1 1AA|C1.5|DTRUE|E#N/A|Fx|G2026-04-01|Ha<b", "6:A"];
        assert_eq!(texts(&survey), expected);
        assert_eq!(survey.found.used_columns, 8);
        assert_eq!((survey.found.last_row, survey.last_value_row), (6, 6));
    }

    #[test]
    fn prefixes_and_merged_cells_are_found() {
        let xml = "<x:worksheet xmlns:x=\"m\"><x:sheetData><x:row r=\"1\"><x:c r=\"A1\"><x:v>1</x:v></x:c></x:row></x:sheetData>\
                   <x:autoFilter ref=\"A1:B2\"/><x:mergeCells><x:mergeCell ref=\"A1:D1\"/><x:mergeCell ref=\"A2\"/></x:mergeCells></x:worksheet>";
        let survey = survey(xml).expect("a sheet");
        assert_eq!(survey.found.prefix, "x:");
        assert_eq!(survey.found.merges.len(), 1);
        assert_eq!(
            (survey.found.used_columns, survey.found.value_columns),
            (4, 1)
        );
        assert!(survey.found.filter.is_some());
    }

    #[test]
    fn damaged_sheets_are_rejected_with_the_row_or_cell() {
        for (xml, expected) in [
            (
                sheet("<row r=\"2\"/><row r=\"2\"/>"),
                "after the start of row 2",
            ),
            (sheet("<row r=\"1048577\"/>"), "1,048,576"),
            (sheet("<row r=\"0\"/>"), "number"),
            (
                sheet("<row r=\"1\"><c r=\"B1\"/><c r=\"A1\"/></row>"),
                "row 1",
            ),
            (sheet("<row r=\"1\"><c r=\"B2\"/></row>"), "not in its row"),
            (
                sheet("<row r=\"1\"><c r=\"B1\" t=\"s\"><v>9</v></c></row>"),
                "cell B1",
            ),
            (
                sheet("<row r=\"1\"><c r=\"B1\"><v>x</v></c></row>"),
                "cell B1",
            ),
            (sheet("<row r=\"1\"><c t=\"zz\"/></row>"), "type"),
            ("<worksheet><sheetData><row>".into(), "truncated"),
            ("<chartsheet/>".into(), "empty"),
            (
                "<chartsheet><a/></chartsheet>".into(),
                "not a sheet of cells",
            ),
        ] {
            let error = survey(&xml).expect_err("damaged");
            assert!(error.contains(expected), "{error} for {xml}");
            assert!(error.contains("`Patients`"), "{error}");
        }
    }
}
