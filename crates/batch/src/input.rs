//! Opens an input file and detects its format and columns, before any row is answered.

use std::fs::File;
use std::io::{self, Chain, Cursor, Read, Seek};

use memchr::{memchr, memrchr};

use super::column_mapping::ColumnMapping;
use super::columnar::check_types;
use super::input_format::DetectedFormat;
use super::{BatchError, BatchRequest, map_exceeded_limit};
use crate::tabular::blocks::{BLOCK_BYTES, BlockReader, RowSyntax, fill};
use crate::tabular::columnar::{
    ARROW_CONTINUATION, ColumnarInput, PARQUET_MAGIC, ParquetFile, RecordBatches,
};
use crate::tabular::compression::{Compression, Decompressor};
use crate::tabular::delimiter::Delimiter;
use crate::tabular::error::TabularError;
use crate::tabular::fields::{
    RowEnd, field_ends, field_range, row_end, split_line_ending, unquote,
};
use crate::tabular::file_format::{BatchFormat, LineEnding};
use crate::tabular::limits::{COLUMNS_MAX, CountingReader, ReceivedBytes, slice_rows};
use crate::tabular::ndjson;
use catchment_core::domain::Postcode;

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
    Text(TextBody<R>),
    /// Arrow record batches or Parquet row groups.
    Columnar(ColumnarInput<Replayed<R>>),
}

/// The rows of a text file.
pub(super) struct TextBody<R: Read> {
    pub(super) blocks: BlockReader<Decompressed<R>>,
    /// The byte order mark; empty if the file does not have one.
    pub(super) byte_order_mark: &'static [u8],
    /// The header row; empty in NDJSON.
    pub(super) header: Vec<u8>,
}

/// The decompressed input: the first bytes, which were read to detect the compression, then the
/// rest.
type Decompressed<R> = Decompressor<Chain<Cursor<Vec<u8>>, CountingReader<R>>>;

/// The decompressed input, preceded by those of its bytes that were read to detect the format.
type Replayed<R> = Chain<Cursor<Vec<u8>>, Decompressed<R>>;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
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
        // No more bytes are read than needed, because the sender of a stream may wait for the first
        // answers.
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
        let has_ended = fill(&mut source, &mut text, BLOCK_BYTES)?;
        reject_unsupported(&text, request.format)?;
        let byte_order_mark: &[u8] = if text.starts_with(BYTE_ORDER_MARK) {
            BYTE_ORDER_MARK
        } else {
            b""
        };
        text.drain(..byte_order_mark.len());
        if text.trim_ascii().is_empty() {
            return Err(BatchError::Empty);
        }
        let format = request.format.unwrap_or_else(|| detect_format(&text));
        let header = match format {
            BatchFormat::Csv => detect_csv_header(&text, request)?,
            BatchFormat::Ndjson => detect_ndjson_header(&text, has_ended, request)?,
            BatchFormat::Parquet | BatchFormat::Arrow => {
                let what = "its first bytes are not those of that format".into();
                return Err(TabularError::Unreadable { format, what }.into());
            }
        };
        check_column_names(&header.columns, request)?;
        let rest = text.split_off(header.length);
        if has_ended && rest.is_empty() {
            return Err(BatchError::NoRows);
        }
        let line = 1 + memchr::memchr_iter(b'\n', &text).count() as u64;
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
                line_ending: Some(header.line_ending),
                columns: header.columns,
                column_mapping: header.column_mapping,
            },
            body: InputBody::Text(TextBody {
                blocks: BlockReader::new(source, rows, rows_max, rest, line),
                byte_order_mark,
                header: text,
            }),
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

    fn from_columns(
        input: ColumnarInput<Replayed<R>>,
        compression: Compression,
        request: &BatchRequest,
        received: ReceivedBytes,
    ) -> Result<BatchInput<R>, BatchError> {
        let format = input.format();
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
                line_ending: None,
                columns,
                column_mapping,
            },
            body: InputBody::Columnar(input),
        })
    }

    /// Returns what was detected about the input.
    pub fn detected(&self) -> &DetectedFormat {
        &self.detected
    }
}

/// Returns whether a file starts with the Parquet magic bytes, and rewinds the file.
///
/// # Errors
/// If the file cannot be read.
pub fn is_parquet(file: &mut File) -> io::Result<bool> {
    let mut beginning = Vec::new();
    fill(file, &mut beginning, PARQUET_MAGIC.len())?;
    file.rewind()?;
    Ok(beginning == PARQUET_MAGIC)
}

fn is_arrow(beginning: &[u8], requested: Option<BatchFormat>) -> bool {
    beginning == ARROW_CONTINUATION && requested.is_none_or(|format| format == BatchFormat::Arrow)
}

/// The header of a text file.
struct InputHeader {
    delimiter: Option<Delimiter>,
    line_ending: LineEnding,
    columns: Vec<String>,
    column_mapping: ColumnMapping,
    /// The length of the header row in bytes, including the line ending.
    length: usize,
}

/// Magic bytes of unsupported files, with what the file is and what the user can do about it.
const UNSUPPORTED_MAGIC: &[(&[u8], &str, &str)] = &[
    (
        b"PK\x03\x04",
        "a zip archive or a spreadsheet (.xlsx)",
        ": save the sheet as CSV, or extract the archive",
    ),
    (b"PK\x05\x06", "an empty zip archive", ""),
    (
        b"\xd0\xcf\x11\xe0",
        "an old spreadsheet (.xls)",
        ": save the sheet as CSV",
    ),
    (b"PARE", "an encrypted Parquet file", ": decrypt it"),
    (
        b"ARROW1",
        "an Arrow file (Feather)",
        ": write it as an Arrow stream, or as Parquet",
    ),
    (
        b"BZh",
        "compressed with bzip2",
        ": decompress it, or use gzip or zstd",
    ),
    (
        b"\xfd7zXZ\0",
        "compressed with xz",
        ": decompress it, or use gzip or zstd",
    ),
    (b"7z\xbc\xaf", "a 7z archive", ": extract it"),
    (b"\x1f\x8b", "compressed twice", ": decompress it once"),
    (
        b"\x28\xb5\x2f\xfd",
        "compressed twice",
        ": decompress it once",
    ),
    (b"%PDF", "a PDF", ": save the rows as CSV"),
    (
        b"SQLite format 3\0",
        "a database",
        ": export the table as CSV",
    ),
    (b"\xff\xfe", "text in UTF-16", ": save it as \"CSV UTF-8\""),
    (b"\xfe\xff", "text in UTF-16", ": save it as \"CSV UTF-8\""),
    (b"{\\rtf", "a text document", ": save it as plain text"),
    (b"<", "a web page or XML", ": save the rows as CSV"),
    (
        b"[",
        "a JSON array",
        ": write one object per line, without brackets around the objects",
    ),
];

fn reject_unsupported(text: &[u8], requested: Option<BatchFormat>) -> Result<(), BatchError> {
    let begins = |beginning: &[u8]| text.starts_with(beginning);
    let columnar_magic = [
        (PARQUET_MAGIC, BatchFormat::Parquet),
        (ARROW_CONTINUATION, BatchFormat::Arrow),
    ];
    let found = columnar_magic
        .into_iter()
        .find(|(beginning, _)| begins(beginning));
    match (found, requested) {
        (None, _) => {}
        (Some((_, found)), Some(format)) if found != format => {
            let what = format!("its content is {found}: leave out --format");
            return Err(TabularError::Unreadable { format, what }.into());
        }
        (Some(_), _) => return Err(BatchError::NeedsFile),
    }
    if let Some((_, what, hint)) = UNSUPPORTED_MAGIC
        .iter()
        .find(|(beginning, ..)| begins(beginning))
    {
        return Err(BatchError::UnsupportedFormat { what, hint });
    }
    let first_line = &text[..memchr(b'\n', text).unwrap_or(text.len())];
    if memchr(0, first_line).is_some() {
        let (what, hint) = ("binary, or text in UTF-16", ": save it as \"CSV UTF-8\"");
        return Err(BatchError::UnsupportedFormat { what, hint });
    }
    Ok(())
}

fn detect_format(text: &[u8]) -> BatchFormat {
    match text.trim_ascii_start().first() {
        Some(b'{') => BatchFormat::Ndjson,
        _ => BatchFormat::Csv,
    }
}

fn line_ending(line: &[u8]) -> LineEnding {
    match line {
        [.., b'\r', b'\n'] => LineEnding::CrLf,
        _ => LineEnding::Lf,
    }
}

/// Parses the header row, using the given delimiter or the most likely delimiter.
fn detect_csv_header(text: &[u8], request: &BatchRequest) -> Result<InputHeader, BatchError> {
    if memchr(b'\n', text).is_none() && memchr(b'\r', text).is_some() {
        return Err(BatchError::CarriageReturns);
    }
    if let Some(given) = request.delimiter {
        let first_line = &text[..memchr(b'\n', text).unwrap_or(text.len())];
        let is_latin1 = given.is_not_sign()
            && memchr::memmem::find(first_line, given.as_bytes()).is_none()
            && memchr(Delimiter::NOT_SIGN_LATIN1.first(), first_line).is_some();
        let delimiter = if is_latin1 {
            Delimiter::NOT_SIGN_LATIN1
        } else {
            given
        };
        return header_with_delimiter(text, delimiter, request).1;
    }
    let candidates =
        Delimiter::CANDIDATES.map(|delimiter| header_with_delimiter(text, delimiter, request));
    let mut best: Option<&InputHeader> = None;
    let valid = candidates
        .iter()
        .filter_map(|(_, header)| header.as_ref().ok());
    let rank = |header: &InputHeader| (header.column_mapping.columns().len(), header.columns.len());
    for header in valid {
        match best {
            Some(other) if rank(header) == rank(other) && header.columns.len() > 1 => {
                let (first, second) = (other.delimiter, header.delimiter);
                let (first, second) = (first.expect("CSV"), second.expect("CSV"));
                return Err(BatchError::AmbiguousDelimiter { first, second });
            }
            Some(other) if rank(header) <= rank(other) => {}
            _ => best = Some(header),
        }
    }
    let best = best.and_then(|best| best.delimiter);
    let mut candidates = candidates.into_iter().collect::<Vec<_>>();
    let chosen = match best {
        Some(best) => Delimiter::CANDIDATES
            .iter()
            .position(|delimiter| *delimiter == best),
        // No delimiter is valid, so the error for the most likely delimiter is returned.
        None => (0..candidates.len())
            .rev()
            .max_by_key(|&index| candidates[index].0),
    };
    candidates.swap_remove(chosen.expect("there are several")).1
}

/// Parses the header row with a delimiter. Returns the number of fields and the header.
fn header_with_delimiter(
    text: &[u8],
    delimiter: Delimiter,
    request: &BatchRequest,
) -> (usize, Result<InputHeader, BatchError>) {
    let length = match row_end(text, 0, delimiter) {
        RowEnd::After(end) => end,
        RowEnd::EndOfText if text.len() < BLOCK_BYTES => text.len(),
        RowEnd::EndOfText => return (0, Err(TabularError::TooManyColumns.into())),
        RowEnd::Unterminated => {
            return (0, Err(TabularError::UnterminatedQuote { line: 1 }.into()));
        }
    };
    let (row, _) = split_line_ending(&text[..length]);
    let mut ends = Vec::new();
    field_ends(row, true, delimiter, &mut ends);
    if ends.len() > COLUMNS_MAX {
        return (ends.len(), Err(TabularError::TooManyColumns.into()));
    }
    let name = |index| {
        let name = unquote(&row[field_range(&ends, index, delimiter)]).into_owned();
        String::from_utf8_lossy(&name).trim().to_string()
    };
    let columns: Vec<String> = (0..ends.len()).map(name).collect();
    let is_postcode = |name: &String| name.parse::<Postcode>().is_ok();
    if columns.iter().any(is_postcode) {
        return (ends.len(), Err(BatchError::MissingHeader));
    }
    let header = ColumnMapping::find(&columns, &request.column_overrides).map(|column_mapping| {
        InputHeader {
            delimiter: Some(delimiter),
            line_ending: line_ending(&text[..length]),
            columns,
            column_mapping,
            length,
        }
    });
    (ends.len(), header)
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
    for (index, line) in lines.take(NDJSON_SAMPLE_ROWS).enumerate() {
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
            // A later line that is not an object is reported as a bad row.
            None => {}
        }
        if columns.len() > COLUMNS_MAX {
            return Err(TabularError::TooManyColumns.into());
        }
    }
    let first_line = memchr(b'\n', text).map_or(text, |index| &text[..=index]);
    Ok(InputHeader {
        delimiter: None,
        line_ending: line_ending(first_line),
        column_mapping: ColumnMapping::find(&columns, &request.column_overrides)?,
        columns,
        length: 0,
    })
}

fn check_column_names(columns: &[String], request: &BatchRequest) -> Result<(), BatchError> {
    for (second, name) in columns
        .iter()
        .enumerate()
        .filter(|(_, name)| !name.is_empty())
    {
        if let Some(first) = columns[..second].iter().position(|earlier| earlier == name) {
            let (first, second) = (first + 1, second + 1);
            return Err(BatchError::DuplicateColumn { first, second });
        }
        if request
            .output_columns
            .iter()
            .any(|column| column.to_string() == *name)
        {
            return Err(BatchError::OutputColumnExists {
                column: name.clone(),
            });
        }
    }
    Ok(())
}
