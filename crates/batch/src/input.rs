//! Opens an input file and detects its format and columns, before any row is answered.

use std::fs::File;
use std::io::{self, Chain, Cursor, Read, Seek};

use arrow_array::RecordBatchReader;
use memchr::{memchr, memrchr};

use super::column_mapping::ColumnMapping;
use super::columnar::check_types;
use super::csv_header::{InputHeader, detect_csv_header, line_ending};
use super::input_format::{DetectedFormat, check_column_names};
use super::practice_names::{ROWS_CHECKED, with_practice_column};
use super::signatures::{Finding, TEXT_SAMPLE_BYTES, check_signature, is_text, unsupported};
use super::workbook_input::WorkbookInput;
use super::{BatchError, BatchRequest, HeaderOptions, map_exceeded_limit, workbook_input};
use crate::tabular::blocks::{BLOCK_BYTES, BlockReader, RowSyntax, fill};
use crate::tabular::columnar::{
    ARROW_CONTINUATION, ColumnarInput, PARQUET_MAGIC, ParquetFile, RecordBatches,
};
use crate::tabular::compression::{Compression, Decompressor};
use crate::tabular::error::TabularError;
use crate::tabular::file_format::BatchFormat;
use crate::tabular::limits::{
    COLUMNS_MAX, CountingReader, ExceededLimit, ReceivedBytes, slice_rows,
};
use crate::tabular::ndjson;
use crate::tabular::text_decoder::{TextDecoder, utf16_encoding};
use crate::tabular::workbook::PartSource;

/// An open input file whose format has been detected.
pub struct BatchInput<R: Read> {
    pub(super) detected: DetectedFormat,
    /// The number of bytes received so far.
    pub(super) received: ReceivedBytes,
    pub(super) body: InputBody<R>,
}

/// The rest of an input file whose format has been detected.
pub(super) enum InputBody<R: Read> {
    /// Rows of text.
    Text(Box<TextBody<R>>),
    /// Arrow record batches or Parquet row groups.
    Columnar(ColumnarInput<Replayed<R>>),
    /// The sheet of a workbook.
    Workbook(Box<WorkbookInput>),
}

/// The rows of a text file.
pub(super) struct TextBody<R: Read> {
    pub(super) blocks: BlockReader<TextDecoder<Replayed<R>>>,
    /// The byte order mark, or empty if there is no mark.
    pub(super) byte_order_mark: &'static [u8],
    /// The lines above the header row, which are copied unchanged to the output.
    pub(super) above_header: Vec<u8>,
    /// The header row. Empty in NDJSON and if there is no header row.
    pub(super) header: Vec<u8>,
}

/// The decompressed input. Its source is the first bytes, which were read to detect the
/// compression, followed by the rest of the file.
type Decompressed<R> = Decompressor<Chain<Cursor<Vec<u8>>, CountingReader<R>>>;

/// The decompressed input, preceded by the decompressed bytes that were read to detect the format.
type Replayed<R> = Chain<Cursor<Vec<u8>>, Decompressed<R>>;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// The first bytes of a zip archive.
const ZIP_MAGIC: &[u8] = b"PK\x03\x04";
/// The number of objects whose member names are collected.
const NDJSON_SAMPLE_ROWS: usize = 100;

impl<R: Read> BatchInput<R> {
    /// Reads the start of an input file and detects its format and columns.
    ///
    /// # Errors
    /// If the format is not supported, there are no rows, or the columns are missing or ambiguous.
    pub fn open(source: R, request: &BatchRequest) -> Result<BatchInput<R>, BatchError> {
        map_exceeded_limit(BatchInput::detect(source, request))
    }

    fn detect(source: R, request: &BatchRequest) -> Result<BatchInput<R>, BatchError> {
        let received = ReceivedBytes::default();
        let mut source = received.count(source);
        let mut first = Vec::new();
        fill(&mut source, &mut first, 4)?;
        let compression = Compression::detect(&first);
        let beginning = Cursor::new(first).chain(source);
        let window_log = request.limits.zstd_window_log;
        let mut source = Decompressor::new(compression, beginning, window_log)?;
        let mut text = Vec::new();
        // No more bytes are read than necessary, because the sender of a stream may wait for the
        // first answers.
        fill(&mut source, &mut text, ARROW_CONTINUATION.len())?;
        if is_arrow(&text, request.format) {
            let source = Cursor::new(text).chain(source);
            let rows_max = slice_rows(0, request.output_columns.len());
            let batches = RecordBatches::open(source, request.limits, rows_max, &received)?;
            return BatchInput::from_columns(
                ColumnarInput::Arrow(batches),
                compression,
                request,
                received,
            );
        }
        let wants_workbook = request.format.is_some_and(BatchFormat::is_workbook);
        if text == ZIP_MAGIC && (wants_workbook || request.format.is_none()) {
            let source = PartSource::from_memory(read_workbook(text, source, request)?);
            return BatchInput::from_workbook(source, compression, request, received);
        }
        let encoding = utf16_encoding(&text);
        let source = Cursor::new(std::mem::take(&mut text)).chain(source);
        let mut source = TextDecoder::new(source, encoding);
        let has_ended = fill(&mut source, &mut text, BLOCK_BYTES)?;
        let signature = check_signature(&text, request.format)?;
        if wants_workbook {
            return Err(not_a_workbook(signature));
        }
        // Readers of UTF-16 files also expect a byte order mark in UTF-8.
        let byte_order_mark: &[u8] = if text.starts_with(BYTE_ORDER_MARK) || encoding.is_some() {
            BYTE_ORDER_MARK
        } else {
            b""
        };
        if encoding.is_none() {
            text.drain(..byte_order_mark.len());
        }
        if text.trim_ascii().is_empty() {
            return Err(BatchError::Empty);
        }
        let format = request.format.unwrap_or_else(|| detect_format(&text));
        if format != BatchFormat::Csv {
            reject_header_options(format, request)?;
        }
        let output_format = text_output_format(format, request)?;
        let header = match format {
            BatchFormat::Csv => detect_csv_header(&text, request),
            BatchFormat::Ndjson => detect_ndjson_header(&text, has_ended, request),
            BatchFormat::Parquet | BatchFormat::Arrow | BatchFormat::Xlsx | BatchFormat::Xlsm => {
                let what = "its first bytes do not match that format".into();
                return Err(TabularError::Unreadable { format, what }.into());
            }
        };
        // The header row of a text file may start with the same bytes as a file in another format.
        let header = header.map_err(|error| signature.map_or(error, unsupported))?;
        check_column_names(&header.columns, request)?;
        let rest = text.split_off(header.end);
        let header_row = text.split_off(header.start);
        if has_ended && rest.is_empty() {
            return Err(BatchError::NoRows);
        }
        let lines_above = memchr::memchr_iter(b'\n', &text).count();
        let header_lines = memchr::memchr_iter(b'\n', &header_row).count();
        let line = 1 + (lines_above + header_lines) as u64;
        let rows = match header.delimiter {
            Some(delimiter) => RowSyntax::Csv(delimiter),
            None => RowSyntax::Lines,
        };
        let rows_max = slice_rows(header.columns.len(), request.output_columns.len());
        Ok(BatchInput {
            received,
            detected: DetectedFormat {
                format,
                delimiter: header.delimiter,
                compression,
                has_byte_order_mark: !byte_order_mark.is_empty(),
                is_utf16: encoding.is_some(),
                line_ending: Some(header.line_ending),
                lines_above_header: lines_above,
                has_header: !request.header.is_absent,
                has_single_quotes: header.has_single_quotes,
                columns: header.columns,
                column_mapping: header.column_mapping,
                sheet: None,
                output_format,
                output_delimiter: None,
            },
            body: InputBody::Text(Box::new(TextBody {
                blocks: BlockReader::new(source, rows, rows_max, rest, line),
                byte_order_mark,
                above_header: text,
                header: header_row,
            })),
        })
    }

    /// Reads the footer of a Parquet file and detects its columns.
    ///
    /// # Errors
    /// If the file is not Parquet, or the columns are missing or ambiguous.
    pub fn open_parquet(file: File, request: &BatchRequest) -> Result<BatchInput<R>, BatchError> {
        let received = ReceivedBytes::default();
        received.add(file.metadata()?.len());
        let file = ParquetFile::open(file, request.limits, received.clone())?;
        BatchInput::from_columns(
            ColumnarInput::Parquet(file),
            Compression::None,
            request,
            received,
        )
    }

    /// Reads the directory of a workbook, chooses its sheet, and detects its columns.
    ///
    /// # Errors
    /// If the file is not a workbook, its sheet is damaged, or the columns are missing or ambiguous.
    pub fn open_workbook(file: File, request: &BatchRequest) -> Result<BatchInput<R>, BatchError> {
        let received = ReceivedBytes::default();
        let source = PartSource::from_file(file)?;
        received.add(source.length());
        let input = BatchInput::from_workbook(source, Compression::None, request, received);
        map_exceeded_limit(input)
    }

    fn from_workbook(
        source: PartSource,
        compression: Compression,
        request: &BatchRequest,
        received: ReceivedBytes,
    ) -> Result<BatchInput<R>, BatchError> {
        let (mut detected, workbook) = workbook_input::open(source, request)?;
        detected.compression = compression;
        Ok(BatchInput {
            detected,
            received,
            body: InputBody::Workbook(Box::new(workbook)),
        })
    }

    fn from_columns(
        input: ColumnarInput<Replayed<R>>,
        compression: Compression,
        request: &BatchRequest,
        received: ReceivedBytes,
    ) -> Result<BatchInput<R>, BatchError> {
        let format = input.format();
        reject_header_options(format, request)?;
        reject_conversion(format, request)?;
        let unsupported = [
            (request.delimiter.is_some(), "--delimiter"),
            (
                request.excel_safe,
                "--excel-safe, because spreadsheets cannot open it",
            ),
            (
                format == BatchFormat::Arrow && request.compression != Compression::None,
                "--compress: compress the stream where it is stored",
            ),
        ];
        if let Some((_, what)) = unsupported
            .into_iter()
            .find(|(is_requested, _)| *is_requested)
        {
            return Err(BatchError::UnsupportedOption { format, what });
        }
        let schema = input.schema();
        let columns: Vec<String> = schema
            .fields()
            .iter()
            .map(|field| field.name().clone())
            .collect();
        if columns.len() > COLUMNS_MAX {
            return Err(TabularError::TooManyColumns.into());
        }
        let column_mapping = ColumnMapping::find(&columns, &request.column_overrides)?;
        check_types(&schema, &column_mapping)?;
        check_column_names(&columns, request)?;
        Ok(BatchInput {
            received,
            detected: DetectedFormat {
                format,
                delimiter: None,
                compression,
                has_byte_order_mark: false,
                is_utf16: false,
                line_ending: None,
                lines_above_header: 0,
                has_header: true,
                has_single_quotes: false,
                columns,
                column_mapping,
                sheet: None,
                output_format: format,
                output_delimiter: None,
            },
            body: InputBody::Columnar(input),
        })
    }

    /// Returns the detected format of the input.
    pub fn detected(&self) -> &DetectedFormat {
        &self.detected
    }
}

impl BatchInput<io::Empty> {
    /// Detects the columns of record batches that are in memory, such as those of a data frame.
    ///
    /// # Errors
    /// If the columns are missing or ambiguous, or have the wrong type.
    pub fn from_record_batches(
        batches: Box<dyn RecordBatchReader + Send>,
        request: &BatchRequest,
    ) -> Result<BatchInput<io::Empty>, BatchError> {
        let rows_max = slice_rows(0, request.output_columns.len());
        BatchInput::from_columns(
            ColumnarInput::Arrow(RecordBatches::in_memory(batches, rows_max)),
            Compression::None,
            request,
            ReceivedBytes::default(),
        )
    }
}

/// Returns whether a file starts with the Parquet magic bytes and binary data, and rewinds the file.
/// The header row of a text file may start with the same bytes.
///
/// # Errors
/// If the file cannot be read.
pub fn is_parquet(file: &mut File) -> io::Result<bool> {
    let mut beginning = Vec::new();
    fill(file, &mut beginning, TEXT_SAMPLE_BYTES)?;
    file.rewind()?;
    Ok(beginning.starts_with(PARQUET_MAGIC) && !is_text(&beginning))
}

/// Returns whether a file starts with the first bytes of a zip archive, such as a workbook, and rewinds
/// the file.
///
/// # Errors
/// If the file cannot be read.
pub fn is_workbook(file: &mut File) -> io::Result<bool> {
    let mut beginning = Vec::new();
    fill(file, &mut beginning, ZIP_MAGIC.len())?;
    file.rewind()?;
    Ok(beginning == ZIP_MAGIC)
}

/// Reads a workbook into memory. No part of the input is written to a disk.
fn read_workbook(
    mut bytes: Vec<u8>,
    source: impl Read,
    request: &BatchRequest,
) -> Result<Vec<u8>, BatchError> {
    let most = request.limits.workbook_bytes;
    source.take(most).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(TabularError::from(ExceededLimit::WorkbookBytes(most)).into());
    }
    Ok(bytes)
}

fn not_a_workbook(signature: Option<Finding>) -> BatchError {
    let text = ("text, such as CSV", ": state its own format");
    let (what, hint) = signature.unwrap_or(text);
    TabularError::Unreadable {
        format: BatchFormat::Xlsx,
        what: format!("its content is {what}{hint}"),
    }
    .into()
}

/// Returns the format of the output for rows of text, which can be converted only to a workbook.
fn text_output_format(
    format: BatchFormat,
    request: &BatchRequest,
) -> Result<BatchFormat, BatchError> {
    let output = request.workbook.output_format.unwrap_or(format);
    reject_sheet(format, request)?;
    match output {
        BatchFormat::Xlsm => Err(BatchError::HasNoMacros),
        BatchFormat::Xlsx => {
            workbook_input::reject_compression(output, request)?;
            Ok(output)
        }
        _ => {
            reject_conversion(format, request)?;
            Ok(format)
        }
    }
}

/// Rejects the conversion of the input to another format.
fn reject_conversion(format: BatchFormat, request: &BatchRequest) -> Result<(), BatchError> {
    reject_sheet(format, request)?;
    match request.workbook.output_format {
        Some(to) if to != format => Err(BatchError::UnsupportedConversion { from: format, to }),
        _ => Ok(()),
    }
}

fn reject_sheet(format: BatchFormat, request: &BatchRequest) -> Result<(), BatchError> {
    if request.workbook.sheet.is_some() {
        let what = "--sheet";
        return Err(BatchError::UnsupportedOption { format, what });
    }
    Ok(())
}

fn is_arrow(beginning: &[u8], requested: Option<BatchFormat>) -> bool {
    beginning == ARROW_CONTINUATION && requested.is_none_or(|format| format == BatchFormat::Arrow)
}

fn detect_format(text: &[u8]) -> BatchFormat {
    let object = text.trim_ascii_start().strip_prefix(b"{");
    match object.and_then(|members| members.trim_ascii_start().first()) {
        Some(b'"' | b'}') => BatchFormat::Ndjson,
        _ => BatchFormat::Csv,
    }
}

/// Rejects options about the header row for a format without a header row.
fn reject_header_options(format: BatchFormat, request: &BatchRequest) -> Result<(), BatchError> {
    let what = match request.header {
        HeaderOptions {
            is_absent: true, ..
        } => "--no-header",
        HeaderOptions {
            skip_lines: Some(_),
            ..
        } => "--skip-lines",
        _ => return Ok(()),
    };
    Err(BatchError::UnsupportedOption { format, what })
}

/// Collects the member names of the first objects.
fn detect_ndjson_header(
    text: &[u8],
    has_ended: bool,
    request: &BatchRequest,
) -> Result<InputHeader, BatchError> {
    let complete_bytes = if has_ended {
        text.len()
    } else {
        memrchr(b'\n', text).map_or(0, |index| index + 1)
    };
    let lines = text[..complete_bytes].split(|&byte| byte == b'\n');
    let lines = lines.filter(|line| !line.trim_ascii().is_empty());
    let mut columns: Vec<String> = Vec::new();
    for (index, line) in lines.clone().take(NDJSON_SAMPLE_ROWS).enumerate() {
        match ndjson::member_names(line) {
            Some(names) => {
                let new: Vec<String> = names
                    .into_iter()
                    .filter(|name| !columns.contains(name))
                    .collect();
                columns.extend(new);
            }
            None if index == 0 => {
                let (what, hint) = (
                    "in an unknown format",
                    ": its first line is not a JSON object",
                );
                return Err(BatchError::UnsupportedFormat { what, hint });
            }
            // If a later line is not an object, it is reported as a bad row when it is answered.
            None => {}
        }
        if columns.len() > COLUMNS_MAX {
            return Err(TabularError::TooManyColumns.into());
        }
    }
    let first_line = memchr(b'\n', text).map_or(text, |index| &text[..=index]);
    let overrides = with_practice_column(&columns, &request.column_overrides, |column| {
        let values = lines.clone().take(ROWS_CHECKED).map(|line| {
            let value = ndjson::member_texts(line, &columns[column..=column]);
            value
                .ok()
                .and_then(|mut texts| texts.pop())
                .unwrap_or_default()
        });
        values.collect()
    });
    Ok(InputHeader {
        delimiter: None,
        line_ending: line_ending(first_line),
        column_mapping: ColumnMapping::find(&columns, &overrides)?,
        columns,
        start: 0,
        end: 0,
        has_single_quotes: false,
    })
}
