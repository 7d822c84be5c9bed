//! Answers rows of text: CSV and NDJSON.

use super::bad_rows::{LineCounter, write_bad_fields, write_bad_line};
use super::context::BatchContext;
use super::csv_rows::{CsvFieldWriter, CsvReader};
use super::ndjson_rows::NdjsonReader;
use super::row_parser::{InputRow, RowContent};
use super::summary::BatchTally;
use super::worker::{BatchWorker, GROUP_ROWS};
use crate::tabular::blocks::{END_OF_FILE, RowBlock, RowSpan};
use crate::tabular::cell_format::CellFormat;
use crate::tabular::delimiter::Delimiter;
use crate::tabular::fields::split_line_ending;
use crate::tabular::ndjson::append_members;

/// The worker of one thread for rows of text.
pub(super) struct TextAnswerer<'s, 'i> {
    context: &'s BatchContext<'i>,
    reader: TextReader<'s>,
    worker: BatchWorker<'s, 'i>,
}

/// The reader and writer of the user's rows.
enum TextReader<'s> {
    Csv(CsvReader, CsvFieldWriter),
    Ndjson(NdjsonReader<'s>),
}

impl<'s, 'i> TextAnswerer<'s, 'i> {
    pub(super) fn new(context: &'s BatchContext<'i>) -> TextAnswerer<'s, 'i> {
        let reader = match context.layout.format {
            CellFormat::Csv(delimiter) => TextReader::Csv(
                CsvReader::new(context, delimiter),
                field_writer(context, delimiter),
            ),
            _ => TextReader::Ndjson(NdjsonReader::new(context)),
        };
        TextAnswerer {
            context,
            reader,
            worker: BatchWorker::new(context),
        }
    }

    /// Returns the number of rows answered so far.
    pub(super) fn rows(&self) -> u64 {
        self.worker.tally.rows
    }

    /// Returns the counts of all rows.
    pub(super) fn into_tally(self) -> BatchTally {
        self.worker.into_tally()
    }

    /// Answers the rows of a block, and appends the output rows to `out`. For each group of rows,
    /// first reads all rows, then looks up all rows, and then writes all output rows.
    pub(super) fn answer_block(&mut self, block: &RowBlock, out: &mut Vec<u8>) {
        let bytes = &block.bytes;
        let tally = &mut self.worker.tally;
        tally.count_scientific_notation(bytes, block.first_line);
        let mut lines = LineCounter::new(bytes, block.first_line);
        let mut group = Vec::with_capacity(GROUP_ROWS);
        let mut start = 0;
        let mut rows_left = block.rows.len();
        for rows in block.rows.chunks(GROUP_ROWS) {
            group.clear();
            for row in rows {
                let is_trailing_blank = rows_left <= block.trailing_blanks;
                group.push(self.read_row(bytes, start, *row, is_trailing_blank));
                start = row.end;
                rows_left -= 1;
            }
            self.worker.look_up(&mut group);
            for row in &group {
                self.write_row(row, &mut lines, out);
            }
        }
    }

    /// Reads the row that starts at the offset `start`. `is_trailing_blank` states whether this row
    /// and all later rows are blank.
    fn read_row<'r>(
        &mut self,
        bytes: &'r [u8],
        start: usize,
        row: RowSpan,
        is_trailing_blank: bool,
    ) -> InputRow<'r> {
        let (text, ending) = split_line_ending(&bytes[start..row.end]);
        let parser = &mut self.worker.parser;
        let content = match &mut self.reader {
            TextReader::Csv(reader, _) if is_trailing_blank && reader.is_blank(text) => {
                RowContent::Blank
            }
            TextReader::Csv(reader, _) => reader.read(text, row.has_quotes, parser).into(),
            TextReader::Ndjson(_) if text.trim_ascii().is_empty() => RowContent::Blank,
            TextReader::Ndjson(reader) => reader.read(text, parser).into(),
        };
        InputRow {
            text,
            ending,
            position: start,
            content,
        }
    }

    /// Writes the output row for an input row, with its line ending.
    fn write_row(&mut self, row: &InputRow<'_>, lines: &mut LineCounter<'_>, out: &mut Vec<u8>) {
        let worker = &mut self.worker;
        match (&row.content, &self.reader) {
            (RowContent::Parsed(parsed), TextReader::Csv(_, writer)) => {
                writer.write_row(row.text, out);
                worker.answer_row(parsed, || lines.line_at(row.position), out);
            }
            (RowContent::Parsed(parsed), TextReader::Ndjson(_)) => {
                let number = || lines.line_at(row.position);
                append_members(out, row.text, |out| worker.answer_row(parsed, number, out));
            }
            (RowContent::Bad(error), reader) => {
                let line = lines.line_at(row.position);
                let reason = format!("line {line}: {error}");
                let field_count = self.context.field_count;
                match reader {
                    TextReader::Csv(_, writer) => {
                        write_bad_fields(row.text, field_count, *writer, out);
                        worker.answer_bad_row(line, &reason, out);
                    }
                    TextReader::Ndjson(_) => write_bad_line(
                        row.text,
                        |out| worker.answer_bad_row(line, &reason, out),
                        out,
                    ),
                }
            }
            // Other programs would interpret the end-of-file character as a row.
            (RowContent::Blank, _) => {
                out.extend(row.text.iter().filter(|&&byte| byte != END_OF_FILE));
            }
        }
        out.extend_from_slice(row.ending);
    }
}

/// Writes the header row, or a line above the header row without its line ending.
pub(super) fn write_input_header(context: &BatchContext<'_>, header: &[u8], out: &mut Vec<u8>) {
    match context.layout.format {
        CellFormat::Csv(delimiter) => field_writer(context, delimiter).write_row(header, out),
        _ => out.extend_from_slice(header),
    }
}

fn field_writer(context: &BatchContext<'_>, delimiter: Delimiter) -> CsvFieldWriter {
    CsvFieldWriter {
        delimiter,
        excel_safe: context.excel_safe,
    }
}
