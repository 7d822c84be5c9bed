//! Answers the rows of a sheet. The output is either the same workbook, with the output columns and
//! a sheet with the summary added, or the rows as CSV or NDJSON.

use std::borrow::Cow;
use std::io::{self, BufReader, Write};
use std::num::NonZeroUsize;
use std::sync::Arc;

use super::column_mapping::ColumnMapping;
use super::context::BatchContext;
use super::input_format::DetectedFormat;
use super::progress::BatchProgress;
use super::row_parser::{InputRow, ParsedRow, RowContent};
use super::summary::{BatchSummary, BatchTally};
use super::summary_sheet::summary_sheet;
use super::workbook_input::{SheetRows, WorkbookInput};
use super::worker::{BatchWorker, GROUP_ROWS};
use super::{BatchError, BatchRequest, FIELD_BYTES_MAX};
use crate::tabular::blocks::BLOCK_BYTES;
use crate::tabular::cell_format::{
    CellFormat, take_cell, write_csv_cell, write_excel_safe, write_json_string,
};
use crate::tabular::compression::Compression;
use crate::tabular::delimiter::Delimiter;
use crate::tabular::error::TabularError;
use crate::tabular::file_format::BatchFormat;
use crate::tabular::limits::slice_rows;
use crate::tabular::pipeline::{BlockSource, ByteSink, OutputSink, Stage, run_ordered};
use crate::tabular::workbook::{
    CellKind, CellPosition, CellWriter, PackageWriter, PartReader, RowKind, SheetBlock, SheetCell,
    SheetEdits, SheetReader, WantedCells, column_letters,
};
use catchment_core::index::Index;

/// Runs a batch on a workbook.
pub(super) fn run<W: Write + Send>(
    index: &Index,
    detected: &DetectedFormat,
    input: WorkbookInput,
    request: &BatchRequest,
    output: W,
    threads: NonZeroUsize,
    progress: &BatchProgress,
) -> Result<BatchSummary, BatchError> {
    if detected.output_format.is_workbook() {
        edit(index, detected, input, request, output, threads, progress)
    } else {
        convert(index, detected, input, request, output, threads, progress)
    }
}

/// Writes the workbook with the output columns added.
fn edit<W: Write + Send>(
    index: &Index,
    detected: &DetectedFormat,
    mut input: WorkbookInput,
    request: &BatchRequest,
    output: W,
    threads: NonZeroUsize,
    progress: &BatchProgress,
) -> Result<BatchSummary, BatchError> {
    let context = BatchContext::new(index, detected, request, CellFormat::LengthPrefixed);
    let names: Vec<String> = request
        .output_columns
        .iter()
        .map(ToString::to_string)
        .collect();
    let first_column = input.survey.found.used_columns;
    let added = u32::try_from(names.len()).expect("checked");
    let edits = SheetEdits {
        first_column,
        last_column: first_column + added - 1,
        header_row: input.rows.header,
    };
    let filter = input.survey.found.filter;
    let filter = filter.and_then(|filter| edits.extended_filter(filter));
    let added_sheet = input
        .parts
        .added_sheet(&mut input.package, &input.sheet, filter)?;
    let mut edited = added_sheet.edited;
    for table in &input.tables {
        if let Some(header_row) = edits.header_row {
            edited.extend(table.extended(header_row, first_column, &names)?);
        }
    }
    let mut writer = PackageWriter::new(output);
    let sheet_part = input.package.stored_name(&input.sheet.part);
    input
        .package
        .copy_parts(&mut writer, |name, stored, writer| {
            if stored == sheet_part {
                return Ok(true);
            }
            match edited.iter().find(|(part, _)| part == name) {
                Some((_, bytes)) => writer.write_part(stored, bytes).map(|()| true),
                None => Ok(false),
            }
        })?;
    writer.start_part(&sheet_part)?;
    let cells = AddedCells {
        writer: CellWriter {
            prefix: input.survey.found.prefix.clone(),
        },
        letters: (first_column..=edits.last_column)
            .map(column_letters)
            .collect(),
        is_numeric: request
            .output_columns
            .iter()
            .map(|column| column.is_numeric())
            .collect(),
        header_style: header_style(&input),
        names,
    };
    let read_columns = read_columns(&detected.column_mapping);
    let wanted = WantedCells::Columns(read_columns);
    let source = input.rows_source(wanted, Some(edits), request)?;
    let worker = || SheetStage {
        worker: BatchWorker::new(&context),
        mapping: detected.column_mapping,
        rows: Arc::clone(&input.rows),
        output: RowOutput::Workbook(&cells),
        cells: Vec::new(),
        compression: Compression::None,
    };
    let add_rows = |rows| progress.add_rows(rows);
    let (sink, tallies) = run_ordered(source, PartSink(writer), threads, &add_rows, worker)?;
    let summary = BatchTally::merge_all(tallies).into_summary(&context);
    let mut writer = sink.0;
    let xml = summary_sheet(index, &summary, request).xml(input.parts.is_strict)?;
    writer.write_part(&added_sheet.part, &xml)?;
    writer.finish()?;
    Ok(summary)
}

/// Writes the rows as CSV or NDJSON.
fn convert<W: Write + Send>(
    index: &Index,
    detected: &DetectedFormat,
    mut input: WorkbookInput,
    request: &BatchRequest,
    mut output: W,
    threads: NonZeroUsize,
    progress: &BatchProgress,
) -> Result<BatchSummary, BatchError> {
    let delimiter = detected.output_delimiter.unwrap_or(Delimiter::COMMA);
    let format = match detected.output_format {
        BatchFormat::Ndjson => CellFormat::Json,
        _ => CellFormat::Csv(delimiter),
    };
    let context = BatchContext::new(index, detected, request, format);
    let row_output = match format {
        CellFormat::Json => RowOutput::Ndjson(member_names(&detected.columns)),
        _ => RowOutput::Csv {
            delimiter,
            width: detected.columns.len(),
            excel_safe: request.excel_safe,
        },
    };
    let mut beginning = Vec::new();
    if detected.has_header && matches!(format, CellFormat::Csv(_)) {
        for (index, name) in detected.columns.iter().enumerate() {
            if index > 0 {
                beginning.extend_from_slice(delimiter.as_bytes());
            }
            write_field(&mut beginning, name, delimiter, request.excel_safe);
        }
        context.layout.write_header(&mut beginning);
        beginning.push(b'\n');
        let beginning = request.compression.compress(&beginning);
        let written = beginning.and_then(|beginning| output.write_all(&beginning));
        written.map_err(TabularError::Write)?;
    }
    let source = input.rows_source(WantedCells::All, None, request)?;
    let worker = || SheetStage {
        worker: BatchWorker::new(&context),
        mapping: detected.column_mapping,
        rows: Arc::clone(&input.rows),
        output: row_output.clone(),
        cells: Vec::new(),
        compression: request.compression,
    };
    let add_rows = |rows| progress.add_rows(rows);
    let (mut sink, tallies) = run_ordered(source, ByteSink(output), threads, &add_rows, worker)?;
    sink.0.flush().map_err(TabularError::Write)?;
    Ok(BatchTally::merge_all(tallies).into_summary(&context))
}

/// Counts the rows of the sheet without writing the rows. Returns the counts of each thread.
pub(super) fn count_sheet_rows(
    context: &BatchContext<'_>,
    detected: &DetectedFormat,
    mut input: WorkbookInput,
    request: &BatchRequest,
    threads: NonZeroUsize,
    progress: &BatchProgress,
) -> Result<Vec<BatchTally>, BatchError> {
    let read_columns = read_columns(&detected.column_mapping);
    let wanted = WantedCells::Columns(read_columns.clone());
    let source = input.rows_source(wanted, None, request)?;
    let worker = || SheetStage {
        worker: BatchWorker::new(context),
        mapping: detected.column_mapping,
        rows: Arc::clone(&input.rows),
        output: RowOutput::Preview(read_columns.clone()),
        cells: Vec::new(),
        compression: Compression::None,
    };
    let add_rows = |rows| progress.add_rows(rows);
    let sink = ByteSink(io::sink());
    let (_, tallies) = run_ordered(source, sink, threads, &add_rows, worker)?;
    Ok(tallies)
}

/// Returns the first output rows as CSV for display. The rows contain the columns that the look-up
/// reads, and the output columns.
pub(super) fn preview(
    index: &Index,
    detected: &DetectedFormat,
    mut input: WorkbookInput,
    request: &BatchRequest,
    rows_max: usize,
) -> Result<Vec<u8>, BatchError> {
    let comma = Delimiter::COMMA;
    let context = BatchContext::new(index, detected, request, CellFormat::Csv(comma));
    let mut out = Vec::new();
    for (index, name) in context.read_names.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_csv_cell(&mut out, name, comma);
    }
    context.layout.write_header(&mut out);
    out.push(b'\n');
    let read_columns = read_columns(&detected.column_mapping);
    let wanted = WantedCells::Columns(read_columns.clone());
    let mut source = input.rows_source(wanted, None, request)?;
    let mut stage = SheetStage {
        worker: BatchWorker::new(&context),
        mapping: detected.column_mapping,
        rows: Arc::clone(&input.rows),
        output: RowOutput::Preview(read_columns),
        cells: Vec::new(),
        compression: Compression::None,
    };
    let mut rows_left = rows_max;
    let mut block = SheetBlock::default();
    while rows_left > 0 && source.next(&mut block)? {
        let is_data = |number| input.rows.kind(number) == RowKind::Data;
        let mut rows_seen = 0;
        block.rows.retain(|row| {
            rows_seen += usize::from(is_data(row.number));
            rows_seen <= rows_left
        });
        let mut lines = Vec::new();
        let rows = stage.process(&mut block, &mut lines)?;
        rows_left = rows_left.saturating_sub(usize::try_from(rows).expect("few rows"));
        out.extend_from_slice(&lines);
    }
    Ok(out)
}

fn read_columns(mapping: &ColumnMapping) -> Vec<u32> {
    let columns = mapping.columns().into_iter();
    columns.map(|(_, column)| column_number(column)).collect()
}

fn column_number(index: usize) -> u32 {
    u32::try_from(index).expect("few columns")
}

/// Returns the names of the members of an object. If a column has no name, the letters of the
/// column are used.
fn member_names(columns: &[String]) -> Vec<String> {
    let name = |(index, name): (usize, &String)| match name.as_str() {
        "" => column_letters(column_number(index)),
        name => name.to_string(),
    };
    columns.iter().enumerate().map(name).collect()
}

/// Returns the style of the last named cell of the header row, which is also used for the new
/// header cells.
fn header_style(input: &WorkbookInput) -> Option<usize> {
    let rows = &input.survey.first_rows;
    let header = rows
        .rows
        .iter()
        .position(|row| Some(row.number) == input.rows.header)?;
    rows.cells_of(header).last().map(|(cell, _)| cell.style)
}

/// The source of the rows of a sheet.
struct RowsSource {
    reader: SheetReader<BufReader<PartReader>>,
    rows_max: usize,
    has_ended: bool,
}

impl WorkbookInput {
    /// Reads the sheet again, from its start.
    fn rows_source(
        &mut self,
        wanted: WantedCells,
        edits: Option<SheetEdits>,
        request: &BatchRequest,
    ) -> Result<RowsSource, BatchError> {
        let part = self.package.read(&self.sheet.part)?;
        let part = part.expect("the sheet was read before");
        let width = self.survey.found.value_columns as usize;
        Ok(RowsSource {
            reader: SheetReader::new(part, Arc::clone(&self.contents), wanted, edits),
            rows_max: slice_rows(width, request.output_columns.len()),
            has_ended: false,
        })
    }
}

impl BlockSource for RowsSource {
    type Block = SheetBlock;

    fn next(&mut self, block: &mut SheetBlock) -> Result<bool, TabularError> {
        block.clear();
        while !self.has_ended && block.rows.len() < self.rows_max {
            self.has_ended = !self.reader.next_row(block)?;
            if block.xml.len() + block.text.len() >= BLOCK_BYTES {
                break;
            }
        }
        Ok(!block.rows.is_empty() || !block.xml.is_empty())
    }
}

/// A sink that writes to the current part of a workbook.
struct PartSink<W: Write>(PackageWriter<W>);

impl<W: Write + Send> OutputSink for PartSink<W> {
    type Output = Vec<u8>;

    fn write(&mut self, output: &mut Vec<u8>) -> Result<(), TabularError> {
        self.0.write(output)
    }
}

/// The cells that are added to a sheet.
struct AddedCells {
    writer: CellWriter,
    /// The letters of the new columns.
    letters: Vec<String>,
    is_numeric: Vec<bool>,
    names: Vec<String>,
    header_style: Option<usize>,
}

impl AddedCells {
    fn write_names(&self, row: u32, out: &mut Vec<u8>) -> Result<(), TabularError> {
        for (letters, name) in self.letters.iter().zip(&self.names) {
            self.writer
                .write_text(out, letters, row, self.header_style, name)?;
        }
        Ok(())
    }

    /// Writes the output cells of a row, which are in [`CellFormat::LengthPrefixed`].
    fn write_row(&self, row: u32, mut cells: &[u8], out: &mut Vec<u8>) -> Result<(), TabularError> {
        for (letters, is_numeric) in self.letters.iter().zip(&self.is_numeric) {
            let Some(cell) = take_cell(&mut cells) else {
                continue;
            };
            if *is_numeric {
                let bytes = cell.try_into().expect("a number of eight bytes");
                let number = f64::from_le_bytes(bytes);
                self.writer.write_number(out, letters, row, number);
            } else {
                let text = String::from_utf8_lossy(cell);
                self.writer.write_text(out, letters, row, None, &text)?;
            }
        }
        Ok(())
    }
}

/// The format in which the rows of a sheet are written.
#[derive(Clone)]
enum RowOutput<'c> {
    /// In the XML of the sheet.
    Workbook(&'c AddedCells),
    Csv {
        delimiter: Delimiter,
        width: usize,
        excel_safe: bool,
    },
    /// As objects whose members have these names.
    Ndjson(Vec<String>),
    /// As CSV with only these columns.
    Preview(Vec<u32>),
}

/// The pipeline stage that answers the rows of a sheet.
struct SheetStage<'s, 'i> {
    worker: BatchWorker<'s, 'i>,
    mapping: ColumnMapping,
    rows: Arc<SheetRows>,
    output: RowOutput<'s>,
    /// The output cells of a row.
    cells: Vec<u8>,
    compression: Compression,
}

impl Stage<SheetBlock, Vec<u8>> for SheetStage<'_, '_> {
    type Outcome = BatchTally;

    fn process(&mut self, block: &mut SheetBlock, out: &mut Vec<u8>) -> Result<u64, TabularError> {
        out.clear();
        let rows_before = self.worker.tally.rows;
        let mut xml_done = 0;
        let mut group = Vec::with_capacity(GROUP_ROWS);
        for start in (0..block.rows.len()).step_by(GROUP_ROWS) {
            let end = (start + GROUP_ROWS).min(block.rows.len());
            group.clear();
            for position in start..end {
                group.push(InputRow {
                    text: b"",
                    ending: b"",
                    position,
                    content: self.read_row(block, position),
                });
            }
            self.worker.look_up(&mut group);
            for row in &group {
                let insert = block.rows[row.position].insert;
                if matches!(self.output, RowOutput::Workbook(_)) {
                    out.extend_from_slice(&block.xml[xml_done..insert]);
                    xml_done = insert;
                }
                self.write_row(block, row, out)?;
            }
        }
        if matches!(self.output, RowOutput::Workbook(_)) {
            out.extend_from_slice(&block.xml[xml_done..]);
        }
        if self.compression != Compression::None {
            let compressed = self.compression.compress(out);
            *out = compressed.map_err(TabularError::Write)?;
        }
        Ok(self.worker.tally.rows - rows_before)
    }

    fn finish(self) -> BatchTally {
        self.worker.into_tally()
    }
}

impl SheetStage<'_, '_> {
    /// Reads the cells of a row that the look-up needs. A row that is not looked up is returned as
    /// blank.
    fn read_row<'r>(&mut self, block: &'r SheetBlock, position: usize) -> RowContent<'r> {
        let number = block.rows[position].number;
        if self.rows.kind(number) != RowKind::Data {
            return RowContent::Blank;
        }
        self.parse_row(block, position, number).into()
    }

    fn parse_row<'r>(
        &mut self,
        block: &'r SheetBlock,
        position: usize,
        row: u32,
    ) -> Result<ParsedRow<'r>, String> {
        let find = |column: u32| {
            let mut cells = block.cells_of(position);
            cells.find(|(cell, _)| cell.column == column)
        };
        for (role, column) in self.mapping.columns() {
            let column = column_number(column);
            let cell = CellPosition { column, row };
            let role = role.as_str();
            match find(column) {
                Some((found, _)) if found.kind == CellKind::MissingValue => {
                    return Err(format!(
                        "the {role} in cell {cell} is a formula without a stored value: open the workbook in Excel and save it"
                    ));
                }
                Some((_, text)) if text.len() > FIELD_BYTES_MAX => {
                    return Err(format!("a field is longer than {FIELD_BYTES_MAX} bytes"));
                }
                Some(_) => {}
                None => {
                    if let Some(range) = self.rows.merged_range(cell) {
                        return Err(format!(
                            "the {role} in cell {cell} is part of the merged cells {range}: split them"
                        ));
                    }
                }
            }
        }
        self.worker.parser.parse(&self.mapping, |column| {
            let found = find(column_number(column));
            Cow::Borrowed(found.map_or(b"".as_slice(), |(_, text)| text))
        })
    }

    fn write_row(
        &mut self,
        block: &SheetBlock,
        row: &InputRow<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), TabularError> {
        let number = block.rows[row.position].number;
        self.cells.clear();
        match &row.content {
            RowContent::Parsed(parsed) => {
                let line = || u64::from(number);
                self.worker.answer_row(parsed, line, &mut self.cells);
            }
            RowContent::Bad(error) => {
                let reason = format!("row {number}: {error}");
                let worker = &mut self.worker;
                worker.answer_bad_row(u64::from(number), &reason, &mut self.cells);
            }
            RowContent::Blank => {
                if let (RowOutput::Workbook(cells), RowKind::Header) =
                    (&self.output, self.rows.kind(number))
                {
                    cells.write_names(number, out)?;
                }
                return Ok(());
            }
        }
        let cells = || block.cells_of(row.position);
        match &self.output {
            RowOutput::Workbook(added) => return added.write_row(number, &self.cells, out),
            RowOutput::Csv {
                delimiter,
                width,
                excel_safe,
            } => write_fields(cells(), *width, *delimiter, *excel_safe, out),
            RowOutput::Preview(columns) => {
                for (index, column) in columns.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    let found = cells().find(|(cell, _)| cell.column == *column);
                    let text = found.map_or(b"".as_slice(), |(_, text)| text);
                    write_csv_cell(out, &String::from_utf8_lossy(text), Delimiter::COMMA);
                }
            }
            RowOutput::Ndjson(names) => write_members(cells(), names, out),
        }
        out.extend_from_slice(&self.cells);
        if matches!(self.output, RowOutput::Ndjson(_)) {
            out.push(b'}');
        }
        out.push(b'\n');
        Ok(())
    }
}

/// Writes the user's cells as fields of CSV.
fn write_fields<'b>(
    cells: impl Iterator<Item = (SheetCell, &'b [u8])>,
    width: usize,
    delimiter: Delimiter,
    excel_safe: bool,
    out: &mut Vec<u8>,
) {
    let mut column = 0;
    for (cell, text) in cells {
        for _ in column..cell.column {
            out.extend_from_slice(delimiter.as_bytes());
        }
        column = cell.column;
        if cell.kind != CellKind::MissingValue {
            write_field(out, &String::from_utf8_lossy(text), delimiter, excel_safe);
        }
    }
    for _ in column..column_number(width.max(1)) - 1 {
        out.extend_from_slice(delimiter.as_bytes());
    }
}

fn write_field(out: &mut Vec<u8>, text: &str, delimiter: Delimiter, excel_safe: bool) {
    if excel_safe {
        let mut field = Vec::new();
        write_csv_cell(&mut field, text, delimiter);
        write_excel_safe(out, &field, delimiter);
    } else {
        write_csv_cell(out, text, delimiter);
    }
}

/// Writes the user's cells as the first members of an object. Numbers and booleans keep their types.
fn write_members<'b>(
    cells: impl Iterator<Item = (SheetCell, &'b [u8])>,
    names: &[String],
    out: &mut Vec<u8>,
) {
    let mut cells = cells.peekable();
    for (index, name) in names.iter().enumerate() {
        out.push(if index == 0 { b'{' } else { b',' });
        write_json_string(out, name);
        out.push(b':');
        let is_here = |(cell, _): &(SheetCell, &[u8])| cell.column == column_number(index);
        match cells.next_if(is_here) {
            None => out.extend_from_slice(b"null"),
            Some((cell, text)) => match cell.kind {
                CellKind::MissingValue => out.extend_from_slice(b"null"),
                CellKind::Number => out.extend_from_slice(text),
                CellKind::Boolean => out.extend_from_slice(&text.to_ascii_lowercase()),
                CellKind::Text => write_json_string(out, &String::from_utf8_lossy(text)),
            },
        }
    }
}
