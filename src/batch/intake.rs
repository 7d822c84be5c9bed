//! Opens an input file and detects its format and columns, before any row is answered.

use std::fmt;
use std::fs::File;
use std::io::{self, Chain, Cursor, Read, Seek};

use memchr::{memchr, memrchr};

use super::blocks::{BLOCK_BYTES, Blocks, Rows, fill};
use super::columnar::{
    ARROW_BEGINNING, Batches, Columns, PARQUET_BEGINNING, ParquetFile, check_types,
};
use super::compression::{Compression, Unpacked};
use super::delimiter::Delimiter;
use super::fields::{RowEnd, content, field, field_ends, row_end, without_line_ending};
use super::limits::{CountingReader, Received, slice_rows, with_limits};
use super::roles::Roles;
use super::{BatchError, COLUMNS_MAX, Request, ndjson};
use crate::domain::Postcode;

/// The format of an input file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Fields separated by a delimiter; TSV if the delimiter is a tab.
    Csv,
    /// One JSON object per line.
    Ndjson,
    /// An Apache Parquet file.
    Parquet,
    /// An Apache Arrow stream (IPC).
    Arrow,
}

/// The line ending of the first line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineEnding {
    /// A line feed.
    Lf,
    /// A carriage return and a line feed.
    CrLf,
}

/// What was detected about an input file.
#[derive(Debug, Clone)]
pub struct Understood {
    /// The format.
    pub format: Format,
    /// The delimiter between fields; `None` if the format is not CSV.
    pub delimiter: Option<Delimiter>,
    /// The compression.
    pub compression: Compression,
    /// Whether the file starts with a byte order mark.
    pub has_byte_order_mark: bool,
    /// The line ending; `None` if the format has no lines.
    pub line_ending: Option<LineEnding>,
    /// The column names; in NDJSON, the member names of the first objects.
    pub columns: Vec<String>,
    /// The columns that are read.
    pub roles: Roles,
}

/// An open input file whose format was detected.
pub struct Intake<R: Read> {
    pub(super) understood: Understood,
    /// The number of bytes received so far.
    pub(super) received: Received,
    pub(super) body: Body<R>,
}

/// The rest of an input file, after the detection.
pub(super) enum Body<R: Read> {
    /// Rows of text.
    Text(TextBody<R>),
    /// Arrow record batches or Parquet row groups.
    Columns(Columns<Peeked<R>>),
}

/// The rows of a text file.
pub(super) struct TextBody<R: Read> {
    pub(super) blocks: Blocks<Plain<R>>,
    /// The byte order mark, or empty.
    pub(super) mark: &'static [u8],
    /// The header row; empty in NDJSON.
    pub(super) names: Vec<u8>,
}

/// The decompressed input: the first bytes, which were read to detect the compression, then the
/// rest.
type Plain<R> = Unpacked<Chain<Cursor<Vec<u8>>, CountingReader<R>>>;

/// The same, after its own first bytes were read to detect the format.
type Peeked<R> = Chain<Cursor<Vec<u8>>, Plain<R>>;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// The number of objects whose member names are collected.
const OBJECTS_LOOKED_AT: usize = 100;

impl<R: Read> Intake<R> {
    /// Reads the start of an input file and detects its format and columns.
    ///
    /// # Errors
    /// If the format is not supported, there are no rows, or the columns are missing or ambiguous.
    pub fn open(source: R, request: &Request) -> Result<Intake<R>, BatchError> {
        with_limits(Intake::understand(source, request))
    }

    fn understand(source: R, request: &Request) -> Result<Intake<R>, BatchError> {
        let received = Received::default();
        let mut source = received.count(source);
        let mut first = Vec::new();
        fill(&mut source, &mut first, 4)?;
        let compression = Compression::of(&first);
        let beginning = Cursor::new(first).chain(source);
        let window_log = request.limits.zstd_window_log;
        let mut source = Unpacked::new(compression, beginning, window_log)?;
        let mut text = Vec::new();
        // No more than needed: the sender of a stream may wait for the first answers.
        fill(&mut source, &mut text, ARROW_BEGINNING.len())?;
        if is_arrow(&text, request.format) {
            let source = Cursor::new(text).chain(source);
            let batches = Batches::open(source, request, &received)?;
            return Intake::of_columns(Columns::Arrow(batches), compression, request, received);
        }
        let has_ended = fill(&mut source, &mut text, BLOCK_BYTES)?;
        refuse_what_is_no_list(&text, request.format)?;
        let mark: &[u8] = match text.starts_with(BYTE_ORDER_MARK) {
            true => BYTE_ORDER_MARK,
            false => b"",
        };
        text.drain(..mark.len());
        if text.trim_ascii().is_empty() {
            return Err(BatchError::Empty);
        }
        let format = request.format.unwrap_or_else(|| format_of(&text));
        let head = match format {
            Format::Csv => csv_head(&text, request)?,
            Format::Ndjson => ndjson_head(&text, has_ended, request)?,
            Format::Parquet | Format::Arrow => {
                let what = "it does not start like one".into();
                return Err(BatchError::Unsound { format, what });
            }
        };
        check_names(&head.columns, request)?;
        let rest = text.split_off(head.length);
        if has_ended && rest.is_empty() {
            return Err(BatchError::NoRows);
        }
        let line = 1 + memchr::memchr_iter(b'\n', &text).count() as u64;
        let rows = match head.delimiter {
            Some(delimiter) => Rows::Csv(delimiter),
            None => Rows::Lines,
        };
        let rows_max = slice_rows(head.columns.len(), request.columns.len());
        Ok(Intake {
            received,
            understood: Understood {
                format,
                delimiter: head.delimiter,
                compression,
                has_byte_order_mark: !mark.is_empty(),
                line_ending: Some(head.line_ending),
                columns: head.columns,
                roles: head.roles,
            },
            body: Body::Text(TextBody {
                blocks: Blocks::new(source, rows, rows_max, rest, line),
                mark,
                names: text,
            }),
        })
    }

    /// Reads the footer of a Parquet file and detects its columns.
    ///
    /// # Errors
    /// If the file is not Parquet, or the columns are missing or ambiguous.
    pub fn open_parquet(file: File, request: &Request) -> Result<Intake<R>, BatchError> {
        let received = Received::default();
        received.add(file.metadata()?.len());
        let file = ParquetFile::open(file, request.limits, received.clone())?;
        Intake::of_columns(Columns::Parquet(file), Compression::None, request, received)
    }

    fn of_columns(
        list: Columns<Peeked<R>>,
        compression: Compression,
        request: &Request,
        received: Received,
    ) -> Result<Intake<R>, BatchError> {
        let format = list.format();
        let not_there = [
            (request.delimiter.is_some(), "--delimiter"),
            (
                request.excel_safe,
                "--excel-safe, because spreadsheets cannot open it",
            ),
            (
                format == Format::Arrow && request.compression != Compression::None,
                "--compress: compress the stream where it is stored",
            ),
        ];
        if let Some((_, what)) = not_there.into_iter().find(|(is_wanted, _)| *is_wanted) {
            return Err(BatchError::NotThere { format, what });
        }
        let schema = list.schema();
        let columns: Vec<String> = schema.fields().iter().map(|it| it.name().clone()).collect();
        if columns.len() > COLUMNS_MAX {
            return Err(BatchError::TooManyColumns);
        }
        let roles = Roles::find(&columns, &request.named)?;
        check_types(&schema, &roles)?;
        check_names(&columns, request)?;
        Ok(Intake {
            received,
            understood: Understood {
                format,
                delimiter: None,
                compression,
                has_byte_order_mark: false,
                line_ending: None,
                columns,
                roles,
            },
            body: Body::Columns(list),
        })
    }

    /// Returns what was detected about the input.
    pub fn understood(&self) -> &Understood {
        &self.understood
    }
}

/// Returns whether a file starts with the Parquet magic bytes, and rewinds the file.
///
/// # Errors
/// If the file cannot be read.
pub fn is_parquet(file: &mut File) -> io::Result<bool> {
    let mut beginning = Vec::new();
    fill(file, &mut beginning, PARQUET_BEGINNING.len())?;
    file.rewind()?;
    Ok(beginning == PARQUET_BEGINNING)
}

fn is_arrow(beginning: &[u8], asked: Option<Format>) -> bool {
    beginning == ARROW_BEGINNING && asked.is_none_or(|format| format == Format::Arrow)
}

/// The header of a text file.
struct Head {
    delimiter: Option<Delimiter>,
    line_ending: LineEnding,
    columns: Vec<String>,
    roles: Roles,
    /// The length of the header row in bytes, including the line ending.
    length: usize,
}

/// Magic bytes of unsupported files, with what the file is and what the user can do about it.
const NO_LISTS: &[(&[u8], &str, &str)] = &[
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
    (b"%PDF", "a PDF", ""),
    (b"SQLite format 3\0", "a database", ""),
    (b"\xff\xfe", "text in UTF-16", ": save it as \"CSV UTF-8\""),
    (b"\xfe\xff", "text in UTF-16", ": save it as \"CSV UTF-8\""),
    (b"{\\rtf", "a text document", ": save it as plain text"),
    (b"<", "a web page or XML", ""),
    (
        b"[",
        "a JSON array",
        ": NDJSON has one object per line and no brackets around them",
    ),
];

fn refuse_what_is_no_list(text: &[u8], asked: Option<Format>) -> Result<(), BatchError> {
    let begins = |beginning: &[u8]| text.starts_with(beginning);
    let columns = [
        (PARQUET_BEGINNING, Format::Parquet),
        (ARROW_BEGINNING, Format::Arrow),
    ];
    let found = columns.into_iter().find(|(beginning, _)| begins(beginning));
    match (found, asked) {
        (None, _) => {}
        (Some((_, found)), Some(format)) if found != format => {
            let what = format!("its content is {found}: leave out --format");
            return Err(BatchError::Unsound { format, what });
        }
        (Some(_), _) => return Err(BatchError::NeedsFile),
    }
    if let Some((_, what, hint)) = NO_LISTS.iter().find(|(beginning, ..)| begins(beginning)) {
        return Err(BatchError::NotAList { what, hint });
    }
    let first_line = &text[..memchr(b'\n', text).unwrap_or(text.len())];
    if memchr(0, first_line).is_some() {
        let (what, hint) = ("binary, or text in UTF-16", ": save it as \"CSV UTF-8\"");
        return Err(BatchError::NotAList { what, hint });
    }
    Ok(())
}

fn format_of(text: &[u8]) -> Format {
    match text.trim_ascii_start().first() {
        Some(b'{') => Format::Ndjson,
        _ => Format::Csv,
    }
}

fn line_ending(line: &[u8]) -> LineEnding {
    match line {
        [.., b'\r', b'\n'] => LineEnding::CrLf,
        _ => LineEnding::Lf,
    }
}

/// Parses the header row, using the given delimiter or the most likely one.
fn csv_head(text: &[u8], request: &Request) -> Result<Head, BatchError> {
    if memchr(b'\n', text).is_none() && memchr(b'\r', text).is_some() {
        return Err(BatchError::CarriageReturns);
    }
    if let Some(given) = request.delimiter {
        let first_line = &text[..memchr(b'\n', text).unwrap_or(text.len())];
        let is_latin1 = given.is_not_sign()
            && memchr::memmem::find(first_line, given.as_bytes()).is_none()
            && memchr(Delimiter::NOT_SIGN_LATIN1.first(), first_line).is_some();
        let delimiter = match is_latin1 {
            true => Delimiter::NOT_SIGN_LATIN1,
            false => given,
        };
        return head_by(text, delimiter, request).1;
    }
    let all = Delimiter::USUAL.map(|delimiter| head_by(text, delimiter, request));
    let mut best: Option<&Head> = None;
    let found = all.iter().filter_map(|(_, head)| head.as_ref().ok());
    let worth = |head: &Head| (head.roles.columns().len(), head.columns.len());
    for head in found {
        match best {
            Some(other) if worth(head) == worth(other) && head.columns.len() > 1 => {
                let (first, second) = (other.delimiter, head.delimiter);
                let (first, second) = (first.expect("CSV"), second.expect("CSV"));
                return Err(BatchError::TwoDelimiters { first, second });
            }
            Some(other) if worth(head) <= worth(other) => {}
            _ => best = Some(head),
        }
    }
    let best = best.and_then(|best| best.delimiter);
    let mut all = all.into_iter().collect::<Vec<_>>();
    let chosen = match best {
        Some(best) => Delimiter::USUAL.iter().position(|it| *it == best),
        // The error is the one that the most likely delimiter gives.
        None => (0..all.len()).rev().max_by_key(|&at| all[at].0),
    };
    all.swap_remove(chosen.expect("there are several")).1
}

/// Parses the header row with a delimiter. Also returns its number of fields.
fn head_by(
    text: &[u8],
    delimiter: Delimiter,
    request: &Request,
) -> (usize, Result<Head, BatchError>) {
    let length = match row_end(text, 0, delimiter) {
        RowEnd::After(end) => end,
        RowEnd::Text if text.len() < BLOCK_BYTES => text.len(),
        RowEnd::Text => return (0, Err(BatchError::TooManyColumns)),
        RowEnd::Open => return (0, Err(BatchError::OpenQuote { line: 1 })),
    };
    let (row, _) = without_line_ending(&text[..length]);
    let mut ends = Vec::new();
    field_ends(row, true, delimiter, &mut ends);
    if ends.len() > COLUMNS_MAX {
        return (ends.len(), Err(BatchError::TooManyColumns));
    }
    let name = |number| {
        let name = content(&row[field(&ends, number, delimiter)]).into_owned();
        String::from_utf8_lossy(&name).trim().to_string()
    };
    let columns: Vec<String> = (0..ends.len()).map(name).collect();
    let is_postcode = |name: &String| name.parse::<Postcode>().is_ok();
    if columns.iter().any(is_postcode) {
        return (ends.len(), Err(BatchError::NoNames));
    }
    let head = Roles::find(&columns, &request.named).map(|roles| Head {
        delimiter: Some(delimiter),
        line_ending: line_ending(&text[..length]),
        columns,
        roles,
        length,
    });
    (ends.len(), head)
}

/// Collects the member names of the first objects.
fn ndjson_head(text: &[u8], has_ended: bool, request: &Request) -> Result<Head, BatchError> {
    let whole = match has_ended {
        true => text.len(),
        false => memrchr(b'\n', text).map_or(0, |at| at + 1),
    };
    let lines = text[..whole].split(|&byte| byte == b'\n');
    let lines = lines.filter(|line| !line.trim_ascii().is_empty());
    let mut columns: Vec<String> = Vec::new();
    for (at, line) in lines.take(OBJECTS_LOOKED_AT).enumerate() {
        match ndjson::names(line) {
            Some(names) => {
                let new: Vec<String> = names
                    .into_iter()
                    .filter(|it| !columns.contains(it))
                    .collect();
                columns.extend(new);
            }
            None if at == 0 => {
                let (what, hint) = ("something else", ": its first line is not a JSON object");
                return Err(BatchError::NotAList { what, hint });
            }
            // A later line is reported as a bad row.
            None => {}
        }
        if columns.len() > COLUMNS_MAX {
            return Err(BatchError::TooManyColumns);
        }
    }
    let first_line = memchr(b'\n', text).map_or(text, |at| &text[..=at]);
    Ok(Head {
        delimiter: None,
        line_ending: line_ending(first_line),
        roles: Roles::find(&columns, &request.named)?,
        columns,
        length: 0,
    })
}

fn check_names(columns: &[String], request: &Request) -> Result<(), BatchError> {
    for (second, name) in columns
        .iter()
        .enumerate()
        .filter(|(_, name)| !name.is_empty())
    {
        if let Some(first) = columns[..second].iter().position(|earlier| earlier == name) {
            let (first, second) = (first + 1, second + 1);
            return Err(BatchError::SameName { first, second });
        }
        if request
            .columns
            .iter()
            .any(|column| column.to_string() == *name)
        {
            return Err(BatchError::AlreadyThere {
                column: name.clone(),
            });
        }
    }
    Ok(())
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Format::Csv => "CSV",
            Format::Ndjson => "NDJSON",
            Format::Parquet => "Parquet",
            Format::Arrow => "Arrow",
        })
    }
}

impl fmt::Display for LineEnding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LineEnding::Lf => "LF",
            LineEnding::CrLf => "CRLF",
        })
    }
}
